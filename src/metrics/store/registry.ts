import { EvenkeelError } from "../../errors.ts";
import { BySeries } from "../by-series.ts";
import { findMetric, type Scope, scaleOf } from "../catalogue.ts";
import type { SeriesName } from "../range.ts";
import { Blocks } from "./blocks.ts";
import { Column, type SavedColumn } from "./column.ts";
import { SLOTS } from "./values.ts";

/** Ids of series fill the lower 32 bits of a chunk's key. */
const MAX_SERIES_ID = 2 ** 32 - 1;

const NO_COLUMNS: readonly Column[] = [];

/** All that is known in memory of one series. */
export interface Series extends SeriesName {
  readonly id: number;
  readonly precision: number | null;
  /** By the precision, or null where doubles are kept exactly. */
  readonly scale: number | null;
  /** False until an append made it durable. */
  stored: boolean;
  /** The newest hour that has a chunk. */
  sealed_hour: number | null;
  /** Of its newest sample; null where it has none. */
  newest_second: number | null;
  newest_value: number;
  /** Its unsealed samples, an hour each. A few at most, of a hundred thousand series: a map of each would be far larger. */
  columns: readonly Column[];
  /** The one of them that the last sample went to. */
  filling: Column | null;
}

/** Every series by name and by handle. Handles are never used twice while the store is open. */
export class Registry {
  readonly #by_name = new BySeries<Series>();
  readonly #by_id = new Map<number, Series>();
  readonly #blocks = new Blocks();
  #next_id = 1;
  #oldest_hour = Number.POSITIVE_INFINITY;

  /** No sample is older than this hour; infinite where there is none at all. */
  get oldest_hour(): number {
    return this.#oldest_hour;
  }

  get size(): number {
    return this.#by_name.size;
  }

  all(): Iterable<Series> {
    return this.#by_id.values();
  }

  find(name: SeriesName): Series | undefined {
    return this.#by_name.get(name);
  }

  get(id: number): Series | undefined {
    return this.#by_id.get(id);
  }

  /** The share of all handles that lie below this one, 0 to 1. */
  rank(id: number): number {
    return id / this.#next_id;
  }

  findOrAdd(scope: Scope, entity: string, metric: string): Series {
    const found = this.find({ scope, entity, metric });
    if (found) return found;
    if (this.#next_id > MAX_SERIES_ID) {
      throw new EvenkeelError(
        "unavailable",
        `No room for the series "${metric}" of ${scope} "${entity}": all ${MAX_SERIES_ID} handles were given out; begin a new database file`,
      );
    }
    return this.add(this.#next_id, { scope, entity, metric });
  }

  add(id: number, { scope, entity, metric }: SeriesName): Series {
    const precision = findMetric(scope, metric)?.precision ?? null;
    const scale = precision === null ? null : scaleOf(precision);
    const series: Series = {
      id,
      scope,
      entity,
      metric,
      precision,
      scale,
      stored: false,
      sealed_hour: null,
      newest_second: null,
      newest_value: 0,
      columns: NO_COLUMNS,
      filling: null,
    };
    this.#by_name.set(series, series);
    this.#by_id.set(id, series);
    this.#next_id = Math.max(this.#next_id, id + 1);
    return series;
  }

  /** Adds a sample to its column. @param row the head row that holds it */
  remember(series: Series, second: number, value: number, row: number): void {
    const hour = Math.floor(second / SLOTS);
    let column = series.filling;
    if (column?.hour !== hour) {
      column = this.#columnOf(series, hour, row);
      series.filling = column;
    }
    column.add(second - hour * SLOTS, value);
    noteNewest(series, second, value);
  }

  /** Takes back a column that was saved up to that head row. */
  restore(series: Series, saved: SavedColumn, row: number, newest: { second: number; value: number }): void {
    const column = Column.restore(saved, row, series.scale, this.#blocks);
    series.columns = series.columns.concat(column);
    if (saved.hour < this.#oldest_hour) this.#oldest_hour = saved.hour;
    noteNewest(series, newest.second, newest.value);
  }

  #columnOf(series: Series, hour: number, row: number): Column {
    const found = columnAt(series, hour);
    if (found) return found;
    const column = new Column(hour, row, series.scale, this.#blocks);
    series.columns = series.columns.concat(column);
    if (hour < this.#oldest_hour) this.#oldest_hour = hour;
    return column;
  }

  /** Takes note of a chunk's hour that was found in the file. */
  noteChunkHour(hour: number): void {
    this.#oldest_hour = Math.min(this.#oldest_hour, hour);
  }

  noteSealed(series: Series, column: Column, whole: boolean): void {
    series.sealed_hour = Math.max(series.sealed_hour ?? 0, column.hour);
    if (!whole) return;
    series.columns = series.columns.filter((one) => one !== column);
    column.drop();
    if (series.filling === column) series.filling = null;
  }

  /** Chunks before the hour are gone: returns the series that have no sample left. */
  retainFrom(hour: number): Series[] {
    const empty: Series[] = [];
    let oldest_open = Number.POSITIVE_INFINITY;
    let oldest_sealed = Number.POSITIVE_INFINITY;
    for (const series of this.#by_id.values()) {
      for (const { hour: open_hour } of series.columns) oldest_open = Math.min(oldest_open, open_hour);
      if (series.sealed_hour !== null && series.sealed_hour < hour) series.sealed_hour = null;
      if (series.sealed_hour !== null) oldest_sealed = Math.max(hour, this.#oldest_hour);
      else if (series.columns.length === 0) {
        series.newest_second = null;
        if (series.stored) empty.push(series);
      }
    }
    this.#oldest_hour = Math.min(oldest_open, oldest_sealed);
    return empty;
  }

  forget(series: Series): void {
    this.#by_name.delete(series);
    this.#by_id.delete(series.id);
  }
}

export function noteNewest(series: Series, second: number, value: number): void {
  if (series.newest_second !== null && second < series.newest_second) return;
  series.newest_second = second;
  series.newest_value = value;
}

/** The unsealed samples of an hour. */
export function columnAt({ columns }: Series, hour: number): Column | undefined {
  return columns.find((column) => column.hour === hour);
}
