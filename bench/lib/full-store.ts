import { statSync } from "node:fs";
import Database from "better-sqlite3";
import { findMetric, scaleOf } from "../../src/metrics/catalogue.ts";
import type { SeriesName } from "../../src/metrics/range.ts";
import { Blocks } from "../../src/metrics/store/blocks.ts";
import { Column } from "../../src/metrics/store/column.ts";
import { NOTHING } from "../../src/metrics/store/conformance.ts";
import type { MetricStore, Samples } from "../../src/metrics/store/contract.ts";
import { Housekeeper } from "../../src/metrics/store/housekeeper.ts";
import { openStore } from "../../src/metrics/store/sqlite.ts";
import { quantize, SLOTS } from "../../src/metrics/store/values.ts";

/** Where a store's samples come from, second by second. */
export interface Source {
  /** Of the values of a second, in their order. */
  readonly names: readonly SeriesName[];
  /** The second whose values come next. */
  readonly second: number;
  /** Lets a second pass and writes its values in the order of `names`; NaN where there is none. */
  next(values: Float64Array): void;
}

/** Series of one transaction, as the store's compaction takes them. */
const SERIES_A_SLICE = 16;

/**
 * Hours of the end that go through `append` and `compact`, tick by tick: whatever a live store still holds
 * in its log, its saved copies and its free pages is there then.
 */
const LIVE_HOURS = 3;

/**
 * Writes all seconds from the source's next one up to `end_second` (exclusive) into a new file.
 *
 * Appending 604,800 ticks and compacting each of their minutes takes half an hour, most of it for copies of
 * open hours that are replaced five minutes later. So what is older than LIVE_HOURS is sealed hour by hour,
 * the series in their order, through the columns and the housekeeper that compaction itself uses; what a file
 * keeps of an hour that was sealed long ago is the same.
 *
 * @param live_hours 0 where only sealed hours are wanted; `end_second` is the end of an hour then
 */
export async function fillStore(
  path: string,
  source: Source,
  end_second: number,
  live_hours = LIVE_HOURS,
): Promise<void> {
  const live_second = (Math.floor(end_second / SLOTS) - live_hours + (live_hours > 0 ? 1 : 0)) * SLOTS;
  const series = await nameSeries(path, source, live_second);
  await sealHours(path, source, series, live_second);
  if (live_hours === 0) return;
  const store = openStore(path, { housekeeping: "inline" });
  for (const tick of ticks(store, source, end_second)) {
    tick.append();
    if (tick.second % 60 === 0) await store.compact(tick.second * 1000);
  }
  await store.close();
}

/**
 * Makes the series' handles durable, which takes a sample: one of the first live second, whose true values
 * are appended later and win. (Where nothing goes live, it stays in the log as the newest sample.)
 */
async function nameSeries(path: string, { names }: Source, second: number): Promise<number[]> {
  const store = openStore(path);
  const series = names.map(({ scope, entity, metric }) => store.series(scope, entity, metric));
  appendTick(store, second, {
    series,
    at_ms: series.map(() => second * 1000),
    values: series.map(() => 0),
  });
  await store.close();
  return series;
}

async function sealHours(
  path: string,
  source: Source,
  series: readonly number[],
  end_second: number,
): Promise<void> {
  const housekeeper = new Housekeeper(path, 0);
  const values = new Float64Array(series.length);
  const precisions = source.names.map(({ scope, metric }) => findMetric(scope, metric)!.precision);
  while (source.second < end_second) {
    const hour = Math.floor(source.second / SLOTS);
    const blocks = new Blocks();
    const columns = precisions.map((precision) => new Column(hour, 0, scaleOf(precision), blocks));
    while (source.second < (hour + 1) * SLOTS) {
      const slot = source.second - hour * SLOTS;
      source.next(values);
      for (let i = 0; i < columns.length; i++)
        if (!Number.isNaN(values[i]!)) columns[i]!.add(slot, quantize(values[i]!, scaleOf(precisions[i]!)));
    }
    const closed = columns.flatMap((column, i) =>
      column.entries === 0
        ? []
        : [{ ...column.snapshot(), series: series[i]!, hour, precision: precisions[i]!, row: 0 }],
    );
    for (let i = 0; i < closed.length; i += SERIES_A_SLICE)
      await housekeeper.seal(closed.slice(i, i + SERIES_A_SLICE));
  }
  await housekeeper.close();
}

interface Tick {
  readonly second: number;
  /** Appends the second's samples. */
  append(): void;
}

/** The source's seconds up to `end_second` (exclusive), as a pipeline would append them. */
export function* ticks(store: MetricStore, source: Source, end_second: number): Generator<Tick> {
  const series = source.names.map(({ scope, entity, metric }) => store.series(scope, entity, metric));
  const values = new Float64Array(series.length);
  while (source.second < end_second) {
    const { second } = source;
    source.next(values);
    const samples = { series, at_ms: series.map(() => second * 1000), values: [...values] };
    yield { second, append: () => appendTick(store, second, samples) };
  }
}

export function appendTick(store: MetricStore, second: number, samples: Samples): void {
  store.append({ ...NOTHING, at_ms: second * 1000, samples });
}

/** What a file's parts take, and what its sealed samples cost. */
export interface Sizes {
  readonly file_bytes: number;
  /** By table: chunk, head, saved_hour and the rest. */
  readonly tables: ReadonlyMap<string, number>;
  /** Within the pages of the chunks: what no chunk fitted into. */
  readonly chunk_gaps_bytes: number;
  readonly free_bytes: number;
  readonly sealed_samples: number;
  /** By scope and metric: what the chunks' own bytes are, and their samples. */
  readonly metrics: ReadonlyMap<string, { readonly bytes: number; readonly samples: number }>;
}

export function sizesOf(path: string): Sizes {
  const db = new Database(path, { readonly: true });
  const tables = db
    .prepare<[], { name: string; bytes: number; gaps_bytes: number }>(
      "SELECT name, sum(pgsize) AS bytes, sum(unused) AS gaps_bytes FROM dbstat WHERE aggregate = TRUE GROUP BY name",
    )
    .all();
  const metrics = db
    .prepare<[], { metric: string; bytes: number; samples: number }>(
      `SELECT scope || ' ' || metric AS metric, sum(length(samples)) AS bytes, sum(count) AS samples
       FROM chunk JOIN series ON series.id = (k & 0xffffffff) GROUP BY 1 ORDER BY bytes DESC`,
    )
    .all();
  const pragma = (name: string) => db.pragma(name, { simple: true }) as number;
  const free_bytes = pragma("freelist_count") * pragma("page_size");
  db.close();
  return {
    file_bytes: statSync(path).size,
    tables: new Map(tables.map(({ name, bytes }) => [name, bytes])),
    chunk_gaps_bytes: tables.find(({ name }) => name === "chunk")!.gaps_bytes,
    free_bytes,
    sealed_samples: metrics.reduce((sum, { samples }) => sum + samples, 0),
    metrics: new Map(metrics.map(({ metric, bytes, samples }) => [metric, { bytes, samples }])),
  };
}
