import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "./clock.ts";
import type { Report, TaskStatus } from "./model.ts";
import type { Pipeline } from "./pipeline.ts";
import { pipelineWith } from "./pipeline-fixture.ts";
import { Fleet } from "./process/fleet.ts";
import type { MetricStore } from "./store/contract.ts";
import { openStore } from "./store/sqlite.ts";

const START_MS = Date.parse("2026-11-23T18:30:00Z");
const MINUTE_MS = 60_000;

let folder: string;
let store: MetricStore;
let clock: ManualClock;
let pipeline: Pipeline;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  clock = new ManualClock(START_MS);
  store = openStore(join(folder, "evenkeel.db"), { housekeeping: "inline" });
  pipeline = pipelineWith(store, clock);
});

afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

async function accept(tasks: object[]): Promise<void> {
  const workers = [{ id: "W1", metrics: { cpu_utilization: 20 } }];
  const body = JSON.stringify({ at: clock.now(), interval_s: 1, workers, tasks });
  await pipeline.collector.accept(new TextEncoder().encode(body), "json");
}

async function report(tasks: object[]): Promise<void> {
  await accept(tasks);
  pipeline.tick(clock.now());
}

/** A task that began and ended so many minutes after the start. */
function ended(id: string, minute: number, change: object = {}) {
  const at_ms = START_MS + minute * MINUTE_MS;
  const times = { queued_at: at_ms - 5000, started_at: at_ms - 4000, ended_at: at_ms };
  return { id, type: "text", status: "completed", worker_id: "W1", ...times, ...change };
}

function pass(minutes: number): void {
  for (let minute = 0; minute < minutes; minute += 1) {
    clock.advance(MINUTE_MS);
    pipeline.tick(clock.now());
  }
}

const runs = (from_ms = 0) =>
  pipeline
    .read()
    .runs(from_ms)
    .of("W1")
    .map(({ id }) => id);

describe("a task that ended long ago", () => {
  it("is told as it was last written, with every attempt", async () => {
    await report([ended("t", 0, { status: "failed", error: "out of memory" })]);
    await report([ended("t", 0, { attempt: 2 })]);
    pass(20);
    expect(pipeline.fleet.tasks.has("t")).toBe(false);
    const task = pipeline.read().task("t")!;
    expect(task).toMatchObject({ state: "completed", worker_id: "W1", attempt: 2 });
    expect(task.attempts().map(({ status, error }) => [status, error])).toEqual([
      ["failed", "out of memory"],
      ["completed", null],
    ]);
    expect(pipeline.read().matches("t")).toMatchObject({ available: 0, assigned: { worker_id: "W1" } });
    expect(pipeline.read().task("nobody")).toBeUndefined();
  });

  it("is what is said of it now once it is spoken of again", async () => {
    await report([ended("t", 0)]);
    pass(20);
    expect(pipeline.read().task("t")?.state).toBe("completed");
    await report([{ id: "t", status: "running", attempt: 2, worker_id: "W1" }]);
    expect(pipeline.read().task("t")?.state).toBe("running");
  });

  it("is told of a moment of the past too, where it had begun by then", async () => {
    await report([ended("t", 10)]);
    pass(20);
    const state = async (minute: number) =>
      (await pipeline.readAt(START_MS + minute * MINUTE_MS)).task("t")?.state;
    expect([await state(1), await state(11)]).toEqual([undefined, "completed"]);
  });
});

describe("very many tasks that end", () => {
  const keptIds = () =>
    store
      .endedTasks({ from_ms: 0, to_ms: Number.POSITIVE_INFINITY, limit: 10_000 })
      .tasks.map(({ id }) => id);

  it("are all written, also those that are held no more at the end of their tick", async () => {
    const tasks = Array.from({ length: 6000 }, (_, index) => ended(`t${index}`, 0));
    for (let from = 0; from < tasks.length; from += 1000) await accept(tasks.slice(from, from + 1000));
    pipeline.tick(clock.now());
    expect(pipeline.fleet.tasks.size).toBe(5000);
    expect(new Set(keptIds()).size).toBe(6000);
  });

  it("stay ended whatever is said of them late: beyond what is held the store is asked", () => {
    const written = new Map<string, { attempt: number; ended_at_ms: number }>();
    const limits = { worker_ttl_ms: 3_600_000, task_ttl_ms: 86_400_000, grace_ms: 900_000 };
    const fleet = new Fleet(limits, START_MS, (id) => written.get(id));
    // The first quarter of an hour is over, in which it is asked in any case.
    clock.advance(20 * MINUTE_MS);
    const say = (ids: readonly string[], status: "running" | "completed", attempt = 1) => {
      fleet.apply(reportOf(clock.now(), ids, status, attempt));
      fleet.advance(clock.now());
      for (const { id, ended_at_ms } of fleet.takeChanges().tasks)
        if (ended_at_ms !== null) written.set(id, { attempt, ended_at_ms });
    };
    say(["unknown"], "running");
    say(
      Array.from({ length: 70_000 }, (_, index) => `t${index}`),
      "completed",
    );
    expect(written.size).toBe(70_000);
    say(["t0", "t69999", "t30000"], "running");
    expect([...fleet.live.keys()]).toEqual(["unknown"]);
    say(["t0"], "running", 2);
    expect([...fleet.live.keys()]).toEqual(["unknown", "t0"]);
  });
});

/** What says of tasks that they are in a state, in which they came just then. */
function reportOf(at_ms: number, ids: readonly string[], status: TaskStatus, attempt: number): Report {
  const nothing = {
    model_family: undefined,
    model_id: undefined,
    modality: undefined,
    requirements: undefined,
  };
  const times = status === "completed" ? { ended: at_ms } : { started: at_ms };
  return {
    at_ms,
    received_ms: at_ms,
    source: "S",
    interval_s: 1,
    complete: false,
    system: {},
    workers: [],
    tasks: ids.map((id) => ({
      ...nothing,
      id,
      type: "text",
      priority: undefined,
      metrics: {},
      transitions: [{ attempt, status, times, worker_id: "W1", progress: undefined, error: undefined }],
    })),
  };
}

describe("what ran until lately", () => {
  it("is read back after a restart, when it is asked for", async () => {
    const tasks = Array.from({ length: 1500 }, (_, index) => ended(`t${index}`, index / 100));
    await report(tasks.slice(0, 750));
    await report(tasks.slice(750));
    pass(16);
    pipeline = pipelineWith(store, clock);
    expect(pipeline.fleet.runs.of("W1")).toHaveLength(1000);
    expect(pipeline.fleet.runs.complete_from_ms).toBe(START_MS + 5 * MINUTE_MS);
    expect(runs(START_MS)).toHaveLength(1500);
    expect(pipeline.read().runs(START_MS).complete_from_ms).toBeLessThanOrEqual(START_MS);
    expect(runs()[0]).toBe("t0");
  });

  it("is told of a moment of the past", async () => {
    await report([ended("a", 1), ended("b", 2), ended("c", 3)]);
    pass(5);
    const past = await pipeline.readAt(START_MS + 2 * MINUTE_MS);
    expect(
      past
        .runs(START_MS + 1.5 * MINUTE_MS)
        .of("W1")
        .map(({ id }) => id),
    ).toEqual(["b"]);
    expect(
      past
        .runs(START_MS)
        .of("W1")
        .map(({ id }) => id),
    ).toEqual(["a", "b"]);
    expect(past.waiting(past.task("a")!)).toBeNull();
  });
});
