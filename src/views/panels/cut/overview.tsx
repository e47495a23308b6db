import { z } from "zod";
import { findMetric } from "../../../metrics/catalogue.ts";
import { count, measure, quantity } from "../../../metrics/format.ts";
import { Kpi } from "../../components.tsx";
import { CUT_DATA, type CutPanel, type CutPart, cutData } from "../../cut.ts";
import type { Table } from "../../panel.ts";
import { metricFields, metricNames } from "../../schema.ts";

const data = CUT_DATA.extend({
  metrics: z.object(metricFields("task_type")).describe("The newest value of each metric of it, by name"),
  fleet_throughput_per_minute: z
    .number()
    .nullable()
    .describe("Tasks of any kind completed in the last 60 seconds, per minute; null where not known"),
});
type Data = z.output<typeof data>;

export const overview: CutPanel<typeof data> = {
  name: "overview",
  title: "Overview",
  description: "how many tasks of it are active, wait and ended, its throughput and its success ratio.",
  data,
  load: (part) => ({
    ...cutData(part),
    metrics: metricsOf(part),
    fleet_throughput_per_minute: part.whole.system.get("throughput_per_minute") ?? null,
  }),
  view,
  table: (data): Table => ({ columns: ["metric", "value"], rows: Object.entries(data.metrics) }),
};

/** Every metric that the catalogue has of such a part, null where it is not known. */
function metricsOf({ cut, read }: CutPart): Record<string, number | null> {
  return Object.fromEntries(metricNames(cut).map((name) => [name, read.system.get(name) ?? null]));
}

function view({ metrics, fleet_throughput_per_minute }: Data) {
  const metric = (name: string) => metrics[name] ?? null;
  return (
    <div class="cut-kpis six">
      <Kpi
        id="ct-active"
        label="Active"
        value={quantity(activeOf(metrics), "count")}
        lines={[`${count(metric("running_tasks"))} running`, `${count(metric("assigned_tasks"))} assigned`]}
      />
      <Kpi
        id="ct-queued"
        label="Queued"
        value={quantity(metric("queued_tasks"), "count")}
        lines={["wait for a worker", `${count(metric("orphaned_tasks"))} orphaned`]}
      />
      <Kpi
        id="ct-completed"
        label="Completed"
        value={quantity(metric("completed_tasks"), "count")}
        lines={["last hour", `${measure(metric("processing_time_p50_s"), "seconds")} p50, last 5 min`]}
      />
      <Kpi
        id="ct-failed"
        label="Failed"
        help={findMetric("system", "failed_tasks")?.help}
        value={quantity(metric("failed_tasks"), "count")}
        lines={["last hour", `${count(metric("cancelled_tasks"))} cancelled`]}
      />
      <Kpi
        id="ct-throughput"
        label="Throughput"
        value={quantity(metric("throughput_per_minute"), "per_minute")}
        lines={[
          "completed, last 60 s",
          `of ${measure(fleet_throughput_per_minute, "per_minute")} in the fleet`,
        ]}
      />
      <Kpi
        id="ct-success"
        label="Success ratio"
        help={findMetric("system", "success_ratio")?.help}
        value={quantity(metric("success_ratio"), "ratio")}
        lines={["completed of those that", "completed or failed, last hour"]}
      />
    </div>
  );
}

function activeOf(metrics: Data["metrics"]): number | null {
  const [running, assigned] = [metrics["running_tasks"] ?? null, metrics["assigned_tasks"] ?? null];
  return running === null || assigned === null ? null : running + assigned;
}
