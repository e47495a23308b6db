import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { EvenkeelError } from "../errors.ts";
import type { Read } from "../metrics/read.ts";
import { turn } from "../metrics/turn.ts";
import { families } from "../views/exposition/families.ts";
import { type ExpositionFormat, printed } from "../views/exposition/print.ts";
import { NO_STORE } from "./answers.ts";
import { negotiate, negotiateEncoding } from "./negotiate.ts";
import type { Ctx, Route } from "./route.ts";

const gzipAsync = promisify(gzip);

const MEDIA_TYPES = ["text/plain", "application/openmetrics-text"] as const;
type MediaType = (typeof MEDIA_TYPES)[number];

const FORMATS: Readonly<Record<MediaType, { format: ExpositionFormat; type: string }>> = {
  "text/plain": { format: "text", type: "text/plain; version=0.0.4; charset=utf-8" },
  "application/openmetrics-text": {
    format: "openmetrics",
    type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
  },
};

/** One tick in one format; whoever asks in the meantime gets the same bytes. */
interface Rendered {
  readonly tick: string;
  readonly bytes: Promise<Buffer>;
  gzipped?: Promise<Buffer>;
}

/** For Prometheus, and whoever reads its format. */
export function metricsRoute(read: () => Read): Route {
  const newest = new Map<MediaType, Rendered>();
  return {
    method: "GET",
    path: "/metrics",
    needs: "read",
    summary:
      "The fleet's metrics and our own for Prometheus, as of the last tick: OpenMetrics 1.0 or text 0.0.4, by Accept.",
    response: {
      description: "The exposition",
      content: Object.fromEntries(MEDIA_TYPES.map((type) => [type, null])),
    },
    async handler(c) {
      const wanted = negotiate(c.req.header("accept"), MEDIA_TYPES);
      if (wanted === null)
        throw new EvenkeelError("not_acceptable", `/metrics comes as ${MEDIA_TYPES.join(" or ")}`);
      const now = read();
      const tick = `${now.demo} ${now.tick}`;
      let rendered = newest.get(wanted);
      if (rendered?.tick !== tick) {
        rendered = { tick, bytes: render(now, FORMATS[wanted].format) };
        newest.set(wanted, rendered);
      }
      return answerWith(c, rendered, FORMATS[wanted].type);
    },
  };
}

async function answerWith(c: Ctx, rendered: Rendered, type: string): Promise<Response> {
  const headers: Record<string, string> = {
    "Content-Type": type,
    "Cache-Control": NO_STORE,
    Vary: "Accept, Accept-Encoding",
  };
  let bytes = await rendered.bytes;
  if (negotiateEncoding(c.req.header("accept-encoding"), ["gzip"]) !== null) {
    headers["Content-Encoding"] = "gzip";
    rendered.gzipped ??= gzipAsync(bytes, { level: 1 });
    bytes = await rendered.gzipped;
  }
  return new Response(bytes as Uint8Array<ArrayBuffer>, { headers });
}

/** Piece by piece, so that ten thousand workers hold nobody up. */
async function render(read: Read, format: ExpositionFormat): Promise<Buffer> {
  const { user, system } = process.cpuUsage();
  const pieces: Buffer[] = [];
  for (const piece of printed(families(read, { cpu_s: (user + system) / 1e6 }), format)) {
    pieces.push(Buffer.from(piece));
    await turn();
  }
  return Buffer.concat(pieces);
}
