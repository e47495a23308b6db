import { CUTS, type Cut } from "../catalogue.ts";
import { type Alert, TASK_STATES, type Task, type TaskState, type Worker } from "../model.ts";
import { endedWithin } from "../models.ts";
import type { Filters, Read, RecentSeries, StateCounts } from "../read.ts";
import { queueOf } from "./past.ts";
import { systemStatus } from "./status.ts";
import { oldestOf, precise, workerMetrics } from "./system.ts";

/** What a filter needs beside what everybody may read. */
export interface FilterSources {
  /** As Read's `recent`, of a cut that is kept as series of its own. */
  recentOf(cut: Cut, name: string, metric: string, minutes: number, step_s: number): RecentSeries;
}

const UNFINISHED = new Set(["queued", "assigned", "running", "orphaned"]);

/**
 * The same moment with only the workers and tasks that match. A worker matches by itself, or, where tasks are
 * filtered, by a matching task that it has; a task matches by itself and by its worker. A task that waits has no
 * worker yet: by a worker's type it is not counted. What can't be told of the rest is absent. Each part is worked out
 * when it is asked for: a list of tasks needs none of the figures. Where nothing is left out, it is `read` itself.
 */
export function filteredRead(read: Read, filters: Filters, sources: FilterSources): Read {
  if (Object.values(filters).every((filter) => filter === undefined)) return read;
  const { worker_type, task_type, model_family } = filters;
  const text = filters.q?.toLowerCase();
  const has = text === undefined ? null : containing(text);
  const by_text = once(() => idsByText(read.workers(), has!));
  const types = once(() => typesOf(read));
  const live = once(() => unfinishedOf(read).filter(matchesTask));
  const workers = once(() => matchingWorkers());
  const known_ids = once(() => new Set(workers().map(({ id }) => id)));
  const ofPart = (all: Read["alerts"]) =>
    all.filter((alert) => concerns(alert, filters, known_ids(), read, matchesTask));
  const alerts = once(() => ofPart(read.alerts));
  const all_alerts = once(() => ofPart(read.allAlerts()));
  const known_types = new Map<string, string | null | undefined>();
  const cut = cutOf(filters);
  const flow = cut === null || cut.cut === "worker_type" ? undefined : read.cut(cut.cut, cut.name);
  const counted = TASK_STATES.filter(
    (state) => UNFINISHED.has(state) && (state !== "queued" || worker_type === undefined),
  );
  const system = once(() => systemOf(workers(), live(), counted, flow ?? new Map(), read.now_ms));
  const oldest = once(() => oldestOf(live()));
  const queue = once(() => (worker_type === undefined ? queueOf(live()) : null));
  const states = once(() => statesOf(live(), counted, flow));
  const ended = once(() => endedOf(read, filters));

  function matchesTask(task: NamedTask): boolean {
    if (task_type !== undefined && task.type !== task_type) return false;
    if (model_family !== undefined && task.model_family !== model_family) return false;
    if (worker_type === undefined && has === null) return true;
    if (worker_type !== undefined && types().get(task.worker_id!) !== worker_type) return false;
    return hasText(task);
  }

  function hasText({ id, type, model_family, model_id, worker_id }: NamedTask): boolean {
    if (has === null || has(type) || has(model_family) || has(model_id)) return true;
    if (worker_id !== null && by_text().has(worker_id)) return true;
    return id.toLowerCase().includes(text!);
  }

  /** Of a worker that is known no more too: what it ran may have ended days ago. */
  function typeOf(id: string | null): string | null | undefined {
    if (id === null) return undefined;
    if (!known_types.has(id)) known_types.set(id, (read.worker(id) ?? read.gone(id)?.worker)?.type);
    return known_types.get(id);
  }

  function matchingWorkers(): readonly Worker[] {
    const by_task = task_type !== undefined || model_family !== undefined;
    const held = by_task || has !== null ? byWorker(live()) : new Map<string, Task[]>();
    return read
      .workers()
      .filter(
        ({ id, type }) =>
          (worker_type === undefined || type === worker_type) &&
          (!by_task || held.has(id)) &&
          (has === null || by_text().has(id) || held.has(id)),
      )
      .map((worker) => (by_task || has !== null ? withTasks(worker, held.get(worker.id) ?? []) : worker));
  }

  return {
    ...read,
    filters,
    recent_cut: cut,
    get status(): Read["status"] {
      return workers().length === 0
        ? { level: "healthy", reasons: ["no worker matches the filter"] }
        : systemStatus(system(), alerts());
    },
    get system() {
      return system();
    },
    get tasks_by_state() {
      return states();
    },
    get queue() {
      return queue();
    },
    get ended_by_type() {
      return ended();
    },
    endedByModel: () => endedWithin(read.endedByModel(), filters),
    get alerts() {
      return alerts();
    },
    allAlerts: all_alerts,
    workers,
    tasks: () => ({ [Symbol.iterator]: () => matching(read.tasks(), matchesTask) }),
    ended: (query) =>
      read.ended({
        ...query,
        ...(task_type !== undefined && { task_type }),
        ...(model_family !== undefined && { model_family }),
        ofWorker: worker_type === undefined ? query.ofWorker : (id) => typeOf(id) === worker_type,
        texts: [...(query.texts ?? []), ...(has === null ? [] : [{ part: text!, workers: by_text() }])],
        matches: (task) => hasText(task) && query.matches(task),
      }),
    tasksOf: (worker_id) => read.tasksOf(worker_id).filter(matchesTask),
    runs: (from_ms) => {
      const runs = read.runs(from_ms);
      const { complete_from_ms } = runs;
      return { complete_from_ms, of: (id) => runs.of(id).filter(matchesTask) };
    },
    oldestQueued: oldest,
    recent: (metric, minutes, step_s) =>
      cut === null
        ? read.recent(metric, minutes, step_s)
        : sources.recentOf(cut.cut, cut.name, metric, minutes, step_s),
    filtered: (more) => read.filtered(more),
  };
}

/** What a task is found by. */
type NamedTask = Pick<Task, "id" | "type" | "model_family" | "model_id" | "worker_id">;

function* matching(tasks: Iterable<Task>, matches: (task: Task) => boolean): Generator<Task> {
  for (const task of tasks) if (matches(task)) yield task;
}

/** Of each moment that was asked for: what fifty filters of it count is counted of these. */
const unfinishedOf = oncePerRead((read): readonly Task[] => {
  const found: Task[] = [];
  for (const task of read.tasks()) if (UNFINISHED.has(task.state)) found.push(task);
  return found;
});

/** Of each worker by its id; null where it does not tell. */
const typesOf = oncePerRead(
  (read): ReadonlyMap<string, string | null> => new Map(read.workers().map(({ id, type }) => [id, type])),
);

function oncePerRead<T>(make: (read: Read) => T): (read: Read) => T {
  const kept = new WeakMap<Read, { readonly value: T }>();
  return (read) => {
    const known = kept.get(read) ?? { value: make(read) };
    kept.set(read, known);
    return known.value;
  };
}

/** Tasks by the worker that has them. */
function byWorker(tasks: readonly Task[]): Map<string, Task[]> {
  const held = new Map<string, Task[]>();
  for (const task of tasks) {
    if (task.worker_id === null) continue;
    const own = held.get(task.worker_id);
    if (own) own.push(task);
    else held.set(task.worker_id, [task]);
  }
  return held;
}

/** Works something out when it is first asked for, and keeps it. */
function once<T>(make: () => T): () => T {
  let kept: { readonly value: T } | undefined;
  return () => {
    kept ??= { value: make() };
    return kept.value;
  };
}

/** Distinct names that a search remembers; beyond it they only cost time. */
const REMEMBERED_NAMES = 10_000;

/** Whether a name contains the text, in any case. Types, families and models repeat: each is looked at once. */
function containing(text: string): (name: string | null) => boolean {
  const known = new Map<string, boolean>();
  return (name) => {
    if (name === null) return false;
    let found = known.get(name);
    if (found === undefined) {
      found = name.toLowerCase().includes(text);
      if (known.size < REMEMBERED_NAMES) known.set(name, found);
    }
    return found;
  };
}

/** The cut of the fleet that the filters are; null for any other, of which nothing is kept. */
function cutOf({ q, ...cuts }: Filters): { cut: Cut; name: string } | null {
  const given = Object.entries(cuts).filter(([, name]) => name !== undefined);
  if (q !== undefined || given.length !== 1) return null;
  const [cut, name] = given[0]!;
  return { cut: cut as Cut, name: name! };
}

function idsByText(workers: readonly Worker[], has: (name: string | null) => boolean): Set<string> {
  const found = workers.filter(
    ({ id, hostname, type, tags }) => has(id) || has(hostname) || has(type) || tags.some(has),
  );
  return new Set(found.map(({ id }) => id));
}

/** The worker with its matching tasks for all of them. */
function withTasks(worker: Worker, tasks: readonly Task[]): Worker {
  const running_by_type = new Map<string, number>();
  const counts = { assigned: 0, running: 0, orphaned: 0 };
  for (const { state, type } of tasks) {
    if (state in counts) counts[state as keyof typeof counts] += 1;
    if (state === "running") running_by_type.set(type ?? "", (running_by_type.get(type ?? "") ?? 0) + 1);
  }
  // Without spreading, which would make two more objects of each of ten thousand workers.
  return {
    id: worker.id,
    type: worker.type,
    hostname: worker.hostname,
    status: worker.status,
    presence: worker.presence,
    state: worker.state,
    source: worker.source,
    tags: worker.tags,
    get capabilities() {
      return worker.capabilities;
    },
    metrics: worker.metrics,
    gpus: worker.gpus,
    first_seen_ms: worker.first_seen_ms,
    last_report_ms: worker.last_report_ms,
    interval_ms: worker.interval_ms,
    load: worker.load,
    overload: worker.overload,
    running_tasks: counts.running,
    queued_tasks: counts.assigned,
    orphaned_tasks: counts.orphaned,
    running_by_type,
  };
}

/** What is wrong with the whole, or with a source, concerns every part of it. */
function concerns(
  { subject: { kind, id }, labels }: Alert,
  filters: Filters,
  workers: ReadonlySet<string>,
  read: Read,
  matches: (task: Task) => boolean,
): boolean {
  if (kind === "system" || kind === "source") return true;
  if (kind === "worker") return workers.has(id);
  if (kind === "task") {
    const task = read.task(id);
    return task !== undefined && matches(task);
  }
  const { q, ...cuts } = filters;
  return (
    CUTS.every((cut) => cuts[cut] === undefined || labels[cut] === cuts[cut]) &&
    (q === undefined || id.toLowerCase().includes(q.toLowerCase()))
  );
}

function systemOf(
  workers: readonly Worker[],
  live: readonly Task[],
  counted: readonly TaskState[],
  flow: ReadonlyMap<string, number>,
  now_ms: number,
): Map<string, number> {
  const metrics = new Map([...flow, ...workerMetrics(workers)]);
  const sizes = sizesOf(live);
  for (const state of counted) metrics.set(`${state}_tasks`, sizes.get(state) ?? 0);
  const oldest_ms = oldestOf(live)?.queued_at_ms ?? null;
  if (oldest_ms !== null) metrics.set("oldest_queued_s", Math.max(0, now_ms - oldest_ms) / 1000);
  return precise("system", metrics);
}

/** Ended ones are counted by task type and by model family alone. */
function statesOf(
  live: readonly Task[],
  counted: readonly TaskState[],
  flow: ReadonlyMap<string, number> | undefined,
): StateCounts {
  const sizes = sizesOf(live);
  const counts = TASK_STATES.map((state) => [
    state,
    counted.includes(state) ? (sizes.get(state) ?? 0) : (flow?.get(`${state}_tasks`) ?? null),
  ]);
  return Object.fromEntries(counts) as StateCounts;
}

function sizesOf(tasks: readonly Task[]): Map<TaskState, number> {
  const sizes = new Map<TaskState, number>();
  for (const { state } of tasks) sizes.set(state, (sizes.get(state) ?? 0) + 1);
  return sizes;
}

function endedOf({ ended_by_type }: Read, { task_type, ...others }: Filters): Read["ended_by_type"] {
  if (ended_by_type === null || Object.values(others).some((filter) => filter !== undefined)) return null;
  return new Map([...ended_by_type].filter(([type]) => type === task_type));
}
