import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { backupDatabase } from "./backup.ts";
import { checkDatabase, isEmptyDatabase } from "./check.ts";
import { NOTHING, samplesOf } from "./conformance.ts";
import type { MetricStore } from "./contract.ts";
import { openStore } from "./sqlite.ts";
import { PACK_TASKS } from "./task-pack.ts";

const T0 = Date.UTC(2026, 0, 1, 12);
const MINUTE_MS = 60_000;
const CPU = { scope: "worker" as const, entity: "W1", metric: "cpu_utilization" };

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-check-"));
  path = join(folder, "fleet.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

function append(store: MetricStore, at_ms: number): void {
  const task = { status: "running", type: null, model_family: null, worker_id: "W1", attempt: 1 };
  store.append({
    ...NOTHING,
    at_ms,
    samples: samplesOf([
      { series: store.series(CPU.scope, CPU.entity, CPU.metric), at_ms, value: (at_ms / 1000) % 97 },
    ]),
    workers: [{ id: "W1", document: "{}" }],
    histograms: [{ name: { ...CPU, metric: "total_time_s" }, at_ms, sum: 3, buckets: [[7, 1]] }],
    tasks: [{ id: `t${at_ms}`, ...task, queued_at_ms: at_ms, ended_at_ms: null, document: "{}" }],
  });
}

it("a database is empty until something was reported", async () => {
  const store = openStore(path, {});
  expect(isEmptyDatabase(path)).toBe(true);
  append(store, T0);
  expect(isEmptyDatabase(path)).toBe(false);
  await store.close();
});

/** Enough ended tasks for a pack. */
function appendEnded(store: MetricStore): void {
  const task = { status: "failed", type: null, model_family: null, worker_id: "W1", attempt: 1 };
  const tasks = Array.from({ length: PACK_TASKS }, (_, i) => ({
    id: `e${i}`,
    ...task,
    queued_at_ms: T0,
    ended_at_ms: T0 + i,
    document: "{}",
  }));
  store.append({ ...NOTHING, at_ms: T0, tasks });
}

/** Three hours: sealed ones, an open one that is saved, and what came after. */
async function fill(): Promise<MetricStore> {
  const store = openStore(path, { housekeeping: "inline" });
  appendEnded(store);
  for (let minute = 0; minute < 170; minute += 1) append(store, T0 + minute * MINUTE_MS);
  await store.compact(T0 + 170 * MINUTE_MS);
  for (let minute = 170; minute < 175; minute += 1) append(store, T0 + minute * MINUTE_MS);
  return store;
}

function damage(sql: string): void {
  const shell = new Database(path);
  expect(shell.prepare(sql).run().changes).toBeGreaterThan(0);
  shell.close();
}

describe("check", () => {
  it("finds a file sound while a store is open on it, and counts what it read", async () => {
    const store = await fill();
    const { counts, problems } = checkDatabase(path);
    expect(problems).toEqual([]);
    expect(counts).toMatchObject({ chunk: 2, saved_hour: 1, workers: 1, tasks: 175, task_pack: 1 });
    await store.close();
  });

  it.each([
    ["UPDATE chunk SET min = -1", /^chunk \d+: its min is .*, noted is -1$/],
    ["UPDATE chunk SET samples = substr(samples, 1, 5)", /^chunk \d+: /],
    ["UPDATE series SET id = id + 1000", /^chunk \d+: its series is not known$/],
    ["UPDATE head SET samples = '[[1,0,' WHERE id = 150", /^head 150: /],
    ["UPDATE saved_hour SET entries = 0", /^saved_hour \d+: it has \d+ samples of 0$/],
    ["UPDATE workers SET document = '{'", /^workers W1: /],
    ["UPDATE tasks SET document = '' WHERE id = (SELECT min(id) FROM tasks)", /^tasks t\d+: /],
    ["UPDATE task_pack SET records = substr(records, 1, 90)", /^task_pack 0: /],
    ["UPDATE task_pack SET to_ms = to_ms + 1", /^task_pack 0: its tasks did not end when it says$/],
    ["UPDATE task_pack SET began_ms = began_ms + 1", /^task_pack 0: its tasks did not begin when it says$/],
    ["UPDATE pack_hashes SET hashes = zeroblob(1024)", /^task_pack 0: the index has other tasks of it$/],
    ["UPDATE histogram SET buckets = x'80' WHERE k = (SELECT min(k) FROM histogram)", /^histogram \d+: /],
    ["UPDATE histogram_series SET id = 9", /^histogram \d+: its series is not known$/],
    ["DELETE FROM pack_hashes", /^task_pack 0: the index has other tasks of it$/],
  ])("names what %s has damaged", async (sql, problem) => {
    await (await fill()).close();
    damage(sql);
    expect(checkDatabase(path).problems).toEqual(expect.arrayContaining([expect.stringMatching(problem)]));
  });

  it("names no more problems than a person reads", async () => {
    await (await fill()).close();
    damage("UPDATE tasks SET document = '{'");
    expect(checkDatabase(path).problems).toHaveLength(20);
  });

  it("refuses what is missing or not ours, and makes no file", () => {
    expect(() => checkDatabase(path)).toThrow(/fleet\.db does not exist/);
    expect(existsSync(path)).toBe(false);
    writeFileSync(path, "no database");
    expect(() => checkDatabase(path)).toThrow(/is no SQLite database/);
  });
});

describe("backup", () => {
  it("copies the file of a running store as of one moment", async () => {
    const store = await fill();
    const copy = join(folder, "copy.db");
    expect(backupDatabase(path, copy)).toBeGreaterThan(0);
    append(store, T0 + 175 * MINUTE_MS);
    const query = { series: [CPU], from_ms: T0, to_ms: T0 + 180 * MINUTE_MS, step_ms: MINUTE_MS };
    const now = store.range(query).columns[0]!;
    await store.close();
    expect(checkDatabase(copy).problems).toEqual([]);
    const restored = openStore(copy, { housekeeping: "inline" });
    const then = restored.range(query).columns[0]!;
    expect(then.mean.slice(0, 175)).toEqual(now.mean.slice(0, 175));
    expect([then.count[175], now.count[175]]).toEqual([0, 1]);
    expect(restored.tasks(T0 + 180 * MINUTE_MS, 10)).toHaveLength(175);
    expect(restored.task("e7")?.ended_at_ms).toBe(T0 + 7);
    await restored.close();
  });

  it("overwrites nothing, and leaves nothing unfinished behind", async () => {
    await (await fill()).close();
    const taken = join(folder, "taken.db");
    writeFileSync(taken, "mine");
    expect(() => backupDatabase(path, taken)).toThrow(/taken\.db exists; a backup overwrites nothing/);
    expect(() => backupDatabase(path, join(folder, "no", "such", "folder.db"))).toThrow(
      /The store can't copy into/,
    );
    expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
  });
});
