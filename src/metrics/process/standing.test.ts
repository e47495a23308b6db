import { describe, expect, it } from "vitest";
import { Scene, task, worker } from "./scene.ts";

const DERIVED = ["health", "success_ratio", "processing_time_mean_s", "tasks_per_hour"];

/** The derived metrics that the store gets in one second in which W1 reports. */
function second(scene: Scene, cpu_utilization = 10) {
  scene.report({ workers: [worker("W1", { metrics: { cpu_utilization } })] }).later(1000);
  return stored(scene).filter(([metric]) => DERIVED.includes(metric));
}

/** The values that the store gets of the last second. */
function stored(scene: Scene): [metric: string, value: number][] {
  const { values } = scene.fleet.takeChanges();
  return Array.from({ length: values.length }, (_, i) => [values.channel(i).metric, values.value(i)]);
}

const took = (scene: Scene, took_s: number) => ({
  worker_id: "W1",
  times: { started: scene.now_ms - 1000 * took_s, ended: scene.now_ms },
});

describe("the derived metrics of a worker", () => {
  it("are stored once in ten seconds, and health when it changes", () => {
    const scene = new Scene();
    expect(second(scene)).toEqual([["health", 100]]);
    const quiet = Array.from({ length: 20 }, () => second(scene)).flat();
    expect(quiet).toEqual([
      ["health", 100],
      ["health", 100],
    ]);
    expect(second(scene, 95)).toContainEqual(["health", 75]);
    scene.report({ tasks: [task("a", "completed", took(scene, 6)), task("b", "failed", took(scene, 1))] });
    expect(second(scene)).toEqual([["health", 86]]);
    const next = Array.from({ length: 10 }, () => second(scene)).flat();
    expect(next).toEqual([
      ["health", 86],
      ["success_ratio", 0.5],
      ["processing_time_mean_s", 6],
      ["tasks_per_hour", 1],
    ]);
  });

  it("stand beside those that were reported", () => {
    const scene = new Scene();
    second(scene);
    const metrics = () => Object.fromEntries(scene.fleet.workers.get("W1")!.metrics);
    expect(metrics()).toEqual({ cpu_utilization: 10, health: 100 });
    scene.report({ tasks: [task("a", "completed", took(scene, 6))] });
    second(scene);
    expect(metrics()).toMatchObject({ success_ratio: 1, processing_time_mean_s: 6, tasks_per_hour: 1 });
    scene.later(3_599_000);
    expect(metrics()).toMatchObject({ health: 0, success_ratio: 1, tasks_per_hour: 0 });
  });

  it("are kept with the worker every five minutes in which tasks ended", () => {
    const scene = new Scene();
    const kept = (seconds: number, ends: boolean) => {
      let times = 0;
      for (let i = 0; i < seconds; i += 1) {
        if (ends) scene.report({ tasks: [task(`t${scene.now_ms}`, "completed", took(scene, 1))] });
        scene.report({ workers: [worker("W1")] }).later(1000);
        times += scene.fleet.takeChanges().workers.length;
      }
      return times;
    };
    // It is new, then nothing of it changes.
    expect(kept(600, false)).toBe(1);
    // The first end after a quiet time, then twice in ten minutes.
    expect(kept(600, true)).toBe(3);
  });
});

it("the turns of workers whose names differ little are spread over all seconds", () => {
  const scene = new Scene();
  const ids = Array.from({ length: 1000 }, (_, i) => `worker-${i}`);
  const counts = Array.from({ length: 10 }, () => {
    scene.report({ workers: ids.map((id) => worker(id)) }).later(1000);
    return stored(scene).filter(([metric]) => metric === "health").length;
  });
  // All are stored when they are new, and then a tenth of them each second.
  expect(counts[0]).toBe(1000);
  for (const count of counts.slice(1)) expect(Math.abs(count - 100)).toBeLessThan(40);
});
