import { z } from "zod";
import { NONE, type Quantity, quantity, shorten } from "../../../metrics/format.ts";
import { Ago, Kpi } from "../../components.tsx";
import { CUT_DATA, type CutPanel, type CutPart, cutData } from "../../cut.ts";
import { taskHref } from "../../links.ts";
import { NAME_LENGTH } from "../../model-rows.ts";
import type { Table } from "../../panel.ts";
import { Part } from "../../part.tsx";

const METRICS = [
  "queue_time_mean_s",
  "queue_time_p50_s",
  "queue_time_p95_s",
  "optimal_match_ratio",
  "assignment_efficiency",
] as const;

const secondsField = (what: string) =>
  z.number().nullable().describe(`${what}, seconds; null where none started`);
const ratioField = (what: string) =>
  z.number().nullable().describe(`${what}, ratio, 0 to 1; null where no assignment was judged`);

const data = CUT_DATA.extend({
  queue_time_mean_s: secondsField("Mean time from queued to started, of the last 5 minutes"),
  queue_time_p50_s: secondsField("Half of the tasks of the last 5 minutes waited no longer"),
  queue_time_p95_s: secondsField("95 % of the tasks of the last 5 minutes waited no longer"),
  optimal_match_ratio: ratioField(
    "Part of the last hour's assignments that went to a worker within 5 % of the best match",
  ),
  assignment_efficiency: ratioField(
    "Match of the chosen worker ÷ the best match available, the mean over the last hour's assignments",
  ),
  oldest_queued: z
    .object({
      task_id: z.string().describe("The task that has waited longest"),
      queued_at_ms: z.number().nullable().describe("Since when, Unix milliseconds; null where not known"),
    })
    .nullable()
    .describe("Its oldest queued task; null when nothing waits"),
});
type Data = z.output<typeof data>;

export const scheduling: CutPanel<typeof data> = {
  name: "scheduling",
  title: "Scheduling efficiency",
  description: "how long its tasks wait, and how well they are matched with workers.",
  data,
  load,
  view,
  note: () => "waits of the last 5 min, matches of the last hour",
  table: (data): Table => ({ columns: ["metric", "value"], rows: METRICS.map((name) => [name, data[name]]) }),
};

function load(part: CutPart): Data {
  const metric = (name: string) => part.read.system.get(name) ?? null;
  const oldest = part.read.oldestQueued();
  return {
    ...cutData(part),
    queue_time_mean_s: metric("queue_time_mean_s"),
    queue_time_p50_s: metric("queue_time_p50_s"),
    queue_time_p95_s: metric("queue_time_p95_s"),
    optimal_match_ratio: metric("optimal_match_ratio"),
    assignment_efficiency: metric("assignment_efficiency"),
    oldest_queued: oldest === undefined ? null : { task_id: oldest.id, queued_at_ms: oldest.queued_at_ms },
  };
}

function view(data: Data) {
  const { oldest_queued } = data;
  return (
    <>
      <div class="cut-kpis">
        <Kpi
          id="ct-queue"
          label="Average queue time"
          value={quantity(data.queue_time_mean_s, "seconds")}
          lines={[
            "from queued to started",
            `half wait ${words(quantity(data.queue_time_p50_s, "seconds"))} or less`,
          ]}
        />
        <Kpi
          id="ct-queue-p95"
          label="Queue time, p95"
          value={quantity(data.queue_time_p95_s, "seconds")}
          lines={[
            "5 % wait longer",
            oldest_queued === null ? "nothing waits" : <Oldest task={oldest_queued} />,
          ]}
        />
        <Kpi
          id="ct-match"
          label="Optimal worker match"
          value={quantity(data.optimal_match_ratio, "ratio")}
          lines="assigned within 5 % of the best match there was"
        />
        <Kpi
          id="ct-efficiency"
          label="Assignment efficiency"
          value={quantity(data.assignment_efficiency, "ratio")}
          lines="chosen match ÷ the best one, on average"
        />
      </div>
      <Part as="p" id="ct-meaning" class="cut-meaning">
        {meaning(data)}
      </Part>
    </>
  );
}

function Oldest({ task: { task_id, queued_at_ms } }: { task: NonNullable<Data["oldest_queued"]> }) {
  return (
    <a href={taskHref(task_id)} title={shorten(task_id, NAME_LENGTH)}>
      oldest {queued_at_ms === null ? NONE : <Ago since_ms={queued_at_ms} />}
    </a>
  );
}

function words({ value, unit }: Quantity): string {
  return unit === "" ? value : `${value}\u00a0${unit}`;
}

/** What both figures say together. */
function meaning({ optimal_match_ratio: optimal, assignment_efficiency: efficiency }: Data): string {
  if (optimal === null || efficiency === null) return "No assignment of the last hour could be judged.";
  const lost = Math.round(100 * (1 - efficiency));
  const found = `${Math.round(100 * optimal)} of 100 tasks went to a worker that suited them as well as any there was`;
  if (lost < 1) return `${found}; hardly anything could be gained by assigning them otherwise.`;
  return `${found}; on average the chosen worker suited a task ${lost} % less than the best one would have.`;
}
