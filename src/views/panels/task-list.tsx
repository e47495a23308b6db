import { z } from "zod";
import { clean, count, quantity, shorten } from "../../metrics/format.ts";
import type { Task, TaskState } from "../../metrics/model.ts";
import type { EndedQuery, Read } from "../../metrics/read.ts";
import { Ago, EmptyState, Figure, Mark, Name, TASK_TONE, Time } from "../components.tsx";
import { EndedSearch } from "../ended.ts";
import { FILTERS, isFiltered } from "../filters.ts";
import { domId } from "../identity.ts";
import { cutHref, taskHref, workerHref } from "../links.ts";
import {
  type Column,
  figureColumn,
  hasTag,
  LISTED,
  type List,
  listed,
  listParams,
  listSlices,
  nameField,
  rowTable,
  searching,
  stateColumn,
  statesField,
  textColumn,
} from "../list.ts";
import {
  Cell,
  CHOICES,
  choicesOf,
  ListView,
  NoLonger,
  rowClass,
  Share,
  type Shown,
  TextCell,
  Unknown,
} from "../list-view.tsx";
import { definePanel } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms } from "../schema.ts";
import { durationWord, instantField, lengthOf } from "../window.ts";

const NAME_LENGTH = 64;

/** The states of a task that is over. */
const ENDS: readonly TaskState[] = ["failed", "cancelled", "completed"];

/** Worst first: what went wrong, then what goes on, then what is over. */
const STATES = ["orphaned", "failed", "running", "assigned", "queued", "cancelled", "completed"] as const;

const COLUMNS: readonly Column<Task>[] = [
  stateColumn<Task, TaskState>(STATES, ({ state }) => state),
  textColumn("id", "Task", ({ id }) => id),
  textColumn("type", "Type", ({ type }) => type),
  textColumn("model_family", "Family", ({ model_family }) => model_family),
  textColumn("model", "Model", ({ model_id }) => model_id),
  {
    ...figureColumn<Task>("priority", "Priority", "ascending", ({ priority }) => priority),
    words: { ascending: "most urgent first", descending: "least urgent first" },
  },
  textColumn("worker", "Worker", ({ worker_id }) => worker_id),
  figureColumn("attempt", "Attempt", "descending", ({ attempt }) => attempt),
  figureColumn("queue_time", "Queue time", "descending", queueTime_s),
  figureColumn("processing_time", "Processing", "descending", processingTime_s),
  figureColumn("progress", "Progress", "ascending", ({ progress }) => progress),
  {
    ...figureColumn<Task>("ended", "Ended", "descending", ({ ended_at_ms }) => ended_at_ms),
    words: { ascending: "longest ago first", descending: "newest first" },
  },
];

const params = listParams(COLUMNS).extend({
  ...FILTERS.shape,
  status: statesField(STATES),
  tag: nameField("Only tasks that require this tag of a worker, in any case", "cuda"),
  worker: nameField("Only tasks of the worker with exactly this id", "W1"),
  ended: durationWord(
    "Also tasks that ended so long ago, of all that are kept; left out, all of them where status names a state of theirs, else those that ended in the last minutes",
  ),
  before: instantField("Of what ended only tasks that ended before that instant, and nothing unfinished"),
});
type Params = z.output<typeof params>;

const name = (what: string) => z.string().nullable().describe(`${what}; null where not reported`);
const instant = (what: string) =>
  z.number().nullable().describe(`${what}, Unix milliseconds; null where it has not come to that`);

const row = z.object({
  id: z.string().describe("The task"),
  state: z
    .enum(STATES)
    .nullable()
    .describe("Its state; null where the task ended so long ago that it is found by its id alone"),
  type: name("Task type"),
  model_family: name("Model family"),
  model_id: name("Model"),
  priority: z.number().nullable().describe("1 is the most urgent; null where not reported"),
  worker_id: z.string().nullable().describe("The worker that has or had it; null where none has"),
  attempt: z.number().nullable().describe("The attempt it is in, counted from 1"),
  queued_at_ms: instant("When it was queued"),
  started_at_ms: instant("When it started"),
  ended_at_ms: instant("When it ended"),
  queue_time_s: z
    .number()
    .nullable()
    .describe("From queued to started, so far where it waits, seconds; null where not known"),
  processing_time_s: z
    .number()
    .nullable()
    .describe("From started to its end, so far where it runs, seconds; null where not known"),
  progress: z.number().nullable().describe("How much of it is done, percent; null where not reported"),
});
type Row = z.output<typeof row>;

const data = z.object({
  at_ms,
  ...LISTED.shape,
  filtered: z.boolean().describe("True where a filter holds"),
  ended: z
    .object({
      count: z.number().describe("How many ended tasks were found, count; a page lists the newest 1,000"),
      from_ms: z
        .number()
        .nullable()
        .describe("From when on they were looked for, Unix milliseconds; null for as long as they are kept"),
      searched_from_ms: z
        .number()
        .nullable()
        .describe(
          "From here on all were found that match, Unix milliseconds: the search was bounded, go on with before; null where it found all there are",
        ),
    })
    .nullable()
    .describe(
      "What was found among all ended tasks that are kept; null where only the last minutes' are listed",
    ),
  choices: CHOICES,
  tasks: z
    .array(
      row.extend({
        task_id: z.string().describe("The task, as id"),
        fits: z.boolean().describe("False where it no longer matches and is only kept in its place"),
      }),
    )
    .describe("The tasks of the page, in the order asked for"),
});
type Data = z.output<typeof data>;

export const taskList = definePanel({
  id: "task-list",
  title: "Task list",
  description:
    "Every unfinished task that matches and those that ended, lately or as long as they are kept, a page at a time, sorted by any column.",
  api: "/api/metrics/tasks",
  also: ["/api/tasks"],
  params,
  data,
  filters: true,
  past: true,
  prepare: (read, given) => searching(read, listOf(read, given), given),
  load,
  view,
  note,
  table: ({ tasks }) => rowTable(row, tasks),
  slices,
});

function note({ ended }: Data, { status, before }: Params) {
  if (ended === null && status !== undefined) return "of the unfinished";
  if (ended === null) return "unfinished, and what ended in the last minutes";
  const over = before !== undefined || status?.every((state) => ENDS.includes(state));
  return over ? "what ended, of all that is kept" : "unfinished, and what ended, of all that is kept";
}

/** What ended comes last, the newest end first: there may be millions of them. */
function* slices(read: Read, given: Params) {
  const table = (tasks: readonly Task[]) =>
    rowTable(
      row,
      tasks.map((task) => rowOf(task.id, task, read.now_ms)),
    );
  yield* listSlices(read, listOf(read, given), given, table);
  const query = endedQuery(read, given);
  if (query === null) return;
  for (const { tasks } of read.ended(query)) yield table(tasks);
}

/** From queued to started, or so far; null for one that is in nobody's hands. */
function queueTime_s(task: Task, now_ms: number): number | null {
  const { queued_at_ms, started_at_ms, ended_at_ms } = task;
  const until_ms = started_at_ms ?? ended_at_ms ?? (waits(task.state) ? now_ms : null);
  return elapsed_s(queued_at_ms, until_ms);
}

function processingTime_s(task: Task, now_ms: number): number | null {
  return elapsed_s(task.started_at_ms, task.ended_at_ms ?? (task.state === "running" ? now_ms : null));
}

function waits(state: TaskState | null): boolean {
  return state === "queued" || state === "assigned";
}

function elapsed_s(from_ms: number | null, to_ms: number | null): number | null {
  return from_ms === null || to_ms === null ? null : Math.max(0, to_ms - from_ms) / 1000;
}

function listOf(read: Read, given: Params): List<Task> {
  const query = endedQuery(read, given);
  return {
    id: "tasks",
    columns: COLUMNS,
    items: query === null ? read.tasks() : { [Symbol.iterator]: () => unfinished(read, given) },
    matches: matching(given),
    find: query === null ? read.task : read.liveTask,
    search: query === null ? undefined : () => new EndedSearch(read, query),
  };
}

function* unfinished(read: Read, { before }: Params): Generator<Task> {
  if (before !== undefined) return;
  for (const task of read.tasks()) if (!ENDS.includes(task.state)) yield task;
}

function matching({ status, tag, worker }: Params): (task: Task) => boolean {
  const wanted = tag?.toLowerCase();
  const states = status === undefined ? null : new Set<TaskState>(status);
  return (task) =>
    (states === null || states.has(task.state)) &&
    (worker === undefined || task.worker_id === worker) &&
    (wanted === undefined || hasTag(task.requirements?.tags, wanted));
}

/** What is looked for among all ended tasks that are kept; null where nothing is. */
function endedQuery(read: Read, given: Params): EndedQuery | null {
  const { status, tag, worker, ended, before } = given;
  const states = ENDS.filter((state) => status?.includes(state) ?? true);
  const asked = status !== undefined || ended !== undefined || before !== undefined;
  if (!asked || states.length === 0) return null;
  return {
    from_ms: endedFrom(given, read.now_ms) ?? 0,
    to_ms: before ?? Number.MAX_SAFE_INTEGER,
    states,
    worker_id: worker,
    ...(tag !== undefined && { texts: [{ part: tag.toLowerCase() }] }),
    matches: matching(given),
  };
}

function endedFrom({ ended }: Params, now_ms: number): number | null {
  return ended === undefined ? null : now_ms - lengthOf(ended);
}

function load(read: Read, given: Params): Data {
  const { rows, ended, ...facts } = listed(read, listOf(read, given), given);
  const { status, tag, worker, before } = given;
  return {
    at_ms: read.now_ms,
    ...facts,
    filtered:
      isFiltered(read) || [status, tag, worker, given.ended, before].some((filter) => filter !== undefined),
    ended: ended
      ? {
          count: ended.count,
          from_ms: endedFrom(given, facts.sorted_ms),
          searched_from_ms: ended.searched_from_ms,
        }
      : null,
    choices: choicesOf(read),
    tasks: rows.map(([id, task, fits]) => ({ ...rowOf(id, task, read.now_ms), task_id: id, fits })),
  };
}

function rowOf(id: string, task: Task | undefined, now_ms: number): Row {
  return {
    id,
    state: task?.state ?? null,
    type: task?.type ?? null,
    model_family: task?.model_family ?? null,
    model_id: task?.model_id ?? null,
    priority: task?.priority ?? null,
    worker_id: task?.worker_id ?? null,
    attempt: task?.attempt ?? null,
    queued_at_ms: task?.queued_at_ms ?? null,
    started_at_ms: task?.started_at_ms ?? null,
    ended_at_ms: task?.ended_at_ms ?? null,
    queue_time_s: task ? queueTime_s(task, now_ms) : null,
    processing_time_s: task ? processingTime_s(task, now_ms) : null,
    progress: task?.progress ?? null,
  };
}

function view(data: Data, given: Params) {
  const shown: Shown = {
    path: "tasks",
    api: "api/metrics/tasks",
    prefix: "tl",
    columns: COLUMNS,
    states: STATES,
    params: given,
    data,
  };
  return (
    <ListView shown={shown} choices={data.choices} noun="task" none={<None filtered={data.filtered} />}>
      {data.tasks.map((it) => (
        <TaskRow it={it} />
      ))}
    </ListView>
  );
}

function None({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <EmptyState title="No task matches">
      <p>
        Take a filter away above, or <a href="tasks">clear all filters</a>.
      </p>
    </EmptyState>
  ) : (
    <EmptyState title="No task waits, runs or ended lately">
      <p>Tasks appear here with the first report that names them.</p>
    </EmptyState>
  );
}

function TaskRow({ it }: { it: Data["tasks"][number] }) {
  return (
    <Part as="tr" id={domId("tl", it.id)} class={rowClass(it.state, it.fits)}>
      <Cell name="state" label="State">
        {it.state === null ? (
          "ended"
        ) : (
          <>
            <Mark tone={TASK_TONE[it.state]} /> {it.state}
          </>
        )}
        <NoLonger fits={it.fits} />
      </Cell>
      <th scope="row" class="c-id" title={clean(shorten(it.id, NAME_LENGTH))}>
        <a href={taskHref(it.id)}>
          <Name>{shorten(it.id, NAME_LENGTH)}</Name>
        </a>
      </th>
      <LinkCell name="type" label="Type" value={it.type} href={(type) => cutHref("task_type", type)} />
      <LinkCell
        name="model_family"
        label="Family"
        value={it.model_family}
        href={(family) => cutHref("model_family", family)}
      />
      <TextCell name="model" label="Model" value={it.model_id} />
      <Cell name="priority" label="Priority">
        {it.priority === null ? <Unknown /> : count(it.priority)}
      </Cell>
      <LinkCell name="worker" label="Worker" value={it.worker_id} href={workerHref} />
      <Cell name="attempt" label="Attempt">
        {it.attempt === null ? <Unknown /> : count(it.attempt)}
      </Cell>
      <Cell name="queue_time" label="Queue time">
        {waits(it.state) && it.queued_at_ms !== null ? (
          <Ago since_ms={it.queued_at_ms} />
        ) : (
          <Figure value={quantity(it.queue_time_s, "seconds")} />
        )}
      </Cell>
      <Cell name="processing_time" label="Processing">
        {it.state === "running" && it.started_at_ms !== null ? (
          <Ago since_ms={it.started_at_ms} />
        ) : (
          <Figure value={quantity(it.processing_time_s, "seconds")} />
        )}
      </Cell>
      <Cell name="progress" label="Progress">
        {it.progress === null ? <Unknown /> : <Share value={it.progress} />}
      </Cell>
      <Cell name="ended" label="Ended">
        {it.ended_at_ms === null ? <Unknown /> : <Time at_ms={it.ended_at_ms} full />}
      </Cell>
    </Part>
  );
}

interface LinkCellProps {
  name: string;
  label: string;
  value: string | null;
  href: (value: string) => string;
}

function LinkCell({ name, label, value, href }: LinkCellProps) {
  if (value === null) return <TextCell name={name} label={label} value={null} />;
  return (
    <td class={`c-${name}`} data-label={label} title={clean(shorten(value, NAME_LENGTH))}>
      <a href={href(value)}>
        <Name>{shorten(value, NAME_LENGTH)}</Name>
      </a>
    </td>
  );
}
