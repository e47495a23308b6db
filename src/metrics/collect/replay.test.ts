import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ManualClock } from "../clock.ts";
import { type ReplayOptions, type ReplayProgress, replay } from "./replay.ts";
import type { Answer } from "./sender.ts";

const NOW_MS = Date.UTC(2026, 10, 23, 18);
const THEN_MS = Date.UTC(2022, 8, 11);
const REAL_TRACE = new URL("../../../../shared/data/gentd26.ndjson.gz", import.meta.url);

// biome-ignore lint/suspicious/noExplicitAny: what comes out is any JSON, which each test looks into.
type Sent = any;

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "evenkeel-replay-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function traceFile(lines: readonly unknown[], gzip = false): Promise<string> {
  const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n");
  const file = join(folder, `trace-${files++}.ndjson${gzip ? ".gz" : ""}`);
  await writeFile(file, gzip ? gzipSync(text) : text);
  return file;
}

const accepting = (reports: readonly Sent[]): Answer => ({
  status: 202,
  body: { accepted: reports.length, rejected: 0, errors: [] },
});

/** Plays a file on a clock that only sleeping moves; `at` is when a report was sent. */
async function play(file: string, options: Partial<ReplayOptions> = {}, answer = accepting) {
  const clock = new ManualClock(NOW_MS);
  const bodies: Sent[][] = [];
  const sent: { at_ms: number; report: Sent }[] = [];
  const progress: ReplayProgress[] = [];
  const end = await replay({
    file,
    clock,
    send: async (body) => {
      const reports = body
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      bodies.push(reports);
      const reply = answer(reports);
      if (reply.status < 300) for (const report of reports) sent.push({ at_ms: clock.now(), report });
      return reply;
    },
    sleep: async (ms) => clock.advance(ms),
    onProgress: (step) => progress.push(step),
    ...options,
  });
  return { end, bodies, sent, reports: sent.map(({ report }) => report), progress };
}

const seconds = (...ats: number[]) => ats.map((at) => ({ at: THEN_MS + at * 1000 }));

describe("replay", () => {
  it("sends every report at its time, never before", async () => {
    const { sent, end } = await play(await traceFile(seconds(0, 1, 2.5, 10)));
    expect(sent.map(({ at_ms, report }) => [at_ms - NOW_MS, report.at - NOW_MS])).toEqual([
      [0, 0],
      [1000, 1000],
      [2500, 2500],
      [10_000, 10_000],
    ]);
    expect(end).toMatchObject({ sent: 4, accepted: 4, rejected: 0, percent: 100, left_s: 0, done: true });
  });

  it("goes faster than recorded, intervals included", async () => {
    const worker = { id: "w", interval_s: 30, metrics: { cpu_utilization: 5 } };
    const file = await traceFile([{ at: THEN_MS, interval_s: 60, workers: [worker] }, ...seconds(60)]);
    const { sent } = await play(file, { speed: 60 });
    expect(sent.map(({ at_ms }) => at_ms - NOW_MS)).toEqual([0, 1000]);
    expect(sent[0]!.report).toMatchObject({ interval_s: 1, workers: [{ ...worker, interval_s: 0.5 }] });
  });

  it("maps every instant, numbers and RFC 3339 alike, and leaves everything else", async () => {
    const task = {
      id: "t",
      status: "completed",
      queued_at: THEN_MS - 2000,
      assigned_at: "2022-09-11T02:00:01+02:00",
      started_at: "2022-09-11T00:00:02Z",
      ended_at: THEN_MS + 4000,
      error: null,
      progress: 100,
    };
    const file = await traceFile([
      ...seconds(0),
      { at: "2022-09-11T00:00:04Z", source: "lb", tasks: [task] },
    ]);
    const { reports } = await play(file, { speed: 2 });
    expect(reports[1]).toEqual({
      at: NOW_MS + 2000,
      source: "lb",
      tasks: [
        {
          ...task,
          queued_at: NOW_MS - 1000,
          assigned_at: NOW_MS + 500,
          started_at: NOW_MS + 1000,
          ended_at: NOW_MS + 2000,
        },
      ],
    });
    expect(reports[0].source).toBe("replay");
  });

  it("leaves a null instant null", async () => {
    const file = await traceFile([{ at: THEN_MS, tasks: [{ id: "t", ended_at: null }] }]);
    expect((await play(file)).reports[0].tasks[0].ended_at).toBeNull();
  });

  it("keeps the order of time, whatever the trace and the speed", async () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(
        gaps,
        fc.double({ min: 0.1, max: 1000, noNaN: true }),
        fc.boolean(),
        async (steps, speed, paced) => {
          let at = THEN_MS;
          const file = await traceFile(
            steps.map((step) => {
              at += step;
              return { at };
            }),
          );
          const { sent, reports } = await play(file, { speed, paced });
          expect(reports).toHaveLength(steps.length);
          const ats = reports.map((report) => report.at);
          expect(ats).toEqual(ats.toSorted((a, b) => a - b));
          for (const { at_ms, report } of sent) expect(report.at).toBeLessThanOrEqual(at_ms);
          if (!paced) expect(ats.at(-1)).toBe(NOW_MS);
        },
      ),
      { numRuns: 25 },
    );
  });

  it("sends what is due at once in one body, up to 500 reports and one MiB", async () => {
    const same = Array.from({ length: 1100 }, () => ({ at: THEN_MS }));
    const many = await play(await traceFile(same));
    expect(many.bodies.map((body) => body.length)).toEqual([500, 500, 100]);
    const wide = Array.from({ length: 5 }, (_, n) => ({
      at: THEN_MS,
      workers: [{ id: `${n}`, hostname: "h".repeat(400_000) }],
    }));
    const large = await play(await traceFile(wide));
    expect(large.bodies.map((body) => body.length)).toEqual([2, 2, 1]);
  });

  it("catches up at full speed when it is behind", async () => {
    const clock = new ManualClock(NOW_MS);
    const file = await traceFile(seconds(0, 1, 2, 3, 20));
    const sizes: number[] = [];
    await replay({
      file,
      clock,
      send: async (body) => {
        const reports = body.trim().split("\n");
        sizes.push(reports.length);
        if (sizes.length === 1) clock.advance(10_000);
        return accepting(reports);
      },
      sleep: async (ms) => clock.advance(ms),
    });
    expect(sizes).toEqual([1, 3, 1]);
    expect(clock.now()).toBe(NOW_MS + 20_000);
  });

  it("with infinite speed sends it all at once, within the last ten minutes", async () => {
    const { sent, reports } = await play(await traceFile(seconds(0, 41_000, 82_000)), {
      speed: Number.POSITIVE_INFINITY,
    });
    expect(sent.map(({ at_ms }) => at_ms)).toEqual([NOW_MS, NOW_MS, NOW_MS]);
    expect(reports.map((report) => report.at)).toEqual([NOW_MS - 600_000, NOW_MS - 300_000, NOW_MS]);
    const short = await play(await traceFile(seconds(0, 30)), { speed: Number.POSITIVE_INFINITY });
    expect(short.reports.map((report) => report.at)).toEqual([NOW_MS - 30_000, NOW_MS]);
  });

  it("unpaced puts nothing into the future, not even a task's instant", async () => {
    const late = { at: THEN_MS, tasks: [{ id: "t", ended_at: THEN_MS + 8000 }] };
    const { reports } = await play(await traceFile([late, ...seconds(5)]), { paced: false });
    expect(reports[0].tasks[0].ended_at).toBe(NOW_MS);
    expect(reports[1].at).toBe(NOW_MS - 3000);
  });

  it("loops with new tasks on the same workers", async () => {
    const abort = new AbortController();
    const report = { at: THEN_MS, workers: [{ id: "w" }], tasks: [{ id: "t", worker_id: "w" }] };
    const { reports, end } = await play(
      await traceFile([report, ...seconds(5)]),
      { loop: true, signal: abort.signal },
      (sent) => {
        if (sent.some((one) => one.tasks?.[0].id === "t~3")) abort.abort();
        return accepting(sent);
      },
    );
    const rounds = reports.filter((one) => one.tasks);
    expect(rounds.map((one) => one.tasks[0])).toEqual(
      ["t", "t~2", "t~3"].map((id) => ({ id, worker_id: "w" })),
    );
    expect(rounds.map((one) => one.at)).toEqual([0, 5001, 10_002].map((after) => NOW_MS + after));
    expect(end).toMatchObject({ round: 3, accepted: 5 });
  });

  it("waits for a full server and loses nothing", async () => {
    let asked = 0;
    const { reports, end } = await play(await traceFile(seconds(0, 1, 2)), {}, (sent) =>
      asked++ === 1 ? { status: 429, body: {}, retry_after_s: 5 } : accepting(sent),
    );
    expect(reports.map((report) => report.at - NOW_MS)).toEqual([0, 1000, 2000]);
    expect(end).toMatchObject({ sent: 3, accepted: 3 });
  });

  it("counts what was rejected, and names its line in the file", async () => {
    const file = await traceFile(["", ...seconds(0, 0, 0)]);
    const { end } = await play(file, {}, () => ({
      status: 202,
      body: { accepted: 2, rejected: 1, errors: [{ line: 2, path: "workers", message: "must be a list" }] },
    }));
    expect(end).toMatchObject({ sent: 3, accepted: 2, rejected: 1 });
    expect(end.errors).toEqual([`${file}, line 3: workers must be a list`]);
  });

  it("reads gzip, by what is in the file and not by its name", async () => {
    const file = await traceFile(seconds(0, 1), true);
    expect((await play(file)).reports).toHaveLength(2);
  });

  it("shows how far it is and how long it will take", async () => {
    const lines = Array.from({ length: 4001 }, (_, n) => ({
      at: THEN_MS + n * 1000,
      system: { metrics: { queue_depth: n } },
    }));
    const { progress, end } = await play(await traceFile(lines));
    const middle = progress.find((step) => step.trace_at_ms! >= THEN_MS + 2_000_000)!;
    expect(middle.percent).toBeGreaterThan(40);
    expect(middle.percent).toBeLessThan(65);
    expect(middle.left_s).toBeGreaterThan(1200);
    expect(middle.left_s).toBeLessThan(2800);
    const percents = progress.map((step) => step.percent);
    expect(percents).toEqual(percents.toSorted((a, b) => a - b));
    expect(end).toMatchObject({ percent: 100, trace_at_ms: THEN_MS + 4_000_000 });
  });

  it("ends when it is told to, and what was sent stands", async () => {
    const abort = new AbortController();
    const { end } = await play(await traceFile(seconds(0, 1, 2, 3)), { signal: abort.signal }, (sent) => {
      if (sent[0].at >= NOW_MS + 1000) abort.abort();
      return accepting(sent);
    });
    expect(end).toMatchObject({ sent: 2, done: false });
  });

  it("stops at a line that is no report, after what stands before it", async () => {
    const file = await traceFile([...seconds(0, 0), "{oops"]);
    let taken = 0;
    const end = play(file, {}, (sent) => {
      taken += sent.length;
      return accepting(sent);
    });
    await expect(end).rejects.toThrow(`${file}, line 3: not JSON (`);
    expect(taken).toBe(2);
  });

  it.each([
    [{ workers: [] }, "at must be Unix milliseconds or RFC 3339 with an offset; got nothing"],
    [
      { at: "2022-09-11T00:00:00" },
      'at must be Unix milliseconds or RFC 3339 with an offset; got "2022-09-11T00:00:00"',
    ],
    [
      { at: THEN_MS, tasks: [{ started_at: "soon" }] },
      'tasks[0].started_at must be Unix milliseconds or RFC 3339 with an offset; got "soon"',
    ],
    ["[1,2]", "a report is a JSON object; got [1,2]"],
  ])("says what is wrong with %j", async (line, problem) => {
    const file = await traceFile([line]);
    await expect(play(file)).rejects.toThrow(`${file}, line 1: ${problem}`);
  });

  it("refuses a file that is none, and options that make no sense", async () => {
    const file = await traceFile(seconds(0));
    await expect(play(join(folder, "none"))).rejects.toThrow("none can't be read (ENOENT)");
    await expect(play(folder)).rejects.toThrow("can't be read (EISDIR)");
    await expect(play(await traceFile([""]))).rejects.toThrow("holds no report");
    await expect(play(file, { speed: 0 })).rejects.toThrow("the speed must be a number above 0; got 0");
    await expect(play(file, { paced: false, loop: true })).rejects.toThrow("can't loop");
    const broken = await traceFile(seconds(0), true);
    await writeFile(broken, gzipSync("x".repeat(1000)).subarray(0, 20));
    await expect(play(broken)).rejects.toThrow("line 1: not JSON");
  });
});

describe("the recorded trace of a real service", () => {
  it.skipIf(!existsSync(REAL_TRACE))(
    "goes through whole, in order and within the grace period (skipped where shared/data is missing)",
    async () => {
      let reports = 0;
      let tasks = 0;
      let last_ms = 0;
      let misplaced = 0;
      const end = await replay({
        file: REAL_TRACE.pathname,
        speed: Number.POSITIVE_INFINITY,
        clock: new ManualClock(NOW_MS),
        send: async (body) => {
          const sent: Sent[] = body
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line));
          for (const report of sent) {
            reports++;
            if (report.at < Math.max(last_ms, NOW_MS - 600_000)) misplaced++;
            last_ms = report.at;
            for (const { queued_at = 0, started_at = queued_at, ended_at = started_at } of report.tasks ??
              []) {
              tasks++;
              if (queued_at > started_at || started_at > ended_at || ended_at > report.at) misplaced++;
            }
          }
          return accepting(sent);
        },
      });
      expect(end).toMatchObject({ sent: 12_747, accepted: 12_747, rejected: 0, done: true });
      expect([reports, tasks, last_ms, misplaced]).toEqual([12_747, 103_263, NOW_MS, 0]);
    },
    60_000,
  );
});
