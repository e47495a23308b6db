import type { Cut } from "./catalogue.ts";

/** The durations of tasks that are timed. */
export type DurationName = "queue_time" | "processing_time" | "total_time";
/** How an attempt of a task can end. */
export type EndName = "completed" | "failed" | "cancelled";

/** Upper bounds, inclusive, that durations are counted by, seconds; what is longer is counted too. */
export const DURATION_BOUNDS_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600] as const;

/** Durations since the start. */
export interface DurationTotals {
  /** Up to each bound and beyond the one before it, and at last what is beyond them all. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum_s: number;
}

/** What was counted since the start of all tasks, of one type or of one model family; nothing of it is taken back. */
export interface Totals {
  readonly scope: "system" | Exclude<Cut, "worker_type">;
  /** The type's or family's name; "" for all tasks. */
  readonly entity: string;
  /** Attempts by how they ended. */
  readonly ended: Readonly<Record<EndName, number>>;
  readonly durations: Readonly<Record<DurationName, DurationTotals>>;
}
