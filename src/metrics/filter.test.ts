import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ManualClock } from "./clock.ts";
import { pipelineWith } from "./pipeline-fixture.ts";
import type { Filters, Read } from "./read.ts";
import type { MetricStore } from "./store/contract.ts";
import { openStore } from "./store/sqlite.ts";

const START_MS = Date.parse("2026-11-23T18:30:00Z");
const WORKERS = [
  { id: "gpu-1", type: "gpu", hostname: "lab-a", tags: ["cuda"], metrics: { cpu_utilization: 99 } },
  { id: "gpu-2", type: "gpu", hostname: "lab-b", metrics: { cpu_utilization: 20 } },
  { id: "cpu-1", type: "cpu", hostname: "lab-a", metrics: { cpu_utilization: 40 } },
];
const FAMILIES = ["bert", "ViT"];
const TASKS = Array.from({ length: 24 }, (_, i) => {
  const status = (["queued", "assigned", "running", "completed"] as const)[i % 4]!;
  return {
    id: `t${i}`,
    type: i % 3 === 0 ? "vision" : "text",
    model_family: FAMILIES[i % 2]!,
    model_id: `${FAMILIES[i % 2]}-${i % 5}`,
    status,
    queued_at: START_MS - 60_000 + i * 1000,
    ...(status === "queued" ? {} : { worker_id: WORKERS[i % 3]!.id, assigned_at: START_MS - 20_000 }),
    ...(status === "running" || status === "completed" ? { started_at: START_MS - 10_000 } : {}),
    ...(status === "completed" ? { ended_at: START_MS - 1000 } : {}),
  };
});

let folder: string;
let store: MetricStore;
let now: Read;
let past: Read;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  const clock = new ManualClock(START_MS);
  store = openStore(join(folder, "evenkeel.db"));
  const pipeline = pipelineWith(store, clock);
  for (let second = 0; second < 6; second += 1) {
    clock.advance(1000);
    const report = { at: clock.now(), interval_s: 1, workers: WORKERS, tasks: second === 0 ? TASKS : [] };
    await pipeline.collector.accept(new TextEncoder().encode(JSON.stringify(report)), "json");
    pipeline.tick(clock.now());
  }
  now = pipeline.read();
  past = await pipeline.readAt(clock.now());
});

afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const ids = (read: Read) => read.workers().map(({ id }) => id);

it("leaves the runs of the tasks that match", () => {
  const told = (read: Read) =>
    read
      .runs(START_MS)
      .of("cpu-1")
      .map(({ id }) => id);
  expect(told(now).length).toBeGreaterThan(1);
  const text = told(now.filtered({ task_type: "text" }));
  expect(text).toEqual(told(now).filter((id) => now.task(id)!.type === "text"));
  expect(told(now.filtered({ worker_type: "gpu" }))).toEqual([]);
});

it("is the whole fleet where nothing is left out", () => {
  for (const read of [now, past]) {
    expect(read.filtered({})).toBe(read);
    expect(read.filtered({ q: "gpu", task_type: undefined }).filtered({})).toBe(read);
  }
});

describe("a part of the fleet", () => {
  it("has the workers of a type with what they run: what waits has no worker yet, and is not counted", () => {
    const part = now.filtered({ worker_type: "gpu" });
    expect(ids(part)).toEqual(["gpu-1", "gpu-2"]);
    expect(part.system.get("total_workers")).toBe(2);
    expect(part.system.get("cpu_utilization_mean")).toBe(59.5);
    expect(part.tasks_by_state).toMatchObject({ queued: null, assigned: 4, running: 4, completed: null });
    expect([part.queue, part.oldestQueued()]).toEqual([null, undefined]);
    expect([part.system.has("queued_tasks"), part.system.has("oldest_queued_s")]).toEqual([false, false]);
    expect(part.system.has("throughput_per_minute")).toBe(false);
    expect(part.alerts.map(({ id }) => id)).toEqual(["worker_overload:gpu-1"]);
    expect(now.filtered({ worker_type: "cpu" }).alerts).toEqual([]);
    expect(part.ended_by_type).toBeNull();
  });

  it("has of a task type what is kept of it: rates, durations, ended ones, history", () => {
    const part = now.filtered({ task_type: "vision" });
    expect(part.tasks_by_state).toMatchObject({ queued: 2, running: 2, completed: 2, failed: 0 });
    expect([...(part.ended_by_type ?? [])]).toEqual([["vision", { completed: 2, failed: 0 }]]);
    expect(part.system.get("throughput_per_minute")).toBe(2);
    expect(part.recent_cut).toEqual({ cut: "task_type", name: "vision" });
    expect(part.recent("running_tasks", 5, 1).mean.at(-1)).toBe(2);
    expect(part.workers().reduce((sum, { running_tasks }) => sum + running_tasks, 0)).toBe(2);
  });

  it("has what ended by model, of whichever parts, and not by text", () => {
    const sum = (part: Read) =>
      part.endedByModel()?.ends.reduce((total, { completed }) => total + completed, 0) ?? null;
    expect(sum(now)).toBe(6);
    expect(sum(now.filtered({ task_type: "vision" }))).toBe(2);
    expect(sum(now.filtered({ task_type: "vision", worker_type: "gpu" }))).toBe(2);
    expect(sum(now.filtered({ model_family: "bert" }))).toBe(0);
    expect(sum(now.filtered({ q: "vit" }))).toBeNull();
    expect(sum(past)).toBeNull();
  });

  it("is found by text in any case: a worker by its host or tag, a task by its model", () => {
    expect(ids(now.filtered({ q: "CUDA" }))).toEqual(["gpu-1"]);
    expect(ids(now.filtered({ q: "lab-A" }))).toEqual(["gpu-1", "cpu-1"]);
    const part = now.filtered({ q: "vit" });
    expect(new Set([...part.tasks()].map(({ model_family }) => model_family))).toEqual(new Set(["ViT"]));
    expect(part.recent_cut).toBeNull();
    expect(part.recent("total_workers", 5, 1)).toEqual(now.recent("total_workers", 5, 1));
  });

  it("that nothing is in is empty, and not critical", () => {
    const part = now.filtered({ worker_type: "tpu", q: "nobody" });
    expect([ids(part), [...part.tasks()]]).toEqual([[], []]);
    expect(part.status).toEqual({ level: "healthy", reasons: ["no worker matches the filter"] });
  });

  it("never has what does not match, has all that does, and is the same of the past", () => {
    const filters = fc.record(
      {
        worker_type: fc.constantFrom("gpu", "cpu", "tpu"),
        task_type: fc.constantFrom("vision", "text", "audio"),
        model_family: fc.constantFrom("bert", "ViT"),
        q: fc.constantFrom("gpu", "LAB-B", "t1", "bert-3", "x"),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(filters, (given: Filters) => {
        const part = now.filtered(given);
        const shown = new Set([...part.tasks()].map(({ id }) => id));
        for (const task of now.tasks()) {
          const worker = task.worker_id === null ? undefined : now.worker(task.worker_id);
          const texts = [task.id, task.model_id, task.type, task.model_family, worker?.id, worker?.hostname];
          const matches =
            (given.task_type ?? task.type) === task.type &&
            (given.model_family ?? task.model_family) === task.model_family &&
            (given.worker_type === undefined || given.worker_type === worker?.type) &&
            (given.q === undefined ||
              [...texts, worker?.type, ...(worker?.tags ?? [])].some((text) =>
                text?.toLowerCase().includes(given.q!.toLowerCase()),
              ));
          expect(shown.has(task.id)).toBe(matches);
        }
        for (const worker of part.workers()) {
          expect(given.worker_type ?? worker.type).toBe(worker.type);
          const running = [...part.tasks()].filter((t) => t.worker_id === worker.id && t.state === "running");
          if (given.task_type || given.model_family || given.q)
            expect(worker.running_tasks).toBe(running.length);
        }
        const then = past.filtered(given);
        expect(ids(then)).toEqual(ids(part));
        expect([then.status, then.queue, then.oldestQueued()?.id]).toEqual([
          part.status,
          part.queue,
          part.oldestQueued()?.id,
        ]);
        expect(Object.fromEntries(then.system)).toEqual(Object.fromEntries(part.system));
      }),
    );
  });
});
