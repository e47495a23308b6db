const DAY_MS = 86_400_000;
const HOURS = 24;
const HOUR_MS = DAY_MS / HOURS;
/** How much of the way to what a day brought a wider range goes back. */
const SHRINK = 0.5;

/** Hours that were met, each with its range. */
export type DayRangeState = readonly (readonly [hour: number, low: number, high: number])[];

/**
 * Between which values a series lay around this hour of the day (UTC) on the days before, recent ones weighing
 * most; in single precision.
 */
export class DayRange {
  /** Of each hour its lowest and its highest value; NaN where it was never met. */
  readonly #bounds = new Float32Array(2 * HOURS).fill(Number.NaN);
  #hour = -1;
  /** Of the hour that is filling: it counts once it is over. */
  #low_now = Number.NaN;
  #high_now = Number.NaN;
  /** Of this hour and those beside it; NaN where this hour was never met. */
  low = Number.NaN;
  high = Number.NaN;

  /** Goes to an instant's hour. */
  enter(at_ms: number): void {
    const hour = Math.floor(at_ms / HOUR_MS) % HOURS;
    if (hour === this.#hour) return;
    this.#close();
    this.#hour = hour;
    const known = !Number.isNaN(this.#bounds[2 * hour]!);
    this.low = known ? Infinity : Number.NaN;
    this.high = known ? -Infinity : Number.NaN;
    for (let beside = hour + HOURS - 1; known && beside <= hour + HOURS + 1; beside += 1) {
      const at = 2 * (beside % HOURS);
      if (Number.isNaN(this.#bounds[at]!)) continue;
      this.low = Math.min(this.low, this.#bounds[at]!);
      this.high = Math.max(this.high, this.#bounds[at + 1]!);
    }
  }

  /** How far outside the range a value lies; 0 within it, NaN where there is none. */
  beyond(value: number): number {
    return Math.max(0, value - this.high, this.low - value);
  }

  add(value: number): void {
    this.#low_now = value < this.#low_now || Number.isNaN(this.#low_now) ? value : this.#low_now;
    this.#high_now = value > this.#high_now || Number.isNaN(this.#high_now) ? value : this.#high_now;
  }

  toState(): DayRangeState {
    return Array.from({ length: HOURS }, (_, hour) => {
      const [low, high] = this.#bounds.subarray(2 * hour, 2 * hour + 2);
      return [hour, low!, high!] as const;
    }).filter(([, low]) => !Number.isNaN(low));
  }

  /** Without the hour that was filling: what is missing of it is soon met again. */
  restore(state: DayRangeState): void {
    for (const [hour, low, high] of state) if (hour < HOURS) this.#bounds.set([low, high], 2 * hour);
  }

  #close(): void {
    if (Number.isNaN(this.#low_now)) return;
    const at = 2 * this.#hour;
    const [low, high] = [this.#bounds[at]!, this.#bounds[at + 1]!];
    const first = Number.isNaN(low);
    this.#bounds[at] = this.#low_now < low || first ? this.#low_now : low + SHRINK * (this.#low_now - low);
    this.#bounds[at + 1] =
      this.#high_now > high || first ? this.#high_now : high + SHRINK * (this.#high_now - high);
    this.#low_now = Number.NaN;
    this.#high_now = Number.NaN;
  }
}
