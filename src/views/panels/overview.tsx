import { z } from "zod";
import { findMetric } from "../../metrics/catalogue.ts";
import { clean, count, counted, measure, quantity } from "../../metrics/format.ts";
import type { Severity } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { silencedOf } from "../alert-data.ts";
import { Silenced } from "../alert-rows.tsx";
import { Ago, joined, Kpi, Mark, more, SEVERITY_TONE, STATUS_TONE } from "../components.tsx";
import { isFiltered, UNCOUNTED, uncounted } from "../filters.ts";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, countField, metricFields, metricNames, noParams } from "../schema.ts";

const REASONS_SHOWN = 2;

const data = z.object({
  at_ms,
  filtered: z.boolean().describe("True where the figures are of a part of the fleet"),
  uncounted: UNCOUNTED,
  status: z.enum(["healthy", "degraded", "critical"]).describe("The state of the whole fleet"),
  reasons: z.array(z.string()).describe("Why, worst first; empty only while healthy"),
  metrics: z
    .object(metricFields("system"))
    .catchall(z.number().nullable().describe("A metric that a source made up"))
    .describe("The newest value of each system metric, by name"),
  alerts: z
    .object({
      critical: countField("Critical alerts that fire"),
      warning: countField("Warnings that fire"),
      notice: countField("Notices that fire"),
    })
    .describe("Alerts that fire now, by severity"),
  silenced: countField("Alerts that fire and are not among these since a silence holds them"),
  oldest_queued: z
    .object({
      task_id: z.string().describe("The task that has waited longest"),
      queued_at_ms: z.number().nullable().describe("Since when, Unix milliseconds; null where not known"),
    })
    .nullable()
    .describe("The oldest queued task; null when nothing waits"),
});

type Data = z.output<typeof data>;

export const overview = definePanel({
  id: "overview",
  title: "System overview",
  description:
    "The state of the whole fleet with its reasons, and the key figures: workers, tasks, throughput, queue time, success.",
  api: "/api/metrics/system",
  params: noParams,
  data,
  filters: true,
  past: true,
  load,
  view,
  table,
});

function load(read: Read): Data {
  const oldest = read.oldestQueued();
  const alerts: Record<Severity, number> = { critical: 0, warning: 0, notice: 0 };
  for (const alert of read.alerts) alerts[alert.severity] += 1;
  return {
    at_ms: read.now_ms,
    filtered: isFiltered(read),
    uncounted: uncounted(read),
    status: read.status.level,
    reasons: [...read.status.reasons],
    metrics: metrics(read),
    alerts,
    silenced: silencedOf(read).length,
    oldest_queued: oldest === undefined ? null : { task_id: oldest.id, queued_at_ms: oldest.queued_at_ms },
  };
}

/** Every metric of the catalogue, null where it is not known, and what sources made up beside it. */
function metrics(read: Read): Record<string, number | null> {
  const values: Record<string, number | null> = {};
  for (const name of metricNames("system")) values[name] = null;
  for (const [name, value] of read.system) values[name] = value;
  return values;
}

function view(data: Data) {
  const metric = (name: string) => data.metrics[name] ?? null;
  const oldest_ms = data.oldest_queued?.queued_at_ms ?? null;
  const why = data.uncounted;
  return (
    <>
      <Status data={data} />
      <Kpi
        id="ov-workers"
        label="Workers active"
        value={quantity(metric("active_workers"), "count")}
        of={count(metric("total_workers"))}
        lines={metric("total_workers") === 0 ? noWorkers(data) : workerLines(metric)}
      />
      <Kpi
        id="ov-tasks"
        label="Tasks running"
        value={quantity(metric("running_tasks"), "count")}
        lines={taskLines(metric, why.queued)}
      />
      <Kpi
        id="ov-throughput"
        label="Throughput"
        value={quantity(metric("throughput_per_minute"), "per_minute")}
        why={why.ended}
        lines={
          why.ended ?? [
            "completed, last 60 s",
            `latency p50 ${measure(metric("total_time_p50_s"), "seconds")}, last 5 min`,
          ]
        }
      />
      <Kpi
        id="ov-queue"
        label="Queue time, mean"
        value={quantity(metric("queue_time_mean_s"), "seconds")}
        why={why.ended}
        lines={[
          why.ended ?? `p95 ${measure(metric("queue_time_p95_s"), "seconds")}, last 5 min`,
          oldest_ms === null ? (
            why.queued === null ? (
              "nothing waits"
            ) : (
              ""
            )
          ) : (
            <>
              oldest <Ago since_ms={oldest_ms} />
            </>
          ),
        ]}
      />
      <Kpi
        id="ov-success"
        label="Success ratio"
        help={findMetric("system", "success_ratio")?.help}
        value={quantity(metric("success_ratio"), "ratio")}
        why={why.ended}
        lines={
          why.ended ?? [
            `${count(metric("completed_tasks"))} completed`,
            `${count(metric("failed_tasks"))} failed, last hour`,
          ]
        }
      />
    </>
  );
}

function noWorkers({ filtered }: Data): string {
  return filtered ? "none matches the filter" : "none has reported";
}

function taskLines(metric: (name: string) => number | null, why: string | null): readonly string[] | string {
  const assigned = some(metric("assigned_tasks"), "assigned");
  const orphaned = some(metric("orphaned_tasks"), "orphaned");
  // One text: it breaks where the reason needs room.
  if (why !== null) return joined([assigned, orphaned, `– ${why}`]);
  return [
    joined([`${count(metric("queued_tasks"))} queued`, assigned]),
    joined([orphaned, some(metric("cancelled_tasks"), "cancelled (1 h)")]),
  ];
}

const STATUS_WORD: Record<Data["status"], string> = {
  healthy: "Healthy",
  degraded: "Degraded",
  critical: "Critical",
};

function Status({ data }: { data: Data }) {
  // Before anybody reported nothing is wrong yet.
  const tone = data.metrics.total_workers === 0 ? "gone" : STATUS_TONE[data.status];
  const shown = data.reasons.slice(0, REASONS_SHOWN).map(clean);
  const rest = more(data.reasons.length - shown.length);
  return (
    <Part id="ov-status" class={`status ${tone}`}>
      <span class="badge">
        <Mark tone={tone} />
      </span>
      <div>
        <h3 class="vh">Status</h3>
        <p class="v">
          {data.metrics.total_workers === 0
            ? data.filtered
              ? "No worker"
              : "Waiting"
            : STATUS_WORD[data.status]}
          <AlertCounts counts={data.alerts} />
        </p>
        <p class="sub reasons" title={data.reasons.map(clean).join("; ")}>
          {data.silenced === 0 ? null : (
            <>
              <Silenced silenced={data.silenced} /> ·{" "}
            </>
          )}
          {shown.length > 0
            ? joined([shown.join("; "), rest])
            : data.silenced > 0
              ? "nothing else fires."
              : "All workers report, no alert fires."}
        </p>
      </div>
    </Part>
  );
}

function AlertCounts({ counts }: { counts: Data["alerts"] }) {
  const severities: readonly [Severity, string][] = [
    ["critical", "critical alert"],
    ["warning", "warning"],
    ["notice", "notice"],
  ];
  return (
    <small class="alert-counts">
      {severities.map(([severity, word]) =>
        counts[severity] === 0 ? null : (
          <span title={counted(counts[severity], word)}>
            <Mark tone={SEVERITY_TONE[severity]} />
            {count(counts[severity])}
            <span class="vh"> {counted(counts[severity], word)}</span>
          </span>
        ),
      )}
    </small>
  );
}

function some(value: number | null, word: string): string | null {
  return value === null || value === 0 ? null : `${count(value)}\u00a0${word}`;
}

/** The worst first, since what doesn't fit is cut. */
function workerLines(metric: (name: string) => number | null): string {
  const states = ["overloaded", "lost", "stale", "draining", "offline"] as const;
  const present = joined(states.map((state) => some(metric(`${state}_workers`), state)));
  return present === "" ? "none overloaded, stale or lost" : present;
}

function table(data: Data): Table {
  return {
    columns: ["metric", "value"],
    rows: [["status", data.status], ...Object.entries(data.metrics)],
  };
}
