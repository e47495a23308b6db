import { describe, expect, it } from "vitest";
import { createDemo } from "./demo.ts";
import { CYCLE_MS, createFaultScript, FAULT_KINDS, type FaultKind } from "./faults.ts";
import type { DemoReport } from "./report.ts";

const START_MS = Date.UTC(2026, 10, 23, 18);
const SECONDS = CYCLE_MS / 1000;

const demo = createDemo({ seed: 7, start_ms: START_MS });
const seen: { report: DemoReport; task_id: string | null }[] = [];
for (let second = 0; second <= SECONDS; second++) {
  const [report] = demo.reportsUntil(START_MS + second * 1000);
  const task_id = demo.faultsAt(report!.at).find((fault) => fault.task_id !== null)?.task_id ?? null;
  seen.push({ report: report!, task_id });
}
const script = createFaultScript(
  7,
  START_MS,
  seen[0]!.report.workers.filter((worker) => worker.type === "gpu").map((worker) => worker.id),
);
const faults = script.cycle(0);

function during(kind: FaultKind) {
  const fault = faults.find((other) => other.kind === kind)!;
  return {
    ...fault,
    seen: seen.filter(({ report }) => fault.from_ms <= report.at && report.at < fault.until_ms),
  };
}

describe("the script of faults", () => {
  it("is what the demo says of itself, past and future", () => {
    for (const at_ms of [START_MS + 30_000, START_MS + 200_000, START_MS + 10 * CYCLE_MS + 30_000]) {
      expect(demo.faultsAt(at_ms)).toMatchObject(script.at(at_ms));
      expect(script.at(at_ms)).not.toEqual([]);
    }
  });

  it("is calm about half of the time, and never for long", () => {
    const calm = Array.from(
      { length: 2 * SECONDS },
      (_, second) => script.at(START_MS + second * 1000).length === 0,
    );
    const share = calm.filter((quiet) => quiet).length / calm.length;
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(0.6);
    const spells = calm
      .map((quiet) => (quiet ? "." : "#"))
      .join("")
      .split(/#+/);
    expect(Math.max(...spells.map((spell) => spell.length))).toBeLessThan(100);
  });

  it("has every kind in each cycle, on other workers from cycle to cycle", () => {
    const kinds = (number: number) => new Set(script.cycle(number).map((fault) => fault.kind));
    expect(kinds(0)).toEqual(new Set(FAULT_KINDS));
    expect(kinds(5)).toEqual(new Set(FAULT_KINDS));
    const struck = [0, 1, 2, 3, 4].map((number) => script.cycle(number)[0]!.worker_id);
    expect(new Set(struck).size).toBeGreaterThan(1);
  });

  it("has nothing to say before the start", () => {
    expect(script.at(START_MS - 1)).toEqual([]);
  });
});

describe("what the reports show of a fault", () => {
  it("an overloaded worker is above 95 % CPU throughout", () => {
    const { worker_id, seen } = during("overload");
    const cpu = seen.map(
      ({ report }) => report.workers.find((w) => w.id === worker_id)!.metrics.cpu_utilization!,
    );
    expect(Math.min(...cpu)).toBeGreaterThan(95);
    expect(Math.max(...cpu)).toBeLessThanOrEqual(100);
  });

  it("a dead worker is silent, and comes back as one that was restarted", () => {
    const { worker_id, until_ms, seen: silent } = during("death");
    expect(silent.some(({ report }) => report.workers.some((w) => w.id === worker_id))).toBe(false);
    const back = seen.find(({ report }) => report.at === until_ms)!.report;
    expect(back.workers.find((w) => w.id === worker_id)).toMatchObject({
      status: "active",
      capabilities: { backends: ["cpu", "cuda"] },
      metrics: { completed_tasks: 0, active_tasks: 0 },
    });
  });

  it("the tasks of a dead worker run again elsewhere", () => {
    const { worker_id, from_ms, seen: silent } = during("death");
    const held = new Map<string, string>();
    for (const { report } of seen.filter(({ report }) => report.at <= from_ms)) {
      for (const task of report.tasks) {
        if (task.worker_id) held.set(task.id, task.worker_id);
        if (["completed", "failed", "cancelled"].includes(task.status ?? "")) held.delete(task.id);
      }
    }
    const lost = [...held].filter(([, worker]) => worker === worker_id).map(([id]) => id);
    expect(lost.length).toBeGreaterThan(0);
    const later = silent.flatMap(({ report }) => report.tasks).filter((task) => lost.includes(task.id));
    const again = later.filter((task) => task.attempt === 2 && task.worker_id);
    expect(new Set(again.map((task) => task.id))).toEqual(new Set(lost));
    expect(again.some((task) => task.worker_id === worker_id)).toBe(false);
  });

  it("a stalled task makes no progress far beyond its usual time, until the watchdog kills it", () => {
    const { until_ms, seen: stalled } = during("stall");
    const id = stalled.at(-1)!.task_id!;
    const told = stalled.filter(({ task_id }) => task_id === id).slice(6);
    expect(told.length).toBeGreaterThan(60);
    expect(told.flatMap(({ report }) => report.tasks).filter((task) => task.id === id)).toEqual([]);
    const end = seen
      .find(({ report }) => report.at === until_ms)!
      .report.tasks.find((task) => task.id === id);
    expect(end).toMatchObject({ status: "failed", error: expect.stringMatching(/no progress for \d+ s$/) });
  });

  it("a draining worker says so, finishes what it has and gets nothing new", () => {
    const { worker_id, from_ms, until_ms, seen: draining } = during("drain");
    const statuses = seen.flatMap(({ report }) =>
      report.workers.filter((w) => w.id === worker_id && w.status).map((w) => [report.at, w.status]),
    );
    expect(statuses).toEqual([
      [START_MS, "active"],
      [from_ms, "draining"],
      [until_ms, "active"],
    ]);
    const assigned = draining.flatMap(({ report }) =>
      report.tasks.filter((task) => task.worker_id === worker_id && task.assigned_at! > from_ms),
    );
    expect(assigned).toEqual([]);
  });

  it("a slow model takes about four times as long", () => {
    const { model_id, from_ms, until_ms } = during("slow_model");
    const later = demo.reportsUntil(START_MS + CYCLE_MS + 300_000);
    const tasks = new Map<
      string,
      { model_id?: string; started_at?: number; ended_at?: number; attempt?: number }
    >();
    for (const report of [...seen.map((one) => one.report), ...later]) {
      for (const entry of report.tasks) tasks.set(entry.id, { ...tasks.get(entry.id), ...entry });
    }
    const mean_s = (wanted: (started_at: number) => boolean) => {
      const times = [...tasks.values()]
        .filter(
          (task) => task.model_id === model_id && task.attempt === undefined && task.ended_at !== undefined,
        )
        .filter((task) => task.started_at !== undefined && wanted(task.started_at))
        .map((task) => (task.ended_at! - task.started_at!) / 1000);
      return times.reduce((sum, time_s) => sum + time_s, 0) / times.length;
    };
    const usual_s = mean_s((started_at) => started_at < from_ms);
    const slow_s = mean_s((started_at) => started_at >= from_ms && started_at < until_ms);
    expect(slow_s / usual_s).toBeGreaterThan(3);
    expect(slow_s / usual_s).toBeLessThan(5.5);
  });
});
