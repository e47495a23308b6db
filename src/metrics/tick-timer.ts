/** Ticks whose durations are kept. */
const KEPT = 300;

/** How long ticks take and how often one came late. */
export class TickTimer {
  readonly #tick_ms: number;
  readonly #durations_ms: number[] = [];
  #last_ms: number | null = null;
  #late = 0;

  constructor(tick_ms: number) {
    this.#tick_ms = tick_ms;
  }

  note(now_ms: number, duration_ms: number): void {
    if (this.#durations_ms.push(duration_ms) > KEPT) this.#durations_ms.shift();
    // A tick that starts more than half a tick behind its turn is late.
    if (this.#last_ms !== null && now_ms - this.#last_ms > 1.5 * this.#tick_ms) this.#late += 1;
    this.#last_ms = now_ms;
  }

  stats(): { tick_p50_ms: number; tick_p99_ms: number; ticks_late: number } {
    const sorted = [...this.#durations_ms].sort((a, b) => a - b);
    const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
    return { tick_p50_ms: at(0.5), tick_p99_ms: at(0.99), ticks_late: this.#late };
  }
}

/**
 * When the next tick is due, Unix milliseconds: at whole multiples of its length, so that two servers tick together
 * and drift never adds up.
 */
export function nextTick_ms(now_ms: number, tick_ms: number): number {
  return now_ms - (now_ms % tick_ms) + tick_ms;
}

/**
 * Whether what was to come at `due_ms` came before its time: a timer may fire some milliseconds early, and a tick of
 * then would be of the second before, which has one. By far more it is the clock that was set back.
 */
export function isEarly(now_ms: number, due_ms: number, tick_ms: number): boolean {
  return now_ms < due_ms && due_ms - now_ms <= tick_ms;
}
