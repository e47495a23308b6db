import { EvenkeelError } from "../errors.ts";
import { CATALOGUE, type Cut, findMetric } from "./catalogue.ts";
import { type Alert, TASK_STATES, type Task, WORKER_STATES, type Worker, type WorkerState } from "./model.ts";
import { Orders } from "./orders.ts";
import { alertAt, shownOf, worstFirst as worstAlertFirst } from "./process/alert-order.ts";
import { type FilterSources, filteredRead } from "./process/filter.ts";
import { queueOf, taskAt, taskOf, tasksByWorker, workerAt } from "./process/past.ts";
import { systemStatus } from "./process/status.ts";
import { oldestOf } from "./process/system.ts";
import type { TaskDocument } from "./process/task.ts";
import { compareIds, type WorkerDocument } from "./process/worker.ts";
import type { SeriesName } from "./range.ts";
import type {
  EndedQuery,
  EndedStep,
  EndedText,
  GoneWorker,
  LifeState,
  Read,
  RecentSeries,
  StateCounts,
} from "./read.ts";
import { type Runs, runsByWorker, runsOf } from "./runs.ts";
import {
  type EndedTasksQuery,
  GONE,
  type InstantValue,
  type MetricStore,
  type WorkerAt,
} from "./store/contract.ts";
import { turn } from "./turn.ts";

/** The first tick is looked for in so much of the first hour that is kept. */
const FIRST_WITHIN_MS = 2 * 3_600_000;
/** A value older than this is not the value of the moment. */
const FLEET_WITHIN_MS = 90_000;
/** Of a worker that is silent the last values are shown for as long as this. */
const WORKER_WITHIN_MS = 900_000;
/** How far back the last moment with a record is looked for. */
const SEARCH_MS = 7 * 86_400_000;
/** Series that are read before others have their turn. */
const SERIES_A_SLICE = 64;
/** Alerts and tasks of one moment that are read at most. */
const ALERTS_LIMIT = 1000;
const TASKS_LIMIT = 200_000;
/** Ended tasks that are read at most to tell what ran until one moment: some 40 ms. */
const RUNS_LIMIT = 2000;
/** Ended tasks that one step of a search reads at most: some 8 ms. */
const ENDED_A_STEP = 200;

const WORKER_METRICS = CATALOGUE.filter(({ scope, kind }) => scope === "worker" && kind !== "events");

/**
 * The fleet as it was at `at_ms`, from what is kept of it.
 *
 * @param now what is known now, of which all that has no past is taken
 * @throws EvenkeelError "invalid" for a moment that is yet to come, "not_found" for one of which nothing is kept
 */
export async function readPast(store: MetricStore, now: Read, at_ms: number): Promise<Read> {
  if (at_ms > now.now_ms) {
    throw new EvenkeelError(
      "invalid",
      `at must not lie in the future: it is ${iso(now.now_ms)}; got ${iso(at_ms)}`,
      { details: { parameter: "at" } },
    );
  }
  const { system, cuts } = await fleetValues(store, at_ms);
  const { workers, tasks, by_worker } = await entities(store, at_ms);
  const tasksOf = (id: string) => by_worker.get(id) ?? [];
  const by_id = new Map(workers.map((worker) => [worker.id, worker]));
  const fired = store
    .alerts(at_ms, at_ms + 1, ALERTS_LIMIT)
    .map(({ document }) => alertAt(JSON.parse(document) as Alert, at_ms))
    .sort(worstAlertFirst);
  const alerts = shownOf(fired);
  const past: Read = {
    ...now,
    now_ms: at_ms,
    status: systemStatus(system, alerts),
    system,
    tasks_by_state: statesOf(system),
    queue: queueOf(tasks),
    ended_by_type: new Map(
      [...cuts.task_type].map(([type, metrics]) => [
        type,
        { completed: metrics.get("completed_tasks") ?? 0, failed: metrics.get("failed_tasks") ?? 0 },
      ]),
    ),
    endedByModel: () => null,
    alerts,
    allAlerts: () => fired,
    anomalies: () => [],
    alert_news: [],
    telling: () => null,
    alertsOf: (id, limit) =>
      store
        .alertsOf(id, at_ms + 1, limit)
        .map(({ document }) => alertAt(JSON.parse(document) as Alert, at_ms)),
    alertsBetween: (from, to, limit) =>
      now.alertsBetween(from, Math.min(to, at_ms + 1), limit).map((alert) => alertAt(alert, at_ms)),
    orders: new Orders(),
    workers: () => workers,
    worker: (id) => by_id.get(id),
    gone: goneAt(store, at_ms, tasksOf),
    life: (id, limit) => lifeOf(store, id, at_ms, limit),
    task: (id) => tasks.find((task) => task.id === id) ?? endedAt(store, id, at_ms),
    tasks: () => tasks,
    liveTask: (id) => tasks.find((task) => task.id === id),
    ended: (query) => endedOf(store, { ...query, to_ms: Math.min(query.to_ms, at_ms + 1) }),
    tasksOf,
    // Of workers' capabilities and of models only what is known now is kept.
    waiting: () => null,
    usual: () => null,
    scores: () => undefined,
    runs: (from_ms) => runsAt(store, tasks, from_ms, at_ms),
    cut: (cut, name) => cuts[cut].get(name),
    cutNames: (cut) => [...cuts[cut].keys()].sort(compareIds),
    filtered: (filters) => filteredRead(past, filters, { recentOf }),
    oldestQueued: () => oldestOf(tasks),
    recent: (metric, minutes, step_s) =>
      recentAt(store, { scope: "system", entity: "", metric }, at_ms, minutes, step_s),
  };
  const recentOf: FilterSources["recentOf"] = (cut, name, metric, minutes, step_s) =>
    recentAt(store, { scope: cut, entity: name, metric }, at_ms, minutes, step_s);
  return past;
}

/** Searches the ended tasks that are kept. */
export function* endedOf(store: MetricStore, query: EndedQuery): Generator<EndedStep> {
  const { from_ms, to_ms, states: status, worker_id, task_type: type, model_family, ofWorker } = query;
  const all = { from_ms, to_ms, status, worker_id, type, model_family, ofWorker };
  let asked: EndedTasksQuery = { ...all, limit: ENDED_A_STEP };
  if (query.texts) asked.matches = (record) => query.texts!.every((text) => mentions(record, text));
  for (;;) {
    const { tasks: records, searched_from_ms } = store.endedTasks(asked);
    const last = records.length < asked.limit ? undefined : records.at(-1)!;
    const tasks = records.map(({ id, document }) => taskOf(id, JSON.parse(document) as TaskDocument));
    // Of the last one's millisecond there may be more.
    const known_ms = last ? Math.floor(last.ended_at_ms!) + 1 : searched_from_ms;
    yield { tasks: tasks.filter(query.matches), searched_from_ms: Math.max(from_ms, known_ms) };
    if (last) asked = { ...asked, after: { id: last.id, ended_at_ms: last.ended_at_ms! } };
    else if (searched_from_ms <= from_ms || searched_from_ms >= asked.to_ms) return;
    else asked = { ...asked, to_ms: searched_from_ms };
  }
}

/** Whether a record has the text somewhere: the names that a text is looked for in, or any other part of it. */
function mentions(
  { id, type, model_family, worker_id, document }: Parameters<NonNullable<EndedTasksQuery["matches"]>>[0],
  { part, workers }: EndedText,
): boolean {
  if (worker_id !== null && workers?.has(worker_id)) return true;
  if ([id, type, model_family].some((name) => name?.toLowerCase().includes(part))) return true;
  return document.toLowerCase().includes(JSON.stringify(part).slice(1, -1));
}

/** A task that had ended by that instant. */
function endedAt(store: MetricStore, id: string, at_ms: number): Task | undefined {
  const record = store.task(id);
  if (!record) return undefined;
  return taskAt(id, JSON.parse(record.document) as TaskDocument, at_ms, new Set()) ?? undefined;
}

/** @param tasks that had not ended by that instant: earlier attempts of them may have */
function runsAt(store: MetricStore, tasks: readonly Task[], from_ms: number, at_ms: number): Runs {
  const answer = store.endedTasks({ from_ms, to_ms: at_ms + 1, limit: RUNS_LIMIT });
  const ended = answer.tasks.map(({ id, document }) => taskOf(id, JSON.parse(document) as TaskDocument));
  const runs = runsOf([...ended, ...tasks]).filter(({ ended_at_ms }) => ended_at_ms <= at_ms);
  return runsByWorker(runs, answer.searched_from_ms);
}

/** What the tick before that moment wrote of the fleet and of each task type. */
async function fleetValues(store: MetricStore, at_ms: number) {
  const ticked_ms = tickBefore(store, at_ms);
  const names = store
    .latest(ticked_ms)
    .filter(({ scope }) => scope !== "worker" && scope !== "task")
    .filter(({ scope, metric }) => findMetric(scope, metric)?.kind !== "events");
  const values = await newestOf(store, names, at_ms, FLEET_WITHIN_MS);
  const system = new Map<string, number>();
  const cuts: Record<Cut, Map<string, Map<string, number>>> = {
    worker_type: new Map(),
    task_type: new Map(),
    model_family: new Map(),
  };
  names.forEach(({ scope, entity, metric }, i) => {
    const value = values[i];
    // One that could not be measured at that tick has an older value, or none.
    if (!value || value.at_ms < ticked_ms) return;
    if (scope === "system") system.set(metric, value.value);
    const cut = cuts[scope as Cut];
    cut?.set(entity, (cut.get(entity) ?? new Map<string, number>()).set(metric, value.value));
  });
  return { system, cuts };
}

/** @throws EvenkeelError "not_found" where Evenkeel did not run then */
function tickBefore(store: MetricStore, at_ms: number): number {
  const each_tick = [{ scope: "system" as const, entity: "", metric: "total_workers" }];
  const [ticked] = store.newest(each_tick, at_ms, FLEET_WITHIN_MS);
  if (ticked) return ticked.at_ms;
  const [before] = store.newest(each_tick, at_ms, SEARCH_MS);
  const first_ms = firstMoment(store);
  const first = first_ms === null ? "" : `; the first moment that is kept is ${iso(first_ms)}`;
  const instead = before
    ? `the last moment before it is ${iso(before.at_ms)}`
    : `nor of any time before it${first}`;
  throw new EvenkeelError("not_found", `Nothing is kept of ${iso(at_ms)}, ${instead}`, {
    details: { parameter: "at", first_ms, before_ms: before?.at_ms ?? null },
  });
}

/** The first tick of which every second is kept, Unix milliseconds; null where there is none. */
export function firstMoment(store: MetricStore): number | null {
  const { oldest_ms, full_from_ms } = store.stats();
  const from_ms = full_from_ms ?? oldest_ms;
  if (from_ms === null) return null;
  const series = [{ scope: "system" as const, entity: "", metric: "total_workers" }];
  const { at_ms, columns } = store.range({
    series,
    from_ms,
    to_ms: from_ms + FIRST_WITHIN_MS,
    step_ms: 1000,
  });
  return at_ms[columns[0]!.mean.findIndex((value) => value !== null)] ?? null;
}

async function newestOf(store: MetricStore, names: readonly SeriesName[], at_ms: number, within_ms: number) {
  const values: (InstantValue | null)[] = [];
  for (let i = 0; i < names.length; i += SERIES_A_SLICE) {
    values.push(...store.newest(names.slice(i, i + SERIES_A_SLICE), at_ms, within_ms));
    await turn();
  }
  return values;
}

async function entities(store: MetricStore, at_ms: number) {
  const known = store.workersAt(at_ms);
  const lost = new Set(known.flatMap(({ id, state }) => (state === "lost" ? [id] : [])));
  const tasks: Task[] = [];
  const records = store.tasksAt(at_ms, TASKS_LIMIT);
  for (const [i, { id, document }] of records.entries()) {
    const task = taskAt(id, JSON.parse(document) as TaskDocument, at_ms, lost);
    if (task && task.ended_at_ms === null) tasks.push(task);
    if (i % SERIES_A_SLICE === 0) await turn();
  }
  const by_worker = tasksByWorker(tasks);
  const workers: Worker[] = [];
  for (const worker of known)
    workers.push(await workerThen(store, worker, by_worker.get(worker.id) ?? [], at_ms));
  return { workers: workers.sort(worstFirst), tasks, by_worker };
}

async function workerThen(store: MetricStore, known: WorkerAt, tasks: readonly Task[], at_ms: number) {
  const values = await newestOf(store, metricsOf(known.id), at_ms, WORKER_WITHIN_MS);
  return workerOf(known, values, tasks, at_ms);
}

function metricsOf(worker_id: string): SeriesName[] {
  return WORKER_METRICS.map(({ name }) => ({ scope: "worker", entity: worker_id, metric: name }));
}

/** @param values of each of `metricsOf` */
function workerOf(
  known: WorkerAt,
  values: readonly (InstantValue | null)[],
  tasks: readonly Task[],
  at_ms: number,
): Worker {
  const found = WORKER_METRICS.flatMap(({ name }, i) => {
    const value = values[i];
    return value ? [{ metric: name, ...value }] : [];
  });
  const then = {
    id: known.id,
    document: JSON.parse(known.document) as WorkerDocument,
    state: known.state as WorkerState,
    since_ms: known.since_ms,
    last_report_ms: known.last_report_ms,
    metrics: new Map(found.map(({ metric, value }) => [metric, value])),
    sampled_ms: newestOfReports(found),
  };
  return workerAt(then, tasks, at_ms);
}

/** The states that a worker had come into by that moment, newest first. */
export function lifeOf(store: MetricStore, worker_id: string, at_ms: number, limit: number): LifeState[] {
  return store
    .workerStates(worker_id, at_ms + 1, limit)
    .map(({ at_ms, state }) => ({ at_ms, state: state as LifeState["state"] }));
}

/**
 * Workers that were forgotten by that moment, as of their last report; each is read once, whichever panels ask for it.
 *
 * @param tasksOf the tasks that a worker left behind
 */
export function goneAt(store: MetricStore, at_ms: number, tasksOf: Read["tasksOf"]): Read["gone"] {
  const read = new Map<string, GoneWorker | undefined>();
  return (id) => {
    if (!read.has(id)) read.set(id, goneWorker(store, id, at_ms, tasksOf(id)));
    return read.get(id);
  };
}

function goneWorker(
  store: MetricStore,
  worker_id: string,
  at_ms: number,
  own: readonly Task[],
): GoneWorker | undefined {
  const [newest] = store.workerStates(worker_id, at_ms + 1, 1);
  if (newest?.state !== GONE) return undefined;
  const known = store.lastKnown(worker_id, at_ms);
  if (!known) return undefined;
  const values = store.newest(metricsOf(worker_id), newest.last_report_ms, WORKER_WITHIN_MS);
  return { worker: workerOf(known, values, own, newest.last_report_ms), gone_ms: newest.at_ms };
}

/** What is derived goes on while a worker is silent. */
function newestOfReports(found: readonly { metric: string; at_ms: number }[]): number | null {
  const reported = found.filter(({ metric }) => !findMetric("worker", metric)?.derived);
  return reported.length === 0 ? null : Math.max(...reported.map(({ at_ms }) => at_ms));
}

function worstFirst(a: Worker, b: Worker): number {
  return WORKER_STATES.indexOf(a.state) - WORKER_STATES.indexOf(b.state) || compareIds(a.id, b.id);
}

function statesOf(system: ReadonlyMap<string, number>): StateCounts {
  return Object.fromEntries(
    TASK_STATES.map((state) => [state, system.get(`${state}_tasks`) ?? 0]),
  ) as StateCounts;
}

/** The last minutes before that moment; only closed steps. */
export function recentAt(
  store: MetricStore,
  series: SeriesName,
  at_ms: number,
  minutes: number,
  step_s: number,
): RecentSeries {
  const step_ms = step_s * 1000;
  const to_ms = Math.floor(at_ms / step_ms) * step_ms;
  const from_ms = to_ms - Math.floor((minutes * 60_000) / step_ms) * step_ms;
  const answer = store.range({ series: [series], from_ms, to_ms, step_ms });
  return { metric: series.metric, at_ms: answer.at_ms, ...answer.columns[0]! };
}

function iso(at_ms: number): string {
  return new Date(at_ms).toISOString().replace(".000Z", "Z");
}
