import type { Cut } from "./catalogue.ts";
import type { ConnectorHealth } from "./connectors.ts";
import type {
  Alert,
  AlertEvent,
  AlertRule,
  Mark,
  MetricAnomaly,
  Silence,
  Source,
  Task,
  TaskState,
  Worker,
  WorkerState,
} from "./model.ts";
import type { EndedByModel } from "./models.ts";
import type { Orders } from "./orders.ts";
import type { Telling } from "./outbox.ts";
import type { RangeAnswer, RangeQuery } from "./range.ts";
import type { Runs } from "./runs.ts";
import type { Matches, Waiting, WorkerScores } from "./scores.ts";
import type { Totals } from "./totals.ts";

/** Tasks by state: those that ended over the last hour; null where they are not counted by what is filtered. */
export type StateCounts = Readonly<Record<TaskState, number | null>>;

/** Which part of the fleet is looked at; what is undefined leaves everything in. */
export interface Filters {
  readonly worker_type?: string | undefined;
  readonly task_type?: string | undefined;
  readonly model_family?: string | undefined;
  /** Text, in any case, in a worker's id, host, type or tags, or in a task's id, model, family or type. */
  readonly q?: string | undefined;
}

export interface SystemStatus {
  readonly level: "healthy" | "degraded" | "critical";
  /** Why, worst first; empty only while healthy. */
  readonly reasons: readonly string[];
}

/** Waiting tasks by priority and type. */
export interface QueueCell {
  readonly priority: number | null;
  readonly type: string | null;
  readonly queued: number;
}

/** The last minutes of one system metric: a row a step, oldest first, null where nothing is known. */
export interface RecentSeries {
  readonly metric: string;
  /** Unix milliseconds of each step's start, aligned to the epoch. */
  readonly at_ms: readonly number[];
  readonly mean: readonly (number | null)[];
  readonly min: readonly (number | null)[];
  readonly max: readonly (number | null)[];
}

/** Which durations: of all tasks, of one task type or of one model family. */
export interface DurationsQuery {
  readonly scope: "system" | "task_type" | "model_family";
  /** The type's or family's name; "" for all tasks. */
  readonly entity: string;
  readonly duration: "queue_time" | "processing_time" | "total_time";
  /** Aligned to the step. */
  readonly from_ms: number;
  readonly to_ms: number;
  /** A multiple of durationsTier_s(from_ms); in shorter steps a quarter of an hour stands at its start. */
  readonly step_ms: number;
}

/** Durations of tasks, seconds; quantiles are over all of them, never averaged. */
export interface Durations {
  readonly count: number;
  readonly mean_s: number;
  readonly p50_s: number;
  readonly p95_s: number;
  readonly p99_s: number;
  /** How many lie between which bounds, shortest first; bounds are 5 % apart. */
  readonly bars: readonly { readonly from_s: number; readonly to_s: number; readonly count: number }[];
}

/** From an instant on a worker was in that state, until the next one. */
export interface LifeState {
  /** Unix milliseconds. */
  readonly at_ms: number;
  /** "gone" once it was forgotten: it fell silent for long, or its source named it no more. */
  readonly state: WorkerState | "gone";
}

/** A worker that is known no more. */
export interface GoneWorker {
  /** As of its last report. */
  readonly worker: Worker;
  /** When it was forgotten, Unix milliseconds. */
  readonly gone_ms: number;
}

/** Text that is looked for among ended tasks, in any case: what every task that has it contains, and maybe more. */
export interface EndedText {
  /** In small letters. */
  readonly part: string;
  /** What these workers ran counts as well. */
  readonly workers?: ReadonlySet<string>;
}

/** Which ended tasks are looked for; what is undefined leaves everything in. */
export interface EndedQuery {
  /** Inclusive, Unix milliseconds. */
  readonly from_ms: number;
  /** Exclusive, Unix milliseconds. */
  readonly to_ms: number;
  readonly states?: readonly TaskState[] | undefined;
  readonly worker_id?: string | undefined;
  readonly task_type?: string | undefined;
  readonly model_family?: string | undefined;
  /** Whether tasks of a worker are meant; null is no worker. */
  readonly ofWorker?: ((worker_id: string | null) => boolean) | undefined;
  /** Only what has each of these. */
  readonly texts?: readonly EndedText[];
  /** Only what it is true of. */
  readonly matches: (task: Task) => boolean;
}

/** One step of a search through ended tasks. */
export interface EndedStep {
  /** What it found beside the steps before, newest end first. */
  readonly tasks: readonly Task[];
  /** Down to this instant, Unix milliseconds, the steps so far found all that there is. */
  readonly searched_from_ms: number;
}

/** Why a report was refused: what its sender was told, cut to a length that a page has room for. */
export interface Rejection {
  readonly at_ms: number;
  /** Null where the report does not say, or can't be read. */
  readonly source: string | null;
  /** Such as `workers[0].id`; empty for the report as a whole. */
  readonly path: string;
  readonly message: string;
}

/** How Evenkeel itself is doing. */
export interface SelfHealth {
  readonly version: string;
  /** Where it is reached, base path included; ends with a slash. */
  readonly url: string;
  /** True where a sender must show the ingest token. */
  readonly token_needed: boolean;
  /** Whether the settings name a file of alerts, which may be read again. */
  readonly alerts_file: boolean;
  readonly started_at_ms: number;
  /** In the order of the config file; none while the demo fleet is shown for good. */
  readonly connectors: readonly ConnectorHealth[];
  readonly ticks: number;
  readonly tick_ms: number;
  /** Duration of the last ticks' work, milliseconds. */
  readonly tick_p50_ms: number;
  readonly tick_p99_ms: number;
  readonly ticks_late: number;
  readonly reports_accepted: number;
  readonly reports_rejected: number;
  /** The last report that was refused since the start; null without any. */
  readonly last_rejection: Rejection | null;
  readonly unknown_fields: number;
  /** Names of the unknown fields last seen, at most a handful. */
  readonly unknown_field_names: readonly string[];
  readonly buffered_reports: number;
  readonly buffer_limit: number;
  readonly viewers: number;
  readonly viewers_dropped: number;
  readonly ticks_skipped: number;
  readonly store_bytes: number;
  /** The setting's limit on disk; null for none. */
  readonly store_limit_bytes: number | null;
  /** From here on there are samples, Unix milliseconds; null while there are none. */
  readonly store_oldest_ms: number | null;
  /** From here on every second is kept; what is older has only its hours' summaries. */
  readonly store_full_from_ms: number | null;
  readonly store_error: string | null;
  readonly series: number;
  readonly memory_bytes: number;
  /** Room on the disk that the store is on; null where that can't be told. */
  readonly disk_free_bytes: number | null;
  /** Limits that were reached since the start: name of the limit and how often. */
  readonly limits_reached: Readonly<Record<string, number>>;
}

/**
 * What views may see: the newest value of everything, as of the last tick. Nothing here touches the
 * store's engine, and nothing changes between two ticks.
 */
export interface Read {
  /** The last tick's time, Unix milliseconds. */
  readonly now_ms: number;
  /** Counts up by one a tick. */
  readonly tick: number;
  /** True while what is shown is the demo fleet's. */
  readonly demo: boolean;
  readonly status: SystemStatus;
  /** The newest value of each system metric; absent where it could not be measured. */
  readonly system: ReadonlyMap<string, number>;
  readonly tasks_by_state: StateCounts;
  /** What is left out; nothing is while all of them are undefined. */
  readonly filters: Filters;
  /** What `recent` tells of; null for the whole fleet. */
  readonly recent_cut: { readonly cut: Cut; readonly name: string } | null;
  /** Waiting tasks, most urgent priority first; null where they are not counted by what is filtered. */
  readonly queue: readonly QueueCell[] | null;
  /** Ended in the last hour, by task type; null where that is not counted by what is filtered. */
  readonly ended_by_type: ReadonlyMap<string, { readonly completed: number; readonly failed: number }> | null;
  /** Ended in the last hour, by model; null where that is not counted by what is filtered, and in the past. */
  endedByModel(): EndedByModel | null;
  /** What fires, worst first; what is silenced or follows from another alert is not among it. */
  readonly alerts: readonly Alert[];
  /** What is unusual now, the most unusual first. */
  anomalies(): readonly MetricAnomaly[];
  /** What lately began to fire or ended, as far as it was to be told: of the last tick that had such, for some seconds. */
  readonly alert_news: readonly AlertEvent[];
  /** Everything that is pending or fires, silenced or not, worst first; in the past what fired. */
  allAlerts(): readonly Alert[];
  /** The firings of one alert that are kept, the newest `limit` of them, newest first. */
  alertsOf(id: string, limit: number): readonly Alert[];
  /** What fired at some moment from `from_ms` to before `to_ms`, the newest `limit` of it, oldest first. */
  alertsBetween(from_ms: number, to_ms: number, limit: number): readonly Alert[];
  /** Those that hold or held lately, the last to end first. */
  silences(): readonly Silence[];
  rules(): readonly AlertRule[];
  /** What is wrong with the file of alerts, whose former rules hold; null where nothing is. */
  readonly rules_error: string | null;
  /**
   * What receivers are told of alerts, and what waits and why; at most `limit` messages of each, as of the last few
   * seconds. Null in the past: it is not kept.
   */
  telling(limit: number): Telling | null;
  readonly sources: readonly Source[];
  readonly self: SelfHealth;
  /** Orders of lists that somebody looks at. */
  readonly orders: Orders;
  /** Every worker known, worst first: by state, then by id with the numbers in it by their size. */
  workers(): readonly Worker[];
  worker(id: string): Worker | undefined;
  /** A worker that was known and is no more, from the store; undefined while it is known, and where nothing of it is kept. */
  gone(worker_id: string): GoneWorker | undefined;
  /** The states that a worker came into, the newest `limit` of them, newest first, from the store. */
  life(worker_id: string, limit: number): readonly LifeState[];
  /** Also one that ended long ago, for as long as ended tasks are kept. */
  task(id: string): Task | undefined;
  /** Every unfinished task, and those that ended lately. */
  tasks(): Iterable<Task>;
  /** One of `tasks`. */
  liveTask(id: string): Task | undefined;
  /** Every ended task that is kept, newest end first, from the store: each step takes some 25 ms at most. */
  ended(query: EndedQuery): Iterable<EndedStep>;
  /** The unfinished tasks that a worker has. */
  tasksOf(worker_id: string): readonly Task[];
  /** The newest metrics of one part of the fleet; undefined for one that is not known. */
  cut(cut: Cut, name: string): ReadonlyMap<string, number> | undefined;
  /** The names of the parts that there are, in their order. */
  cutNames(cut: Cut): readonly string[];
  /** What was counted of all tasks, of each type and of each model family since the start, whatever is filtered. */
  totals(): readonly Totals[];
  /** The first moment that can be shown as it was, Unix milliseconds; null where there is none. */
  firstMoment(): number | null;
  /** The same moment of the matching part of the whole fleet. */
  filtered(filters: Filters): Read;
  /** Health, compatibility and what became of its tasks; undefined for a worker that is not known. */
  scores(worker_id: string): WorkerScores | undefined;
  /** Who could run a task, worked out when asked; undefined for a task that is not known. */
  matches(task_id: string): Matches | undefined;
  /** Why a task waits; null for one that does not, and where it is not known any more. */
  waiting(task: Task): Waiting | null;
  /** The processing time that 95 % of a model's tasks stay within, seconds; null without enough of them. */
  usual(model_id: string | null): number | null;
  /** What ran on which worker and ended at or after `from_ms`, at most RUNS_MINUTES ago. */
  runs(from_ms: number): Runs;
  /** The oldest queued task, or undefined when nothing waits. */
  oldestQueued(): Task | undefined;
  /** The last `minutes` (at most RECENT_MINUTES) of a system metric in steps of `step_s` seconds; only closed steps. */
  recent(metric: string, minutes: number, step_s: number): RecentSeries;
  /**
   * Any series over any time that is kept, from the store.
   *
   * @throws EvenkeelError "invalid" for a malformed query, or one of more values than the store's limit
   */
  range(query: RangeQuery): RangeAnswer;
  /** Durations of each step, from the store; null where nothing ended. */
  durations(query: DurationsQuery): (Durations | null)[];
  /** What durations are kept by from that instant on: 60 where by the minute, 900 where some of them by the quarter of an hour. */
  durationsTier_s(from_ms: number): number;
  /** What was set, and what fired, from `from_ms` to before `to_ms`, oldest first: of each the newest MARKS_LIMIT. */
  marks(from_ms: number, to_ms: number): readonly Mark[];
}

/** Marks of one window that are told at most. */
export const MARKS_LIMIT = 500;

/** How far back `recent` reaches. */
export const RECENT_MINUTES = 60;
