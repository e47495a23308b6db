/** What the tests of this folder share: a fleet that is told reports, on a clock that stands still until told. */
import type { Report, TaskStatus, TaskUpdate, Transition, WorkerUpdate } from "../model.ts";
import { Fleet } from "./fleet.ts";

export const START_MS = 1_700_000_000_000;

export function worker(id: string, change: Partial<WorkerUpdate> = {}): WorkerUpdate {
  const nothing = {
    type: undefined,
    hostname: undefined,
    status: undefined,
    tags: undefined,
    gpus: undefined,
  };
  return { id, ...nothing, interval_s: 1, capabilities: {}, metrics: {}, ...change };
}

/** One attempt of a vision task. */
export function task(
  id: string,
  status: TaskStatus,
  given: Partial<Omit<TaskUpdate, "id" | "transitions">> & Partial<Omit<Transition, "status">> = {},
): TaskUpdate {
  const { attempt = 1, times = {}, worker_id, progress, error, ...change } = given;
  const nothing = {
    type: "vision",
    model_family: undefined,
    model_id: undefined,
    priority: undefined,
    modality: undefined,
    requirements: undefined,
    metrics: {},
  };
  return { id, ...nothing, ...change, transitions: [{ attempt, status, times, worker_id, progress, error }] };
}

export class Scene {
  now_ms = START_MS;
  readonly fleet = new Fleet(
    { worker_ttl_ms: 3_600_000, task_ttl_ms: 86_400_000, grace_ms: 900_000 },
    START_MS,
  );

  report(part: Partial<Report>): this {
    const report = {
      at_ms: this.now_ms,
      received_ms: this.now_ms,
      source: "a",
      interval_s: 1,
      complete: false,
    };
    this.fleet.apply({ ...report, workers: [], tasks: [], system: {}, ...part });
    return this;
  }

  later(ms: number): this {
    this.now_ms += ms;
    this.fleet.advance(this.now_ms);
    this.fleet.judgeAssignments(this.now_ms);
    return this;
  }
}
