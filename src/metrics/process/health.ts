import type { Health, PressureCause } from "../scores.ts";
import { OVERLOAD_THRESHOLDS } from "./scores.ts";

/** A resource that is used up leaves this much of a worker's health: it still works, and has no room left. */
const PRESSURE_FLOOR = 0.5;
/** So many successes are taken to have come before the first task, so that one early failure is no verdict. */
const ASSUMED_SUCCESSES = 5;

/** What a worker's health is made of. */
export interface HealthInput {
  /** Since the last report, and from when on it is stale and lost; milliseconds. */
  silence_ms: number;
  stale_ms: number;
  lost_ms: number;
  metrics: ReadonlyMap<string, number>;
  /** Of the last tasks that completed or failed, and how many of them completed. */
  tasks: number;
  completed: number;
}

/** Health of a worker, 0 to 100: freshness × pressure × success ratio (design: Formulas). */
export function healthScore({
  silence_ms,
  stale_ms,
  lost_ms,
  metrics,
  tasks,
  completed,
}: HealthInput): number {
  return (
    100 *
    freshness(silence_ms, stale_ms, lost_ms) *
    pressure(pressureCause(metrics)) *
    successFactor(completed, tasks)
  );
}

/** The same with its parts. */
export function health(input: HealthInput): Health {
  const { silence_ms, stale_ms, lost_ms, metrics, tasks, completed } = input;
  const cause = pressureCause(metrics);
  return {
    score: healthScore(input),
    freshness: { factor: freshness(silence_ms, stale_ms, lost_ms), silence_ms },
    pressure: { factor: pressure(cause), cause },
    success: { factor: successFactor(completed, tasks), completed, tasks },
  };
}

/** 1 while the last report is fresh; falls evenly from where it is stale to 0 where it is lost. */
function freshness(silence_ms: number, stale_ms: number, lost_ms: number): number {
  return Math.min(1, Math.max(0, (lost_ms - silence_ms) / (lost_ms - stale_ms)));
}

/** 1 up to the threshold, so that a worker that is fully used and not overloaded is healthy; falls evenly beyond it. */
function pressure(cause: PressureCause | null): number {
  return cause === null ? 1 : 1 - (1 - PRESSURE_FLOOR) * shareBeyond(cause.value, cause.threshold);
}

/** Which part of the room above its threshold a resource takes, 0 to 1. */
function shareBeyond(value: number, threshold: number): number {
  return (Math.min(100, value) - threshold) / (100 - threshold);
}

/** The resource that takes most of the room above its threshold; null where none is beyond it. */
function pressureCause(metrics: ReadonlyMap<string, number>): PressureCause | null {
  let worst: PressureCause | null = null;
  for (const [metric, threshold] of OVERLOAD_THRESHOLDS) {
    const value = metrics.get(metric);
    if (value === undefined || value <= threshold) continue;
    if (worst === null || shareBeyond(value, threshold) > shareBeyond(worst.value, worst.threshold)) {
      worst = { metric, value, threshold };
    }
  }
  return worst;
}

function successFactor(completed: number, tasks: number): number {
  return (completed + ASSUMED_SUCCESSES) / (tasks + ASSUMED_SUCCESSES);
}
