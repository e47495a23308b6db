import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "./clock.ts";
import type { Pipeline } from "./pipeline.ts";
import { pipelineWith } from "./pipeline-fixture.ts";
import { finish } from "./process/steps.ts";
import { checkDatabase } from "./store/check.ts";
import { NOTHING } from "./store/conformance.ts";
import type { MetricStore, TickBatch } from "./store/contract.ts";
import { openStore } from "./store/sqlite.ts";

const START_MS = Date.parse("2026-11-23T18:24:16Z");

let folder: string;
let clock: ManualClock;
const open: MetricStore[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  clock = new ManualClock(START_MS);
});

afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
  rmSync(folder, { recursive: true });
});

function storeOnDisk(): MetricStore {
  const store = openStore(join(folder, "evenkeel.db"), { retention_ms: 7 * 86_400_000 });
  open.push(store);
  return store;
}

function pipelineOn(store: MetricStore): Pipeline {
  return pipelineWith(store, clock);
}

async function report(pipeline: Pipeline, value: object) {
  return pipeline.collector.accept(new TextEncoder().encode(JSON.stringify(value)), "json");
}

function tick(pipeline: Pipeline): void {
  clock.advance(1000);
  pipeline.tick(clock.now());
}

const worker = {
  id: "W1",
  type: "gpu",
  tags: ["cuda"],
  capabilities: { cpu_cores: 16 },
  metrics: { cpu_utilization: 42.5, fan_speed: 1.25 },
};
const tasks = [
  {
    id: "t1",
    type: "vision",
    status: "running",
    worker_id: "W1",
    queued_at: START_MS - 5000,
    started_at: START_MS - 3000,
  },
  { id: "t2", type: "text", status: "queued", priority: 1, queued_at: START_MS - 9000 },
  {
    id: "t3",
    type: "text",
    status: "completed",
    queued_at: START_MS - 9000,
    started_at: START_MS - 8000,
    ended_at: START_MS - 1000,
  },
];

describe("a tick", () => {
  it("shows what was reported before it, and nothing changes between ticks", async () => {
    const pipeline = pipelineOn(storeOnDisk());
    const before = pipeline.read();
    await report(pipeline, { workers: [worker], tasks });
    expect(pipeline.read()).toBe(before);
    tick(pipeline);
    const read = pipeline.read();
    expect(read.tick).toBe(before.tick + 1);
    expect(read.tasks_by_state).toMatchObject({ queued: 1, running: 1, completed: 1, failed: 0 });
    expect(read.system.get("total_workers")).toBe(1);
    expect(read.system.get("queue_time_mean_s")).toBe(1.5);
    expect(read.system.get("total_time_mean_s")).toBe(8);
    expect(read.system.get("throughput_per_minute")).toBe(1);
    expect(read.queue).toEqual([{ priority: 1, type: "text", queued: 1 }]);
    expect(read.oldestQueued()?.id).toBe("t2");
    expect(read.system.get("oldest_queued_s")).toBe(10);
    expect(read.system.has("gpu_utilization_mean")).toBe(false);
    await report(pipeline, { tasks: [{ id: "t4", type: "text", status: "queued", priority: 1 }] });
    tick(pipeline);
    expect(read.queue).toEqual([{ priority: 1, type: "text", queued: 1 }]);
    expect(pipeline.read().queue).toEqual([{ priority: 1, type: "text", queued: 2 }]);
    expect(read.scores("W1")?.health.score).toBe(100);
    expect(read.scores("W9")).toBeUndefined();
    expect(read.matches("t2")?.best.map(({ worker_id }) => worker_id)).toEqual(["W1"]);
    expect(read.matches("t9")).toBeUndefined();
  });

  it("puts the workers in trouble first and numbers in their order", async () => {
    const pipeline = pipelineOn(storeOnDisk());
    const busy = { id: "W3", metrics: { cpu_utilization: 99 } };
    for (let s = 0; s < 5; s += 1) {
      await report(pipeline, { interval_s: 1, workers: [{ id: "W10" }, { id: "W2" }, busy] });
      tick(pipeline);
    }
    expect(
      pipeline
        .read()
        .workers()
        .map((w) => w.id),
    ).toEqual(["W3", "W2", "W10"]);
  });
});

it("counts as failed what was not taken up again, by state, in the ratio and by model alike", async () => {
  const pipeline = pipelineOn(storeOnDisk());
  const figures = () => {
    const { tasks_by_state, system, ended_by_type, endedByModel } = pipeline.read();
    const [failed, ratio] = [system.get("failed_tasks"), system.get("success_ratio")];
    const by_model = endedByModel()!.ends.reduce((sum, ends) => sum + ends.failed, 0);
    return [tasks_by_state.failed, failed, ended_by_type!.get("text")?.failed, by_model, ratio];
  };
  const one = { id: "t1", type: "text", model_id: "bert-base", status: "failed" };
  await report(pipeline, { tasks: [one, { ...one, id: "t2", status: "completed" }] });
  tick(pipeline);
  expect(figures()).toEqual([1, 1, 1, 1, 0.5]);
  await report(pipeline, { tasks: [{ id: "t1", status: "queued", attempt: 2 }] });
  tick(pipeline);
  expect(figures()).toEqual([0, 0, 0, 0, 1]);
  await report(pipeline, { tasks: [{ id: "t1", status: "failed", attempt: 2 }] });
  tick(pipeline);
  expect(figures()).toEqual([1, 1, 1, 1, 0.5]);
});

describe("how Evenkeel itself is doing", () => {
  it("tells the first sample's time, and after a restart the same", async () => {
    const store = storeOnDisk();
    const pipeline = pipelineOn(store);
    expect(pipeline.read().self.store_oldest_ms).toBeNull();
    tick(pipeline);
    tick(pipeline);
    const first_ms = START_MS + 1000;
    const kept = { store_oldest_ms: first_ms, store_full_from_ms: first_ms };
    expect(pipeline.read().self).toMatchObject(kept);
    tick(pipeline);
    await store.close();
    open.length = 0;
    expect(pipelineOn(storeOnDisk()).read().self).toMatchObject(kept);
  });

  it("counts no tick and no report that was simulated", async () => {
    const pipeline = pipelineOn(storeOnDisk());
    for (let s = 0; s < 20; s += 1) {
      await report(pipeline, { workers: [worker], colour: "red" });
      tick(pipeline);
    }
    expect(pipeline.read().self).toMatchObject({ ticks: 20, reports_accepted: 20, unknown_fields: 20 });
    pipeline.countFromHere();
    await report(pipeline, { workers: [worker] });
    tick(pipeline);
    expect(pipeline.read().self).toMatchObject({
      ticks: 1,
      reports_accepted: 1,
      unknown_fields: 0,
      unknown_field_names: [],
    });
    expect(pipeline.read().tick).toBe(21);
  });
});

describe("a restart", () => {
  it("shows the same fleet at once, down to the last tick", async () => {
    const store = storeOnDisk();
    const pipeline = pipelineOn(store);
    for (let s = 0; s < 20; s += 1) {
      await report(pipeline, { workers: [worker], tasks });
      tick(pipeline);
    }
    const before = pipeline.read();
    await store.close();
    open.length = 0;
    const after = pipelineOn(storeOnDisk()).read();
    expect(after.worker("W1")).toMatchObject({
      type: "gpu",
      tags: ["cuda"],
      capabilities: { cpu_cores: 16 },
      running_tasks: 1,
    });
    expect(Object.fromEntries(after.worker("W1")!.metrics)).toEqual({
      cpu_utilization: 42.5,
      fan_speed: 1.25,
      health: 100,
    });
    expect(after.tasks_by_state).toEqual(before.tasks_by_state);
    expect(after.system.get("throughput_per_minute")).toBe(before.system.get("throughput_per_minute"));
    expect(after.system.get("queue_time_p95_s")).toBe(before.system.get("queue_time_p95_s"));
    const recent = (read: typeof after) => read.recent("running_tasks", 1, 5).mean.filter((v) => v !== null);
    expect(recent(after)).toEqual([1, 1, 1, 1]);
    expect(after.task("t1")).toMatchObject({ state: "running", started_at_ms: START_MS - 3000 });
  });

  it("goes on with what became of each worker's tasks", async () => {
    const store = storeOnDisk();
    const pipeline = pipelineOn(store);
    const ended = (second: number, status: "completed" | "failed") => {
      const ended_at = clock.now();
      const model = { model_id: "vit-base", model_family: "vit", type: "vision" };
      return { id: `t${second}`, ...model, status, worker_id: "W1", started_at: ended_at - 4000, ended_at };
    };
    // Long enough for the record to be kept, and for tasks to end after that.
    for (let s = 0; s < 700; s += 1) {
      await report(pipeline, { workers: [worker], tasks: [ended(s, s % 4 === 0 ? "failed" : "completed")] });
      tick(pipeline);
    }
    const before = pipeline.read();
    await store.close();
    open.length = 0;
    const after = pipelineOn(storeOnDisk()).read();
    expect(after.scores("W1")).toEqual({ ...before.scores("W1"), health: after.scores("W1")!.health });
    expect(after.scores("W1")).toMatchObject({
      last_hour: { tasks: 700, completed: 525 },
      last_tasks: { tasks: 50, mean_duration_s: 4 },
      compatibility: { vision: { observed: { tasks: 700 } } },
    });
    expect(after.worker("W1")!.metrics.get("health")).toBe(before.worker("W1")!.metrics.get("health"));
    expect(after.endedByModel()).toEqual(before.endedByModel());
    expect(after.endedByModel()!.ends).toMatchObject([{ worker_type: "gpu", completed: 525, failed: 175 }]);
  });

  it("stands on the charts as a mark, beside what others set", async () => {
    const store = storeOnDisk();
    const pipeline = pipelineOn(store);
    tick(pipeline);
    pipeline.mark({ at_ms: clock.now(), kind: "deploy", text: "2.4" });
    tick(pipeline);
    await store.close();
    open.length = 0;
    const after = pipelineOn(storeOnDisk());
    tick(after);
    const kinds = after
      .read()
      .marks(START_MS - 1, clock.now() + 1)
      .map((mark) => mark.kind);
    expect(kinds).toEqual(["restart", "deploy", "restart"]);
  });

  it("takes so many marks a tick and no more", () => {
    const pipeline = pipelineOn(storeOnDisk());
    const mark = (i: number) => pipeline.mark({ at_ms: START_MS + i, kind: "note", text: "x" });
    for (let i = 1; i < 1000; i += 1) mark(i);
    expect(() => mark(1000)).toThrow(/At most 1000 marks may wait/);
    tick(pipeline);
    mark(1000);
  });

  it("judges a source's silence by the interval that it had stated", async () => {
    const store = storeOnDisk();
    const pipeline = pipelineOn(store);
    await report(pipeline, { source: "slow", interval_s: 60, workers: [{ id: "W1" }] });
    tick(pipeline);
    await store.close();
    open.length = 0;
    const after = pipelineOn(storeOnDisk());
    tick(after);
    expect(after.read().sources).toMatchObject([{ id: "slow", interval_ms: 60_000, presence: "fresh" }]);
    for (let second = 0; second < 150; second += 1) tick(after);
    expect(after.read().sources).toMatchObject([{ presence: "fresh" }]);
    for (let second = 0; second < 200; second += 1) tick(after);
    expect(after.read().sources).toMatchObject([{ presence: "lost" }]);
  });

  it("takes no late report of a task that had ended, however many ended since", async () => {
    const store = storeOnDisk();
    const pipeline = pipelineOn(store);
    const ended_at = new Date(START_MS).toISOString();
    const ended = Array.from({ length: 1002 }, (_, i) => ({
      id: `e${i}`,
      status: "completed",
      // The first to end is the last that would be read back.
      ended_at: i === 0 ? new Date(START_MS - 60_000).toISOString() : ended_at,
    }));
    await report(pipeline, { tasks: ended.slice(0, 600) });
    tick(pipeline);
    await report(pipeline, { tasks: ended.slice(600) });
    tick(pipeline);
    await store.close();
    open.length = 0;
    const after = pipelineOn(storeOnDisk());
    await report(after, {
      tasks: [
        { id: "e0", status: "running" },
        { id: "new", status: "running" },
      ],
    });
    tick(after);
    expect(after.fleet.tasks.has("e0")).toBe(false);
    expect(after.read().tasks_by_state).toMatchObject({ running: 1, completed: 1002 });
    await report(after, { tasks: [{ id: "e0", status: "running", attempt: 2 }] });
    tick(after);
    expect(after.read().tasks_by_state).toMatchObject({ running: 2 });
  });

  it("forgets what was forgotten before it", async () => {
    const store = storeOnDisk();
    const pipeline = pipelineOn(store);
    await report(pipeline, { source: "a", workers: [{ id: "W1" }, { id: "W2" }] });
    tick(pipeline);
    await report(pipeline, { source: "a", complete: true, workers: [{ id: "W2" }] });
    tick(pipeline);
    await store.close();
    open.length = 0;
    expect(
      pipelineOn(storeOnDisk())
        .read()
        .workers()
        .map((w) => w.id),
    ).toEqual(["W2"]);
  });
});

describe("a clock that jumps", () => {
  const HOUR_MS = 3_600_000;
  const DAY_MS = 24 * HOUR_MS;

  it.each([
    ["a day ahead", DAY_MS],
    ["ten days ahead", 10 * DAY_MS],
    ["a minute back", -60_000],
    ["two hours back", -2 * HOUR_MS],
    ["a day back", -DAY_MS],
  ])("%s and then home loses nobody, and nothing that was kept", async (_, jump_ms) => {
    const store = storeOnDisk();
    const pipeline = pipelineOn(store);
    const beat = async (seconds: number, task: string) => {
      for (let i = 0; i < seconds; i += 1) {
        const tasks = [{ id: `${task}${i}`, status: "completed" }];
        await report(pipeline, {
          interval_s: 1,
          workers: [{ id: "W1", metrics: { cpu_utilization: i } }],
          tasks,
        });
        tick(pipeline);
        expect(
          pipeline
            .read()
            .workers()
            .map((w) => [w.id, w.state]),
        ).toEqual([["W1", "active"]]);
      }
    };
    const rate = () => pipeline.read().system.get("throughput_per_minute");
    await beat(70, "before");
    expect(rate()).toBe(59);
    await store.compact(clock.now());
    clock.advance(jump_ms);
    await beat(70, "there");
    expect(rate()).toBe(59);
    await store.compact(clock.now());
    clock.advance(-jump_ms);
    await beat(70, "after");
    expect(rate()).toBe(59);
    await store.compact(clock.now());
    const series = [{ scope: "worker" as const, entity: "W1", metric: "cpu_utilization" }];
    const range = store.range({ series, from_ms: START_MS, to_ms: START_MS + 240_000, step_ms: 240_000 });
    expect(range.columns[0]!.count.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(140);
    // Who falls silent now is missed as ever.
    for (let second = 0; second < 70; second += 1) tick(pipeline);
    expect(
      pipeline
        .read()
        .workers()
        .map((w) => w.state),
    ).toEqual(["lost"]);
    await store.close();
    open.length = 0;
    expect(checkDatabase(join(folder, "evenkeel.db")).problems).toEqual([]);
  });
});

describe("how long tasks took", () => {
  it("is told by the minute for a day, and by the quarter of an hour before it", async () => {
    const store = storeOnDisk();
    const hour_ms = 3_600_000;
    const noon_ms = Date.parse("2026-11-22T12:00:00Z");
    const name = { scope: "system" as const, entity: "", metric: "total_time_s" };
    const at = (minute: number) => ({
      name,
      at_ms: noon_ms + minute * 60_000,
      sum: 1,
      buckets: [[7, 1] as const],
    });
    const histograms = [...[3, 14, 16].map(at), at(10 * 60)];
    store.append({ ...NOTHING, at_ms: noon_ms, histograms });
    await store.compact(START_MS);
    const read = pipelineOn(store).read();
    expect([noon_ms, noon_ms + 4 * hour_ms, START_MS].map((at_ms) => read.durationsTier_s(at_ms))).toEqual([
      900, 60, 60,
    ]);
    const counts = (from_minute: number, to_minute: number, step_minutes: number) => {
      const window = {
        from_ms: noon_ms + from_minute * 60_000,
        to_ms: noon_ms + to_minute * 60_000,
        step_ms: step_minutes * 60_000,
      };
      const query = { scope: "system" as const, entity: "", duration: "total_time" as const, ...window };
      return read.durations(query).map((step) => step?.count ?? 0);
    };
    expect(counts(0, 45, 15)).toEqual([2, 1, 0]);
    // In shorter steps a quarter stands at its start, and is never lost where the window cuts it.
    expect(counts(0, 30, 5)).toEqual([2, 0, 0, 1, 0, 0]);
    expect(counts(10, 20, 5)).toEqual([2, 1]);
    expect(counts(599, 602, 1)).toEqual([0, 1, 0]);
  });
});

/** A batch as it was when it was written: the room of its samples is used again. */
function wroteOf(batch: TickBatch) {
  const { series, values } = batch.samples;
  return { ...batch, values: Array.from(values, (value, i) => ({ series: series[i]!, value })) };
}
type Wrote = ReturnType<typeof wroteOf>;

describe("a store that can't write", () => {
  it("stops nothing else, says so, and gets all of it once it can again", async () => {
    const store = storeOnDisk();
    let full = true;
    const wrote: Wrote[] = [];
    const append = (batch: TickBatch) => {
      if (full) throw new Error("the disk is full");
      wrote.push(wroteOf(batch));
      store.append(batch);
    };
    const flaky = new Proxy(store, {
      get: (of, name: keyof MetricStore) => (name === "append" ? append : of[name].bind(of)),
    });
    const pipeline = pipelineOn(flaky);
    await report(pipeline, { workers: [worker] });
    tick(pipeline);
    tick(pipeline);
    expect(pipeline.read().self.store_error).toBe("the disk is full");
    expect(pipeline.read().worker("W1")?.type).toBe("gpu");
    full = false;
    tick(pipeline);
    tick(pipeline);
    expect(pipeline.read().self.store_error).toBeNull();
    expect(wrote[0]?.workers.map((w) => w.id)).toEqual(["W1"]);
    expect(wrote[0]?.values.filter(({ value }) => value === 1.25)).toHaveLength(1);
  });
});

describe("reports for which a tick has no time", () => {
  it("wait for the next, and are all taken by a tick that is worked off in one go, as the last one is", async () => {
    const pipeline = pipelineOn(storeOnDisk());
    for (const id of ["a", "b", "c", "d"]) await report(pipeline, { workers: [{ id }] });
    const known = () => [...pipeline.fleet.workers.keys()].join("");
    for (const seen of ["a", "ab"]) {
      clock.advance(1000);
      finish(pipeline.ticking(clock.now(), () => false));
      expect(known()).toBe(seen);
    }
    expect(pipeline.read().self.buffered_reports).toBe(2);
    tick(pipeline);
    expect(known()).toBe("abcd");
  });
});

describe("a tick of very many changes", () => {
  const METRICS = Array.from({ length: 30 }, (_, i) => `made_up_${i}`);
  const many = {
    workers: Array.from({ length: 400 }, (_, i) => ({
      id: `W${i}`,
      metrics: Object.fromEntries(METRICS.map((name) => [name, i])),
    })),
    tasks: Array.from({ length: 2500 }, (_, i) => ({
      id: `t${i}`,
      status: i < 2400 ? "queued" : "completed",
    })),
  };

  it.each([0, 1, 2, 3, 4, 5, 6, 7])(
    "is written in parts, and nothing of it is lost or doubled where part %d fails",
    async (failing) => {
      const store = storeOnDisk();
      const wrote: Wrote[] = [];
      let calls = 0;
      const append = (batch: TickBatch) => {
        calls += 1;
        if (calls - 1 === failing) throw new Error("the disk is full");
        store.append(batch);
        wrote.push(wroteOf(batch));
      };
      const pipeline = pipelineOn(
        new Proxy(store, {
          get: (of, name: keyof MetricStore) => (name === "append" ? append : of[name].bind(of)),
        }),
      );
      await report(pipeline, many);
      tick(pipeline);
      expect(calls).toBeGreaterThan(Math.min(failing, 6));
      // What is counted is durable with the last part alone: a crash before it loses the tick, and no more.
      const counted = wrote.filter(
        ({ tasks, histograms }) => histograms.length > 0 || tasks.some((t) => t.ended_at_ms !== null),
      );
      expect(counted.length).toBe(calls > failing ? 0 : 1);
      for (let ticks = 0; ticks < 3; ticks += 1) tick(pipeline);
      expect(pipeline.read().self.store_error).toBeNull();
      expect(store.workers()).toHaveLength(400);
      expect(new Set(store.tasks(0, 10_000).map(({ id }) => id)).size).toBe(2500);
      const handle = store.series("worker", "W7", "made_up_3");
      const of_one = wrote.flatMap(({ values }) =>
        values.flatMap(({ series, value }) => (series === handle ? value : [])),
      );
      expect(of_one).toEqual([7]);
    },
  );

  it("keeps who was gone and came back", async () => {
    const store = storeOnDisk();
    const pipeline = pipelineOn(store);
    await report(pipeline, { ...many, complete: true });
    tick(pipeline);
    await report(pipeline, { workers: [], tasks: [], complete: true });
    await report(pipeline, { ...many, complete: true });
    tick(pipeline);
    tick(pipeline);
    expect(store.workers()).toHaveLength(400);
  });
});
