import { z } from "zod";
import { findMetric } from "../../../metrics/catalogue.ts";
import { type Chart, type ChartSeries, ChartSheet, LineChart } from "../../chart.tsx";
import { CUT_DATA, type CutPanel, type CutPart, cutData } from "../../cut.ts";
import type { Table } from "../../panel.ts";
import type { SeriesNumber } from "../../series.ts";

const MINUTES = 15;
const STEP_S = 5;

const METRICS = [
  "throughput_per_minute",
  "queue_time_p95_s",
  "success_ratio",
  "queued_tasks",
  "running_tasks",
] as const;
type MetricName = (typeof METRICS)[number];

const data = CUT_DATA.extend({
  minutes: z.number().describe("How far back the values reach, minutes"),
  step_s: z.number().describe("Length of a step, seconds; only closed steps are given"),
  times_ms: z.array(z.number()).describe("Start of each step, oldest first, Unix milliseconds"),
  metrics: z
    .record(
      z.enum(METRICS),
      z.object({
        unit: z.string().describe("Unit of the values, as in the catalogue of metrics"),
        now: z.number().nullable().describe("The value now; null where it is not known"),
        mean: z.array(z.number().nullable()).describe("Mean of each step; null where nothing is known"),
      }),
    )
    .describe("The metrics by name, each with a value a step"),
});
type Data = z.output<typeof data>;

export const trends: CutPanel<typeof data> = {
  name: "trends",
  title: "Trends",
  description: "its throughput, queue time, success ratio and number of tasks over the last minutes.",
  data,
  load,
  view: (data) => (
    <div class="cut-trends">
      {charts(data).map((chart, index) => (
        <LineChart id={`ct-trend-${index}`} chart={chart} />
      ))}
    </div>
  ),
  note: ({ minutes, step_s }) => `last ${minutes} min, a point each ${step_s} s`,
  chart: (data) => <ChartSheet charts={charts(data)} />,
  table: (data): Table => ({
    columns: ["at_ms", ...METRICS],
    rows: data.times_ms.map((time_ms, row) => [
      time_ms,
      ...METRICS.map((name) => data.metrics[name].mean[row] ?? null),
    ]),
  }),
};

function load(part: CutPart): Data {
  const recent = METRICS.map((name) => ({ name, series: part.read.recent(name, MINUTES, STEP_S) }));
  return {
    ...cutData(part),
    minutes: MINUTES,
    step_s: STEP_S,
    times_ms: [...recent[0]!.series.at_ms],
    metrics: Object.fromEntries(
      recent.map(({ name, series }) => [
        name,
        {
          unit: findMetric(part.cut, name)!.unit,
          now: part.read.system.get(name) ?? null,
          mean: [...series.mean],
        },
      ]),
    ) as Data["metrics"],
  };
}

function charts(data: Data): Chart[] {
  const line = (name: MetricName, label: string, series: SeriesNumber): ChartSeries => {
    const { mean, now } = data.metrics[name];
    return { name: label, series, values: mean, now };
  };
  const chart = (own: Pick<Chart, "title" | "unit" | "lines" | "top">, ...metrics: MetricName[]): Chart => ({
    ...own,
    times_ms: data.times_ms,
    step_ms: data.step_s * 1000,
    href: historyOf(data, metrics),
  });
  return [
    chart(
      { title: "Throughput", unit: "per_minute", lines: [line("throughput_per_minute", "throughput", 1)] },
      "throughput_per_minute",
    ),
    chart(
      { title: "Queue time, p95", unit: "seconds", lines: [line("queue_time_p95_s", "p95", 1)] },
      "queue_time_p95_s",
    ),
    chart(
      {
        title: "Success, last hour",
        unit: "ratio",
        top: 1,
        lines: [line("success_ratio", "success", 1)],
      },
      "success_ratio",
    ),
    chart(
      {
        title: "Tasks",
        unit: "count",
        lines: [line("queued_tasks", "queued", 1), line("running_tasks", "running", 3)],
      },
      "queued_tasks",
      "running_tasks",
    ),
  ];
}

/** The same minutes as a chart that can be entered. */
function historyOf({ cut, name, minutes }: Data, metrics: readonly string[]): string {
  return `history?${cut}=${encodeURIComponent(name)}&metrics=${metrics.join(",")}&duration=${minutes}m`;
}
