import { z } from "zod";
import { duration } from "../../../kinds.ts";
import type { Report, WorkerUpdate } from "../../model.ts";
import { mustBe, scalar, strict } from "../../must-be.ts";
import { readYaml } from "../../yaml.ts";

/** Values of one series at most. */
const MAX_VALUES = 100_000;

const series = scalar({
  rule: "values apart by spaces: 50, 50*10 (ten times), 0+5*60 (0 and then 60 times 5 more), _*5 (nothing reported); at most 100000",
  placeholder: "VALUES",
  read: expand,
});

const TERM = /^(?:(?<nothing>_)|(?<from>-?\d+(?:\.\d+)?)(?<by>[+-]\d+(?:\.\d+)?)?)(?:\*(?<times>\d{1,6}))?$/;

/** `50*10 95*20`, for YAML takes 0x20 for a number: every value on its own; undefined where that can't be read. */
function expand(text: string): (number | null)[] | undefined {
  const values: (number | null)[] = [];
  for (const term of text.trim().split(/\s+/)) {
    const { nothing, from, by, times } = TERM.exec(term)?.groups ?? {};
    if (nothing === undefined && from === undefined) return undefined;
    const step = Number(by ?? 0);
    // As in Prometheus' own tests a growing one has its first value besides.
    const count = by === undefined ? Number(times ?? 1) : Number(times ?? 0) + 1;
    if (values.length + count > MAX_VALUES) return undefined;
    for (let i = 0; i < count; i += 1) values.push(nothing === undefined ? Number(from) + i * step : null);
  }
  return values;
}

const labelled = { type: z.string(mustBe("a text")).optional() };
const schema = strict(
  {
    step: scalar(duration("1s", "1h")).default(1000),
    workers: z
      .record(z.string(), z.object(labelled).catchall(series), mustBe("a map of workers"))
      .default({}),
    system: z.record(z.string(), series, mustBe("a map of metrics")).default({}),
    expect: z
      .array(
        strict(
          {
            at: scalar(duration("0s", "30d")),
            firing: z.array(z.string(mustBe("an alert's id")), mustBe("a list of alerts' ids")),
          },
          "a map of fields",
        ),
        mustBe("a list"),
      )
      .default([]),
  },
  "a map of fields",
);

/** Series that somebody wrote down, and what is to fire. */
export interface WrittenSeries {
  readonly step_ms: number;
  readonly steps: number;
  /** What a source would report at a step, 0 the first; `at_ms` is that step's time. */
  reportAt(step: number, at_ms: number): Report;
  /** What stands in place of what follows of the fleet. */
  systemAt(step: number): ReadonlyMap<string, number | null>;
  /** Each metric that has a series, once. */
  readonly metrics: readonly { readonly scope: "worker" | "system"; readonly name: string }[];
  readonly expected: readonly { readonly after_ms: number; readonly firing: readonly string[] }[];
}

/** @returns the series of a file, or all that is wrong with it */
export function readWrittenSeries(text: string, file: string): WrittenSeries | { problems: string[] } {
  const read = readYaml(text, schema, file);
  if ("problems" in read) return read;
  const { step: step_ms, workers, system, expect } = read.value;
  const named = Object.entries(workers).map(([id, { type, ...metrics }]) => ({
    id,
    type: type as string | undefined,
    metrics: Object.entries(metrics as Record<string, (number | null)[]>),
  }));
  const all = [...named.flatMap(({ metrics }) => metrics), ...Object.entries(system)];
  const after_ms = expect.map(({ at }) => at);
  const steps = Math.max(
    1,
    ...all.map(([, values]) => values.length),
    ...after_ms.map((ms) => ms / step_ms + 1),
  );
  return {
    step_ms,
    steps: Math.ceil(steps),
    reportAt: (step, at_ms) => ({
      at_ms,
      received_ms: at_ms,
      source: "series",
      interval_s: step_ms / 1000,
      complete: false,
      workers: named.flatMap((worker) => workerAt(worker, step, step_ms) ?? []),
      tasks: [],
      system: {},
    }),
    systemAt: (step) =>
      new Map(Object.entries(system).map(([name, values]) => [name, valueAt(values, step)])),
    metrics: [
      ...Array.from(new Set(named.flatMap(({ metrics }) => metrics.map(([name]) => name))), (name) => ({
        scope: "worker" as const,
        name,
      })),
      ...Object.keys(system).map((name) => ({ scope: "system" as const, name })),
    ],
    expected: expect.map(({ at, firing }) => ({ after_ms: at, firing })),
  };
}

/** Null where nothing of it is reported: then it is silent. */
function workerAt(
  { id, type, metrics }: { id: string; type: string | undefined; metrics: [string, (number | null)[]][] },
  step: number,
  step_ms: number,
): WorkerUpdate | null {
  const values = metrics.map(([name, values]) => [name, valueAt(values, step)] as const);
  if (values.length > 0 && values.every(([, value]) => value === null)) return null;
  return {
    id,
    type,
    hostname: undefined,
    status: undefined,
    tags: undefined,
    capabilities: {},
    metrics: Object.fromEntries(values),
    gpus: undefined,
    interval_s: step_ms / 1000,
  };
}

/** A series goes on with its last value. */
function valueAt(values: readonly (number | null)[], step: number): number | null {
  return values[Math.min(step, values.length - 1)] ?? null;
}
