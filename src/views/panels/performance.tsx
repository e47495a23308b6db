import { z } from "zod";
import { findMetric } from "../../metrics/catalogue.ts";
import { RECENT_MINUTES, type Read, type RecentSeries } from "../../metrics/read.ts";
import { type Chart, ChartSheet, LineChart } from "../chart.tsx";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms } from "../schema.ts";

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
  step_s: z.number().describe("Length of a step, seconds; only closed steps are given"),
  times_ms: z.array(z.number()).describe("Start of each step, oldest first, Unix milliseconds"),
  metrics: z
    .record(
      z.enum(METRICS),
      z.object({
        unit: z.string().describe("Unit of the values, as in the catalogue of metrics"),
        mean: values("Mean"),
        min: values("Smallest value"),
        max: values("Largest value"),
      }),
    )
    .describe("The metrics by name, each with a value a step"),
});

type Params = z.output<typeof params>;
type Data = z.output<typeof data>;

export const performance = definePanel({
  id: "performance",
  title: "Performance",
  description:
    "Throughput, time from queued to completed, and utilisation of the workers over the last minutes.",
  api: "/api/metrics/performance",
  params,
  data,
  load,
  view: (data) => (
    <>
      {charts(data).map((chart, index) => (
        <Part id={`pf-${index}`}>
          <LineChart chart={chart} />
        </Part>
      ))}
    </>
  ),
  note: (data) => `last ${data.minutes} min, a point each ${data.step_s} s`,
  chart: (data) => <ChartSheet charts={charts(data)} />,
  table,
});

function load(read: Read, { minutes }: Params): Data {
  const recent = METRICS.map((name) => [name, read.recent(name, minutes, STEP_S)] as const);
  const times_ms = [...new Set(recent.flatMap(([, series]) => series.at_ms))].sort((a, b) => a - b);
  return {
    at_ms: read.now_ms,
    minutes,
    step_s: STEP_S,
    times_ms,
    metrics: Object.fromEntries(
      recent.map(([name, series]) => [name, onAxis(name, series, times_ms)]),
    ) as Data["metrics"],
  };
}

/** A metric's values at the times that all of them share. */
function onAxis(
  name: MetricName,
  series: RecentSeries,
  times_ms: readonly number[],
): Data["metrics"][MetricName] {
  const index = new Map(series.at_ms.map((time_ms, position) => [time_ms, position]));
  const along = (column: readonly (number | null)[]) =>
    times_ms.map((time_ms) => {
      const position = index.get(time_ms);
      return position === undefined ? null : (column[position] ?? null);
    });
  return {
    unit: findMetric("system", name)?.unit ?? "count",
    mean: along(series.mean),
    min: along(series.min),
    max: along(series.max),
  };
}

function charts(data: Data): Chart[] {
  const axis = { times_ms: data.times_ms, step_ms: data.step_s * 1000 };
  const mean = (name: MetricName) => data.metrics[name].mean;
  return [
    {
      ...axis,
      title: "Throughput",
      unit: "per_minute",
      lines: [{ name: "throughput", series: 1, values: mean("throughput_per_minute") }],
    },
    {
      ...axis,
      title: "Latency",
      unit: "seconds",
      lines: [
        { name: "p50", series: 1, values: mean("total_time_p50_s") },
        { name: "p95", series: 2, values: mean("total_time_p95_s") },
      ],
    },
    {
      ...axis,
      title: "Utilisation, mean",
      unit: "percent",
      top: 100,
      lines: [
        { name: "CPU", series: 1, values: mean("cpu_utilization_mean") },
        { name: "GPU", series: 3, values: mean("gpu_utilization_mean") },
      ],
    },
  ];
}

function table(data: Data): Table {
  return {
    columns: ["at_ms", ...METRICS],
    rows: data.times_ms.map((time_ms, index) => [
      time_ms,
      ...METRICS.map((name) => data.metrics[name].mean[index] ?? null),
    ]),
  };
}
