import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Requirements } from "../../model.ts";
import { createDemo } from "./demo.ts";
import { createFleet } from "./fleet.ts";
import { MODELS } from "./models.ts";
import { WaitingRoom } from "./queue.ts";
import type { DemoTaskEntry } from "./report.ts";
import { createRng } from "./rng.ts";
import { matchOf, meets, Scheduler } from "./scheduler.ts";
import type { DemoTask } from "./state.ts";

const START_MS = Date.UTC(2026, 10, 23, 18);

function waiting(order: number, priority: number, model: number, queued_at_ms: number): DemoTask {
  return { order, priority, model: MODELS[model]!, queued_at_ms, status: "queued" } as DemoTask;
}

const anyQueue = fc.array(
  fc.record({
    priority: fc.integer({ min: 1, max: 4 }),
    model: fc.integer({ min: 0, max: MODELS.length - 1 }),
    waited_ms: fc.integer({ min: 0, max: 5000 }),
  }),
  { maxLength: 200 },
);

describe("the waiting room", () => {
  it("serves the most urgent first, and among equals who waits longest", () => {
    fc.assert(
      fc.property(anyQueue, (entries) => {
        const room = new WaitingRoom();
        const arrivals = entries.toSorted((a, b) => b.waited_ms - a.waited_ms);
        for (const [order, entry] of arrivals.entries()) {
          room.add(waiting(order, entry.priority, entry.model, 10_000 - entry.waited_ms));
        }
        const served: DemoTask[] = [];
        room.serve((task) => served.push(task) > 0);
        expect(served).toHaveLength(entries.length);
        expect(served).toEqual(served.toSorted((a, b) => a.priority - b.priority || a.order - b.order));
      }),
    );
  });

  it("passes over a model that nobody has room for, and no other", () => {
    fc.assert(
      fc.property(anyQueue, fc.integer({ min: 0, max: MODELS.length - 1 }), (entries, full) => {
        const room = new WaitingRoom();
        for (const [order, entry] of entries.entries())
          room.add(waiting(order, entry.priority, entry.model, order));
        let asked = 0;
        const served: number[] = [];
        room.serve((task) => {
          if (task.model.index === full) asked++;
          else served.push(task.model.index);
          return task.model.index !== full;
        });
        expect(served).toHaveLength(entries.filter((entry) => entry.model !== full).length);
        expect(asked).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("forgets those that left while they waited", () => {
    const room = new WaitingRoom();
    const left = waiting(0, 1, 0, 0);
    const stayed = waiting(1, 1, 0, 1);
    room.add(left);
    room.add(stayed);
    left.status = "cancelled";
    const served: DemoTask[] = [];
    room.serve((task) => served.push(task) > 0);
    expect(served).toEqual([stayed]);
  });
});

describe("the scheduler", () => {
  const fleet = createFleet(15, 80);

  it("takes a worker that meets every requirement, or none", () => {
    const scheduler = new Scheduler(fleet, createRng(1));
    for (const model of MODELS) {
      const worker = scheduler.choose(model, 3);
      expect(worker === null || meets(worker.hardware, model.requirements)).toBe(true);
    }
  });

  it("sees a missing backend, tag or memory as a requirement that is not met", () => {
    const t4 = fleet[0]!.hardware;
    expect(meets(t4, {})).toBe(true);
    expect(meets(t4, { backends: ["cuda"], tags: ["vision"], memory_bytes: t4.memory_bytes })).toBe(true);
    expect(meets(t4, { backends: ["xla"] })).toBe(false);
    expect(meets(t4, { tags: ["large-memory"] })).toBe(false);
    expect(meets(t4, { memory_bytes: t4.memory_bytes + 1 })).toBe(false);
  });

  it("prefers the idle one of two like workers", () => {
    const [idle, busy] = createFleet(30, 160).filter((w) => w.hardware === fleet[0]!.hardware);
    busy!.usage.load = 80;
    expect(matchOf(idle!, "vision")).toBeGreaterThan(matchOf(busy!, "vision"));
  });

  it("never breaks a requirement, in a whole cycle with all its faults", () => {
    const reports = createDemo({ seed: 3, start_ms: START_MS }).reportsUntil(START_MS + 720_000);
    const offers = new Map(reports[0]!.workers.map((worker) => [worker.id, worker]));
    const asked = new Map<string, Requirements>();
    let checked = 0;
    for (const task of reports.flatMap((report) => report.tasks)) {
      if (task.requirements) asked.set(task.id, task.requirements);
      if (!task.worker_id) continue;
      const { backends = [], tags = [], memory_bytes = 0 } = asked.get(task.id)!;
      const { capabilities, tags: offered = [] } = offers.get(task.worker_id)!;
      expect(capabilities!.backends).toEqual(expect.arrayContaining(backends));
      expect(offered).toEqual(expect.arrayContaining(tags));
      expect(capabilities!.memory_bytes).toBeGreaterThanOrEqual(memory_bytes);
      checked++;
    }
    expect(checked).toBeGreaterThan(1000);
  });

  it("never lets a task go before a more urgent one of the same model that waits", () => {
    const reports = createDemo({ seed: 3, start_ms: START_MS }).reportsUntil(START_MS + 720_000);
    const tasks = new Map<string, DemoTaskEntry>();
    for (const entry of reports.slice(1).flatMap((report) => report.tasks)) {
      tasks.set(entry.id, { ...tasks.get(entry.id), ...entry });
    }
    const firsts = [...tasks.values()].filter(
      (t) => t.attempt === undefined && t.model_id && t.status === "completed",
    );
    let overtaken = 0;
    for (const model of MODELS) {
      const same = firsts.filter((task) => task.model_id === model.id);
      for (const task of same) {
        overtaken += same.filter(
          (urgent) =>
            urgent.priority! < task.priority! &&
            urgent.queued_at! < task.assigned_at! &&
            urgent.assigned_at! > task.assigned_at!,
        ).length;
      }
    }
    expect(overtaken).toBe(0);
  });
});
