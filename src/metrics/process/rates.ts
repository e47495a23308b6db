/**
 * Counts events over a sliding window of whole seconds, exactly: an event leaves with its own second. Takes
 * events of the recent past in any order, and takes them back.
 */
export class SlidingCounter {
  readonly #buckets: Int32Array;
  #second = 0;
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

  /** Forgets half of what it holds, so that the newer half weighs more. */
  halve(): void {
    this.sum_s /= 2;
    this.count = 0;
    for (let i = 0; i < BUCKETS; i += 1) {
      this.counts[i] = this.counts[i]! >> 1;
      this.count += this.counts[i]!;
    }
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

/** Durations of the last minutes: a ring of histograms whose sum is kept up. */
export class SlidingDurations {
  readonly #ring: DurationHistogram[];
  readonly #slot_s: number;
  readonly #sum = new DurationHistogram();
  #slot = 0;

  constructor(window_s: number, slot_s: number) {
    this.#slot_s = slot_s;
    this.#ring = Array.from({ length: window_s / slot_s }, () => new DurationHistogram());
  }

  add(at_ms: number, seconds: number): void {
    const slot = Math.min(Math.floor(at_ms / 1000 / this.#slot_s), this.#slot);
    if (slot <= this.#slot - this.#ring.length) return;
    this.#ring[slot % this.#ring.length]!.add(seconds);
    this.#sum.add(seconds);
  }

  advance(now_ms: number): void {
    const slot = Math.floor(now_ms / 1000 / this.#slot_s);
    const steps = Math.min(slot - this.#slot, this.#ring.length);
    for (let i = 0; i < steps; i += 1) {
      const leaving = this.#ring[(slot - i) % this.#ring.length]!;
      this.#sum.merge(leaving, -1);
      leaving.clear();
    }
    this.#slot = Math.max(slot, this.#slot);
  }

  stats(): DurationStats | null {
    return this.#sum.stats();
  }
}
