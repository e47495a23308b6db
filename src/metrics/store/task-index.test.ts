import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database } from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDatabase, openSecondConnection } from "./file.ts";
import { SEGMENT_PACKS, TaskIndex, TaskIndexer } from "./task-index.ts";
import { PACK_TASKS } from "./task-pack.ts";

let folder: string;
let db: Database;
let second: Database;
let index: TaskIndex;
let indexer: TaskIndexer;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-index-"));
  const path = join(folder, "fleet.db");
  db = openDatabase(path);
  second = openSecondConnection(path);
  index = new TaskIndex(db);
  indexer = new TaskIndexer(second);
});
afterEach(() => {
  second.close();
  db.close();
  rmSync(folder, { recursive: true });
});

const idOf = (pack: number, row: number) => `t-${pack}-${row}`;

/** Packs as they would come; each has "again" as its first. */
function addPacks(from: number, to: number): void {
  second.transaction(() => {
    for (let pack = from; pack < to; pack += 1) {
      const ids = Array.from({ length: PACK_TASKS }, (_, row) => (row === 0 ? "again" : idOf(pack, row)));
      indexer.add(pack, ids);
    }
  })();
}

const packsOf = (id: string, first_pack = 0) => [...index.packsOf(id, first_pack)];
const down = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, i) => from - i);

test("a task is found in its pack, and the newest of several packs comes first, sorted or not", () => {
  expect(packsOf("again")).toEqual([]);
  const packs = 2 * SEGMENT_PACKS + 3;
  addPacks(0, packs);
  for (const sorted_segments of [0, 1, 2, 2]) {
    while (packsInTail() > packs - sorted_segments * SEGMENT_PACKS) {
      for (const slice of indexer.sortSegment()) slice();
    }
    for (const pack of [0, 1, SEGMENT_PACKS - 1, SEGMENT_PACKS, 2 * SEGMENT_PACKS, packs - 1]) {
      for (const row of [1, 200, PACK_TASKS - 1]) expect(packsOf(idOf(pack, row))).toContain(pack);
    }
    expect(packsOf("again")).toEqual(down(packs - 1, 0));
    for (const first of [1, SEGMENT_PACKS - 1, SEGMENT_PACKS, 2 * SEGMENT_PACKS + 1])
      expect(packsOf("again", first)).toEqual(down(packs - 1, first));
    expect(packsOf("again", packs)).toEqual([]);
  }
  expect(indexer.sortSegment()).toEqual([]);
}, 20_000);

test("a sort that was cut off after any of its slices hides nothing and is made again", () => {
  addPacks(0, SEGMENT_PACKS + 1);
  const slices = indexer.sortSegment();
  expect(slices).toHaveLength(9);
  for (let cut = 1; cut < slices.length; cut += 1) {
    for (const slice of indexer.sortSegment().slice(0, cut)) slice();
    expect(packsOf("again")).toEqual(down(SEGMENT_PACKS, 0));
    expect(packsInTail()).toBe(SEGMENT_PACKS + 1);
  }
  for (const slice of indexer.sortSegment()) slice();
  expect(packsOf("again")).toEqual(down(SEGMENT_PACKS, 0));
  expect(packsInTail()).toBe(1);
});

test("of a hundred thousand other ids next to none is looked for in a pack", () => {
  addPacks(0, SEGMENT_PACKS);
  for (const slice of indexer.sortSegment()) slice();
  let packs = 0;
  for (let i = 0; i < 100_000; i += 1) packs += packsOf(`other-${i}`).length;
  expect(packs).toBeLessThan(20);
});

function packsInTail(): number {
  return second.prepare<[], number>("SELECT count(*) FROM pack_hashes").pluck().get()!;
}

test("segments are deleted, the oldest first, where all their packs are gone", () => {
  addPacks(0, 2 * SEGMENT_PACKS);
  expect(indexer.newestSorted()).toBe(-1);
  for (const slice of [...indexer.sortSegment(), ...indexer.dropSegment(5000)]) slice();
  for (const slice of indexer.sortSegment()) slice();
  expect(indexer.newestSorted()).toBe(2 * SEGMENT_PACKS - 1);
  expect(indexer.dropSegment(SEGMENT_PACKS - 1)).toEqual([]);
  const slices = indexer.dropSegment(SEGMENT_PACKS);
  for (const slice of slices.slice(0, -1)) slice();
  // Cut off, it begins anew.
  for (const slice of indexer.dropSegment(SEGMENT_PACKS)) slice();
  expect(packsOf("again")).toEqual(down(2 * SEGMENT_PACKS - 1, SEGMENT_PACKS));
  expect(indexer.dropSegment(SEGMENT_PACKS)).toEqual([]);
  for (const slice of indexer.dropSegment(2 * SEGMENT_PACKS)) slice();
  expect(second.prepare("SELECT count(*) FROM task_index").pluck().get()).toBe(0);
});
