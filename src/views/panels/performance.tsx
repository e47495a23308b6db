import { raw } from "hono/html";
import { z } from "zod";
import { findMetric } from "../../metrics/catalogue.ts";
import { RECENT_MINUTES, type Read, type RecentSeries } from "../../metrics/read.ts";
import { type Chart, type ChartSeries, ChartSheet, LineChart } from "../chart.tsx";
import { isFiltered } from "../filters.ts";
import { definePanel, type Table } from "../panel.ts";
import { at_ms } from "../schema.ts";
import type { SeriesNumber } from "../series.ts";

const STEP_S = 5;

/** What the panel draws, by name of the metric. */
const METRICS = [
  "throughput_per_minute",
  "total_time_p50_s",
  "total_time_p95_s",
  "cpu_utilization_mean",
  "gpu_utilization_mean",
] as const;
type MetricName = (typeof METRICS)[number];

const params = z.object({
  minutes: z.coerce
    .number()
    .int()
    .min(5)
    .max(RECENT_MINUTES)
    .default(15)
    .describe(`How far back the charts reach, minutes, 5 to ${RECENT_MINUTES}`),
});

const values = (what: string) =>
  z.array(z.number().nullable()).describe(`${what} of each step; null where nothing is known`);

const data = z.object({
  at_ms,
  minutes: z.number().describe("How far back the values reach, minutes"),
  whole_fleet: z
    .boolean()
    .describe(
      "True where there is a filter and the values are of the whole fleet all the same: no history is kept by it",
    ),
  step_s: z.number().describe("Length of a step, seconds; only closed steps are given"),
  times_ms: z.array(z.number()).describe("Start of each step, oldest first, Unix milliseconds"),
  metrics: z
    .partialRecord(
      z.enum(METRICS),
      z.object({
        unit: z.string().describe("Unit of the values, as in the catalogue of metrics"),
        now: z
          .number()
          .nullable()
          .describe("The value now, newer than the last step; null where it is not known"),
        mean: values("Mean"),
        min: values("Smallest value"),
        max: values("Largest value"),
      }),
    )
    .describe(
      "The metrics by name, each with a value a step; without those that are not kept of what is filtered",
    ),
});

type Params = z.output<typeof params>;
type Data = z.output<typeof data>;
type Values = NonNullable<Data["metrics"][MetricName]>;

export const performance = definePanel({
  id: "performance",
  title: "Performance",
  description:
    "Throughput, time from queued to completed, and utilisation of the workers over the last minutes.",
  api: "/api/metrics/performance",
  params,
  data,
  filters: true,
  past: true,
  load,
  view: (data) => raw(drawing(data)),
  note: ({ minutes, step_s, whole_fleet }) =>
    `${whole_fleet ? "whole fleet, " : ""}last ${minutes} min, a point each ${step_s} s`,
  chart: (data) => <ChartSheet charts={charts(data)} />,
  table,
});

function load(read: Read, { minutes }: Params): Data {
  const whole_fleet = isFiltered(read) && read.recent_cut === null;
  return {
    at_ms: read.now_ms,
    minutes,
    whole_fleet,
    step_s: STEP_S,
    ...valuesOf(whole_fleet ? read.filtered({}) : read, minutes),
  };
}

type Drawn = Pick<Data, "times_ms" | "metrics">;

/** Of each moment, by the minutes that they reach back: most of fifty filters show the whole fleet's. */
const values_of = new WeakMap<Read, Map<number, Drawn>>();

function valuesOf(read: Read, minutes: number): Drawn {
  const kept = values_of.get(read) ?? new Map<number, Drawn>();
  values_of.set(read, kept);
  const values = kept.get(minutes) ?? findValues(read, minutes);
  kept.set(minutes, values);
  return values;
}

function findValues(read: Read, minutes: number): Drawn {
  const scope = read.recent_cut?.cut ?? "system";
  const kept = METRICS.filter((name) => findMetric(scope, name));
  const recent = kept.map((name) => [name, read.recent(name, minutes, STEP_S)] as const);
  const times_ms = [...new Set(recent.flatMap(([, series]) => series.at_ms))].sort((a, b) => a - b);
  const metrics = Object.fromEntries(
    recent.map(([name, series]) => [
      name,
      { ...onAxis(name, series, times_ms), now: read.system.get(name) ?? null },
    ]),
  ) as Data["metrics"];
  return { times_ms, metrics };
}

/** The charts' markup, by their values. */
const drawings = new WeakMap<Data["metrics"], string>();

function drawing(data: Data): string {
  const kept = drawings.get(data.metrics);
  if (kept !== undefined) return kept;
  const all = charts(data).map((chart, index) => <LineChart id={`pf-${index}`} chart={chart} />);
  const markup = String(<>{all}</>);
  drawings.set(data.metrics, markup);
  return markup;
}

/** A metric's values at the times that all of them share, its own among them. */
function onAxis(name: MetricName, series: RecentSeries, times_ms: readonly number[]): Omit<Values, "now"> {
  const has_all = series.at_ms.length === times_ms.length;
  const index = has_all ? null : new Map(series.at_ms.map((time_ms, position) => [time_ms, position]));
  const along = (column: readonly (number | null)[]) =>
    index === null ? [...column] : times_ms.map((time_ms) => column[index.get(time_ms) ?? -1] ?? null);
  return {
    unit: findMetric("system", name)?.unit ?? "count",
    mean: along(series.mean),
    min: along(series.min),
    max: along(series.max),
  };
}

function charts(data: Data): Chart[] {
  const axis = { times_ms: data.times_ms, step_ms: data.step_s * 1000 };
  const line = (name: MetricName, label: string, series: SeriesNumber): ChartSeries[] => {
    const known = data.metrics[name];
    return known === undefined ? [] : [{ name: label, series, values: known.mean, now: known.now }];
  };
  const all: Chart[] = [
    {
      ...axis,
      title: "Throughput",
      href: historyOf(data, "throughput_per_minute"),
      unit: "per_minute",
      lines: line("throughput_per_minute", "throughput", 1),
    },
    {
      ...axis,
      title: "Latency",
      href: historyOf(data, "total_time_p50_s", "total_time_p95_s", "total_time_p99_s"),
      unit: "seconds",
      lines: [...line("total_time_p50_s", "p50", 1), ...line("total_time_p95_s", "p95", 2)],
    },
    {
      ...axis,
      title: "Utilisation, mean",
      href: historyOf(data, "cpu_utilization_mean", "gpu_utilization_mean", "memory_utilization_mean"),
      unit: "percent",
      top: 100,
      lines: [...line("cpu_utilization_mean", "CPU", 1), ...line("gpu_utilization_mean", "GPU", 3)],
    },
  ];
  return all.filter(({ lines }) => lines.length > 0);
}

/** The same minutes as a chart that can be entered. */
function historyOf({ minutes }: Data, ...metrics: string[]): string {
  return `history?metrics=${metrics.join(",")}&duration=${minutes}m`;
}

function table(data: Data): Table {
  return {
    columns: ["at_ms", ...METRICS],
    rows: data.times_ms.map((time_ms, index) => [
      time_ms,
      ...METRICS.map((name) => data.metrics[name]?.mean[index] ?? null),
    ]),
  };
}
