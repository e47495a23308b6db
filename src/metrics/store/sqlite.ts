import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Database, Statement } from "better-sqlite3";
import { EvenkeelError } from "../../errors.ts";
import type { Scope } from "../catalogue.ts";
import type { Mark } from "../model.ts";
import type { OutboxAttempt, OutboxRecord } from "../outbox.ts";
import type { Histogram, RangeAnswer, RangeQuery, SeriesName } from "../range.ts";
import { Compaction } from "./compaction.ts";
import type {
  AlertRecord,
  DocumentRecord,
  EndedTask,
  EndedTasksAnswer,
  EndedTasksQuery,
  Firing,
  InstantValue,
  LatestSample,
  MetricStore,
  Samples,
  TaskRecord,
  TickBatch,
  WorkerAt,
  WorkerRecord,
  WorkerStateRecord,
} from "./contract.ts";
import { withDatabase } from "./failure.ts";
import { CACHE_KIB, LOG_BYTES, openDatabase, removeDatabase } from "./file.ts";
import { headRow } from "./head.ts";
import { Histograms } from "./histograms.ts";
import { Housekeeper, type Housekeeping, hourOfKey } from "./housekeeper.ts";
import { HousekeepingThread } from "./housekeeping-thread.ts";
import { FileLock } from "./lock.ts";
import { OutboxTable } from "./outbox.ts";
import { PastRecords } from "./past-records.ts";
import { RangeReader } from "./range.ts";
import { Records } from "./records.ts";
import { Registry, type Series } from "./registry.ts";
import { restore } from "./restore.ts";
import { Tasks } from "./tasks.ts";
import { quantize, SLOTS } from "./values.ts";

export interface StoreOptions {
  /** How long every second is kept. */
  retention_ms: number;
  /** How long an hour's mean, smallest, largest and count are kept; never shorter than every second is. */
  summary_retention_ms: number;
  /** How long ended tasks are kept. */
  task_retention_ms: number;
  /** How long ago tasks ended that are packed: long enough that nothing of them is expected any more. */
  pack_after_ms: number;
  /**
   * The file's limit on disk, or null for none: beyond it the oldest hours keep only their mean, smallest,
   * largest and count. The log of the last hour and a half and the records need their room in any case.
   */
  max_bytes: number | null;
  /** Begins with an empty file, whatever was there; for data that is made anew each time. */
  fresh: boolean;
  /** Where sealing and retention run: beside the ticks, or (for tests) between them. */
  housekeeping: "thread" | "inline";
}

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;
const DEFAULTS: StoreOptions = {
  retention_ms: WEEK_MS,
  summary_retention_ms: 0,
  task_retention_ms: WEEK_MS,
  pack_after_ms: HOUR_MS,
  max_bytes: null,
  fresh: false,
  housekeeping: "thread",
};

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
      // Only now is it certain that nobody else uses the file.
      if (options.fresh) removeDatabase(path);
      const db = openDatabase(path);
      try {
        return new SqliteStore(path, lock, db, { ...DEFAULTS, ...options });
      } catch (error) {
        db.close();
        throw error;
      }
    } catch (error) {
      lock.release();
      throw error;
    }
  });
}

/** A large fleet's page cache; a small one's stays as it is at first. */
const CACHE_KIB_A_SERIES = 1;

/** The samples of a batch on their way into the head row and their columns, side by side, in room that is used again. */
class Arrivals {
  readonly series: Series[] = [];
  seconds = new Float64Array(0);
  values = new Float64Array(0);
  length = 0;

  clear(length: number): void {
    this.length = 0;
    if (length <= this.values.length) return;
    this.seconds = new Float64Array(2 * length);
    this.values = new Float64Array(2 * length);
  }

  push(series: Series, second: number, value: number): void {
    this.series[this.length] = series;
    this.seconds[this.length] = second;
    this.values[this.length] = value;
    this.length += 1;
  }
}

class SqliteStore implements MetricStore {
  readonly #path: string;
  readonly #lock: FileLock;
  readonly #db: Database;
  readonly #records: Records;
  readonly #past: PastRecords;
  readonly #outbox: OutboxTable;
  readonly #tasks: Tasks;
  readonly #histograms: Histograms;
  readonly #registry = new Registry();
  readonly #ranges: RangeReader;
  readonly #housekeeping: Housekeeping;
  readonly #compaction: Compaction;
  readonly #newest_summary: Statement<[], number | null>;
  readonly #arrivals = new Arrivals();
  readonly #write: (batch: TickBatch, head: string) => void;
  readonly #forget: (series: readonly Series[]) => void;
  #next_row: number;
  #cache_kib = CACHE_KIB;
  #compacting: Promise<void> = Promise.resolve();
  /** While housekeeping empties the write-ahead log. */
  #emptying: Promise<void> | null = null;

  constructor(path: string, lock: FileLock, db: Database, { housekeeping, ...limits }: StoreOptions) {
    this.#path = path;
    this.#lock = lock;
    this.#db = db;
    this.#records = new Records(db);
    this.#past = new PastRecords(db);
    this.#outbox = new OutboxTable(db);
    this.#tasks = new Tasks(db);
    this.#histograms = new Histograms(db);
    this.#next_row = restore(db, this.#registry);
    this.#ranges = new RangeReader(db, this.#registry);
    this.#newest_summary = db
      .prepare<[], number | null>("SELECT max(k) FROM chunk WHERE samples IS NULL")
      .pluck();
    this.#write = this.#prepareWrite();
    this.#forget = this.#prepareForget();
    this.#housekeeping = housekeeping === "thread" ? new HousekeepingThread(path) : new Housekeeper(path, 0);
    this.#compaction = new Compaction({
      registry: this.#registry,
      housekeeping: this.#housekeeping,
      ...limits,
      nextRow: () => this.#next_row,
      forget: (series) => withDatabase(path, "tidy", () => this.#forget(series)),
    });
  }

  #prepareWrite() {
    const put_series: Statement<[number, string, string, string]> = this.#db.prepare(
      "INSERT INTO series (id, scope, entity, metric) VALUES (?, ?, ?, ?)",
    );
    const put_head: Statement<[number, number, string]> = this.#db.prepare(
      "INSERT INTO head VALUES (?, ?, ?)",
    );
    return this.#db.transaction((batch: TickBatch, head: string) => {
      const first_seen = new Set<Series>();
      const { series, length } = this.#arrivals;
      for (let i = 0; i < length; i += 1) if (!series[i]!.stored) first_seen.add(series[i]!);
      for (const { id, scope, entity, metric } of first_seen) put_series.run(id, scope, entity, metric);
      if (length > 0) put_head.run(this.#next_row, Math.floor(batch.at_ms), head);
      this.#records.write(batch);
      this.#past.write(batch);
      this.#outbox.write(batch.messages);
      this.#tasks.write(batch);
      this.#histograms.write(batch.histograms);
    });
  }

  #prepareForget() {
    const drop: Statement<[number]> = this.#db.prepare("DELETE FROM series WHERE id = ?");
    const dropAll = this.#db.transaction((series: readonly Series[]) => {
      for (const { id } of series) drop.run(id);
    });
    return (candidates: readonly Series[]) => {
      const unknown = candidates.filter(
        ({ scope, entity, columns }) => columns.length === 0 && !this.#knows(scope, entity),
      );
      dropAll(unknown);
      for (const series of unknown) this.#registry.forget(series);
    };
  }

  /** Whether a record keeps the entity in mind; the whole fleet and its cuts always are. */
  #knows(scope: Scope, entity: string): boolean {
    if (scope === "worker") return this.#records.knowsWorker(entity);
    return scope !== "task" || this.#tasks.task(entity) !== undefined;
  }

  series(scope: Scope, entity: string, metric: string): number {
    return this.#registry.findOrAdd(scope, entity, metric).id;
  }

  append(batch: TickBatch): void {
    this.#check(batch.samples);
    const { series, seconds, values, length } = this.#arrivals;
    const head = headRow(Math.floor(batch.at_ms / 1000), batch.samples.series, seconds, values);
    withDatabase(this.#path, "write to", () => this.#write(batch, head));
    // Only what is in the file is remembered: after a failure both are as before.
    for (let i = 0; i < length; i += 1) {
      series[i]!.stored = true;
      this.#registry.remember(series[i]!, seconds[i]!, values[i]!, this.#next_row);
    }
    if (length > 0) this.#next_row += 1;
    this.#fitCache();
    if (this.#emptying === null && this.#logBytes() > LOG_BYTES) {
      // Where the disk is full, the tick that can't be written says so.
      const emptied = this.#housekeeping.emptyLog().catch(() => {});
      this.#emptying = emptied.finally(() => {
        this.#emptying = null;
      });
    }
  }

  /** A tick changes rows all over the tables: a cache that does not hold their pages reads and writes them again and again. */
  #fitCache(): void {
    const fitting_kib = this.#registry.size * CACHE_KIB_A_SERIES;
    if (fitting_kib < 1.2 * this.#cache_kib) return;
    this.#cache_kib = fitting_kib;
    this.#db.pragma(`cache_size = -${fitting_kib}`);
  }

  #logBytes(): number {
    return statSync(`${this.#path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** What came, once all of it is in order. */
  #check({ series: handles, at_ms, values }: Samples): void {
    this.#arrivals.clear(handles.length);
    for (let i = 0; i < handles.length; i += 1) {
      const series = this.#registry.get(handles[i]!);
      if (!series) {
        throw new EvenkeelError(
          "invalid",
          `No series has the handle ${handles[i]}; ask series() for it again`,
        );
      }
      const [second, value] = [Math.floor(at_ms[i]! / 1000), values[i]!];
      if (!(second >= 0 && second <= MAX_SECOND) || !Number.isFinite(value)) {
        throw new EvenkeelError(
          "invalid",
          `A sample of "${series.metric}" of ${series.scope} "${series.entity}" must be a finite number at an instant from 1970 to 2089; got ${value} at ${at_ms[i]}`,
        );
      }
      this.#arrivals.push(series, second, quantize(value, series.scale));
    }
  }

  latest(since_ms: number): LatestSample[] {
    const latest: LatestSample[] = [];
    for (const { scope, entity, metric, newest_second, newest_value: value } of this.#registry.all()) {
      if (newest_second === null || newest_second * 1000 < since_ms) continue;
      latest.push({ scope, entity, metric, at_ms: newest_second * 1000, value });
    }
    return latest;
  }

  range(query: RangeQuery): RangeAnswer {
    return withDatabase(this.#path, "read", () => this.#ranges.read(query));
  }

  newest(names: readonly SeriesName[], at_ms: number, within_ms: number): (InstantValue | null)[] {
    const to_second = Math.floor(at_ms / 1000);
    const after_second = Math.floor((at_ms - within_ms) / 1000);
    return withDatabase(this.#path, "read", () =>
      names.map((name) => this.#ranges.newest(name, after_second, to_second)),
    );
  }

  compact(now_ms: number): Promise<void> {
    const after = this.#compacting.catch(() => {});
    this.#compacting = after.then(() => this.#compaction.run(now_ms));
    return this.#compacting;
  }

  workers(): WorkerRecord[] {
    return withDatabase(this.#path, "read", () => this.#records.workers());
  }

  workersAt(at_ms: number): WorkerAt[] {
    return withDatabase(this.#path, "read", () => this.#past.workersAt(at_ms));
  }

  lastKnown(worker_id: string, at_ms: number): WorkerAt | undefined {
    return withDatabase(this.#path, "read", () => this.#past.lastKnown(worker_id, at_ms));
  }

  workerStates(worker_id: string, to_ms: number, limit: number): WorkerStateRecord[] {
    return withDatabase(this.#path, "read", () => this.#past.workerStates(worker_id, to_ms, limit));
  }

  tasks(ended_since_ms: number, ended_limit: number): TaskRecord[] {
    const query = { from_ms: ended_since_ms, to_ms: Number.POSITIVE_INFINITY, limit: ended_limit };
    return withDatabase(this.#path, "read", () => [
      ...this.#tasks.unfinished(),
      ...this.#tasks.endedTasks(query).tasks,
    ]);
  }

  tasksAt(at_ms: number, limit: number): TaskRecord[] {
    return withDatabase(this.#path, "read", () => this.#tasks.tasksAt(at_ms, limit));
  }

  task(id: string): TaskRecord | undefined {
    return withDatabase(this.#path, "read", () => this.#tasks.task(id));
  }

  endedTask(id: string, since_ms: number): EndedTask | undefined {
    return withDatabase(this.#path, "read", () => this.#tasks.endedTask(id, since_ms));
  }

  endedTasks(query: EndedTasksQuery): EndedTasksAnswer {
    return withDatabase(this.#path, "read", () => this.#tasks.endedTasks(query));
  }

  histograms(name: SeriesName, from_ms: number, to_ms: number): Histogram[] {
    return withDatabase(this.#path, "read", () => this.#histograms.read(name, from_ms, to_ms));
  }

  marks(from_ms: number, to_ms: number, limit: number): Mark[] {
    return withDatabase(this.#path, "read", () => this.#records.marks(from_ms, to_ms, limit));
  }

  alerts(from_ms: number, to_ms: number, limit: number): AlertRecord[] {
    return withDatabase(this.#path, "read", () => this.#past.alerts(from_ms, to_ms, limit));
  }

  firings(from_ms: number, to_ms: number, limit: number): Firing[] {
    return withDatabase(this.#path, "read", () => this.#past.firings(from_ms, to_ms, limit));
  }

  alertsOf(id: string, to_ms: number, limit: number): AlertRecord[] {
    return withDatabase(this.#path, "read", () => this.#past.alertsOf(id, to_ms, limit));
  }

  documents(kind: string): DocumentRecord[] {
    return withDatabase(this.#path, "read", () => this.#records.documents(kind));
  }

  waitingMessages(after_id: number, limit: number): OutboxRecord[] {
    return withDatabase(this.#path, "read", () => this.#outbox.waiting(after_id, limit));
  }

  endedMessages(limit: number): OutboxRecord[] {
    return withDatabase(this.#path, "read", () => this.#outbox.ended(limit));
  }

  message(id: number): OutboxRecord | undefined {
    return withDatabase(this.#path, "read", () => this.#outbox.message(id));
  }

  newestMessageId(): number {
    return withDatabase(this.#path, "read", () => this.#outbox.newestId());
  }

  noteAttempt(id: number, attempt: OutboxAttempt): void {
    withDatabase(this.#path, "write to", () => this.#outbox.note(id, attempt));
  }

  fact(name: string): string | undefined {
    return withDatabase(this.#path, "read", () => this.#records.fact(name));
  }

  stats(): ReturnType<MetricStore["stats"]> {
    const { size, oldest_hour } = this.#registry;
    const oldest_ms = oldest_hour === Number.POSITIVE_INFINITY ? null : oldest_hour * SLOTS * 1000;
    const newest_summary = this.#newest_summary.get() ?? null;
    return {
      bytes: statSync(this.#path).size + this.#logBytes(),
      series: size,
      oldest_ms,
      minutes_from_ms: this.#histograms.minutesFrom_ms(),
      full_from_ms: newest_summary === null ? oldest_ms : (hourOfKey(newest_summary) + 1) * SLOTS * 1000,
    };
  }

  async close(): Promise<void> {
    this.#compaction.stop();
    await this.#compacting.catch(() => {});
    await this.#emptying;
    await this.#housekeeping.close();
    this.#db.close();
    this.#lock.release();
  }
}
