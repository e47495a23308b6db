import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TaskStatus } from "../../model.ts";
import { reportSchema, unknownFields } from "../report.ts";
import { createDemo, type DemoOptions } from "./demo.ts";
import { CYCLE_MS } from "./faults.ts";
import type { DemoReport, DemoTaskEntry } from "./report.ts";

const START_MS = Date.UTC(2026, 10, 23, 18);
const LIMITS = {
  max_workers: 20_000,
  max_live_tasks: 200_000,
  max_metric_names_per_source: 64,
  max_tags: 64,
  max_string_length: 1024,
};

function play(seconds: number, options: Partial<DemoOptions> = {}): DemoReport[] {
  return createDemo({ seed: 7, start_ms: START_MS, ...options }).reportsUntil(START_MS + seconds * 1000);
}

/** What a reader of the reports knows of the tasks that have not ended. */
function readTasks(reports: readonly DemoReport[]): Map<string, DemoTaskEntry> {
  const tasks = new Map<string, DemoTaskEntry>();
  for (const entry of reports.flatMap((report) => report.tasks)) {
    tasks.set(entry.id, { ...tasks.get(entry.id), ...entry });
  }
  return tasks;
}

describe("the demo fleet", () => {
  it("gives the same reports for the same seed, however the time is cut", () => {
    const whole = play(90);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 12 }), (steps) => {
        const demo = createDemo({ seed: 7, start_ms: START_MS });
        let now_ms = START_MS;
        const reports = steps.flatMap((step_ms) => {
          now_ms = Math.min(START_MS + 90_000, now_ms + step_ms);
          return demo.reportsUntil(now_ms);
        });
        expect([...reports, ...demo.reportsUntil(START_MS + 90_000)]).toEqual(whole);
      }),
      { numRuns: 15 },
    );
  });

  it("differs from seed to seed", () => {
    expect(play(10, { seed: 8 })).not.toEqual(play(10, { seed: 7 }));
  });

  it("reports each second, all workers each time, and everything in the first report", () => {
    const reports = play(30);
    expect(reports.map((report) => report.at)).toEqual(reports.map((_, index) => START_MS + index * 1000));
    expect(reports.map((report) => report.complete)).toEqual([true, ...Array.from({ length: 30 })]);
    expect(new Set(reports.map((report) => report.workers.length))).toEqual(new Set([15]));
    const [first] = reports;
    expect(first!.workers[0]).toMatchObject({
      id: "worker-gpu-01",
      type: "gpu",
      hostname: "gpu-01.lab",
      status: "active",
      capabilities: { cpu_cores: 16, gpu_model: "Tesla T4", gpu_count: 1 },
    });
    expect(first!.tasks.length).toBeGreaterThan(50);
    expect(first!.tasks.every((task) => task.model_id !== undefined && task.queued_at !== undefined)).toBe(
      true,
    );
  });

  it("sends nothing that the protocol refuses or does not know", () => {
    const { report: schema, shapes } = reportSchema(LIMITS, "refused");
    for (const report of play(CYCLE_MS / 1000)) {
      const wire = JSON.parse(JSON.stringify(report));
      expect(schema.safeParse(wire).error).toBeUndefined();
      expect([...unknownFields(wire, shapes)]).toEqual([]);
      expect(new Set(report.tasks.map((task) => task.id)).size).toBe(report.tasks.length);
    }
  });

  it("takes no task id twice, not even after a restart", () => {
    const restarted = play(60, { start_ms: START_MS + 1 });
    const first = new Set(readTasks(play(60)).keys());
    expect([...readTasks(restarted).keys()].filter((id) => first.has(id))).toEqual([]);
  });

  it("loses no task: those that arrived are waiting, running or ended", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer(),
        fc.integer({ min: 0, max: 700 }),
        (workers, tasks, seed, seconds) => {
          const demo = createDemo({ workers, tasks, seed, start_ms: START_MS });
          demo.reportsUntil(START_MS + seconds * 1000);
          const { arrived, ...parts } = demo.counts();
          expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBe(arrived);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("tells in its reports all that it knows of the tasks", () => {
    const demo = createDemo({ seed: 7, start_ms: START_MS });
    const reports = demo.reportsUntil(START_MS + 600_000);
    const statuses = [...readTasks(reports).values()].map((task) => task.status);
    const count = (status: TaskStatus) => statuses.filter((other) => other === status).length;
    const { queued, assigned, running } = demo.counts();
    expect([count("queued"), count("assigned"), count("running")]).toEqual([queued, assigned, running]);
    expect(reports.at(-1)!.system.metrics.queue_depth).toBe(queued);
  });

  it("keeps the instants of each attempt in their order, and none in the future", () => {
    const attempts = new Map<string, DemoTaskEntry>();
    for (const report of play(CYCLE_MS / 1000)) {
      for (const entry of report.tasks) {
        const key = `${entry.id} ${entry.attempt ?? 1}`;
        const { queued_at, assigned_at, started_at, ended_at } = { ...attempts.get(key), ...entry };
        attempts.set(key, { ...attempts.get(key), ...entry });
        const instants = [queued_at, assigned_at, started_at, ended_at, report.at].filter(
          (at) => at !== undefined,
        );
        expect(instants).toEqual(instants.toSorted((a, b) => a - b));
        expect(instants.every(Number.isInteger)).toBe(true);
      }
    }
  });

  it.each([
    [15, 80],
    [100, 1000],
    [40, 100],
  ])("keeps %i workers busy with about %i live tasks", (workers, tasks) => {
    const demo = createDemo({ workers, tasks, seed: 7, start_ms: START_MS });
    let live = 0;
    let running = 0;
    for (let minute = 1; minute <= 20; minute++) {
      demo.reportsUntil(START_MS + minute * 60_000);
      const counts = demo.counts();
      live += (counts.queued + counts.assigned + counts.running) / 20;
      running += counts.running / 20;
    }
    expect(live / tasks).toBeGreaterThan(0.85);
    expect(live / tasks).toBeLessThan(1.25);
    expect(running / tasks).toBeGreaterThan(0.65);
    expect(running / tasks).toBeLessThan(0.9);
  });

  it("lets tasks wait for some seconds, and not for minutes, while nothing is wrong", () => {
    const tasks = [...readTasks(play(CYCLE_MS / 1000)).values()];
    const waits_s = tasks
      .filter((task) => task.started_at !== undefined && task.attempt === undefined)
      .map((task) => (task.started_at! - task.queued_at!) / 1000);
    const mean_s = waits_s.reduce((sum, wait_s) => sum + wait_s, 0) / waits_s.length;
    expect(mean_s).toBeGreaterThan(2);
    expect(mean_s).toBeLessThan(30);
  });

  it("retries what failed as a higher attempt, with an error that says why", () => {
    const entries = play(CYCLE_MS / 1000).flatMap((report) => report.tasks);
    const failed = entries.filter((entry) => entry.status === "failed");
    expect(failed.length).toBeGreaterThan(5);
    expect(failed.every((entry) => entry.error!.length > 10)).toBe(true);
    const again = entries.filter((entry) => entry.attempt === 2 && entry.status === "queued");
    expect(again.length).toBeGreaterThan(3);
    expect(again.every((entry) => entry.error === null && entry.worker_id === null)).toBe(true);
  });

  it("names as errors only what can be: the memory is full, the model is of that kind, the time has passed", () => {
    const tasks = new Map<string, DemoTaskEntry>();
    const workers = new Map<string, DemoReport["workers"][number]>();
    const seen = new Set<string>();
    for (const report of play(40 * 60, { workers: 60, seed: 3 })) {
      const before = new Map(workers);
      for (const worker of report.workers) workers.set(worker.id, { ...workers.get(worker.id), ...worker });
      for (const entry of report.tasks) {
        const task = { ...tasks.get(entry.id), ...entry };
        tasks.set(entry.id, task);
        if (entry.status !== "failed") continue;
        const { error, model_id, model_family, type, requirements, worker_id } = task;
        const { capabilities, gpus } = workers.get(worker_id!)!;
        const lasted_s = (task.ended_at! - task.started_at!) / 1000;
        const said = (pattern: RegExp) => {
          const match = pattern.exec(error!);
          if (match) seen.add(pattern.source);
          return match;
        };
        const memory = said(
          /^CUDA out of memory: tried to allocate ([\d.]+) GiB on GPU (\d+) \((\d+) GiB in all, (\d+) MiB free\)/,
        );
        if (memory) {
          const [needed_gib, device, total_gib, free_mib] = memory.slice(1).map(Number);
          expect(needed_gib! * 1024).toBeGreaterThan(free_mib!);
          expect(needed_gib! * 2 ** 30).toBeLessThanOrEqual(requirements!.memory_bytes!);
          expect(total_gib! * 2 ** 30).toBe(capabilities!.gpu_memory_bytes);
          // What was reported last before it failed, or with it.
          const off = [gpus!, before.get(worker_id!)!.gpus!].map((reported) => {
            const reported_mib = (1 - reported[device!]!.memory_utilization! / 100) * total_gib! * 1024;
            return Math.abs(reported_mib - free_mib!);
          });
          expect(Math.min(...off)).toBeLessThan(0.001 * total_gib! * 1024);
        }
        if (said(/^CUDA/)) expect(requirements!.backends).toEqual(["cuda"]);
        if (said(/tokens, of which the model takes 512/)) expect(["bert", "t5"]).toContain(model_family);
        if (said(/no valid UTF-8/)) expect(type).toBe("text");
        if (said(/the file is truncated/)) expect(type).not.toBe("text");
        if (said(/^Could not fetch the weights/)) expect(error).toContain(model_id);
        const silence = said(/(?:no answer from the runner|no progress|of the worker) for (\d+) s/);
        if (silence) expect(Number(silence[1])).toBeLessThanOrEqual(Math.ceil(lasted_s));
      }
    }
    expect(seen.size).toBe(7);
  });

  it("stays the same size for as long as it runs", () => {
    const demo = createDemo({ workers: 5, seed: 7, start_ms: START_MS });
    for (let hour = 1; hour <= 6; hour++) {
      const bytes = JSON.stringify(demo.reportsUntil(START_MS + hour * 3_600_000)).length / 3600;
      const { queued, assigned, running, retrying } = demo.counts();
      expect(queued + assigned + running + retrying).toBeLessThan(60);
      expect(bytes).toBeLessThan(6000);
    }
  });

  it("works with one worker and with ten thousand", () => {
    expect(play(60, { workers: 1, tasks: 3 }).at(-1)!.workers).toHaveLength(1);
    const large = play(3, { workers: 10_000, tasks: 20_000 });
    expect(large.at(-1)!.workers).toHaveLength(10_000);
    expect(new Set(large[0]!.workers.map((worker) => worker.id)).size).toBe(10_000);
  });

  it("refuses a size that is none", () => {
    expect(() => play(1, { workers: 0 })).toThrow(
      "the demo's workers must be a whole number from 1 to 100000; got 0",
    );
    expect(() => play(1, { tasks: 1.5 })).toThrow(
      "the demo's tasks must be a whole number from 1 to 1000000; got 1.5",
    );
  });
});

describe("a worker's utilisation", () => {
  const reports = play(2 * (CYCLE_MS / 1000));
  const { faultsAt } = createDemo({ seed: 7, start_ms: START_MS });

  it("stays below what counts as overload, but for the overloaded one", () => {
    for (const { at, workers } of reports) {
      const overloaded = faultsAt(at).find((fault) => fault.kind === "overload")?.worker_id;
      for (const { id, metrics, gpus = [] } of workers) {
        if (id !== overloaded) expect(metrics.cpu_utilization).toBeLessThan(90);
        expect(metrics.memory_utilization).toBeLessThan(90);
        for (const gpu of gpus) expect(gpu.utilization).toBeLessThan(95);
      }
    }
  });

  it("follows from the tasks that run on it", () => {
    const cpuOf = (wanted: (share: number) => boolean) => {
      const slots = new Map(
        reports[0]!.workers.map(({ id, capabilities }) => [id, Number(capabilities!.slots)]),
      );
      const values = reports
        .flatMap((report) => report.workers)
        .filter(({ id, metrics }) => id.includes("cpu") && wanted(metrics.active_tasks! / slots.get(id)!))
        .map(({ metrics }) => metrics.cpu_utilization!);
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    };
    expect(cpuOf((share) => share >= 1)).toBeGreaterThan(60);
    expect(cpuOf((share) => share <= 0.5)).toBeLessThan(50);
  });

  it("of a GPU worker is the mean of its devices", () => {
    for (const { metrics, gpus } of reports.at(-1)!.workers) {
      if (gpus === undefined) continue;
      const mean = gpus.reduce((sum, gpu) => sum + gpu.utilization!, 0) / gpus.length;
      expect(metrics.gpu_utilization).toBeCloseTo(mean, 0);
    }
  });
});
