import type { Database, Statement } from "better-sqlite3";
import { EvenkeelError } from "../../errors.ts";
import type { RangeAnswer, RangeQuery, SeriesName } from "../range.ts";
import { type Aggregate, Buckets, type Span, spanOf } from "./buckets.ts";
import { decodeChunk } from "./codec.ts";
import type { InstantValue } from "./contract.ts";
import { chunkKey } from "./housekeeper.ts";
import { columnAt, type Registry, type Series } from "./registry.ts";
import { emptyHour, SLOTS } from "./values.ts";

/** Answers range queries from chunks and, over them, the columns that are not sealed yet. */
export class RangeReader {
  readonly #registry: Registry;
  readonly #aggregate: Statement<[number], Aggregate>;
  readonly #samples: Statement<[number], Uint8Array | null>;
  readonly #values = emptyHour();
  /** Of the answer that is being put together. */
  #tier_s = 1;

  constructor(db: Database, registry: Registry) {
    this.#registry = registry;
    this.#aggregate = db.prepare("SELECT min, max, sum, count FROM chunk WHERE k = ?");
    this.#samples = db.prepare<[number], Uint8Array | null>("SELECT samples FROM chunk WHERE k = ?").pluck();
  }

  read(query: RangeQuery): RangeAnswer {
    const span = spanOf(query);
    const { first_bucket, step_s, buckets } = span;
    const at_ms: number[] = [];
    for (let i = 0; i < buckets; i++) at_ms.push((first_bucket + i) * step_s * 1000);
    this.#tier_s = 1;
    const columns = query.series.map((name) => {
      const series = this.#registry.find(name);
      const gathered = new Buckets(span);
      if (series) this.#gather(series, span, gathered);
      return gathered.column();
    });
    return { step_ms: query.step_ms, tier_s: this.#tier_s, at_ms, columns };
  }

  #gather(series: Series, { from_second, to_second }: Span, buckets: Buckets): void {
    const from_hour = Math.max(Math.floor(from_second / SLOTS), this.#registry.oldest_hour);
    const newest_hour = Math.max(series.sealed_hour ?? -1, ...series.columns.map((column) => column.hour));
    const to_hour = Math.min(Math.ceil(to_second / SLOTS), newest_hour + 1);
    for (let hour = from_hour; hour < to_hour; hour++) {
      const column = columnAt(series, hour);
      const sealed = series.sealed_hour !== null && hour <= series.sealed_hour;
      if (sealed && !column && this.#addWhole(hour, series, buckets)) continue;
      this.#values.fill(Number.NaN);
      if (sealed) this.#layOutChunk(hour, series, buckets);
      column?.layOut(this.#values);
      if (sealed || column) buckets.addHour(hour, this.#values);
    }
  }

  /** The newest sample of a series from `after_second` (exclusive) to `to_second` (inclusive). */
  newest(name: SeriesName, after_second: number, to_second: number): InstantValue | null {
    const series = this.#registry.find(name);
    if (!series) return null;
    const first_hour = Math.max(Math.floor((after_second + 1) / SLOTS), this.#registry.oldest_hour);
    for (let hour = Math.floor(to_second / SLOTS); hour >= first_hour; hour--) {
      if (!this.#layOutHour(hour, series)) continue;
      const first_slot = Math.max(0, after_second + 1 - hour * SLOTS);
      for (let slot = Math.min(SLOTS - 1, to_second - hour * SLOTS); slot >= first_slot; slot--) {
        const value = this.#values[slot]!;
        if (!Number.isNaN(value)) return { at_ms: (hour * SLOTS + slot) * 1000, value };
      }
    }
    return null;
  }

  /** @returns false where nothing is kept of that hour, or only its summary */
  #layOutHour(hour: number, series: Series): boolean {
    const column = columnAt(series, hour);
    const sealed = series.sealed_hour !== null && hour <= series.sealed_hour;
    const samples = sealed ? (this.#samples.get(chunkKey(hour, series.id)) ?? null) : null;
    if (!samples && !column) return false;
    this.#values.fill(Number.NaN);
    if (samples) this.#decode(samples, hour, series);
    column?.layOut(this.#values);
    return true;
  }

  /** Where one bucket takes the whole hour, its chunk need not be decoded. */
  #addWhole(hour: number, { id }: Series, buckets: Buckets): boolean {
    const bucket = buckets.bucketOfHour(hour);
    if (bucket === null) return false;
    const aggregate = this.#aggregate.get(chunkKey(hour, id));
    if (aggregate) buckets.addAggregate(bucket, aggregate);
    return true;
  }

  #layOutChunk(hour: number, series: Series, buckets: Buckets): void {
    const k = chunkKey(hour, series.id);
    const samples = this.#samples.get(k);
    if (samples === undefined) return;
    if (samples === null) {
      this.#tier_s = SLOTS;
      // Of a summarised hour all that is left stands at its start.
      const bucket = buckets.bucketOf(hour * SLOTS);
      if (bucket !== null) buckets.addAggregate(bucket, this.#aggregate.get(k)!);
      return;
    }
    this.#decode(samples, hour, series);
  }

  #decode(samples: Uint8Array, hour: number, series: Series): void {
    try {
      decodeChunk(samples, this.#values);
    } catch (error) {
      const { metric, scope, entity, id } = series;
      throw new EvenkeelError(
        "unavailable",
        `The stored samples of "${metric}" of ${scope} "${entity}" are damaged (chunk ${chunkKey(hour, id)}: ${(error as Error).message}); restore the database from a backup`,
      );
    }
  }
}
