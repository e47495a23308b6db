const DAY_MS = 86_400_000;
const HOURS = 24;
const HOUR_MS = DAY_MS / HOURS;
/** How much of the way to what a day brought a wider range goes back. */
const SHRINK = 0.5;

/** What is known of an hour of the day. */
type HourRange = readonly [hour: number, low: number, high: number];

/** The hours that were met, and the one that is filling. */
export interface DayRangeState {
  readonly hours: readonly HourRange[];
  readonly filling: HourRange | null;
}

/**
 * Between which values a series lay around this hour of the day (UTC) on the days before, recent ones weighing
 * most; in single precision.
 */
export class DayRange {
  /** Of each hour its lowest and its highest value, NaN where it was never met; last, those of the filling hour. */
  readonly #bounds = new Float32Array(2 * (HOURS + 1)).fill(Number.NaN);
  #hour = -1;
  /** Of this hour and those beside it; NaN where this hour was never met. */
  low = Number.NaN;
  high = Number.NaN;

  /** Goes to an instant's hour; what was met in the one before counts from now on. */
  enter(at_ms: number): void {
    const hour = Math.floor((((at_ms % DAY_MS) + DAY_MS) % DAY_MS) / HOUR_MS);
    if (hour === this.#hour) return;
    this.#close();
    this.#open(hour);
  }

  /** How far outside the range a value lies; 0 within it, NaN where there is none. */
  beyond(value: number): number {
    return Math.max(0, value - this.high, this.low - value);
  }

  add(value: number): void {
    const [low, high] = [this.#bounds[FILLING]!, this.#bounds[FILLING + 1]!];
    if (!(value >= low)) this.#bounds[FILLING] = value;
    if (!(value <= high)) this.#bounds[FILLING + 1] = value;
  }

  toState(): DayRangeState {
    const hours = Array.from({ length: HOURS }, (_, hour) => this.#rangeOf(hour, 2 * hour));
    const filling = this.#rangeOf(this.#hour, FILLING);
    return {
      hours: hours.filter(([, low]) => !Number.isNaN(low)),
      filling: Number.isNaN(filling[1]) ? null : filling,
    };
  }

  restore({ hours, filling }: DayRangeState): void {
    for (const [hour, low, high] of hours) this.#bounds.set([low, high], 2 * hour);
    if (!filling) return;
    const [hour, low, high] = filling;
    this.#open(hour);
    this.#bounds.set([low, high], FILLING);
  }

  #rangeOf(hour: number, at: number): HourRange {
    return [hour, this.#bounds[at]!, this.#bounds[at + 1]!];
  }

  #open(hour: number): void {
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

  #close(): void {
    const [low, high] = [this.#bounds[FILLING]!, this.#bounds[FILLING + 1]!];
    if (Number.isNaN(low)) return;
    const at = 2 * this.#hour;
    const [known_low, known_high] = [this.#bounds[at]!, this.#bounds[at + 1]!];
    this.#bounds[at] = low > known_low ? known_low + SHRINK * (low - known_low) : low;
    this.#bounds[at + 1] = high < known_high ? known_high + SHRINK * (high - known_high) : high;
    this.#bounds.fill(Number.NaN, FILLING);
  }
}

const FILLING = 2 * HOURS;
