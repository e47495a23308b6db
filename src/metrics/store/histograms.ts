import type { Database, Statement } from "better-sqlite3";
import { EvenkeelError } from "../../errors.ts";
import type { Histogram, SeriesName } from "../range.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { HistogramRecord } from "./contract.ts";

const MINUTE_MS = 60_000;
/** Ids of histograms fill the lower 24 bits of a key. */
const IDS = 2 ** 24;

interface Row {
  k: number;
  sum: number;
  buckets: Uint8Array;
}

/** The key of a histogram: minutes first, so that retention deletes one range. */
export function histogramKey(at_ms: number, id: number): number {
  return Math.floor(at_ms / MINUTE_MS) * IDS + id;
}

/** Durations by the minute, as counts of buckets. */
export class Histograms {
  readonly #ids = new Map<string, number>();
  readonly #put_name: Statement<[number, string, string, string]>;
  readonly #put: Statement<[number, number, Uint8Array]>;
  readonly #one: Statement<[number], Row>;
  #next_id = 1;

  constructor(db: Database) {
    this.#put_name = db.prepare("INSERT OR IGNORE INTO histogram_series VALUES (?, ?, ?, ?)");
    this.#put = db.prepare("INSERT OR REPLACE INTO histogram VALUES (?, ?, ?)");
    this.#one = db.prepare("SELECT k, sum, buckets FROM histogram WHERE k = ?");
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
      this.#put.run(histogramKey(at_ms, id), sum, encoded(buckets));
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
    if (id === undefined) return [];
    const found: Histogram[] = [];
    for (let at_ms = Math.floor(from_ms / MINUTE_MS) * MINUTE_MS; at_ms < to_ms; at_ms += MINUTE_MS) {
      const row = this.#one.get(histogramKey(at_ms, id));
      if (row) found.push({ at_ms, sum: row.sum, buckets: decoded(row.buckets) });
    }
    return found;
  }
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

function decoded(bytes: Uint8Array): [bucket: number, count: number][] {
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
