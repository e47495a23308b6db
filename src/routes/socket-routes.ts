import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import type { Panel } from "../views/panel.ts";
import { channelNames, subscriptionTo } from "./channels.ts";
import type { Hub } from "./hub.ts";
import { given } from "./params.ts";
import type { Ctx, Route, Watch } from "./route.ts";

/** A code of our own: whoever asked for it may not have it any more. */
const LOGGED_OUT = 4401;

/** The same at two addresses: the seed's, and the one that clients of a coordinator know. */
const PATHS = ["/ws/metrics", "/ws"];

/** What a client gets of a channel, at once and each tick. */
const FRAME = z.object({
  channel: z.string().describe("The channel, as it was asked for"),
  params: z.looseObject({}).optional().describe("Its parameters, where there are any"),
  tick: z.int().describe("Counts up by one a tick"),
  data: z
    .looseObject({ timestamp: z.iso.datetime().describe("When the values are from, RFC 3339 in UTC") })
    .optional()
    .describe("The data of the channel's panel as its API answers it"),
  error: z
    .looseObject({ status: z.int(), detail: z.string() })
    .optional()
    .describe("In place of data, why there is none: as an error is answered"),
});

export function socketRoutes(panels: readonly Panel[], hub: Hub, watch: Watch): Route[] {
  const channels = channelNames(panels);
  return PATHS.map((path) => ({
    method: "GET",
    path,
    needs: "read",
    summary:
      "A WebSocket: frames of JSON of the channels subscribed to, at once and each tick. Messages: " +
      '{"action":"subscribe","channel":"system_metrics","params":{…}}, unsubscribe likewise, {"action":"ping"}.',
    params: z.object({
      channel: z
        .union([z.string(), z.array(z.string())])
        .optional()
        .describe(
          `Channels to begin with, separated by commas, of ${channels.join(", ")}; other parameters are theirs`,
        ),
    }),
    example: { params: { channel: channels[0] ?? "" } },
    response: {
      status: 101,
      description: "Frames until either side ends it",
      content: { "application/json": FRAME },
    },
    handler: (c) => connect(c, panels, hub, watch),
  }));
}

function connect(c: Ctx, panels: readonly Panel[], hub: Hub, watch: Watch): Response {
  const values = given(c);
  const upgrade = c.env?.upgrade;
  if (!upgrade) {
    throw new EvenkeelError(
      "upgrade_required",
      `${c.req.path} is a WebSocket: connect to it as one, at ws:// or wss://`,
    );
  }
  if (values.has("at")) {
    throw new EvenkeelError("invalid", "A WebSocket shows the present: it takes no at", {
      details: { parameter: "at" },
    });
  }
  hub.checkRoom();
  const asked = [values.get("channel") ?? []]
    .flat()
    .flatMap((list) => list.split(","))
    .filter((name) => name !== "");
  upgrade((socket) => {
    socket.once(
      "close",
      watch(c, () => socket.close(LOGGED_OUT, "This takes a log-in")),
    );
    hub.sockets.join(socket, panels, () =>
      [...new Set(asked)].map((channel) => subscriptionTo(channel, values, panels)),
    );
  });
  return new Response(null);
}
