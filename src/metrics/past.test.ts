import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "./clock.ts";
import { createDemo } from "./collect/demo/demo.ts";
import type { Pipeline } from "./pipeline.ts";
import { pipelineWith } from "./pipeline-fixture.ts";
import type { Read } from "./read.ts";
import type { MetricStore } from "./store/contract.ts";
import { openStore } from "./store/sqlite.ts";

const START_MS = Date.parse("2026-11-23T18:30:00Z");

let folder: string;
let clock: ManualClock;
let store: MetricStore;
let pipeline: Pipeline;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  clock = new ManualClock(START_MS);
  begin();
});

afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

function begin(): void {
  store = openStore(join(folder, "evenkeel.db"));
  pipeline = pipelineWith(store, clock);
}

async function report(...reports: object[]) {
  const lines = reports.map((one) => JSON.stringify(one)).join("\n");
  await pipeline.collector.accept(new TextEncoder().encode(lines), "ndjson");
}

function tick(seconds = 1): void {
  for (let second = 0; second < seconds; second += 1) {
    clock.advance(1000);
    pipeline.tick(clock.now());
  }
}

/** What a viewer sees of a moment. */
function seen(read: Read) {
  return {
    at_ms: read.now_ms,
    status: read.status,
    system: Object.fromEntries([...read.system].sort()),
    tasks_by_state: read.tasks_by_state,
    ended_by_type: Object.fromEntries([...(read.ended_by_type ?? [])].sort()),
    alerts: read.alerts.map(({ id, since_ms }) => ({ id, since_ms })).sort((a, b) => (a.id < b.id ? -1 : 1)),
    workers: read.workers().map((w) => ({
      id: w.id,
      type: w.type,
      state: w.state,
      status: w.status,
      presence: w.presence,
      last_report_ms: w.last_report_ms,
      load: w.load === null ? null : Math.round(w.load),
      overload: w.overload?.metric,
      cpu: kept(w.metrics.get("cpu_utilization")),
      gpu: kept(w.metrics.get("gpu_utilization")),
    })),
    throughput: read.recent("throughput_per_minute", 5, 5).mean,
  };
}

/** Who had what. */
function held(read: Read) {
  return {
    queue: read.queue,
    oldest: read.oldestQueued()?.id,
    workers: read.workers().map((w) => ({
      id: w.id,
      running: w.running_tasks,
      queued: w.queued_tasks,
      by_type: Object.fromEntries([...w.running_by_type].sort()),
    })),
  };
}

/** Utilisations are kept to a tenth. */
function kept(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value * 10) / 10;
}

describe("the past", () => {
  it("shows the fleet of every moment as it was then, from log and chunks, over a restart", async () => {
    const demo = createDemo({ workers: 12, tasks: 40, seed: 7, start_ms: START_MS });
    const then: ReturnType<typeof seen>[] = [];
    const live = async (seconds: number) => {
      for (let second = 0; second < seconds; second += 1) {
        clock.advance(1000);
        await report(...demo.reportsUntil(clock.now()));
        pipeline.tick(clock.now());
        if (second % 41 === 40) then.push(seen(pipeline.read()));
      }
    };
    await live(250);
    await store.compact(clock.now());
    await store.close();
    begin();
    await live(130);
    expect(then.some(({ alerts }) => alerts.length > 0)).toBe(true);
    expect(new Set(then.flatMap(({ workers }) => workers.map(({ state }) => state))).size).toBeGreaterThan(2);
    for (const now_ms of [clock.now(), clock.now() + 4 * 3_600_000]) {
      await store.compact(now_ms);
      for (const moment of then) expect(seen(await pipeline.readAt(moment.at_ms))).toEqual(moment);
    }
  }, 60_000);

  it("knows who had which task at every moment", async () => {
    const seconds = fc.integer({ min: 0, max: 8 });
    const lives = fc.array(
      fc.record({
        begins: seconds,
        waits: seconds,
        loads: seconds,
        runs: seconds,
        worker: fc.integer({ min: 0, max: 2 }),
      }),
      { minLength: 1, maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(lives, async (tasks) => {
        const start_ms = clock.now();
        const at = (second: number) => start_ms + 1000 + second * 1000;
        const events = tasks.flatMap(({ begins, waits, loads, runs, worker }, i) => {
          const of = { id: `t${start_ms}-${i}`, type: i % 2 ? "text" : "vision", priority: 1 + (i % 3) };
          const [assigned, started] = [begins + waits, begins + waits + loads];
          const worker_id = `W${worker}`;
          return [
            { second: begins, task: { ...of, status: "queued", queued_at: at(begins) } },
            { second: assigned, task: { ...of, status: "assigned", worker_id, assigned_at: at(assigned) } },
            { second: started, task: { ...of, status: "running", worker_id, started_at: at(started) } },
            { second: started + runs, task: { ...of, status: "completed", ended_at: at(started + runs) } },
          ];
        });
        const then: { at_ms: number; held: ReturnType<typeof held> }[] = [];
        for (let second = 0; second <= 33; second += 1) {
          const workers = ["W0", "W1", "W2"].map((id) => ({ id }));
          const now = events.filter((event) => event.second === second).map(({ task }) => task);
          clock.advance(1000);
          await report({ at: clock.now(), interval_s: 1, workers, tasks: now });
          pipeline.tick(clock.now());
          then.push({ at_ms: clock.now(), held: held(pipeline.read()) });
        }
        for (const { at_ms, held: was } of then) expect(held(await pipeline.readAt(at_ms))).toEqual(was);
      }),
      { numRuns: 12 },
    );
  });

  it("still shows a worker that was forgotten, and a task that ended since or was tried again", async () => {
    tick();
    await report({
      interval_s: 1,
      workers: [{ id: "W1", type: "gpu", metrics: { cpu_utilization: 50 } }],
      tasks: [
        {
          id: "t",
          type: "text",
          status: "running",
          worker_id: "W1",
          queued_at: START_MS - 9000,
          started_at: START_MS,
        },
      ],
    });
    tick(2);
    const then_ms = clock.now();
    await report({
      tasks: [
        { id: "t", status: "failed", ended_at: then_ms + 500 },
        { id: "t", attempt: 2, status: "queued", queued_at: then_ms + 700 },
      ],
    });
    tick(3700);
    expect(pipeline.read().workers()).toEqual([]);
    const past = await pipeline.readAt(then_ms);
    expect(past.worker("W1")).toMatchObject({ state: "active", type: "gpu", running_tasks: 1, load: 50 });
    expect(past.task("t")).toMatchObject({
      state: "running",
      attempt: 1,
      worker_id: "W1",
      ended_at_ms: null,
    });
    const lost = await pipeline.readAt(then_ms + 120_000);
    expect(lost.worker("W1")).toMatchObject({ state: "lost", presence: "lost", running_tasks: 0 });
    expect(lost.alerts.map(({ rule }) => rule)).toEqual(["source_lost"]);
    expect(lost.task("t")).toMatchObject({ state: "queued", attempt: 2 });
    expect((await pipeline.readAt(START_MS + 1000)).worker("W1")).toBeUndefined();

    const states = (read: Read, limit = 9) => read.life("W1", limit).map(({ state }) => state);
    const now = pipeline.read();
    expect(states(now)).toEqual(["gone", "lost", "stale", "active"]);
    expect([states(now, 1), states(past), states(lost)]).toEqual([
      ["gone"],
      ["active"],
      ["lost", "stale", "active"],
    ]);
    expect([past.gone("W1"), lost.gone("W1"), now.gone("W2")]).toEqual([undefined, undefined, undefined]);
    const left = now.gone("W1")!;
    expect(left.worker).toMatchObject({
      state: "lost",
      type: "gpu",
      load: 50,
      last_report_ms: then_ms - 2000,
    });
    expect(left.gone_ms).toBe(now.life("W1", 1)[0]!.at_ms);
    expect((await pipeline.readAt(left.gone_ms)).gone("W1")).toEqual(left);
  });

  it("says of an alert how much it was when it began to fire, and of one that is over how much it was at last", async () => {
    const cpu = async (percent: number, seconds: number) => {
      for (let second = 0; second < seconds; second += 1) {
        await report({ interval_s: 1, workers: [{ id: "W1", metrics: { cpu_utilization: percent } }] });
        tick();
      }
    };
    await cpu(97, 5);
    const then_ms = clock.now();
    await cpu(99, 5);
    expect(pipeline.read().alerts.map(({ detail }) => detail)).toEqual([expect.stringContaining("99 %")]);
    await cpu(5, 120);
    const [fired] = (await pipeline.readAt(then_ms)).alerts;
    expect(fired).toMatchObject({ id: "worker_overload:W1", detail: expect.stringContaining("97 %") });
    const [over] = (await pipeline.readAt(clock.now())).alertsOf("worker_overload:W1", 1);
    expect(over).toMatchObject({ state: "resolved", detail: expect.stringContaining("99 %") });
    expect(over!.steps[0]).toMatchObject({ what: "firing", note: fired!.detail });
  });

  it("and the present tell of each worker the tasks that it has, and the present what is usual", async () => {
    const task = (id: string, status: string) => ({ id, status, worker_id: "W1", model_id: "vit" });
    const ended = Array.from({ length: 20 }, (_, i) => ({
      ...task(`e${i}`, "completed"),
      started_at: START_MS - 30_000,
      ended_at: START_MS - 20_000,
    }));
    await report({ workers: [{ id: "W1" }], tasks: [...ended, task("r", "running"), task("a", "assigned")] });
    tick();
    const now = pipeline.read();
    expect(now.tasksOf("W1").map(({ id }) => id)).toEqual(["r", "a"]);
    expect(now.tasksOf("W2")).toEqual([]);
    expect(now.usual("vit")).toBeCloseTo(10, 0);
    expect([now.usual("bert"), now.usual(null)]).toEqual([null, null]);
    const past = await pipeline.readAt(now.now_ms);
    expect(past.tasksOf("W1").map(({ id }) => id)).toEqual(["r", "a"]);
    expect([past.usual("vit"), past.scores("W1")]).toEqual([null, undefined]);
    const others = now.filtered({ q: "a", model_family: "none" });
    expect(others.tasksOf("W1")).toEqual([]);
  });

  it("and the present after a restart know when a silent worker was last heard of", async () => {
    const workers = [{ id: "W1", metrics: { cpu_utilization: 5 } }, { id: "W2" }];
    await report({ interval_s: 1, workers });
    tick();
    const heard_ms = clock.now();
    for (let second = 0; second < 30; second += 1) {
      await report({ interval_s: 1, workers: workers.slice(1) });
      tick();
    }
    const last = () => pipeline.read().worker("W1")?.last_report_ms;
    expect(last()).toBe(heard_ms - 1000);
    await store.close();
    begin();
    expect(last()).toBe(heard_ms - 1000);
    expect((await pipeline.readAt(clock.now())).worker("W1")?.last_report_ms).toBe(heard_ms - 1000);
  });

  it("refuses a moment that is yet to come, or that nothing was written of", async () => {
    tick(3);
    const last_ms = clock.now();
    await expect(pipeline.readAt(last_ms + 1)).rejects.toMatchObject({ kind: "invalid" });
    const first_ms = last_ms - 2000;
    await expect(pipeline.readAt(START_MS - 60_000)).rejects.toMatchObject({
      kind: "not_found",
      message: expect.stringMatching(
        /nor of any time before it; the first moment that is kept is 2026-11-23T18:30:01Z$/,
      ),
      details: { parameter: "at", first_ms, before_ms: null },
    });
    expect(pipeline.read().firstMoment()).toBe(first_ms);
    expect((await pipeline.readAt(first_ms)).now_ms).toBe(first_ms);
    clock.advance(600_000);
    pipeline.tick(clock.now());
    await expect(pipeline.readAt(last_ms + 300_000)).rejects.toThrow(
      "Nothing is kept of 2026-11-23T18:35:03Z, the last moment before it is 2026-11-23T18:30:03Z",
    );
    expect((await pipeline.readAt(last_ms)).now_ms).toBe(last_ms);
  });

  it("reads one moment after the other, and refuses more than may wait", async () => {
    tick();
    const at_ms = clock.now();
    const reads = await Promise.allSettled(Array.from({ length: 20 }, () => pipeline.readAt(at_ms)));
    expect(reads.filter(({ status }) => status === "fulfilled")).toHaveLength(16);
    expect(reads.at(-1)).toMatchObject({
      status: "rejected",
      reason: { kind: "too_many", retry_after_s: 1 },
    });
    expect((await pipeline.readAt(at_ms)).now_ms).toBe(at_ms);
  });
});
