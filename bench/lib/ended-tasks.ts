import { join } from "node:path";
import Database from "better-sqlite3";
import { QUARTER_MS } from "../../src/metrics/range.ts";
import type { EndedTasksQuery, MetricStore } from "../../src/metrics/store/contract.ts";
import { openStore } from "../../src/metrics/store/sqlite.ts";
import { type Figures, MIB, percentile } from "./figures.ts";
import { liveThrough } from "./live-through.ts";

// What tasks cost on disk once they have ended, and how long it takes to read them back.

/** Two quarters of an hour: some 117,000 tasks end meanwhile. */
const MINUTES = 30;
const HOUR_MS = 3_600_000;
/** Minutes of histograms are merged when they are older; compactions that are further apart distrust the clock. */
const RUNS_AFTER_H = [2, 15, 30];
const MINUTES_KEPT_H = 26;
const WEEK_H = 7 * 24;
const LISTED = 100;
const ROUNDS = 200;

const UNPACKED = ["tasks", "sqlite_autoindex_tasks_1", "tasks_ended", "tasks_unfinished"];
const PACKED = ["task_pack", "task_pack_ends", "pack_hashes", "task_index"];

/** @param folder where a file of some 150 MB may lie */
export async function storeEndedTasks(folder: string, figures: Figures): Promise<void> {
  const db = join(folder, "ended.db");
  const store = openStore(db, { housekeeping: "inline" });
  const end_ms = Math.floor(Date.now() / QUARTER_MS) * QUARTER_MS;
  await liveThrough(store, { minutes: MINUTES, end_ms, compacts: false });
  const before = countsOf(db);
  for (const hours of RUNS_AFTER_H) await store.compact(end_ms + hours * HOUR_MS);
  const after = countsOf(db);
  const packed = before.ended - after.ended;
  figures.add({
    name: "bytes an ended task",
    value: sum(after.pages, PACKED) / packed,
    unit: "",
    digits: 1,
    budget: { limit: 200, rule: "at most" },
    note: `${packed} tasks with their share of the pages; within its first hour ${(sum(before.pages, UNPACKED) / before.ended).toFixed(0)}`,
  });
  const [minute_bytes, quarter_bytes] = [
    (before.used.get("histogram") ?? 0) / before.minutes,
    (after.used.get("histogram_quarter") ?? 0) / after.quarters,
  ];
  const rows = { minutes: 60 * MINUTES_KEPT_H, quarters: 4 * (WEEK_H - MINUTES_KEPT_H) };
  const series_bytes = rows.minutes * minute_bytes + rows.quarters * quarter_bytes;
  figures.add({
    name: "histograms of a week",
    value: (before.series * series_bytes) / MIB,
    unit: "MiB",
    digits: 1,
    note: `${before.series} of them: ${minute_bytes.toFixed(0)} bytes a minute for a day, then ${quarter_bytes.toFixed(0)} a quarter of an hour`,
  });
  timeReading(store, end_ms, figures);
  await store.close();
  figures.print(`Tasks that ended, ${MINUTES} minutes of the demo fleet`);
}

function timeReading(store: MetricStore, end_ms: number, figures: Figures): void {
  const all = { from_ms: end_ms - 2 * HOUR_MS, to_ms: end_ms + HOUR_MS };
  const { tasks } = store.endedTasks({ ...all, limit: 10_000 });
  const by_id_ms = timed((round) => store.task(tasks[(round * 7919) % tasks.length]!.id));
  figures.add({
    name: "a task by its id, p95",
    value: percentile(by_id_ms, 0.95),
    unit: "ms",
    digits: 2,
    budget: { limit: 10 },
  });
  const filters: Partial<EndedTasksQuery>[] = tasks
    .slice(0, 40)
    .flatMap(({ type, model_family, worker_id }) => [
      {},
      { status: "failed" },
      { worker_id: worker_id! },
      { type: type!, model_family: model_family! },
      { worker_id: worker_id!, status: "failed" },
    ]);
  const list_ms = timed((round) =>
    first(store, { ...all, ...filters[round % filters.length]!, limit: LISTED }),
  );
  figures.add({
    name: `${LISTED} tasks by any filter, p95`,
    value: percentile(list_ms, 0.95),
    unit: "ms",
    digits: 1,
    budget: { limit: 200 },
    note: `p50 ${percentile(list_ms, 0.5).toFixed(1)} ms, worst ${Math.max(...list_ms).toFixed(1)} ms`,
  });
}

/** As many as are asked for, in as many steps as that takes. */
function first(store: MetricStore, query: EndedTasksQuery): void {
  for (let { limit, to_ms } = query; limit > 0; ) {
    const { tasks, searched_from_ms } = store.endedTasks({ ...query, limit, to_ms });
    limit -= tasks.length;
    to_ms = searched_from_ms;
    if (searched_from_ms <= query.from_ms) return;
  }
}

function timed(ask: (round: number) => unknown): number[] {
  return Array.from({ length: ROUNDS }, (_, round) => {
    const started_ms = performance.now();
    ask(round);
    return performance.now() - started_ms;
  });
}

function countsOf(path: string) {
  const db = new Database(path, { readonly: true });
  const count = (what: string) => db.prepare<[], number>(`SELECT count(*) FROM ${what}`).pluck().get()!;
  const tables = db
    .prepare<[], { name: string; pages: number; used: number }>(
      "SELECT name, sum(pgsize) AS pages, sum(pgsize - unused) AS used FROM dbstat WHERE aggregate = TRUE GROUP BY name",
    )
    .all();
  const counts = {
    ended: count("tasks WHERE ended_at_ms IS NOT NULL"),
    minutes: count("histogram"),
    quarters: count("histogram_quarter"),
    series: count("histogram_series"),
    pages: new Map(tables.map(({ name, pages }) => [name, pages])),
    used: new Map(tables.map(({ name, used }) => [name, used])),
  };
  db.close();
  return counts;
}

function sum(bytes: ReadonlyMap<string, number>, tables: readonly string[]): number {
  return tables.reduce((total, table) => total + (bytes.get(table) ?? 0), 0);
}
