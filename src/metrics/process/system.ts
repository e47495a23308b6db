import { findMetric, RESOURCES } from "../catalogue.ts";
import type { WorkerState } from "../model.ts";
import type { Fleet } from "./fleet.ts";
import type { DurationStats } from "./rates.ts";

const STATE_METRIC: Record<WorkerState, string> = {
  active: "active_workers",
  draining: "draining_workers",
  offline: "offline_workers",
  stale: "stale_workers",
  lost: "lost_workers",
  overloaded: "overloaded_workers",
};

/** Every derived metric of the whole fleet as of now; one that cannot be measured is absent. */
export function systemMetrics(fleet: Fleet, now_ms: number): Map<string, number> {
  const metrics = new Map(fleet.system);
  countWorkers(fleet, metrics);
  const { ledger } = fleet;
  const { by_state } = ledger;
  metrics.set("queued_tasks", by_state.queued);
  metrics.set("assigned_tasks", by_state.assigned);
  metrics.set("running_tasks", by_state.running);
  metrics.set("orphaned_tasks", by_state.orphaned);
  metrics.set("completed_tasks", ledger.completed.total);
  metrics.set("failed_tasks", ledger.failed.total);
  metrics.set("cancelled_tasks", ledger.cancelled.total);
  metrics.set("throughput_per_minute", ledger.throughput.total);
  const ended = ledger.completed.total + ledger.failed.total;
  if (ended > 0) metrics.set("success_ratio", ledger.completed.total / ended);
  const oldest_ms = oldestQueued(fleet)?.queued_at_ms ?? null;
  if (oldest_ms !== null) metrics.set("oldest_queued_s", Math.max(0, now_ms - oldest_ms) / 1000);
  setDurations(metrics, "queue_time", ledger.queue_time.stats());
  setDurations(metrics, "processing_time", ledger.processing_time.stats());
  setDurations(metrics, "total_time", ledger.total_time.stats());
  for (const [name, value] of metrics) metrics.set(name, asPrecise(name, value));
  return metrics;
}

/** No more digits than the catalogue declares, and than the store keeps. */
function asPrecise(name: string, value: number): number {
  const precision = findMetric("system", name)?.precision;
  return precision === undefined ? value : Math.round(value * 10 ** precision) / 10 ** precision;
}

function countWorkers(fleet: Fleet, metrics: Map<string, number>): void {
  metrics.set("total_workers", fleet.workers.size);
  for (const name of Object.values(STATE_METRIC)) metrics.set(name, 0);
  const sums = RESOURCES.map((resource) => ({ name: `${resource}_utilization`, sum: 0, max: 0, count: 0 }));
  for (const worker of fleet.workers.values()) {
    const name = STATE_METRIC[worker.state];
    metrics.set(name, metrics.get(name)! + 1);
    if (worker.presence !== "fresh") continue;
    for (const total of sums) {
      const value = worker.metrics.get(total.name);
      if (value === undefined) continue;
      total.sum += value;
      total.count += 1;
      total.max = Math.max(total.max, value);
    }
  }
  // An overloaded worker reports and takes tasks: it is one of the active.
  metrics.set("active_workers", metrics.get("active_workers")! + metrics.get("overloaded_workers")!);
  for (const { name, sum, max, count } of sums) {
    if (count === 0) continue;
    metrics.set(`${name}_mean`, sum / count);
    metrics.set(`${name}_max`, max);
  }
}

function setDurations(metrics: Map<string, number>, name: string, stats: DurationStats | null): void {
  if (!stats) return;
  metrics.set(`${name}_mean_s`, stats.mean_s);
  metrics.set(`${name}_p50_s`, stats.p50_s);
  metrics.set(`${name}_p95_s`, stats.p95_s);
  metrics.set(`${name}_p99_s`, stats.p99_s);
}

/** The queued task that has waited longest; undefined when nothing waits. */
export function oldestQueued(fleet: Fleet) {
  let oldest: ReturnType<typeof fleet.queued.get>;
  let oldest_ms = Infinity;
  for (const task of fleet.queued.values()) {
    const queued_ms = task.queued_at_ms ?? Infinity;
    if (queued_ms < oldest_ms) {
      oldest = task;
      oldest_ms = queued_ms;
    }
  }
  return oldest;
}
