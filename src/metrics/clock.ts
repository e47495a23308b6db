/** Where the time comes from. Only the composition root holds the real one. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** A clock that stands still until it is told the time. */
export class ManualClock implements Clock {
  #now_ms: number;

  constructor(now_ms: number) {
    this.#now_ms = now_ms;
  }

  now(): number {
    return this.#now_ms;
  }

  set(now_ms: number): void {
    this.#now_ms = now_ms;
  }

  advance(by_ms: number): void {
    this.#now_ms += by_ms;
  }
}
