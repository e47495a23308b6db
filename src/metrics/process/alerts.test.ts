import { describe, expect, it } from "vitest";
import { evaluateAlerts, systemStatus } from "./alerts.ts";
import { Scene, START_MS, task, worker } from "./scene.ts";
import { systemMetrics } from "./system.ts";

const OPTIONS = { stall_after_ms: 1_800_000 };

class AlertScene extends Scene {
  get alerts() {
    return evaluateAlerts(this.fleet, this.now_ms, OPTIONS);
  }

  get status() {
    return systemStatus(systemMetrics(this.fleet, this.now_ms), this.alerts);
  }
}

const busy = worker("W3", { metrics: { cpu_utilization: 95, queued_tasks: 5 } });

describe("an overloaded worker", () => {
  it("is an alert once it has lasted 3 s, in the words of an operator", () => {
    const scene = new AlertScene().report({ workers: [busy] }).later(0);
    scene.report({ workers: [busy] }).later(2999);
    expect(scene.alerts).toEqual([]);
    scene.report({ workers: [busy] }).later(1);
    expect(scene.alerts).toMatchObject([
      {
        severity: "critical",
        title: "Worker W3 is overloaded",
        detail: "95 % CPU, 5 pending tasks",
        since_ms: START_MS,
      },
    ]);
    expect(scene.status).toEqual({ level: "degraded", reasons: ["1 worker overloaded"] });
  });
});

describe("silence", () => {
  it("of one worker is its own alert: stale, then lost with what it left behind", () => {
    const scene = new AlertScene().report({
      workers: [worker("W1"), worker("W2")],
      tasks: [task("t", "running", { worker_id: "W1" })],
    });
    scene
      .later(3000)
      .report({ workers: [worker("W2")] })
      .later(1);
    expect(scene.alerts.map((a) => [a.rule, a.detail])).toEqual([
      ["worker_stale", "report overdue, 1 unfinished task"],
    ]);
    for (let s = 0; s < 60; s += 1) scene.report({ workers: [worker("W2")] }).later(1000);
    expect(scene.alerts.map((a) => [a.title, a.detail])).toEqual([
      ["Worker W1 is lost", "no report, 1 task orphaned"],
    ]);
  });

  it("of a source is one alert and not one of each of its workers", () => {
    const scene = new AlertScene().report({ workers: [worker("W1"), worker("W2")] }).later(61_000);
    expect(scene.alerts.map((a) => a.id)).toEqual(["source_lost:a"]);
    expect(scene.status.level).toBe("critical");
  });

  it("of who reported once and has no worker raises nothing", () => {
    const once = new AlertScene().report({ source: "a", tasks: [task("t", "queued")] });
    expect(once.later(300_000).alerts).toEqual([]);
    const twice = new AlertScene().report({ source: "a" }).later(1000).report({ source: "a" });
    expect(twice.later(61_000).alerts.map((a) => a.id)).toEqual(["source_lost:a"]);
  });

  it("that was announced raises nothing", () => {
    const scene = new AlertScene().report({ workers: [worker("W1", { status: "offline" }), worker("W2")] });
    for (let s = 0; s < 100; s += 1) scene.report({ workers: [worker("W2")] }).later(1000);
    expect(scene.alerts).toEqual([]);
    expect(scene.status).toEqual({ level: "healthy", reasons: [] });
  });
});

describe("a running task", () => {
  it("has stalled after the time set, and not before", () => {
    const patient = worker("W1", { interval_s: 86_400 });
    const scene = new AlertScene().report({
      interval_s: 86_400,
      workers: [patient],
      tasks: [task("t", "running", { worker_id: "W1" })],
    });
    scene.later(1_800_000);
    expect(scene.alerts).toEqual([]);
    scene.later(1);
    expect(scene.alerts.map((a) => [a.id, a.detail])).toEqual([
      ["task_stalled:t", "vision on W1, far longer than usual"],
    ]);
  });

  it("of many that have stalled is one of them: one alert says how many", () => {
    const tasks = (size: number) =>
      Array.from({ length: size }, (_, i) => task(`t${i}`, "running", { worker_id: `W${i % 2}` }));
    const stalled = (size: number) => {
      const workers = [worker("W0", { interval_s: 86_400 }), worker("W1", { interval_s: 86_400 })];
      return new AlertScene().report({ interval_s: 86_400, workers, tasks: tasks(size) }).later(1_800_001);
    };
    expect(stalled(3).alerts.map((a) => a.id)).toEqual([
      "task_stalled:t0",
      "task_stalled:t1",
      "task_stalled:t2",
    ]);
    expect(stalled(4).alerts.map((a) => [a.title, a.detail])).toEqual([
      ["4 tasks have stalled", "on 2 workers, far longer than usual; first of them t0"],
    ]);
    expect(stalled(4).status.reasons).toEqual(["4 tasks have stalled"]);
  });

  it("has stalled when it takes five times what is usual for its model, but never within a minute", () => {
    const scene = new AlertScene();
    for (let i = 0; i < 20; i += 1) {
      scene.report({ tasks: [task(`t${i}`, "running", { worker_id: "W1", model_id: "vit" })] }).later(20_000);
      scene.report({
        workers: [worker("W1")],
        tasks: [task(`t${i}`, "completed", { worker_id: "W1", model_id: "vit" })],
      });
    }
    scene.report({ tasks: [task("slow", "running", { worker_id: "W1", model_id: "vit" })] });
    const stalledAfter = (ms: number) => {
      for (let s = 0; s < ms / 1000; s += 1) scene.report({ workers: [worker("W1")] }).later(1000);
      return scene.alerts.map((a) => a.subject.id);
    };
    expect(stalledAfter(95_000)).toEqual([]);
    expect(stalledAfter(10_000)).toEqual(["slow"]);
  });
});

describe("the system's status", () => {
  it("is critical before anything reported, and says so", () => {
    expect(new AlertScene().status).toEqual({ level: "critical", reasons: ["no worker has reported yet"] });
  });

  it("is degraded when fewer than 80 % of the workers that should work are active", () => {
    const system = (active: number) =>
      new Map([
        ["total_workers", 10],
        ["active_workers", active],
        ["draining_workers", 0],
      ]);
    expect(systemStatus(system(8), []).level).toBe("healthy");
    expect(systemStatus(system(7), [])).toEqual({
      level: "degraded",
      reasons: ["only 7 of 10 workers are active"],
    });
    expect(systemStatus(system(0), []).level).toBe("critical");
  });
});
