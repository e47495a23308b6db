import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NOTHING, PROMISES, samplesOf } from "./conformance.ts";
import type { MetricStore, TickBatch } from "./contract.ts";
import { openStore, type StoreOptions } from "./sqlite.ts";

const T0 = Date.UTC(2026, 0, 1, 12);
const HOUR_MS = 3_600_000;

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-store-"));
  path = join(folder, "new", "fleet.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (options: Partial<StoreOptions> = {}) => openStore(path, { housekeeping: "inline", ...options });

function cpuBatch(store: MetricStore, at_ms: number, value: number): TickBatch {
  const series = store.series("worker", "W1", "cpu_utilization");
  return { ...NOTHING, at_ms, samples: samplesOf([{ series, at_ms, value }]) };
}

describe("the SQLite engine holds every promise of a MetricStore:", () => {
  test.each(Object.entries(PROMISES))("%s", (_, promise) => promise({ open }));
});

test("a second opening of the same file is refused until the first one closes", async () => {
  const store = open();
  expect(() => open()).toThrow(`${path} is in use by process ${process.pid}`);
  store.append(cpuBatch(store, T0, 1));
  await store.close();
  const again = open();
  expect(again.latest(0)).toHaveLength(1);
  await again.close();
});

test("an append that can't be written changes nothing, and is taken once it can", async () => {
  const store = open();
  const shell = new Database(path);
  shell.exec("CREATE TRIGGER full BEFORE INSERT ON facts BEGIN SELECT RAISE(ABORT, 'disk is full'); END");
  const batch = { ...cpuBatch(store, T0, 1), workers: [{ id: "W1", document: "{}" }], facts: { a: "1" } };
  expect(() => store.append(batch)).toThrow(/The store can't write to .*fleet\.db: disk is full/);
  expect([store.latest(0), store.workers()]).toEqual([[], []]);
  shell.exec("DROP TRIGGER full");
  store.append(batch);
  const latest = store.latest(0);
  expect(latest).toHaveLength(1);
  await store.close();
  shell.close();
  const again = open();
  expect(again.latest(0)).toEqual(latest);
  await again.close();
});

test("a file that another program holds locked makes an append fail as unavailable", async () => {
  const store = open();
  const shell = new Database(path);
  shell.exec("BEGIN IMMEDIATE");
  expect(() => store.append(cpuBatch(store, T0, 1))).toThrow(
    expect.objectContaining({ kind: "unavailable", message: expect.stringContaining("locked") }),
  );
  shell.exec("COMMIT");
  shell.close();
  store.append(cpuBatch(store, T0, 1));
  await store.close();
});

test("sealing in the thread gives the same answers as before it, and trims the log", async () => {
  const store = open({ housekeeping: "thread" });
  for (let at_ms = T0; at_ms < T0 + 3 * HOUR_MS; at_ms += 60_000) {
    store.append(cpuBatch(store, at_ms, (at_ms / 60_000) % 100));
  }
  const look = () =>
    store.range({
      series: [{ scope: "worker", entity: "W1", metric: "cpu_utilization" }],
      from_ms: T0,
      to_ms: T0 + 3 * HOUR_MS,
      step_ms: 60_000,
    });
  const before = look();
  await store.compact(T0 + 3 * HOUR_MS);
  expect(look()).toEqual(before);
  expect([rows("chunk"), rows("head")]).toEqual([2, 60]);
  await store.close();
});

test("a failing thread fails that compaction, and the next one seals", async () => {
  const store = open({ housekeeping: "thread" });
  const shell = new Database(path);
  shell.exec("CREATE TRIGGER full BEFORE INSERT ON chunk BEGIN SELECT RAISE(ABORT, 'disk is full'); END");
  store.append(cpuBatch(store, T0, 1));
  await expect(store.compact(T0 + 9 * HOUR_MS)).rejects.toThrow(/disk is full/);
  expect(store.latest(0)).toHaveLength(1);
  shell.exec("DROP TRIGGER full");
  shell.close();
  await store.compact(T0 + 9 * HOUR_MS);
  expect([rows("chunk"), rows("head")]).toEqual([1, 0]);
  await store.close();
});

test("closing while a compaction runs ends it after its slice", async () => {
  const store = open();
  for (let i = 0; i < 100; i++) {
    const series = store.series("worker", `W${i}`, "cpu_utilization");
    store.append({ ...NOTHING, at_ms: T0, samples: samplesOf([{ series, at_ms: T0, value: i }]) });
  }
  const compacting = store.compact(T0 + HOUR_MS * 2);
  await store.close();
  await compacting;
  expect(rows("chunk")).toBeLessThan(100);
  const again = open();
  expect(again.latest(0)).toHaveLength(100);
  await again.close();
});

test("no moment has all the sealing: series take their turns after the hour and the grace", async () => {
  const store = open();
  const samples = Array.from({ length: 100 }, (_, i) => ({
    series: store.series("worker", `W${i}`, "cpu_utilization"),
    at_ms: T0,
    value: i,
  }));
  store.append({ ...NOTHING, at_ms: T0, samples: samplesOf(samples) });
  const sealed: number[] = [];
  for (const minutes of [14, 15, 20, 25]) {
    await store.compact(T0 + HOUR_MS + minutes * 60_000);
    sealed.push(rows("chunk"));
  }
  expect(sealed).toEqual([0, 0, 50, 100]);
  await store.close();
});

test("a source whose clock is a day ahead doesn't keep the log from being trimmed", async () => {
  const store = open();
  store.append(cpuBatch(store, T0 + 24 * HOUR_MS, 1));
  store.append({ ...cpuBatch(store, T0, 1), at_ms: T0 });
  await store.compact(T0 + 2 * HOUR_MS);
  expect(rows("head")).toBe(0);
  await store.close();
});

test("a start needs no more of the log than what came after the open hours were last saved", async () => {
  const store = open();
  const batchAt = (minute: number) => cpuBatch(store, T0 + minute * 60_000, minute);
  for (let minute = 0; minute < 30; minute += 1) store.append(batchAt(minute));
  await store.compact(T0 + 30 * 60_000);
  for (let minute = 30; minute < 32; minute += 1) store.append(batchAt(minute));
  await store.close();
  const shell = new Database(path);
  expect(shell.prepare("DELETE FROM head WHERE at_ms < ?").run(T0 + 30 * 60_000).changes).toBe(30);
  shell.close();
  const again = open();
  const query = { from_ms: T0, to_ms: T0 + HOUR_MS, step_ms: 60_000 };
  const series = [{ scope: "worker" as const, entity: "W1", metric: "cpu_utilization" }];
  const [column] = again.range({ ...query, series }).columns;
  expect(column?.mean.slice(0, 33)).toEqual([...Array.from({ length: 32 }, (_, minute) => minute), null]);
  expect(again.latest(0)).toMatchObject([{ value: 31 }]);
  await again.close();
});

test("an hour that was saved under another precision is read from the log", async () => {
  const store = open();
  for (let minute = 0; minute < 30; minute += 1) store.append(cpuBatch(store, T0 + minute * 60_000, minute));
  await store.compact(T0 + 30 * 60_000);
  await store.close();
  const shell = new Database(path);
  expect(shell.prepare("UPDATE saved_hour SET precision = precision + 1").run().changes).toBe(1);
  shell.close();
  const again = open();
  const series = [{ scope: "worker" as const, entity: "W1", metric: "cpu_utilization" }];
  const query = { series, from_ms: T0, to_ms: T0 + 30 * 60_000, step_ms: 60_000 };
  expect(again.range(query).columns[0]?.mean).toEqual(Array.from({ length: 30 }, (_, minute) => minute));
  await again.close();
});

test("beyond the disk's limit the oldest hours give way to their summaries", async () => {
  const max_bytes = 1_050_000;
  const store = open({ max_bytes });
  let noise = 1;
  for (let at_ms = T0; at_ms < T0 + 4 * HOUR_MS; at_ms += 10_000) {
    const samples = Array.from({ length: 100 }, (_, i) => {
      noise = (noise * 16807) % 2147483647;
      const series = store.series("worker", `W${i}`, "made_up");
      return { series, at_ms, value: noise };
    });
    store.append({ ...NOTHING, at_ms, samples: samplesOf(samples) });
    if (at_ms % 600_000 === 0) await store.compact(at_ms);
  }
  const look = (step_ms: number) =>
    store.range({
      series: [{ scope: "worker", entity: "W7", metric: "made_up" }],
      from_ms: T0,
      to_ms: T0 + 4 * HOUR_MS,
      step_ms,
    }).columns[0]!;
  const before = look(HOUR_MS);
  await store.compact(T0 + 6 * HOUR_MS);
  expect(statSync(path).size).toBeLessThanOrEqual(max_bytes);
  expect(look(HOUR_MS)).toEqual(before);
  const by_half_hour = look(HOUR_MS / 2).count;
  expect(by_half_hour.slice(0, 2)).toEqual([360, 0]);
  expect(by_half_hour.slice(-2)).toEqual([180, 180]);
  const late = { series: store.series("worker", "W7", "made_up"), at_ms: T0, value: 1 };
  store.append({ ...NOTHING, at_ms: T0 + 6 * HOUR_MS, samples: samplesOf([late]) });
  await store.compact(T0 + 6 * HOUR_MS);
  expect(look(HOUR_MS)).toEqual(before);
  await store.close();
});

test("the seed's three tables can be read from a plain shell", async () => {
  const store = open();
  const system = store.series("system", "", "queue_depth");
  const task = store.series("task", "T1", "made_up");
  for (const at_ms of [T0, T0 + 1000]) store.append(cpuBatch(store, at_ms, at_ms === T0 ? 10 : 20));
  store.append(cpuBatch(store, T0 + HOUR_MS, 30));
  await store.compact(T0 + HOUR_MS + 30 * 60_000);
  const at_ms = T0 + HOUR_MS + 1000;
  store.append({
    ...NOTHING,
    at_ms,
    samples: samplesOf([
      { series: system, at_ms: at_ms - 1000, value: 3 },
      { series: task, at_ms, value: 0.5 },
    ]),
  });
  const shell = new Database(path, { readonly: true });
  const all = (view: string) => shell.prepare(`SELECT * FROM ${view} ORDER BY timestamp`).raw().all();
  expect(all("worker_metrics")).toEqual([
    ["2026-01-01T12:00:00Z", "W1", "cpu_utilization", 15],
    ["2026-01-01T13:00:00Z", "W1", "cpu_utilization", 30],
  ]);
  expect(all("system_metrics")).toEqual([["2026-01-01T13:00:00Z", "queue_depth", 3]]);
  expect(all("task_metrics")).toEqual([["2026-01-01T13:00:01Z", "T1", "made_up", 0.5]]);
  shell.close();
  await store.close();
});

test("whatever a shell asks the three tables by, each sample is looked at once", async () => {
  const store = open();
  store.append(cpuBatch(store, T0, 10));
  const shell = new Database(path, { readonly: true });
  for (const [view, wanted] of [
    ["worker_metrics", "metric_name = 'cpu_utilization' AND timestamp > '2026-01-01' AND worker_id = 'W1'"],
    ["system_metrics", "metric_name = 'queue_depth'"],
    ["task_metrics", "task_id = 'T1'"],
  ]) {
    const steps = shell
      .prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN SELECT * FROM ${view} WHERE ${wanted}`)
      .all()
      .map(({ detail }) => detail);
    // Not all series for every run of samples, which takes minutes of a hundred workers' hour.
    expect(steps.filter((step) => step.includes("series"))).toEqual([
      "SEARCH series USING INTEGER PRIMARY KEY (rowid=?)",
      "SEARCH series USING INTEGER PRIMARY KEY (rowid=?)",
    ]);
    expect(steps.filter((step) => step.startsWith("MATERIALIZE"))).toEqual([]);
  }
  shell.close();
  await store.close();
});

function rows(table: string): number {
  const shell = new Database(path, { readonly: true });
  const count = shell.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get()!;
  shell.close();
  return count;
}
