import { isDeepStrictEqual } from "node:util";
import type { Database } from "better-sqlite3";
import { type Aggregate, aggregateOf } from "./buckets.ts";
import { decodeChunk } from "./codec.ts";
import { layOutColumn } from "./column.ts";
import { withDatabase } from "./failure.ts";
import { openToRead } from "./file.ts";
import { readHeadRow } from "./head.ts";
import { decodedBuckets } from "./histograms.ts";
import { hashOf, IndexedHashes } from "./task-index.ts";
import { checkedRecords, type TaskPack } from "./task-pack.ts";
import { emptyHour, type HourValues } from "./values.ts";

export interface CheckReport {
  /** What was looked at, by name. */
  readonly counts: Readonly<Record<string, number>>;
  /** One sentence each; empty where the file is sound. */
  readonly problems: readonly string[];
}

/** A file that is damaged all over needs no longer list. */
const MAX_PROBLEMS = 20;
const PAGE = 500;
/** Tables whose ids are numbers. */
const NUMBERED = ["head", "outbox"];

/**
 * Reads everything in the database at `path` and compares it with what stands beside it; writes nothing, so a
 * server may run on the file.
 *
 * @throws EvenkeelError where the file can't be read at all, is newer than this program or not ours
 */
export function checkDatabase(path: string): CheckReport {
  return withDatabase(path, "read", () => {
    const db = openToRead(path);
    try {
      // One moment of the file, whatever is written meanwhile.
      return db.transaction(() => new Check(db).run())();
    } finally {
      db.close();
    }
  });
}

/** Whether nothing was ever reported into the database at `path`. */
export function isEmptyDatabase(path: string): boolean {
  return withDatabase(path, "read", () => {
    const db = openToRead(path);
    try {
      const tables = ["head", "chunk", "workers", "tasks", "task_pack"];
      return tables.every((table) => db.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() === undefined);
    } finally {
      db.close();
    }
  });
}

type ChunkRow = Aggregate & { k: number; samples: Uint8Array | null; known: number };

class Check {
  readonly #db: Database;
  readonly #counts: Record<string, number> = {};
  readonly #problems: string[] = [];
  readonly #values: HourValues = emptyHour();

  constructor(db: Database) {
    this.#db = db;
  }

  run(): CheckReport {
    this.#pages();
    if (this.#problems.length === 0) {
      this.#chunks();
      this.#log();
      this.#savedHours();
      this.#documents("workers");
      this.#documents("tasks");
      this.#documents("alerts");
      this.#each<{ rowid: number; document: string }>("documents", "rowid, document", "rowid", (row) => {
        JSON.parse(row.document);
      });
      this.#messages();
      this.#packs();
      this.#histograms("histogram");
      this.#histograms("histogram_quarter");
    }
    return { counts: this.#counts, problems: this.#problems };
  }

  #attempt(what: string, work: () => void): void {
    if (this.#problems.length >= MAX_PROBLEMS) return;
    try {
      work();
    } catch (error) {
      this.#problems.push(`${what}: ${(error as Error).message}`);
    }
  }

  #pages(): void {
    this.#attempt("the file", () => {
      const rows = this.#db.pragma(`integrity_check(${MAX_PROBLEMS})`) as { integrity_check: string }[];
      for (const { integrity_check } of rows) {
        if (integrity_check !== "ok") this.#problems.push(`the file: ${integrity_check}`);
      }
    });
  }

  /** Calls `visit` with every row of a table, a page at a time, in the order of its key. */
  #each<Row extends object>(name: string, columns: string, key: string, visit: (row: Row) => void): void {
    const page = this.#db.prepare<[number | string], Row>(
      `SELECT ${columns} FROM ${name} WHERE ${key} > ? ORDER BY ${key} LIMIT ${PAGE}`,
    );
    let after: number | string = key === "id" && !NUMBERED.includes(name) ? "" : -1;
    this.#counts[name] = 0;
    for (let rows = page.all(after); rows.length > 0; rows = page.all(after)) {
      for (const row of rows) {
        after = (row as Record<string, number | string>)[key]!;
        this.#attempt(`${name} ${after}`, () => visit(row));
      }
      this.#counts[name] += rows.length;
    }
  }

  #chunks(): void {
    const columns =
      "k, min, max, sum, count, samples, (SELECT count(*) FROM series WHERE id = k & 0xffffffff) AS known";
    this.#each<ChunkRow>("chunk", columns, "k", ({ samples, known, ...noted }) => {
      if (known === 0) throw new RangeError("its series is not known");
      if (samples === null) return;
      this.#values.fill(Number.NaN);
      decodeChunk(samples, this.#values);
      const found = aggregateOf(this.#values);
      for (const key of ["min", "max", "count"] as const) {
        if (found[key] !== noted[key])
          throw new RangeError(`its ${key} is ${found[key]}, noted is ${noted[key]}`);
      }
    });
  }

  #log(): void {
    this.#each<{ id: number; at_ms: number; samples: string }>("head", "id, at_ms, samples", "id", (row) =>
      readHeadRow(row.at_ms, row.samples, (_, second, value) => {
        if (!Number.isFinite(second) || !Number.isFinite(value))
          throw new RangeError("a sample is no number");
      }),
    );
  }

  #savedHours(): void {
    const columns = "k, exact, samples, entries";
    this.#each<{ k: number; exact: number; samples: Uint8Array; entries: number }>(
      "saved_hour",
      columns,
      "k",
      (row) => {
        this.#values.fill(Number.NaN);
        layOutColumn({ exact: row.exact === 1, bytes: row.samples }, 1, this.#values);
        const { count } = aggregateOf(this.#values);
        if (count === 0 || count > row.entries)
          throw new RangeError(`it has ${count} samples of ${row.entries}`);
      },
    );
  }

  #packs(): void {
    const index = new IndexedHashes(this.#db);
    const columns = "k, from_ms, to_ms, began_ms, columns, records";
    this.#each<TaskPack & { k: number }>("task_pack", columns, "k", (pack) => {
      const tasks = checkedRecords(pack);
      for (const { document } of tasks) JSON.parse(document);
      const hashes = Uint32Array.from(tasks, ({ id }) => hashOf(id)).sort();
      if (!isDeepStrictEqual(index.of(pack.k), hashes))
        throw new RangeError("the index has other tasks of it");
    });
  }

  #histograms(name: "histogram" | "histogram_quarter"): void {
    const columns = "k, buckets, (SELECT count(*) FROM histogram_series WHERE id = k & 0xffffff) AS known";
    this.#each<{ buckets: Uint8Array; known: number }>(name, columns, "k", ({ buckets, known }) => {
      if (known === 0) throw new RangeError("its series is not known");
      decodedBuckets(buckets);
    });
  }

  #messages(): void {
    this.#each<{ id: number; document: string }>("outbox", "id, document", "id", ({ document }) => {
      JSON.parse(document);
    });
  }

  #documents(name: "workers" | "tasks" | "alerts"): void {
    this.#each<{ id: string; document: string }>(name, "id, document", "id", ({ document }) => {
      JSON.parse(document);
    });
  }
}
