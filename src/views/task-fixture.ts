import type { Attempt, Task, Worker } from "../metrics/model.ts";
import type { EndedQuery, EndedStep } from "../metrics/read.ts";
import { type Run, type Runs, runsByWorker } from "../metrics/runs.ts";
import type { Match, Matches, Waiting } from "../metrics/scores.ts";

/** A task with one attempt, or with those that are given. */
export function taskOf(change: Partial<Task> & Pick<Task, "id">, earlier: readonly Attempt[] = []): Task {
  const task = {
    attempt: earlier.length + 1,
    status: "queued",
    state: "queued",
    type: "text",
    model_family: "bert",
    model_id: "bert-large",
    modality: "text",
    priority: 4,
    progress: null,
    error: null,
    requirements: null,
    metrics: new Map(),
    worker_id: null,
    queued_at_ms: null,
    assigned_at_ms: null,
    started_at_ms: null,
    ended_at_ms: null,
    ...change,
  } as const;
  const { attempt, status, worker_id, queued_at_ms, assigned_at_ms, started_at_ms, ended_at_ms, error } =
    task;
  const last = {
    attempt,
    status,
    worker_id,
    queued_at_ms,
    assigned_at_ms,
    started_at_ms,
    ended_at_ms,
    error,
  };
  return { ...task, attempts: () => [...earlier, last] };
}

/** What each worker runs, and what waits. @param names to give the first tasks */
export function tasksOf(workers: readonly Worker[], now_ms: number, names: readonly string[]): Task[] {
  const running = workers.flatMap((worker, place) =>
    [...worker.running_by_type].flatMap(([type, tasks]) =>
      Array.from({ length: tasks }, (_, index) => {
        const started_at_ms = now_ms - 7_000 * (index + 1) - 1_300 * place;
        return taskOf({
          id: `${worker.id}/${type}.${index}`,
          status: "running",
          state: "running",
          type,
          worker_id: worker.id,
          queued_at_ms: started_at_ms - 4_000,
          assigned_at_ms: started_at_ms - 200,
          started_at_ms,
          progress: 40,
        });
      }),
    ),
  );
  const waiting = Array.from({ length: 9 }, (_, index) =>
    taskOf({
      id: names[index] ?? (index === 0 ? "t-17" : `t-2${index}`),
      type: names[index] ?? "text",
      model_id: names[index] ?? (index % 2 === 0 ? "bert-large" : "t5-small"),
      model_family: names[index] ?? "bert",
      priority: 1 + (index % 3),
      queued_at_ms: now_ms - 72_000 + index * 5_000,
      error: names[index] ?? null,
      requirements: { backends: [names[index] ?? (index === 4 ? "hexagon" : "cuda")], memory_bytes: 2 ** 32 },
    }),
  );
  return [...waiting, ...running];
}

/** What ended on each worker: a task each twenty seconds, each tenth of them failed. */
export function runsOf(workers: readonly Worker[], now_ms: number, names: readonly string[]): Runs {
  const runs = workers.flatMap((worker) =>
    Array.from({ length: 12 }, (_, index): Run => {
      const ended_at_ms = now_ms - 240_000 + index * 20_000;
      return {
        id: names[index] ?? `${worker.id}-done-${index}`,
        type: names[index] ?? "vision",
        model_family: "vit",
        model_id: names[index] ?? "vit-base",
        worker_id: worker.id,
        attempt: 1,
        status: index % 10 === 9 ? "failed" : "completed",
        started_at_ms: ended_at_ms - 12_000,
        ended_at_ms,
      };
    }),
  );
  return runsByWorker(runs, now_ms - 3_600_000);
}

/** How the workers match a task. */
export function matchesOf(workers: readonly Worker[], task: Task): Matches {
  const best = workers.slice(0, 12).map(
    ({ id, load }, index): Match => ({
      worker_id: id,
      score: 0.9 - index * 0.03,
      capability: 0.9,
      performance: 0.8 - index * 0.02,
      observed: null,
      load,
      missing: [],
    }),
  );
  const assigned = best.find(({ worker_id }) => worker_id === task.worker_id) ?? null;
  return {
    best,
    possible: best.length,
    available: workers.length,
    requirements: (task.requirements?.backends ?? []).map((wanted) => ({
      requirement: { kind: "backend", wanted },
      lacking: workers.length - best.length,
    })),
    assigned,
    assigned_rank: assigned === null ? null : best.indexOf(assigned) + 1,
  };
}

export function waitingOf(workers: readonly Worker[], task: Task): Waiting | null {
  if (task.state !== "queued") return null;
  const counts = { available: workers.length, suitable: 12, idle: 0, unmet: [], ahead: 3 };
  const [backend = ""] = task.requirements?.backends ?? [];
  if (backend !== "hexagon") return { reason: "busy", ...counts };
  return { reason: "lacking", ...counts, suitable: 0, unmet: [{ kind: "backend", wanted: backend }] };
}

/** Those of the tasks that ended, as the store is searched: so many a step. */
export function endedIn(tasks: readonly Task[], a_step = 500) {
  return function* ({ from_ms, to_ms, states, worker_id, matches }: EndedQuery): Generator<EndedStep> {
    const found = tasks
      .filter(({ ended_at_ms }) => ended_at_ms !== null && ended_at_ms >= from_ms && ended_at_ms < to_ms)
      .filter(
        (task) => (states?.includes(task.state) ?? true) && (worker_id ?? task.worker_id) === task.worker_id,
      )
      .filter(matches)
      .sort((a, b) => b.ended_at_ms! - a.ended_at_ms!);
    for (let from = 0; from === 0 || from < found.length; from += a_step) {
      const step = found.slice(from, from + a_step);
      const searched_from_ms = from + a_step < found.length ? step.at(-1)!.ended_at_ms! + 1 : from_ms;
      yield { tasks: step, searched_from_ms };
    }
  };
}
