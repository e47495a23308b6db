import { expect, test } from "vitest";
import { AnomalyWatch, type Watchable } from "./anomaly-watch.ts";
import { Channel, FreshValues } from "./channel.ts";
import { finish } from "./steps.ts";

const START_MS = 1_700_000_000_000;
const nothing = () => {};

const W1 = { id: "W1" };
const heard = () => true;

function judge(watch: AnomalyWatch, watchable: Watchable, now_ms: number): void {
  finish(watch.judging(watchable, now_ms));
}

/** One worker's and the system's figures of so many seconds; null where the worker does not report its CPU. */
function watched(
  watch: AnomalyWatch,
  from: number,
  seconds: number,
  cpu: (second: number) => number | null,
  isHeard: (id: string) => boolean = heard,
): void {
  for (let second = from; second < from + seconds; second += 1) {
    const value = cpu(second);
    const values = new FreshValues();
    values.push(new Channel(W1, "completed_tasks"), START_MS, 1e6 * second);
    if (value !== null) values.push(new Channel(W1, "cpu_utilization"), START_MS, value);
    const system = new Map([["queued_tasks", 10 + (second % 3)]]);
    judge(watch, { system, values, isHeard }, START_MS + second * 1000);
  }
}

/** As many workers as given, each with one sample. */
function samplesOf(count: number): FreshValues {
  const values = new FreshValues();
  for (let i = 0; i < count; i += 1)
    values.push(new Channel({ id: `W${i}` }, "cpu_utilization"), START_MS, i % 100);
  return values;
}

const calm = (second: number) => 30 + (second % 5) / 10;

test("what is unusual for long enough is told, with what is usual, until it was calm for a while", () => {
  const watch = new AnomalyWatch(START_MS, nothing);
  watched(watch, 0, 2000, calm);
  expect([...watch.due()]).toEqual([]);
  watched(watch, 2000, 20, () => 95);
  expect([...watch.due()]).toMatchObject([
    {
      scope: "worker",
      entity: "W1",
      metric: "cpu_utilization",
      aspect: "value",
      value: 95,
      since_ms: START_MS + 2_000_000,
    },
  ]);
  expect(watch.score("worker", "W1", "cpu_utilization")).toBeGreaterThan(4);
  expect(watch.score("worker", "W1", "memory_utilization")).toBe(0);
  watched(watch, 2020, 400, calm);
  expect([...watch.due()]).toEqual([]);
});

test("what was learnt goes on in another process", () => {
  const before = new AnomalyWatch(START_MS, nothing);
  watched(before, 0, 2000, calm);
  const kept = JSON.parse(JSON.stringify(before.takeDocuments(START_MS + 2_000_000, true)));
  expect(kept.map(({ metric }: { metric: string }) => metric).sort()).toEqual([
    "cpu_utilization",
    "queued_tasks",
  ]);
  const after = new AnomalyWatch(START_MS, nothing);
  after.restore(kept, START_MS + 2_000_000);
  watched(after, 2000, 10, () => 95);
  expect([...after.due()]).toHaveLength(1);
  // One that has yet to learn says nothing.
  const young = new AnomalyWatch(START_MS, nothing);
  watched(young, 2000, 10, () => 95);
  expect([...young.due()]).toEqual([]);
});

test("it is kept each hour, some at a time", () => {
  const watch = new AnomalyWatch(START_MS, nothing);
  judge(watch, { system: new Map(), values: samplesOf(120), isHeard: heard }, START_MS);
  const kept = (after_s: number) => watch.takeDocuments(START_MS + after_s * 1000, false).length;
  expect([kept(3599), kept(3600), kept(3601), kept(3602), kept(3603)]).toEqual([0, 50, 50, 20, 0]);
  expect(kept(7200)).toBe(50);
});

test("what was not seen for long is forgotten", () => {
  const watch = new AnomalyWatch(START_MS, nothing);
  watched(watch, 0, 10, calm);
  watch.forget(START_MS + 9_999, 1000);
  expect(watch.size).toBe(2);
  watch.forget(START_MS + 10_000, 1000);
  expect(watch.size).toBe(0);
});

test("of very many series each is judged every few ticks, in turn", () => {
  const watch = new AnomalyWatch(START_MS, nothing);
  const values = samplesOf(25_000);
  for (let second = 0; second < 9; second += 1)
    judge(watch, { system: new Map(), values, isHeard: heard }, START_MS + second * 1000);
  const met = watch.takeDocuments(START_MS + 9000, true).map(({ state }) => state.course.met);
  // Once when it was new, then every third tick.
  expect(new Set(met)).toEqual(new Set([3, 4]));
});

test("beyond the bound nothing more is watched, and that is said", () => {
  const reached: string[] = [];
  const watch = new AnomalyWatch(START_MS, (limit) => reached.push(limit));
  judge(watch, { system: new Map(), values: samplesOf(50_001), isHeard: heard }, START_MS);
  expect([watch.size, reached]).toEqual([50_000, ["series watched for anomalies"]]);
});

test("a metric that ceases while its worker reports on is told, until it comes again", () => {
  const watch = new AnomalyWatch(START_MS, nothing);
  watched(watch, 0, 700, calm);
  watched(watch, 700, 5, () => null);
  expect([...watch.due()]).toEqual([]);
  watched(watch, 705, 5, () => null);
  expect([...watch.due()]).toMatchObject([
    { metric: "cpu_utilization", aspect: "silence", value: 10, low: 1, since_ms: START_MS + 699_000 },
  ]);
  expect([...watch.due()][0]!.score).toBeCloseTo(8);
  // Where the worker itself is silent that is told by another rule.
  watched(
    watch,
    710,
    1,
    () => null,
    () => false,
  );
  expect([...watch.due()]).toEqual([]);
  watched(watch, 711, 1, calm);
  expect([...watch.due()]).toEqual([]);
  watched(watch, 712, 3700, () => null);
  // After an hour it is gone for good.
  expect([...watch.due()]).toEqual([]);
});

test("a metric that is reported now and then is not missed", () => {
  const watch = new AnomalyWatch(START_MS, nothing);
  let told = 0;
  for (let second = 0; second < 8000; second += 1) {
    watched(watch, second, 1, () => (second % 200 < 150 ? calm(second) : null));
    told += [...watch.due()].length;
  }
  expect(told).toBe(0);
});

test("what was unusual when its worker fell silent is over in the end", () => {
  const watch = new AnomalyWatch(START_MS, nothing);
  watched(watch, 0, 2000, calm);
  watched(watch, 2000, 20, () => 95);
  watched(
    watch,
    2020,
    80,
    () => null,
    () => false,
  );
  expect([...watch.due()]).toHaveLength(1);
  watched(
    watch,
    2100,
    20,
    () => null,
    () => false,
  );
  expect([...watch.due()]).toEqual([]);
});
