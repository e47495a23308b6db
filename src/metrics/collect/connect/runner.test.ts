import { beforeEach, describe, expect, it } from "vitest";
import { EvenkeelError } from "../../../errors.ts";
import { ManualClock } from "../../clock.ts";
import type { Connector, Poll } from "./connector.ts";
import { ConnectorRunner, type RunnerOptions } from "./runner.ts";

const NOW_MS = Date.parse("2026-11-23T18:24:16Z");
const SEEN: Poll = { reports: [{ workers: [{ id: "w" }] }], saw: "1 worker" };

let clock: ManualClock;
/** Reports that were taken. */
let taken: object[];
let logged: string[];

beforeEach(() => {
  clock = new ManualClock(NOW_MS);
  taken = [];
  logged = [];
});

function connector(poll: Connector["poll"], given: Partial<Connector> = {}): Connector {
  const address = "http://lab.example/";
  return { name: "lab", kind: "test", address, interval_ms: 1000, timeout_ms: 60_000, poll, ...given };
}

/** Polls one after the other on a clock that stands still but for the waits between them, each of which it tells. */
class Runs {
  readonly waits: number[] = [];
  readonly runner: ConnectorRunner;
  #step: () => void = () => {};
  #waiting: Promise<void>;
  #waits: () => void = () => {};

  constructor(asked: Connector, given: Partial<RunnerOptions> = {}) {
    this.#waiting = new Promise((resolve) => {
      this.#waits = resolve;
    });
    this.runner = new ConnectorRunner(asked, {
      clock,
      random: () => 0.5,
      log: (message) => logged.push(message),
      take: async (reports) => {
        taken.push(...reports);
        return { accepted: reports.length, rejected: 0, errors: [] };
      },
      sleep: (ms, signal) => this.#sleep(ms, signal!),
      ...given,
    });
    this.runner.start();
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.waits.push(ms);
    this.#waits();
    return new Promise((resolve) => {
      this.#step = () => {
        clock.advance(ms);
        resolve();
      };
      signal.addEventListener("abort", () => resolve());
      if (signal.aborted) resolve();
    });
  }

  /** Until the poll that is under way has ended. */
  async ended(): Promise<this> {
    await this.#waiting;
    return this;
  }

  async next(): Promise<this> {
    await this.#waiting;
    this.#waiting = new Promise((resolve) => {
      this.#waits = resolve;
    });
    this.#step();
    return this.ended();
  }

  get health() {
    return this.runner.health;
  }
}

const unavailable = () =>
  Promise.reject(new EvenkeelError("unavailable", "http://lab.example/ answered 500"));

describe("a connector that is answered", () => {
  it("is asked at its interval, whatever the answer took, and its reports say who it is", async () => {
    const poll = async () => {
      clock.advance(300);
      return SEEN;
    };
    const runs = await new Runs(connector(poll)).ended();
    expect(taken).toEqual([{ workers: [{ id: "w" }], source: "lab", interval_s: 1 }]);
    expect(runs.health).toEqual({
      name: "lab",
      kind: "test",
      address: "http://lab.example/",
      interval_ms: 1000,
      success_ms: NOW_MS + 300,
      latency_ms: 300,
      saw: "1 worker",
      failing_since_ms: null,
      last_error: null,
      error_ms: null,
      next_ms: NOW_MS + 1000,
    });
    await runs.next();
    expect(runs.waits).toEqual([700, 700]);
    await runs.runner.stop();
  });

  it("in part is answered, and what was wrong with the rest is told as the last error", async () => {
    const runs = await new Runs(
      connector(async () => ({ ...SEEN, wrong: "http://b/ did not answer" })),
    ).ended();
    expect(runs.runner.health).toMatchObject({
      saw: "1 worker",
      success_ms: NOW_MS,
      failing_since_ms: null,
      last_error: "http://b/ did not answer",
      error_ms: NOW_MS,
    });
    await runs.runner.stop();
  });

  it("but slowly is heard as seldom as it answers", async () => {
    const poll = async () => {
      clock.advance(4000);
      return SEEN;
    };
    const runs = await new Runs(connector(poll)).ended();
    expect(taken).toMatchObject([{ interval_s: 4 }]);
    expect(runs.waits).toEqual([0]);
    await runs.runner.stop();
  });

  it("goes on at its interval where the clock is set back, or far ahead", async () => {
    const steps = [-3_600_000, 86_400_000];
    const poll = async () => {
      clock.advance(steps.shift() ?? 0);
      return SEEN;
    };
    const runs = await new Runs(connector(poll)).ended();
    await runs.next();
    expect(runs.waits).toEqual([1000, 0]);
    expect(runs.health.latency_ms).toBe(86_400_000);
    await runs.runner.stop();
  });
});

describe("a connector that fails", () => {
  it("is asked again after a pause that doubles to 30 s, with jitter, until it is answered", async () => {
    let fails = true;
    const runs = await new Runs(connector(() => (fails ? unavailable() : Promise.resolve(SEEN)))).ended();
    for (let n = 0; n < 6; n += 1) await runs.next();
    // Half of 2, 4, 8, 16, 30, 30 and 30 s.
    expect(runs.waits).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    expect(runs.health).toMatchObject({
      failing_since_ms: NOW_MS,
      last_error: "http://lab.example/ answered 500",
      error_ms: NOW_MS + 45_000,
      success_ms: null,
      next_ms: NOW_MS + 60_000,
    });
    expect([taken, logged]).toEqual([[], []]);
    fails = false;
    await runs.next();
    expect(runs.health).toMatchObject({ failing_since_ms: null, saw: "1 worker", error_ms: NOW_MS + 45_000 });
    fails = true;
    await runs.next();
    expect(runs.waits.slice(-2)).toEqual([1000, 1000]);
    expect(runs.health).toMatchObject({ failing_since_ms: clock.now(), saw: "1 worker" });
    await runs.runner.stop();
  });

  it("is never asked again at once, nor more often than its own long interval allows", async () => {
    const none = await new Runs(connector(unavailable), { random: () => 0 }).ended();
    expect(none.waits).toEqual([100]);
    const most = await new Runs(connector(unavailable, { interval_ms: 60_000 }), {
      random: () => 0.99,
    }).ended();
    expect(most.waits).toEqual([59_400]);
    await Promise.all([none.runner.stop(), most.runner.stop()]);
  });

  it("to answer in time is given up, and told which signal to heed", async () => {
    let aborted = false;
    const poll = (_: number, signal: AbortSignal) => {
      signal.addEventListener("abort", () => {
        aborted = true;
      });
      return new Promise<Poll>(() => {});
    };
    const runs = await new Runs(connector(poll, { timeout_ms: 20 })).ended();
    expect(runs.health.last_error).toBe("http://lab.example/ did not answer within 0.02 s (timeout)");
    expect(aborted).toBe(true);
    await runs.runner.stop();
  });

  it("as a report of it is refused keeps what it has to tell", async () => {
    const told: string[] = [];
    const poll = async () => ({ ...SEEN, taken: () => told.push("taken") });
    const errors = [{ line: 1, path: "workers[0].id", message: "must be 1 to 256 printable characters" }];
    const take = async () => ({ accepted: 0, rejected: 1, errors });
    const runs = await new Runs(connector(poll), { take }).ended();
    expect(runs.health.last_error).toBe(
      "http://lab.example/ answered what can't be taken: workers[0].id must be 1 to 256 printable characters",
    );
    expect(told).toEqual([]);
    const good = await new Runs(connector(poll)).ended();
    expect(told).toEqual(["taken"]);
    await Promise.all([runs.runner.stop(), good.runner.stop()]);
  });

  it("by a defect of ours is logged with its place, and goes on", async () => {
    const poll = () => Promise.reject(new TypeError("x is not a function"));
    const runs = await new Runs(connector(poll)).ended();
    expect(logged).toEqual([
      expect.stringMatching(/^connector lab failed: TypeError: x is not a function\n.* at /s),
    ]);
    expect(runs.health.last_error).toBe("x is not a function");
    await runs.runner.stop();
  });

  it("shows no more than the beginning of what a stranger said", async () => {
    const poll = () => Promise.reject(new EvenkeelError("unavailable", "x".repeat(5000)));
    const runs = await new Runs(connector(poll)).ended();
    expect(runs.health.last_error).toHaveLength(501);
    await runs.runner.stop();
  });
});

describe("several connectors", () => {
  it("are asked each on its own: one that hangs delays no other", async () => {
    const hangs = new Runs(connector(() => new Promise(() => {}), { name: "hangs" }));
    const runs = await new Runs(connector(async () => SEEN)).ended();
    await runs.next();
    await runs.next();
    expect(taken).toHaveLength(3);
    expect(hangs.health).toMatchObject({ success_ms: null, failing_since_ms: null, next_ms: null });
    // The end breaks off what is under way, and that is no failure.
    await hangs.runner.stop();
    expect(hangs.health.last_error).toBeNull();
    await runs.runner.stop();
  });
});
