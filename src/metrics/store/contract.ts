import type { Scope } from "../catalogue.ts";
import type { Mark } from "../model.ts";
import type { Outbox, OutboxMessage, OutboxRecord } from "../outbox.ts";
import type { Histogram, RangeAnswer, RangeQuery, SeriesName } from "../range.ts";

/**
 * Values of series at instants, side by side: the i-th of each list belong together. As objects, the hundred
 * thousand of a large tick would be garbage at once. Instants are kept to the second (floor).
 */
export interface Samples {
  /** From `series()`. */
  readonly series: ArrayLike<number>;
  readonly at_ms: ArrayLike<number>;
  readonly values: ArrayLike<number>;
}

/** What is kept of a worker or a task besides its samples: opaque to the store but for the columns it is found by. */
export interface WorkerRecord {
  id: string;
  /** JSON of everything needed to show the worker again after a restart. */
  document: string;
}

/** From an instant on a worker was in that state, until its next record. */
export interface WorkerStateRecord {
  worker_id: string;
  at_ms: number;
  /** Opaque to the store but for GONE. */
  state: string;
  /** When it was last heard of, as of then. */
  last_report_ms: number;
}

/** The state of a worker that was forgotten. */
export const GONE = "gone";

/** A worker at some instant: the record as it was last written, and the state as it then was. */
export interface WorkerAt extends WorkerRecord, Omit<WorkerStateRecord, "worker_id" | "at_ms"> {
  /** Since when it had been in that state. */
  since_ms: number;
}

/** An alert from when it began to fire until it ended. */
export interface AlertRecord {
  id: string;
  fired_ms: number;
  /** Null while it fires. */
  ended_ms: number | null;
  /** What it is called where it is marked; empty of what nobody was shown. */
  title: string;
  document: string;
}

/** That an alert began to fire; of those with a title. */
export type Firing = Pick<AlertRecord, "fired_ms" | "title">;

/** What is kept under its kind and id until it is over. */
export interface DocumentRecord {
  kind: string;
  id: string;
  /** When it is over, Unix milliseconds: from then on it is kept for as long as ended tasks are. */
  until_ms: number;
  document: string;
}

export interface TaskRecord {
  id: string;
  status: string;
  type: string | null;
  model_family: string | null;
  worker_id: string | null;
  attempt: number;
  /** The first that is known of it, of whichever attempt. */
  queued_at_ms: number | null;
  /** Null while the task is unfinished. */
  ended_at_ms: number | null;
  document: string;
}

export type EndedTask = Pick<TaskRecord, "attempt"> & { ended_at_ms: number };

export interface EndedTasksQuery {
  /** Inclusive, Unix milliseconds. */
  from_ms: number;
  /** Exclusive, Unix milliseconds. */
  to_ms: number;
  /** Goes on after that task, the last of an answer: only those that come after it in the order of answers. */
  after?: Pick<TaskRecord, "id"> & { ended_at_ms: number };
  /** Each, where it is given, leaves only the tasks of exactly that value, or of one of those statuses. */
  type?: string | undefined;
  model_family?: string | undefined;
  worker_id?: string | undefined;
  status?: string | readonly string[] | undefined;
  /** Leaves only the tasks of workers that it is true of; null is no worker. */
  ofWorker?: ((worker_id: string | null) => boolean) | undefined;
  /** Leaves only the tasks whose record it is true of, beside the other filters. */
  matches?: ((record: Omit<TaskRecord, "ended_at_ms">) => boolean) | undefined;
  /** From 1 to 10,000. */
  limit: number;
}

export interface EndedTasksAnswer {
  /** The last ended first; of one instant by their ids. */
  tasks: TaskRecord[];
  /**
   * Down to this instant the answer has all that was asked for: from_ms, or a later one where there are more than
   * the limit (then the last task's, of whose very millisecond some may be missing) or where the engine has looked
   * through as many as one query may, some 20 ms. It goes on with `after`, or up to this instant.
   */
  searched_from_ms: number;
}

/** One minute's durations of one name. */
export interface HistogramRecord extends Omit<Histogram, "span_ms"> {
  readonly name: SeriesName;
}

/**
 * All that one tick writes: it becomes durable as a whole or not at all. Who is gone goes first, so that an
 * id that left and came back within one batch stays.
 */
export interface TickBatch {
  /** The tick's time; the same tick appended again, before any other, changes nothing more. */
  at_ms: number;
  samples: Samples;
  workers: readonly WorkerRecord[];
  /** No longer told by `workers()`, and kept for the past for as long as ended tasks are. */
  workers_gone: readonly string[];
  worker_states: readonly WorkerStateRecord[];
  tasks: readonly TaskRecord[];
  /** Unfinished ones; how an earlier attempt ended may stay. */
  tasks_gone: readonly string[];
  /**
   * Each in place of what that name had for that minute; where its quarter of an hour is merged, in addition to
   * it. Kept for as long as ended tasks are.
   */
  histograms: readonly HistogramRecord[];
  /** Kept for as long as ended tasks are; the same mark again changes nothing. */
  marks: readonly Mark[];
  /** Each in place of what its id and its start had; kept for as long as ended tasks are. */
  alerts: readonly AlertRecord[];
  /** Each in place of what its kind and id had. */
  documents: readonly DocumentRecord[];
  /** What is to be told of them; the same id again changes nothing. */
  messages: readonly OutboxMessage[];
  /** Small facts to keep across restarts, such as the first real report's time. */
  facts: Readonly<Record<string, string>>;
}

export interface InstantValue {
  at_ms: number;
  value: number;
}

export interface LatestSample extends SeriesName, InstantValue {}

/**
 * The seam behind which an engine keeps everything that was received. Its promises, held by the
 * conformance suite: an append is atomic and durable against `kill -9` when it returns; appending the same
 * batch again, compacting again or opening again changes nothing; samples come back exact to their
 * metric's declared precision (exact doubles for names beyond the catalogue); gaps stay gaps; a sample that
 * arrives late, within the grace period, lands where it belongs; of two samples of a series in the same
 * second the later appended wins.
 */
export interface MetricStore extends Outbox {
  /**
   * The handle of a series, made on first use and durable with the next append that has a sample of it. It
   * stays good until the store is closed, or until compact forgets the series: none of its samples is left,
   * and no record of its worker or task.
   */
  series(scope: Scope, entity: string, metric: string): number;
  /**
   * @throws EvenkeelError "invalid" for an unknown handle, an impossible instant or a value that is not
   *   finite, and "unavailable" where the file can't be written; nothing of the batch was taken then, and the
   *   store takes the next one
   */
  append(batch: TickBatch): void;
  /** The newest sample of every series that has one at or after `since_ms`. */
  latest(since_ms: number): LatestSample[];
  /** @throws EvenkeelError "invalid" for a malformed query, or one of more values than the engine's limit */
  range(query: RangeQuery): RangeAnswer;
  /**
   * Of each series the newest sample from `at_ms - within_ms` (exclusive) to `at_ms` (inclusive), null where it
   * has none.
   */
  newest(series: readonly SeriesName[], at_ms: number, within_ms: number): (InstantValue | null)[];
  /**
   * Seals closed stretches and enforces retention as of `now_ms`, in slices; resolves when there is nothing
   * left to do, and rejects with what went wrong, to be tried again. Call it every minute or so.
   */
  compact(now_ms: number): Promise<void>;
  workers(): WorkerRecord[];
  /** Every worker that was known at that instant. */
  workersAt(at_ms: number): WorkerAt[];
  /** A worker as it last was by that instant, before it was forgotten; undefined where nothing of it is kept. */
  lastKnown(worker_id: string, at_ms: number): WorkerAt | undefined;
  /** The states that a worker came into before `to_ms`, GONE among them: the newest `limit` of them, newest first. */
  workerStates(worker_id: string, to_ms: number, limit: number): WorkerStateRecord[];
  /** Every unfinished task, and the `ended_limit` that ended last, at or after `ended_since_ms`. */
  tasks(ended_since_ms: number, ended_limit: number): TaskRecord[];
  /** Tasks that had begun and not ended by that instant, at most `limit` of them. */
  tasksAt(at_ms: number, limit: number): TaskRecord[];
  /** The task as it was last written, unfinished or ended, for as long as ended tasks are kept. */
  task(id: string): TaskRecord | undefined;
  /** When and at which attempt the task ended, at or after `since_ms`; undefined where it has not. */
  endedTask(id: string, since_ms: number): EndedTask | undefined;
  /**
   * Tasks that ended in a stretch of time, each as it was last written.
   *
   * @throws EvenkeelError "invalid" for a malformed query
   */
  endedTasks(query: EndedTasksQuery): EndedTasksAnswer;
  /**
   * The histograms of one name that lie in a stretch of time, or only partly: from the minute, or the merged
   * quarter of an hour, that holds `from_ms` to before `to_ms`. Those of one time add up.
   */
  histograms(name: SeriesName, from_ms: number, to_ms: number): Histogram[];
  /** From `from_ms` to before `to_ms`, the newest `limit` of them, oldest first. */
  marks(from_ms: number, to_ms: number, limit: number): Mark[];
  /** What fired at some moment from `from_ms` to before `to_ms`, the newest `limit` of it, oldest first. */
  alerts(from_ms: number, to_ms: number, limit: number): AlertRecord[];
  /** What began to fire from `from_ms` to before `to_ms`, the newest `limit` of it, oldest first. */
  firings(from_ms: number, to_ms: number, limit: number): Firing[];
  /** The firings of one alert that began before `to_ms`, the newest `limit` of them, newest first. */
  alertsOf(id: string, to_ms: number, limit: number): AlertRecord[];
  /** Everything of a kind that is kept, by its id. */
  documents(kind: string): DocumentRecord[];
  /** The messages that ended last, the last first; kept as long as ended tasks are, the newest few thousand at most. */
  endedMessages(limit: number): OutboxRecord[];
  /** The largest id of a message that is kept, 0 where there is none. */
  newestMessageId(): number;
  fact(name: string): string | undefined;
  /**
   * The store's size on disk, the start of the hour from which on it may have samples, and from which on every
   * second of them is kept: what is older has only its hours' summaries. Likewise from which on histograms are
   * kept by the minute; null where none is merged.
   */
  stats(): {
    bytes: number;
    series: number;
    oldest_ms: number | null;
    full_from_ms: number | null;
    minutes_from_ms: number | null;
  };
  close(): Promise<void>;
}
