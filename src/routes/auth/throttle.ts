import { EvenkeelError } from "../../errors.ts";

/** Failures are forgotten after so long without another. */
const FORGET_MS = 15 * 60_000;
const MAX_WAIT_MS = 15 * 60_000;
const MAX_KEYS = 10_000;

interface Failures {
  count: number;
  last_ms: number;
}

/** Makes whoever guesses wait: after some failures twice as long each time, by whatever they are told apart by. */
export class Throttle {
  readonly #failures = new Map<string, Failures>();
  readonly #free: number;

  /** @param free failures after which one has to wait */
  constructor(free: number) {
    this.#free = free;
  }

  /** @throws EvenkeelError "too_many" while the key has to wait */
  check(key: string, now_ms: number): void {
    const failures = this.#of(key, now_ms);
    if (!failures || failures.count < this.#free) return;
    const wait_ms = Math.min(MAX_WAIT_MS, 1000 * 2 ** Math.min(20, failures.count - this.#free));
    const left_s = Math.ceil((failures.last_ms + wait_ms - now_ms) / 1000);
    if (left_s <= 0) return;
    throw new EvenkeelError("too_many", `After so many failures the next try is in ${left_s} s`, {
      retry_after_s: left_s,
    });
  }

  fail(key: string, now_ms: number): void {
    const count = (this.#of(key, now_ms)?.count ?? 0) + 1;
    this.#failures.delete(key);
    this.#failures.set(key, { count, last_ms: now_ms });
    if (this.#failures.size > MAX_KEYS) this.#failures.delete(this.#failures.keys().next().value!);
  }

  succeed(key: string): void {
    this.#failures.delete(key);
  }

  #of(key: string, now_ms: number): Failures | undefined {
    const failures = this.#failures.get(key);
    if (failures && now_ms - failures.last_ms <= FORGET_MS) return failures;
    this.#failures.delete(key);
    return undefined;
  }
}
