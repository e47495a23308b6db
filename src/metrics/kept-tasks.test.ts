import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "./clock.ts";
import type { Pipeline } from "./pipeline.ts";
import { pipelineWith } from "./pipeline-fixture.ts";
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
  /** So many tasks end within one tick. */
  async function endMany(count: number, name: string): Promise<void> {
    const tasks = Array.from({ length: count }, (_, index) => ended(`${name}${index}`, 0));
    for (let from = 0; from < count; from += 1000) await accept(tasks.slice(from, from + 1000));
    pipeline.tick(clock.now());
  }

  const keptIds = () =>
    store
      .endedTasks({ from_ms: 0, to_ms: Number.POSITIVE_INFINITY, limit: 10_000 })
      .tasks.map(({ id }) => id);

  it("are all written, also those that are held no more at the end of their tick", async () => {
    await endMany(6000, "t");
    expect(pipeline.fleet.tasks.size).toBe(5000);
    expect(new Set(keptIds()).size).toBe(6000);
  });

  it("stay ended whatever is said of them late, as long as the store has them", async () => {
    for (const name of ["a", "b", "c", "d", "e", "f", "g"]) await endMany(10_000, name);
    await report([{ id: "a0", status: "running", worker_id: "W1" }]);
    expect(pipeline.fleet.live.has("a0")).toBe(false);
    expect(pipeline.read().task("a0")?.state).toBe("completed");
    await report([{ id: "a0", status: "running", worker_id: "W1", attempt: 2 }]);
    expect(pipeline.fleet.live.has("a0")).toBe(true);
  });
});

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
