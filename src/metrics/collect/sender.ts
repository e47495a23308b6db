import { setTimeout as wait } from "node:timers/promises";
import { EvenkeelError } from "../../errors.ts";

/** What the ingest route answered, whether it was asked over HTTP or inside the process. */
export interface Answer {
  status: number;
  /** Parsed JSON where the answer was JSON, else its text. */
  body: unknown;
  /** Seconds, where the answer came with Retry-After. */
  retry_after_s?: number | undefined;
}

/** Takes one body to the ingest route. It throws only where nothing answered. */
export type Send = (body: string, content_type: string) => Promise<Answer>;

/** Resolves after this time, or at once when the signal aborts; it never rejects. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

export interface Delivery {
  accepted: number;
  rejected: number;
  /** What was wrong with which report, counted from 0 in the list that was delivered. */
  errors: { index: number; message: string }[];
}

export interface DeliverOptions {
  sleep?: Sleep | undefined;
  signal?: AbortSignal | undefined;
}

export const NDJSON = "application/x-ndjson";

/** The answer to a body of a few hundred reports takes milliseconds; beyond this the server hangs. */
const ANSWER_TIMEOUT_MS = 30_000;
/** A server that is busy for longer than these tries, each with the pause it asked for, is given up. */
const MAX_TRIES = 120;
const DEFAULT_PAUSE_S = 1;
const MAX_PAUSE_S = 60;

/** A sender over HTTP. `url` is where Evenkeel's start page is, base path included. */
export function httpSend(
  url: string,
  token?: string,
  route = "api/ingest",
  fetcher: typeof fetch = fetch,
): Send {
  const target = routeUrl(url, route);
  return async (body, content_type) => {
    const headers: Record<string, string> = { "content-type": content_type, accept: "application/json" };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    try {
      const response = await fetcher(target, { method: "POST", body, headers, redirect: "manual", signal });
      const text = await response.text();
      return {
        status: response.status,
        body: parsed(text),
        retry_after_s: pauseOf(response.headers.get("retry-after")),
      };
    } catch (error) {
      throw new EvenkeelError(
        "unavailable",
        `${target} does not answer (${reasonOf(error)}); is Evenkeel running there, and is the URL right?`,
      );
    }
  };
}

/** The address of a route on the server whose start page is at `url`. */
export function routeUrl(url: string, route: string): string {
  const parts = URL.canParse(url) ? new URL(url) : null;
  if (parts === null || !["http:", "https:"].includes(parts.protocol)) {
    throw new EvenkeelError(
      "invalid",
      `the URL must begin with http:// or https://; got ${JSON.stringify(url)}`,
    );
  }
  if (parts.username !== "" || parts.password !== "") {
    throw new EvenkeelError(
      "invalid",
      "the URL must not carry a user or password; pass an ingest token instead",
    );
  }
  return `${parts.origin}${parts.pathname.replace(/\/+$/, "")}/${route}`;
}

/**
 * Delivers reports, each one line of JSON, as one body. Waits and tries again while the server says that
 * its buffer is full (429 or 503), and halves a body that is too large for it. Throws where the server refuses the
 * body as such; reports that it rejects are counted. Once the signal aborts, what was not taken yet is left.
 */
export async function deliver(
  send: Send,
  lines: readonly string[],
  options: DeliverOptions = {},
): Promise<Delivery> {
  const { sleep = realSleep, signal } = options;
  for (let tries = 1; ; tries++) {
    const answer = await send(`${lines.join("\n")}\n`, NDJSON);
    const busy = answer.status === 429 || answer.status === 503;
    if (!busy) return settle(send, lines, answer, options);
    if (tries === MAX_TRIES) throw refusal(answer);
    await sleep(1000 * Math.min(MAX_PAUSE_S, answer.retry_after_s ?? DEFAULT_PAUSE_S), signal);
    if (signal?.aborted) return { accepted: 0, rejected: 0, errors: [] };
  }
}

async function settle(
  send: Send,
  lines: readonly string[],
  answer: Answer,
  options: DeliverOptions,
): Promise<Delivery> {
  if (answer.status === 413) {
    if (lines.length === 1) return rejection(lines, answer);
    const middle = Math.ceil(lines.length / 2);
    const first = await deliver(send, lines.slice(0, middle), options);
    const second = await deliver(send, lines.slice(middle), options);
    const errors = second.errors.map(({ index, message }) => ({ index: index + middle, message }));
    return {
      accepted: first.accepted + second.accepted,
      rejected: first.rejected + second.rejected,
      errors: [...first.errors, ...errors],
    };
  }
  if (answer.status === 422) return rejection(lines, answer);
  if (answer.status >= 200 && answer.status < 300) return taken(lines, answer);
  throw refusal(answer);
}

function taken(lines: readonly string[], { body }: Answer): Delivery {
  const rejected = numberOf(body, "rejected") ?? 0;
  return {
    accepted: numberOf(body, "accepted") ?? lines.length - rejected,
    rejected,
    errors: errorsOf(body),
  };
}

function rejection(lines: readonly string[], answer: Answer): Delivery {
  const errors = errorsOf(answer.body);
  const message = textOf(answer.body) ?? `answered ${answer.status}`;
  return {
    accepted: 0,
    rejected: lines.length,
    errors: errors.length > 0 ? errors : [{ index: 0, message }],
  };
}

/** The answer's `errors`; a line is counted from 1 there, and left out where there was only one report. */
function errorsOf(body: unknown): Delivery["errors"] {
  const errors = memberOf(body, "errors");
  if (!Array.isArray(errors)) return [];
  return errors.map((error: unknown) => {
    const path = memberOf(error, "path");
    const message = String(memberOf(error, "message") ?? JSON.stringify(error));
    const where = typeof path === "string" && path !== "" ? `${path} ` : "";
    return { index: (numberOf(error, "line") ?? 1) - 1, message: where + message };
  });
}

function refusal(answer: Answer): EvenkeelError {
  const said = textOf(answer.body);
  const reason = said === null ? "" : `: ${said}`;
  if (answer.status === 401 || answer.status === 403) {
    return new EvenkeelError(
      "unauthorized",
      `the server wants an ingest token that it knows (${answer.status})${reason}`,
    );
  }
  if (answer.status === 429 || answer.status === 503) {
    return new EvenkeelError(
      "unavailable",
      `the server is still too busy after ${MAX_TRIES} tries (${answer.status})${reason}`,
    );
  }
  return new EvenkeelError("invalid", `the server refused the reports with status ${answer.status}${reason}`);
}

/** What problem+json, or a plain answer, says in words. */
export function textOf(body: unknown): string | null {
  const text = typeof body === "string" ? body : (memberOf(body, "detail") ?? memberOf(body, "title"));
  return typeof text === "string" && text !== "" ? text.slice(0, 300) : null;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function numberOf(value: unknown, name: string): number | undefined {
  const number = memberOf(value, name);
  return typeof number === "number" ? number : undefined;
}

/** JSON as its value, any other text as it is. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Only the form in seconds: our own server sends no other, and a date would need a clock. */
function pauseOf(header: string | null): number | undefined {
  return header !== null && /^\d+$/.test(header.trim()) ? Number(header) : undefined;
}

/** Why nothing answered, in a word or a few. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `not within ${ANSWER_TIMEOUT_MS / 1000} s`;
  const { cause } = error;
  return String(memberOf(cause, "code") ?? (cause instanceof Error ? cause.message : error.message));
}

export const realSleep: Sleep = async (ms, signal) => {
  await wait(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {});
};
