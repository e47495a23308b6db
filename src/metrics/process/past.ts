import type { Attempt, Task, TaskState, TaskStatus, Worker, WorkerState } from "../model.ts";
import type { QueueCell } from "../read.ts";
import { mostUrgentFirst } from "./ledger.ts";
import type { SourceClock } from "./register.ts";
import { load, OVERLOAD_HOLD_MS, overload } from "./scores.ts";
import { type TaskDocument, TaskEntry } from "./task.ts";
import { type WorkerDocument, WorkerEntry } from "./worker.ts";

/** A worker as the store tells it of some instant. Times are Unix milliseconds. */
export interface WorkerThen {
  readonly id: string;
  readonly document: WorkerDocument;
  readonly state: WorkerState;
  readonly since_ms: number;
  readonly last_report_ms: number;
  readonly metrics: ReadonlyMap<string, number>;
  /** The newest sample of any of its metrics; null where there is none. */
  readonly sampled_ms: number | null;
}

/** The instants that a document holds are ours already: only their offsets are gone. */
const clockOf = (id: string): SourceClock => ({ id, offset_ms: 0, complete_at_ms: Number.NEGATIVE_INFINITY });

/**
 * The worker as it was at `at_ms`. Its state, metrics and tasks are those of then; what hardly ever changes
 * (type, host, tags, capabilities) is as it was last reported.
 *
 * @param own the tasks that it then had
 */
export function workerAt(then: WorkerThen, own: readonly Task[], at_ms: number): Worker {
  const { id, state, metrics } = then;
  const entry = WorkerEntry.fromDocument(id, then.document, clockOf);
  const running = own.filter((task) => task.state === "running");
  const running_by_type = new Map<string, number>();
  for (const { type } of running) running_by_type.set(type ?? "", (running_by_type.get(type ?? "") ?? 0) + 1);
  const assigned = own.filter((task) => task.state === "assigned").length;
  return {
    id,
    type: entry.type,
    hostname: entry.hostname,
    status: state === "draining" || state === "offline" ? state : "active",
    presence: state === "stale" || state === "lost" ? state : "fresh",
    state,
    source: entry.source,
    tags: entry.tags,
    capabilities: entry.capabilities,
    metrics,
    gpus: [],
    first_seen_ms: entry.first_seen_ms,
    last_report_ms: Math.min(at_ms, Math.max(then.last_report_ms, then.sampled_ms ?? 0)),
    interval_ms: entry.interval_ms,
    load: load(metrics),
    overload: state === "overloaded" ? overload(metrics, null, then.since_ms - OVERLOAD_HOLD_MS) : null,
    running_tasks: running.length,
    queued_tasks: Math.max(assigned, state === "lost" ? 0 : (metrics.get("queued_tasks") ?? 0)),
    orphaned_tasks: own.filter((task) => task.state === "orphaned").length,
    running_by_type,
  };
}

/** The task as it was at `at_ms`; null where it had not begun. */
export function taskAt(
  id: string,
  document: TaskDocument,
  at_ms: number,
  lost: ReadonlySet<string>,
): Task | null {
  const entry = taskOf(id, document);
  const attempts = entry.attempts().flatMap((one) => attemptAt(one, at_ms) ?? []);
  const attempt = attempts.at(-1);
  if (!attempt) return null;
  return {
    ...attempt,
    id,
    state: stateAt(attempt.status, attempt.worker_id, lost),
    attempts: () => attempts,
    type: entry.type,
    model_family: entry.model_family,
    model_id: entry.model_id,
    modality: entry.modality,
    priority: entry.priority,
    // Of these only the last value is kept.
    progress: null,
    requirements: entry.requirements,
    metrics: new Map(),
  };
}

/** The task as it was last written. */
export function taskOf(id: string, document: TaskDocument): TaskEntry {
  return TaskEntry.fromDocument(id, document, clockOf);
}

/** What was known of an attempt by then; null where it had not begun. */
function attemptAt(attempt: Attempt, at_ms: number): Attempt | null {
  const status = statusAt(attempt, at_ms);
  if (status === null) return null;
  const known = (time_ms: number | null) => (time_ms !== null && time_ms <= at_ms ? time_ms : null);
  const ended_at_ms = known(attempt.ended_at_ms);
  return {
    attempt: attempt.attempt,
    status,
    worker_id: status === "queued" ? null : attempt.worker_id,
    queued_at_ms: known(attempt.queued_at_ms),
    assigned_at_ms: known(attempt.assigned_at_ms),
    started_at_ms: known(attempt.started_at_ms),
    ended_at_ms,
    error: ended_at_ms === null ? null : attempt.error,
  };
}

/** What had happened to an attempt by then; null where nothing had. */
function statusAt(attempt: Attempt, at_ms: number): TaskStatus | null {
  const { status, ended_at_ms, started_at_ms, assigned_at_ms, queued_at_ms } = attempt;
  const by = (time_ms: number | null) => time_ms !== null && time_ms <= at_ms;
  if (by(ended_at_ms)) return status;
  if (by(started_at_ms)) return "running";
  if (by(assigned_at_ms)) return "assigned";
  return by(queued_at_ms) ? "queued" : null;
}

function stateAt(status: TaskStatus, worker_id: string | null, lost: ReadonlySet<string>): TaskState {
  const held = status === "assigned" || status === "running";
  return held && worker_id !== null && lost.has(worker_id) ? "orphaned" : status;
}

/** Tasks by the worker that has them, or none. */
export function tasksByWorker<T extends Task>(tasks: Iterable<T>): Map<string | null, T[]> {
  const by_worker = new Map<string | null, T[]>();
  for (const task of tasks) {
    const own = by_worker.get(task.worker_id);
    if (own) own.push(task);
    else by_worker.set(task.worker_id, [task]);
  }
  return by_worker;
}

/** Waiting tasks by priority and type, most urgent first. */
export function queueOf(tasks: readonly Task[]): QueueCell[] {
  const cells = new Map<string, QueueCell & { queued: number }>();
  for (const { state, priority, type } of tasks) {
    if (state !== "queued") continue;
    const key = JSON.stringify([priority, type]);
    const cell = cells.get(key);
    if (cell) cell.queued += 1;
    else cells.set(key, { priority, type, queued: 1 });
  }
  return mostUrgentFirst([...cells.values()]);
}
