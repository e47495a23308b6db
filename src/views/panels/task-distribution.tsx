import { z } from "zod";
import { findMetric } from "../../metrics/catalogue.ts";
import { asWideAs, clean, count, counted, measure, shorten } from "../../metrics/format.ts";
import { TASK_STATES, WORKER_STATES, type Worker } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { joined, Mark, more, Name, type Segment, StackedBar, Swatch, WORKER_TONE } from "../components.tsx";
import { UNCOUNTED, uncounted } from "../filters.ts";
import { byNaturalOrder, domId } from "../identity.ts";
import { workerLabel } from "../labels.ts";
import { cutHref, workerHref } from "../links.ts";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, countField, labelField, noParams } from "../schema.ts";
import { NO_TYPE, type SeriesNumber, seriesByType } from "../series.ts";

/** Rows of each list; what is beyond is summed up in a last one. */
const QUEUE_ROWS = 5;
/** These have a row even while nothing of theirs waits, so that rows keep their places. */
const USUAL_PRIORITIES = [1, 2, 3, 4];
const TYPE_ROWS = 5;
const ASSIGNMENT_ROWS = 5;
const NAME_LENGTH = 64;

const WINDOW_S = 3600;

const typeField = z.string().nullable().describe("Task type; null where not reported");

const data = z.object({
  at_ms,
  window_s: z.number().describe("Ended tasks are counted over this window, seconds"),
  by_state: z
    .object(
      Object.fromEntries(
        TASK_STATES.map((state) => [
          state,
          z.number().nullable().describe(`Tasks ${state}, count; null where not counted`),
        ]),
      ),
    )
    .describe("Tasks by state, those that ended over the window; null where a filter leaves them uncounted"),
  uncounted: UNCOUNTED,
  queue: z
    .array(
      z.object({
        priority: z.number().nullable().describe("1 is the most urgent; null where not reported"),
        type: typeField,
        queued: countField("Tasks that wait"),
      }),
    )
    .nullable()
    .describe(
      "Queued tasks by priority and type, most urgent first; null where a filter leaves them uncounted",
    ),
  assignments: z
    .array(
      z.object({
        worker_id: z.string().describe("The worker"),
        label: labelField,
        state: z.enum(WORKER_STATES).describe("Its state"),
        running: countField("Tasks that run on it"),
        queued: countField("Tasks assigned to it and not started"),
        by_type: z
          .array(
            z.object({ type: z.string().describe("Task type"), running: countField("Tasks of it that run") }),
          )
          .describe("Its running tasks by type"),
      }),
    )
    .describe("Workers that have tasks, most running first"),
  assigned: z
    .object({
      workers: countField("Workers that have tasks"),
      running: countField("Tasks that run on them"),
    })
    .describe("The same of all of them together"),
  types: z
    .array(
      z.object({
        type: z.string().describe("Task type"),
        queued: z.number().nullable().describe("Tasks of it that wait, count; null where not counted"),
        running: countField("Tasks of it that run"),
        completed: z
          .number()
          .nullable()
          .describe("Tasks of it completed in the window, count; null where not counted"),
        failed: z
          .number()
          .nullable()
          .describe(
            "Tasks of it that failed in the window and were not taken up again, count; null where not counted",
          ),
        success_ratio: z
          .number()
          .nullable()
          .describe("Completed ÷ (completed + failed), ratio; null where none ended or that is not counted"),
      }),
    )
    .describe("Task types that wait, run or ended in the window"),
});

type Data = z.output<typeof data>;
type TypeRow = Data["types"][number];
type Assignment = Data["assignments"][number];

export const taskDistribution = definePanel({
  id: "task-distribution",
  title: "Task distribution",
  description:
    "Queued tasks by priority and type, which worker runs what, and how many of each type complete.",
  api: "/api/metrics/tasks/stats",
  params: noParams,
  data,
  filters: true,
  past: true,
  load: (read) => dataOf(read, byRunning),
  glance: (read) => dataOf(read, busiest),
  view,
  note: (data) =>
    joined([
      data.by_state.queued === null ? null : `${count(data.by_state.queued)} queued`,
      `${count(data.by_state.running)} running`,
    ]),
  table,
});

function dataOf(read: Read, told: (workers: readonly Worker[]) => readonly Worker[]): Data {
  const workers = read.workers().filter((worker) => worker.running_tasks > 0 || worker.queued_tasks > 0);
  return {
    at_ms: read.now_ms,
    window_s: WINDOW_S,
    by_state: { ...read.tasks_by_state },
    uncounted: uncounted(read),
    queue: read.queue?.map((cell) => ({ ...cell })) ?? null,
    assignments: told(workers).map((worker) => assignmentOf(read, worker)),
    assigned: {
      workers: workers.length,
      running: workers.reduce((sum, worker) => sum + worker.running_tasks, 0),
    },
    types: types(read),
  };
}

function byRunning(workers: readonly Worker[]): Worker[] {
  return [...workers].sort(mostRunningFirst);
}

/** Those that are drawn, of however many. */
function busiest(workers: readonly Worker[]): Worker[] {
  const found: Worker[] = [];
  for (const worker of workers) {
    const last = found[ASSIGNMENT_ROWS - 1];
    if (last !== undefined && mostRunningFirst(last, worker) < 0) continue;
    found.push(worker);
    found.sort(mostRunningFirst).splice(ASSIGNMENT_ROWS);
  }
  return found;
}

function mostRunningFirst(a: Worker, b: Worker): number {
  return b.running_tasks - a.running_tasks || byNaturalOrder(a.id, b.id);
}

function assignmentOf(read: Read, worker: Worker): Assignment {
  return {
    worker_id: worker.id,
    label: workerLabel(read, worker.id),
    state: worker.state,
    running: worker.running_tasks,
    queued: worker.queued_tasks,
    by_type: [...worker.running_by_type].map(([type, running]) => ({ type, running })),
  };
}

function types(read: Read): TypeRow[] {
  const rows = new Map<string, TypeRow>();
  // A filter may leave some of them uncounted: then they are not known, and not none.
  const ended = read.ended_by_type === null ? null : 0;
  const queued = read.queue === null ? null : 0;
  const row = (type: string) => {
    const known = rows.get(type) ?? {
      type,
      queued,
      running: 0,
      completed: ended,
      failed: ended,
      success_ratio: null,
    };
    rows.set(type, known);
    return known;
  };
  for (const cell of read.queue ?? []) {
    const ofType = row(cell.type ?? NO_TYPE);
    ofType.queued = (ofType.queued ?? 0) + cell.queued;
  }
  for (const worker of read.workers()) {
    for (const [type, running] of worker.running_by_type) row(type || NO_TYPE).running += running;
  }
  for (const [type, { completed, failed }] of read.ended_by_type ?? []) {
    const ofType = row(type);
    ofType.completed = (ofType.completed ?? 0) + completed;
    ofType.failed = (ofType.failed ?? 0) + failed;
  }
  return [...rows.values()].map(withRatio).sort((a, b) => byNaturalOrder(a.type, b.type));
}

function withRatio(row: TypeRow): TypeRow {
  const { completed, failed } = row;
  const ended = (completed ?? 0) + (failed ?? 0);
  return { ...row, success_ratio: completed === null || ended === 0 ? null : completed / ended };
}

function view(data: Data) {
  const series = seriesByType(data.types.map((row) => row.type));
  return (
    <>
      <TypeTable rows={data.types} series={series} why={data.uncounted} />
      <h3>
        Queue <small>by priority, 1 is the most urgent</small>
      </h3>
      {data.queue === null ? (
        <p class="quiet uncounted">– {data.uncounted.queued}</p>
      ) : (
        <Queue rows={data.types.length === 0 ? [] : queueRows(data.queue)} series={series} />
      )}
      <h3>
        Assignments <small>running tasks by worker, busiest first</small>
      </h3>
      <Assignments rows={data.assignments} assigned={data.assigned} series={series} />
    </>
  );
}

type Places = ReadonlyMap<string, SeriesNumber>;

function placeOf(series: Places, type: string | null): SeriesNumber {
  return series.get(type ?? NO_TYPE) ?? 5;
}

/** The counts of each type; its swatches are the legend of the bars below. */
function TypeTable({
  rows,
  series,
  why,
}: {
  rows: readonly TypeRow[];
  series: Places;
  why: Data["uncounted"];
}) {
  const inPlace = [...rows].sort((a, b) => placeOf(series, a.type) - placeOf(series, b.type));
  const own = inPlace.length <= TYPE_ROWS ? inPlace : inPlace.slice(0, TYPE_ROWS - 1);
  const others = inPlace.slice(own.length);
  return (
    <div class="types">
      <table>
        <thead>
          <tr>
            <th scope="col">Type</th>
            <th scope="col">Queued</th>
            <th scope="col">Running</th>
            <th scope="col">
              Done <small>1 h</small>
            </th>
            <th scope="col" title={findMetric("system", "failed_tasks")?.help}>
              Failed <small>1 h</small>
            </th>
            <th scope="col">Success</th>
          </tr>
        </thead>
        <tbody>
          {own.map((row) => (
            <TypeCells
              id={domId("td-t", row.type)}
              name={row.type}
              href={row.type === NO_TYPE ? undefined : cutHref("task_type", row.type)}
              row={row}
              series={placeOf(series, row.type)}
              why={why}
            />
          ))}
          {others.length === 0 ? null : (
            <TypeCells
              id="td-t-others"
              name={`${count(others.length)} other types`}
              row={summed(others)}
              series={5}
              why={why}
            />
          )}
          {rows.length === 0 ? (
            <tr>
              <td colspan={6} class="quiet">
                {why.queued === null ? "No task waits, runs or ended in the last hour" : "No task runs"}
              </td>
            </tr>
          ) : null}
        </tbody>
      </table>
    </div>
  );
}

interface TypeColumn {
  readonly name: string;
  readonly figure: (row: TypeRow) => string;
  /** Which of what a filter may leave uncounted it is. */
  readonly of?: keyof Data["uncounted"];
}

const TYPE_COLUMNS: readonly TypeColumn[] = [
  { name: "queued", figure: (row) => asWideAs("9999", count(row.queued)), of: "queued" },
  { name: "running", figure: (row) => asWideAs("9999", count(row.running)) },
  { name: "completed", figure: (row) => asWideAs("99999", count(row.completed)), of: "ended" },
  { name: "failed", figure: (row) => asWideAs("9999", count(row.failed)), of: "ended" },
  { name: "ratio", figure: (row) => asWideAs("99.9", measure(row.success_ratio, "ratio")), of: "ended" },
];

interface TypeCellsProps {
  id: string;
  name: string;
  href?: string | undefined;
  row: TypeRow;
  series: SeriesNumber;
  why: Data["uncounted"];
}

function TypeCells({ id, name, href, row, series, why }: TypeCellsProps) {
  const shown = <Name>{shorten(name, NAME_LENGTH)}</Name>;
  return (
    <Part as="tr" id={id}>
      <th scope="row">
        <Swatch series={series} />
        {href === undefined ? shown : <a href={href}>{shown}</a>}
      </th>
      {TYPE_COLUMNS.map(({ name, figure, of }) => {
        const reason = of === undefined ? null : why[of];
        return (
          // The class tells a column's cells from the others': a morph moves none of equal content between them.
          <td class={name} title={reason ?? undefined}>
            {figure(row)}
            {reason === null ? null : <span class="vh"> {reason}</span>}
          </td>
        );
      })}
    </Part>
  );
}

function summed(rows: readonly TypeRow[]): TypeRow {
  const sum = (value: (row: TypeRow) => number) => rows.reduce((total, row) => total + value(row), 0);
  const known = (value: (row: TypeRow) => number | null) =>
    rows.some((row) => value(row) === null) ? null : sum((row) => value(row) ?? 0);
  return withRatio({
    type: "",
    queued: known((row) => row.queued),
    running: sum((row) => row.running),
    completed: known((row) => row.completed),
    failed: known((row) => row.failed),
    success_ratio: null,
  });
}

type Cells = NonNullable<Data["queue"]>;

interface QueueRow {
  readonly key: string;
  readonly label: string;
  readonly cells: Cells;
  readonly queued: number;
}

function queueRows(queue: Cells): QueueRow[] {
  const present = queue.map((cell) => cell.priority);
  const usual = present.every((priority) => priority === null || (priority >= 1 && priority <= QUEUE_ROWS));
  const priorities = [...new Set(usual ? [...USUAL_PRIORITIES, ...present] : present)].sort(
    (a, b) => rank(a) - rank(b),
  );
  const shown = priorities.length <= QUEUE_ROWS ? priorities : priorities.slice(0, QUEUE_ROWS - 1);
  const row = (key: string, label: string, of: (priority: number | null) => boolean): QueueRow => {
    const cells = queue.filter((cell) => of(cell.priority));
    return { key, label, cells, queued: cells.reduce((sum, cell) => sum + cell.queued, 0) };
  };
  const rows = shown.map((priority) =>
    priority === null
      ? row("none", "none given", (other) => other === null)
      : row(
          String(priority).replace(/[^\w-]/g, "_"),
          `priority ${count(priority)}`,
          (other) => other === priority,
        ),
  );
  if (shown.length < priorities.length)
    rows.push(row("rest", "less urgent", (other) => !shown.includes(other)));
  return rows;
}

function rank(priority: number | null): number {
  return priority ?? Number.POSITIVE_INFINITY;
}

function Queue({ rows, series }: { rows: readonly QueueRow[]; series: Places }) {
  const full = Math.max(1, ...rows.map((row) => row.queued));
  return (
    <ul class="rows queue">
      {rows.length === 0 ? <li class="quiet">Nothing waits</li> : null}
      {rows.map((row) => {
        const byType = row.cells.map((cell) => [cell.type, cell.queued] as const);
        const words = inWords(byType);
        return (
          <Part as="li" id={`td-q-${row.key}`} title={words}>
            <span class="name">{row.label}</span>
            <StackedBar segments={segmentsOf(byType, series)} full={full} />
            <span class="figure">{asWideAs("9999", count(row.queued))}</span>
            <span class="vh">{words}</span>
          </Part>
        );
      })}
    </ul>
  );
}

/** Slots in a fixed number: a change of order changes the rows that it touches and not the whole list. */
function Assignments({
  rows,
  assigned,
  series,
}: {
  rows: readonly Assignment[];
  assigned: Data["assigned"];
  series: Places;
}) {
  const shown = rows.slice(0, ASSIGNMENT_ROWS);
  const hidden = assigned.workers - shown.length;
  const running = assigned.running - shown.reduce((sum, row) => sum + row.running, 0);
  const full = Math.max(1, ...shown.map((row) => row.running));
  return (
    <>
      <ul class="rows assignments">
        {rows.length === 0 ? <li class="quiet">No worker has a task</li> : null}
        {Array.from({ length: rows.length === 0 ? 0 : ASSIGNMENT_ROWS }, (_, slot) => {
          const row = rows[slot];
          if (row === undefined) return <Part as="li" id={`td-a-${slot}`} aria-hidden="true" />;
          const byType = row.by_type.map((cell) => [cell.type, cell.running] as const);
          const words = `${clean(shorten(row.worker_id, NAME_LENGTH))}: ${inWords(byType)}`;
          return (
            <Part as="li" id={`td-a-${slot}`} title={words}>
              <span class="name">
                <a href={workerHref(row.worker_id)}>
                  <Name>{row.label}</Name>
                </a>
                {row.state === "active" ? null : (
                  <>
                    <Mark tone={WORKER_TONE[row.state]} />
                    <span class="vh">{row.state}</span>
                  </>
                )}
              </span>
              <StackedBar segments={segmentsOf(byType, series)} full={full} />
              <span class="figure">
                {asWideAs("999", count(row.running))}
                {row.queued === 0 ? null : <small> +{count(row.queued)} assigned</small>}
              </span>
              <span class="vh">{words}</span>
            </Part>
          );
        })}
      </ul>
      <Part as="p" id="td-more" class="more">
        {hidden > 0
          ? `and ${counted(hidden, "more worker", "more workers")} with ${counted(running, "running task")}`
          : ""}
      </Part>
    </>
  );
}

type Amount = readonly [type: string | null, amount: number];

/** One segment a colour, in the order of the colours. */
function segmentsOf(amounts: readonly Amount[], series: Places): Segment[] {
  const totals = new Map<SeriesNumber, number>();
  for (const [type, amount] of amounts) {
    const place = placeOf(series, type);
    totals.set(place, (totals.get(place) ?? 0) + amount);
  }
  return [...totals].sort(([a], [b]) => a - b).map(([place, value]) => ({ series: place, value }));
}

function inWords(amounts: readonly Amount[]): string {
  const shown = amounts
    .slice(0, TYPE_ROWS)
    .map(([type, amount]) => `${clean(shorten(type ?? NO_TYPE, NAME_LENGTH))} ${count(amount)}`);
  return [...shown, more(amounts.length - shown.length)].filter((text) => text !== "").join(", ");
}

function table(data: Data): Table {
  return {
    columns: ["type", "queued", "running", "completed_1h", "failed_1h", "success_ratio_1h"],
    rows: data.types.map((row) => [
      row.type,
      row.queued,
      row.running,
      row.completed,
      row.failed,
      row.success_ratio,
    ]),
  };
}
