import { z } from "zod";
import { CUTS, type Cut } from "../../metrics/catalogue.ts";
import { inUtc } from "../../metrics/format.ts";
import type { Alert } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { ALERT_PARAMS, alertOf } from "../alert-data.ts";
import { ChartSheet, HistoryChart } from "../chart.tsx";
import { EmptyState } from "../components.tsx";
import { HISTORY, type History, historyCharts, historyTable, loadHistory } from "../history.ts";
import { definePanel } from "../panel.ts";
import { Part } from "../part.tsx";

const CHART_HEIGHT = 132;
/** Around a firing as much again as it lasted is shown, within these. */
const LEAST_AROUND_MS = 900_000;
const MOST_AROUND_MS = 6 * 3_600_000;

type Params = z.output<typeof ALERT_PARAMS>;

const data = HISTORY.extend({
  scope: z
    .string()
    .nullable()
    .describe("What the series are of, such as worker or system; null where there are none"),
  entity: z.string().describe("Which one; empty for the whole fleet"),
});
type Data = z.output<typeof data>;

export const alertChart = definePanel({
  id: "alert-chart",
  title: "Its course",
  description: "The metrics that an alert is about, from well before it fired.",
  api: "/api/alerts/:alert_id/history",
  params: ALERT_PARAMS,
  example: { alert_id: "worker_overload:W3" },
  data,
  past: true,
  load,
  view,
  note: ({ marks, series }) =>
    marks.length > 0 && series.length > 0 ? "dashed: when it fired and ended" : "",
  table: historyTable,
  chart: (data) => <ChartSheet charts={historyCharts(data, CHART_HEIGHT).map(({ chart }) => chart)} />,
});

/** The same for so long: three series are read anew in some 5 ms. */
const STEP_MS = 10_000;
const KEPT_LIMIT = 64;
/** Of each fleet, which its orders stand for. */
const KEPT = new WeakMap<Read["orders"], Map<string, History>>();

function historyOf(
  read: Read,
  { id, fired_ms, series }: Alert,
  window: { from: number; to: number },
): History {
  const kept = KEPT.get(read.orders) ?? new Map<string, History>();
  KEPT.set(read.orders, kept);
  const key = `${fired_ms} ${window.to} ${id}`;
  const known = kept.get(key);
  if (known) return known;
  const history = loadHistory(read, series, window);
  if (kept.size >= KEPT_LIMIT) kept.clear();
  kept.set(key, history);
  return history;
}

function load(read: Read, given: Params): Data {
  const alert = alertOf(read, given);
  const history = historyOf(read, alert, windowAround(alert, read.now_ms));
  const [first] = alert.series;
  return { ...history, marks: marksOf(alert), scope: first?.scope ?? null, entity: first?.entity ?? "" };
}

function stepOf(at_ms: number): number {
  return Math.floor(at_ms / STEP_MS) * STEP_MS;
}

function windowAround({ since_ms, ended_ms }: Alert, now_ms: number) {
  const end_ms = ended_ms ?? stepOf(now_ms);
  const around_ms = Math.min(MOST_AROUND_MS, Math.max(LEAST_AROUND_MS, end_ms - since_ms));
  // A window has an end behind its beginning, whatever a clock says.
  const to = Math.max(since_ms + 1000, Math.min(stepOf(now_ms), end_ms + around_ms));
  return { from: Math.max(0, since_ms - around_ms), to };
}

/** Of this alert alone: all that fired meanwhile would hide it. */
function marksOf({ fired_ms, ended_ms, title }: Alert): Data["marks"] {
  return [
    ...(fired_ms === null ? [] : [{ at_ms: fired_ms, kind: "fired", text: title }]),
    ...(ended_ms === null ? [] : [{ at_ms: ended_ms, kind: "resolved", text: title }]),
  ];
}

function view(data: Data) {
  if (data.series.length === 0) {
    return (
      <EmptyState title="No metric shows it">
        <p>What its rule looks at is no number over time.</p>
      </EmptyState>
    );
  }
  return (
    <>
      <div class="charts">
        {historyCharts(data, CHART_HEIGHT).map(({ chart }, index) => (
          <Part id={`ac-${index}`}>
            <HistoryChart chart={chart} />
          </Part>
        ))}
      </div>
      <Part as="p" id="ac-more" class="more">
        <a href={historyHref(data)}>Look around in history</a>
      </Part>
    </>
  );
}

function historyHref({ scope, entity, series, from_ms, to_ms }: Data): string {
  const metrics = series.map(({ metric }) => metric).join(",");
  const query = new URLSearchParams({ from: inUtc(from_ms), to: inUtc(to_ms) });
  if (scope === "worker") {
    query.set("workers", entity);
    query.set("worker_metrics", metrics);
  } else {
    query.set("metrics", metrics);
    if (CUTS.includes(scope as Cut)) query.set(scope!, entity);
  }
  return `history?${query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":")}`;
}
