import { EvenkeelError } from "../errors.ts";
import type { Read } from "../metrics/read.ts";
import { turn } from "../metrics/turn.ts";
import type { Panel } from "../views/panel.ts";
import { MOMENT } from "../views/window.ts";
import { type Given, type PanelRequest, parseParams } from "./params.ts";
import type { Topic, Topics } from "./topics.ts";

/** What an answer is about: the newest tick, or a moment of the past. */
export interface Shown {
  readonly read: Read;
  readonly topic: (request: PanelRequest) => Topic;
  /** Null for the present. */
  readonly moment: Moment | null;
}

interface Moment {
  /** Unix milliseconds. */
  readonly at_ms: number;
  /** True where it was told as how long ago: its address shows something else a second later. */
  readonly relative: boolean;
}

export interface MomentDeps {
  readonly topics: Topics;
  readonly read: () => Read;
  readonly readAt: (at_ms: number) => Promise<Read>;
  /** Others have their turn where they have waited for long. */
  readonly turn: () => Promise<void>;
}

/**
 * The moment that is asked for; null for the present.
 *
 * @param panels what is to be shown
 * @throws EvenkeelError "invalid" for a moment of what has no past
 */
export function momentOf(panels: readonly Panel[], values: Given, now_ms: number): Moment | null {
  const { at } = parseParams(MOMENT, values);
  if (at === undefined) return null;
  const [present] = panels.filter((panel) => !panel.past);
  if (present) {
    const message = `Parameter at: ${present.title} shows no single moment of the past; ask without it`;
    throw new EvenkeelError("invalid", message, { details: { parameter: "at" } });
  }
  if ("at_ms" in at) return { at_ms: at.at_ms, relative: false };
  return { at_ms: Math.floor((now_ms - at.ago_ms) / 1000) * 1000, relative: true };
}

/** @throws EvenkeelError as `momentOf` and `readAt` */
export async function shownOf(
  panels: readonly Panel[],
  values: Given,
  { topics, read: newest, readAt }: MomentDeps,
): Promise<Shown> {
  const moment = momentOf(panels, values, newest().now_ms);
  if (moment === null) return { read: newest(), topic: eachOnce((request) => topics.get(request)), moment };
  const read = await readAt(moment.at_ms);
  return { read, topic: eachOnce((request) => topics.of(request, read)), moment };
}

/** What was worked out is there again when it is shown, also where there is no room to keep it for others. */
function eachOnce(make: Shown["topic"]): Shown["topic"] {
  const known = new Map<string, Topic>();
  return (request) => {
    const topic = known.get(request.key) ?? make(request);
    known.set(request.key, topic);
    return topic;
  };
}

/**
 * Looks up what panels need, and works each out in a turn of its own, ahead of who shows them and is told there what
 * fails. Where a tick comes meanwhile the rest is left to be worked out at once.
 *
 * @param work what is needed of each
 * @returns what is then shown
 */
export async function inTurns(
  requests: readonly PanelRequest[],
  shown: Shown,
  work: (topic: Topic) => void,
  deps: MomentDeps,
): Promise<Shown> {
  await prepared(requests, shown.read);
  for (const request of requests) {
    await deps.turn();
    const read = shown.moment === null ? deps.read() : shown.read;
    if (read !== shown.read) return { ...shown, read, topic: (one) => deps.topics.get(one) };
    try {
      work(shown.topic(request));
    } catch {}
  }
  return shown;
}

/** Looks up what panels need before they are loaded; others have their turn between the steps. */
export async function prepared(requests: readonly PanelRequest[], read: Read): Promise<void> {
  for (const { panel, params } of requests) {
    for (const _ of panel.prepare?.(read, params) ?? []) await turn();
  }
}
