import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { fromRfc3339 } from "../metrics/instant.ts";
import { ALERT, type Mark, RESTART } from "../metrics/model.ts";
import { json } from "./answers.ts";
import { BODY_TIMEOUT_MS, BodyReader, bodyOf, mediaTypeOf } from "./body.ts";
import type { Route } from "./route.ts";

const JSON_ONLY = ["application/json"];
const MAX_BODY_BYTES = 16_384;
const MAX_TEXT_LENGTH = 200;
const DEFAULT_KIND = "note";
/** Clocks differ a little; nobody marks what is yet to come. */
const MAX_AHEAD_MS = 10 * 60_000;

const PRINTABLE = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+$/u;
const KIND = /^[a-z][a-z0-9_-]{0,31}$/;

const POSTED = z.strictObject({
  text: z
    .string()
    .max(MAX_TEXT_LENGTH)
    .regex(PRINTABLE, "must be printable")
    .describe(`What happened, 1 to ${MAX_TEXT_LENGTH} characters`),
  kind: z
    .string()
    .regex(KIND, "must be 1 to 32 of a-z, 0-9, _ and -, and begin with a letter")
    .refine(
      (kind) => kind !== RESTART && kind !== ALERT,
      `must be neither ${RESTART} nor ${ALERT}, which Evenkeel itself sets`,
    )
    .default(DEFAULT_KIND)
    .describe("Such as deploy, maintenance or note"),
  at: z
    .union([z.number(), z.string()])
    .optional()
    .describe("When it happened: RFC 3339 with an offset, or Unix milliseconds; left out, now"),
});

const MARK = z.object({
  at_ms: z.number().describe("When it happened, Unix milliseconds"),
  kind: z.string().describe("What kind of mark it is"),
  text: z.string().describe("What happened"),
  demo: z.boolean().describe("True where it is set on the demo fleet, which is shown, and ends with it"),
});

export interface MarkDeps {
  /** @throws EvenkeelError "too_many" while too many wait to be written */
  mark(mark: Mark): void;
  now_ms(): number;
  /** True while what is shown, and marked, is the demo fleet. */
  demo(): boolean;
}

/** What others post to stand on the charts: deploys, maintenance. */
export function markRoutes({ mark, now_ms, demo }: MarkDeps): Route[] {
  const reader = new BodyReader({
    max_bytes: MAX_BODY_BYTES,
    max_pending_bytes: 64 * MAX_BODY_BYTES,
    timeout_ms: BODY_TIMEOUT_MS,
  });
  return [
    {
      method: "POST",
      path: "/api/marks",
      needs: "ingest",
      audit: true,
      summary: "Sets a mark on the charts of history, such as a deploy.",
      takes: JSON_ONLY,
      body: () => POSTED,
      example: { body: { text: "model server 2.4", kind: "deploy" } },
      response: {
        status: 201,
        description: "Set, and durable within the next tick; the same mark again changes nothing",
        content: { "application/json": MARK },
      },
      handler: async (c) => {
        mediaTypeOf(c, JSON_ONLY);
        const body = await reader.read(bodyOf(c), c.req.header("content-length"));
        const posted = parsed(body.toString());
        const set = { at_ms: instantOf(posted.at, now_ms()), kind: posted.kind, text: posted.text };
        mark(set);
        c.set("audited", { detail: `${set.kind}, ${set.text}` });
        return json({ ...set, demo: demo() }, 201);
      },
    },
  ];
}

function parsed(text: string): z.output<typeof POSTED> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new EvenkeelError("invalid", `The body must be JSON; ${(error as Error).message}`);
  }
  const result = POSTED.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const path = issue.path.join(".");
  throw new EvenkeelError("unprocessable", `${path === "" ? "a mark" : path}: ${issue.message}`, {
    details: { path },
  });
}

function instantOf(at: number | string | undefined, now_ms: number): number {
  if (at === undefined) return now_ms;
  const at_ms = typeof at === "number" ? Math.floor(at) : fromRfc3339(at);
  if (at_ms >= 0 && at_ms <= now_ms + MAX_AHEAD_MS) return at_ms;
  throw new EvenkeelError(
    "unprocessable",
    `at: must be Unix milliseconds or an RFC 3339 time with an offset, at most 10 minutes ahead; got ${JSON.stringify(at).slice(0, 80)}`,
    { details: { path: "at" } },
  );
}
