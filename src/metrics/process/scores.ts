import { findMetric, rounded } from "../catalogue.ts";
import type { Overload } from "../model.ts";

/** Weights of a worker's load, from the coordinator's formula; renormalised over what is reported. */
const LOAD_WEIGHTS = [
  ["cpu_utilization", 0.3],
  ["memory_utilization", 0.3],
  ["gpu_utilization", 0.2],
  ["io_utilization", 0.1],
  ["network_utilization", 0.1],
] as const;

const LOAD_PRECISION = findMetric("worker", "load")!.precision;

/**
 * Load of a worker, percent: 0.3 CPU + 0.3 memory + 0.2 GPU + 0.1 disk I/O + 0.1 network, the weights
 * renormalised over the metrics that were reported, with as many digits as are kept; null where none was.
 */
export function load(metrics: ReadonlyMap<string, number>): number | null {
  let sum = 0;
  let weights = 0;
  for (const [name, weight] of LOAD_WEIGHTS) {
    const value = metrics.get(name);
    if (value === undefined) continue;
    sum += weight * value;
    weights += weight;
  }
  return weights === 0 ? null : rounded(sum / weights, LOAD_PRECISION);
}

/** A metric's part in a worker's load. */
export interface LoadPart {
  readonly metric: string;
  /** Percent. */
  readonly value: number;
  /** Among those reported: together 1. The load is the sum of weight × value. */
  readonly weight: number;
}

/** What a worker's load is made of, in the order of the formula; empty where nothing was reported. */
export function loadParts(metrics: ReadonlyMap<string, number>): LoadPart[] {
  const reported = LOAD_WEIGHTS.flatMap(([metric, weight]) => {
    const value = metrics.get(metric);
    return value === undefined ? [] : [{ metric, weight, value }];
  });
  const weights = reported.reduce((sum, { weight }) => sum + weight, 0);
  return reported.map((part) => ({ ...part, weight: part.weight / weights }));
}

/** Above these a worker counts as overloaded, percent (the coordinator's alert rules). */
export const OVERLOAD_THRESHOLDS = [
  ["gpu_utilization_max", 95],
  ["gpu_utilization", 95],
  ["cpu_utilization", 90],
  ["memory_utilization", 90],
] as const;

/** An overload ends this far below its threshold, so that a value on the edge does not flap, percent. */
const CLEARING_MARGIN = 5;
/** An overload counts only after this long: one saturated sample is normal while a model loads. */
export const OVERLOAD_HOLD_MS = 3000;

/**
 * The resource that is furthest beyond its threshold, or null. While an overload lasts it keeps its start,
 * and it ends only clearly below its threshold.
 */
export function overload(
  metrics: ReadonlyMap<string, number>,
  before: Overload | null,
  now_ms: number,
): Overload | null {
  let worst: Overload | null = null;
  for (const [metric, threshold] of OVERLOAD_THRESHOLDS) {
    const value = metrics.get(metric);
    if (value === undefined) continue;
    const margin = before?.metric === metric ? CLEARING_MARGIN : 0;
    if (value <= threshold - margin) continue;
    if (worst === null || value - threshold > worst.value - worst.threshold) {
      worst = { metric, value, threshold, since_ms: before?.since_ms ?? now_ms };
    }
  }
  return worst;
}
