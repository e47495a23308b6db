import { describe, expect, it } from "vitest";
import { MATCHES_LIMIT } from "../scores.ts";
import { matchesOf, scoresOf } from "./matches.ts";
import { Scene, START_MS, task, worker } from "./scene.ts";

const GIB = 2 ** 30;
const cuda = { backends: ["cuda"], gpu_memory_bytes: 16 * GIB };
const at = (cpu_utilization: number) => ({ metrics: { cpu_utilization } });

function matches(scene: Scene, id: string) {
  return matchesOf(scene.fleet, scene.fleet.tasks.get(id)!, scene.now_ms);
}

describe("who could run a task", () => {
  it("is listed best first, without those that take no tasks", () => {
    const scene = new Scene().report({
      workers: [
        worker("busy", { capabilities: cuda, ...at(90) }),
        worker("idle", { capabilities: cuda, ...at(10) }),
        worker("draining", { capabilities: cuda, ...at(0), status: "draining" }),
        worker("cpu", { capabilities: { backends: ["cpu"] }, ...at(0) }),
      ],
      tasks: [task("t", "queued", { requirements: { backends: ["cuda"] } })],
    });
    const { best, possible, available, requirements, assigned } = matches(scene.later(0), "t");
    expect(best.map(({ worker_id }) => worker_id)).toEqual(["idle", "busy"]);
    expect({ possible, available, assigned }).toEqual({ possible: 2, available: 3, assigned: null });
    expect(requirements).toEqual([{ requirement: { kind: "backend", wanted: "cuda" }, lacking: 1 }]);
  });

  it("says which requirement nobody meets, so that a waiting task can say why it waits", () => {
    const scene = new Scene().report({
      workers: [worker("W1", { capabilities: cuda }), worker("W2", { capabilities: cuda, tags: ["large"] })],
      tasks: [task("t", "queued", { requirements: { gpu_memory_bytes: 24 * GIB, tags: ["large"] } })],
    });
    const { possible, available, requirements } = matches(scene.later(0), "t");
    expect({ possible, available }).toEqual({ possible: 0, available: 2 });
    expect(requirements).toEqual([
      { requirement: { kind: "tag", wanted: "large" }, lacking: 1 },
      { requirement: { kind: "gpu_memory_bytes", wanted: 24 * GIB }, lacking: 2 },
    ]);
  });

  it("is bounded, and tells how many there are", () => {
    const scene = new Scene().report({
      workers: Array.from({ length: 50 }, (_, i) => worker(`W${i}`, at(i))),
      tasks: [task("t", "queued")],
    });
    const { best, possible } = matches(scene.later(0), "t");
    expect([best.length, possible]).toEqual([MATCHES_LIMIT, 50]);
    expect(best[0]?.worker_id).toBe("W0");
  });

  it("has the place of the worker that has the task among them", () => {
    const scene = new Scene().report({
      workers: [
        worker("W1", at(50)),
        worker("W2", at(10)),
        worker("W3", at(90)),
        worker("W4", { tags: ["x"] }),
      ],
      tasks: [
        task("t", "running", { worker_id: "W1" }),
        task("u", "running", { worker_id: "W3", requirements: { tags: ["x"] } }),
      ],
    });
    expect(matches(scene.later(0), "t").assigned_rank).toBe(2);
    expect(matches(scene, "u").assigned_rank).toBeNull();
    expect(matches(scene, "u").best.map(({ worker_id }) => worker_id)).toEqual(["W4"]);
  });

  it("has the match of the worker that has the task, whatever became of it", () => {
    const scene = new Scene().report({
      workers: [worker("W1", { status: "draining", ...at(50) })],
      tasks: [task("t", "running", { worker_id: "W1", requirements: { tags: ["rare"] } })],
    });
    const { assigned, best } = matches(scene.later(0), "t");
    expect(best).toEqual([]);
    expect(assigned).toMatchObject({ worker_id: "W1", score: 0, missing: [{ kind: "tag", wanted: "rare" }] });
  });
});

describe("the scores of a worker", () => {
  const ended = (id: string, status: "completed" | "failed", worker_id: string, took_s: number) =>
    task(id, status, {
      worker_id,
      model_family: "vit",
      model_id: "vit-base",
      times: { started: START_MS - 1000 * took_s, ended: START_MS },
    });

  it("come with what they are made of", () => {
    const scene = new Scene().report({
      workers: [worker("W1", { capabilities: cuda, ...at(95) }), worker("W2")],
      tasks: [
        ended("a", "completed", "W1", 8),
        ended("b", "failed", "W1", 1),
        ...["c", "d", "e"].map((id) => ended(id, "completed", "W2", 4)),
      ],
    });
    const { fleet, now_ms } = scene.later(0);
    const scores = scoresOf(fleet, fleet.workers.get("W1")!, now_ms);
    expect(scores.health).toMatchObject({
      freshness: { factor: 1, silence_ms: 0 },
      pressure: { factor: 0.75, cause: { metric: "cpu_utilization", value: 95, threshold: 90 } },
      success: { completed: 1, tasks: 2 },
    });
    const { vision, audio } = scores.compatibility;
    expect(vision).toMatchObject({ prior: 0.9, observed: { tasks: 2, completed: 1, success_ratio: 0.5 } });
    // Within the width of a bucket of the fleet's histogram.
    expect(vision.observed?.speed).toBeCloseTo(0.5, 1);
    expect(audio).toEqual({ score: 80, prior: 0.8, observed: null });
    expect(scores.last_tasks).toEqual({ tasks: 2, completed: 1, success_ratio: 0.5, mean_duration_s: 8 });
    expect(scores.last_hour).toEqual({ tasks: 2, completed: 1, success_ratio: 0.5 });
  });

  it("take each attempt once, however often and however late it is told of", () => {
    const scene = new Scene().report({ workers: [worker("W1"), worker("W2")] });
    const first = task("t", "failed", { worker_id: "W1" });
    const [transition] = first.transitions;
    const retried = {
      ...first,
      transitions: [transition!, ...task("t", "running", { attempt: 2, worker_id: "W2" }).transitions],
    };
    for (let i = 0; i < 3; i += 1) scene.report({ tasks: [retried] }).later(1000);
    scene.report({ tasks: [task("t", "completed", { attempt: 2 })] }).later(1000);
    scene.report({ tasks: [first, task("c", "cancelled", { worker_id: "W1" })] }).later(1000);
    const tasks = (id: string) =>
      scoresOf(scene.fleet, scene.fleet.workers.get(id)!, scene.now_ms).last_tasks;
    expect(tasks("W1")).toMatchObject({ tasks: 1, completed: 0 });
    expect(tasks("W2")).toMatchObject({ tasks: 1, completed: 1 });
  });
});
