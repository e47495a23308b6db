import type { Attempt, Task } from "./model.ts";

/** An attempt of a task that ran on a worker and is over. */
export interface Run extends Pick<Task, "id" | "type" | "model_family" | "model_id"> {
  readonly worker_id: string;
  readonly attempt: number;
  readonly status: "completed" | "failed" | "cancelled";
  /** Unix milliseconds. */
  readonly started_at_ms: number;
  readonly ended_at_ms: number;
}

/** Who ran what until lately. */
export interface Runs {
  /** Every run that ended from here on is told, Unix milliseconds. */
  readonly complete_from_ms: number;
  /** A worker's, oldest first. */
  of(worker_id: string): readonly Run[];
}

/** How far back runs are told, minutes. */
export const RUNS_MINUTES = 60;

/** What an attempt of a task ran, where it did and is over. */
export function runOf(task: Omit<Run, keyof Attempt>, one: Attempt): Run | null {
  const { attempt, status, worker_id, started_at_ms, ended_at_ms } = one;
  if (status !== "completed" && status !== "failed" && status !== "cancelled") return null;
  if (worker_id === null || started_at_ms === null || ended_at_ms === null) return null;
  const { id, type, model_family, model_id } = task;
  return { id, type, model_family, model_id, worker_id, attempt, status, started_at_ms, ended_at_ms };
}

/** Every run of these tasks, in the order in which they ended. */
export function runsOf(tasks: Iterable<Task>): Run[] {
  return [...tasks]
    .flatMap((task) => task.attempts().flatMap((attempt) => runOf(task, attempt) ?? []))
    .sort((a, b) => a.ended_at_ms - b.ended_at_ms);
}

/** Runs by their worker, as one answer. */
export function runsByWorker(runs: readonly Run[], complete_from_ms: number): Runs {
  const by_worker = new Map<string, Run[]>();
  for (const run of runs) {
    const own = by_worker.get(run.worker_id);
    if (own) own.push(run);
    else by_worker.set(run.worker_id, [run]);
  }
  return { complete_from_ms, of: (worker_id) => by_worker.get(worker_id) ?? [] };
}
