import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { CUTS, findMetric, type Scope, scaleOf, type Unit } from "../metrics/catalogue.ts";
import { iso } from "../metrics/format.ts";
import { ALERT } from "../metrics/model.ts";
import type { SeriesName } from "../metrics/range.ts";
import type { Durations, DurationsQuery, Read } from "../metrics/read.ts";
import type { Chart } from "./chart.tsx";
import type { Table } from "./panel.ts";
import { at_ms, MAX_NAME_LENGTH } from "./schema.ts";
import type { SeriesNumber } from "./series.ts";
import { CHART_LOOK, slicesOf, WINDOW, type Window, windowOf } from "./window.ts";

/** Series of one answer. */
const MAX_SERIES = 100;
const METRIC_NAME = /^[a-z][a-z0-9_]{0,63}$/;
/** Rows that are read at once while a long table is streamed. */
const SLICE_STEPS = 3600;
/** Lines of one chart: as many as there are colours. */
const MAX_LINES = 5;

const column = z.array(z.number().nullable());

const mark = z.object({
  at_ms: z.number().describe("When it happened, Unix milliseconds"),
  kind: z.string().describe("Such as deploy, maintenance, restart or alert"),
  text: z.string().describe("What happened"),
});

/** The data of every panel that shows history, column by column. */
export const HISTORY = z.object({
  at_ms,
  from_ms: z.number().describe("Start of the first step, Unix milliseconds"),
  to_ms: z.number().describe("End of the last step, Unix milliseconds"),
  step_s: z.number().describe("Width of a step, seconds"),
  tier_s: z
    .number()
    .describe(
      "What the values come from: 1 where every second was kept, 3600 where only hourly summaries are left",
    ),
  compare_s: z
    .number()
    .nullable()
    .describe("How long before the window that is compared with lies, seconds; null where none is"),
  times_ms: z.array(z.number()).describe("Start of each step, Unix milliseconds; the rows of every column"),
  series: z
    .array(
      z.object({
        worker_id: z.string().nullable().describe("The worker; null for the fleet or a cut of it"),
        metric: z.string().describe("Name of the metric"),
        label: z.string().describe("Its name for people"),
        unit: z.string().nullable().describe("Its unit; null for a metric that a source made up"),
        statistic: z
          .enum(["mean", "exact"])
          .describe(
            "What mean holds: the mean of the step's samples, or the figure over all tasks of the step: of durations, in steps of whole minutes, and where the window begins more than a day ago in steps of whole quarters of an hour",
          ),
        mean: column.describe("Mean of each step's samples; null where there is none"),
        min: column
          .optional()
          .describe("Smallest sample of each step; given, as max is, where a step is longer than a second"),
        max: column.optional().describe("Largest sample of each step"),
        before: column
          .optional()
          .describe("The same mean of the window that is compared with; given where one is"),
      }),
    )
    .describe("The series asked for, in that order"),
  marks: z.array(mark).describe("What happened meanwhile, oldest first"),
});
export type History = z.output<typeof HISTORY>;
type HistorySeries = History["series"][number];

/** A list of names: separated by commas, given several times, or both. */
export function listField(meaning: string, pattern: RegExp, rule: string, example: string) {
  return z
    .union([z.string(), z.array(z.string())])
    .transform((given, context) => {
      const names = [
        ...new Set(
          [given]
            .flat()
            .flatMap((text) => text.split(","))
            .map((name) => name.trim()),
        ),
      ].filter((name) => name !== "");
      if (names.length > 0 && names.length <= MAX_SERIES && names.every((name) => pattern.test(name)))
        return names;
      context.addIssue({
        code: "custom",
        message: `must be 1 to ${MAX_SERIES} ${rule}, separated by commas`,
      });
      return z.NEVER;
    })
    .optional()
    .describe(meaning)
    .meta({ example });
}

export const metricsField = (meaning: string, example: string) =>
  listField(meaning, METRIC_NAME, "metric names of a-z, 0-9 and _", example);

const cutField = (what: string, example: string) =>
  z
    .string()
    .min(1)
    .max(MAX_NAME_LENGTH)
    .optional()
    .describe(`Only of this ${what}; one cut of the fleet at a time`)
    .meta({ example });

/** The cuts of the fleet that history is kept by. */
export const CUT_FILTERS = z.object({
  worker_type: cutField("worker type", "gpu"),
  task_type: cutField("task type", "vision"),
  model_family: cutField("model family", "vit"),
});

/** The scope and entity that the filters name: the whole fleet where there is none. */
export function cutOf(filters: z.output<typeof CUT_FILTERS>): { scope: Scope; entity: string } {
  const given = CUTS.filter((cut) => filters[cut] !== undefined);
  if (given.length > 1) {
    throw new EvenkeelError(
      "invalid",
      `History is kept by one cut at a time; give one of ${CUTS.join(", ")}; got ${given.join(" and ")}`,
    );
  }
  const [cut] = given;
  return cut === undefined ? { scope: "system", entity: "" } : { scope: cut, entity: filters[cut]! };
}

/** The parameters of everything that shows history. */
export const HISTORY_PARAMS = WINDOW.extend(CHART_LOOK.shape);
type HistoryParams = z.output<typeof HISTORY_PARAMS>;

/** Reads the series of one window, and of the one that it is compared with. */
export function loadHistory(read: Read, names: readonly SeriesName[], params: HistoryParams): History {
  if (names.length > MAX_SERIES) {
    throw new EvenkeelError(
      "invalid",
      `an answer has at most ${MAX_SERIES} series; got ${names.length}: ask for fewer metrics or workers`,
    );
  }
  return historyOf(read, names, windowOf(params, read.now_ms), params.compare);
}

/** @param all_from_ms where all of the answer begins that the window is a slice of */
function historyOf(
  read: Read,
  names: readonly SeriesName[],
  window: Window,
  compare_ms: number | undefined,
  all_from_ms = window.from_ms,
): History {
  const answer = read.range({ series: names, ...window });
  const exact = durationsOf(read, window, read.durationsTier_s(all_from_ms));
  const before = compare_ms === undefined ? undefined : meansBefore(read, names, window, compare_ms);
  const coarse = window.step_ms > 1000;
  return {
    at_ms: read.now_ms,
    from_ms: window.from_ms,
    to_ms: window.to_ms,
    step_s: window.step_ms / 1000,
    tier_s: answer.tier_s,
    compare_s: compare_ms === undefined ? null : compare_ms / 1000,
    times_ms: answer.at_ms,
    marks: read.marks(window.from_ms, window.to_ms).map((one) => ({ ...one })),
    series: names.map(({ scope, entity, metric }, index) => {
      const { mean, min, max } = answer.columns[index]!;
      const known = findMetric(scope, metric);
      const over = exact({ scope, entity, metric });
      return {
        worker_id: scope === "worker" ? entity : null,
        metric,
        label: known?.label ?? metric,
        unit: known?.unit ?? null,
        statistic: over ? ("exact" as const) : ("mean" as const),
        // A mean needs no more digits than its samples have, but for a few that keep it honest.
        mean: (over ?? mean).map((value) => (coarse ? rounded(value, known?.precision) : value)),
        ...(coarse && { min, max }),
        ...(before && { before: before[index]!.map((value) => rounded(value, known?.precision)) }),
      };
    }),
  };
}

/** Of each series, step by step, so long before. */
function meansBefore(read: Read, names: readonly SeriesName[], window: Window, compare_ms: number) {
  const earlier_ms = Math.round(compare_ms / window.step_ms) * window.step_ms;
  const { from_ms, to_ms, step_ms } = window;
  const shifted = { from_ms: from_ms - earlier_ms, to_ms: to_ms - earlier_ms, step_ms };
  const exact = durationsOf(read, shifted, read.durationsTier_s(shifted.from_ms));
  const { columns } = read.range({ series: names, ...shifted });
  return names.map((name, index) => exact(name) ?? columns[index]!.mean);
}

const DURATION = /^(queue_time|processing_time|total_time)_(mean|p50|p95|p99)_s$/;

/**
 * Durations are kept by the minute, or the quarter of an hour, and add up: in whole ones of these a quantile is one
 * over all tasks of the step.
 */
function durationsOf(read: Read, window: Window, tier_s: number) {
  // Of one entity in one answer; a worker has none.
  const known = new Map<string, (Durations | null)[]>();
  return ({ scope, entity, metric }: SeriesName): (number | null)[] | undefined => {
    const [, duration, statistic] = DURATION.exec(metric) ?? [];
    if (duration === undefined || window.step_ms % (tier_s * 1000) !== 0) return undefined;
    if (scope !== "system" && scope !== "task_type" && scope !== "model_family") return undefined;
    const query = { scope, entity, duration, ...window } as DurationsQuery;
    const steps = known.get(duration) ?? read.durations(query);
    known.set(duration, steps);
    return steps.map((step) => step?.[`${statistic}_s` as "p50_s"] ?? null);
  };
}

/** Whether durations are means of samples only because minutes of the window are merged. */
export function isMergedAway({ step_s, series }: History): boolean {
  return (
    step_s % 60 === 0 &&
    series.some((one) => one.worker_id === null && one.statistic === "mean" && DURATION.test(one.metric))
  );
}

function rounded(value: number | null, precision: number | undefined): number | null {
  if (value === null || precision === undefined) return value;
  const scale = 100 * scaleOf(precision);
  return Math.round(value * scale) / scale;
}

/** A row a step; of a series a column, or three where a step has several samples. */
export function historyTable(data: History): Table {
  const columns = data.series.flatMap(({ worker_id, metric, mean, min, max, before }) => {
    const name = worker_id === null ? metric : `${worker_id} ${metric}`;
    const of = (suffix: string, values: HistorySeries["mean"] | undefined) =>
      values === undefined ? [] : [{ name: name + suffix, values }];
    return [...of("", mean), ...of(" min", min), ...of(" max", max), ...of(" before", before)];
  });
  return {
    columns: ["time", ...columns.map(({ name }) => name)],
    rows: data.times_ms.map((time_ms, row) => [
      iso(time_ms),
      ...columns.map(({ values }) => values[row] ?? null),
    ]),
  };
}

/** The same table for windows of up to a million steps, a slice at a time. */
export function* historySlices(
  read: Read,
  names: readonly SeriesName[],
  params: HistoryParams,
): Iterable<Table> {
  let all_from_ms: number | undefined;
  for (const window of slicesOf(params, read.now_ms, SLICE_STEPS)) {
    all_from_ms ??= window.from_ms;
    yield historyTable(historyOf(read, names, window, params.compare, all_from_ms));
  }
}

export function seriesNames(scope: Scope, entity: string, metrics: readonly string[]): SeriesName[] {
  return metrics.map((metric) => ({ scope, entity, metric }));
}

/** A chart and which of the data's series it shows. */
export interface HistoryChart {
  readonly chart: Chart;
  readonly series: readonly number[];
}

/** Series that are told by the same measure share a chart: of one metric, where several workers are shown, else of one subject. */
export function historyCharts(data: History, height: number): HistoryChart[] {
  const several = new Set(data.series.map(({ worker_id }) => worker_id)).size > 1;
  const groups = new Map<string, number[]>();
  data.series.forEach((series, index) => {
    const subject = several ? series.label : subjectOf(series);
    const group = groups.get(subject);
    if (group) group.push(index);
    else groups.set(subject, [index]);
  });
  return [...groups].flatMap(([title, members]) =>
    inCharts(members).map((of) => ({ series: of, chart: chartOf(data, title, of, several, height) })),
  );
}

function chartOf(
  data: History,
  title: string,
  members: readonly number[],
  several: boolean,
  height: number,
): Chart {
  const { unit } = data.series[members[0]!]!;
  return {
    title: members.length === 1 && !several ? data.series[members[0]!]!.label : title,
    unit: (unit as Unit | null) ?? "count",
    times_ms: data.times_ms,
    step_ms: data.step_s * 1000,
    height,
    marks_ms: data.marks.filter(({ kind }) => kind !== ALERT).map(({ at_ms }) => at_ms),
    alerts_ms: data.marks.filter(({ kind }) => kind === ALERT).map(({ at_ms }) => at_ms),
    ...(unit === "percent" && { top: 100 }),
    lines: members.map((index, place) => {
      const series = data.series[index]!;
      const { mean, min, max, before } = series;
      return {
        name: several ? (series.worker_id ?? "fleet") : nameWithin(title, series.label),
        series: (place + 1) as SeriesNumber,
        values: mean,
        now: mean.findLast((value) => value !== null) ?? null,
        ...(min && max && { min, max }),
        ...(before && { before }),
      };
    }),
  };
}

function inCharts(members: readonly number[]): number[][] {
  const charts: number[][] = [];
  for (let from = 0; from < members.length; from += MAX_LINES)
    charts.push(members.slice(from, from + MAX_LINES));
  return charts;
}

/** Utilisations lie on one axis; durations and the like by what comes before the comma; counts by what is counted. */
function subjectOf({ label, unit }: HistorySeries): string {
  if (unit === "percent") return "Utilisation";
  if (unit !== "count") return label.split(", ")[0]!;
  const counted = label.split(" ").at(-1)!;
  return counted.charAt(0).toUpperCase() + counted.slice(1);
}

/** "p95" of "Latency, p95" in a chart named Latency; else all of it. */
function nameWithin(title: string, label: string): string {
  return label.startsWith(`${title}, `) ? label.slice(title.length + 2) : label;
}
