import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ManualClock } from "./clock.ts";
import { Collector } from "./collect/collector.ts";
import { TASK_STATES, TASK_STATUSES } from "./model.ts";
import { Fleet } from "./process/fleet.ts";
import { TaskEntry } from "./process/task.ts";

const START_MS = Date.parse("2026-11-23T18:24:16Z");
const LIMITS = {
  max_workers: 1000,
  max_live_tasks: 1000,
  max_metric_names_per_source: 64,
  max_tags: 64,
  max_string_length: 1024,
  max_reports_per_body: 1000,
  max_buffered_reports: 1000,
  grace_ms: 900_000,
};

/** A collector and a fleet on one clock that stands still until told. */
function harness() {
  const clock = new ManualClock(START_MS);
  const fleet = new Fleet({ worker_ttl_ms: 3_600_000, task_ttl_ms: 86_400_000, grace_ms: 900_000 }, START_MS);
  const collector = new Collector(LIMITS, clock, {
    workers: 0,
    live_tasks: 0,
    hasWorker: () => false,
    hasTask: () => false,
  });
  const report = async (...reports: unknown[]) => {
    const body = new TextEncoder().encode(reports.map((r) => JSON.stringify(r)).join("\n"));
    await collector.accept(body, "ndjson");
    for (const r of collector.drain()) fleet.apply(r);
  };
  const later = (ms: number) => {
    clock.advance(ms);
    fleet.advance(clock.now());
  };
  return { clock, fleet, report, later };
}

/** All that a person could see of the fleet, but for times of receipt. */
function picture(fleet: Fleet, with_times: boolean) {
  const workers = [...fleet.workers.values()].map((w) => ({
    id: w.id,
    type: w.type,
    status: w.status,
    tags: w.tags,
    capabilities: sorted(w.capabilities),
    metrics: sorted(Object.fromEntries(w.metrics)),
    running: w.running_tasks,
    assigned: w.counts.assigned,
    by_type: sorted(Object.fromEntries(w.running_by_type)),
  }));
  const tasks = [...fleet.tasks.values()].map((t) => ({
    id: t.id,
    state: t.state,
    attempt: t.attempt,
    worker_id: t.worker_id,
    priority: t.priority,
    progress: t.progress,
    error: t.error,
    attempts: with_times ? t.attempts() : t.attempts().map((a) => [a.attempt, a.status]),
  }));
  const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
  return { workers: workers.sort(byId), tasks: tasks.sort(byId), counts: fleet.ledger.states() };
}

const sorted = (object: object) => Object.fromEntries(Object.entries(object).sort());

const instant = fc.integer({ min: START_MS - 10_000, max: START_MS });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const workerEntry = fc.record(
  {
    id: fc.constantFrom("w1", "w2"),
    type: fc.constantFrom("cpu", "gpu", null),
    status: fc.constantFrom("active", "draining", null),
    tags: fc.constantFrom(["a"], ["b", "a"], null),
    capabilities: fc.record({ cpu_cores: fc.constantFrom(4, 8, null) }, { requiredKeys: [] }),
    metrics: fc.record(
      { cpu_utilization: fc.constantFrom(10, 20, null), queue: fc.constantFrom(1, 2) },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ["id"] },
);
const taskEntry = fc.record(
  {
    id: fc.constantFrom("t1", "t2", "t3"),
    status: fc.constantFrom(...TASK_STATUSES),
    attempt: fc.integer({ min: 1, max: 3 }),
    worker_id: fc.constantFrom("w1", "w2", null),
    priority: fc.constantFrom(1, 2, null),
    progress: fc.constantFrom(10, 90),
    error: fc.constantFrom("boom", "bang", null),
    type: fc.constantFrom("vision", "text"),
    queued_at: instant,
    started_at: instant,
    ended_at: instant,
  },
  { requiredKeys: ["id"] },
);
const reportWith = (at: fc.Arbitrary<number | undefined>) =>
  fc.record({
    at,
    source: fc.constantFrom("a", "b"),
    workers: fc.array(workerEntry, { maxLength: 3 }),
    tasks: fc.array(taskEntry, { maxLength: 4 }),
  });

/** The same reports in two orders, the second with repetitions. */
function shuffledTwice(report: fc.Arbitrary<unknown>) {
  return fc.array(report, { minLength: 1, maxLength: 8 }).chain((reports) =>
    fc.record({
      first: fc.constant(reports),
      second: fc.tuple(
        fc.shuffledSubarray(reports, { minLength: reports.length }),
        fc.shuffledSubarray(reports),
      ),
    }),
  );
}

describe("any order and any repetition of the same reports", () => {
  it("ends in the same state when reports carry their time", async () => {
    await fc.assert(
      fc.asyncProperty(shuffledTwice(reportWith(instant)), async ({ first, second }) => {
        const [one, two] = [harness(), harness()];
        for (const r of first) await one.report(r);
        for (const r of second.flat()) await two.report(r);
        expect(picture(two.fleet, true)).toEqual(picture(one.fleet, true));
      }),
      { numRuns: 400 },
    );
  });

  it("ends in the same state of tasks when reports carry no time", async () => {
    await fc.assert(
      fc.asyncProperty(shuffledTwice(reportWith(fc.constant(undefined))), async ({ first, second }) => {
        const [one, two] = [harness(), harness()];
        for (const r of first) await one.report(r);
        for (const r of second.flat()) await two.report(r);
        const statuses = (f: Fleet) =>
          picture(f, false).tasks.map(({ id, state, attempt, attempts }) => ({
            id,
            state,
            attempt,
            attempts,
          }));
        expect(statuses(two.fleet)).toEqual(statuses(one.fleet));
      }),
      { numRuns: 400 },
    );
  });

  it("keeps every count equal to what is known, at each step", async () => {
    const step = fc.oneof(reportWith(maybe(instant)), fc.integer({ min: 1, max: 100_000 }));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const h = harness();
        for (const s of steps) {
          if (typeof s === "number") h.later(s);
          else await h.report({ ...s, at: undefined });
          const states = h.fleet.ledger.states();
          const known = [...h.fleet.tasks.values()];
          for (const state of TASK_STATES) {
            expect([state, states[state]]).toEqual([state, known.filter((t) => t.state === state).length]);
          }
          for (const worker of h.fleet.workers.values()) {
            const own = known.filter((t) => t.worker_id === worker.id);
            expect(worker.running_tasks).toBe(own.filter((t) => t.state === "running").length);
            expect(worker.orphaned_tasks).toBe(own.filter((t) => t.state === "orphaned").length);
          }
          const queue = h.fleet.ledger.queue().reduce((sum, cell) => sum + cell.queued, 0);
          expect(queue).toBe(states.queued);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("survives the way through the store's document", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(reportWith(instant), { maxLength: 6 }), async (reports) => {
        const [one, two] = [harness(), harness()];
        for (const r of reports) await one.report(r);
        for (const worker of one.fleet.workers.values()) {
          two.fleet.restoreWorker(worker.id, JSON.parse(JSON.stringify(worker.toDocument())), null);
        }
        for (const task of one.fleet.tasks.values()) {
          two.fleet.restoreTask(task.id, JSON.parse(JSON.stringify(task.toDocument())));
        }
        const [before, after] = [picture(one.fleet, true), picture(two.fleet, true)];
        expect(after.tasks).toEqual(before.tasks);
        expect(after.workers.map((w) => ({ ...w, metrics: {} }))).toEqual(
          before.workers.map((w) => ({ ...w, metrics: {} })),
        );
      }),
    );
  });
});

describe("a task", () => {
  const life = [
    { at: START_MS, tasks: [{ id: "t", status: "queued" }] },
    { at: START_MS + 1000, tasks: [{ id: "t", status: "running", worker_id: "w" }] },
    { at: START_MS + 2000, tasks: [{ id: "t", status: "completed" }] },
  ];

  it("never goes back, and its end never changes", async () => {
    const h = harness();
    h.clock.advance(10_000);
    await h.report(...life, { at: START_MS + 3000, tasks: [{ id: "t", status: "running" }] });
    await h.report({ at: START_MS + 4000, tasks: [{ id: "t", status: "failed" }] });
    expect(h.fleet.tasks.get("t")).toMatchObject({
      state: "completed",
      queued_at_ms: START_MS,
      started_at_ms: START_MS + 1000,
      ended_at_ms: START_MS + 2000,
    });
  });

  it("that completed stays so when a failure is reported after it, with no time given", async () => {
    const h = harness();
    await h.report({ tasks: [{ id: "t", status: "completed" }] });
    h.clock.advance(1000);
    await h.report({ tasks: [{ id: "t", status: "failed" }] });
    expect(h.fleet.tasks.get("t")?.state).toBe("completed");
  });

  it("starts over with a higher attempt, and a late word of the old one changes nothing", async () => {
    const h = harness();
    h.clock.advance(10_000);
    await h.report(...life, { tasks: [{ id: "t", status: "queued", attempt: 2 }] });
    await h.report({ tasks: [{ id: "t", status: "failed", attempt: 1 }] });
    expect(h.fleet.tasks.get("t")).toMatchObject({ state: "queued", attempt: 2, worker_id: null });
  });

  it("is remembered for the grace period after its end, held or not", async () => {
    const h = harness();
    await h.report({ tasks: [{ id: "t", status: "completed" }] });
    h.later(899_000);
    expect(h.fleet.tasks.has("t")).toBe(true);
    h.later(2000);
    expect(h.fleet.tasks.has("t")).toBe(false);
  });
});

describe("silence", () => {
  const worker = { id: "w", interval_s: 1 };
  const running = { id: "t", status: "running", worker_id: "w" };

  it("makes a worker stale after 3 s, lost after 60 s, and its tasks orphaned", async () => {
    const h = harness();
    await h.report({ workers: [worker], tasks: [running] });
    h.later(3000);
    expect(h.fleet.workers.get("w")?.state).toBe("active");
    h.later(1);
    expect(h.fleet.workers.get("w")?.state).toBe("stale");
    h.later(56_999);
    expect(h.fleet.workers.get("w")?.state).toBe("stale");
    h.later(1);
    expect(h.fleet.workers.get("w")?.state).toBe("lost");
    expect(h.fleet.tasks.get("t")?.state).toBe("orphaned");
  });

  it("of a lost worker leaves nothing that waits on it, whatever it counted itself", async () => {
    const h = harness();
    const given = { id: "t2", status: "assigned", worker_id: "w" };
    await h.report({ workers: [{ ...worker, metrics: { queued_tasks: 2 } }], tasks: [running, given] });
    h.later(1000);
    expect(h.fleet.workers.get("w")).toMatchObject({ running_tasks: 1, queued_tasks: 2, orphaned_tasks: 0 });
    h.later(60_000);
    expect(h.fleet.workers.get("w")).toMatchObject({ running_tasks: 0, queued_tasks: 0, orphaned_tasks: 2 });
  });

  it("of a lost worker ends with its next report, and its tasks are running again", async () => {
    const h = harness();
    await h.report({ workers: [worker], tasks: [running] });
    h.later(61_000);
    await h.report({ workers: [worker] });
    h.later(1);
    expect(h.fleet.workers.get("w")?.state).toBe("active");
    expect(h.fleet.tasks.get("t")?.state).toBe("running");
  });

  it("is measured by the interval that the worker states, or by the median of its own", async () => {
    const h = harness();
    await h.report({ workers: [{ id: "slow", interval_s: 30 }] });
    for (let i = 0; i < 6; i += 1) {
      await h.report({ workers: [{ id: "learned" }] });
      h.later(20_000);
    }
    expect(h.fleet.workers.get("learned")?.interval_ms).toBe(20_000);
    await h.report({ workers: [{ id: "slow" }, { id: "learned" }] });
    h.later(60_000);
    expect(h.fleet.workers.get("learned")?.presence).toBe("fresh");
    h.later(1);
    expect(h.fleet.workers.get("learned")?.presence).toBe("stale");
    expect(h.fleet.workers.get("slow")?.presence).toBe("fresh");
  });

  it("of a worker is measured by what its source states, where it states nothing itself", async () => {
    const h = harness();
    await h.report({ interval_s: 120, workers: [{ id: "patient" }, { id: "own", interval_s: 1 }] });
    h.later(360_000);
    expect(h.fleet.workers.get("patient")?.presence).toBe("fresh");
    expect(h.fleet.workers.get("own")?.presence).toBe("lost");
    h.later(1);
    expect(h.fleet.workers.get("patient")?.presence).toBe("stale");
  });

  it("ends with the worker being forgotten after its time to live", async () => {
    const h = harness();
    await h.report({ workers: [worker], tasks: [running] });
    h.later(3_600_001);
    expect(h.fleet.workers.has("w")).toBe(false);
    expect(h.fleet.takeChanges().gone_workers).toEqual(["w"]);
  });

  describe("that whoever reports a worker tells of (heard_at)", () => {
    const whole = { source: "coordinator", interval_s: 1, complete: true };
    const silentFor = (ms: number, now_ms: number) => ({ ...worker, heard_at: now_ms - ms });

    it("goes on while the worker is named, which has not left", async () => {
      const h = harness();
      await h.report({ ...whole, workers: [worker], tasks: [running] });
      for (let second = 1; second <= 61; second += 1) {
        await h.report({ ...whole, workers: [{ ...worker, heard_at: START_MS }], tasks: [running] });
        h.later(1000);
        const state = second > 60 ? "lost" : second > 3 ? "stale" : "active";
        expect([second, h.fleet.workers.get("w")?.state]).toEqual([second, state]);
      }
      expect(h.fleet.tasks.get("t")?.state).toBe("orphaned");
      await h.report({ ...whole, workers: [worker], tasks: [running] });
      h.later(1);
      expect(h.fleet.workers.get("w")?.state).toBe("active");
    });

    it("is what a worker comes with that was silent before it is named first", async () => {
      const h = harness();
      await h.report({ ...whole, workers: [silentFor(61_000, START_MS)] });
      h.later(1);
      expect(h.fleet.workers.get("w")).toMatchObject({ state: "lost", last_report_ms: START_MS - 61_000 });
    });

    it("beyond its time to live keeps it forgotten", async () => {
      const h = harness();
      await h.report({ ...whole, workers: [silentFor(3_600_001, START_MS)] });
      expect(h.fleet.workers.has("w")).toBe(false);
    });

    it("counts from the newest time that anybody heard of it, never ahead of ours", async () => {
      const h = harness();
      await h.report({ ...whole, workers: [silentFor(50_000, START_MS)] });
      await h.report({ ...whole, workers: [silentFor(2000, START_MS)] });
      await h.report({ ...whole, workers: [silentFor(40_000, START_MS)] });
      expect(h.fleet.workers.get("w")?.last_report_ms).toBe(START_MS - 2000);
      await h.report({ ...whole, workers: [silentFor(-5000, START_MS)] });
      expect(h.fleet.workers.get("w")?.last_report_ms).toBe(START_MS);
    });
  });

  it("of an offline worker means nothing", async () => {
    const h = harness();
    await h.report({ workers: [{ ...worker, status: "offline" }] });
    h.later(61_000);
    expect(h.fleet.workers.get("w")?.state).toBe("offline");
  });
});

describe("a whole picture", () => {
  it("removes the workers and orphans the tasks that its source no longer names", async () => {
    const h = harness();
    await h.report({
      source: "a",
      workers: [{ id: "w1" }, { id: "w2" }],
      tasks: [{ id: "t1" }, { id: "t2" }],
    });
    await h.report({ source: "b", workers: [{ id: "w3" }] });
    h.later(1000);
    await h.report({ source: "a", complete: true, workers: [{ id: "w1" }], tasks: [{ id: "t1" }] });
    expect([...h.fleet.workers.keys()].sort()).toEqual(["w1", "w3"]);
    expect(h.fleet.tasks.get("t2")?.state).toBe("orphaned");
    expect(h.fleet.tasks.get("t1")?.state).toBe("queued");
  });

  it("keeps a worker that another source still names", async () => {
    const h = harness();
    await h.report(
      { source: "agent", workers: [{ id: "w" }] },
      { source: "balancer", workers: [{ id: "w" }] },
    );
    h.later(1000);
    await h.report({ source: "balancer", complete: true });
    expect(h.fleet.workers.has("w")).toBe(true);
  });

  it("is not undone by an older report that comes after it", async () => {
    const h = harness();
    h.clock.advance(10_000);
    await h.report({ at: START_MS + 5000, source: "a", complete: true, workers: [{ id: "w1" }] });
    await h.report({ at: START_MS, source: "a", workers: [{ id: "ghost" }], tasks: [{ id: "t" }] });
    expect(h.fleet.workers.has("ghost")).toBe(false);
    expect(h.fleet.tasks.get("t")?.state).toBe("orphaned");
  });
});

describe("a source's clock", () => {
  it("that is a minute ahead is noticed within half a minute and taken out", async () => {
    const h = harness();
    for (let i = 0; i <= 35; i += 1) {
      await h.report({
        at: h.clock.now() + 60_000,
        source: "a",
        workers: [{ id: "w", metrics: { cpu_utilization: i } }],
      });
      h.later(1000);
    }
    expect(h.fleet.sources()[0]?.clock_offset_ms).toBe(-60_000);
    expect(h.fleet.workers.get("w")?.metrics.get("cpu_utilization")).toBe(35);
  });

  it("is not blamed for reports that were merely late", async () => {
    const h = harness();
    for (let i = 0; i <= 60; i += 1) {
      await h.report({ at: h.clock.now() - (i % 5) * 10_000, source: "a" });
      h.later(1000);
    }
    expect(h.fleet.sources()[0]?.clock_offset_ms).toBe(0);
  });
});

describe("the devices of a worker", () => {
  it("give its mean, its busiest and its hottest", async () => {
    const h = harness();
    await h.report({
      workers: [
        {
          id: "w",
          gpus: [
            { index: 0, utilization: 97, temperature_celsius: 71, throttled: true },
            { index: 1, utilization: 43, temperature_celsius: 83 },
          ],
        },
      ],
    });
    const { metrics } = h.fleet.workers.get("w")!;
    expect([metrics.get("gpu_utilization"), metrics.get("gpu_utilization_max")]).toEqual([70, 97]);
    expect(metrics.get("gpu_temperature_celsius")).toBe(83);
    expect(metrics.get("throttled_gpus")).toBe(1);
    h.later(1000);
    await h.report({ workers: [{ id: "w", gpus: null }] });
    expect([metrics.has("gpu_utilization_max"), metrics.has("throttled_gpus")]).toEqual([false, false]);
  });
});

it("at most the newest attempts of a task are kept, whatever their order", () => {
  const attempts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(attempts, (numbers) => {
      const task = new TaskEntry("t", START_MS);
      const source = { id: "a", offset_ms: 0, complete_at_ms: Number.NEGATIVE_INFINITY };
      for (const attempt of numbers) {
        const transitions = [
          {
            attempt,
            status: "queued" as const,
            times: {},
            worker_id: undefined,
            progress: undefined,
            error: undefined,
          },
        ];
        const change = {
          id: "t",
          type: undefined,
          model_family: undefined,
          model_id: undefined,
          priority: undefined,
          modality: undefined,
          requirements: undefined,
          metrics: {},
          transitions,
        };
        task.apply(change, { at_ms: START_MS, source }, START_MS, true);
      }
      const newest = [...new Set(numbers)].sort((a, b) => a - b).slice(-8);
      expect(task.attempts().map((a) => a.attempt)).toEqual(newest);
    }),
  );
});

describe("bounds", () => {
  it("of sources: what comes beyond is taken as one, and that is told", async () => {
    const h = harness();
    for (let i = 0; i < 1002; i += 1) {
      await h.report({ source: `s${i}`, workers: [{ id: `w${i}` }] });
    }
    expect(h.fleet.sources()).toHaveLength(1001);
    expect(h.fleet.sources().at(-1)).toMatchObject({ id: "(more sources)", workers: 2 });
    expect(h.fleet.limits_reached).toEqual({ sources: 2 });
  });

  it("of task types: what comes beyond counts in the fleet's figures alone, and that is told", async () => {
    const h = harness();
    const tasks = Array.from({ length: 66 }, (_, i) => ({
      id: `t${i}`,
      type: `type${i}`,
      status: "completed",
    }));
    await h.report({ tasks });
    expect(h.fleet.ledger.all.events.completions.total).toBe(66);
    expect(h.fleet.ledger.by_type.size).toBe(64);
    expect(h.fleet.limits_reached).toEqual({ "task types counted apart": 2 });
  });
});
