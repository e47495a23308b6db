import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { REPORT_EXAMPLE, type ReportLimits, reportSchema } from "../metrics/collect/report.ts";
import { json, problem } from "./answers.ts";
import { BODY_TIMEOUT_MS, BodyReader, bodyOf, mediaTypeOf } from "./body.ts";
import type { Ctx, Route } from "./route.ts";

export type { ReportLimits };

export interface Ingested {
  readonly accepted: number;
  readonly rejected: number;
  readonly errors: readonly { readonly line: number; readonly path: string; readonly message: string }[];
}

/** @param sources whose reports are taken; null for anybody's */
export type Ingest = (
  body: Uint8Array,
  mediaType: string,
  sources: readonly string[] | null,
) => Promise<Ingested>;

const MEDIA_TYPES = ["application/json", "application/x-ndjson"];

const INGESTED = z.object({
  accepted: z.int().describe("Reports taken"),
  rejected: z.int().describe("Reports refused"),
  errors: z.array(
    z.object({
      line: z.int().describe("Line of the body, from 1"),
      path: z.string().describe("Where in the report"),
      message: z.string().describe("The rule and what came"),
    }),
  ),
});

export function ingestRoutes(ingest: Ingest, max_body_bytes: number, limits: ReportLimits): Route[] {
  const reader = new BodyReader({
    max_bytes: max_body_bytes,
    max_pending_bytes: 8 * max_body_bytes,
    timeout_ms: BODY_TIMEOUT_MS,
  });
  return [
    {
      method: "POST",
      path: "/api/ingest",
      needs: "ingest",
      summary: "Takes reports of workers, tasks and the system: one as JSON, or many, one a line.",
      takes: MEDIA_TYPES,
      body: () => reportSchema(limits, "refused").report,
      example: { body: REPORT_EXAMPLE },
      response: {
        status: 202,
        description: "Taken, and durable within the next tick",
        content: { "application/json": INGESTED },
      },
      handler: (c) => take(c, ingest, reader),
    },
  ];
}

async function take(c: Ctx, ingest: Ingest, reader: BodyReader): Promise<Response> {
  const mediaType = mediaTypeOf(c, MEDIA_TYPES);
  const encoding = encodingOf(c);
  const received = await reader.read(bodyOf(c), c.req.header("content-length"));
  const body = encoding === "gzip" ? await reader.inflate(received) : received;
  const result = await ingest(body, mediaType, sourcesOf(c));
  if (result.accepted > 0 || result.rejected === 0) return json(result, 202);
  const first = result.errors[0];
  const where = first ? `: line ${first.line}, ${first.path} ${first.message}` : "";
  return problem(c, { status: 422, detail: `Every report was rejected${where}`, details: { ...result } });
}

/** A token may be bound to the sources that it reports as. */
function sourcesOf(c: Ctx): readonly string[] | null {
  const caller = c.get("caller");
  return caller?.kind === "token" ? caller.token.sources : null;
}

function encodingOf(c: Ctx): "gzip" | "identity" {
  const header = (c.req.header("content-encoding") ?? "identity").trim().toLowerCase();
  if (header === "gzip" || header === "x-gzip") return "gzip";
  if (header === "identity") return "identity";
  throw new EvenkeelError(
    "unsupported_media_type",
    `Content-Encoding must be gzip or none; got ${JSON.stringify(header)}`,
  );
}
