import type { Mark } from "../model.ts";
import type { NewMessage } from "../outbox.ts";
import type { StateChange } from "../process/fleet.ts";
import type { TaskEntry } from "../process/task.ts";
import type { WorkerEntry } from "../process/worker.ts";
import type {
  AlertRecord,
  DocumentRecord,
  HistogramRecord,
  Samples,
  TaskRecord,
  TickBatch,
} from "../store/contract.ts";

/** Samples that wait to be written, in the order in which they came. */
export class WaitingSamples {
  #series: number[] = [];
  #at_ms: number[] = [];
  #values: number[] = [];
  /** Where the first of them is: what lies before it was dropped. */
  #from = 0;

  get length(): number {
    return this.#series.length - this.#from;
  }

  get oldest_ms(): number {
    let oldest_ms = Number.POSITIVE_INFINITY;
    for (let i = this.#from; i < this.#at_ms.length; i += 1) oldest_ms = Math.min(oldest_ms, this.#at_ms[i]!);
    return oldest_ms;
  }

  push(series: number, at_ms: number, value: number): void {
    this.#series.push(series);
    this.#at_ms.push(at_ms);
    this.#values.push(value);
  }

  /** The first of them, at most so many. */
  first(count: number): Samples {
    const end = this.#from + count;
    return {
      series: this.#series.slice(this.#from, end),
      at_ms: this.#at_ms.slice(this.#from, end),
      values: this.#values.slice(this.#from, end),
    };
  }

  /** Leaves out the first of them. */
  drop(count: number): void {
    this.#from += count;
    if (this.#from <= this.length) return;
    this.#series = this.#series.slice(this.#from);
    this.#at_ms = this.#at_ms.slice(this.#from);
    this.#values = this.#values.slice(this.#from);
    this.#from = 0;
  }
}

/** What the store has still to write; more than one tick's worth while it can't. */
export interface Unwritten {
  workers: Map<string, WorkerEntry>;
  tasks: Map<string, TaskEntry>;
  gone_workers: Set<string>;
  gone_tasks: Set<string>;
  states: StateChange[];
  alerts: Map<string, AlertRecord>;
  documents: DocumentRecord[];
  messages: NewMessage[];
  readonly samples: WaitingSamples;
  histograms: Map<string, HistogramRecord>;
  marks: Mark[];
  facts: Record<string, string>;
}

export function nothingUnwritten(): Unwritten {
  return {
    workers: new Map(),
    tasks: new Map(),
    gone_workers: new Set(),
    gone_tasks: new Set(),
    states: [],
    alerts: new Map(),
    documents: [],
    messages: [],
    samples: new WaitingSamples(),
    histograms: new Map(),
    marks: [],
    facts: {},
  };
}

/** @param tasks the records of those that wait */
export function batchOf(now_ms: number, waiting: Unwritten, tasks: readonly TaskRecord[]): TickBatch {
  const samples = waiting.samples.first(waiting.samples.length);
  return {
    ...partOf(now_ms, { samples, workers: waiting.workers.values() }),
    tasks,
    workers_gone: [...waiting.gone_workers],
    worker_states: waiting.states,
    tasks_gone: [...waiting.gone_tasks],
    histograms: [...waiting.histograms.values()],
    marks: waiting.marks,
    alerts: [...waiting.alerts.values()],
    documents: waiting.documents,
    messages: waiting.messages,
    facts: waiting.facts,
  };
}

/** What may be written before the rest of a tick: nothing that is counted hangs on it. */
interface Part {
  readonly samples?: Samples;
  readonly tasks?: Iterable<TaskEntry>;
  readonly workers?: Iterable<WorkerEntry>;
}

export function partOf(now_ms: number, { samples = NO_SAMPLES, tasks = [], workers = [] }: Part): TickBatch {
  return {
    at_ms: now_ms,
    samples,
    workers: Array.from(workers, (worker) => ({
      id: worker.id,
      document: JSON.stringify(worker.toDocument()),
    })),
    workers_gone: [],
    worker_states: [],
    tasks: Array.from(tasks, taskRecord),
    tasks_gone: [],
    histograms: [],
    marks: [],
    alerts: [],
    documents: [],
    messages: [],
    facts: {},
  };
}

/** Records that one step makes. */
const STEP_RECORDS = 300;

/** The tasks as they are written, in steps. */
export function* recordsOf(tasks: Iterable<TaskEntry>): Generator<undefined, TaskRecord[], undefined> {
  const records: TaskRecord[] = [];
  for (const task of tasks) {
    if (records.push(taskRecord(task)) % STEP_RECORDS === 0) yield;
  }
  return records;
}

const NO_SAMPLES: Samples = { series: [], at_ms: [], values: [] };

function taskRecord(task: TaskEntry): TaskRecord {
  return {
    id: task.id,
    status: task.state,
    type: task.type,
    model_family: task.model_family,
    worker_id: task.worker_id,
    attempt: task.attempt,
    queued_at_ms: task.began_ms,
    ended_at_ms: task.ended ? (task.ended_at_ms ?? task.mentioned_ms) : null,
    document: JSON.stringify(task.toDocument()),
  };
}
