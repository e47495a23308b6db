import { describe, expect, test, vi } from "vitest";
import { EvenkeelError } from "../../../errors.ts";
import { ManualClock } from "../../clock.ts";
import type { Answer } from "../sender.ts";
import { runAgent } from "./agent.ts";
import type { Reading } from "./figures.ts";
import type { GpuReading } from "./gpus.ts";
import { Outbox } from "./outbox.ts";

/** Far beyond what it takes: a busy machine is no failure. */
const SOON = { timeout: 15_000 };

const NOW_MS = Date.UTC(2026, 10, 23, 18, 24, 16);
const GPU: GpuReading = {
  index: 0,
  name: "Tesla T4",
  utilization: 97,
  memory_used_bytes: 10,
  memory_total_bytes: 20,
  temperature_celsius: 71,
  power_watts: 60,
  throttled: true,
};

type Report = { at: number; source: string; interval_s: number; workers: Record<string, unknown>[] };

/**
 * An agent whose time passes when it waits for its next measurement, as far as `run` lets it. `server` answers each
 * body with a status, or does not answer at all.
 */
function agent(server: (reports: Report[]) => number | Answer | "away" = () => 202) {
  const clock = new ManualClock(NOW_MS + 300);
  const abort = new AbortController();
  const bodies: Report[][] = [];
  const said: string[] = [];
  const pauses: number[] = [];
  const world = { gpus: [] as GpuReading[], cores: 4 };
  let looks = 0;
  let go = () => {};
  let gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  let left = 0;
  const reading = (): Reading => ({
    elapsed_ms: clock.now(),
    cpu: { busy: 25 * looks, total: 100 * looks++ },
    cpu_limit: null,
    memory: null,
    links: new Map(),
    disk_busy_ms: new Map(),
    space: null,
    load_average: null,
  });
  const ended = runAgent({
    machine: {
      unread: null,
      read: async () => reading(),
      capabilities: async () => ({ cpu_cores: world.cores }),
    },
    gpus: () => world.gpus,
    worker: { id: "w1", hostname: "host-1", type: "gpu", tags: ["cuda"], version: "1.2.3" },
    interval_ms: 1000,
    send: async (body) => {
      const reports = body
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Report);
      const answer = server(reports);
      if (answer === "away") throw new EvenkeelError("unavailable", "http://a/ does not answer");
      bodies.push(reports);
      if (typeof answer !== "number") return answer;
      return { status: answer, body: { accepted: reports.length, rejected: 0, errors: [] } };
    },
    clock,
    elapsed_ms: () => clock.now(),
    random: () => 0.9,
    sleep: async (ms, signal) => {
      // A pause after a failure never ends on a whole second.
      const measuring = (clock.now() + ms) % 1000 === 0 && ms <= 1000;
      if (!measuring) {
        pauses.push(ms);
        // Between two tries the agent measures.
        await new Promise((resolve) => setImmediate(resolve));
        return;
      }
      while (left === 0 && !signal?.aborted) await gate;
      if (signal?.aborted) return;
      left -= 1;
      clock.advance(ms);
      await new Promise((resolve) => setImmediate(resolve));
    },
    signal: abort.signal,
    say: (line) => void said.push(line),
  });
  return {
    bodies,
    said,
    pauses,
    world,
    clock,
    reports: () => bodies.flat(),
    /** Lets so many intervals pass. */
    run(intervals: number) {
      left += intervals;
      go();
      gate = new Promise((resolve) => {
        go = resolve;
      });
    },
    end: () => {
      abort.abort();
      go();
      return ended;
    },
  };
}

describe("an agent", () => {
  test("reports its machine each interval, on the interval, and what it is once", async () => {
    const a = agent();
    a.run(3);
    await vi.waitFor(() => expect(a.reports()).toHaveLength(3), SOON);
    await a.end();
    const [first, ...more] = a.reports();
    expect(first).toEqual({
      at: NOW_MS + 1000,
      source: "agent-w1",
      interval_s: 1,
      workers: [
        {
          id: "w1",
          hostname: "host-1",
          type: "gpu",
          tags: ["cuda"],
          capabilities: { cpu_cores: 4, agent_version: "1.2.3" },
          metrics: { cpu_utilization: 25 },
        },
      ],
    });
    expect(more.at(-1)).toEqual({
      at: NOW_MS + 3000,
      source: "agent-w1",
      interval_s: 1,
      workers: [{ id: "w1", metrics: { cpu_utilization: 25 } }],
    });
  });

  test("tells again what it is where that changed, and every ten minutes", async () => {
    const a = agent();
    const whole = () => a.reports().filter(({ workers }) => "capabilities" in workers[0]!);
    a.run(2);
    await vi.waitFor(() => expect(a.reports()).toHaveLength(2), SOON);
    const before = whole().length;
    a.world.cores = 8;
    a.run(1);
    await vi.waitFor(() => expect(whole().length).toBeGreaterThan(before), SOON);
    expect(whole().at(-1)!.workers[0]).toMatchObject({ capabilities: { cpu_cores: 8 } });
    const told = whole().length;
    a.run(1);
    await vi.waitFor(() => expect(a.reports()).toHaveLength(4), SOON);
    a.clock.advance(600_000);
    a.run(1);
    await vi.waitFor(() => expect(whole().length).toBeGreaterThan(told), SOON);
    await a.end();
  });

  test("tells its GPUs, and clears them once they can't be read", async () => {
    const a = agent();
    a.world.gpus = [GPU];
    a.run(1);
    await vi.waitFor(() => expect(a.reports()).toHaveLength(1), SOON);
    a.world.gpus = [];
    a.run(1);
    await vi.waitFor(() => expect(a.reports()).toHaveLength(2), SOON);
    await a.end();
    const [told, cleared] = a.reports().map(({ workers }) => workers[0]!);
    expect(told).toMatchObject({
      capabilities: { gpu_count: 1, gpu_model: "Tesla T4" },
      metrics: { gpu_power_watts: 60 },
      gpus: [{ index: 0, utilization: 97, memory_utilization: 50, throttled: true }],
    });
    expect(cleared).toMatchObject({ gpus: null, metrics: { gpu_power_watts: null, gpu_utilization: null } });
  });

  test("holds its reports while the server is away, with their times, and sends them when it is back", async () => {
    let away = true;
    const a = agent(() => (away ? "away" : 202));
    a.run(5);
    await vi.waitFor(() => expect(a.pauses.length).toBeGreaterThan(7), SOON);
    expect(a.pauses.slice(0, 7)).toEqual([950, 1900, 1900, 1900, 1900, 1900, 1900]);
    expect(a.clock.now()).toBe(NOW_MS + 5000);
    away = false;
    await vi.waitFor(() => expect(a.reports()).toHaveLength(5), SOON);
    await a.end();
    expect(a.reports().map(({ at }) => at - NOW_MS)).toEqual([1000, 2000, 3000, 4000, 5000]);
    expect(a.said).toEqual(["http://a/ does not answer; trying again", "Reports are taken again"]);
  });

  test("waits as long as a busy server asks, and goes on measuring", async () => {
    let busy = 2;
    const a = agent(() => (busy-- > 0 ? { status: 429, body: {}, retry_after_s: 7 } : 202));
    a.run(3);
    await vi.waitFor(() => expect(a.bodies.length).toBeGreaterThan(3), SOON);
    await a.end();
    expect(a.pauses.slice(0, 2)).toEqual([7000, 7000]);
    expect(a.said).toEqual([]);
    expect(new Set(a.reports().map(({ at }) => at)).size).toBe(3);
  });

  test("says once what is rejected by which rule, and goes on", async () => {
    const a = agent((reports) => ({
      status: 422,
      body: {
        errors: [{ line: 1, path: "at", message: `must not be older; got ${reports[0]!.at}` }],
      },
    }));
    a.run(3);
    await vi.waitFor(() => expect(a.reports()).toHaveLength(3), SOON);
    await a.end();
    expect(a.said).toEqual([`A report was rejected: at must not be older; got ${NOW_MS + 1000}`]);
  });

  test("tries once more at its end to send what waits", async () => {
    let away = true;
    const a = agent(() => (away ? "away" : 202));
    a.run(2);
    await vi.waitFor(() => expect(a.clock.now()).toBe(NOW_MS + 2000), SOON);
    await vi.waitFor(() => expect(a.pauses.length).toBeGreaterThan(0), SOON);
    const end = a.end();
    away = false;
    await end;
    expect(a.reports().map(({ at }) => at - NOW_MS)).toEqual([1000, 2000]);
  });
});

describe("what waits", () => {
  const report = (at_ms: number) => ({ at_ms, text: String(at_ms), identity: null });

  test("is bounded: the oldest give way and are counted", () => {
    const outbox = new Outbox();
    for (let at_ms = 1; at_ms <= 1000; at_ms++) outbox.add(report(at_ms));
    expect([outbox.size, outbox.dropped, outbox.oldest(1, 1000)[0]!.at_ms]).toEqual([900, 100, 101]);
  });

  test("is dropped once no server would take it any more", () => {
    const outbox = new Outbox();
    outbox.add(report(0));
    outbox.add(report(1000));
    expect(outbox.oldest(9, 14.5 * 60_000).map(({ at_ms }) => at_ms)).toEqual([0, 1000]);
    expect(outbox.oldest(9, 14.5 * 60_000 + 1).map(({ at_ms }) => at_ms)).toEqual([1000]);
    expect(outbox.oldest(9, 60 * 60_000)).toEqual([]);
    expect([outbox.size, outbox.dropped]).toEqual([0, 2]);
  });

  test("and was taken is forgotten, though some of it gave way meanwhile", () => {
    const outbox = new Outbox();
    for (let at_ms = 1; at_ms <= 900; at_ms++) outbox.add(report(at_ms));
    const sent = outbox.oldest(10, 900);
    for (let at_ms = 901; at_ms <= 905; at_ms++) outbox.add(report(at_ms));
    outbox.taken(sent);
    expect([outbox.size, outbox.oldest(1, 905)[0]!.at_ms]).toEqual([895, 11]);
  });
});
