import type { TaskStatus } from "../../../model.ts";
import { wordOf } from "../../../model-words.ts";
import type { LocalTime } from "./local-time.ts";
import type { TaskRecord } from "./record.ts";

const BYTES_PER_GB = 2 ** 30;
const MAX_PRIORITY = 1_000_000;

const STATUS: Readonly<Record<TaskRecord["status"], TaskStatus>> = {
  pending: "queued",
  running: "running",
  // It runs until it is cancelled.
  cancelling: "running",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
};

export interface TasksOptions {
  readonly id_prefix: string;
  readonly time: LocalTime;
  /** The most urgent priority there: the higher number goes first. */
  readonly max_priority: number;
}

/** How far a task was when it was last seen. */
export interface TaskProgress {
  readonly attempt: number;
  readonly status: TaskStatus;
}

export interface TaskSeen extends TaskProgress {
  readonly id: string;
  readonly ended: boolean;
  /** When it ended, Unix milliseconds; undefined where it did not, or is not said. */
  readonly ended_ms: number | undefined;
  /** As the ingest protocol has it, an entry an attempt. */
  readonly entries: readonly Readonly<Record<string, unknown>>[];
}

/**
 * One task as the coordinator has it. Its `attempts` counts starts: what waits again will be the next one, and `error`,
 * `ended` and `failed_time` that are older than the start are of the attempt before.
 *
 * @param before how far it was seen to be; an attempt never goes back
 */
export function mapTask(
  record: TaskRecord,
  before: TaskProgress | undefined,
  options: TasksOptions,
  now_ms: number,
): TaskSeen {
  const read = timeReader(options.time, now_ms);
  const instants = instantsOf(record, read);
  const status = STATUS[record.status];
  const attempt = attemptOf(record, status, before, instants);
  const id = options.id_prefix + record.task_id;
  const earlier = earlierAttempts(record, attempt, instants, options, read);
  const previous_end_ms = earlier.findLast((one) => one.attempt === attempt - 1)?.ended_at;
  const current = {
    ...whatItIs(record, options),
    ...currentAttempt(record, status, instants, options),
    attempt,
    status,
    queued_at: attempt === 1 ? instants.created : previous_end_ms,
  };
  const ended = status === "completed" || status === "failed" || status === "cancelled";
  return {
    id: record.task_id,
    attempt,
    status,
    ended,
    ended_ms: current.ended_at,
    entries: [...earlier, current].map((one) => ({ ...one, id })),
  };
}

/** A task that is only named, so that it does not count as forgotten. */
export function mention(id: string, { attempt }: TaskProgress, { id_prefix }: TasksOptions) {
  return { id: id_prefix + id, attempt };
}

interface Instants {
  readonly created: number | undefined;
  readonly started: number | undefined;
  /** The end that it had last, of whichever attempt. */
  readonly ended: number | undefined;
  readonly cancelled: number | undefined;
}

type ReadTime = (text: string | undefined) => number | undefined;

/** None lies in the future: the coordinator's clock may be a little ahead of ours. */
function timeReader(time: LocalTime, now_ms: number): ReadTime {
  return (text) => {
    const at_ms = time.instant(text, now_ms);
    return at_ms === undefined ? undefined : Math.max(0, Math.min(at_ms, now_ms));
  };
}

function instantsOf(record: TaskRecord, read: ReadTime): Instants {
  return {
    created: read(record.created),
    started: read(record.started),
    ended: read(record.ended) ?? read(record.failed_time),
    cancelled: read(record.cancelled),
  };
}

/** Cancelled after a failure, before it was taken up again. */
function cancelledWaiting(record: TaskRecord, instants: Instants): boolean {
  const { status, attempts = 0, error, failed_time } = record;
  const { ended, cancelled } = instants;
  if (status !== "cancelled" || attempts === 0 || (error ?? failed_time) === undefined) return false;
  return isOfLastStart(instants) && (cancelled === undefined || ended! < cancelled);
}

/** Whether the end that is noted is that of the last start. */
function isOfLastStart({ started, ended }: Instants): boolean {
  return ended !== undefined && (started === undefined || ended >= started);
}

function attemptOf(
  record: TaskRecord,
  status: TaskStatus,
  before: TaskProgress | undefined,
  instants: Instants,
): number {
  const { attempts = 0 } = record;
  if (status === "queued") {
    // Whatever was begun is over: the next attempt waits.
    const waits =
      before === undefined || before.status === "queued" ? (before?.attempt ?? 1) : before.attempt + 1;
    return Math.max(attempts + 1, waits);
  }
  const least = Math.max(1, cancelledWaiting(record, instants) ? attempts + 1 : attempts);
  if (before === undefined) return least;
  const begun_again = status === "running" && isEnd(before.status);
  return Math.max(least, begun_again ? before.attempt + 1 : before.attempt);
}

function isEnd(status: TaskStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

interface CurrentAttempt {
  worker_id?: string | undefined;
  started_at?: number | undefined;
  ended_at?: number | undefined;
  progress?: number | undefined;
  error?: string | undefined;
}

function currentAttempt(
  record: TaskRecord,
  status: TaskStatus,
  instants: Instants,
  options: TasksOptions,
): CurrentAttempt {
  if (status === "queued") return {};
  const { started, ended, cancelled } = instants;
  const worker_id = record.worker_id === undefined ? undefined : options.id_prefix + record.worker_id;
  const begun = { worker_id, started_at: started };
  if (status === "running") return { ...begun, progress: record.progress };
  if (status === "cancelled") {
    const ran = started !== undefined && !cancelledWaiting(record, instants);
    return {
      ...(ran ? begun : {}),
      ended_at: cancelled ?? (ran && isOfLastStart(instants) ? ended : undefined),
    };
  }
  return {
    ...begun,
    ended_at: isOfLastStart(instants) ? ended : undefined,
    error: status === "failed" ? record.error : undefined,
  };
}

interface EarlierAttempt {
  readonly attempt: number;
  readonly status: TaskStatus;
  readonly worker_id: string | undefined;
  readonly started_at: number | undefined;
  readonly ended_at: number | undefined;
  readonly error: string | undefined;
}

/** What is known of the attempts before: their history, or else what a retry left standing. */
function earlierAttempts(
  record: TaskRecord,
  attempt: number,
  instants: Instants,
  { id_prefix }: TasksOptions,
  read: ReadTime,
): EarlierAttempt[] {
  const told = new Map<number, EarlierAttempt>();
  for (const one of record.health?.execution_history ?? []) {
    if (one.attempt >= attempt || one.end_time === undefined) continue;
    told.set(one.attempt, {
      attempt: one.attempt,
      status: one.status === "completed" || one.status === "cancelled" ? one.status : "failed",
      worker_id: one.worker_id === undefined ? undefined : id_prefix + one.worker_id,
      started_at: read(one.start_time),
      ended_at: read(one.end_time),
      error: one.error_message,
    });
  }
  const last = attempt - 1;
  // Its start and its worker still stand where it was not taken up again.
  const waits = record.status === "pending" || cancelledWaiting(record, instants);
  const left_standing = instants.ended !== undefined && (waits || !isOfLastStart(instants));
  if (last > 0 && left_standing && !told.has(last)) {
    told.set(last, {
      attempt: last,
      status: "failed",
      worker_id: waits && record.worker_id !== undefined ? id_prefix + record.worker_id : undefined,
      started_at: waits ? instants.started : undefined,
      ended_at: instants.ended,
      error: record.error,
    });
  }
  return [...told.values()].sort((a, b) => a.attempt - b.attempt);
}

function whatItIs(record: TaskRecord, { max_priority }: TasksOptions) {
  const { type, priority, config, requirements } = record;
  const { model } = config ?? {};
  const { hardware, min_memory_gb } = requirements ?? {};
  return {
    type,
    model_id: model,
    model_family: model === undefined ? undefined : wordOf(model)?.word,
    // What no word tells of is text there.
    modality: model === undefined ? undefined : (wordOf(model)?.modality ?? "text"),
    priority: priority === undefined ? undefined : ownPriority(priority, max_priority),
    requirements: requirements && {
      backends: hardware,
      memory_bytes: min_memory_gb === undefined ? undefined : Math.round(min_memory_gb * BYTES_PER_GB),
    },
  };
}

/** 1 is the most urgent here. */
function ownPriority(theirs: number, max_priority: number): number {
  return Math.min(MAX_PRIORITY, Math.max(1, Math.round(max_priority + 1 - theirs)));
}
