import type { ServerResponse } from "node:http";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import type { Panel } from "../views/panel.ts";
import { answer, NO_STORE } from "./answers.ts";
import type { StreamFormat } from "./frames.ts";
import { COMMON_HEADERS, OWN_HEADERS } from "./headers.ts";
import type { Hub, Outgoing } from "./hub.ts";
import { negotiate, negotiateEncoding } from "./negotiate.ts";
import { type Given, given, type PanelRequest, panelRequest, parseParams } from "./params.ts";
import type { Ctx, Route, Watch } from "./route.ts";

const MEDIA_TYPES = {
  "text/event-stream": "html",
  "application/x-ndjson": "json",
  "application/json": "json",
  "text/plain": "text",
} as const satisfies Record<string, StreamFormat>;

const CONTENT_TYPES: Readonly<Record<StreamFormat, string>> = {
  html: "text/event-stream; charset=utf-8",
  json: "application/x-ndjson",
  text: "text/plain; charset=utf-8",
};

/** Words of `?format=` on streams. */
const FORMAT_WORDS: Readonly<Record<string, StreamFormat>> = {
  sse: "html",
  html: "html",
  json: "json",
  ndjson: "json",
  text: "text",
};

const POLL = z.object({
  poll: z
    .enum(["1"])
    .optional()
    .describe(
      "Ends at once: with what changed since the event that Last-Event-ID names, for who can hold no stream",
    ),
});

/** Asks for the ticks alone: silence means trouble on a page without a live panel too. */
export const NO_PANELS = "none";

/**
 * The address of the stream of some panels, below the base path, with the parameters that they share.
 * The page's script looks for and changes the `poll` that it begins with.
 */
export function streamUrl(panels: readonly Panel[], values: Given, poll = false): string {
  const query = new URLSearchParams(poll ? { poll: "1" } : {});
  const link = values.get("link");
  if (typeof link === "string") query.set("link", link);
  const live = panels.filter((panel) => panel.live !== false);
  query.set("panels", live.map((panel) => panel.id).join(",") || NO_PANELS);
  for (const [name, value] of values) {
    if (!live.some((panel) => name in panel.params.shape)) continue;
    for (const one of typeof value === "string" ? [value] : value) query.append(name, one);
  }
  return `stream?${query.toString().replaceAll("%2C", ",")}`;
}

export function streamRoutes(panels: readonly Panel[], hub: Hub, watch: Watch): Route[] {
  return [
    {
      method: "GET",
      path: "/stream",
      needs: "read",
      summary:
        "Panels as they change: Server-Sent Events with markup, or each tick one line of JSON, or readable text.",
      params: z.object({
        panels: z
          .string()
          .describe(
            "Ids of panels, separated by commas; none for the ticks alone; other parameters are theirs",
          ),
        ...POLL.shape,
        format: z.enum(["sse", "json", "ndjson", "text"]).optional().describe("Instead of Accept"),
      }),
      example: { params: { panels: panels[0]?.id ?? NO_PANELS, format: "json" } },
      response: {
        description: "A stream that goes on until either side ends it",
        content: { "text/event-stream": null, "application/x-ndjson": null, "text/plain": null },
      },
      handler: (c) => stream(c, panels, hub, watch),
    },
  ];
}

async function stream(c: Ctx, panels: readonly Panel[], hub: Hub, watch: Watch): Promise<Response> {
  const values = given(c);
  if (values.has("at")) {
    throw new EvenkeelError("invalid", "A stream shows the present: it takes no at", {
      details: { parameter: "at" },
    });
  }
  const { poll } = parseParams(POLL, values);
  const format = streamFormat(c, values);
  const requests = streamRequests(panels, values, hub.limits.max_panels);
  if (format === "text" && !requests.some(({ panel }) => panel.table)) {
    const ids = requests.map(({ panel }) => panel.id).join(", ");
    throw new EvenkeelError(
      "not_acceptable",
      `None of ${ids} is a table, so there is no text; ask for sse or json`,
    );
  }
  const gzip = negotiateEncoding(c.req.header("accept-encoding"), ["gzip"]) === "gzip";
  const headers = {
    ...COMMON_HEADERS,
    ...OWN_HEADERS,
    "Content-Type": CONTENT_TYPES[format],
    "Cache-Control": `${NO_STORE}, no-transform`,
    Vary: "Accept, Accept-Encoding",
    // Proxies that buffer would hold a tick back until the next ones fill their buffer.
    "X-Accel-Buffering": "no",
    ...(gzip ? { "Content-Encoding": "gzip" } : {}),
  };
  if (poll) {
    await hub.prepared(requests, format);
    const text = hub.poll(requests, format, c.req.header("last-event-id") ?? "");
    return answer(c, text, { type: CONTENT_TYPES[format] });
  }
  if (c.req.method === "HEAD") return new Response(null, { headers });
  const outgoing = c.env?.outgoing;
  if (!outgoing) throw new EvenkeelError("unavailable", "A stream needs a connection of its own");
  await hub.prepared(requests, format);
  hub.join(requests, format, gzip, () => {
    outgoing.writeHead(200, headers);
    outgoing.once(
      "close",
      watch(c, () => outgoing.destroy()),
    );
    // Of HTTP/2 only the stream below the response says whether it is gone.
    return "stream" in outgoing ? outgoing.stream : inChunks(outgoing);
  });
  return RESPONSE_ALREADY_SENT;
}

/** Bytes with the length before them that HTTP/1.1 wants, made once for all that are sent them. */
const CHUNKS = new WeakMap<Uint8Array, Buffer>();

function chunkOf(bytes: Uint8Array): Buffer {
  let chunk = CHUNKS.get(bytes);
  if (!chunk) {
    chunk = Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
    CHUNKS.set(bytes, chunk);
  }
  return chunk;
}

/** A response whose chunks go to its connection as one piece each: as three they cost a tenth more. */
function inChunks(outgoing: ServerResponse): Outgoing {
  outgoing.flushHeaders();
  const { socket } = outgoing;
  // One behind others of its connection has none yet, and HTTP/1.0 knows no chunks.
  if (socket === null || !outgoing.chunkedEncoding) return outgoing;
  return {
    get writableLength() {
      return socket.writableLength;
    },
    get destroyed() {
      return outgoing.destroyed;
    },
    write: (bytes) => socket.write(chunkOf(bytes)),
    end: () => outgoing.end(),
    destroy: () => outgoing.destroy(),
    on: (event, listener) => outgoing.on(event, listener),
  };
}

function streamFormat(c: Ctx, values: Given): StreamFormat {
  const word = values.get("format");
  if (word !== undefined) {
    const format =
      typeof word === "string" && Object.hasOwn(FORMAT_WORDS, word) ? FORMAT_WORDS[word] : undefined;
    if (format) return format;
    throw new EvenkeelError(
      "not_acceptable",
      `format must be sse, json or text; got ${JSON.stringify(word)}`,
    );
  }
  const media_type = negotiate(
    c.req.header("accept"),
    Object.keys(MEDIA_TYPES) as (keyof typeof MEDIA_TYPES)[],
  );
  return media_type === null ? "html" : MEDIA_TYPES[media_type];
}

/** The panels that a stream is to show, in order, each once. */
function streamRequests(panels: readonly Panel[], values: Given, max_panels: number): PanelRequest[] {
  const asked = values.get("panels");
  const ids = new Set(
    [asked ?? []]
      .flat()
      .flatMap((list) => list.split(","))
      .filter((id) => id !== ""),
  );
  if (ids.size === 1 && ids.has(NO_PANELS)) return [];
  if (ids.size === 0) {
    throw new EvenkeelError(
      "invalid",
      `panels must be ids separated by commas: ${known(panels)}, or none; it is missing`,
      {
        details: { parameter: "panels" },
      },
    );
  }
  if (ids.size > max_panels) {
    throw new EvenkeelError("invalid", `panels must be at most ${max_panels} ids; got ${ids.size}`, {
      details: { parameter: "panels" },
    });
  }
  return [...ids].map((id) => {
    const panel = panels.find((one) => one.id === id);
    if (panel) return panelRequest(panel, values);
    throw new EvenkeelError(
      "not_found",
      `There is no panel ${JSON.stringify(id.slice(0, 80))}; there are ${known(panels)}`,
      { details: { parameter: "panels" } },
    );
  });
}

function known(panels: readonly Panel[]): string {
  return panels.map((panel) => panel.id).join(", ");
}
