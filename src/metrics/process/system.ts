import { type Cut, findMetric, RESOURCES, rounded, type Scope } from "../catalogue.ts";
import { type Source, type Task, WORKER_STATES, type Worker, type WorkerState } from "../model.ts";
import type { EndedByModel } from "../models.ts";
import type { Fleet } from "./fleet.ts";
import type { Flow } from "./flow.ts";

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

/** In one go. */
export function fleetFigures(fleet: Fleet, now_ms: number): FleetFigures {
  const counting = countingFigures(fleet, now_ms);
  for (let step = counting.next(); ; step = counting.next()) if (step.done) return step.value;
}

/** In steps. What ended by model is counted when it is first asked for. */
export function* countingFigures(
  fleet: Fleet,
  now_ms: number,
): Generator<undefined, FleetFigures, undefined> {
  let ended: EndedByModel | undefined;
  const { all, by_type } = yield* countingWorkers(fleet);
  yield;
  return {
    system: systemMetrics(fleet, all.metrics(), now_ms),
    cuts: cutMetrics(fleet, by_type),
    sources: fleet.sources(),
    endedByModel: () => {
      ended ??= fleet.ledger.models.lastHour(now_ms);
      return ended;
    },
  };
}

/** Every derived metric of the whole fleet as of now; one that cannot be measured is absent. */
function systemMetrics(fleet: Fleet, workers: ReadonlyMap<string, number>, now_ms: number) {
  const metrics = new Map(fleet.system);
  addAll(metrics, workers);
  addAll(metrics, fleet.ledger.all.metrics());
  const oldest_ms = fleet.queues.oldest()?.queued_at_ms ?? null;
  if (oldest_ms !== null) metrics.set("oldest_queued_s", Math.max(0, now_ms - oldest_ms) / 1000);
  return precise("system", metrics);
}

/** Every cut that history can be filtered by: its parts by name, each with its metrics as of now. */
function cutMetrics(fleet: Fleet, types: ReadonlyMap<string, Tally>): FleetFigures["cuts"] {
  const worker_type = new Map<string, ReadonlyMap<string, number>>();
  for (const [name, tally] of types) {
    const metrics = tally.metrics();
    metrics.set("running_tasks", tally.running_tasks);
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

/** Workers that one step counts: a millisecond or two. */
const STEP_WORKERS = 2000;

interface Tallies {
  readonly all: Tally;
  readonly by_type: ReadonlyMap<string, Tally>;
}

/** Every worker is looked at once, for the fleet and for its type. */
function* countingWorkers(fleet: Fleet): Generator<undefined, Tallies, undefined> {
  const all = new Tally();
  const by_type = new Map<string, Tally>();
  let counted = 0;
  for (const worker of fleet.workers.values()) {
    if (++counted % STEP_WORKERS === 0) yield;
    const { type } = worker;
    const used = usedBy(worker);
    all.add(worker, used);
    if (type === null) continue;
    const tally = by_type.get(type) ?? new Tally();
    if (!by_type.has(type) && by_type.size >= MAX_WORKER_TYPES) {
      fleet.reached("worker types counted apart");
      continue;
    }
    by_type.set(type, tally);
    tally.add(worker, used);
  }
  return { all, by_type };
}

function addAll(metrics: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [name, value] of more) metrics.set(name, value);
}

/** No more digits than the catalogue declares, and than the store keeps. */
export function precise(scope: Scope, metrics: Map<string, number>): Map<string, number> {
  for (const [name, value] of metrics) {
    const precision = findMetric(scope, name)?.precision;
    if (precision !== undefined) metrics.set(name, rounded(value, precision));
  }
  return metrics;
}

const USED = RESOURCES.map((resource) => `${resource}_utilization`);

/** By resource, percent; empty of a worker that does not report. */
type Used = readonly (number | undefined)[];

function usedBy({ presence, metrics }: Worker): Used {
  return presence === "fresh" ? USED.map((name) => metrics.get(name)) : [];
}

/** What is counted of workers, one after the other. */
class Tally {
  running_tasks = 0;
  readonly #states: Record<WorkerState, number> = {
    active: 0,
    draining: 0,
    offline: 0,
    stale: 0,
    lost: 0,
    overloaded: 0,
  };
  readonly #used: readonly number[][] = RESOURCES.map(() => []);

  add({ state, running_tasks }: Worker, used: Used): void {
    this.#states[state] += 1;
    this.running_tasks += running_tasks;
    for (let i = 0; i < used.length; i += 1) if (used[i] !== undefined) this.#used[i]!.push(used[i]!);
  }

  metrics(): Map<string, number> {
    const metrics = new Map<string, number>();
    let total = 0;
    for (const state of WORKER_STATES) {
      metrics.set(STATE_METRIC[state], this.#states[state]);
      total += this.#states[state];
    }
    metrics.set("total_workers", total);
    // An overloaded worker reports and takes tasks: it is one of the active.
    metrics.set("active_workers", this.#states.active + this.#states.overloaded);
    USED.forEach((name, i) => {
      setStatistics(metrics, name, Float64Array.from(this.#used[i]!).sort());
    });
    return metrics;
  }
}

/** Counts by state, and what the reporting ones use. */
export function workerMetrics(workers: Iterable<Worker>): Map<string, number> {
  const tally = new Tally();
  for (const worker of workers) tally.add(worker, usedBy(worker));
  return tally.metrics();
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
