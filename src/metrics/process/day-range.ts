const DAY_MS = 86_400_000;
const HOURS = 24;
const HOUR_MS = DAY_MS / HOURS;
/** How much of the way to what a day brought a wider range goes back. */
const SHRINK = 0.5;

/**
 * How a range lies in its room: of each hour its lowest and its highest value, NaN where it was never met; those of
 * the hour that is filling; those of this hour and the ones beside it; and which hour it is.
 */
const FILLING = 2 * HOURS;
const LOW = FILLING + 2;
const HIGH = LOW + 1;
const HOUR = HIGH + 1;
/** Numbers that a range takes. */
export const DAY_SIZE = HOUR + 1;

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
  #room = new Float32Array(DAY_SIZE).fill(Number.NaN);
  #from = 0;

  /** Goes to another range, that lies in this room from there on; one of NaN is unknown. */
  goTo(room: Float32Array<ArrayBuffer>, from: number): void {
    this.#room = room;
    this.#from = from;
  }

  /** The lowest of this hour and those beside it; NaN where this hour was never met. */
  get low(): number {
    return this.#room[this.#from + LOW]!;
  }

  /** The highest of them. */
  get high(): number {
    return this.#room[this.#from + HIGH]!;
  }

  /** NaN until one was entered. */
  get #hour(): number {
    return this.#room[this.#from + HOUR]!;
  }

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
    const filling = this.#from + FILLING;
    if (!(value >= this.#room[filling]!)) this.#room[filling] = value;
    if (!(value <= this.#room[filling + 1]!)) this.#room[filling + 1] = value;
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
    for (const [hour, low, high] of hours) this.#set(2 * hour, low, high);
    if (!filling) return;
    const [hour, low, high] = filling;
    this.#open(hour);
    this.#set(FILLING, low, high);
  }

  #rangeOf(hour: number, at: number): HourRange {
    return [hour, this.#room[this.#from + at]!, this.#room[this.#from + at + 1]!];
  }

  #set(at: number, low: number, high: number): void {
    this.#room[this.#from + at] = low;
    this.#room[this.#from + at + 1] = high;
  }

  #open(hour: number): void {
    this.#room[this.#from + HOUR] = hour;
    const known = !Number.isNaN(this.#rangeOf(hour, 2 * hour)[1]);
    let [lowest, highest] = known ? [Infinity, -Infinity] : [Number.NaN, Number.NaN];
    for (let beside = hour + HOURS - 1; known && beside <= hour + HOURS + 1; beside += 1) {
      const [, low, high] = this.#rangeOf(beside, 2 * (beside % HOURS));
      if (Number.isNaN(low)) continue;
      lowest = Math.min(lowest, low);
      highest = Math.max(highest, high);
    }
    this.#set(LOW, lowest, highest);
  }

  #close(): void {
    const [hour, low, high] = this.#rangeOf(this.#hour, FILLING);
    if (Number.isNaN(low)) return;
    const [, known_low, known_high] = this.#rangeOf(hour, 2 * hour);
    this.#set(
      2 * hour,
      low > known_low ? known_low + SHRINK * (low - known_low) : low,
      high < known_high ? known_high + SHRINK * (high - known_high) : high,
    );
    this.#set(FILLING, Number.NaN, Number.NaN);
  }
}
