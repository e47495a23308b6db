import { z } from "zod";
import type { Unit } from "../../metrics/catalogue.ts";
import { count, counted, measure } from "../../metrics/format.ts";
import type { Read } from "../../metrics/read.ts";
import { LAST_TASKS } from "../../metrics/scores.ts";
import { type Chart, ChartSheet, LineChart } from "../chart.tsx";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms } from "../schema.ts";
import { WORKER_PARAMS, workerSubject } from "../subject.ts";
import { loadWorkerSeries, WORKER_SERIES, workerHistoryHref } from "../worker-series.ts";

const METRICS = ["tasks_per_hour", "success_ratio", "processing_time_mean_s"] as const;
const TITLES: Record<(typeof METRICS)[number], string> = {
  tasks_per_hour: "Completed tasks",
  success_ratio: "Success ratio",
  processing_time_mean_s: "Mean duration",
};
const CHART_HEIGHT = 56;

/** What is derived is kept each ten seconds where it stays as it is: shorter steps would have gaps. */
const STEPS_S = [10, 30, 60, 120];
const MOST_STEPS = 180;
const MOST_MINUTES = 360;

const params = WORKER_PARAMS.extend({
  minutes: z.coerce
    .number()
    .int()
    .min(5)
    .max(MOST_MINUTES)
    .default(60)
    .describe(`How far back the charts reach, minutes, 5 to ${MOST_MINUTES}`),
});

const outcomes = {
  tasks: z.number().describe("Tasks that completed or failed on it, each attempt for itself, count"),
  completed: z.number().describe("Those that completed, count"),
  success_ratio: z.number().nullable().describe("Completed ÷ tasks, ratio; null without any"),
};

const data = z.object({
  at_ms,
  worker_id: z.string().describe("The worker"),
  ...WORKER_SERIES.shape,
  last_hour: z
    .object(outcomes)
    .nullable()
    .describe("Of the last hour; null of a worker that is gone, and of the past: not kept"),
  last_tasks: z
    .object({
      ...outcomes,
      mean_duration_s: z
        .number()
        .nullable()
        .describe("From started to completed, the mean, seconds; null where none told both"),
    })
    .nullable()
    .describe(`Its last ${LAST_TASKS} tasks; null as above`),
});

type Params = z.output<typeof params>;
type Data = z.output<typeof data>;

export const workerPerformance = definePanel({
  id: "worker-performance",
  title: "Historical performance",
  description: "What became of one worker's tasks: how many an hour, how many succeed, how long they take.",
  api: "/api/metrics/workers/:worker_id/performance",
  params,
  example: { worker_id: "W1" },
  data,
  past: true,
  load,
  view,
  note: ({ minutes, step_s }) => `last ${minutes} min, a point each ${step_s} s`,
  chart: (data) => <ChartSheet charts={charts(data)} />,
  table,
});

function load(read: Read, { worker_id, minutes }: Params): Data {
  const { worker } = workerSubject(read, worker_id);
  const step_s = STEPS_S.find((step_s) => (minutes * 60) / step_s <= MOST_STEPS) ?? STEPS_S.at(-1)!;
  const scores = read.scores(worker_id);
  return {
    at_ms: read.now_ms,
    worker_id,
    ...loadWorkerSeries(read, { worker_id, metrics: METRICS, minutes, step_s, now: worker.metrics }),
    last_hour: scores ? { ...scores.last_hour } : null,
    last_tasks: scores ? { ...scores.last_tasks } : null,
  };
}

function view(data: Data) {
  return (
    <>
      <Part as="ul" id="wp-words" class="sub worker-outcomes">
        {inWords(data).map((line) => (
          <li>{line}</li>
        ))}
      </Part>
      {charts(data).map((chart, index) => (
        <LineChart id={`wp-${index}`} chart={chart} />
      ))}
    </>
  );
}

function inWords({ last_hour, last_tasks }: Data): string[] {
  if (last_hour === null || last_tasks === null) return ["Its counts are not kept; the charts are."];
  return [
    last_hour.tasks === 0
      ? "Last hour: no task ended"
      : `Last hour: ${count(last_hour.completed)} completed, ${counted(last_hour.tasks - last_hour.completed, "attempt")} failed`,
    last_tasks.tasks === 0
      ? "No task has ended on it yet"
      : `Last ${count(last_tasks.tasks)} tasks: ${measure(last_tasks.success_ratio, "ratio")} completed, mean ${measure(last_tasks.mean_duration_s, "seconds")}`,
  ];
}

function charts(data: Data): Chart[] {
  return METRICS.map((name) => {
    const { unit, now, mean } = data.metrics[name]!;
    return {
      title: TITLES[name],
      unit: unit as Unit,
      times_ms: data.times_ms,
      step_ms: data.step_s * 1000,
      height: CHART_HEIGHT,
      ...(unit === "ratio" && { top: 1 }),
      ...workerHistoryHref(data.worker_id, [name], data.minutes),
      lines: [{ name: TITLES[name], series: 1, values: mean, now }],
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
