import { TASK_STATES, type TaskState } from "../model.ts";
import type { QueueCell, StateCounts } from "../read.ts";
import { DurationHistogram, SlidingCounter, SlidingDurations } from "./rates.ts";
import type { TaskEntry } from "./task.ts";

const HOUR_S = 3600;
const DURATIONS_WINDOW_S = 300;
const DURATIONS_SLOT_S = 5;
/** Task types counted one by one; what comes beyond counts in the fleet's figures alone. */
const MAX_TYPES = 64;
/** Models whose usual processing time is learned. */
const MAX_MODELS = 1024;
/** Beyond so many, older durations of a model weigh half. */
const MODEL_MEMORY = 1000;
/** Fewer completions of a model say nothing of what is usual. */
const MODEL_EVIDENCE = 20;

/** What a task was counted as, so that it can be taken out again exactly as it was put in. */
interface Counted {
  state: TaskState;
  priority: number | null;
  type: string | null;
  worker_id: string | null;
  ended_at_ms: number | null;
}

interface Ended {
  completed: SlidingCounter;
  failed: SlidingCounter;
}

/** What is usual for a model; the quantile is worked out when it is asked for. */
interface UsualTime {
  durations: DurationHistogram;
  p95_s: number | null;
}

/** Keeps every count and rate over tasks up to date, one changed task at a time. */
export class Ledger {
  readonly by_state: Record<TaskState, number> = emptyCounts();
  readonly throughput = new SlidingCounter(60);
  readonly completed = new SlidingCounter(HOUR_S);
  readonly failed = new SlidingCounter(HOUR_S);
  readonly cancelled = new SlidingCounter(HOUR_S);
  readonly queue_time = new SlidingDurations(DURATIONS_WINDOW_S, DURATIONS_SLOT_S);
  readonly processing_time = new SlidingDurations(DURATIONS_WINDOW_S, DURATIONS_SLOT_S);
  readonly total_time = new SlidingDurations(DURATIONS_WINDOW_S, DURATIONS_SLOT_S);
  readonly ended_by_type = new Map<string, Ended>();
  readonly #queue = new Map<string, QueueCell & { queued: number }>();
  readonly #counted = new Map<string, Counted>();
  readonly #usual = new Map<string, UsualTime>();
  /** Attempts whose queue time and whose processing time were taken already, by task. */
  readonly #timed = new Map<string, { started: number; ended: number }>();

  /**
   * @param live_change called with a worker's id when its live tasks changed by one of a state and type
   * @param reached called with the name of a bound that was reached
   */
  constructor(
    private readonly live_change: (
      worker_id: string,
      state: TaskState,
      type: string | null,
      delta: 1 | -1,
    ) => void,
    private readonly reached: (limit: string) => void,
  ) {}

  advance(now_ms: number): void {
    for (const counter of [this.throughput, this.completed, this.failed, this.cancelled])
      counter.advance(now_ms);
    for (const times of [this.queue_time, this.processing_time, this.total_time]) times.advance(now_ms);
    for (const { completed, failed } of this.ended_by_type.values()) {
      completed.advance(now_ms);
      failed.advance(now_ms);
    }
  }

  /** Counts a task as it is now, in place of what it was counted as before. */
  count(task: TaskEntry): void {
    const before = this.#counted.get(task.id);
    const now = counted(task);
    if (before && same(before, now)) return;
    if (before) this.#book(before, -1);
    this.#book(now, 1);
    this.#counted.set(task.id, now);
    this.#time(task);
  }

  /** Counts a task read back from the store; the last hour's ends come back apart, by `restoreEnded`. */
  restore(task: TaskEntry): void {
    const now = counted(task);
    this.#bookLive(now, 1);
    this.#counted.set(task.id, now);
    this.#time(task);
  }

  restoreEnded(at_ms: number, state: string, type: string | null, count: number): void {
    this.#bookEnded({ ended_at_ms: at_ms, state, type }, count);
  }

  /** Takes a task out of the counts of what is known; what it added to rates and to the last hour stays. */
  forget(id: string): void {
    const before = this.#counted.get(id);
    if (!before) return;
    this.#bookLive(before, -1);
    this.#counted.delete(id);
    this.#timed.delete(id);
  }

  #book(as: Counted, delta: 1 | -1): void {
    this.#bookLive(as, delta);
    this.#bookEnded(as, delta);
  }

  #bookEnded(as: { state: string; type: string | null; ended_at_ms: number | null }, delta: number): void {
    if (as.ended_at_ms === null) return;
    if (as.state === "completed") {
      this.throughput.add(as.ended_at_ms, delta);
      this.completed.add(as.ended_at_ms, delta);
      this.#endedOf(as.type)?.completed.add(as.ended_at_ms, delta);
    } else if (as.state === "failed") {
      this.failed.add(as.ended_at_ms, delta);
      this.#endedOf(as.type)?.failed.add(as.ended_at_ms, delta);
    } else if (as.state === "cancelled") {
      this.cancelled.add(as.ended_at_ms, delta);
    }
  }

  #bookLive(as: Counted, delta: 1 | -1): void {
    this.by_state[as.state] += delta;
    if (as.state === "queued") {
      const key = JSON.stringify([as.priority, as.type]);
      const cell = this.#queue.get(key) ?? { priority: as.priority, type: as.type, queued: 0 };
      cell.queued += delta;
      if (cell.queued === 0) this.#queue.delete(key);
      else this.#queue.set(key, cell);
    }
    if (as.worker_id !== null) this.live_change(as.worker_id, as.state, as.type, delta);
  }

  #endedOf(type: string | null): Ended | undefined {
    if (type === null) return undefined;
    let ended = this.ended_by_type.get(type);
    if (!ended) {
      if (this.ended_by_type.size >= MAX_TYPES) {
        this.reached("task types counted apart");
        return undefined;
      }
      ended = { completed: new SlidingCounter(HOUR_S), failed: new SlidingCounter(HOUR_S) };
      ended.completed.advance(this.#now_ms);
      ended.failed.advance(this.#now_ms);
      this.ended_by_type.set(type, ended);
    }
    return ended;
  }

  get #now_ms(): number {
    return this.throughput.now_ms;
  }

  /** Takes each attempt's durations once, when it starts and when it completes. */
  #time(task: TaskEntry): void {
    const timed = this.#timed.get(task.id) ?? { started: 0, ended: 0 };
    const { attempt, queued_at_ms, started_at_ms, ended_at_ms } = task;
    if (started_at_ms !== null && queued_at_ms !== null && timed.started < attempt) {
      timed.started = attempt;
      this.queue_time.add(started_at_ms, seconds(queued_at_ms, started_at_ms));
    }
    if (task.status === "completed" && ended_at_ms !== null && timed.ended < attempt) {
      timed.ended = attempt;
      if (started_at_ms !== null) {
        this.processing_time.add(ended_at_ms, seconds(started_at_ms, ended_at_ms));
        this.#learn(task.model_id, seconds(started_at_ms, ended_at_ms));
      }
      const first_queued_ms = task.attempts().find((a) => a.queued_at_ms !== null)?.queued_at_ms ?? null;
      if (first_queued_ms !== null) this.total_time.add(ended_at_ms, seconds(first_queued_ms, ended_at_ms));
    }
    this.#timed.set(task.id, timed);
  }

  #learn(model_id: string | null, processing_s: number): void {
    if (model_id === null) return;
    let usual = this.#usual.get(model_id);
    if (!usual) {
      if (this.#usual.size >= MAX_MODELS) {
        this.reached("models whose usual time is learned");
        return;
      }
      usual = { durations: new DurationHistogram(), p95_s: null };
      this.#usual.set(model_id, usual);
    }
    usual.durations.add(processing_s);
    if (usual.durations.count > MODEL_MEMORY) usual.durations.halve();
    usual.p95_s = null;
  }

  /** The processing time that 95 % of a model's tasks stay within, seconds; null without enough of them. */
  usualProcessing(model_id: string | null): number | null {
    const usual = model_id === null ? undefined : this.#usual.get(model_id);
    if (!usual || usual.durations.count < MODEL_EVIDENCE) return null;
    usual.p95_s ??= usual.durations.quantile(0.95);
    return usual.p95_s;
  }

  queue(): QueueCell[] {
    return [...this.#queue.values()].sort(
      (a, b) =>
        (a.priority ?? Infinity) - (b.priority ?? Infinity) || (a.type ?? "").localeCompare(b.type ?? ""),
    );
  }

  states(): StateCounts {
    return { ...this.by_state };
  }
}

function counted(task: TaskEntry): Counted {
  return {
    state: task.state,
    priority: task.priority,
    type: task.type,
    worker_id: task.worker_id,
    ended_at_ms: task.ended_at_ms,
  };
}

function emptyCounts(): Record<TaskState, number> {
  return Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Record<TaskState, number>;
}

function same(a: Counted, b: Counted): boolean {
  return (
    a.state === b.state &&
    a.priority === b.priority &&
    a.type === b.type &&
    a.worker_id === b.worker_id &&
    a.ended_at_ms === b.ended_at_ms
  );
}

/** Clocks of two senders may disagree; a duration is never negative. */
function seconds(from_ms: number, to_ms: number): number {
  return Math.max(0, to_ms - from_ms) / 1000;
}
