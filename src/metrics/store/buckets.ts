import { EvenkeelError } from "../../errors.ts";
import type { RangeColumn, RangeQuery } from "../range.ts";
import { type HourValues, SLOTS } from "./values.ts";

/** Buckets × series of one answer: seven days of six series at one second. */
const MAX_CELLS = 4_000_000;

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
    const bucket = this.bucketOf(hour * SLOTS);
    return bucket === this.bucketOf((hour + 1) * SLOTS - 1) ? bucket : null;
  }

  /** The bucket that holds the second; null where it is not asked for. */
  bucketOf(second: number): number | null {
    const { from_second, to_second, step_s, first_bucket } = this.#span;
    if (second < from_second || second >= to_second) return null;
    return Math.floor(second / step_s) - first_bucket;
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
    const from_slot = Math.max(0, from_second - start);
    const to_slot = Math.min(SLOTS, to_second - start);
    let bucket = Math.floor((start + from_slot) / step_s) - first_bucket;
    let bucket_end_slot = (first_bucket + bucket + 1) * step_s - start;
    for (let slot = from_slot; slot < to_slot; slot++) {
      if (slot === bucket_end_slot) {
        bucket += 1;
        bucket_end_slot += step_s;
      }
      const value = values[slot]!;
      if (Number.isNaN(value)) continue;
      this.#sum[bucket]! += value;
      this.#count[bucket]! += 1;
      if (value < this.#min[bucket]!) this.#min[bucket] = value;
      if (value > this.#max[bucket]!) this.#max[bucket] = value;
    }
  }

  column(): RangeColumn {
    const column: RangeColumn = { mean: [], min: [], max: [], count: [] };
    for (let i = 0; i < this.#span.buckets; i++) {
      const count = this.#count[i]!;
      column.mean.push(count > 0 ? this.#sum[i]! / count : null);
      column.min.push(count > 0 ? this.#min[i]! : null);
      column.max.push(count > 0 ? this.#max[i]! : null);
      column.count.push(count);
    }
    return column;
  }
}

/** Of all samples of an hour that has some. */
export function aggregateOf(values: HourValues): Aggregate {
  const aggregate = { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY, sum: 0, count: 0 };
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    aggregate.sum += value;
    aggregate.count += 1;
    if (value < aggregate.min) aggregate.min = value;
    if (value > aggregate.max) aggregate.max = value;
  }
  return aggregate;
}
