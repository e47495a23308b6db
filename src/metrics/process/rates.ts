/**
 * Counts events over a sliding window of whole seconds, exactly: an event leaves with its own second. Takes
 * events of the recent past in any order, and takes them back.
 */
export class SlidingCounter {
  readonly #buckets: Int32Array;
  #second = 0;
  #changed = new Set<number>();
  total = 0;

  constructor(window_s: number) {
    this.#buckets = new Int32Array(window_s);
  }

  /** Adds `delta` events at an instant; one before the window counts nothing, one in the future counts now. */
  add(at_ms: number, delta: number): void {
    const second = Math.min(Math.floor(at_ms / 1000), this.#second);
    if (second <= this.#second - this.#buckets.length) return;
    this.#buckets[this.#slot(second)]! += delta;
    this.total += delta;
    this.#changed.add(second);
  }

  /** Takes back what was counted in a second before a restart. */
  restore(at_ms: number, count: number): void {
    this.add(at_ms, count);
    this.#changed.clear();
  }

  /** Events of the window's last seconds. */
  last(seconds: number): number {
    let sum = 0;
    for (let i = 0; i < seconds; i += 1) sum += this.#buckets[this.#slot(this.#second - i)]!;
    return sum;
  }

  /** The seconds whose count changed since the last call, Unix milliseconds, each with its count now. */
  takeChanged(): [at_ms: number, count: number][] {
    const oldest = this.#second - this.#buckets.length;
    const changed = [...this.#changed].filter((second) => second > oldest);
    this.#changed = new Set();
    return changed.map((second) => [second * 1000, this.#buckets[this.#slot(second)]!]);
  }

  /** Moves the window's end to an instant; never back. */
  advance(now_ms: number): void {
    const second = Math.floor(now_ms / 1000);
    const steps = Math.min(second - this.#second, this.#buckets.length);
    for (let i = 0; i < steps; i += 1) {
      const slot = this.#slot(second - i);
      this.total -= this.#buckets[slot]!;
      this.#buckets[slot] = 0;
    }
    this.#second = Math.max(second, this.#second);
  }

  /** Moves the window's end back to an instant, without what was counted after it. */
  resume(now_ms: number): void {
    const second = Math.floor(now_ms / 1000);
    const back = Math.min(this.#second - second, this.#buckets.length);
    for (let i = 0; i < back; i += 1) {
      const slot = this.#slot(this.#second - i);
      this.total -= this.#buckets[slot]!;
      this.#buckets[slot] = 0;
    }
    this.#second = Math.min(second, this.#second);
  }

  /** The window's end, Unix milliseconds. */
  get now_ms(): number {
    return this.#second * 1000;
  }

  #slot(second: number): number {
    return second % this.#buckets.length;
  }
}

/** Durations are told apart by 5 %, from a millisecond up to some 14 days. */
const GROWTH = 1.05;
const SMALLEST_S = 0.001;
const BUCKETS = 432;
const LOG_GROWTH = Math.log(GROWTH);

export interface DurationStats {
  count: number;
  mean_s: number;
  p50_s: number;
  p95_s: number;
  p99_s: number;
}

/** A histogram of durations with buckets of equal ratio. Histograms add up, so percentiles are never averaged. */
export class DurationHistogram {
  readonly counts = new Uint32Array(BUCKETS);
  count = 0;
  sum_s = 0;

  add(seconds: number): void {
    this.counts[bucketOf(seconds)]! += 1;
    this.count += 1;
    this.sum_s += seconds;
  }

  /** Adds (sign 1) or takes out (sign -1) another histogram. */
  merge(other: DurationHistogram, sign: 1 | -1): void {
    if (other.count === 0) return;
    for (let i = 0; i < BUCKETS; i += 1) this.counts[i]! += sign * other.counts[i]!;
    this.count += sign * other.count;
    this.sum_s += sign * other.sum_s;
  }

  clear(): void {
    this.counts.fill(0);
    this.count = 0;
    this.sum_s = 0;
  }

  /** The buckets that are not empty, in their order. */
  sparse(): [bucket: number, count: number][] {
    const buckets: [number, number][] = [];
    this.counts.forEach((count, bucket) => {
      if (count > 0) buckets.push([bucket, count]);
    });
    return buckets;
  }

  static from(
    sum_s: number,
    buckets: readonly (readonly [bucket: number, count: number])[],
  ): DurationHistogram {
    const histogram = new DurationHistogram();
    histogram.sum_s = sum_s;
    for (const [bucket, count] of buckets) {
      if (bucket >= BUCKETS) continue;
      histogram.counts[bucket]! += count;
      histogram.count += count;
    }
    return histogram;
  }

  /** Forgets half of what it holds, so that the newer half weighs more. */
  halve(): void {
    this.sum_s /= 2;
    this.count = 0;
    for (let i = 0; i < BUCKETS; i += 1) {
      this.counts[i] = this.counts[i]! >> 1;
      this.count += this.counts[i]!;
    }
  }

  /** The bounds of each bucket that is not empty, seconds, with its count. */
  bars(): { from_s: number; to_s: number; count: number }[] {
    return this.sparse().map(([bucket, count]) => ({
      from_s: bucket === 0 ? 0 : SMALLEST_S * GROWTH ** (bucket - 1),
      to_s: SMALLEST_S * GROWTH ** bucket,
      count,
    }));
  }

  /** The duration that the share `q` of all is at most, within 2.5 %; NaN when empty. */
  quantile(q: number): number {
    if (this.count === 0) return Number.NaN;
    let left = Math.max(1, Math.ceil(q * this.count));
    for (let i = 0; i < BUCKETS; i += 1) {
      left -= this.counts[i]!;
      if (left <= 0) return middleOf(i);
    }
    return middleOf(BUCKETS - 1);
  }

  stats(): DurationStats | null {
    if (this.count === 0) return null;
    return {
      count: this.count,
      mean_s: Math.max(0, this.sum_s / this.count),
      p50_s: this.quantile(0.5),
      p95_s: this.quantile(0.95),
      p99_s: this.quantile(0.99),
    };
  }
}

function bucketOf(seconds: number): number {
  if (!(seconds > SMALLEST_S)) return 0;
  return Math.min(BUCKETS - 1, 1 + Math.floor(Math.log(seconds / SMALLEST_S) / LOG_GROWTH));
}

/** The geometric middle of a bucket; the first holds all that is a millisecond or less. */
function middleOf(bucket: number): number {
  return bucket === 0 ? SMALLEST_S : SMALLEST_S * GROWTH ** (bucket - 0.5);
}

const MINUTE_MS = 60_000;
/** What the figures of now cover, and how late a duration may come and still be kept with its minute. */
const WINDOW_MINUTES = 5;
export const KEPT_MINUTES = 20;

/** Durations by the minute: those of the last five are summed up, and those of the last twenty still take late ones. */
export class SlidingDurations {
  readonly #minutes = new Map<number, DurationHistogram>();
  readonly #sum = new DurationHistogram();
  #minute = 0;
  #changed = new Set<number>();

  add(at_ms: number, seconds: number): void {
    const minute = Math.min(Math.floor(at_ms / MINUTE_MS), this.#minute);
    if (minute <= this.#minute - KEPT_MINUTES) return;
    this.#of(minute).add(seconds);
    if (minute > this.#minute - WINDOW_MINUTES) this.#sum.add(seconds);
    this.#changed.add(minute);
  }

  /** Takes back a minute that was kept before a restart. */
  restore(at_ms: number, histogram: DurationHistogram): void {
    const minute = Math.floor(at_ms / MINUTE_MS);
    if (minute > this.#minute || minute <= this.#minute - KEPT_MINUTES) return;
    this.#of(minute).merge(histogram, 1);
    if (minute > this.#minute - WINDOW_MINUTES) this.#sum.merge(histogram, 1);
  }

  #of(minute: number): DurationHistogram {
    const known = this.#minutes.get(minute) ?? new DurationHistogram();
    this.#minutes.set(minute, known);
    return known;
  }

  advance(now_ms: number): void {
    const minute = Math.floor(now_ms / MINUTE_MS);
    if (minute <= this.#minute) return;
    const [before, after] = [this.#minute - WINDOW_MINUTES, minute - WINDOW_MINUTES];
    this.#minute = minute;
    for (const [at, histogram] of this.#minutes) {
      if (at > before && at <= after) this.#sum.merge(histogram, -1);
      if (at <= minute - KEPT_MINUTES) this.#minutes.delete(at);
    }
  }

  /** Moves the window's end back to an instant, without what was added after it. */
  resume(now_ms: number): void {
    const minute = Math.floor(now_ms / MINUTE_MS);
    if (minute >= this.#minute) return;
    this.#minute = minute;
    this.#sum.clear();
    for (const [at, histogram] of this.#minutes) {
      if (at > minute) this.#minutes.delete(at);
      else if (at > minute - WINDOW_MINUTES) this.#sum.merge(histogram, 1);
    }
  }

  stats(): DurationStats | null {
    return this.#sum.stats();
  }

  /** The minutes that changed since the last call, Unix milliseconds, each with all its durations. */
  takeChanged(): [at_ms: number, histogram: DurationHistogram][] {
    const changed = [...this.#changed];
    this.#changed = new Set();
    return changed.flatMap((minute) => {
      const histogram = this.#minutes.get(minute);
      return histogram ? [[minute * MINUTE_MS, histogram]] : [];
    });
  }
}
