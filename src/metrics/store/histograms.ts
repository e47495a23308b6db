import type { Database, Statement } from "better-sqlite3";
import { EvenkeelError } from "../../errors.ts";
import { type Histogram, MINUTE_MS, QUARTER_MS, type SeriesName } from "../range.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { HistogramRecord } from "./contract.ts";

/** Ids of histograms fill the lower 24 bits of a key. */
const IDS = 2 ** 24;
/** Minutes of one transaction. */
const MERGED_ROWS = 200;

interface Row {
  k: number;
  sum: number;
  buckets: Uint8Array;
}

/** The key of a histogram among those of its length: time first, so that retention deletes one range. */
export function histogramKey(at_ms: number, span_ms: number, id: number): number {
  return Math.floor(at_ms / span_ms) * IDS + id;
}

/** Durations by the minute, and what is older by the quarter of an hour, as counts of buckets. */
export class Histograms {
  readonly #ids = new Map<string, number>();
  readonly #put_name: Statement<[number, string, string, string]>;
  readonly #put: Statement<[number, number, Uint8Array]>;
  readonly #minute: Statement<[number], Row>;
  readonly #quarter: Statement<[number], Row>;
  readonly #oldest_minute: Statement<[], number | null>;
  readonly #newest_quarter: Statement<[], number | null>;
  readonly #read: (id: number, from_ms: number, to_ms: number) => Histogram[];
  #next_id = 1;

  constructor(db: Database) {
    this.#put_name = db.prepare("INSERT OR IGNORE INTO histogram_series VALUES (?, ?, ?, ?)");
    this.#put = db.prepare("INSERT OR REPLACE INTO histogram VALUES (?, ?, ?)");
    this.#minute = db.prepare("SELECT k, sum, buckets FROM histogram WHERE k = ?");
    this.#quarter = db.prepare("SELECT k, sum, buckets FROM histogram_quarter WHERE k = ?");
    this.#oldest_minute = db.prepare<[], number | null>("SELECT min(k) FROM histogram").pluck();
    this.#newest_quarter = db.prepare<[], number | null>("SELECT max(k) FROM histogram_quarter").pluck();
    // One moment of the file: housekeeping moves minutes into quarters meanwhile.
    this.#read = db.transaction((id: number, from_ms: number, to_ms: number) =>
      this.#readSpans(id, from_ms, to_ms),
    );
    const names = db.prepare<[], SeriesName & { id: number }>("SELECT * FROM histogram_series").all();
    for (const { id, ...name } of names) {
      this.#ids.set(keyOf(name), id);
      this.#next_id = Math.max(this.#next_id, id + 1);
    }
  }

  write(records: readonly HistogramRecord[]): void {
    for (const { name, at_ms, sum, buckets } of records) {
      const id = this.#ids.get(keyOf(name)) ?? this.#add(name);
      // Each time: the transaction that first wrote it may have failed.
      this.#put_name.run(id, name.scope, name.entity, name.metric);
      this.#put.run(histogramKey(at_ms, MINUTE_MS, id), sum, encoded(buckets));
    }
  }

  #add(name: SeriesName): number {
    if (this.#next_id >= IDS) {
      throw new EvenkeelError(
        "unavailable",
        `No room for more than ${IDS} histograms; begin a new database file`,
      );
    }
    const id = this.#next_id++;
    this.#ids.set(keyOf(name), id);
    return id;
  }

  read(name: SeriesName, from_ms: number, to_ms: number): Histogram[] {
    const id = this.#ids.get(keyOf(name));
    return id === undefined ? [] : this.#read(id, from_ms, to_ms);
  }

  #readSpans(id: number, from_ms: number, to_ms: number): Histogram[] {
    const oldest_minute = this.#oldest_minute.get() ?? null;
    const minutes_ms = oldest_minute === null ? to_ms : Math.floor(oldest_minute / IDS) * MINUTE_MS;
    return [
      ...readSpans(this.#quarter, id, QUARTER_MS, from_ms, Math.min(to_ms, this.minutesFrom_ms() ?? from_ms)),
      ...readSpans(this.#minute, id, MINUTE_MS, Math.max(from_ms, minutes_ms), to_ms),
    ];
  }

  /** From here on minutes are kept; null where none is merged. */
  minutesFrom_ms(): number | null {
    const newest = this.#newest_quarter.get() ?? null;
    return newest === null ? null : (Math.floor(newest / IDS) + 1) * QUARTER_MS;
  }
}

/** Merges minutes into quarters of an hour: a sixth of the bytes. */
export class HistogramMerger {
  readonly #oldest: Statement<[number], Row>;
  readonly #quarter: Statement<[number], Row>;
  readonly #put: Statement<[number, number, Uint8Array]>;
  readonly #drop: Statement<[number]>;
  readonly #merge: (before_ms: number) => boolean;

  constructor(db: Database) {
    this.#oldest = db.prepare(
      `SELECT k, sum, buckets FROM histogram WHERE k < ? ORDER BY k LIMIT ${MERGED_ROWS}`,
    );
    this.#quarter = db.prepare("SELECT k, sum, buckets FROM histogram_quarter WHERE k = ?");
    this.#put = db.prepare("INSERT OR REPLACE INTO histogram_quarter VALUES (?, ?, ?)");
    this.#drop = db.prepare("DELETE FROM histogram WHERE k <= ?");
    this.#merge = db.transaction((before_ms: number) => this.#mergeRows(before_ms)).immediate;
  }

  /** Merges the oldest minutes of the quarters that end by then, as one transaction; false where none is left. */
  mergeOldest(before_ms: number): boolean {
    return this.#merge(before_ms);
  }

  #mergeRows(before_ms: number): boolean {
    const whole_ms = Math.floor(before_ms / QUARTER_MS) * QUARTER_MS;
    const minutes = this.#oldest.all(histogramKey(whole_ms, MINUTE_MS, 0));
    if (minutes.length === 0) return false;
    const quarters = new Map<number, { sum: number; counts: Map<number, number> }>();
    for (const minute of minutes) {
      const at_ms = Math.floor(minute.k / IDS) * MINUTE_MS;
      const k = histogramKey(at_ms, QUARTER_MS, minute.k % IDS);
      const quarter = quarters.get(k) ?? { sum: 0, counts: new Map() };
      if (!quarters.has(k)) add(quarter, this.#quarter.get(k));
      add(quarter, minute);
      quarters.set(k, quarter);
    }
    for (const [k, { sum, counts }] of quarters) {
      this.#put.run(k, sum, encoded([...counts].sort(([a], [b]) => a - b)));
    }
    this.#drop.run(minutes.at(-1)!.k);
    return minutes.length === MERGED_ROWS;
  }
}

function add(quarter: { sum: number; counts: Map<number, number> }, row: Row | undefined): void {
  if (!row) return;
  quarter.sum += row.sum;
  for (const [bucket, count] of decodedBuckets(row.buckets))
    quarter.counts.set(bucket, (quarter.counts.get(bucket) ?? 0) + count);
}

function readSpans(
  row: Statement<[number], Row>,
  id: number,
  span_ms: number,
  from_ms: number,
  to_ms: number,
): Histogram[] {
  const found: Histogram[] = [];
  for (let at_ms = Math.floor(from_ms / span_ms) * span_ms; at_ms < to_ms; at_ms += span_ms) {
    const histogram = row.get(histogramKey(at_ms, span_ms, id));
    if (histogram)
      found.push({ at_ms, span_ms, sum: histogram.sum, buckets: decodedBuckets(histogram.buckets) });
  }
  return found;
}

function encoded(buckets: Histogram["buckets"]): Uint8Array {
  const writer = new ByteWriter(2 * buckets.length);
  let last = -1;
  for (const [bucket, count] of buckets) {
    writer.varint(bucket - last);
    writer.varint(count);
    last = bucket;
  }
  return writer.bytes();
}

/** @throws RangeError where the bytes end early */
export function decodedBuckets(bytes: Uint8Array): [bucket: number, count: number][] {
  const reader = new ByteReader(bytes);
  const buckets: [number, number][] = [];
  let bucket = -1;
  while (!reader.done) {
    bucket += reader.varint();
    buckets.push([bucket, reader.varint()]);
  }
  return buckets;
}

function keyOf({ scope, entity, metric }: SeriesName): string {
  return `${scope}\0${metric}\0${entity}`;
}
