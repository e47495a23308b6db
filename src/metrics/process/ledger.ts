import type { Attempt, TaskState } from "../model.ts";
import type { QueueCell, StateCounts } from "../read.ts";
import type { EndName, Totals } from "../totals.ts";
import { Flow } from "./flow.ts";
import { ModelBook } from "./model-book.ts";
import { DurationHistogram } from "./rates.ts";
import { SlidingSums } from "./sliding-sums.ts";
import type { TaskEntry } from "./task.ts";

/** Task types, and model families, counted one by one; what comes beyond counts in the fleet's figures alone. */
const MAX_CUTS = 64;
/** Models whose usual processing time is learned. */
const MAX_MODELS = 1024;
/** Beyond so many, older durations of a model weigh half. */
const MODEL_MEMORY = 1000;
/** Queue times by model are over this long, as those of the fleet are. */
const QUEUE_TIME_STEPS = 30;
const QUEUE_TIME_STEP_MS = 10_000;
/** Fewer completions of a model say nothing of what is usual. */
const MODEL_EVIDENCE = 20;

/** What a task was counted as, so that it can be taken out again exactly as it was put in. */
interface Counted {
  state: TaskState;
  priority: number | null;
  type: string | null;
  family: string | null;
  model_id: string | null;
  worker_id: string | null;
  worker_type: string | null;
  ended_at_ms: number | null;
}

export type FlowScope = "system" | "task_type" | "model_family";

/** What is usual for a model; the quantiles are worked out when they are asked for. */
interface UsualTime {
  durations: DurationHistogram;
  p50_s: number | null;
  p95_s: number | null;
}

/** Who is told of what the ledger comes upon, each once, and asked for what it does not know. */
export interface LedgerListener {
  /** The type of a worker; null where it is not known. */
  workerType(worker_id: string): string | null;
  /** A worker's live tasks changed by one of a state and type. */
  liveChanged(worker_id: string, state: TaskState, type: string | null, delta: 1 | -1): void;
  /** The task's current attempt was given to a worker. */
  assigned(task: TaskEntry, worker_id: string): void;
  /** An attempt is over. */
  ended(task: TaskEntry, attempt: Attempt): void;
  /** A bound was reached; its name. */
  reached(limit: string): void;
}

/** Attempts that were taken note of already: their queue time, processing time, assignment and outcome. */
interface Noted {
  started: number;
  ended: number;
  assigned: number;
  outcome: number;
}

/** Keeps every count and rate over tasks up to date, one changed task at a time. */
export class Ledger {
  /** Of all tasks, of each type, and of each model family. */
  readonly all = new Flow(0);
  readonly by_type = new Map<string, Flow>();
  readonly by_family = new Map<string, Flow>();
  readonly models: ModelBook;
  readonly #queue = new Map<string, QueueCell & { queued: number }>();
  readonly #counted = new Map<string, Counted>();
  /** As of the last tick, Unix milliseconds. */
  now_ms = 0;
  readonly #usual = new Map<string, UsualTime>();
  /** By model: how many of its tasks started, and the milliseconds that they had waited. */
  readonly #queue_times = new Map<string, SlidingSums>();
  /** By task. */
  readonly #noted = new Map<string, Noted>();

  constructor(
    private readonly listener: LedgerListener,
    started_ms: number,
  ) {
    this.models = new ModelBook(started_ms, (limit) => listener.reached(limit));
    this.advance(started_ms);
  }

  advance(now_ms: number): void {
    this.now_ms = now_ms;
    for (const flow of [this.all, ...this.by_type.values(), ...this.by_family.values()]) flow.advance(now_ms);
  }

  /** After the clock was set back the windows end there: what lies ahead of it is forgotten. */
  resume(now_ms: number): void {
    for (const { flow } of this.flows()) flow.resume(now_ms);
  }

  /** Every flow, with the scope and entity that its series have. */
  *flows(): Iterable<{ scope: FlowScope; entity: string; flow: Flow }> {
    yield { scope: "system", entity: "", flow: this.all };
    for (const [entity, flow] of this.by_type) yield { scope: "task_type", entity, flow };
    for (const [entity, flow] of this.by_family) yield { scope: "model_family", entity, flow };
  }

  /** What was counted since the start. */
  totals(): Totals[] {
    return [...this.flows()].map(({ scope, entity, flow }) => ({ scope, entity, ...flow.totals }));
  }

  /** The flow of a scope and entity, made where it is new; undefined beyond the bound. */
  flowOf(scope: FlowScope, entity: string): Flow | undefined {
    if (scope === "system") return this.all;
    return scope === "task_type" ? this.#flow(this.by_type, entity) : this.#flow(this.by_family, entity);
  }

  /** Counts a task as it is now, in place of what it was counted as before. */
  count(task: TaskEntry): void {
    const before = this.#counted.get(task.id);
    const now = this.#counts(task);
    if (before && same(before, now)) return;
    if (before) this.#book(before, -1);
    this.#book(now, 1);
    this.#counted.set(task.id, now);
    this.#note(task);
  }

  /** Counts a task read back from the store; rates and durations come back apart, flow by flow. */
  restore(task: TaskEntry): void {
    const now = this.#counts(task);
    this.#bookLive(now, 1);
    if (now.ended_at_ms !== null && this.models.isNews(now.ended_at_ms))
      this.#bookModel(now, now.ended_at_ms, 1);
    this.#counted.set(task.id, now);
    this.#note(task, false);
  }

  /** Takes a task out of the counts of what is known; what it added to rates and to the last hour stays. */
  forget(id: string): void {
    const before = this.#counted.get(id);
    if (!before) return;
    this.#bookLive(before, -1);
    this.#counted.delete(id);
    this.#noted.delete(id);
  }

  #book(as: Counted, delta: 1 | -1): void {
    this.#bookLive(as, delta);
    this.#bookEnded(as, delta);
  }

  #bookEnded(as: Counted, delta: 1 | -1): void {
    const { ended_at_ms, state } = as;
    if (ended_at_ms === null) return;
    for (const flow of this.#flowsOf(as)) flow.bookEnd(state, ended_at_ms, delta);
    this.#bookModel(as, ended_at_ms, delta);
    // Told here, where a task comes by once.
    if (delta > 0 && as.type !== null && !this.by_type.has(as.type))
      this.listener.reached("task types counted apart");
    if (delta > 0 && as.family !== null && !this.by_family.has(as.family))
      this.listener.reached("model families counted apart");
  }

  #bookModel(as: Counted, ended_at_ms: number, delta: 1 | -1): void {
    this.models.book(kindOf(as), as.state, ended_at_ms, this.now_ms, delta);
  }

  /** The flows that a task counts in. */
  #flowsOf({ type, family }: Pick<Counted, "type" | "family">): Flow[] {
    const flows = [this.all];
    const ofType = type === null ? undefined : this.flowOf("task_type", type);
    const ofFamily = family === null ? undefined : this.flowOf("model_family", family);
    if (ofType) flows.push(ofType);
    if (ofFamily) flows.push(ofFamily);
    return flows;
  }

  #flow(flows: Map<string, Flow>, name: string): Flow | undefined {
    const known = flows.get(name);
    if (known) return known;
    if (flows.size >= MAX_CUTS) return undefined;
    const flow = new Flow(this.now_ms);
    flows.set(name, flow);
    return flow;
  }

  #bookLive(as: Counted, delta: 1 | -1): void {
    for (const flow of this.#flowsOf(as)) flow.live[as.state] += delta;
    if (as.state === "queued") {
      const key = JSON.stringify([as.priority, as.type]);
      const cell = this.#queue.get(key) ?? { priority: as.priority, type: as.type, queued: 0 };
      cell.queued += delta;
      if (cell.queued === 0) this.#queue.delete(key);
      else this.#queue.set(key, cell);
    }
    if (as.worker_id !== null) this.listener.liveChanged(as.worker_id, as.state, as.type, delta);
  }

  #counts(task: TaskEntry): Counted {
    const { worker_id } = task;
    return {
      state: task.state,
      priority: task.priority,
      type: task.type,
      family: task.model_family,
      model_id: task.model_id,
      worker_id,
      worker_type: worker_id === null ? null : this.listener.workerType(worker_id),
      ended_at_ms: task.ended_at_ms,
    };
  }

  /** Takes note of each attempt once: when it is assigned, when it starts and when it ends. */
  #note(task: TaskEntry, booked = true): void {
    const noted = this.#noted.get(task.id) ?? { started: 0, ended: 0, assigned: 0, outcome: 0 };
    this.#noted.set(task.id, noted);
    this.#time(task, noted, booked);
    if (task.worker_id !== null && task.status !== "queued" && noted.assigned < task.attempt) {
      noted.assigned = task.attempt;
      if (booked) this.listener.assigned(task, task.worker_id);
    }
    if (!task.ended && task.attempt === 1) return;
    for (const one of task.attempts()) {
      if (one.attempt <= noted.outcome || !ENDS.has(one.status)) continue;
      noted.outcome = one.attempt;
      if (booked) this.#noteEnd(task, one);
    }
  }

  #noteEnd(task: TaskEntry, attempt: Attempt): void {
    for (const { totals } of this.#flowsOf(this.#counts(task))) totals.ended[attempt.status as EndName] += 1;
    this.listener.ended(task, attempt);
  }

  /** Takes each attempt's durations once. */
  #time(task: TaskEntry, timed: Noted, booked: boolean): void {
    const as = this.#counts(task);
    const flows = booked ? this.#flowsOf(as) : [];
    const { attempt, queued_at_ms, started_at_ms, ended_at_ms } = task;
    if (started_at_ms !== null && queued_at_ms !== null && timed.started < attempt) {
      timed.started = attempt;
      for (const flow of flows) flow.time("queue_time", started_at_ms, seconds(queued_at_ms, started_at_ms));
      if (booked) this.#noteQueueTime(task.model_id, started_at_ms, queued_at_ms);
    }
    if (task.status === "completed" && ended_at_ms !== null && timed.ended < attempt) {
      timed.ended = attempt;
      if (started_at_ms !== null) {
        const processing_s = seconds(started_at_ms, ended_at_ms);
        for (const flow of flows) flow.time("processing_time", ended_at_ms, processing_s);
        this.#learn(task.model_id, processing_s);
        if (booked || this.models.isNews(ended_at_ms))
          this.models.time(kindOf(as), ended_at_ms, processing_s);
      }
      const first_queued_ms = task.attempts().find((a) => a.queued_at_ms !== null)?.queued_at_ms ?? null;
      if (first_queued_ms !== null) {
        for (const flow of flows) flow.time("total_time", ended_at_ms, seconds(first_queued_ms, ended_at_ms));
      }
    }
  }

  #noteQueueTime(model_id: string | null, started_at_ms: number, queued_at_ms: number): void {
    if (model_id === null) return;
    const times = this.#queue_times.get(model_id) ?? new SlidingSums(QUEUE_TIME_STEPS, QUEUE_TIME_STEP_MS, 2);
    // The one that started last comes last.
    this.#queue_times.delete(model_id);
    this.#queue_times.set(model_id, times);
    times.add(started_at_ms, this.now_ms, [1, Math.round(1000 * seconds(queued_at_ms, started_at_ms))]);
    if (this.#queue_times.size <= MAX_MODELS) return;
    this.#queue_times.delete(this.#queue_times.keys().next().value!);
    this.listener.reached("models whose queue time is known");
  }

  /** By model, of its tasks started in the last 5 minutes: how many, and how long they had waited. */
  *queueTimes(now_ms: number): Iterable<{ model_id: string; started: number; mean_s: number }> {
    for (const [model_id, times] of this.#queue_times) {
      const started = times.sum(0, now_ms);
      if (started > 0) yield { model_id, started, mean_s: times.sum(1, now_ms) / started / 1000 };
    }
  }

  #learn(model_id: string | null, processing_s: number): void {
    if (model_id === null) return;
    let usual = this.#usual.get(model_id);
    if (!usual) {
      if (this.#usual.size >= MAX_MODELS) {
        this.listener.reached("models whose usual time is learned");
        return;
      }
      usual = { durations: new DurationHistogram(), p50_s: null, p95_s: null };
      this.#usual.set(model_id, usual);
    }
    usual.durations.add(processing_s);
    if (usual.durations.count > MODEL_MEMORY) usual.durations.halve();
    usual.p50_s = null;
    usual.p95_s = null;
  }

  /** The fleet's median processing time of a model, seconds; null where none of its tasks completed. */
  medianProcessing(model_id: string | null): number | null {
    const usual = model_id === null ? undefined : this.#usual.get(model_id);
    if (!usual) return null;
    usual.p50_s ??= usual.durations.quantile(0.5);
    return usual.p50_s;
  }

  /** Books what was judged of an assignment, in every flow that the task counts in. */
  bookAssignment(task: TaskEntry, ratio: number, now_ms: number): void {
    for (const flow of this.#flowsOf({ type: task.type, family: task.model_family })) {
      flow.assignments.add(ratio, now_ms);
    }
  }

  /** The processing time that 95 % of a model's tasks stay within, seconds; null without enough of them. */
  usualProcessing(model_id: string | null): number | null {
    const usual = model_id === null ? undefined : this.#usual.get(model_id);
    if (!usual || usual.durations.count < MODEL_EVIDENCE) return null;
    usual.p95_s ??= usual.durations.quantile(0.95);
    return usual.p95_s;
  }

  queue(): QueueCell[] {
    return mostUrgentFirst([...this.#queue.values()].map((cell) => ({ ...cell })));
  }

  states(): StateCounts {
    return { ...this.all.live };
  }
}

const ENDS: ReadonlySet<TaskState> = new Set(["completed", "failed", "cancelled"]);

export function mostUrgentFirst(cells: QueueCell[]): QueueCell[] {
  return cells.sort(
    (a, b) =>
      (a.priority ?? Infinity) - (b.priority ?? Infinity) || (a.type ?? "").localeCompare(b.type ?? ""),
  );
}

function kindOf({ type, family, model_id, worker_type }: Counted) {
  return { task_type: type, model_family: family, model_id, worker_type };
}

function same(a: Counted, b: Counted): boolean {
  return (
    a.state === b.state &&
    a.priority === b.priority &&
    a.type === b.type &&
    a.family === b.family &&
    a.model_id === b.model_id &&
    a.worker_id === b.worker_id &&
    a.worker_type === b.worker_type &&
    a.ended_at_ms === b.ended_at_ms
  );
}

/** Clocks of two senders may disagree; a duration is never negative. */
function seconds(from_ms: number, to_ms: number): number {
  return Math.max(0, to_ms - from_ms) / 1000;
}
