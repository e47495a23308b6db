import { describe, expect, test } from "vitest";
import { fixtureRead } from "./fixture.ts";
import { loadBalancer } from "./panels/load-balancer.tsx";
import { systemHistory } from "./panels/system-history.tsx";
import { workerRanking } from "./panels/worker-ranking.tsx";

describe("worker performance", () => {
  type Data = { workers: { worker_id: string; performance_score: number; success_ratio: number | null }[] };
  const loaded = (read = fixtureRead({ workers: 15 })) => workerRanking.load(read, {}) as Data;

  test("is a score from 0 to 100 of every worker, the best first", () => {
    const scores = loaded().workers.map(({ performance_score }) => performance_score);
    expect(scores).toHaveLength(15);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(scores.every((score) => score >= 0 && score <= 100)).toBe(true);
  });

  test("weighs success and speed, and without a task speaks neither for a worker nor against it", () => {
    const read = fixtureRead({ workers: 2 });
    const [first, second] = read.workers().map(({ id }) => id);
    const known = read.scores(first!)!;
    const observed = { tasks: 10, completed: 10, success_ratio: 1, speed: 0.5 };
    const vision = { score: 90, prior: 0.9, observed };
    const none = { score: null, prior: null, observed: null };
    const scores = {
      ...known,
      last_tasks: { tasks: 20, completed: 16, success_ratio: 0.8, mean_duration_s: 3 },
      compatibility: { vision, text: none, audio: none, multimodal: none },
    };
    const { workers } = loaded({ ...read, scores: (id) => (id === first ? scores : undefined) });
    expect(workers.find(({ worker_id }) => worker_id === first)?.performance_score).toBeCloseTo(71);
    expect(workers.find(({ worker_id }) => worker_id === second)).toMatchObject({
      performance_score: 50,
      success_ratio: null,
    });
  });
});

test("load balancing tells load and tasks of each worker, and no load of one that is silent", () => {
  const read = fixtureRead({ workers: 15 });
  const { metrics } = loadBalancer.load(read, {}) as {
    metrics: Record<string, Record<string, number | null>>;
  };
  for (const { id, load, presence, running_tasks, queued_tasks } of read.workers()) {
    expect(metrics["worker_utilization"]![id]).toBe(presence === "fresh" ? load : null);
    expect(metrics["task_assignments"]![id]).toBe(running_tasks + queued_tasks);
  }
});

test("an interval is a step, and both may not differ", () => {
  const load = (query: Record<string, string>) =>
    systemHistory.load(fixtureRead(), systemHistory.params.parse({ metrics: "queued_tasks", ...query }));
  expect(load({ interval: "60s", duration: "1h" })).toMatchObject({ step_s: 60 });
  expect(load({ interval: "60s", step: "1m", duration: "1h" })).toMatchObject({ step_s: 60 });
  expect(() => load({ interval: "60s", step: "30s" })).toThrow(
    "Parameter interval: must be what step is, or be left out; got 1m and 30s",
  );
});
