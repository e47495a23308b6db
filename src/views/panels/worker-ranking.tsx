import { z } from "zod";
import { asWideAs, clean, count, counted, measure, shorten } from "../../metrics/format.ts";
import { MODALITIES } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { LAST_TASKS, type WorkerScores } from "../../metrics/scores.ts";
import { Name } from "../components.tsx";
import { byNaturalOrder } from "../identity.ts";
import { workerHref } from "../links.ts";
import { definePanel, type Table } from "../panel.ts";
import { Ranking } from "../ranking.tsx";
import { at_ms, noParams } from "../schema.ts";

/** Rows that are shown; the data has every worker. */
const WORKERS_SHOWN = 12;
const NAME_LENGTH = 40;
/** Where no task has ended nothing speaks for a worker nor against it: as in its match with a task. */
const NEUTRAL_SCORE = 50;

const row = z.object({
  worker_id: z.string().describe("The worker"),
  performance_score: z
    .number()
    .describe(
      `100 × (0.7 success + 0.3 speed), success alone where no time can be compared, ${NEUTRAL_SCORE} where no task has ended; score, 0 to 100`,
    ),
  success_ratio: z
    .number()
    .nullable()
    .describe(`Completed ÷ all of its last ${LAST_TASKS} tasks, ratio; null where none has ended`),
  speed: z
    .number()
    .nullable()
    .describe(
      "The fleet's median time ÷ its own, for the same models of the last 24 hours, at most 1, ratio; null where no time can be compared",
    ),
  tasks: z.number().describe("How many of its last tasks it is judged by, count"),
  tasks_per_hour: z
    .number()
    .nullable()
    .describe("Tasks that it completed within the last hour, per hour; null where not known"),
  processing_time_mean_s: z
    .number()
    .nullable()
    .describe(`Mean duration of its last ${LAST_TASKS} tasks, seconds; null where not known`),
});
type Row = z.output<typeof row>;

const data = z.object({ at_ms, workers: z.array(row).describe("Every worker, the best first") });
type Data = z.output<typeof data>;

export const workerRanking = definePanel({
  id: "worker-ranking",
  title: "Worker performance",
  description: "How well each worker does its tasks, by how many succeed and how fast they are.",
  api: "/api/workers/performance",
  params: noParams,
  data,
  filters: true,
  load,
  view,
  note: () => `score, and of how many tasks: the last ${LAST_TASKS}, times of 24 h`,
  table,
});

function load(read: Read): Data {
  const workers = read.workers().map(({ id, metrics }): Row => {
    const scores = read.scores(id);
    const { tasks = 0, success_ratio = null, mean_duration_s = null } = scores?.last_tasks ?? {};
    const speed = scores ? speedOf(scores) : null;
    return {
      worker_id: id,
      performance_score: scoreOf(success_ratio, speed),
      success_ratio,
      speed,
      tasks,
      tasks_per_hour: metrics.get("tasks_per_hour") ?? null,
      processing_time_mean_s: mean_duration_s,
    };
  });
  const best = (a: Row, b: Row) =>
    b.performance_score - a.performance_score || byNaturalOrder(a.worker_id, b.worker_id);
  return { at_ms: read.now_ms, workers: workers.sort(best) };
}

function scoreOf(success_ratio: number | null, speed: number | null): number {
  if (success_ratio === null) return NEUTRAL_SCORE;
  return 100 * (speed === null ? success_ratio : 0.7 * success_ratio + 0.3 * speed);
}

/** Over all modalities, weighed by the tasks that completed. */
function speedOf({ compatibility }: WorkerScores): number | null {
  let completed = 0;
  let speeds = 0;
  for (const modality of MODALITIES) {
    const { observed } = compatibility[modality];
    if (observed === null || observed.speed === null) continue;
    completed += observed.completed;
    speeds += observed.completed * observed.speed;
  }
  return completed === 0 ? null : speeds / completed;
}

function view({ workers }: Data) {
  const hidden = workers.length - WORKERS_SHOWN;
  return (
    <>
      <Ranking
        id="wk"
        rows={workers.slice(0, WORKERS_SHOWN).map(rowView)}
        full={100}
        empty="No worker is known"
      />
      {hidden > 0 ? <p class="more">{`and ${count(hidden)} more`}</p> : null}
    </>
  );
}

function rowView({ worker_id, performance_score, success_ratio, speed, tasks }: Row) {
  return {
    name: (
      <a href={workerHref(worker_id)}>
        <Name>{shorten(worker_id, NAME_LENGTH)}</Name>
      </a>
    ),
    title: `${clean(worker_id)}: success ${measure(success_ratio, "ratio")}, speed ${measure(speed, "ratio")}, of ${counted(tasks, "task")}`,
    segments: [{ series: 1 as const, value: performance_score }],
    figure: asWideAs("100", count(Math.round(performance_score))),
    beside: asWideAs("99", count(tasks)),
  };
}

function table({ workers }: Data): Table {
  const columns = Object.keys(row.shape) as (keyof Row)[];
  return { columns, rows: workers.map((worker) => columns.map((name) => worker[name])) };
}
