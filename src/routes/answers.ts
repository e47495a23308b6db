import { createHash } from "node:crypto";
import { STATUS_CODES } from "node:http";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { EvenkeelError } from "../errors.ts";
import { turn } from "../metrics/turn.ts";
import type { ErrorFacts } from "../views/layout.tsx";
import { namesHtml, negotiateEncoding } from "./negotiate.ts";
import type { Ctx } from "./route.ts";

const brotliAsync = promisify(brotliCompress);
const gzipAsync = promisify(gzip);

/** Under this many bytes a compressed answer saves no packet. */
const COMPRESS_FROM_BYTES = 1_024;

export const PROBLEM_TYPE = "application/problem+json";
/** Answers that hold the fleet's data are not to be kept. */
export const NO_STORE = "no-store";
/** What a browser polls may be kept, if it asks each time whether it still holds. */
export const REVALIDATE = "private, no-cache";

export interface Answer {
  readonly type: string;
  readonly cache?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function weakTag(of: string): string {
  return `W/"${createHash("sha1").update(of).digest("base64url")}"`;
}

/** A text with its weak ETag, compressed as the client likes, or 304 where the client has it already. */
export async function answer(c: Ctx, text: string, init: Answer): Promise<Response> {
  const etag = weakTag(text);
  const headers: Record<string, string> = {
    "Cache-Control": init.cache ?? NO_STORE,
    Vary: "Accept, Accept-Encoding",
    ETag: etag,
    ...init.headers,
  };
  if (matches(c.req.header("if-none-match"), etag)) return new Response(null, { status: 304, headers });
  headers["Content-Type"] = init.type;
  const encoding =
    text.length < COMPRESS_FROM_BYTES
      ? null
      : negotiateEncoding(c.req.header("accept-encoding"), ["br", "gzip"]);
  if (encoding === null) return new Response(text, { headers });
  headers["Content-Encoding"] = encoding;
  const bytes = await (encoding === "br" ? brotli(text) : gzipAsync(text, { level: 5 }));
  return new Response(bytes as Uint8Array<ArrayBuffer>, { headers });
}

/**
 * A long text, a slice at a time as the client takes it: what is not read is not made, and between two slices
 * others have their turn. The first slice is made at once, so that its errors are still answered as errors.
 *
 * @param version the same while the text would be
 */
export function streamed(c: Ctx, slices: Generator<string>, type: string, version: string): Response {
  const etag = weakTag(version);
  const headers = { "Cache-Control": NO_STORE, Vary: "Accept", ETag: etag };
  if (matches(c.req.header("if-none-match"), etag)) return new Response(null, { status: 304, headers });
  let next = slices.next();
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (next.done) return controller.close();
        controller.enqueue(encoder.encode(next.value));
        await turn();
        next = slices.next();
      },
      cancel: () => void slices.return(undefined),
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { ...headers, "Content-Type": type } });
}

const DEFECT = { status: 500, detail: "This is a defect of Evenkeel; its log says more." };

/** An error of ours, or any defect, as what the caller can read: a page for a browser, else RFC 9457. */
export function failure(c: Ctx, error: unknown, errorPage: (facts: ErrorFacts) => string): Response {
  if (!(error instanceof EvenkeelError)) {
    console.error(error);
    return problem(c, DEFECT, errorPage);
  }
  return problem(
    c,
    {
      status: error.status,
      detail: error.message,
      details: error.details,
      headers: {
        ...(error.retry_after_s === undefined ? {} : { "Retry-After": String(error.retry_after_s) }),
        ...(error.kind === "unauthorized" ? { "WWW-Authenticate": "Bearer" } : {}),
        ...(error.kind === "upgrade_required" ? { Upgrade: "websocket", Connection: "Upgrade" } : {}),
      },
    },
    errorPage,
  );
}

/** What a caller is told of an error, or of any defect. RFC 9457. */
export function problemOf(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof EvenkeelError)) return problemBody(DEFECT);
  return problemBody({ status: error.status, detail: error.message, details: error.details });
}

function problemBody({ status, detail, details }: Problem): Record<string, unknown> {
  return { type: "about:blank", title: STATUS_CODES[status] ?? "Error", status, detail, ...details };
}

export interface Problem {
  readonly status: number;
  readonly detail: string;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export function problem(
  c: Ctx,
  { status, detail, details, headers }: Problem,
  errorPage?: (facts: ErrorFacts) => string,
): Response {
  const title = STATUS_CODES[status] ?? "Error";
  const common = { "Cache-Control": NO_STORE, Vary: "Accept", ...headers };
  if (errorPage && namesHtml(c.req.header("accept")) && (c.req.method !== "POST" || isForm(c))) {
    return new Response(errorPage({ status, title, detail, details }), {
      status,
      headers: { ...common, "Content-Type": "text/html; charset=utf-8" },
    });
  }
  return new Response(`${JSON.stringify(problemBody({ status, detail, details }))}\n`, {
    status,
    headers: { ...common, "Content-Type": PROBLEM_TYPE },
  });
}

/** Sent by a page: whoever filled it in is to read what was wrong. */
function isForm(c: Ctx): boolean {
  return c.req.header("content-type")?.startsWith("application/x-www-form-urlencoded") ?? false;
}

/** A small JSON answer that nobody asks for twice, such as an acknowledgement. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(`${JSON.stringify(body)}\n`, {
    status,
    headers: { "Content-Type": "application/json", "Cache-Control": NO_STORE, ...headers },
  });
}

/** If-None-Match compares weakly. RFC 9110, 13.1.2. */
export function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  const opaque = (tag: string) => tag.trim().replace(/^W\//, "");
  return header.trim() === "*" || header.split(",").some((tag) => opaque(tag) === opaque(etag));
}

// Quality 4 compresses a page better than gzip in the same time; 11 would take a hundred times as long.
function brotli(text: string): Promise<Buffer> {
  return brotliAsync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } });
}
