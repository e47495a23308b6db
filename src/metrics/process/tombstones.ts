/** What the store has of a task that ended: late reports of it change nothing. */
interface EndedBefore {
  attempt: number;
  ended_at_ms: number;
}

/** What the store has of a task, where it ended since that instant. */
export type AskStore = (id: string, since_ms: number) => EndedBefore | undefined;

interface Tombstone {
  readonly attempt: number;
  readonly until_ms: number;
}

/** Beyond so many the store is asked for each task that is not known, which takes some 10 µs. */
const MAX_TOMBSTONES = 60_000;

/** What is left, for the grace period, of tasks that ended and are held no more. */
export class Tombstones {
  readonly #grace_ms: number;
  readonly #askStore: AskStore;
  readonly #tombstones = new Map<string, Tombstone>();
  /** Until then the store is asked: a task may have ended before the start, or left no tombstone. */
  #asks_until_ms: number;

  constructor(grace_ms: number, started_ms: number, askStore: AskStore) {
    this.#grace_ms = grace_ms;
    this.#askStore = askStore;
    this.#asks_until_ms = started_ms + grace_ms;
  }

  /** Of a task that is not held. */
  of(id: string, now_ms: number): Pick<Tombstone, "attempt"> | undefined {
    const known = this.#tombstones.get(id);
    if (known || now_ms > this.#asks_until_ms) return known;
    const ended = this.#askStore(id, now_ms - this.#grace_ms);
    if (!ended || ended.ended_at_ms + this.#grace_ms <= now_ms) return undefined;
    this.set(id, ended.attempt, ended.ended_at_ms + this.#grace_ms);
    return ended;
  }

  set(id: string, attempt: number, until_ms: number): void {
    this.#tombstones.set(id, { attempt, until_ms });
  }

  /** The task goes on after all. */
  delete(id: string): void {
    this.#tombstones.delete(id);
  }

  /** Forgets those whose time is over, and the oldest of too many. */
  advance(now_ms: number): void {
    for (const [id, { until_ms }] of this.#tombstones) {
      if (until_ms > now_ms && this.#tombstones.size <= MAX_TOMBSTONES) break;
      this.#asks_until_ms = Math.max(this.#asks_until_ms, until_ms);
      this.#tombstones.delete(id);
    }
  }
}
