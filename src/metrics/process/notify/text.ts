import type { AlertEvent } from "./event.ts";
import type { Message } from "./message.ts";

/** Alerts that a message to people names; of the others it tells how many there are. */
export const MAX_NAMED = 10;
/** Characters of one text from outside. */
const MAX_TEXT = 300;

const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Surrogate}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** One line in which nothing from outside can begin a line of its own or turn the direction of the rest. */
export function plain(text: string, max = MAX_TEXT): string {
  const shown = Array.from(
    text
      .slice(0, 4 * max)
      .replace(UNPRINTABLE, " ")
      .trim(),
  );
  return shown.length > max || text.length > 4 * max
    ? `${shown.slice(0, max - 1).join("")}…`
    : shown.join("");
}

export function statusOf({ events }: Pick<Message, "events">): "firing" | "resolved" {
  return events.some(({ kind }) => kind === "firing") ? "firing" : "resolved";
}

/** "Worker W3 is overloaded", or "20 gpu workers: worker_overload"; what it is about, in one line. */
export function titleOf(message: Message): string {
  const { events, labels, test } = message;
  const [first] = events;
  if (test || events.length === 1) return plain(first?.alert.title ?? "");
  const { rule, worker_type } = labels;
  const kinds = new Set(events.map(({ alert }) => alert.subject.kind));
  const what = kinds.size === 1 && !kinds.has("system") ? `${[...kinds][0]}s` : "alerts";
  const counted = `${events.length} ${worker_type ? `${plain(worker_type, 60)} ` : ""}${what}`;
  return rule ? `${counted}: ${plain(rule, 100).replaceAll("_", " ")}` : counted;
}

/** "firing", "still firing", "resolved" or "2 firing, 1 resolved". */
export function countsOf({ events, repeat, firing }: Message): string {
  const resolved = events.filter(({ kind }) => kind === "resolved").length;
  const fired = events.length - resolved;
  const more = firing > fired ? ` (${firing} in all)` : "";
  if (resolved === 0) return `${repeat ? "still firing" : "firing"}${events.length > 1 || more ? more : ""}`;
  return fired === 0 ? "resolved" : `${fired} firing${more}, ${resolved} resolved`;
}

/** "95 % CPU, since 12:00:00 UTC", or how long it lasted. */
export function detailOf({ kind, alert, fired_ms, ended_ms }: AlertEvent): string {
  const detail = plain(alert.detail);
  const time =
    kind === "firing"
      ? `since ${instant(alert.since_ms)}`
      : `ended ${instant(ended_ms ?? fired_ms)} after ${elapsed((ended_ms ?? fired_ms) - fired_ms)}`;
  return detail === "" ? time : `${detail}, ${time}`;
}

/** RFC 3339, to the second. */
export function instant(at_ms: number): string {
  return `${new Date(at_ms).toISOString().slice(0, 19)}Z`;
}

function elapsed(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

const WORST_FIRST = { critical: 0, warning: 1, notice: 2 };

/** The alerts that a message to people names: what fires before what ended, the worst first. */
export function namedOf({ events }: Message): { named: AlertEvent[]; more: number } {
  const rank = ({ kind, alert }: AlertEvent) => (kind === "firing" ? 0 : 3) + WORST_FIRST[alert.severity];
  const named = [...events].sort((a, b) => rank(a) - rank(b)).slice(0, MAX_NAMED);
  return { named, more: events.length - named.length };
}

/** The worst that fires, or "resolved". */
export function toneOf(message: Message): "critical" | "warning" | "notice" | "resolved" {
  const { named } = namedOf(message);
  const [worst] = named;
  return worst?.kind === "firing" ? worst.alert.severity : "resolved";
}
