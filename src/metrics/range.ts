import type { Scope } from "./catalogue.ts";

/** Names one series: `entity` is the worker's or task's id, and "" for the system scope. */
export interface SeriesName {
  scope: Scope;
  entity: string;
  metric: string;
}

/** How many values of one minute, or of one quarter of an hour, fell into which bucket. */
export interface Histogram {
  /** Its start, Unix milliseconds. */
  readonly at_ms: number;
  /** Its length, MINUTE_MS or QUARTER_MS. */
  readonly span_ms: number;
  readonly sum: number;
  /** The buckets that are not empty, in their order. */
  readonly buckets: readonly (readonly [bucket: number, count: number])[];
}

export const MINUTE_MS = 60_000;
export const QUARTER_MS = 15 * MINUTE_MS;

export interface RangeQuery {
  series: readonly SeriesName[];
  /** Inclusive, Unix milliseconds. */
  from_ms: number;
  /** Exclusive, Unix milliseconds. */
  to_ms: number;
  /** Bucket width, a multiple of 1000; buckets are aligned to the epoch. */
  step_ms: number;
}

/** Column-wise: row i of every column is the bucket that starts at at_ms[i]; null where nothing was sampled. */
export interface RangeAnswer {
  step_ms: number;
  /** What the values come from: 1 where every second was kept, 3600 where some hours have only their summaries. */
  tier_s: number;
  at_ms: number[];
  columns: RangeColumn[];
}

export interface RangeColumn {
  mean: (number | null)[];
  min: (number | null)[];
  max: (number | null)[];
  count: number[];
}
