import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Database, Statement } from "better-sqlite3";
import { EvenkeelError } from "../../errors.ts";
import type { Scope } from "../catalogue.ts";
import { Buckets, spanOf } from "./buckets.ts";
import { Column } from "./column.ts";
import type {
  LatestSample,
  MetricStore,
  RangeAnswer,
  RangeQuery,
  TaskRecord,
  TickBatch,
  WorkerRecord,
} from "./contract.ts";
import { withDatabase } from "./failure.ts";
import { openDatabase } from "./file.ts";
import { HeadRow, readHeadRow } from "./head.ts";
import { FileLock } from "./lock.ts";
import { Records } from "./records.ts";
import { Registry, type Series } from "./registry.ts";
import { emptyHour, quantize, SLOTS } from "./values.ts";

export interface StoreOptions {
  /** How long samples and ended tasks are kept. */
  retention_ms: number;
}

const DEFAULTS: StoreOptions = { retention_ms: 7 * 24 * 3_600_000 };

/** The largest second whose hour fits into a chunk's key; in the year 2089. */
const MAX_SECOND = 2 ** 20 * SLOTS - 1;

/**
 * Opens the store kept in the SQLite file at `path`, making it where there is none.
 *
 * @throws EvenkeelError where the file is in use, damaged, newer than this program or not ours
 */
export function openStore(path: string, options: Partial<StoreOptions> = {}): MetricStore {
  return withDatabase(path, "open", () => {
    mkdirSync(dirname(path), { recursive: true });
    const lock = new FileLock(path);
    try {
      return new SqliteStore(path, lock, { ...DEFAULTS, ...options });
    } catch (error) {
      lock.release();
      throw error;
    }
  });
}

/** One sample on its way into the head row and its column. */
interface Arrival {
  series: Series;
  second: number;
  value: number;
}

class SqliteStore implements MetricStore {
  readonly #path: string;
  readonly #lock: FileLock;
  readonly #db: Database;
  readonly #records: Records;
  readonly #registry = new Registry();
  readonly #put_series: Statement<[number, string, string, string]>;
  readonly #put_head: Statement<[number, number, string]>;
  readonly #write: (batch: TickBatch, arrivals: readonly Arrival[], head: string) => void;
  #next_row = 1;

  constructor(path: string, lock: FileLock, _options: StoreOptions) {
    this.#path = path;
    this.#lock = lock;
    this.#db = openDatabase(path);
    this.#records = new Records(this.#db);
    this.#put_series = this.#db.prepare("INSERT INTO series (id, scope, entity, metric) VALUES (?, ?, ?, ?)");
    this.#put_head = this.#db.prepare("INSERT INTO head VALUES (?, ?, ?)");
    this.#write = this.#db.transaction((batch: TickBatch, arrivals: readonly Arrival[], head: string) => {
      for (const series of new Set(arrivals.map((a) => a.series).filter((s) => !s.stored))) {
        this.#put_series.run(series.id, series.scope, series.entity, series.metric);
      }
      if (arrivals.length > 0) this.#put_head.run(this.#next_row, batch.at_ms, head);
      this.#records.write(batch);
    });
    this.#load();
  }

  #load(): void {
    for (const row of this.#db
      .prepare<[], { id: number; scope: Scope; entity: string; metric: string }>("SELECT * FROM series")
      .all()) {
      this.#registry.add(row.id, row).stored = true;
    }
    const page = this.#db.prepare<[number], { id: number; at_ms: number; samples: string }>(
      "SELECT * FROM head WHERE id >= ? ORDER BY id LIMIT 64",
    );
    for (let rows = page.all(0); rows.length > 0; rows = page.all(this.#next_row)) {
      for (const { id, at_ms, samples } of rows) {
        readHeadRow(at_ms, samples, (handle, second, value) => {
          const series = this.#registry.get(handle);
          if (series) this.#remember({ series, second, value }, id);
        });
        this.#next_row = id + 1;
      }
    }
  }

  series(scope: Scope, entity: string, metric: string): number {
    return this.#registry.findOrAdd(scope, entity, metric).id;
  }

  append(batch: TickBatch): void {
    const arrivals = batch.samples.map(({ series: handle, at_ms, value }): Arrival => {
      const series = this.#registry.get(handle);
      if (!series) throw new EvenkeelError("invalid", `No series has the handle ${handle}`);
      const second = Math.floor(at_ms / 1000);
      if (!(second >= 0 && second <= MAX_SECOND) || !Number.isFinite(value)) {
        throw new EvenkeelError(
          "invalid",
          `A sample of "${series.metric}" of ${series.scope} "${series.entity}" must be a finite number at an instant from 1970 to 2089; got ${value} at ${at_ms}`,
        );
      }
      return { series, second, value: quantize(value, series.scale) };
    });
    const head = new HeadRow(Math.floor(batch.at_ms / 1000));
    for (const { series, second, value } of arrivals) head.add(series.id, second, value);
    withDatabase(this.#path, "write to", () => this.#write(batch, arrivals, head.toString()));
    for (const arrival of arrivals) {
      arrival.series.stored = true;
      this.#remember(arrival, this.#next_row);
    }
    if (arrivals.length > 0) this.#next_row += 1;
  }

  #remember({ series, second, value }: Arrival, row: number): void {
    const hour = Math.floor(second / SLOTS);
    let column = series.columns.get(hour);
    if (!column) {
      column = new Column(hour, row, series.scale);
      series.columns.set(hour, column);
    }
    column.add(second - hour * SLOTS, value);
    if (!series.newest || second >= series.newest.second) series.newest = { second, value };
  }

  latest(since_ms: number): LatestSample[] {
    const latest: LatestSample[] = [];
    for (const { scope, entity, metric, newest } of this.#registry.all()) {
      if (!newest || newest.second * 1000 < since_ms) continue;
      latest.push({ scope, entity, metric, at_ms: newest.second * 1000, value: newest.value });
    }
    return latest;
  }

  range(query: RangeQuery): RangeAnswer {
    const span = spanOf(query);
    const columns = query.series.map((name) => {
      const buckets = new Buckets(span);
      const series = this.#registry.find(name);
      for (const column of series?.columns.values() ?? []) {
        const values = emptyHour();
        column.layOut(values);
        buckets.addHour(column.hour, values);
      }
      return buckets.column();
    });
    const { first_bucket, step_s, buckets } = span;
    const at_ms = Array.from({ length: buckets }, (_, i) => (first_bucket + i) * step_s * 1000);
    return { step_ms: query.step_ms, at_ms, columns };
  }

  async compact(_now_ms: number): Promise<void> {}

  workers(): WorkerRecord[] {
    return withDatabase(this.#path, "read", () => this.#records.workers());
  }

  tasks(ended_since_ms: number): TaskRecord[] {
    return withDatabase(this.#path, "read", () => this.#records.tasks(ended_since_ms));
  }

  fact(name: string): string | undefined {
    return withDatabase(this.#path, "read", () => this.#records.fact(name));
  }

  stats(): { bytes: number; series: number; oldest_ms: number | null } {
    return { bytes: statSync(this.#path).size, series: this.#registry.size, oldest_ms: null };
  }

  async close(): Promise<void> {
    this.#db.close();
    this.#lock.release();
  }
}
