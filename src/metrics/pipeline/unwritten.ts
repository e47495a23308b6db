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

/** Samples that wait to be written, in the order in which they came, in room that is used again. */
export class WaitingSamples {
  #series = new Float64Array(FEW);
  #at_ms = new Float64Array(FEW);
  #values = new Float64Array(FEW);
  /** Where the first of them is, and where the next one comes. */
  #from = 0;
  #to = 0;

  get length(): number {
    return this.#to - this.#from;
  }

  get oldest_ms(): number {
    let oldest_ms = Number.POSITIVE_INFINITY;
    for (let i = this.#from; i < this.#to; i += 1) oldest_ms = Math.min(oldest_ms, this.#at_ms[i]!);
    return oldest_ms;
  }

  push(series: number, at_ms: number, value: number): void {
    if (this.#to === this.#values.length) this.#makeRoom();
    this.#series[this.#to] = series;
    this.#at_ms[this.#to] = at_ms;
    this.#values[this.#to] = value;
    this.#to += 1;
  }

  /** The first of them, at most so many; good until the next one is pushed. */
  first(count: number): Samples {
    const end = Math.min(this.#to, this.#from + count);
    return {
      series: this.#series.subarray(this.#from, end),
      at_ms: this.#at_ms.subarray(this.#from, end),
      values: this.#values.subarray(this.#from, end),
    };
  }

  /** Leaves out the first of them. */
  drop(count: number): void {
    this.#from = Math.min(this.#to, this.#from + count);
    if (this.#from === this.#to) this.#from = this.#to = 0;
  }

  /** At the end, by what was left out at the beginning or else by twice the length. */
  #makeRoom(): void {
    const { length } = this;
    const { series, at_ms, values } = this.first(length);
    const room = this.#from > this.#to / 2 ? this.#values.length : 2 * this.#values.length;
    const moved = (numbers: ArrayLike<number>) => {
      const there = new Float64Array(room);
      there.set(numbers);
      return there;
    };
    this.#series = moved(series);
    this.#at_ms = moved(at_ms);
    this.#values = moved(values);
    this.#from = 0;
    this.#to = length;
  }
}

const FEW = 1024;

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

/** @param samples none, in room to be used again */
export function nothingUnwritten(samples: WaitingSamples): Unwritten {
  return {
    workers: new Map(),
    tasks: new Map(),
    gone_workers: new Set(),
    gone_tasks: new Set(),
    states: [],
    alerts: new Map(),
    documents: [],
    messages: [],
    samples,
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
