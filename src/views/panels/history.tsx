import type { z } from "zod";
import { EvenkeelError } from "../../errors.ts";
import { CATALOGUE, CUTS, type Cut, findMetric, type Scope } from "../../metrics/catalogue.ts";
import { clean, count, inUtc, measure, NONE, shorten } from "../../metrics/format.ts";
import type { SeriesName } from "../../metrics/range.ts";
import { ChartSheet, HistoryChart } from "../chart.tsx";
import { more, Name, Time } from "../components.tsx";
import {
  CUT_FILTERS,
  cutOf,
  HISTORY,
  HISTORY_PARAMS,
  type History,
  historyCharts,
  historySlices,
  historyTable,
  isMergedAway,
  listField,
  loadHistory,
  metricsField,
  seriesNames,
} from "../history.ts";
import { pathSegment } from "../identity.ts";
import { definePanel } from "../panel.ts";
import { metricNames } from "../schema.ts";
import { WORKER_PARAMS } from "../subject.ts";
import { durationText } from "../window.ts";

const SYSTEM_METRICS = [
  "throughput_per_minute",
  "total_time_p50_s",
  "total_time_p95_s",
  "total_time_p99_s",
  "cpu_utilization_mean",
  "gpu_utilization_mean",
  "memory_utilization_mean",
  "network_utilization_mean",
  "queued_tasks",
  "running_tasks",
];
const FLOW_METRICS = [
  "throughput_per_minute",
  "total_time_p50_s",
  "total_time_p95_s",
  "total_time_p99_s",
  "queue_time_p50_s",
  "queue_time_p95_s",
  "queued_tasks",
  "running_tasks",
  "success_ratio",
];
const WORKER_METRICS = ["cpu_utilization", "gpu_utilization", "memory_utilization", "network_utilization"];

const RANGES = ["5m", "15m", "1h", "6h", "24h", "7d"];
const DEFAULT_RANGE = "1h";
const CHART_HEIGHT = 132;
/** Newest marks that are told in words. */
const MARK_ROWS = 8;
/** Newest steps that stand in the table below the charts; the CSV has them all. */
const TABLE_ROWS = 30;
const NAME_LENGTH = 64;
// Printable, as the ingest takes ids, but for the comma that parts them.
const WORKER_ID = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp},]{1,512}$/u;

const params = HISTORY_PARAMS.extend({
  ...CUT_FILTERS.shape,
  metrics: metricsField("Metrics of the whole fleet, separated by commas", "queued_tasks,running_tasks"),
  workers: listField("Workers to show beside it, ids separated by commas", WORKER_ID, "ids of workers", "W1"),
  worker_metrics: metricsField("Metrics of those workers, separated by commas", "cpu_utilization"),
});
type Params = z.output<typeof params>;

export const history = definePanel({
  id: "history",
  title: "History",
  description: "Any metrics of the fleet and of any workers, over any stretch of time that is kept.",
  api: "/api/metrics/system/history",
  params,
  data: HISTORY,
  live: false,
  script: "charts.js",
  load: (read, given) => loadHistory(read, namesOf(given), given),
  view: (data, given) => (
    <>
      <Controls data={data} given={given} />
      <Charts data={data} source={`api/metrics/system/history?${queryOf(given, {})}`} />
    </>
  ),
  note,
  table: historyTable,
  slices: (read, given) => historySlices(read, namesOf(given), given),
  chart: (data) => <ChartSheet charts={historyCharts(data, CHART_HEIGHT).map(({ chart }) => chart)} />,
});

const workerParams = HISTORY_PARAMS.extend({
  ...WORKER_PARAMS.shape,
  metrics: metricsField("Metrics of the worker, separated by commas", "cpu_utilization"),
});

export const workerHistory = definePanel({
  id: "worker-history",
  title: "Worker history",
  description: "Any metrics of one worker, over any stretch of time that is kept.",
  api: "/api/metrics/workers/:worker_id/history",
  params: workerParams,
  example: { worker_id: "W1" },
  data: HISTORY,
  live: false,
  script: "charts.js",
  load: (read, given) => {
    const data = loadHistory(read, namesOfWorker(given), given);
    const known =
      read.worker(given.worker_id) || data.series.some(({ mean }) => mean.some((value) => value !== null));
    if (known) return data;
    throw new EvenkeelError(
      "not_found",
      `No worker ${JSON.stringify(shorten(given.worker_id, NAME_LENGTH))} is known, and none of it is kept from that time`,
    );
  },
  view: (data, given) => (
    <Charts
      data={data}
      source={`api/metrics/workers/${pathSegment(given.worker_id)}/history?${queryOf(given, {})}`}
    />
  ),
  note,
  table: historyTable,
  slices: (read, given) => historySlices(read, namesOfWorker(given), given),
  chart: (data) => <ChartSheet charts={historyCharts(data, CHART_HEIGHT).map(({ chart }) => chart)} />,
});

function namesOfWorker({ worker_id, metrics = WORKER_METRICS }: z.output<typeof workerParams>): SeriesName[] {
  return seriesNames("worker", worker_id, metrics);
}

/** What is shown of the fleet, or of a cut of it, where nothing else is asked for. */
const STANDARD: Partial<Record<Scope, readonly string[]>> = {
  system: SYSTEM_METRICS,
  worker_type: [...WORKER_METRICS.map((metric) => `${metric}_mean`), "active_workers", "running_tasks"],
  task_type: FLOW_METRICS,
  model_family: FLOW_METRICS,
};

/** The series that the parameters name; of workers that are named, their utilisations. */
function namesOf(given: Params): SeriesName[] {
  const { metrics, workers = [], worker_metrics = WORKER_METRICS } = given;
  return [
    ...(metrics === undefined && workers.length > 0 ? [] : fleetSeries(given)),
    ...worker_metrics.flatMap((metric) =>
      workers.flatMap((worker) => seriesNames("worker", worker, [metric])),
    ),
  ];
}

/**
 * Series of the fleet, or of the cut of it that is named.
 *
 * @throws EvenkeelError "invalid" for a metric that is not kept by that cut
 */
export function fleetSeries(given: Pick<Params, "metrics" | keyof typeof CUT_FILTERS.shape>): SeriesName[] {
  const { scope, entity } = cutOf(given);
  const metrics = given.metrics ?? STANDARD[scope] ?? [];
  for (const metric of scope === "system" ? [] : metrics) {
    if (findMetric(scope, metric)) continue;
    const there = metricNames(scope).join(", ");
    throw new EvenkeelError("invalid", `By ${scope} history is kept of ${there}; got ${metric}`, {
      details: { parameter: "metrics" },
    });
  }
  return seriesNames(scope, entity, metrics);
}

function note(data: History): string {
  const summary = data.tier_s > 1 ? ", parts of it hourly summaries" : "";
  const merged = isMergedAway(data) ? ", durations as means of samples: over all tasks in steps of 15m" : "";
  const step = durationText(data.step_s * 1000);
  const mean = data.step_s > 1 ? ", its mean" : "";
  return `a point each ${step}${mean}${summary}${merged}${comparedWords(data)}`;
}

/** What stands dashed beside the curves, or that there is nothing to stand there. */
function comparedWords({ compare_s, series }: History): string {
  if (compare_s === null) return "";
  const before = `${durationText(compare_s * 1000)} before`;
  const known = series.some(({ before }) => before?.some((value) => value !== null));
  return known ? `, dashed: ${before}` : `, no data for the window ${before}`;
}

/** The parameters as a query, some of them changed; undefined leaves one out. */
function queryOf(
  given: z.output<typeof HISTORY_PARAMS> & Partial<Omit<Params, keyof z.output<typeof HISTORY_PARAMS>>>,
  changes: Readonly<Record<string, string | undefined>>,
): string {
  const written: Record<string, string | undefined> = {
    ...Object.fromEntries(CUTS.map((cut) => [cut, given[cut]])),
    metrics: given.metrics?.join(","),
    workers: given.workers?.join(","),
    worker_metrics: given.worker_metrics?.join(","),
    from: given.from === undefined ? undefined : String(given.from),
    to: given.to === undefined ? undefined : String(given.to),
    duration: given.duration === undefined ? undefined : durationText(given.duration),
    step: given.step === undefined ? undefined : durationText(given.step),
    points: given.points === undefined ? undefined : String(given.points),
    compare: given.compare === undefined ? undefined : durationText(given.compare),
    tz: given.tz,
    theme: given.theme,
    ...changes,
  };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(written)) if (value !== undefined) query.set(name, value);
  return query.toString().replaceAll("%2C", ",");
}

const ANEW = { from: undefined, to: undefined, step: undefined, points: undefined };

const COMPARISONS = [
  ["", "nothing else"],
  ["1h", "the hour before"],
  ["24h", "the day before"],
  ["7d", "the week before"],
] as const;

function wider({ at_ms, from_ms, to_ms }: History) {
  const half_ms = Math.max(1000, (to_ms - from_ms) / 2);
  const end_ms = Math.min(at_ms, to_ms + half_ms);
  return { ...ANEW, duration: undefined, from: String(end_ms - 4 * half_ms), to: String(end_ms) };
}

/** What can be chosen, and what the address asks for. */
function comparisons(compared: string): readonly (readonly [value: string, words: string])[] {
  if (COMPARISONS.some(([value]) => value === compared)) return COMPARISONS;
  return [...COMPARISONS, [compared, `${compared} before`]];
}

const CUT_LABEL: Record<Cut, string> = {
  worker_type: "Worker type",
  task_type: "Task type",
  model_family: "Model family",
};

function Controls({ data, given }: { data: History; given: Params }) {
  const fixed = given.from !== undefined || given.to !== undefined;
  const { scope } = cutOf(given);
  const shown = fixed ? undefined : durationText(given.duration ?? 3_600_000);
  const compared = given.compare === undefined ? "" : durationText(given.compare);
  return (
    <form class="controls" method="get" action="history">
      <nav class="ranges" aria-label="Range">
        {RANGES.map((range) => (
          <a
            href={`history?${queryOf(given, { ...ANEW, duration: range === DEFAULT_RANGE ? undefined : range })}`}
            aria-current={range === shown ? "true" : undefined}
          >
            {range}
          </a>
        ))}
      </nav>
      <label>
        From{" "}
        <input
          name="from"
          value={fixed ? inUtc(data.from_ms) : ""}
          placeholder="2026-11-23T18:00Z"
          size={22}
        />
      </label>
      <label>
        to <input name="to" value={fixed ? inUtc(data.to_ms) : ""} placeholder="now" size={22} />
      </label>
      {fixed ? (
        <a href={`history?${queryOf(given, wider(data))}`} title="Twice the time, around the same middle">
          Zoom out
        </a>
      ) : null}
      <label>
        beside{" "}
        <select name="compare">
          {comparisons(compared).map(([value, words]) => (
            <option value={value} selected={value === compared}>
              {words}
            </option>
          ))}
        </select>
      </label>
      {given.theme === undefined ? null : <input type="hidden" name="theme" value={given.theme} />}
      <button type="submit">Show</button>
      {CUTS.filter((cut) => given[cut] !== undefined).map((cut) => (
        <a
          class="chip"
          href={`history?${queryOf(given, { [cut]: undefined, metrics: undefined })}`}
          title="Show the whole fleet again"
        >
          {CUT_LABEL[cut]}: <Name>{shorten(given[cut]!, NAME_LENGTH)}</Name> <span aria-hidden="true">×</span>
        </a>
      ))}
      <details>
        <summary>Metrics, filters, workers, time zone</summary>
        <fieldset>
          <legend>Only of one type or family</legend>
          {CUTS.map((cut) => (
            <label>
              {CUT_LABEL[cut]} <input name={cut} value={clean(given[cut] ?? "")} size={14} />
            </label>
          ))}
        </fieldset>
        <Choices
          scope={scope}
          name="metrics"
          legend={scope === "system" ? "The whole fleet" : "Of these"}
          chosen={given.metrics ?? STANDARD[scope] ?? []}
        />
        <label class="wide">
          Time zone of the page, such as Europe/Berlin; left empty, the viewer's{" "}
          <input name="tz" value={given.tz ?? ""} />
        </label>
        <label class="wide">
          Workers, ids separated by commas{" "}
          <input name="workers" value={(given.workers ?? []).map(clean).join(",")} />
        </label>
        <Choices
          scope="worker"
          name="worker_metrics"
          legend="Of each of these workers"
          chosen={given.worker_metrics ?? WORKER_METRICS}
        />
      </details>
    </form>
  );
}

function Choices({
  scope,
  name,
  legend,
  chosen,
}: {
  scope: Scope;
  name: string;
  legend: string;
  chosen: readonly string[];
}) {
  return (
    <fieldset>
      <legend>{legend}</legend>
      {CATALOGUE.filter((metric) => metric.scope === scope).map((metric) => (
        <label title={metric.help}>
          <input type="checkbox" name={name} value={metric.name} checked={chosen.includes(metric.name)} />
          {metric.label}
        </label>
      ))}
    </fieldset>
  );
}

/** `source` is the address of the data; the page's script draws from it what the server drew before. */
function Charts({ data, source }: { data: History; source: string }) {
  return (
    <div class="history" data-history={source} data-from={data.from_ms} data-to={data.to_ms}>
      <div class="charts">
        {historyCharts(data, CHART_HEIGHT).map(({ chart, series }) => (
          <div class="chart-place" data-series={series.join(",")}>
            <HistoryChart chart={chart} />
          </div>
        ))}
      </div>
      <MarkList data={data} />
      <DataTable data={data} source={source} />
    </div>
  );
}

/** The newest marks of the window in words: the charts show only where they are. */
function MarkList({ data }: { data: History }) {
  if (data.marks.length === 0) return null;
  const shown = data.marks.slice(-MARK_ROWS).reverse();
  const hidden = data.marks.length - shown.length;
  return (
    <section class="mark-list" aria-label="Marks">
      <h3>
        Marks <small>dashed lines in the charts; alerts short ones at their upper edge</small>
      </h3>
      <ul class="rows">
        {shown.map(({ at_ms, kind, text }) => (
          <li class="quiet">
            <MomentLink at_ms={at_ms} /> <b>{clean(kind)}</b> <Name>{text}</Name>
          </li>
        ))}
      </ul>
      {hidden > 0 ? <p class="more">{more(hidden)}</p> : null}
    </section>
  );
}

/** To the dashboard as it then was. */
function MomentLink({ at_ms }: { at_ms: number }) {
  return (
    <a href={`./?at=${at_ms}`} title="The overview as it was then">
      <Time at_ms={at_ms} full />
    </a>
  );
}

function DataTable({ data, source }: { data: History; source: string }) {
  const first = Math.max(0, data.times_ms.length - TABLE_ROWS);
  const rows = data.times_ms.slice(first).map((time_ms, index) => ({ time_ms, row: first + index }));
  return (
    <details class="data">
      <summary>Data table</summary>
      <p>
        The newest {count(rows.length)} of {count(data.times_ms.length)} steps
        {data.step_s > 1 ? ", of each the mean" : ""}. All of them: <a href={`${source}&format=csv`}>CSV</a>,{" "}
        <a href={`${source}&format=ndjson`}>NDJSON</a>, <a href={source}>JSON</a>,{" "}
        <a href={`${source}&format=svg`}>SVG</a>.
      </p>
      <section class="scroll" tabindex={0} aria-label="Data table">
        <table>
          <thead>
            <tr>
              <th scope="col">Time</th>
              {data.series.map(({ label, worker_id }) => (
                <th scope="col">
                  {worker_id === null ? null : (
                    <>
                      <Name>{shorten(worker_id, NAME_LENGTH)}</Name>{" "}
                    </>
                  )}
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ time_ms, row }) => (
              <tr>
                <th scope="row">
                  <MomentLink at_ms={time_ms} />
                </th>
                {data.series.map(({ mean, unit }) => (
                  <td>{valueText(mean[row] ?? null, unit)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </details>
  );
}

function valueText(value: number | null, unit: string | null): string {
  if (value === null) return NONE;
  return measure(value, (unit as Parameters<typeof measure>[1] | null) ?? "count");
}
