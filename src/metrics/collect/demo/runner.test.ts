import { describe, expect, it } from "vitest";
import { ManualClock } from "../../clock.ts";
import type { Answer } from "../sender.ts";
import { createDemo, type Demo } from "./demo.ts";
import type { DemoReport } from "./report.ts";
import { runDemo } from "./runner.ts";

const START_MS = Date.UTC(2026, 10, 23, 18);

/** Plays a demo whose every body is answered by `answer`, until `seconds` have passed on its clock. */
async function run(seconds: number, answer: (reports: DemoReport[], clock: ManualClock) => Answer) {
  const clock = new ManualClock(START_MS);
  const abort = new AbortController();
  const restarts: Demo[] = [];
  const errors: unknown[] = [];
  await runDemo({
    demo: createDemo({ workers: 3, seed: 7, start_ms: START_MS }),
    clock,
    signal: abort.signal,
    send: async (body) => {
      const reports = body
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as DemoReport);
      return answer(reports, clock);
    },
    sleep: async (ms) => {
      clock.advance(ms);
      if (clock.now() >= START_MS + seconds * 1000) abort.abort();
    },
    onRestart: (demo) => restarts.push(demo),
    onError: (error) => errors.push(error),
  });
  return { restarts, errors };
}

const taken: Answer = { status: 202, body: { accepted: 1, rejected: 0, errors: [] } };

describe("the demo's runner", () => {
  it("sends one report a second, each at its time", async () => {
    const sent: [number, number][] = [];
    await run(5, (reports, clock) => {
      for (const report of reports) sent.push([report.at - START_MS, clock.now() - START_MS]);
      return taken;
    });
    expect(sent).toEqual([0, 1000, 2000, 3000, 4000].map((at) => [at, at]));
  });

  it("catches up after a short break, with one body", async () => {
    const sizes: number[] = [];
    await run(15, (reports, clock) => {
      sizes.push(reports.length);
      if (sizes.length === 2) clock.advance(9500);
      return taken;
    });
    expect(sizes).toEqual([1, 1, 9, 1, 1, 1, 1]);
  });

  it("sends again what nobody took", async () => {
    const bodies: number[][] = [];
    const { errors } = await run(8, (reports) => {
      bodies.push(reports.map((report) => report.at - START_MS));
      if (bodies.length === 2) throw new Error("connection refused");
      return taken;
    });
    expect(errors).toHaveLength(1);
    expect(bodies.slice(0, 4)).toEqual([[0], [1000], [1000, 2000, 3000], [4000]]);
  });

  it("waits as long as a full server asks for", async () => {
    const bodies: number[][] = [];
    const { errors } = await run(12, (reports) => {
      bodies.push(reports.map((report) => report.at - START_MS));
      return bodies.length === 1 ? { status: 429, body: {}, retry_after_s: 4 } : taken;
    });
    expect(errors).toEqual([]);
    expect(bodies.slice(0, 3)).toEqual([[0], [0], [1000, 2000, 3000, 4000]]);
  });

  it("begins a new fleet after a break that is too long to catch up", async () => {
    const reports: DemoReport[] = [];
    const { restarts } = await run(4000, (sent, clock) => {
      reports.push(...sent);
      if (reports.length === 2) clock.advance(3_600_000);
      return taken;
    });
    expect(restarts).toHaveLength(1);
    expect(reports[2]).toMatchObject({ at: START_MS + 3_601_000, complete: true });
  });
});
