import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { didYouMean } from "../kinds.ts";
import { mustBe, shown, strict } from "../metrics/must-be.ts";
import type { Panel } from "../views/panel.ts";
import { type Given, type PanelRequest, panelRequest } from "./params.ts";

/** What clients of a coordinator call a channel, and the panel that it is. */
const NAMED: Readonly<Record<string, string>> = {
  system_metrics: "overview",
  worker_metrics: "worker-grid",
  task_metrics: "task-list",
};

/** One thing to watch: a panel's data with parameters, under the name by which it was asked for. */
export interface Subscription {
  readonly channel: string;
  /** Those that the panel knows, as they were given. */
  readonly params: Readonly<Record<string, string | readonly string[]>>;
  readonly request: PanelRequest;
  /** The same for all who ask for the same under the same name. */
  readonly key: string;
}

export type Message =
  | { readonly action: "subscribe" | "unsubscribe"; readonly subscription: Subscription }
  | { readonly action: "ping" };

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const PARAMS_RULE = mustBe("an object of texts, numbers, true, false or lists of these");

/** What a client sends, one JSON object a message. */
const MESSAGE = strict(
  {
    action: z
      .enum(["subscribe", "unsubscribe", "ping"], mustBe("one of subscribe, unsubscribe, ping"))
      .describe("subscribe: a frame now and each tick; unsubscribe: no more; ping: a frame back at once"),
    channel: z
      .string(mustBe("the name of a channel"))
      .max(64, mustBe("at most 64 characters"))
      .optional()
      .describe("What to watch, or no more; not for ping"),
    params: z
      .record(z.string(), z.union([scalar, z.array(scalar).max(100)], PARAMS_RULE), PARAMS_RULE)
      .optional()
      .describe("Parameters of the channel, as those of the query of the same panel's data"),
  },
  "a JSON object with an action",
);

/** Every name of a channel: each live panel's id, and what clients of a coordinator call some. */
export function channelNames(panels: readonly Panel[]): string[] {
  const live = panels.filter((panel) => panel.live !== false).map(({ id }) => id);
  return [...Object.keys(NAMED).filter((name) => live.includes(NAMED[name]!)), ...live];
}

/** @throws EvenkeelError "invalid" or "not_found", which names the field, its rule and what came */
export function messageOf(text: string, panels: readonly Panel[]): Message {
  const parsed = MESSAGE.safeParse(jsonOf(text));
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    const field = path.join(".");
    throw invalid(`${field === "" ? "A message" : `Field ${field}:`} ${message.split("\n", 1)[0]}`, field);
  }
  const { action, channel, params = {} } = parsed.data;
  if (action === "ping") return { action };
  if (channel === undefined) {
    throw invalid(
      `Field channel: must be one of ${channelNames(panels).join(", ")}; it is missing`,
      "channel",
    );
  }
  const values: Given = new Map(
    Object.entries(params)
      .map(([name, value]) => [name, Array.isArray(value) ? value.map(String) : String(value)] as const)
      .filter(([, value]) => value.length > 0),
  );
  const { shape } = panelOf(channel, panels).params;
  for (const name of values.keys()) {
    if (Object.hasOwn(shape, name)) continue;
    const known = Object.keys(shape);
    const near = didYouMean(name.slice(0, 64), known);
    const takes = known.length === 0 ? "none" : known.join(", ");
    throw invalid(
      `Field params.${name.slice(0, 64)}: must be a parameter of ${channel}, which takes ${takes}${near}`,
      "params",
    );
  }
  return { action, subscription: subscriptionTo(channel, values, panels) };
}

/** @throws EvenkeelError */
export function subscriptionTo(channel: string, values: Given, panels: readonly Panel[]): Subscription {
  const request = panelRequest(panelOf(channel, panels), values);
  const known = [...values].filter(([name]) => Object.hasOwn(request.panel.params.shape, name));
  const params = Object.fromEntries(known.sort(([a], [b]) => (a < b ? -1 : 1)));
  return { channel, params, request, key: `${channel} ${JSON.stringify(params)}` };
}

function panelOf(channel: string, panels: readonly Panel[]): Panel {
  const id = Object.hasOwn(NAMED, channel) ? NAMED[channel] : channel;
  const panel = panels.find((one) => one.id === id && one.live !== false);
  if (panel) return panel;
  const names = channelNames(panels);
  throw new EvenkeelError(
    "not_found",
    `Field channel: must be one of ${names.join(", ")}; got ${shown(channel)}${didYouMean(channel.slice(0, 64), names)}`,
    { details: { field: "channel" } },
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid(`A message must be a JSON object such as {"action":"ping"}; got ${shown(text)}`, "");
  }
}

function invalid(message: string, field: string): EvenkeelError {
  return new EvenkeelError("invalid", message, { details: { field } });
}
