import { setTimeout as pause } from "node:timers/promises";
import type { Database, Statement } from "better-sqlite3";
import { scaleOf } from "../catalogue.ts";
import { MINUTE_MS, QUARTER_MS } from "../range.ts";
import { type Aggregate, aggregateOf } from "./buckets.ts";
import { decodeChunk, encodeChunk } from "./codec.ts";
import { type ColumnBytes, layOutColumn, type SavedColumn } from "./column.ts";
import { GONE } from "./contract.ts";
import { failureOf } from "./failure.ts";
import { openSecondConnection } from "./file.ts";
import { HistogramMerger, histogramKey } from "./histograms.ts";
import { MAX_ENDED_MESSAGES } from "./outbox.ts";
import { TaskPacker } from "./task-packer.ts";
import { emptyHour, SLOTS } from "./values.ts";

/** A closed hour of one series, to be sealed together with what its chunk already has. */
export interface ClosedHour extends ColumnBytes {
  series: number;
  hour: number;
  precision: number | null;
  /** The newest head row whose samples of that hour are all in it. */
  row: number;
}

/** An hour of one series that goes on, to be kept as it is. */
export interface OpenHour extends SavedColumn {
  series: number;
  /** The newest head row whose samples of that hour are all in it. */
  row: number;
  newest_second: number;
  newest_value: number;
  precision: number | null;
}

/** What is no longer needed: everything before these edges. */
export interface Edges {
  head_row: number;
  chunk_hour: number;
  /** Before it chunks are no more than summaries. */
  summary_hour: number;
  task_ended_ms: number;
  /** Tasks that ended before it are packed. */
  task_packed_ms: number;
  /** Minutes of histograms before it are merged. */
  histogram_merged_ms: number;
  /** The file's limit on disk: beyond it the oldest hours give way to their summaries. */
  max_bytes: number | null;
}

/** Does the slow work on the file, in transactions of a millisecond or two. */
export interface Housekeeping {
  seal(hours: readonly ClosedHour[]): Promise<void>;
  save(hours: readonly OpenHour[]): Promise<void>;
  /** Every sample of the log up to this head row is sealed or saved. */
  noteSaved(row: number): Promise<void>;
  trim(edges: Edges): Promise<void>;
  /** Writes what the write-ahead log holds into the file, also while other work goes on. */
  emptyLog(): Promise<void>;
  close(): Promise<void>;
}

/** What travels to the housekeeping thread, and back. */
export type Request =
  | { seal: readonly ClosedHour[] }
  | { save: readonly OpenHour[] }
  | { saved_row: number }
  | { trim: Edges }
  | { empty_log: true };
export type Asked = { id: number; request: Request };
export type Answer = { id: number; failure: string | null };

/** The fact that tells up to which head row everything is sealed or saved. */
export const SAVED_ROW = "saved_row";

/** Rows or pages of one transaction. */
const SLICE = { head: 20, chunk: 200, task: 200, page: 16, summary: 100 };
/** Packs of one run: a file from before there were any must not keep a server from ending. */
const PACKS_A_RUN = 500;
const HISTOGRAMS = [
  ["histogram", MINUTE_MS],
  ["histogram_quarter", QUARTER_MS],
] as const;
/** Free pages up to this share of the file (and this many of them) are kept for the next hour's log. */
const FREE_SHARE = 0.125;
const FREE_PAGES = 2048;

/** The key of a chunk: hours first, so that retention deletes one range and chunks are only ever added at the end. */
export function chunkKey(hour: number, series: number): number {
  return hour * 2 ** 32 + series;
}

export function hourOfKey(k: number): number {
  return Math.floor(k / 2 ** 32);
}

/** But for those of workers that are in them still. */
function statesBefore(edge_ms: number): string {
  return `worker_states WHERE at_ms < ? AND (state = '${GONE}' OR EXISTS (
    SELECT 1 FROM worker_states AS later
    WHERE later.worker_id = worker_states.worker_id
      AND later.at_ms > worker_states.at_ms AND later.at_ms <= ${Math.floor(edge_ms)}
  )) ORDER BY at_ms`;
}

/** Messages that ended before as many others as the parameter says. */
const OUTNUMBERED_MESSAGES = `outbox WHERE ended_ms <
  (SELECT ended_ms FROM outbox WHERE ended_ms IS NOT NULL ORDER BY ended_ms DESC LIMIT 1 OFFSET ? - 1)
  ORDER BY ended_ms`;

interface Sealed extends Aggregate {
  k: number;
  series: number;
  row: number;
  samples: Uint8Array;
  newest_second: number;
  newest_value: number;
}

type Summary = Aggregate & { k: number };

/** Housekeeping over a connection of its own, on the thread that it was made on. */
export class Housekeeper implements Housekeeping {
  readonly #path: string;
  readonly #db: Database;
  readonly #pause_ms: number;
  readonly #packer: TaskPacker;
  readonly #merger: HistogramMerger;
  readonly #chunk: Statement<[number], Uint8Array | null>;
  /** Up to this key chunks are summaries already. */
  #summarized_k = 0;
  readonly #store: (hours: readonly ClosedHour[], sealed: readonly Sealed[]) => void;
  readonly #save: (hours: readonly OpenHour[]) => void;
  readonly #whole_chunks: Statement<[number, number], Summary>;
  readonly #shorten: (chunks: readonly Summary[]) => void;

  /** @param pause_ms the rest between two slices, so that ticks get their turn */
  constructor(path: string, pause_ms: number) {
    this.#path = path;
    this.#db = openSecondConnection(path);
    this.#pause_ms = pause_ms;
    this.#packer = new TaskPacker(this.#db);
    this.#merger = new HistogramMerger(this.#db);
    this.#chunk = this.#db
      .prepare<[number], Uint8Array | null>("SELECT samples FROM chunk WHERE k = ?")
      .pluck();
    const put = this.#db.prepare<[Sealed]>(
      "INSERT OR REPLACE INTO chunk VALUES (@k, @min, @max, @sum, @count, @samples)",
    );
    const note = this.#db.prepare<[Sealed]>(
      `UPDATE series SET sealed_second = @newest_second, sealed_value = @newest_value, sealed_row = @row
       WHERE id = @series AND (sealed_second IS NULL OR sealed_second <= @newest_second)`,
    );
    const drop_saved = this.#db.prepare<[number]>("DELETE FROM saved_hour WHERE k = ?");
    this.#store = this.#db.transaction((hours: readonly ClosedHour[], sealed: readonly Sealed[]) => {
      for (const { hour, series } of hours) drop_saved.run(chunkKey(hour, series));
      for (const chunk of sealed) {
        put.run(chunk);
        note.run(chunk);
      }
    });
    const save = this.#db.prepare<[Omit<OpenHour, "exact"> & { k: number; exact: number }]>(
      `INSERT OR REPLACE INTO saved_hour
       VALUES (@k, @first_row, @row, @newest_second, @newest_value, @exact, @entries, @slot, @scaled, @precision, @bytes)`,
    );
    this.#save = this.#db.transaction((hours: readonly OpenHour[]) => {
      for (const hour of hours)
        save.run({ ...hour, k: chunkKey(hour.hour, hour.series), exact: Number(hour.exact) });
    });
    this.#whole_chunks = this.#db.prepare(
      `SELECT k, min, max, sum, count FROM chunk WHERE k > ? AND k < ? AND samples IS NOT NULL
       ORDER BY k LIMIT ${SLICE.summary}`,
    );
    const drop = this.#db.prepare<[Summary]>("DELETE FROM chunk WHERE k = @k");
    const put_summary = this.#db.prepare<[Summary]>(
      "INSERT INTO chunk VALUES (@k, @min, @max, @sum, @count, NULL)",
    );
    this.#shorten = this.#db.transaction((chunks: readonly Summary[]) => {
      // An update would leave each page as empty as it makes it: only a delete joins pages.
      for (const chunk of chunks) drop.run(chunk);
      for (const chunk of chunks) put_summary.run(chunk);
    });
  }

  async seal(hours: readonly ClosedHour[]): Promise<void> {
    this.#attempt(() => {
      this.#store(
        hours,
        hours.map((hour) => this.#encode(hour)).filter((sealed) => sealed !== null),
      );
    });
    await pause(this.#pause_ms);
  }

  async save(hours: readonly OpenHour[]): Promise<void> {
    this.#attempt(() => this.#save(hours));
    await pause(this.#pause_ms);
  }

  async noteSaved(row: number): Promise<void> {
    this.#attempt(() =>
      this.#db.prepare("INSERT OR REPLACE INTO facts VALUES (?, ?)").run(SAVED_ROW, String(row)),
    );
  }

  /** Null where only a summary of that hour is left: it takes no more samples. */
  #encode(closed: ClosedHour): Sealed | null {
    const { series, hour, precision, row } = closed;
    const k = chunkKey(hour, series);
    const values = emptyHour();
    const earlier = this.#chunk.get(k);
    if (earlier === null) return null;
    if (earlier) decodeChunk(earlier, values);
    layOutColumn(closed, precision === null ? null : scaleOf(precision), values);
    const newest_slot = values.findLastIndex((value) => !Number.isNaN(value));
    return {
      k,
      series,
      row,
      ...aggregateOf(values),
      samples: encodeChunk(values, precision),
      newest_second: hour * SLOTS + newest_slot,
      newest_value: values[newest_slot]!,
    };
  }

  async trim(edges: Edges): Promise<void> {
    const { head_row, chunk_hour, summary_hour, max_bytes } = edges;
    const { task_ended_ms, task_packed_ms, histogram_merged_ms } = edges;
    await this.#deleteSlices("head WHERE id < ? ORDER BY id", head_row, SLICE.head);
    await this.#deleteSlices("chunk WHERE k < ? ORDER BY k", chunkKey(chunk_hour, 0), SLICE.chunk);
    await this.#deleteSlices("tasks WHERE ended_at_ms < ? ORDER BY ended_at_ms", task_ended_ms, SLICE.task);
    for (const [table, span_ms] of HISTOGRAMS) {
      const edge = histogramKey(task_ended_ms, span_ms, 0);
      await this.#deleteSlices(`${table} WHERE k < ? ORDER BY k`, edge, SLICE.task);
    }
    await this.#deleteSlices("marks WHERE at_ms < ? ORDER BY at_ms", task_ended_ms, SLICE.task);
    await this.#deleteSlices("alerts WHERE ended_ms < ? ORDER BY ended_ms", task_ended_ms, SLICE.task);
    await this.#deleteSlices("documents WHERE until_ms < ? ORDER BY until_ms", task_ended_ms, SLICE.task);
    await this.#deleteSlices("outbox WHERE ended_ms < ? ORDER BY ended_ms", task_ended_ms, SLICE.task);
    await this.#deleteSlices(OUTNUMBERED_MESSAGES, MAX_ENDED_MESSAGES, SLICE.task);
    await this.#deleteSlices("workers WHERE gone_ms < ? ORDER BY gone_ms", task_ended_ms, SLICE.task);
    await this.#deleteSlices(statesBefore(task_ended_ms), task_ended_ms, SLICE.task);
    await this.#repeat(() => this.#packer.dropOldest(task_ended_ms));
    await this.#packTasks(task_packed_ms);
    await this.#repeat(() => this.#merger.mergeOldest(histogram_merged_ms));
    await this.#repeat(() => this.#summarize(chunkKey(summary_hour, 0)));
    await this.#giveBackPages();
    if (max_bytes !== null) await this.#shrinkTo(max_bytes);
    await this.emptyLog();
  }

  /** Here and not at a tick's end: this waits for the disk. */
  async emptyLog(): Promise<void> {
    this.#attempt(() => this.#db.pragma("wal_checkpoint(PASSIVE)"));
  }

  async #deleteSlices(what: string, edge: number, limit: number): Promise<void> {
    const slice = this.#attempt(() => this.#db.prepare<[number]>(`DELETE FROM ${what} LIMIT ${limit}`));
    await this.#repeat(() => slice.run(edge).changes === limit);
  }

  async #packTasks(before_ms: number): Promise<void> {
    await this.#indexTasks();
    for (let packs = 0; packs < PACKS_A_RUN; packs += 1) {
      if (!this.#attempt(() => this.#packer.packOldest(before_ms))) return;
      await this.#indexTasks();
    }
  }

  async #indexTasks(): Promise<void> {
    await pause(this.#pause_ms);
    const slices = this.#attempt(() => this.#packer.indexSlices());
    for (const slice of slices) {
      this.#attempt(slice);
      await pause(this.#pause_ms);
    }
    if (slices.length > 0) await this.#indexTasks();
  }

  /** Does slices of some work until one says that nothing is left. */
  async #repeat(slice: () => boolean): Promise<void> {
    while (this.#attempt(slice)) await pause(this.#pause_ms);
  }

  async #giveBackPages(): Promise<void> {
    const excess = () =>
      this.#pragma("freelist_count") - Math.max(FREE_PAGES, this.#pragma("page_count") * FREE_SHARE);
    while (excess() > 0) {
      this.#attempt(() => this.#db.pragma(`incremental_vacuum(${SLICE.page})`));
      await pause(this.#pause_ms);
    }
  }

  async #shrinkTo(max_bytes: number): Promise<void> {
    const page_bytes = this.#pragma("page_size");
    while (this.#pragma("page_count") * page_bytes > max_bytes) {
      if (this.#pragma("freelist_count") > 0) {
        this.#attempt(() => this.#db.pragma(`incremental_vacuum(${SLICE.page})`));
      } else if (!this.#attempt(() => this.#summarize(Number.MAX_SAFE_INTEGER))) return;
      await pause(this.#pause_ms);
    }
  }

  /** Leaves only the summaries of the oldest chunks; false where there is none left to shorten before that key. */
  #summarize(before_k: number): boolean {
    const oldest = this.#whole_chunks.all(this.#summarized_k, before_k);
    if (oldest.length === 0) return false;
    this.#summarized_k = oldest.at(-1)!.k;
    this.#shorten(oldest);
    return true;
  }

  #pragma(name: string): number {
    return this.#attempt(() => this.#db.pragma(name, { simple: true })) as number;
  }

  #attempt<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw failureOf(this.#path, "tidy", error);
    }
  }

  async close(): Promise<void> {
    this.#db.close();
  }
}
