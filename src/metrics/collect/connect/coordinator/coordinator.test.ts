import type { ServerResponse } from "node:http";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../clock.ts";
import { Fleet } from "../../../process/fleet.ts";
import { Collector } from "../../collector.ts";
import type { Connector, KnownBefore } from "../connector.ts";
import { askOnce } from "../runner.ts";
import { COORDINATOR } from "./coordinator.ts";
import {
  ADMIN_KEY,
  FakeCoordinator,
  localTime,
  RECORDED,
  recorded,
  WORKER_KEY,
} from "./coordinator-fixture.ts";

/** Shortly after the first tasks that were recorded. */
const START_MS = Date.parse("2026-11-23T18:24:18Z");
const LIMITS = {
  max_workers: 20_000,
  max_live_tasks: 200_000,
  max_metric_names_per_source: 64,
  max_tags: 64,
  max_string_length: 1024,
  max_reports_per_body: 100,
  max_buffered_reports: 100,
  grace_ms: 900_000,
};

let coordinator: FakeCoordinator;
let clock: ManualClock;

beforeEach(async () => {
  clock = new ManualClock(START_MS);
  coordinator = await new FakeCoordinator(() => clock.now()).listen();
  process.env.LAB_KEY = ADMIN_KEY;
});
afterEach(async () => {
  await coordinator.close();
  delete process.env.LAB_KEY;
});

function connector(given: object = {}): Connector {
  const config = COORDINATOR.schema.parse({ url: coordinator.url, api_key_env: "LAB_KEY", ...given });
  return COORDINATOR.create(config, { name: "lab", interval_ms: 1000, timeout_ms: 60_000 });
}

/** A fleet that hears of the coordinator alone. */
class Watcher {
  fleet: Fleet;
  readonly #collector: Collector;
  #connector: Connector;
  refused = 0;

  constructor(given: object = {}) {
    this.#connector = connector(given);
    this.fleet = new Fleet(
      { worker_ttl_ms: 3_600_000, task_ttl_ms: 86_400_000, grace_ms: 900_000 },
      clock.now(),
    );
    const known = { workers: 0, live_tasks: 0, hasWorker: () => false, hasTask: () => false };
    this.#collector = new Collector(LIMITS, clock, known);
  }

  /** One poll, and a tick after it. @returns what was seen */
  async poll(after_ms = 1000): Promise<string> {
    clock.advance(after_ms);
    try {
      const { signal } = new AbortController();
      const { saw } = await askOnce(this.#connector, { clock, take: (r) => this.#collector.take(r), signal });
      return saw;
    } finally {
      this.tick();
    }
  }

  tick(): void {
    for (const report of this.#collector.drain()) this.fleet.apply(report);
    this.fleet.advance(clock.now());
  }

  /** Another connector to the same coordinator, as after a restart of Evenkeel: it knows what the fleet knows. */
  again(): void {
    this.#connector = connector();
    this.#connector.resume?.(knownBefore(this.fleet));
  }

  task(id: string) {
    const task = this.fleet.tasks.get(id);
    return task && { state: task.state, attempt: task.attempt, worker_id: task.worker_id, error: task.error };
  }

  attempts(id: string) {
    return this.fleet.tasks
      .get(id)
      ?.attempts()
      .map(({ attempt, status, worker_id, error }) => [attempt, status, worker_id, error]);
  }
}

function knownBefore(fleet: Fleet): KnownBefore {
  const [source] = fleet.sources();
  const unfinished = [...fleet.live.values()].map(({ id, attempt, status }) => ({ id, attempt, status }));
  return { last_report_ms: source!.last_report_ms, unfinished };
}

const iso = (at_ms: number | null | undefined) => at_ms && new Date(at_ms).toISOString();

describe("the coordinator of the tests", () => {
  it("answers as the one that was recorded", async () => {
    const ask = async (path: string, key: string | null) => {
      const answer = await fetch(new URL(path, coordinator.url), {
        headers: key === null ? {} : { "X-API-Key": key },
      });
      return [answer.status, await answer.json()];
    };
    const asked = RECORDED.slice(0, 12).filter(({ path }) => !/workers\/w-gpu|tasks\/3679/.test(path));
    coordinator.workers = recorded("/api/workers")[0]!.workers!;
    coordinator.tasks = recorded("/api/tasks")[0]!.tasks!;
    expect(asked).toHaveLength(10);
    for (const { path, key, status, response } of asked) {
      expect([path, ...(await ask(path, key))]).toEqual([path, status, response]);
    }
  });
});

describe("what was recorded of a coordinator", () => {
  it("while tasks run is the fleet of it", async () => {
    coordinator.workers = recorded("/api/workers")[0]!.workers!;
    coordinator.tasks = recorded("/api/tasks")[0]!.tasks!;
    const watcher = new Watcher();
    expect(await watcher.poll()).toBe("2 workers, 7 unfinished tasks");
    const { fleet } = watcher;
    expect(fleet.workers.get("w-gpu")).toMatchObject({
      type: "gpu",
      hostname: "gpu-box",
      state: "active",
      running_tasks: 2,
      capabilities: {
        cpu_cores: 16,
        cpu_model: "x",
        memory_bytes: 64 * 2 ** 30,
        gpu_model: "Tesla T4",
        gpu_count: 1,
        gpu_memory_bytes: 16 * 2 ** 30,
        backends: ["cpu", "cuda"],
      },
      gpus: [{ index: 0, memory_utilization: 12.5 }],
    });
    expect(Object.fromEntries(fleet.workers.get("w-gpu")!.metrics)).toMatchObject({
      cpu_utilization: 91,
      memory_utilization: 61.5,
      memory_bytes: Math.round(9.8 * 2 ** 30),
      gpu_memory_utilization: 12.5,
      active_tasks: 2,
      completed_tasks: 0,
    });
    expect(fleet.workers.get("w-gpu")!.metrics.has("gpu_utilization")).toBe(false);
    expect(fleet.workers.get("w-cpu")).toMatchObject({ type: "cpu", running_tasks: 4 });
    expect(fleet.tasks.get("f7850d49-2160-40d6-8cab-0b4ecc4d3ced")).toMatchObject({
      state: "running",
      type: "benchmark",
      model_id: "vit-base",
      model_family: "vit",
      modality: "vision",
      // 5 of at most 10, of which the highest goes first.
      priority: 6,
      worker_id: "w-gpu",
      requirements: { backends: ["cuda"], memory_bytes: 4 * 2 ** 30 },
      queued_at_ms: Date.parse("2026-11-23T18:24:17.150Z"),
      started_at_ms: Date.parse("2026-11-23T18:24:17.154Z"),
    });
    expect(watcher.task("f0430a6e-4333-4a36-b8b9-f6b2676b3b53")).toMatchObject({
      state: "queued",
      attempt: 1,
    });
  });

  it("once they ended has each end, the failed one with all its attempts", async () => {
    coordinator.workers = recorded("/api/workers")[0]!.workers!;
    coordinator.tasks = recorded("/api/tasks")[0]!.tasks!;
    const watcher = new Watcher();
    await watcher.poll();
    coordinator.workers = recorded("/api/workers")[1]!.workers!;
    coordinator.tasks = recorded("/api/tasks")[1]!.tasks!;
    const id = "f7850d49-2160-40d6-8cab-0b4ecc4d3ced";
    const { health } = recorded(`/api/tasks/${id}`)[0]!.task as unknown as {
      health: { execution_history: Record<string, unknown>[] };
    };
    coordinator.executions.set(id, health.execution_history);
    expect(await watcher.poll(6000)).toBe("2 workers, 0 unfinished tasks, 7 ended");
    const oom = "CUDA out of memory";
    expect(watcher.attempts(id)).toEqual([1, 2, 3, 4].map((n) => [n, "failed", "w-gpu", oom]));
    const task = watcher.fleet.tasks.get(id)!;
    expect(
      task.attempts().map(({ started_at_ms, ended_at_ms }) => [iso(started_at_ms), iso(ended_at_ms)]),
    ).toEqual([
      ["2026-11-23T18:24:17.154Z", "2026-11-23T18:24:18.658Z"],
      ["2026-11-23T18:24:18.669Z", "2026-11-23T18:24:20.171Z"],
      ["2026-11-23T18:24:20.181Z", "2026-11-23T18:24:21.684Z"],
      ["2026-11-23T18:24:21.693Z", "2026-11-23T18:24:23.196Z"],
    ]);
    expect(watcher.fleet.ledger.states()).toMatchObject({
      completed: 5,
      failed: 1,
      cancelled: 1,
      running: 0,
    });
    expect(watcher.fleet.workers.get("w-gpu")!.record.lastTasks()).toMatchObject({ tasks: 5, completed: 1 });
    expect(watcher.task("f0430a6e-4333-4a36-b8b9-f6b2676b3b53")).toMatchObject({
      state: "cancelled",
      attempt: 1,
    });
  });
});

describe("a task", () => {
  let watcher: Watcher;
  beforeEach(async () => {
    coordinator.addWorker("w1");
    coordinator.addWorker("w2");
    watcher = new Watcher();
    await watcher.poll();
    coordinator.submit("t");
  });

  it("that is taken up again has left its error behind", async () => {
    coordinator.start("t", "w1");
    await watcher.poll();
    coordinator.fail("t", "out of memory", true);
    expect(coordinator.task("t")).toMatchObject({ status: "pending", error: "out of memory", attempts: 1 });
    await watcher.poll();
    expect(watcher.task("t")).toEqual({ state: "queued", attempt: 2, worker_id: null, error: null });
    coordinator.start("t", "w2");
    expect(coordinator.task("t")).toMatchObject({ status: "running", error: "out of memory" });
    await watcher.poll();
    expect(watcher.task("t")).toEqual({ state: "running", attempt: 2, worker_id: "w2", error: null });
    coordinator.complete("t");
    await watcher.poll();
    expect(watcher.task("t")).toEqual({ state: "completed", attempt: 2, worker_id: "w2", error: null });
    expect(watcher.attempts("t")).toEqual([
      [1, "failed", "w1", "out of memory"],
      [2, "completed", "w2", null],
    ]);
  });

  it("that was taken up again between two polls is a new attempt", async () => {
    coordinator.start("t", "w1");
    await watcher.poll();
    coordinator.fail("t", "lost", true);
    clock.advance(100);
    coordinator.start("t", "w2");
    await watcher.poll();
    expect(watcher.task("t")).toEqual({ state: "running", attempt: 2, worker_id: "w2", error: null });
    expect(watcher.attempts("t")![0]).toEqual([1, "failed", "w1", "lost"]);
  });

  it("is told once, and then only named until something of it changes", async () => {
    coordinator.start("t", "w1");
    const asked = connector();
    const tasks = async () => {
      clock.advance(1000);
      const poll = await asked.poll(clock.now(), new AbortController().signal);
      poll.taken?.();
      return poll.reports[0]!.tasks;
    };
    expect(await tasks()).toMatchObject([{ id: "t", status: "running", model_id: "bert-base-uncased" }]);
    expect(await tasks()).toEqual([{ id: "t", attempt: 1 }]);
    coordinator.task("t").progress = 40;
    expect(await tasks()).toMatchObject([{ id: "t", progress: 40 }]);
    expect(await tasks()).toEqual([{ id: "t", attempt: 1 }]);
  });

  it("that came and went between two polls is counted all the same", async () => {
    coordinator.start("t", "w1");
    clock.advance(200);
    coordinator.complete("t");
    expect(await watcher.poll()).toBe("2 workers, 0 unfinished tasks, 1 ended");
    expect(watcher.task("t")).toMatchObject({ state: "completed", worker_id: "w1" });
  });

  it("that failed, and was taken up again and completed between two polls, is looked up once more", async () => {
    coordinator.start("t", "w1");
    coordinator.fail("t", "no");
    await watcher.poll();
    expect(watcher.task("t")).toMatchObject({ state: "failed" });
    coordinator.task("t").status = "pending";
    coordinator.start("t", "w2");
    coordinator.complete("t");
    coordinator.asked.length = 0;
    for (let n = 0; n < 30; n += 1) {
      coordinator.beat();
      await watcher.poll();
    }
    expect(watcher.task("t")).toMatchObject({ state: "completed", attempt: 2, worker_id: "w2" });
    expect(coordinator.asked.filter((path) => path === "/api/tasks/t")).toHaveLength(1);
  });

  it("that is being cancelled runs until it is cancelled", async () => {
    coordinator.start("t", "w1");
    coordinator.task("t").status = "cancelling";
    await watcher.poll();
    expect(watcher.task("t")).toMatchObject({ state: "running" });
    coordinator.cancel("t");
    await watcher.poll();
    expect(watcher.task("t")).toMatchObject({ state: "cancelled", attempt: 1, worker_id: "w1" });
  });

  it("that was cancelled while it waited for its next attempt did not fail again", async () => {
    coordinator.start("t", "w1");
    coordinator.fail("t", "no", true);
    clock.advance(100);
    coordinator.cancel("t");
    await watcher.poll();
    expect(watcher.attempts("t")).toEqual([
      [1, "failed", "w1", "no"],
      [2, "cancelled", null, null],
    ]);
  });

  it("that is not known there any more is orphaned", async () => {
    await watcher.poll();
    coordinator.tasks = [];
    await watcher.poll();
    expect(watcher.task("t")).toMatchObject({ state: "orphaned" });
  });

  it("that ended while nobody asked is told after a restart, and what was told before is not told again", async () => {
    coordinator.start("t", "w1");
    coordinator.submit("before");
    coordinator.start("before", "w1");
    coordinator.complete("before");
    await watcher.poll();
    await watcher.poll(15_000);
    watcher.again();
    clock.advance(20 * 60_000);
    coordinator.complete("t");
    coordinator.submit("meanwhile");
    coordinator.start("meanwhile", "w2");
    coordinator.fail("meanwhile", "no");
    coordinator.beat();
    expect(await watcher.poll()).toBe("2 workers, 0 unfinished tasks, 2 ended");
    expect(watcher.task("t")).toMatchObject({ state: "completed" });
    expect(watcher.task("meanwhile")).toMatchObject({ state: "failed" });
    expect(watcher.task("before")).toBeUndefined();
  });

  it("is told again where the poll that saw it end came to nothing", async () => {
    coordinator.start("t", "w1");
    coordinator.complete("t");
    coordinator.instead = (path, response) => path.includes("cancelling") && answered(response, 500, "{}");
    await expect(watcher.poll()).rejects.toThrow("answered 500");
    coordinator.instead = () => false;
    await watcher.poll();
    expect(watcher.task("t")).toMatchObject({ state: "completed" });
  });
});

describe("what it costs", () => {
  it("is what lives: 100,000 tasks that ended are not read again", async () => {
    coordinator.addWorker("w1");
    const at = clock.now() - 7_200_000;
    coordinator.now_ms = () => at;
    const ended = { status: "completed", attempts: 1, ended: localTime(at) };
    for (let n = 0; n < 100_000; n += 1) coordinator.submit(`old-${n}`, ended);
    coordinator.now_ms = () => clock.now();
    for (let n = 0; n < 1200; n += 1) coordinator.submit(`live-${n}`);
    const watcher = new Watcher();
    expect(await watcher.poll()).toBe("1 worker, 1200 unfinished tasks");
    coordinator.asked.length = 0;
    coordinator.tasks_sent = 0;
    coordinator.start("live-0", "w1");
    coordinator.complete("live-0");
    coordinator.submit("new");
    await watcher.poll();
    // 1,200 that wait, the one that ended, and the last known with the new one.
    expect(coordinator.tasks_sent).toBe(1203);
    expect(coordinator.asked.map((path) => path.replace(/\?.*status=/, " "))).toEqual([
      "/api/workers?offset=0&limit=500",
      "/api/tasks?offset=101199&limit=50",
      expect.stringMatching("pending"),
      expect.stringMatching("pending"),
      expect.stringMatching("pending"),
      expect.stringMatching("running"),
      expect.stringMatching("cancelling"),
      "/api/tasks/live-0",
    ]);
  });

  it("is bounded where many end at once: nothing of them is lost", async () => {
    coordinator.addWorker("w1");
    for (let n = 0; n < 450; n += 1) coordinator.submit(`t${n}`);
    const watcher = new Watcher();
    await watcher.poll();
    for (let n = 0; n < 450; n += 1) {
      coordinator.start(`t${n}`, "w1");
      coordinator.complete(`t${n}`);
    }
    expect(await watcher.poll()).toBe("1 worker, 250 unfinished tasks, 200 ended");
    expect(watcher.fleet.ledger.states()).toMatchObject({ completed: 200, orphaned: 0, queued: 250 });
    await watcher.poll();
    expect(await watcher.poll()).toBe("1 worker, 0 unfinished tasks, 50 ended");
    expect(watcher.fleet.ledger.states()).toMatchObject({ completed: 450, orphaned: 0, queued: 0 });
  });
});

describe("a worker", () => {
  it("that flaps is active, and one that stays away is silent and at last lost", async () => {
    const w1 = coordinator.addWorker("w1");
    coordinator.addWorker("w2");
    const watcher = new Watcher();
    const states = new Set<string>();
    await watcher.poll();
    for (let second = 1; second <= 120; second += 1) {
      w1.status = Math.floor(second / 10) % 2 === 1 ? "offline" : "active";
      coordinator.beat();
      await watcher.poll();
      states.add(watcher.fleet.workers.get("w1")!.state);
    }
    expect([...states]).toEqual(["active"]);
    w1.status = "offline";
    const seen: string[] = [];
    for (let second = 1; second <= 90; second += 1) {
      coordinator.beat();
      const saw = await watcher.poll();
      const { state } = watcher.fleet.workers.get("w1")!;
      if (state !== seen.at(-1)) seen.push(state);
      if (state === "lost") expect(saw).toBe("2 workers (1 not heard), 0 unfinished tasks");
    }
    expect(seen).toEqual(["active", "stale", "lost"]);
    expect(watcher.fleet.workers.get("w2")!.state).toBe("active");
    w1.status = "active";
    coordinator.beat();
    await watcher.poll();
    expect(watcher.fleet.workers.get("w1")!.state).toBe("active");
  });

  it("that was offline before anybody asked is lost, and one that is gone for long is not shown", async () => {
    coordinator.addWorker("w1");
    coordinator.addWorker("away", { status: "offline" });
    const long_ago = new Date(clock.now() - 4_000_000).toISOString().slice(0, -1);
    coordinator.addWorker("long-gone", { status: "permanent_failure", last_heartbeat: long_ago });
    clock.advance(120_000);
    coordinator.beat();
    const watcher = new Watcher();
    await watcher.poll();
    const { workers } = watcher.fleet;
    expect([...workers.values()].map(({ id, state }) => [id, state])).toEqual([
      ["w1", "active"],
      ["away", "lost"],
    ]);
  });

  it("without figures has gaps, and figures that can't be are left out", async () => {
    coordinator.addWorker("fresh", { hardware_metrics: undefined });
    coordinator.addWorker("odd", {
      hostname: 5,
      capabilities: null,
      hardware_metrics: { cpu_percent: 4200, memory_percent: 50, gpu: [null, { index: -1 }, { index: 1 }] },
    });
    coordinator.workers.push({ worker_id: "bad\nid", status: "active" });
    const watcher = new Watcher();
    expect(await watcher.poll()).toBe(
      "2 workers, 0 unfinished tasks, 1 record left out (no id, or a status that is not known)",
    );
    coordinator.submit("t", { status: "dreaming" });
    expect(await watcher.poll()).toContain("2 records left out");
    expect(watcher.fleet.workers.get("fresh")!.metrics.has("cpu_utilization")).toBe(false);
    const { metrics, gpus, hostname } = watcher.fleet.workers.get("odd")!;
    expect([metrics.get("cpu_utilization"), metrics.get("memory_utilization"), gpus, hostname]).toEqual([
      undefined,
      50,
      [{ index: 1, memory_utilization: undefined }],
      null,
    ]);
  });

  it("of pages is read from all of them", async () => {
    for (let n = 0; n < 1001; n += 1) coordinator.addWorker(`w${n}`);
    const watcher = new Watcher();
    expect(await watcher.poll()).toBe("1001 workers, 0 unfinished tasks");
    expect(watcher.fleet.workers.size).toBe(1001);
  });
});

describe("the settings", () => {
  it("name its zone, its most urgent priority, and what stands before its ids", async () => {
    clock.set(Date.parse("2026-07-01T10:00:00Z"));
    coordinator.now_ms = () => clock.now() + 2 * 3_600_000;
    coordinator.addWorker("w1");
    coordinator.submit("t", { priority: 100 });
    coordinator.start("t", "w1");
    const watcher = new Watcher({ time_zone: "Europe/Berlin", max_priority: 100, id_prefix: "lab/" });
    await watcher.poll(0);
    expect([...watcher.fleet.workers.keys()]).toEqual(["lab/w1"]);
    expect(watcher.fleet.tasks.get("lab/t")).toMatchObject({
      worker_id: "lab/w1",
      priority: 1,
      queued_at_ms: clock.now(),
    });
    coordinator.complete("t");
    await watcher.poll();
    expect(watcher.task("lab/t")).toMatchObject({ state: "completed" });
  });

  it("that name a wrong zone are told so, and nothing is taken", async () => {
    coordinator.now_ms = () => clock.now() + 2 * 3_600_000;
    coordinator.addWorker("w1");
    const watcher = new Watcher();
    await expect(watcher.poll()).rejects.toThrow(
      "the newest heartbeat of an active worker is 120 min ahead of our clock: time_zone must be the coordinator's",
    );
    expect(watcher.fleet.workers.size).toBe(0);
  });
});

function answered(response: ServerResponse, status: number, body: string): true {
  response.writeHead(status).end(body);
  return true;
}

describe("an answer that can't be read", () => {
  it.each([
    [
      401,
      '{"error":"Unauthorized"}',
      /api\/workers\?offset=0&limit=500 answered 401: Unauthorized \(api_key_env/,
    ],
    [200, "<html>", /is no coordinator's answer: the answer must be a JSON object; got "<html>"/],
    [200, "[]", /the answer must be a JSON object; got \[\]/],
    [200, '{"workers":{}}', /workers must be a list; got \{\}/],
    [200, '{"workers":[],"total":"2"}', /total must be a whole number; got "2"/],
    [200, '{"workers":[],"total":9000000}', /must have at most 100000 workers; got 9000000/],
    [302, "", /answered 302/],
  ])("(%i %s) is told", async (status, body, message) => {
    coordinator.instead = (_, response) => answered(response, status, body);
    await expect(new Watcher().poll()).rejects.toThrow(message);
  });

  it("names the key's place, never the key", async () => {
    process.env.LAB_KEY = "";
    await expect(new Watcher().poll()).rejects.toThrow(
      "api_key_env names the variable LAB_KEY, which is not set",
    );
    process.env.LAB_KEY = "nobody";
    await expect(new Watcher().poll()).rejects.toThrow("answered 401: Unauthorized");
    process.env.LAB_KEY = WORKER_KEY;
    coordinator.addWorker("w1");
    expect(await new Watcher().poll()).toContain("only names of workers: the key is not an admin's");
  });
});

/** What may happen to a coordinator between two polls, to few tasks, so that much happens to each. */
const happening = fc.oneof(
  fc.constant(["submit"] as const),
  { weight: 6, arbitrary: fc.tuple(fc.constantFrom("start", "start", "retry", "requeue"), fc.nat(1)) },
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom("complete", "fail", "cancel", "cancelling"), fc.nat(3)) },
  { weight: 6, arbitrary: fc.tuple(fc.constant("poll"), fc.integer({ min: 1, max: 5000 })) },
  fc.tuple(fc.constant("break"), fc.constantFrom("workers", "offset", "pending", "running", "tasks/")),
  fc.constant(["restart"] as const),
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

/** Lets it happen where it can. */
async function play(watcher: Watcher, [what, which]: Happening): Promise<void> {
  clock.advance(50);
  if (what === "poll") return void (await watcher.poll(Number(which)));
  if (what === "restart") {
    // That a task failed in the last 10 s is all that is forgotten then: what failed is not taken up again here.
    await watcher.poll(10_000);
    for (const task of coordinator.tasks) if (task.status === "failed") task.final = true;
    return watcher.again();
  }
  if (what === "submit") return void coordinator.submit(`t${coordinator.tasks.length}`);
  if (what === "break") {
    coordinator.instead = (path, response) => path.includes(String(which)) && answered(response, 500, "{}");
    await watcher.poll().catch(() => {});
    coordinator.instead = () => false;
    return;
  }
  const task = coordinator.tasks[Number(which) % Math.max(1, coordinator.tasks.length)];
  if (!task) return;
  const { task_id, status } = task;
  if (what === "start" && status === "pending") coordinator.start(task_id, "w1");
  // It failed, was seen to have failed, and is taken up again after all.
  if (what === "requeue" && status === "failed" && !task.final) task.status = "pending";
  if (what === "cancelling" && status === "running") task.status = "cancelling";
  if (what === "cancel" && !["completed", "failed"].includes(status)) coordinator.cancel(task_id);
  if (status !== "running") return;
  if (what === "complete") coordinator.complete(task_id);
  if (what === "fail") coordinator.fail(task_id, "no");
  if (what === "retry") coordinator.fail(task_id, "no", true);
}

const STATES: Record<string, string> = { pending: "queued", cancelling: "running" };

describe("whatever happens, and whenever it is asked", () => {
  it("ends with every task as the coordinator has it, and in lawful order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 40, size: "max" }), async (happenings) => {
        Object.assign(coordinator, { workers: [], tasks: [] });
        coordinator.executions.clear();
        coordinator.addWorker("w1");
        coordinator.submit("t0");
        coordinator.submit("t1");
        const watcher = new Watcher();
        await watcher.poll();
        for (const one of happenings) {
          coordinator.beat();
          await play(watcher, one);
        }
        await watcher.poll(10_000);
        await watcher.poll(10_000);
        for (const { task_id, status, attempts } of coordinator.tasks) {
          const task = watcher.fleet.tasks.get(task_id);
          expect([task_id, task?.state]).toEqual([task_id, STATES[status] ?? status]);
          if (status === "running" || status === "completed") expect(task!.attempt).toBe(attempts);
          lawful(watcher.fleet.tasks.get(task_id)!.attempts());
        }
        expect(watcher.fleet.live.size).toBe(
          coordinator.tasks.filter(({ status }) => ["pending", "running", "cancelling"].includes(status))
            .length,
        );
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  function lawful(attempts: ReturnType<NonNullable<ReturnType<Fleet["tasks"]["get"]>>["attempts"]>): void {
    attempts.forEach(({ attempt, queued_at_ms, started_at_ms, ended_at_ms, status, error }, index) => {
      if (index > 0) expect(attempt).toBeGreaterThan(attempts[index - 1]!.attempt);
      const times = [queued_at_ms, started_at_ms, ended_at_ms].filter((at_ms) => at_ms !== null);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      if (status !== "failed") expect(error).toBeNull();
    });
  }

  it("and whatever a record holds, the report of it is taken", async () => {
    const wild = fc.jsonValue({ maxDepth: 3 });
    const odd = fc.string({ unit: "binary" });
    const time = fc.oneof(
      fc.date({ noInvalidDate: true }).map((date) => date.toISOString().slice(0, -1)),
      wild,
    );
    const task = fc.record(
      {
        task_id: fc.oneof(odd, wild),
        status: fc.oneof(fc.constantFrom("pending", "running", "completed", "failed", "cancelled"), wild),
        type: fc.oneof(odd, wild),
        priority: fc.oneof(fc.double(), wild),
        attempts: fc.oneof(fc.integer(), wild),
        config: fc.oneof(fc.record({ model: odd }), wild),
        requirements: fc.oneof(fc.record({ hardware: fc.array(odd), min_memory_gb: fc.double() }), wild),
        created: time,
        started: time,
        ended: time,
        failed_time: time,
        cancelled: time,
        worker_id: fc.oneof(odd, wild),
        progress: fc.oneof(fc.double(), wild),
        error: fc.oneof(fc.string({ maxLength: 3000, unit: "binary" }), wild),
      },
      { requiredKeys: ["task_id", "status"] },
    );
    const worker = fc.record(
      {
        worker_id: fc.oneof(odd, wild),
        status: fc.oneof(fc.constantFrom("active", "offline", "permanent_failure"), wild),
        hostname: fc.oneof(odd, wild),
        last_heartbeat: wild,
        capabilities: fc.oneof(
          fc.record({ hardware: fc.array(odd), cpu: wild, gpu: wild, memory: wild }),
          wild,
        ),
        hardware_metrics: fc.oneof(fc.record({ cpu_percent: fc.double(), gpu: wild }), wild),
        tasks_completed: fc.oneof(fc.double(), wild),
      },
      { requiredKeys: ["worker_id"] },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(task, { maxLength: 5 }),
        fc.array(worker, { maxLength: 5 }),
        async (tasks, workers) => {
          Object.assign(coordinator, { tasks, workers });
          await new Watcher().poll();
        },
      ),
      { numRuns: 50 },
    );
  }, 60_000);
});
