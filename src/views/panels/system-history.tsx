import { z } from "zod";
import { EvenkeelError } from "../../errors.ts";
import { findMetric, type Scope } from "../../metrics/catalogue.ts";
import type { Read } from "../../metrics/read.ts";
import { ChartSheet, HistoryChart } from "../chart.tsx";
import {
  CUT_FILTERS,
  cutOf,
  type History,
  historyCharts,
  historySlices,
  historyTable,
  loadHistory,
  metricsField,
} from "../history.ts";
import { definePanel } from "../panel.ts";
import { at_ms } from "../schema.ts";
import { durationField, durationText, WINDOW } from "../window.ts";
import { fleetSeries } from "./history.tsx";

const CHART_HEIGHT = 132;

const params = WINDOW.extend({
  ...CUT_FILTERS.shape,
  metrics: metricsField("Metrics of the whole fleet, separated by commas", "queued_tasks,running_tasks"),
  interval: durationField("Another name of step, for clients of a coordinator"),
});
type Params = z.output<typeof params>;

const data = z.object({
  at_ms,
  from_ms: z.number().describe("Start of the first step, Unix milliseconds"),
  to_ms: z.number().describe("End of the last step, Unix milliseconds"),
  step_s: z.number().describe("Width of a step, seconds"),
  metrics: z
    .record(z.string(), z.array(z.tuple([z.number(), z.number()])))
    .describe(
      "By name, what is known of each metric, oldest first: pairs of a step's start, Unix milliseconds, and its mean",
    ),
});
type Data = z.output<typeof data>;

/** What the panel History has in columns, metric by metric, as clients of a coordinator ask for it. */
export const systemHistory = definePanel({
  id: "system-history",
  title: "History by metric",
  description: "Any metrics of the fleet over any stretch of time that is kept, each as a list of pairs.",
  api: "/api/metrics/history/system",
  params,
  data,
  live: false,
  load,
  view: (data, given) => (
    <div class="charts">
      {historyCharts(inColumns(data, given), CHART_HEIGHT).map(({ chart }) => (
        <HistoryChart chart={chart} />
      ))}
    </div>
  ),
  note: ({ step_s }) => `a point each ${durationText(step_s * 1000)}`,
  table: (data, given) => historyTable(inColumns(data, given)),
  slices: (read, given) => historySlices(read, fleetSeries(given), asSteps(given)),
  chart: (data, given) => (
    <ChartSheet charts={historyCharts(inColumns(data, given), CHART_HEIGHT).map(({ chart }) => chart)} />
  ),
});

function load(read: Read, given: Params): Data {
  const { at_ms, from_ms, to_ms, step_s, times_ms, series } = loadHistory(
    read,
    fleetSeries(given),
    asSteps(given),
  );
  const metrics = Object.fromEntries(
    series.map(({ metric, mean }) => [
      metric,
      times_ms.flatMap((time_ms, row): [number, number][] => {
        const value = mean[row] ?? null;
        return value === null ? [] : [[time_ms, value]];
      }),
    ]),
  );
  return { at_ms, from_ms, to_ms, step_s, metrics };
}

function asSteps({ interval, ...given }: Params) {
  if (interval === undefined) return given;
  if (given.step === undefined || given.step === interval) return { ...given, step: interval };
  throw new EvenkeelError(
    "invalid",
    `Parameter interval: must be what step is, or be left out; got ${durationText(interval)} and ${durationText(given.step)}`,
    { details: { parameter: "interval" } },
  );
}

function inColumns({ metrics, ...window }: Data, given: Params): History {
  const { from_ms, to_ms, step_s } = window;
  const times_ms = Array.from(
    { length: Math.round((to_ms - from_ms) / 1000 / step_s) },
    (_, step) => from_ms + step * step_s * 1000,
  );
  const { scope } = cutOf(given);
  return {
    ...window,
    tier_s: 1,
    compare_s: null,
    times_ms,
    marks: [],
    series: Object.entries(metrics).map(([metric, pairs]) => {
      const values = new Map(pairs);
      return {
        worker_id: null,
        metric,
        ...namesOf(scope, metric),
        statistic: "mean",
        mean: times_ms.map((time_ms) => values.get(time_ms) ?? null),
      };
    }),
  };
}

function namesOf(scope: Scope, metric: string) {
  const known = findMetric(scope, metric);
  return { label: known?.label ?? metric, unit: known?.unit ?? null };
}
