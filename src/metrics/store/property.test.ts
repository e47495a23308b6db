import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { SeriesName } from "../range.ts";
import { NOTHING, samplesOf } from "./conformance.ts";
import type { MetricStore } from "./contract.ts";
import { asIfDied } from "./fixture.ts";
import { openStore } from "./sqlite.ts";
import { quantize } from "./values.ts";

const T0_SECOND = Date.UTC(2026, 0, 1, 12) / 1000;
const HOUR_S = 3600;
const SPAN_S = 6 * HOUR_S;

const SERIES: readonly (SeriesName & { scale: number | null })[] = [
  { scope: "worker", entity: "W1", metric: "cpu_utilization", scale: 10 },
  { scope: "worker", entity: "W2", metric: "queued_tasks", scale: 1 },
  { scope: "worker", entity: "W2", metric: "memory_bytes", scale: 2 ** -22 },
  { scope: "system", entity: "", metric: "success_ratio", scale: 10_000 },
  { scope: "task", entity: "T1", metric: "made up", scale: null },
];

/** What the store should hold: of each series, the value of each second. */
type Model = Map<number, number>[];

type Samples = { series: number; second: number; value: number }[];
type Step =
  | { kind: "append"; samples: Samples }
  | { kind: "compact"; at_s: number; meanwhile: Samples }
  | { kind: "reopen" }
  | { kind: "die" };

const second = fc.integer({ min: 0, max: SPAN_S - 1 });
const value = fc.oneof(
  fc.double({ min: 0, max: 100, noNaN: true }),
  fc.integer({ min: -5, max: 5 }),
  fc.double({ min: 0, max: 2 ** 40, noNaN: true }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const series = fc.nat(SERIES.length - 1);
/** A stretch of one series at a steady interval, as sources send it. */
const stretch = fc
  .tuple(series, second, fc.constantFrom(1, 5, 60, 1800), fc.array(value, { minLength: 1, maxLength: 20 }))
  .map(([series, start, interval, values]) =>
    values.map((value, i) => ({ series, second: (start + i * interval) % SPAN_S, value })),
  );
const scattered = fc.array(fc.record({ series, second, value }), { maxLength: 10 });
const samples: fc.Arbitrary<Samples> = fc.oneof(stretch, scattered);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("append" as const), samples }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("compact" as const),
      at_s: fc.nat(2 * SPAN_S),
      meanwhile: samples,
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: "reopen" }, { kind: "die" }) },
);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-property-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

let files = 0;
function newPath(): string {
  files += 1;
  return join(folder, `${files}.db`);
}

async function take(
  step: Step,
  store: MetricStore,
  path: string,
  model: Model,
): Promise<[MetricStore, string]> {
  switch (step.kind) {
    case "append":
      append(step.samples, store, model);
      return [store, path];
    case "compact": {
      const compacting = store.compact((T0_SECOND + step.at_s) * 1000);
      await turn();
      append(step.meanwhile, store, model);
      await compacting;
      return [store, path];
    }
    case "reopen":
      await store.close();
      return [open(path), path];
    case "die": {
      const copy = asIfDied(path, newPath());
      await store.close();
      return [open(copy), copy];
    }
  }
}

const open = (path: string) => openStore(path, { housekeeping: "inline" });

function append(
  samples: { series: number; second: number; value: number }[],
  store: MetricStore,
  model: Model,
) {
  store.append({
    ...NOTHING,
    at_ms: Math.max(0, ...samples.map((s) => s.second + T0_SECOND)) * 1000,
    samples: samplesOf(
      samples.map(({ series, second, value }) => {
        const { scope, entity, metric } = SERIES[series]!;
        const handle = store.series(scope, entity, metric);
        return { series: handle, at_ms: (T0_SECOND + second) * 1000 + 321, value };
      }),
    ),
  });
  for (const { series, second, value } of samples) {
    model[series]!.set(T0_SECOND + second, quantize(value, SERIES[series]!.scale));
  }
}

function expectLike(store: MetricStore, model: Model, from_s: number, to_s: number, step_s: number): void {
  const answer = store.range({
    series: SERIES,
    from_ms: from_s * 1000,
    to_ms: to_s * 1000,
    step_ms: step_s * 1000,
  });
  const rows = new Map(answer.at_ms.map((at_ms, row) => [at_ms / 1000 / step_s, row]));
  model.forEach((seconds, i) => {
    const values: number[][] = answer.at_ms.map(() => []);
    for (const [second, value] of seconds) {
      if (second >= from_s && second < to_s) values[rows.get(Math.floor(second / step_s))!]!.push(value);
    }
    const { mean, ...column } = answer.columns[i]!;
    const expected = {
      count: values.map((bucket) => bucket.length),
      min: values.map((bucket) => (bucket.length > 0 ? Math.min(...bucket) : null)),
      max: values.map((bucket) => (bucket.length > 0 ? Math.max(...bucket) : null)),
    };
    // Thousands of rows: expect's own comparison is only for showing what differs.
    if (!isDeepStrictEqual(column, expected)) {
      expect(column).toEqual(expected);
    }
    expect(mean.filter((value, row) => !isMean(value, values[row]!))).toEqual([]);
  });
}

/** Up to the last digits, which depend on the order of summing. */
function isMean(mean: number | null, values: readonly number[]): boolean {
  if (mean === null) return values.length === 0;
  const expected = values.reduce((sum, value) => sum + value, 0) / values.length;
  const largest = Math.max(...values.map(Math.abs));
  return Math.abs(mean - expected) <= 1e-9 * largest || !Number.isFinite(expected);
}

function expectLatest(store: MetricStore, model: Model): void {
  const expected = model.flatMap((seconds, i) => {
    if (seconds.size === 0) return [];
    const newest = Math.max(...seconds.keys());
    const { scope, entity, metric } = SERIES[i]!;
    return [{ scope, entity, metric, at_ms: newest * 1000, value: seconds.get(newest)! }];
  });
  const byMetric = (a: SeriesName, b: SeriesName) => (a.metric < b.metric ? -1 : 1);
  expect(store.latest(0).sort(byMetric)).toEqual(expected.sort(byMetric));
}

test("what went in comes out, whatever came in between", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 25 }),
      second,
      fc.integer({ min: 1, max: SPAN_S }),
      fc.constantFrom(1, 7, 600, 3600, 7200, 5400),
      async (steps, from, length, step_s) => {
        const model: Model = SERIES.map(() => new Map());
        let path = newPath();
        let store = open(path);
        try {
          for (const step of steps) {
            [store, path] = await take(step, store, path, model);
            const from_s = T0_SECOND + from;
            expectLike(
              store,
              model,
              from_s,
              from_s + (step_s === 1 ? Math.min(length, 4000) : length),
              step_s,
            );
          }
          expectLike(store, model, T0_SECOND - 60, T0_SECOND + SPAN_S + 60, 60);
          expectLatest(store, model);
        } finally {
          await store.close();
        }
      },
    ),
    { numRuns: 100 },
  );
}, 60_000);
