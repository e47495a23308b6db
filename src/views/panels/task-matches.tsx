import { z } from "zod";
import { EvenkeelError } from "../../errors.ts";
import { clean, count, counted, measure, NONE, shorten } from "../../metrics/format.ts";
import { TASK_STATES } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import type { Match } from "../../metrics/scores.ts";
import { Mark, more, Name, StackedBar, Swatch } from "../components.tsx";
import { workerHref } from "../links.ts";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, countField } from "../schema.ts";
import { REQUIREMENT, TASK_ID, taskNamed, WAITING, waitingData } from "../task-schema.ts";
import { isStuck, requirementWords, waitingWords } from "../task-words.ts";

const NAME_LENGTH = 48;
/** Rows that are shown, the worker that has the task beside them; the JSON has MATCHES_LIMIT. */
const ROWS = 8;

/** What a match is made of: each part's weight and colour. */
const PARTS = [
  { name: "capability", weight: 0.4, series: 1 },
  { name: "performance", weight: 0.3, series: 3 },
  { name: "free capacity", weight: 0.3, series: 2 },
] as const;

const match = z.object({
  worker_id: z.string().describe("The worker"),
  score: z
    .number()
    .describe("0.4 capability + 0.3 performance + 0.3 (1 − load), 0 to 1; 0 where it lacks something"),
  capability: z
    .number()
    .describe("How well its hardware suits the task's modality, 0 to 1; 0.5 where not known"),
  performance: z
    .number()
    .describe("How well it did tasks of the model family in the last 24 h, 0 to 1; 0.5 where it did none"),
  load: z
    .number()
    .nullable()
    .describe("Its load now, percent; null where not reported, which counts as half"),
  missing: z.array(REQUIREMENT).describe("What it is not known to have"),
});

const data = z.object({
  at_ms,
  state: z.enum(TASK_STATES).describe("The task's state"),
  available: countField("Workers that take tasks now"),
  possible: countField("Those of them that have all it requires"),
  requirements: z
    .array(
      z.object({
        requirement: REQUIREMENT.describe("What is required"),
        lacking: countField("Available workers without it"),
      }),
    )
    .describe("Each hard requirement of the task"),
  best: z.array(match).describe("Workers that could run it now, best first, at most 20"),
  assigned: match
    .nullable()
    .describe("The worker that has or had the task, as it matches now; null where none is known"),
  assigned_rank: z
    .number()
    .nullable()
    .describe("Its place among those that could run the task, from 1; null where it has none"),
  waiting: WAITING.nullable().describe("Why it waits; null for a task that does not"),
});

type Data = z.output<typeof data>;
type Row = z.output<typeof match>;

export const taskMatches = definePanel({
  id: "task-matches",
  title: "Who could run it",
  description:
    "How well each available worker matches one task now, which requirement who lacks, and why the task waits where it does.",
  api: "/api/metrics/tasks/:task_id/matches",
  params: TASK_ID,
  example: { task_id: "t-17" },
  data,
  load,
  view,
  note: ({ possible, available }) =>
    `${count(possible)} of ${counted(available, "available worker")} could, as of now`,
  table,
});

function load(read: Read, { task_id }: z.output<typeof TASK_ID>): Data {
  const task = taskNamed(read, task_id);
  const matches = read.matches(task_id);
  if (!matches) throw new EvenkeelError("not_found", "Nothing is known of who could run this task");
  return {
    at_ms: read.now_ms,
    state: task.state,
    available: matches.available,
    possible: matches.possible,
    requirements: matches.requirements.map((one) => ({ ...one })),
    best: matches.best.map(rowOf),
    assigned: matches.assigned && rowOf(matches.assigned),
    assigned_rank: matches.assigned_rank,
    waiting: waitingData(read.waiting(task)),
  };
}

function rowOf({ worker_id, score, capability, performance, load, missing }: Match): Row {
  return { worker_id, score, capability, performance, load, missing: [...missing] };
}

function view(data: Data) {
  return (
    <>
      <Part id="tm-why" class="why">
        {data.waiting === null ? null : (
          <p>
            <Mark tone={isStuck(data.waiting) ? "critical" : "planned"} /> <b>Why it waits:</b>{" "}
            <bdi>{waitingWords(data.waiting)}</bdi>.
          </p>
        )}
      </Part>
      <Part id="tm-needs">
        <Needs data={data} />
      </Part>
      <Part id="tm-rows" class="scroll" tabindex={0} role="region" aria-label="Matches">
        <Rows data={data} />
      </Part>
    </>
  );
}

function Needs({ data: { requirements, available } }: { data: Data }) {
  if (requirements.length === 0) return <p class="sub">It requires nothing of a worker</p>;
  return (
    <ul class="needs">
      {requirements.map(({ requirement, lacking }) => (
        <li>
          <Mark tone={lacking === available ? "critical" : "ok"} /> <bdi>{requirementWords(requirement)}</bdi>{" "}
          <span class="quiet">
            {lacking === 0 ? "all have it" : `${count(lacking)} of ${count(available)} lack it`}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Rows({ data }: { data: Data }) {
  const shown = data.best.slice(0, ROWS).map((row, index) => ({ row, rank: index + 1 }));
  const { assigned, assigned_rank, possible } = data;
  const extra = assigned !== null && !shown.some(({ row }) => row.worker_id === assigned.worker_id);
  const hidden = possible - shown.length - (extra && assigned_rank !== null ? 1 : 0);
  if (shown.length === 0 && !extra) return <p class="quiet">No worker could run it now</p>;
  return (
    <>
      <table class="matches">
        <thead>
          <tr>
            <th scope="col">Worker</th>
            <th scope="col">Match</th>
            <th scope="col" class="wide">
              {PARTS.map(({ name, series }) => (
                <span>
                  <Swatch series={series} />
                  {name}{" "}
                </span>
              ))}
            </th>
            <th scope="col" class="capability">
              Capability
            </th>
            <th scope="col">Performance</th>
            <th scope="col">Load</th>
          </tr>
        </thead>
        <tbody>
          {shown.map(({ row, rank }) => (
            <MatchRow row={row} rank={rank} has={row.worker_id === assigned?.worker_id} />
          ))}
          {extra && assigned !== null ? <MatchRow row={assigned} rank={assigned_rank} has /> : null}
        </tbody>
      </table>
      {hidden > 0 ? <p class="more">{more(hidden, "more that could")}</p> : null}
    </>
  );
}

function MatchRow({ row, rank, has }: { row: Row; rank: number | null; has: boolean }) {
  const parts = [row.capability, row.performance, 1 - (row.load ?? 50) / 100];
  return (
    <tr class={has ? "has" : undefined}>
      <th scope="row">
        <span class="rank">{rank === null ? NONE : count(rank)}</span>{" "}
        <a href={workerHref(row.worker_id)}>
          <Name>{shorten(row.worker_id, NAME_LENGTH)}</Name>
        </a>
        {has ? <small> has it</small> : null}
      </th>
      <td>{measure(row.score, "ratio")}</td>
      <td class="wide">
        {row.missing.length > 0 ? (
          <bdi class="quiet">lacks {clean(row.missing.map((one) => requirementWords(one)).join(", "))}</bdi>
        ) : (
          <StackedBar
            segments={PARTS.map(({ weight, series }, index) => ({ series, value: weight * parts[index]! }))}
            full={1}
          />
        )}
      </td>
      <td class="capability">{measure(row.capability, "ratio")}</td>
      <td>{measure(row.performance, "ratio")}</td>
      <td>{measure(row.load, "percent")}</td>
    </tr>
  );
}

function table(data: Data): Table {
  return {
    columns: ["rank", "worker_id", "score", "capability", "performance", "load"],
    rows: data.best.map(({ worker_id, score, capability, performance, load }, index) => [
      index + 1,
      worker_id,
      score,
      capability,
      performance,
      load,
    ]),
  };
}
