import type { OutboxRecord } from "../../outbox.ts";
import { fromDocument, keysOf } from "./message.ts";

/** A message that waits, without its text. */
export interface Waiting {
  readonly id: number;
  readonly created_ms: number;
  /** Nothing that shares one of them is told before what came earlier. */
  readonly keys: readonly string[];
  /** Characters of its text. */
  readonly size: number;
  attempts: number;
  next_ms: number;
  sending: boolean;
}

/** How many of the first are looked at to find one that may go. */
const WINDOW = 200;
/** A clock that was set back must not make a message wait for longer than it ever would. */
const MAX_PAUSE_MS = 600_000;

export function waiting(
  record: OutboxRecord,
  keys: readonly string[] = keysOf(fromDocument(record)),
): Waiting {
  const { id, created_ms, document, attempts, next_ms } = record;
  return { id, created_ms, keys, size: document.length, attempts, next_ms: next_ms ?? 0, sending: false };
}

/** Those of the first that nothing which is still to be told before them holds up: of their group or their alerts. */
function unblocked(queue: readonly Waiting[]): Waiting[] {
  const blocked = new Set<string>();
  return queue.slice(0, WINDOW).filter(({ keys, sending }) => {
    const free = !sending && !keys.some((key) => blocked.has(key));
    for (const key of keys) blocked.add(key);
    return free;
  });
}

/** The first message that may go now. */
export function nextOf(queue: readonly Waiting[], now_ms: number): Waiting | undefined {
  return unblocked(queue).find(({ next_ms }) => isReached(next_ms, now_ms));
}

/** When one of the messages may go; infinite where none will before another is told. */
export function soonest_ms(queue: readonly Waiting[]): number {
  return Math.min(...unblocked(queue).map(({ next_ms }) => next_ms));
}

export function isReached(next_ms: number, now_ms: number): boolean {
  return next_ms <= now_ms || next_ms - now_ms > MAX_PAUSE_MS;
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

/** Twice as long each time up to a minute, and less by up to a half, so that what failed together is not tried together. */
export function pauseAfter(attempts: number, random: number): number {
  const whole_ms = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempts - 1, 16));
  return Math.round(whole_ms * (1 - random / 2));
}
