import { CATALOGUE, type Cut, findMetric, type Scope, type Unit } from "../../catalogue.ts";
import type { Presence, Source, TaskState } from "../../model.ts";
import type { Fleet } from "../fleet.ts";
import type { QueueFigures } from "../queue-book.ts";
import type { TaskEntry } from "../task.ts";
import type { WorkerEntry } from "../worker.ts";
import { inWords } from "./anomaly-words.ts";
import type { ModelFigures } from "./figures.ts";
import type { AnomalySubject, RuleScene, SubjectKind, Value } from "./vocabulary.ts";

type Values<S> = Readonly<Record<string, Value<S>>>;

function value<S>(unit: Unit, help: string, read: Value<S>["read"]): Value<S> {
  return { unit, help, read };
}

const known = (value: number | null | undefined): number => value ?? Number.NaN;
const flag = (holds: boolean): number => (holds ? 1 : 0);
const since_s = (at_ms: number | null, now_ms: number): number =>
  at_ms === null ? Number.NaN : Math.max(0, now_ms - at_ms) / 1000;

type ReadMetric<S> = (subject: S, metric: string, scene: RuleScene) => number | undefined;

/** A kind's figures: those of its own, and the metrics of a scope. */
function words<S>(
  values: Values<S>,
  scope?: Scope,
  read?: ReadMetric<S>,
): Pick<SubjectKind<S>, "value" | "custom" | "names" | "charted"> {
  const metrics = CATALOGUE.filter((metric) => metric.scope === scope && metric.kind !== "events");
  const asked = (name: string): Pick<Value<S>, "read"> => ({
    read: (subject, scene) => known(read?.(subject, name, scene)),
  });
  return {
    names: [...Object.keys(values), ...metrics.map(({ name }) => name)],
    charted: (name) => metrics.some((metric) => metric.name === name) && !Object.hasOwn(values, name),
    value: (name) => {
      if (Object.hasOwn(values, name)) return values[name];
      const metric = metrics.find((one) => one.name === name);
      return (
        metric && { unit: metric.unit, help: metric.help, counter: metric.kind === "counter", ...asked(name) }
      );
    },
    ...(scope && OPEN.has(scope) && { custom: (name) => ({ unit: "count", help: "", ...asked(name) }) }),
  };
}

/** Scopes in which sources may report metrics of their own making. */
const OPEN: ReadonlySet<Scope> = new Set(["system", "worker", "task"]);

function own(name: string, unit: Unit, help: string) {
  return [name, value<null>(unit, help, (_, scene) => known(scene.own.get(name)))] as const;
}

/** How Evenkeel itself is doing. */
const OWN_VALUES: Values<null> = Object.fromEntries([
  own("store_bytes", "bytes", "Evenkeel's own database on disk"),
  own("store_limit_bytes", "bytes", "Its limit by the settings; not known where there is none"),
  own("disk_free_bytes", "bytes", "Room on the disk that the database is on"),
  own("store_failing", "count", "1 while the store can't write, else 0"),
  own("rules_failing", "count", "1 while the file of rules is wrong and the former rules hold, else 0"),
  own("connectors_unheard", "count", "Connectors that fail and of whose source nothing is known"),
  own("ticks_late_per_minute", "count", "Ticks of the last minute that came late"),
  own("reports_rejected_per_minute", "count", "Reports that were refused in the last minute"),
]);

const system: SubjectKind<null> = {
  help: "the whole fleet, and Evenkeel itself",
  each: () => [null],
  id: () => "",
  labels: () => ({}),
  ...words(OWN_VALUES, "system", (_, name, { system }) => system.get(name)),
  texts: {},
  series: () => ({ scope: "system", entity: "" }),
};

const SOURCE_VALUES: Values<Source> = {
  silence_s: value("seconds", "Since its last report", ({ last_report_ms }, { now_ms }) =>
    since_s(last_report_ms, now_ms),
  ),
  stale: value("count", "1 while its report is overdue, else 0", ({ presence }) =>
    flag(presence === "stale"),
  ),
  lost: value("count", "1 once it is silent for so long that it counts as gone", ({ presence }) =>
    flag(presence === "lost"),
  ),
  reports: value("count", "Reports since it was first heard of", ({ reports }) => reports),
  workers: value("count", "Workers that it reports", ({ workers }) => workers),
  clock_offset_s: value(
    "seconds",
    "How far its clock is behind ours",
    ({ clock_offset_ms }) => clock_offset_ms / 1000,
  ),
};

const source: SubjectKind<Source> = {
  help: "each source of reports",
  each: ({ sources }) => sources,
  id: ({ id }) => id,
  labels: ({ id }) => ({ source: id }),
  ...words(SOURCE_VALUES),
  texts: { source: { help: "Its name", read: ({ id }) => id } },
};

/** Whether nobody who speaks of it is heard: then nothing can be said of it. */
function unheard(sources: Iterable<string>, fleet: Fleet): boolean {
  for (const id of sources) if (fleet.sourcePresence(id) === "fresh") return false;
  return true;
}

/** What is so of a worker's silence, which is not known while its sources are silent themselves. */
const silent =
  (state: Presence) =>
  (worker: WorkerEntry, { fleet }: RuleScene) =>
    worker.presence !== "fresh" && unheard(worker.sources.keys(), fleet)
      ? Number.NaN
      : flag(worker.presence === state);

/** A task whose worker, or whose sources, are not heard may be long done. */
function lastsNow(task: TaskEntry, { fleet }: RuleScene): boolean {
  const worker = task.worker_id === null ? undefined : fleet.workers.get(task.worker_id);
  return (!worker || worker.presence === "fresh") && !unheard(task.mentioned_by, fleet);
}

const WORKER_VALUES: Values<WorkerEntry> = {
  silence_s: value("seconds", "Since its last report", ({ last_report_ms }, { now_ms }) =>
    since_s(last_report_ms, now_ms),
  ),
  stale: value(
    "count",
    "1 while its report is overdue, else 0; not known while everybody who reports it is silent",
    silent("stale"),
  ),
  lost: value(
    "count",
    "1 once it is silent for so long that it counts as gone, else 0; not known while everybody who reports it is silent",
    silent("lost"),
  ),
  overloaded: value(
    "count",
    "1 while a resource is beyond its threshold, else 0",
    ({ presence, overload }) => (presence === "lost" ? Number.NaN : flag(overload !== null)),
  ),
  departures: value(
    "count",
    "How often it fell silent or went offline in the last 15 minutes",
    (worker, { now_ms }) => worker.departures(now_ms),
  ),
  pending_tasks: value("count", "Tasks assigned to it and not started", ({ presence, queued_tasks }) =>
    presence === "lost" ? Number.NaN : queued_tasks,
  ),
  unfinished_tasks: value(
    "count",
    "Tasks that it has, running or not",
    ({ counts }) => counts.assigned + counts.running,
  ),
  orphaned_tasks: value(
    "count",
    "Unfinished tasks of it that count as orphaned",
    ({ counts }) => counts.orphaned,
  ),
};

const worker: SubjectKind<WorkerEntry> = {
  help: "each worker but those that are drained or offline on purpose",
  each: ({ fleet }) => fleet.workers.values(),
  id: ({ id }) => id,
  planned: ({ status }) => status !== "active",
  labels: ({ id, type, source }) => ({ worker: id, source, ...(type !== null && { worker_type: type }) }),
  // What a lost worker last reported is not what it does now.
  ...words(WORKER_VALUES, "worker", ({ presence, metrics }, name) =>
    presence === "lost" ? undefined : metrics.get(name),
  ),
  texts: {
    worker: { help: "Its id", read: ({ id }) => id },
    worker_type: { help: "Its type", read: ({ type }) => type },
    hostname: { help: "Its host", read: ({ hostname }) => hostname },
    source: { help: "Who reported it last", read: ({ source }) => source },
    pressure: {
      help: "The resource furthest beyond its threshold, such as 95 % CPU",
      read: ({ overload }) => overload && `${Math.round(overload.value)} % ${labelOf(overload.metric)}`,
    },
  },
  series: ({ id }) => ({ scope: "worker", entity: id }),
  age_ms: (subject, metric, { now_ms }) => subject.metricAge_ms(metric, now_ms),
};

/** A figure of the tasks in one state, and what it is of all others. */
function ofState(
  state: TaskState,
  elsewhere: number,
  unit: Unit,
  help: string,
  read: Value<TaskEntry>["read"],
): Value<TaskEntry> {
  return {
    ...value<TaskEntry>(unit, help, (task, scene) => (task.state === state ? read(task, scene) : elsewhere)),
    byState: (one) => (one === state ? undefined : elsewhere),
  };
}

const TASK_VALUES: Values<TaskEntry> = {
  running_s: ofState(
    "running",
    Number.NaN,
    "seconds",
    "How long it has run; not known while its worker or its sources are silent",
    (one, scene) => (lastsNow(one, scene) ? since_s(one.started_at_ms, scene.now_ms) : Number.NaN),
  ),
  waiting_s: ofState(
    "queued",
    Number.NaN,
    "seconds",
    "How long it has waited; not known while its sources are silent",
    (one, scene) => (lastsNow(one, scene) ? since_s(one.queued_at_ms, scene.now_ms) : Number.NaN),
  ),
  usual_s: value("seconds", "What 95 % of its model's tasks stay within", ({ model_id }, { fleet }) =>
    known(fleet.ledger.usualProcessing(model_id)),
  ),
  attempt: value("count", "Which attempt it is at", ({ attempt }) => attempt),
  priority: value("count", "Its priority, 1 the most urgent", ({ priority }) => known(priority)),
  progress: value("percent", "How far it is by its own report", ({ progress }) => known(progress)),
  orphaned: ofState("orphaned", 0, "count", "1 while it counts as orphaned, else 0", () => 1),
};

const task: SubjectKind<TaskEntry> = {
  help: "each unfinished task",
  each: ({ fleet }) => fleet.live.values(),
  id: ({ id }) => id,
  state: ({ state }) => state,
  labels: ({ id, worker_id, type, model_id, model_family }, { fleet }) => {
    const worker = worker_id === null ? undefined : fleet.workers.get(worker_id);
    return {
      task: id,
      ...(worker_id !== null && { worker: worker_id }),
      ...(worker && { source: worker.source }),
      ...(worker && worker.type !== null && { worker_type: worker.type }),
      ...(type !== null && { task_type: type }),
      ...(model_id !== null && { model: model_id }),
      ...(model_family !== null && { model_family }),
    };
  },
  ...words(TASK_VALUES, "task", ({ metrics }, name) => metrics.get(name)),
  texts: {
    task: { help: "Its id", read: ({ id }) => id },
    model: { help: "Its model", read: ({ model_id }) => model_id },
    task_type: { help: "Its type", read: ({ type }) => type },
    model_family: { help: "Its model's family", read: ({ model_family }) => model_family },
    worker: { help: "The worker that has it", read: ({ worker_id }) => worker_id },
  },
};

const MODEL_VALUES: Values<ModelFigures> = {
  queue_time_mean_s: value(
    "seconds",
    "From queued to started, its tasks started in the last 5 minutes",
    (model) => known(model.queue_time_mean_s),
  ),
  started_tasks: value("count", "Its tasks started in the last 5 minutes", (model) => model.started),
  waiting_tasks: value("count", "Its tasks that wait for a worker", (model) => model.waiting),
  oldest_waiting_s: value("seconds", "How long its oldest waiting task has waited", (model, { now_ms }) =>
    since_s(model.oldest_queued_at_ms, now_ms),
  ),
  completed_tasks: value("count", "Its tasks completed in the last hour", (model) => model.completed),
  failed_tasks: value("count", "Its tasks that failed in the last hour", (model) => model.failed),
  ended_tasks: value("count", "Both of these", (model) => model.completed + model.failed),
  success_ratio: value(
    "ratio",
    "Completed ÷ (completed + failed), over the last hour",
    ({ completed, failed }) => (completed + failed === 0 ? Number.NaN : completed / (completed + failed)),
  ),
};

const model: SubjectKind<ModelFigures> = {
  help: "each model that has tasks",
  each: (scene) => scene.models().values(),
  id: ({ id }) => id,
  labels: ({ id, model_family }) => ({ model: id, ...(model_family !== null && { model_family }) }),
  ...words(MODEL_VALUES),
  texts: {
    model: { help: "Its id", read: ({ id }) => id },
    model_family: { help: "Its family", read: ({ model_family }) => model_family },
  },
};

const QUEUE_VALUES: Values<QueueFigures> = {
  waiting_tasks: value("count", "Tasks that wait", ({ waiting }) => waiting),
  oldest_waiting_s: value("seconds", "How long the oldest of them has waited", (queue, { now_ms }) =>
    since_s(queue.oldest_queued_at_ms, now_ms),
  ),
  priority: value("count", "Their priority, 1 the most urgent", ({ priority }) => known(priority)),
};

const queue: SubjectKind<QueueFigures> = {
  help: "the waiting tasks of each priority and model",
  each: (scene) => scene.queues().values(),
  id: ({ id }) => id,
  about: ({ model_id }) =>
    model_id === null ? { kind: "system", id: "queue" } : { kind: "model", id: model_id },
  labels: ({ model_id, model_family }) => ({
    ...(model_id !== null && { model: model_id }),
    ...(model_family !== null && { model_family }),
  }),
  ...words(QUEUE_VALUES),
  texts: {
    model: { help: "Their model", read: ({ model_id }) => model_id },
    task: { help: "The oldest of them", read: ({ oldest_id }) => oldest_id },
  },
};

interface CutSubject {
  readonly name: string;
  readonly metrics: ReadonlyMap<string, number>;
}

function cut(scope: Cut, help: string): SubjectKind<CutSubject> {
  return {
    help,
    *each({ cuts }) {
      for (const [name, metrics] of cuts[scope]) yield { name, metrics };
    },
    id: ({ name }) => name,
    labels: ({ name }) => ({ [scope]: name }),
    ...words<CutSubject>({}, scope, ({ metrics }, name) => metrics.get(name)),
    texts: { [scope]: { help: "Its name", read: ({ name }) => name } },
    series: ({ name }) => ({ scope, entity: name }),
  };
}

const ANOMALY_VALUES: Values<AnomalySubject> = {
  score: value(
    "score",
    "How unusual it is: 4 is twice as far off as 999 of 1,000 samples, 4 more for each doubling",
    (one) => one.score,
  ),
};

const anomaly: SubjectKind<AnomalySubject> = {
  help: "each metric of the system or of a worker that has become so unusual that it is worth an alert",
  each: (scene) => scene.anomalies(),
  id: ({ scope, entity, metric }) => (scope === "system" ? metric : `${metric}:${entity}`),
  series: ({ scope, entity }) => ({ scope, entity }),
  metric: ({ metric }) => metric,
  about: ({ scope, entity, metric }) =>
    scope === "system" ? { kind: scope, id: metric } : { kind: scope, id: entity },
  labels: ({ scope, entity }, { fleet }) => {
    if (scope === "system") return {};
    const entry = fleet.workers.get(entity);
    return { worker: entity, ...(entry && worker.labels(entry, {} as RuleScene)) };
  },
  ...words(ANOMALY_VALUES),
  texts: {
    name: { help: "The metric's name", read: ({ metric }) => metric },
    metric: {
      help: "The metric's label",
      read: ({ scope, metric }) => findMetric(scope, metric)?.label ?? metric,
    },
    worker: {
      help: "The worker, where it is one's",
      read: ({ scope, entity }) => (scope === "worker" ? entity : null),
    },
    of: { help: "Whose it is", read: ({ scope, entity }) => (scope === "worker" ? entity : "the fleet") },
    unusual: { help: "In which way, and what is usual", read: (one) => inWords(one) },
  },
};

export const SUBJECT_KINDS = {
  system,
  source,
  worker,
  task,
  model,
  queue,
  worker_type: cut("worker_type", "each type of workers"),
  task_type: cut("task_type", "each type of tasks"),
  model_family: cut("model_family", "each family of models"),
  anomaly,
} as const;
export type SubjectKindName = keyof typeof SUBJECT_KINDS;

/** As it stands within a sentence: "CPU", "memory". */
function labelOf(metric: string): string {
  const label = findMetric("worker", metric)?.label ?? metric;
  return label.replace(/^[A-Z](?=[a-z])/, (first) => first.toLowerCase());
}
