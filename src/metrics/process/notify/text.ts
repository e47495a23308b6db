import { counted, instant, seconds, shorten } from "../../format.ts";
import { SEVERITIES } from "../../model.ts";
import { manyTitle } from "../status.ts";
import type { ToldEvent } from "./event.ts";
import type { Message } from "./message.ts";

/** Alerts that a message to people names; of the others it tells how many there are. */
const MAX_NAMED = 10;
/** Characters of one text from outside. */
const MAX_TEXT = 300;

const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Surrogate}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** One line in which nothing from outside can begin a line of its own or turn the direction of the rest. */
export function plain(text: string, max = MAX_TEXT): string {
  return shorten(text.replace(UNPRINTABLE, " ").trim(), max);
}

export function statusOf({ events }: Pick<Message, "events">): "firing" | "resolved" {
  return events.some(({ kind }) => kind === "firing") ? "firing" : "resolved";
}

/** "Worker W3 is overloaded", or "20 gpu workers are overloaded": what fires, or else what ended. */
export function titleOf({ events }: Message): string {
  const firing = events.filter(({ kind }) => kind === "firing");
  const about = (firing.length > 0 ? firing : events).map(({ alert }) => alert);
  const [first] = about;
  if (!first || about.length === 1) return plain(first?.title ?? "");
  const alike = about.every(({ many }) => many === first.many);
  return plain(alike ? manyTitle(first, about.length) : counted(about.length, "alert"));
}

/** "firing", "still firing", "resolved" or "2 firing, 1 resolved". */
export function countsOf({ events, repeat, firing }: Message): string {
  const resolved = events.filter(({ kind }) => kind === "resolved").length;
  const fired = events.length - resolved;
  const more = firing > fired ? ` (${firing} in all)` : "";
  if (resolved === 0) return `${repeat ? "still firing" : "firing"}${events.length > 1 || more ? more : ""}`;
  return fired === 0 ? "resolved" : `${fired} firing${more}, ${resolved} resolved`;
}

/** "95 % CPU, since 2026-01-01 12:00:00 UTC", or how long it lasted. */
export function detailOf({ kind, alert, fired_ms, ended_ms }: ToldEvent): string {
  const detail = plain(alert.detail);
  const time =
    kind === "firing"
      ? `since ${instant(alert.since_ms)}`
      : `ended ${instant(ended_ms ?? fired_ms)} after ${seconds(((ended_ms ?? fired_ms) - fired_ms) / 1000)}`;
  return detail === "" ? time : `${detail}, ${time}`;
}

/** The alerts that a message to people names: what fires before what ended, the worst first. */
export function namedOf({ events }: Message): { named: ToldEvent[]; more: number } {
  const rank = ({ kind, alert }: ToldEvent) =>
    (kind === "firing" ? 0 : SEVERITIES.length) + SEVERITIES.indexOf(alert.severity);
  const named = [...events].sort((a, b) => rank(a) - rank(b)).slice(0, MAX_NAMED);
  return { named, more: events.length - named.length };
}

/** The worst that fires, or "resolved". */
export function toneOf(message: Message): "critical" | "warning" | "notice" | "resolved" {
  const { named } = namedOf(message);
  const [worst] = named;
  return worst?.kind === "firing" ? worst.alert.severity : "resolved";
}
