/** Floating counters of a kernel step back by a hair now and then; a restart falls to next to nothing. */
const JITTER = 0.01;

interface Seen {
  at_ms: number;
  value: number;
  per_second: number | null;
  poll: number;
}

/** What grows becomes a rate: by how much a second it grew since the last poll that saw it. */
export class Counters {
  readonly #seen = new Map<string, Seen>();
  #poll = 0;

  /** @returns null until it was seen twice; after a reset it began at nothing */
  perSecond(key: string, value: number, at_ms: number): number | null {
    const before = this.#seen.get(key);
    // Asked again in one poll, or not sampled anew by the exporter.
    if (before && before.at_ms >= at_ms) {
      before.poll = this.#poll;
      return before.per_second;
    }
    const per_second = before ? (growth(before.value, value) / (at_ms - before.at_ms)) * 1000 : null;
    this.#seen.set(key, { at_ms, value, per_second, poll: this.#poll });
    return per_second;
  }

  /** A poll ends: counters that it did not see are gone. */
  endPoll(): void {
    for (const [key, { poll }] of this.#seen) if (poll !== this.#poll) this.#seen.delete(key);
    this.#poll += 1;
  }
}

function growth(before: number, now: number): number {
  if (now >= before) return now - before;
  return now > before * (1 - JITTER) ? 0 : now;
}
