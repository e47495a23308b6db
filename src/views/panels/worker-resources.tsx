import { z } from "zod";
import type { Read } from "../../metrics/read.ts";
import { type Chart, ChartSheet, LineChart } from "../chart.tsx";
import { definePanel, type Table } from "../panel.ts";
import { at_ms } from "../schema.ts";
import type { SeriesNumber } from "../series.ts";
import { isHeard, WORKER_PARAMS, workerSubject } from "../subject.ts";
import { loadWorkerSeries, WORKER_SERIES, workerHistoryHref } from "../worker-series.ts";

const STEP_S = 5;
const MINUTES = 15;

/** A chart each; the busiest device of several is drawn beside their mean. */
const CHARTS: readonly (readonly [
  title: string,
  lines: readonly (readonly [string, string, SeriesNumber])[],
])[] = [
  ["CPU", [["cpu_utilization", "CPU", 1]]],
  [
    "GPU",
    [
      ["gpu_utilization", "mean", 3],
      ["gpu_utilization_max", "busiest", 5],
    ],
  ],
  ["Memory", [["memory_utilization", "memory", 2]]],
  ["Network", [["network_utilization", "network", 4]]],
];
const METRICS = CHARTS.flatMap(([, lines]) => lines.map(([metric]) => metric));
const BUSIEST = "gpu_utilization_max";

const params = WORKER_PARAMS.extend({
  minutes: z.coerce
    .number()
    .int()
    .min(5)
    .max(60)
    .default(MINUTES)
    .describe("How far back the charts reach, minutes, 5 to 60"),
});

const data = z.object({
  at_ms,
  worker_id: z.string().describe("The worker"),
  devices: z.number().describe("GPUs that it tells of one by one, count"),
  ...WORKER_SERIES.shape,
});

type Data = z.output<typeof data>;

export const workerResources = definePanel({
  id: "worker-resources",
  title: "Resource trends",
  description: "CPU, GPU, memory and network of one worker over the last minutes.",
  api: "/api/metrics/workers/:worker_id/resources",
  params,
  example: { worker_id: "W1" },
  data,
  past: true,
  load,
  view: (data) => (
    <div class="trends">
      {charts(data).map((chart, index) => (
        <LineChart id={`wr-${index}`} chart={chart} />
      ))}
    </div>
  ),
  note: ({ minutes, step_s }) => `last ${minutes} min, a point each ${step_s} s`,
  chart: (data) => <ChartSheet charts={charts(data)} />,
  table,
});

function load(read: Read, { worker_id, minutes }: z.output<typeof params>): Data {
  const { worker } = workerSubject(read, worker_id);
  // What a silent worker reported last is not what it uses now.
  const now = isHeard(worker) ? worker.metrics : new Map<string, number>();
  return {
    at_ms: read.now_ms,
    worker_id,
    devices: worker.gpus.length,
    ...loadWorkerSeries(read, { worker_id, metrics: METRICS, minutes, step_s: STEP_S, now }),
  };
}

function charts(data: Data): Chart[] {
  return CHARTS.map(([title, all]) => {
    const lines = data.devices > 1 ? all : all.filter(([metric]) => metric !== BUSIEST);
    return {
      title,
      unit: "percent",
      top: 100,
      times_ms: data.times_ms,
      step_ms: data.step_s * 1000,
      ...workerHistoryHref(
        data.worker_id,
        lines.map(([metric]) => metric),
        data.minutes,
      ),
      lines: lines.map(([metric, name, series]) => {
        const { mean, now } = data.metrics[metric]!;
        return { name, series, values: mean, now };
      }),
    };
  });
}

function table(data: Data): Table {
  return {
    columns: ["at_ms", ...METRICS],
    rows: data.times_ms.map((time_ms, index) => [
      time_ms,
      ...METRICS.map((name) => data.metrics[name]!.mean[index] ?? null),
    ]),
  };
}
