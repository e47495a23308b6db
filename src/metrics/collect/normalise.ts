import type { Capabilities, Report, Step, TaskUpdate, Transition, WorkerUpdate } from "../model.ts";
import type { ParsedReport } from "./report.ts";

type ParsedWorker = NonNullable<ParsedReport["workers"]>[number];
type ParsedTask = NonNullable<ParsedReport["tasks"]>[number];

/** The name of a source that gives none. */
const UNNAMED_SOURCE = "default";

/**
 * Brings a valid report, part by part, into the one shape that the fleet applies. Several entries of one report for
 * the same id become one, the later entry's fields standing, so that what a report says does not depend on which
 * other reports came before it.
 */
export class Normalising {
  readonly #workers = new Map<string, WorkerUpdate>();
  readonly #tasks = new Map<string, TaskUpdate>();

  add({ workers, tasks }: Pick<ParsedReport, "workers" | "tasks">): void {
    for (const entry of workers ?? []) mergeWorker(this.#workers, entry);
    for (const entry of tasks ?? []) mergeTask(this.#tasks, entry);
  }

  /** @param head what the report says beside its workers and tasks */
  report({ at, source, interval_s, complete, system }: ParsedReport, received_ms: number): Report {
    return {
      at_ms: at ?? null,
      received_ms,
      source: source ?? UNNAMED_SOURCE,
      interval_s: interval_s ?? null,
      complete: complete ?? false,
      workers: [...this.#workers.values()],
      tasks: [...this.#tasks.values()],
      system: system?.metrics ?? {},
    };
  }
}

function mergeWorker(workers: Map<string, WorkerUpdate>, entry: ParsedWorker): void {
  const before = workers.get(entry.id);
  workers.set(entry.id, {
    id: entry.id,
    type: later(before?.type, entry.type),
    hostname: later(before?.hostname, entry.hostname),
    status: later(before?.status, entry.status),
    tags: later(before?.tags, entry.tags),
    capabilities: withCapabilities(before?.capabilities ?? NO_CAPABILITIES, entry.capabilities),
    metrics: before ? { ...before.metrics, ...entry.metrics } : (entry.metrics ?? {}),
    gpus: later(before?.gpus, entry.gpus),
    interval_s: entry.interval_s ?? before?.interval_s,
    heard_at_ms: later(before?.heard_at_ms, entry.heard_at),
  });
}

function mergeTask(tasks: Map<string, TaskUpdate>, entry: ParsedTask): void {
  const before = tasks.get(entry.id);
  tasks.set(entry.id, {
    id: entry.id,
    type: later(before?.type, entry.type),
    model_family: later(before?.model_family, entry.model_family),
    model_id: later(before?.model_id, entry.model_id),
    priority: later(before?.priority, entry.priority),
    modality: later(before?.modality, entry.modality),
    requirements: later(before?.requirements, entry.requirements),
    metrics: before ? { ...before.metrics, ...entry.metrics } : (entry.metrics ?? {}),
    transitions: before ? withTransition(before.transitions, transitionOf(entry)) : [transitionOf(entry)],
  });
}

function transitionOf(entry: ParsedTask): Transition {
  const times: Partial<Record<Step, number>> = {};
  if (entry.queued_at !== undefined) times.queued = entry.queued_at;
  if (entry.assigned_at !== undefined) times.assigned = entry.assigned_at;
  if (entry.started_at !== undefined) times.started = entry.started_at;
  if (entry.ended_at !== undefined) times.ended = entry.ended_at;
  return {
    attempt: entry.attempt ?? 1,
    status: entry.status ?? undefined,
    times,
    worker_id: entry.worker_id,
    progress: entry.progress,
    error: entry.error,
  };
}

/** Adds a transition; of two of the same attempt the later one's fields stand in both, as they are one report. */
function withTransition(before: Transition[], added: Transition): Transition[] {
  const same = before.filter((t) => t.attempt === added.attempt).at(-1);
  if (!same) return [...before, added];
  const fields = {
    worker_id: later(same.worker_id, added.worker_id),
    progress: later(same.progress, added.progress),
    error: later(same.error, added.error),
  };
  return [...before, added].map((t) => (t.attempt === added.attempt ? { ...t, ...fields } : t));
}

function later<T>(before: T | undefined, now: T | undefined): T | undefined {
  return now === undefined ? before : now;
}

const NO_CAPABILITIES: Capabilities = {};

function withCapabilities(before: Capabilities, entry: ParsedWorker["capabilities"]): Capabilities {
  return entry ? { ...before, ...given(entry) } : before;
}

function given(capabilities: Record<string, Capabilities[string] | undefined>): Capabilities {
  return Object.fromEntries(Object.entries(capabilities).filter(([, v]) => v !== undefined)) as Capabilities;
}
