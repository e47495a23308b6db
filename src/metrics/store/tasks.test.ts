import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import Database from "better-sqlite3";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkDatabase } from "./check.ts";
import { NOTHING } from "./conformance.ts";
import type { EndedTasksQuery, MetricStore, TaskRecord } from "./contract.ts";
import { openDatabase } from "./file.ts";
import { asIfDied } from "./fixture.ts";
import { readMigrations } from "./migrations.ts";
import { openStore } from "./sqlite.ts";
import { PACK_TASKS } from "./task-pack.ts";

const T0 = Date.UTC(2026, 0, 1, 12);
const HOUR_MS = 3_600_000;
const SPAN_MS = 6 * HOUR_MS;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-tasks-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

let files = 0;
function newPath(): string {
  files += 1;
  return join(folder, `${files}.db`);
}
const open = (path: string) => openStore(path, { housekeeping: "inline" });

function append(store: MetricStore, tasks: readonly TaskRecord[]): void {
  store.append({ ...NOTHING, at_ms: T0, tasks });
}

function ended(id: string, ended_at_ms: number, fields: Partial<TaskRecord> = {}): TaskRecord {
  const kind = { status: "completed", type: null, model_family: null, worker_id: null, attempt: 1 };
  return { id, ...kind, queued_at_ms: T0, ended_at_ms, document: "{}", ...fields };
}

function rows(path: string, table: string): number {
  const shell = new Database(path, { readonly: true });
  const count = shell.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get()!;
  shell.close();
  return count;
}

const word = fc.constantFrom("a", "b", null);
const at = fc.nat(SPAN_MS);
/** Tasks that follow one another, as the fleet writes them: of many at once, again and again. */
const written = fc
  .record({
    first: fc.nat(1500),
    count: fc.integer({ min: 1, max: 700 }),
    attempt: fc.integer({ min: 1, max: 3 }),
    from: at,
    gap_ms: fc.constantFrom(0, 1, 1500, 20_000),
    ends: fc.boolean(),
    words: fc.array(fc.tuple(fc.constantFrom("completed", "failed"), word, word, word), { minLength: 1 }),
  })
  .map(({ first, count, attempt, from, gap_ms, ends, words }) =>
    Array.from({ length: count }, (_, i): TaskRecord => {
      const [status, type, model_family, worker_id] = words[i % words.length]!;
      const ended_at_ms = T0 + ((from + i * gap_ms) % SPAN_MS);
      const document = JSON.stringify({ from, i });
      const task = ended(`t${first + i}`, ended_at_ms, { type, model_family, worker_id, attempt, document });
      return ends ? { ...task, status } : { ...task, status: "running", ended_at_ms: null };
    }),
  );
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("write" as const), tasks: written }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("compact" as const),
      at: fc.nat(2 * SPAN_MS),
      meanwhile: written,
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom({ kind: "reopen" as const }, { kind: "die" as const }) },
);
const question = fc.record({
  from_ms: at.map((ms) => T0 + ms),
  to_ms: at.map((ms) => T0 + ms),
  type: fc.constantFrom("a", undefined),
  worker_id: fc.constantFrom("b", undefined),
  status: fc.constantFrom("failed", "running", ["failed", "completed"], undefined),
  ofWorker: fc.constantFrom((id: string | null) => id !== "a", undefined),
  matches: fc.constantFrom(({ id }: Pick<TaskRecord, "id">) => id.endsWith("7"), undefined),
  limit: fc.integer({ min: 1, max: 3000 }),
});

/** What a query finds when its caller goes on until there is no more. */
function allOf(store: MetricStore, query: EndedTasksQuery): TaskRecord[] {
  const found: TaskRecord[] = [];
  for (let asked = query; ; ) {
    const { tasks, searched_from_ms } = store.endedTasks(asked);
    found.push(...tasks);
    if (tasks.length === asked.limit) {
      const { id, ended_at_ms } = tasks.at(-1)!;
      asked = { ...query, after: { id, ended_at_ms: ended_at_ms! } };
    } else if (searched_from_ms > query.from_ms) asked = { ...query, to_ms: searched_from_ms };
    else return found;
  }
}

function matching(model: ReadonlyMap<string, TaskRecord>, query: EndedTasksQuery): TaskRecord[] {
  return [...model.values()]
    .filter(
      (task) =>
        task.ended_at_ms !== null &&
        task.ended_at_ms >= query.from_ms &&
        task.ended_at_ms < query.to_ms &&
        (query.type ?? task.type) === task.type &&
        (query.worker_id ?? task.worker_id) === task.worker_id &&
        [query.status ?? task.status].flat().includes(task.status) &&
        (query.ofWorker?.(task.worker_id) ?? true) &&
        (query.matches?.(task) ?? true),
    )
    .sort((a, b) => b.ended_at_ms! - a.ended_at_ms! || (a.id < b.id ? -1 : 1));
}

test("every task is there once and as it was last written, whatever came in between", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), question, async (steps, query) => {
      const model = new Map<string, TaskRecord>();
      let path = newPath();
      let store = open(path);
      const write = (tasks: readonly TaskRecord[]) => {
        append(store, tasks);
        for (const task of tasks) model.set(task.id, task);
      };
      try {
        for (const step of steps) {
          if (step.kind === "write") write(step.tasks);
          if (step.kind === "compact") {
            const compacting = store.compact(T0 + step.at);
            await turn();
            write(step.meanwhile);
            await compacting;
          }
          if (step.kind === "die") path = asIfDied(path, newPath());
          if (step.kind === "die" || step.kind === "reopen") {
            await store.close();
            store = open(path);
          }
        }
        const all = { from_ms: 0, to_ms: T0 + SPAN_MS, limit: 10_000 };
        expect(allOf(store, all)).toEqual(matching(model, all));
        expect(allOf(store, query)).toEqual(matching(model, query));
        for (let i = 0; i < 2200; i += 7) expect(store.task(`t${i}`)).toEqual(model.get(`t${i}`));
        const unfinished = [...model.values()].filter(({ ended_at_ms }) => ended_at_ms === null);
        expect(new Set(store.tasks(T0 + SPAN_MS, 1).map(({ id }) => id))).toEqual(
          new Set(unfinished.map(({ id }) => id)),
        );
      } finally {
        await store.close();
      }
      expect(checkDatabase(path).problems).toEqual([]);
    }),
    { numRuns: 40 },
  );
}, 120_000);

test("only tasks that ended long enough ago are packed, and only whole packs of them", async () => {
  const path = newPath();
  const store = open(path);
  const tasks = Array.from({ length: PACK_TASKS }, (_, i) => ended(`t${i}`, T0 + i));
  append(store, tasks.slice(1));
  await store.compact(T0 + 2 * HOUR_MS);
  expect([rows(path, "tasks"), rows(path, "task_pack")]).toEqual([PACK_TASKS - 1, 0]);
  append(store, tasks.slice(0, 1));
  // The last of them ended an hour ago, and not longer.
  await store.compact(tasks.at(-1)!.ended_at_ms! + HOUR_MS);
  expect(rows(path, "task_pack")).toBe(0);
  await store.compact(tasks.at(-1)!.ended_at_ms! + HOUR_MS + 1);
  expect([rows(path, "tasks"), rows(path, "task_pack"), rows(path, "pack_hashes")]).toEqual([0, 1, 1]);
  await store.close();
});

test("a tick that writes while a pack is made is not overwritten by it", async () => {
  const path = newPath();
  const store = open(path);
  append(
    store,
    Array.from({ length: 8 * PACK_TASKS }, (_, i) => ended(`t${i}`, T0 + i)),
  );
  const compacting = store.compact(T0 + 2 * HOUR_MS);
  for (let tick = 0; tick < 200; tick += 1) {
    append(store, [ended(`t${10 * tick}`, T0 + 3 * HOUR_MS, { attempt: 2 })]);
    await turn();
  }
  await compacting;
  for (let i = 0; i < 8 * PACK_TASKS; i += 1)
    expect(store.task(`t${i}`)?.attempt).toBe(i % 10 === 0 && i < 2000 ? 2 : 1);
  expect(store.endedTasks({ from_ms: T0, to_ms: T0 + SPAN_MS, limit: 10_000 }).tasks).toHaveLength(
    8 * PACK_TASKS,
  );
  await store.close();
});

test("a list that is read while the thread packs and retention deletes has every task once", async () => {
  const store = openStore(newPath(), { task_retention_ms: 2 * HOUR_MS });
  const count = 60 * PACK_TASKS;
  append(
    store,
    Array.from({ length: count }, (_, i) => ended(`t${i}`, T0 + i, { worker_id: `W${i % 99}` })),
  );
  const query = { from_ms: T0, to_ms: T0 + SPAN_MS, worker_id: "W7", limit: 10_000 };
  const all = allOf(store, query).length;
  for (const [now_ms, keeps] of [
    [T0 + 1.5 * HOUR_MS, true],
    [T0 + 3 * HOUR_MS, false],
  ] as const) {
    let compacting = true;
    const compacted = store.compact(now_ms).finally(() => {
      compacting = false;
    });
    while (compacting) {
      const ids = allOf(store, query).map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      if (keeps) expect(ids).toHaveLength(all);
      await turn();
    }
    await compacted;
    expect(allOf(store, query)).toHaveLength(keeps ? all : 0);
  }
  await store.close();
}, 60_000);

test("a file from before there were packs keeps its tasks, and packs them", async () => {
  const path = newPath();
  const old = openDatabase(path, readMigrations().slice(0, 5));
  const put = old.prepare("INSERT INTO tasks VALUES (?, 'failed', NULL, 't5', 'W1', 2, NULL, ?, '{}')");
  for (let i = 0; i < PACK_TASKS; i += 1) put.run(`t${i}`, T0 + i);
  old.close();
  const store = open(path);
  const fields = { status: "failed", model_family: "t5", worker_id: "W1", attempt: 2, queued_at_ms: null };
  for (const packs of [0, 1]) {
    expect(rows(path, "task_pack")).toBe(packs);
    expect(store.task("t7")).toEqual(ended("t7", T0 + 7, fields));
    await store.compact(T0 + 2 * HOUR_MS);
  }
  await store.close();
});

test("of very many tasks a run packs some, the next one goes on, and each is found", async () => {
  const path = newPath();
  const store = openStore(path, { housekeeping: "inline", task_retention_ms: 4 * HOUR_MS });
  const tasks = Array.from({ length: 520 * PACK_TASKS }, (_, i) => ended(`t${i}`, T0 + i));
  append(store, tasks);
  for (const [hours, packs, unsorted] of [
    [2, 500, 500],
    [2, 520, 8],
  ] as const) {
    await store.compact(T0 + hours * HOUR_MS);
    expect([rows(path, "task_pack"), rows(path, "pack_hashes")]).toEqual([packs, unsorted]);
    for (let i = 0; i < tasks.length; i += 9973) expect(store.task(`t${i}`)).toEqual(tasks[i]);
  }
  expect(checkDatabase(path).problems).toEqual([]);
  await store.compact(T0 + 9 * HOUR_MS);
  expect(store.task("t9973")).toBeUndefined();
  await store.compact(T0 + 9 * HOUR_MS);
  expect([rows(path, "task_pack"), rows(path, "task_index"), rows(path, "pack_hashes")]).toEqual([0, 0, 8]);
  append(store, tasks.slice(0, PACK_TASKS));
  await store.compact(T0 + 3 * HOUR_MS);
  expect([rows(path, "task_pack"), rows(path, "pack_hashes")]).toEqual([1, 9]);
  expect(store.task("t7")).toEqual(tasks[7]);
  await store.close();
}, 60_000);

test("one query looks through so many packed tasks at most, and says how far it came", async () => {
  const path = newPath();
  let store = open(path);
  append(
    store,
    Array.from({ length: PACK_TASKS }, (_, i) => ended(`t${i}`, T0 + i, { type: "common" })),
  );
  await store.compact(T0 + 2 * HOUR_MS);
  await store.close();
  // As many packs as it takes, made of the one that there is.
  const shell = new Database(path);
  shell.exec(`
    WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < 2100)
    INSERT INTO task_pack SELECT n.k, from_ms, to_ms, began_ms, columns, records FROM task_pack JOIN n`);
  shell.close();
  store = open(path);
  const all = { from_ms: T0 - HOUR_MS, to_ms: T0 + HOUR_MS };
  const rare = store.endedTasks({ ...all, type: "rare", limit: 10 });
  expect(rare).toEqual({ tasks: [], searched_from_ms: T0 + PACK_TASKS });
  const later = store.endedTasks({ ...all, from_ms: T0 + PACK_TASKS, type: "rare", limit: 10 });
  expect(later).toEqual({ tasks: [], searched_from_ms: T0 + PACK_TASKS });
  await store.close();
});

test("a pack that is damaged is told by its name", async () => {
  const path = newPath();
  const store = open(path);
  append(
    store,
    Array.from({ length: PACK_TASKS }, (_, i) => ended(`t${i}`, T0 + i)),
  );
  await store.compact(T0 + 2 * HOUR_MS);
  const shell = new Database(path);
  shell.exec("UPDATE task_pack SET records = substr(records, 1, 20), columns = x'00'");
  shell.close();
  const damaged = { kind: "unavailable", message: expect.stringMatching(/pack 0 .*restore .* backup/) };
  expect(() => store.task("t7")).toThrow(expect.objectContaining(damaged));
  expect(() => store.endedTasks({ from_ms: T0, to_ms: T0 + 9, limit: 1 })).toThrow(
    expect.objectContaining(damaged),
  );
  await store.close();
});

test("what the index has of packs goes with the last of its segment, and no pack is numbered twice", async () => {
  const path = newPath();
  const store = openStore(path, { housekeeping: "inline", task_retention_ms: 2 * HOUR_MS });
  const many = (prefix: string, from_ms: number) =>
    Array.from({ length: 2 * PACK_TASKS }, (_, i) => ended(`${prefix}${i}`, from_ms + i));
  append(store, many("a", T0));
  await store.compact(T0 + 1.5 * HOUR_MS);
  expect(rows(path, "task_pack")).toBe(2);
  await store.compact(T0 + 3 * HOUR_MS);
  expect([rows(path, "task_pack"), rows(path, "pack_hashes")]).toEqual([0, 2]);
  append(store, many("b", T0 + 3 * HOUR_MS));
  await store.compact(T0 + 4.5 * HOUR_MS);
  expect([rows(path, "task_pack"), rows(path, "pack_hashes")]).toEqual([2, 4]);
  expect([store.task("a7"), store.task("b7")?.id]).toEqual([undefined, "b7"]);
  await store.close();
});
