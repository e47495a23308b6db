import { describe, expect, it } from "vitest";
import type { Requirements } from "../../model.ts";
import { createDemo } from "./demo.ts";
import { createFleet } from "./fleet.ts";
import { MODELS } from "./models.ts";
import type { DemoTaskEntry } from "./report.ts";
import { createRng } from "./rng.ts";
import { matchOf, meets, Scheduler } from "./scheduler.ts";

const START_MS = Date.UTC(2026, 10, 23, 18);

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
      // One that other machines serve too waits in a line of its own for each.
      const same = firsts.filter(
        ({ model_id, requirements }) =>
          model_id === model.id && requirements!.backends![0] === model.requirements.backends![0],
      );
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
