import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { EvenkeelError } from "../errors.ts";
import { NO_STORE } from "./answers.ts";
import { COMMON_HEADERS, OWN_HEADERS } from "./headers.ts";
import type { ReportFeed } from "./report-feed.ts";
import type { Ctx, Route, Watch } from "./route.ts";

const TYPE = "application/x-ndjson";

const HEADERS = {
  ...COMMON_HEADERS,
  ...OWN_HEADERS,
  "Content-Type": TYPE,
  "Cache-Control": `${NO_STORE}, no-transform`,
  "X-Accel-Buffering": "no",
};

/** What is reported, for whoever records it. */
export function recordRoutes(feed: ReportFeed, watch: Watch): Route[] {
  return [
    {
      method: "GET",
      path: "/api/ingest/stream",
      needs: "operate",
      summary:
        "Every report that is taken from now on, one a line with its time and source, as a trace file has them.",
      response: {
        description:
          "A stream that goes on until either side ends it; blank lines keep it alive. Whoever does not keep up is dropped with a last line that has only an end, which says so",
        content: { [TYPE]: null },
      },
      handler: (c) => stream(c, feed, watch),
    },
  ];
}

function stream(c: Ctx, feed: ReportFeed, watch: Watch): Response {
  if (c.req.method === "HEAD") return new Response(null, { headers: HEADERS });
  const outgoing = c.env?.outgoing;
  if (!outgoing) throw new EvenkeelError("unavailable", "A stream needs a connection of its own");
  feed.join(() => {
    outgoing.writeHead(200, HEADERS);
    outgoing.once(
      "close",
      watch(c, () => outgoing.destroy()),
    );
    return outgoing;
  });
  return RESPONSE_ALREADY_SENT;
}
