import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import Database from "better-sqlite3";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MINUTE_MS, QUARTER_MS, type SeriesName } from "../range.ts";
import { checkDatabase } from "./check.ts";
import { NOTHING } from "./conformance.ts";
import type { HistogramRecord } from "./contract.ts";
import { asIfDied } from "./fixture.ts";
import { openStore } from "./sqlite.ts";

const T0 = Date.UTC(2026, 0, 1, 12);
const HOUR_MS = 60 * MINUTE_MS;
const KEPT_MS = 26 * HOUR_MS;
const SPAN_MINUTES = 180;

const SERIES: readonly SeriesName[] = [
  { scope: "system", entity: "", metric: "total_time_s" },
  { scope: "task_type", entity: "text", metric: "total_time_s" },
];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-histograms-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

let files = 0;
function newPath(): string {
  files += 1;
  return join(folder, `${files}.db`);
}
const open = (path: string, task_retention_ms = 1000 * HOUR_MS) =>
  openStore(path, { housekeeping: "inline", task_retention_ms });

type Counts = Map<number, number>;

/** What should be there: of each series what is merged, and the minutes that are not. */
class Model {
  readonly #merged = SERIES.map((): Map<number, Counts> => new Map());
  readonly #minutes = SERIES.map((): Map<number, Counts> => new Map());

  write(series: number, minute: number, counts: Counts): void {
    this.#minutes[series]!.set(minute, counts);
  }

  merge(now_ms: number): void {
    const edge = Math.floor((now_ms - KEPT_MS) / QUARTER_MS) * QUARTER_MS;
    this.#minutes.forEach((minutes, series) => {
      for (const [minute, counts] of minutes) {
        const at_ms = T0 + minute * MINUTE_MS;
        if (at_ms >= edge) continue;
        minutes.delete(minute);
        addTo(this.#merged[series]!, Math.floor(at_ms / QUARTER_MS), counts);
      }
    });
  }

  /** By the quarter, whatever is merged. */
  quarters(series: number): Map<number, Counts> {
    const quarters = new Map<number, Counts>();
    for (const [quarter, counts] of this.#merged[series]!) addTo(quarters, quarter, counts);
    for (const [minute, counts] of this.#minutes[series]!)
      addTo(quarters, Math.floor((T0 + minute * MINUTE_MS) / QUARTER_MS), counts);
    return quarters;
  }
}

function addTo(quarters: Map<number, Counts>, quarter: number, counts: Counts): void {
  const sum = quarters.get(quarter) ?? new Map<number, number>();
  for (const [bucket, count] of counts) sum.set(bucket, (sum.get(bucket) ?? 0) + count);
  quarters.set(quarter, sum);
}

const written = fc.array(
  fc.record({
    series: fc.nat(SERIES.length - 1),
    minute: fc.nat(SPAN_MINUTES - 1),
    counts: fc
      .array(fc.tuple(fc.nat(431), fc.integer({ min: 1, max: 100_000 })), { minLength: 1, maxLength: 20 })
      .map((pairs): Counts => new Map(pairs.sort(([a], [b]) => a - b))),
  }),
  { maxLength: 60 },
);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("write" as const), written }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("compact" as const), minutes: fc.nat(2 * SPAN_MINUTES) }),
  },
  { weight: 1, arbitrary: fc.constantFrom({ kind: "reopen" as const }, { kind: "die" as const }) },
);

function recordOf(series: number, minute: number, counts: Counts): HistogramRecord {
  const sum = [...counts].reduce((total, [bucket, count]) => total + bucket * count, 0);
  return { name: SERIES[series]!, at_ms: T0 + minute * MINUTE_MS, sum, buckets: [...counts] };
}

test("every duration is counted once, in its quarter of an hour, whatever is merged when", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async (steps) => {
      const model = new Model();
      let path = newPath();
      let store = open(path);
      try {
        for (const step of steps) {
          if (step.kind === "write") {
            const histograms = step.written.map(({ series, minute, counts }) =>
              recordOf(series, minute, counts),
            );
            store.append({ ...NOTHING, at_ms: T0, histograms });
            for (const { series, minute, counts } of step.written) model.write(series, minute, counts);
          } else if (step.kind === "compact") {
            const now_ms = T0 + KEPT_MS + step.minutes * MINUTE_MS;
            await store.compact(now_ms);
            model.merge(now_ms);
          } else {
            if (step.kind === "die") path = asIfDied(path, newPath());
            await store.close();
            store = open(path);
          }
        }
        SERIES.forEach((name, series) => {
          const quarters = new Map<number, Counts>();
          for (const { at_ms, span_ms, sum, buckets } of store.histograms(name, T0, T0 + 4 * HOUR_MS)) {
            expect(at_ms % span_ms).toBe(0);
            expect(sum).toBe(buckets.reduce((total, [bucket, count]) => total + bucket * count, 0));
            addTo(quarters, Math.floor(at_ms / QUARTER_MS), new Map(buckets));
          }
          expect(quarters).toEqual(model.quarters(series));
        });
      } finally {
        await store.close();
      }
      expect(checkDatabase(path).problems).toEqual([]);
    }),
    { numRuns: 60 },
  );
}, 60_000);

test("a merge that is cut off between two of its slices counts nothing twice", async () => {
  const path = newPath();
  const store = open(path);
  const minutes = Array.from({ length: 600 }, (_, minute) => recordOf(0, minute, new Map([[7, 1]])));
  store.append({ ...NOTHING, at_ms: T0, histograms: minutes });
  const compacting = store.compact(T0 + KEPT_MS + 600 * MINUTE_MS);
  const left = new Set<number>();
  for (let i = 0; i < 50; i += 1) {
    const copy = asIfDied(path, newPath());
    const shell = new Database(copy);
    left.add(shell.prepare<[], number>("SELECT count(*) FROM histogram").pluck().get()!);
    shell.close();
    const found = openStore(copy, { housekeeping: "inline" });
    const tasks = found
      .histograms(SERIES[0]!, T0, T0 + 11 * HOUR_MS)
      .reduce((total, { buckets }) => total + buckets.reduce((sum, [, count]) => sum + count, 0), 0);
    expect(tasks).toBe(600);
    await found.close();
    await turn();
  }
  await compacting;
  expect(left.size).toBeGreaterThan(2);
  expect(store.histograms(SERIES[0]!, T0, T0 + 11 * HOUR_MS)).toHaveLength(40);
  await store.close();
});

test("what is read while the thread merges has every duration once", async () => {
  const store = openStore(newPath(), { task_retention_ms: 1000 * HOUR_MS });
  const minutes = Array.from({ length: 3000 }, (_, minute) => recordOf(0, minute, new Map([[7, 1]])));
  store.append({ ...NOTHING, at_ms: T0, histograms: minutes });
  let compacting = true;
  const compacted = store.compact(T0 + KEPT_MS + 3000 * MINUTE_MS).finally(() => {
    compacting = false;
  });
  while (compacting) {
    const found = store.histograms(SERIES[0]!, T0, T0 + 3000 * MINUTE_MS);
    expect(found.reduce((total, { buckets }) => total + buckets[0]![1], 0)).toBe(3000);
    await turn();
  }
  await compacted;
  expect(store.histograms(SERIES[0]!, T0, T0 + 3000 * MINUTE_MS)).toHaveLength(200);
  await store.close();
});

test("quarters go with the ended tasks, the one that the edge lies in stays", async () => {
  const store = open(newPath(), 27 * HOUR_MS);
  const minutes = Array.from({ length: 90 }, (_, minute) => recordOf(0, minute, new Map([[7, 1]])));
  store.append({ ...NOTHING, at_ms: T0, histograms: minutes });
  const starts = () =>
    store.histograms(SERIES[0]!, T0, T0 + 2 * HOUR_MS).map(({ at_ms }) => (at_ms - T0) / MINUTE_MS);
  await store.compact(T0 + KEPT_MS + 90 * MINUTE_MS);
  // The edge is at minute 30, and minutes before it were deleted before they could be merged.
  expect(starts()).toEqual([30, 45, 60, 75]);
  await store.compact(T0 + 27 * HOUR_MS + 46 * MINUTE_MS);
  expect(starts()).toEqual([45, 60, 75]);
  await store.compact(T0 + 27 * HOUR_MS + 60 * MINUTE_MS);
  expect(starts()).toEqual([60, 75]);
  await store.close();
});
