import { expect, test } from "vitest";
import { AnomalyWatch } from "./anomaly-watch.ts";

const START_MS = 1_700_000_000_000;
const nothing = () => {};

/** So many seconds of one worker's and the system's figures, to a watch. */
function watched(watch: AnomalyWatch, from: number, seconds: number, cpu: (second: number) => number): void {
  for (let second = from; second < from + seconds; second += 1) {
    const metrics = new Map([
      ["cpu_utilization", cpu(second)],
      ["completed_tasks", 1e6 * second],
    ]);
    const system = new Map([["queued_tasks", 10 + (second % 3)]]);
    watch.judge({ system, workers: [{ id: "W1", metrics }] }, START_MS + second * 1000);
  }
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
  const workers = Array.from({ length: 120 }, (_, i) => ({
    id: `W${i}`,
    metrics: new Map([["cpu_utilization", i % 100]]),
  }));
  watch.judge({ system: new Map(), workers }, START_MS);
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

test("of very many series each is judged every few ticks", () => {
  const watch = new AnomalyWatch(START_MS, nothing);
  const workers = Array.from({ length: 25_000 }, (_, i) => ({
    id: `W${i}`,
    metrics: new Map([["cpu_utilization", 50]]),
  }));
  const sizes = [0, 1, 2].map((second) => {
    watch.judge({ system: new Map(), workers }, START_MS + second * 1000);
    return watch.size;
  });
  expect(sizes).toEqual([10_000, 20_000, 25_000]);
});

test("beyond the bound nothing more is watched, and that is said", () => {
  const reached: string[] = [];
  const watch = new AnomalyWatch(START_MS, (limit) => reached.push(limit));
  const workers = Array.from({ length: 50_001 }, (_, i) => ({
    id: `W${i}`,
    metrics: new Map([["cpu_utilization", 50]]),
  }));
  for (let second = 0; second < 6; second += 1)
    watch.judge({ system: new Map(), workers }, START_MS + second * 1000);
  expect([watch.size, new Set(reached)]).toEqual([50_000, new Set(["series watched for anomalies"])]);
});
