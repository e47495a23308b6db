import type { Labels, ToldEvent } from "./event.ts";

/** What is told at once to a receiver: the events of one group. */
export interface Message {
  /** The same at each attempt, so that whoever got it twice can tell. */
  readonly id: number;
  readonly created_ms: number;
  /** One text for each group of each route. */
  readonly group: string;
  /** What its alerts have in common. */
  readonly labels: Labels;
  /** Nothing new: it still fires. */
  readonly repeat: boolean;
  /** It only tries whether the receiver is reached. */
  readonly test: boolean;
  /** How many alerts of the group fire now. */
  readonly firing: number;
  /** Until when it holds, unless it is told again: for receivers that forget. */
  readonly holds_until_ms: number;
  /** Each alert once. */
  readonly events: readonly ToldEvent[];
}

/** Alerts of one message. */
const MAX_EVENTS = 1000;
/** Of one message's events as JSON, unless a single one is larger. */
const MAX_CHARACTERS = 512 * 1024;
/** Of an event beside the texts of its alert. */
const FIXED_CHARACTERS = 300;

/** Splits events so that each part tells each alert once and stays within the bounds, in their order. */
export function split(events: readonly ToldEvent[]): ToldEvent[][] {
  const parts: ToldEvent[][] = [];
  let ids = new Set<string>();
  let characters = 0;
  for (const event of events) {
    const size = sizeOf(event);
    const part = parts.at(-1);
    const fits = part && part.length < MAX_EVENTS && characters + size <= MAX_CHARACTERS;
    if (fits && !ids.has(event.alert.id)) part.push(event);
    else {
      parts.push([event]);
      ids = new Set();
      characters = 0;
    }
    ids.add(event.alert.id);
    characters += size;
  }
  return parts;
}

/** About how many characters it is as JSON: to count them would take as long as to write them. */
function sizeOf({ alert }: ToldEvent): number {
  const { id, title, detail, many, labels } = alert;
  const values = Object.values(labels).reduce((sum, value) => sum + value.length, 0);
  return FIXED_CHARACTERS + 2 * id.length + title.length + detail.length + many.length + values;
}

/** Its group and its alerts: of each, one message is told after the other. */
export function keysOf({ group, events }: Pick<Message, "group" | "events">): string[] {
  return [`group ${group}`, ...events.map(({ alert }) => `alert ${alert.id}`)];
}

/** A message as the outbox keeps it: its id and its instant have columns of their own. */
export function toDocument({ id: _, created_ms: __, ...rest }: Message): string {
  return JSON.stringify(rest);
}

export function fromDocument(record: { id: number; created_ms: number; document: string }): Message {
  const { id, created_ms, document } = record;
  return { id, created_ms, ...(JSON.parse(document) as Omit<Message, "id" | "created_ms">) };
}
