import { type Cut, findMetric, RESOURCES, type Scope, scaleOf } from "../catalogue.ts";
import type { Source, Task, Worker, WorkerState } from "../model.ts";
import type { EndedByModel } from "../models.ts";
import type { Fleet } from "./fleet.ts";
import type { Flow } from "./flow.ts";
import type { WorkerEntry } from "./worker.ts";

const STATE_METRIC: Record<WorkerState, string> = {
  active: "active_workers",
  draining: "draining_workers",
  offline: "offline_workers",
  stale: "stale_workers",
  lost: "lost_workers",
  overloaded: "overloaded_workers",
};

/** What follows of the fleet as of now, before its rules are asked. */
export interface FleetFigures {
  readonly system: ReadonlyMap<string, number>;
  readonly cuts: Readonly<Record<Cut, ReadonlyMap<string, ReadonlyMap<string, number>>>>;
  readonly sources: readonly Source[];
  endedByModel(): EndedByModel;
}

/** What ended by model is counted when it is first asked for. */
export function fleetFigures(fleet: Fleet, now_ms: number): FleetFigures {
  let ended: EndedByModel | undefined;
  return {
    system: systemMetrics(fleet, now_ms),
    cuts: cutMetrics(fleet),
    sources: fleet.sources(),
    endedByModel: () => {
      ended ??= fleet.ledger.models.lastHour(now_ms);
      return ended;
    },
  };
}

/** Every derived metric of the whole fleet as of now; one that cannot be measured is absent. */
export function systemMetrics(fleet: Fleet, now_ms: number): Map<string, number> {
  const metrics = new Map(fleet.system);
  addAll(metrics, workerMetrics(fleet.workers.values()));
  addAll(metrics, fleet.ledger.all.metrics());
  const oldest_ms = oldestOf(fleet.queued.values())?.queued_at_ms ?? null;
  if (oldest_ms !== null) metrics.set("oldest_queued_s", Math.max(0, now_ms - oldest_ms) / 1000);
  return precise("system", metrics);
}

/** Every cut that history can be filtered by: its parts by name, each with its metrics as of now. */
function cutMetrics(fleet: Fleet): FleetFigures["cuts"] {
  const worker_type = new Map<string, ReadonlyMap<string, number>>();
  for (const [name, workers] of byType(fleet)) {
    const metrics = workerMetrics(workers);
    metrics.set(
      "running_tasks",
      workers.reduce((sum, { counts }) => sum + counts.running, 0),
    );
    worker_type.set(name, precise("worker_type", metrics));
  }
  const { by_type, by_family } = fleet.ledger;
  return {
    worker_type,
    task_type: flowMetrics("task_type", by_type),
    model_family: flowMetrics("model_family", by_family),
  };
}

function flowMetrics(cut: Cut, flows: ReadonlyMap<string, Flow>): Map<string, ReadonlyMap<string, number>> {
  return new Map([...flows].map(([name, flow]) => [name, precise(cut, flow.metrics())]));
}

/** Worker types told apart; what comes beyond is in the fleet's figures alone. */
const MAX_WORKER_TYPES = 64;

function byType(fleet: Fleet): Map<string, WorkerEntry[]> {
  const types = new Map<string, WorkerEntry[]>();
  for (const worker of fleet.workers.values()) {
    if (worker.type === null) continue;
    const known = types.get(worker.type);
    if (known) known.push(worker);
    else if (types.size < MAX_WORKER_TYPES) types.set(worker.type, [worker]);
    else fleet.reached("worker types counted apart");
  }
  return types;
}

function addAll(metrics: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [name, value] of more) metrics.set(name, value);
}

/** No more digits than the catalogue declares, and than the store keeps. */
export function precise(scope: Scope, metrics: Map<string, number>): Map<string, number> {
  for (const [name, value] of metrics) {
    const precision = findMetric(scope, name)?.precision;
    if (precision === undefined) continue;
    const scale = scaleOf(precision);
    metrics.set(name, Math.round(value * scale) / scale);
  }
  return metrics;
}

/** Counts by state, and what the reporting ones use. */
export function workerMetrics(workers: Iterable<Worker>): Map<string, number> {
  const metrics = new Map<string, number>(Object.values(STATE_METRIC).map((name) => [name, 0]));
  const used = RESOURCES.map((resource) => ({ name: `${resource}_utilization`, values: [] as number[] }));
  let total = 0;
  for (const worker of workers) {
    total += 1;
    const name = STATE_METRIC[worker.state];
    metrics.set(name, metrics.get(name)! + 1);
    if (worker.presence !== "fresh") continue;
    for (const { name, values } of used) {
      const value = worker.metrics.get(name);
      if (value !== undefined) values.push(value);
    }
  }
  metrics.set("total_workers", total);
  // An overloaded worker reports and takes tasks: it is one of the active.
  metrics.set("active_workers", metrics.get("active_workers")! + metrics.get("overloaded_workers")!);
  for (const { name, values } of used) setStatistics(metrics, name, Float64Array.from(values).sort());
  return metrics;
}

function setStatistics(metrics: Map<string, number>, name: string, sorted: Float64Array): void {
  if (sorted.length === 0) return;
  const quantile = (q: number) => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!;
  metrics.set(`${name}_mean`, sorted.reduce((sum, value) => sum + value, 0) / sorted.length);
  metrics.set(`${name}_p50`, quantile(0.5));
  metrics.set(`${name}_p95`, quantile(0.95));
  metrics.set(`${name}_max`, quantile(1));
}

/** The queued task that has waited longest; undefined when nothing waits. */
export function oldestOf(tasks: Iterable<Task>): Task | undefined {
  let oldest: Task | undefined;
  for (const task of tasks) {
    if (task.state !== "queued") continue;
    if (oldest === undefined || (task.queued_at_ms ?? Infinity) < (oldest.queued_at_ms ?? Infinity))
      oldest = task;
  }
  return oldest;
}
