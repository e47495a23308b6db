import { EvenkeelError } from "../../errors.ts";
import type { RangeAnswer, RangeQuery } from "./contract.ts";
import { type HourValues, SLOTS } from "./values.ts";

/** Buckets × series of one answer: seven days of six series at one second. */
export const MAX_CELLS = 4_000_000;

/** The seconds and buckets that a query asks for. */
export interface Span {
  /** Inclusive. */
  from_second: number;
  /** Exclusive. */
  to_second: number;
  step_s: number;
  /** Bucket i starts at (first_bucket + i) · step_s. */
  first_bucket: number;
  buckets: number;
}

/** @throws EvenkeelError where the query is malformed or asks for more than MAX_CELLS */
export function spanOf({ from_ms, to_ms, step_ms, series }: RangeQuery): Span {
  if (!Number.isFinite(from_ms) || !Number.isFinite(to_ms)) {
    throw new EvenkeelError("invalid", `A range must lie between two instants; got ${from_ms} to ${to_ms}`);
  }
  if (!Number.isInteger(step_ms / 1000) || step_ms <= 0) {
    throw new EvenkeelError("invalid", `step must be a whole number of seconds; got ${step_ms} ms`);
  }
  const step_s = step_ms / 1000;
  const from_second = Math.ceil(from_ms / 1000);
  const to_second = Math.ceil(to_ms / 1000);
  const first_bucket = Math.floor(from_second / step_s);
  const buckets = to_second > from_second ? Math.ceil(to_second / step_s) - first_bucket : 0;
  if (buckets * Math.max(1, series.length) > MAX_CELLS) {
    throw new EvenkeelError(
      "invalid",
      `A range has at most ${MAX_CELLS} values; ${buckets} steps of ${series.length} series are more: take a longer step, a shorter range or fewer series`,
    );
  }
  return { from_second, to_second, step_s, first_bucket, buckets };
}

/** What is known of some samples without their values. */
export interface Aggregate {
  min: number;
  max: number;
  sum: number;
  count: number;
}

/** One series' samples, gathered by bucket. */
export class Buckets {
  readonly #span: Span;
  readonly #sum: Float64Array;
  readonly #min: Float64Array;
  readonly #max: Float64Array;
  readonly #count: Uint32Array;

  constructor(span: Span) {
    this.#span = span;
    this.#sum = new Float64Array(span.buckets);
    this.#min = new Float64Array(span.buckets).fill(Number.POSITIVE_INFINITY);
    this.#max = new Float64Array(span.buckets).fill(Number.NEGATIVE_INFINITY);
    this.#count = new Uint32Array(span.buckets);
  }

  /** The bucket that holds the whole hour, all of it asked for; or null. */
  bucketOfHour(hour: number): number | null {
    const { from_second, to_second } = this.#span;
    const start = hour * SLOTS;
    const end = start + SLOTS;
    if (start < from_second || end > to_second) return null;
    const bucket = this.#bucketOf(start);
    return bucket === this.#bucketOf(end - 1) ? bucket : null;
  }

  #bucketOf(second: number): number {
    return Math.floor(second / this.#span.step_s) - this.#span.first_bucket;
  }

  addAggregate(bucket: number, { min, max, sum, count }: Aggregate): void {
    this.#sum[bucket]! += sum;
    this.#count[bucket]! += count;
    if (min < this.#min[bucket]!) this.#min[bucket] = min;
    if (max > this.#max[bucket]!) this.#max[bucket] = max;
  }

  addHour(hour: number, values: HourValues): void {
    const { from_second, to_second, step_s, first_bucket } = this.#span;
    const start = hour * SLOTS;
    const end_slot = Math.min(SLOTS, to_second - start);
    let slot = Math.max(0, from_second - start);
    let bucket = this.#bucketOf(start + slot);
    while (slot < end_slot) {
      const bucket_end_slot = Math.min(end_slot, (first_bucket + bucket + 1) * step_s - start);
      const aggregate = aggregateOf(values, slot, bucket_end_slot);
      if (aggregate.count > 0) this.addAggregate(bucket, aggregate);
      slot = bucket_end_slot;
      bucket += 1;
    }
  }

  column(): RangeAnswer["columns"][number] {
    const orNull = (value: number, i: number) => (this.#count[i]! > 0 ? value : null);
    return {
      mean: Array.from(this.#sum, (sum, i) => orNull(sum / this.#count[i]!, i)),
      min: Array.from(this.#min, orNull),
      max: Array.from(this.#max, orNull),
      count: Array.from(this.#count),
    };
  }
}

/** Of the samples from slot to slot (exclusive); the sum is 0 and min and max are infinite where there is none. */
export function aggregateOf(values: HourValues, from_slot: number, to_slot: number): Aggregate {
  let [min, max, sum, count] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (let slot = from_slot; slot < to_slot; slot++) {
    const value = values[slot]!;
    if (Number.isNaN(value)) continue;
    sum += value;
    count += 1;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max, sum, count };
}
