import { z } from "zod";
import { asWideAs, clean, count, counted, measure, shorten } from "../../metrics/format.ts";
import type { Read } from "../../metrics/read.ts";
import { joined, Name } from "../components.tsx";
import { byNaturalOrder } from "../identity.ts";
import { workerHref } from "../links.ts";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { Ranking } from "../ranking.tsx";
import { at_ms, noParams } from "../schema.ts";
import { isHeard } from "../subject.ts";

/** Rows that are shown; the data has every worker. */
const WORKERS_SHOWN = 12;
const NAME_LENGTH = 40;

const data = z.object({
  at_ms,
  metrics: z
    .object({
      worker_utilization: z
        .record(z.string(), z.number().nullable())
        .describe("Load of each worker by its id, percent; null where it is silent or reports no resource"),
      task_assignments: z
        .record(z.string(), z.number())
        .describe("Tasks that run on each worker or are assigned to it, by its id, count"),
      assignment_efficiency: z
        .number()
        .nullable()
        .describe(
          "Chosen match ÷ the best one there was, the mean of the last hour, ratio; null without any",
        ),
      optimal_match_ratio: z
        .number()
        .nullable()
        .describe("Assignments within 5 % of the best match there was, ratio; null without any"),
    })
    .describe("How the load is spread"),
});
type Data = z.output<typeof data>;

export const loadBalancer = definePanel({
  id: "load-balancer",
  title: "Load balancing",
  description: "How tasks and load are spread over the workers, and how well tasks are matched with them.",
  api: "/api/metrics/load_balancer",
  params: noParams,
  data,
  filters: true,
  past: true,
  load,
  view,
  note: () => "load and tasks of each, those with most tasks first",
  table,
});

function load(read: Read): Data {
  // An id may be "__proto__": without a prototype it is a key like any other.
  const worker_utilization: Record<string, number | null> = Object.create(null);
  const task_assignments: Record<string, number> = Object.create(null);
  for (const worker of read.workers()) {
    worker_utilization[worker.id] = isHeard(worker) ? worker.load : null;
    task_assignments[worker.id] = worker.running_tasks + worker.queued_tasks;
  }
  return {
    at_ms: read.now_ms,
    metrics: {
      worker_utilization,
      task_assignments,
      assignment_efficiency: read.system.get("assignment_efficiency") ?? null,
      optimal_match_ratio: read.system.get("optimal_match_ratio") ?? null,
    },
  };
}

function rowsOf({ metrics: { worker_utilization, task_assignments } }: Data) {
  return Object.entries(task_assignments)
    .map(([worker_id, tasks]) => ({ worker_id, tasks, load: worker_utilization[worker_id] ?? null }))
    .sort((a, b) => b.tasks - a.tasks || byNaturalOrder(a.worker_id, b.worker_id));
}

function view(data: Data) {
  const { assignment_efficiency, optimal_match_ratio } = data.metrics;
  const rows = rowsOf(data);
  const hidden = rows.length - WORKERS_SHOWN;
  return (
    <>
      <Part as="p" id="lb-match" class="sub">
        {joined([
          `assignment efficiency ${measure(assignment_efficiency, "ratio")}`,
          `optimal worker match ${measure(optimal_match_ratio, "ratio")}`,
        ])}
      </Part>
      <Ranking
        id="lb"
        rows={rows.slice(0, WORKERS_SHOWN).map(({ worker_id, tasks, load }) => ({
          name: (
            <a href={workerHref(worker_id)}>
              <Name>{shorten(worker_id, NAME_LENGTH)}</Name>
            </a>
          ),
          title: `${clean(worker_id)}: ${counted(tasks, "task")}, load ${measure(load, "percent")}`,
          segments: [{ series: 1, value: load ?? 0 }],
          figure: asWideAs("100\u00a0%", measure(load, "percent")),
          beside: asWideAs("9999", count(tasks)),
        }))}
        full={100}
        empty="No worker is known"
      />
      {hidden > 0 ? <p class="more">{`and ${count(hidden)} more`}</p> : null}
    </>
  );
}

function table(data: Data): Table {
  return {
    columns: ["worker_id", "worker_utilization", "task_assignments"],
    rows: rowsOf(data).map(({ worker_id, tasks, load }) => [worker_id, load, tasks]),
  };
}
