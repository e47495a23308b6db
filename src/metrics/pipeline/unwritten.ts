import type { Mark } from "../model.ts";
import type { NewMessage } from "../outbox.ts";
import type { StateChange } from "../process/fleet.ts";
import type { TaskEntry } from "../process/task.ts";
import type { WorkerEntry } from "../process/worker.ts";
import type {
  AlertRecord,
  DocumentRecord,
  HistogramRecord,
  Sample,
  TaskRecord,
  TickBatch,
} from "../store/contract.ts";

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
  samples: Sample[];
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
    samples: [],
    histograms: new Map(),
    marks: [],
    facts: {},
  };
}

export function batchOf(now_ms: number, waiting: Unwritten): TickBatch {
  return {
    at_ms: now_ms,
    samples: waiting.samples,
    workers: Array.from(waiting.workers.values(), (worker) => ({
      id: worker.id,
      document: JSON.stringify(worker.toDocument()),
    })),
    workers_gone: [...waiting.gone_workers],
    worker_states: waiting.states,
    tasks: Array.from(waiting.tasks.values(), taskRecord),
    tasks_gone: [...waiting.gone_tasks],
    histograms: [...waiting.histograms.values()],
    marks: waiting.marks,
    alerts: [...waiting.alerts.values()],
    documents: waiting.documents,
    messages: waiting.messages,
    facts: waiting.facts,
  };
}

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
