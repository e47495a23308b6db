import { raw } from "hono/html";
import { z } from "zod";
import { asWideAs, clean, count, counted, measure, shorten } from "../../metrics/format.ts";
import { WORKER_STATES, type Worker } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { RUNS_MINUTES, type Run } from "../../metrics/runs.ts";
import { joined, Legend, Mark, more, Name, Time, WORKER_TONE } from "../components.tsx";
import { FILTER_NAMES } from "../filters.ts";
import { workerLabel } from "../labels.ts";
import { type Bar, drawLane, keepLane, type Span } from "../lanes.ts";
import { taskHref, workerHref } from "../links.ts";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, countField, labelField } from "../schema.ts";
import { NO_TYPE, seriesByType } from "../series.ts";

/** Lanes that are shown and told at most; filters narrow the rest down. */
const LANES = 40;
const NAME_LENGTH = 48;
/** Task types that the legend names. */
const TYPES_SHOWN = 6;
/** Tasks of one worker that the table names. */
const TASKS_SHOWN = 6;

const ORDERS = ["worst_first", "worker_type"] as const;
const RANGES = [1, 5, 15, 60];
const DEFAULT_MINUTES = 5;

/** What happened before is reported by then, as a rule: a lane is not drawn twice for one step. */
const SETTLED_MS = 2_000;
/** The lanes move on in steps of a sixtieth of their time, and of 10 s at least: what they show is sent once a step. */
const LEAST_STEP_MS = 10_000;
const STEPS = 60;

const params = z.object({
  minutes: z.coerce
    .number()
    .int()
    .min(1)
    .max(RUNS_MINUTES)
    .default(DEFAULT_MINUTES)
    .describe("How far back the lanes reach, minutes"),
  order: z
    .enum(ORDERS)
    .default("worst_first")
    .describe("Lanes worst first, or by their worker's type and then worst first"),
});

type Params = z.output<typeof params>;

const bar = z.object({
  id: z.string().describe("The task's id"),
  type: z.string().nullable().describe("Its type; null where not reported"),
  model_family: z.string().nullable().describe("The family of its model; null where not reported"),
  model_id: z.string().nullable().describe("Its model; null where not reported"),
  worker_id: z.string().describe("The worker"),
  attempt: z.number().describe("Which attempt of it, from 1"),
  status: z
    .enum(["running", "orphaned", "completed", "failed", "cancelled"])
    .describe("How it ended, or running or orphaned where it had not by then"),
  started_at_ms: z.number().describe("When it started, Unix milliseconds"),
  ended_at_ms: z
    .number()
    .nullable()
    .describe("When it ended, Unix milliseconds; null where it had not by then"),
});

const lane = z.object({
  worker_id: z.string().describe("The worker"),
  label: labelField,
  type: z.string().nullable().describe("Its type; null where not reported"),
  state: z.enum(WORKER_STATES).describe("Its state"),
  running: countField("Tasks that run on it"),
  queued: countField("Tasks assigned to it and not started"),
  busy_ratio: z
    .number()
    .nullable()
    .describe("Share of the time shown in which it ran a task, ratio; null where not known"),
  tasks: z.array(bar).describe("What ran on it in the time shown, by its start, as of the end of that time"),
});

const data = z.object({
  at_ms,
  from_ms: z.number().describe("Start of the time shown, Unix milliseconds"),
  to_ms: z
    .number()
    .describe("End of the time shown, Unix milliseconds: a whole step, some seconds before the tick"),
  known_from_ms: z.number().describe("What ended before is not all known, Unix milliseconds"),
  step_s: z.number().describe("The time shown moves on in steps of this, seconds"),
  types: z.array(z.string()).describe("Task types of the fleet: their order is that of their colours"),
  workers: countField("Workers, those that are not told too"),
  lanes: z.array(lane).describe("A lane a worker, in the order asked for, at most 40"),
});

type Data = z.output<typeof data>;
type Lane = z.output<typeof lane>;

export const assignments = definePanel({
  id: "assignments",
  title: "Assignments",
  description: "Which worker ran which task when, over the last minutes: a lane a worker, a bar a task.",
  api: "/api/metrics/assignments",
  params,
  data,
  filters: true,
  past: true,
  load,
  view,
  note: ({ workers, lanes }) =>
    joined([
      lanes.length < workers
        ? `${count(lanes.length)} of ${counted(workers, "worker")}`
        : counted(workers, "worker"),
      "busy: share of the time shown in which it ran a task",
      "+1: assigned, not started",
    ]),
  table,
});

function load(read: Read, { minutes, order }: Params): Data {
  const step_ms = Math.max(LEAST_STEP_MS, (minutes * 60_000) / STEPS);
  const to_ms = Math.floor((read.now_ms - SETTLED_MS) / step_ms) * step_ms;
  const from_ms = to_ms - minutes * 60_000;
  const runs = read.runs(from_ms);
  // Where runs give way each second, this too moves in steps.
  const known_ms = Math.ceil(runs.complete_from_ms / step_ms) * step_ms;
  const span = { from_ms, to_ms, known_from_ms: Math.min(to_ms, Math.max(from_ms, known_ms)) };
  const workers = inOrder(read.workers(), order);
  const shown = workers.slice(0, LANES);
  const live = liveTasks(read, new Set(shown.map(({ id }) => id)));
  return {
    at_ms: read.now_ms,
    ...span,
    step_s: step_ms / 1000,
    types: [...read.cutNames("task_type")],
    workers: workers.length,
    lanes: shown.map((worker) => {
      const { over, open } = barsOf(runs.of(worker.id), live.get(worker.id) ?? [], span);
      const lane = keepLane(`${minutes} ${worker.id}`, span, over, open);
      return {
        worker_id: worker.id,
        label: workerLabel(read, worker.id),
        type: worker.type,
        state: worker.state,
        running: worker.running_tasks,
        queued: worker.queued_tasks,
        busy_ratio: lane.busy_ratio,
        tasks: lane.bars as Bar[],
      };
    }),
  };
}

/** Those of a type together, the types in the order of their worst worker. */
function inOrder(workers: readonly Worker[], order: Params["order"]): readonly Worker[] {
  if (order === "worst_first") return workers;
  const types = [...new Set(workers.map(({ type }) => type))];
  return types.flatMap((type) => workers.filter((worker) => worker.type === type));
}

/** What runs on the workers now, by worker. */
function liveTasks(read: Read, workers: ReadonlySet<string>): Map<string, Bar[]> {
  const live = new Map<string, Bar[]>();
  for (const task of read.tasks()) {
    const { state, worker_id } = task;
    if ((state !== "running" && state !== "orphaned") || worker_id === null || !workers.has(worker_id))
      continue;
    const { id, type, model_family, model_id, attempt, started_at_ms } = task;
    if (started_at_ms === null) continue;
    const one = {
      id,
      type,
      model_family,
      model_id,
      worker_id,
      attempt,
      status: state,
      started_at_ms,
      ended_at_ms: null,
    };
    const own = live.get(worker_id);
    if (own) own.push(one);
    else live.set(worker_id, [one]);
  }
  return live;
}

/** What ran in the time shown, as of its end: what ended after it still ran. */
function barsOf(runs: readonly Run[], live: readonly Bar[], { known_from_ms, to_ms }: Span) {
  const over: Run[] = [];
  const open = live.filter((bar) => bar.started_at_ms < to_ms);
  for (const run of runs) {
    if (run.ended_at_ms <= known_from_ms || run.started_at_ms >= to_ms) continue;
    if (run.ended_at_ms <= to_ms) over.push(run);
    else open.push({ ...run, status: "running", ended_at_ms: null });
  }
  return { over, open };
}

function view(data: Data, given: Params) {
  const places = seriesByType([
    ...data.types,
    ...data.lanes.flatMap(({ tasks }) => tasks.map((task) => task.type ?? NO_TYPE)),
  ]);
  const hidden = data.workers - data.lanes.length;
  const drawing = { span: data, places, lanes: data.lanes.length };
  return (
    <>
      <Controls given={given} />
      <Part as="p" id="as-key" class="key">
        <Legend
          entries={[...places]
            .slice(0, TYPES_SHOWN)
            .map(([name, place]) => ({ series: place, name: shorten(name, NAME_LENGTH) }))}
        />
        <Key />
      </Part>
      {data.lanes.length === 0 ? <p class="quiet">No worker is known here</p> : null}
      {groupsOf(data.lanes, given.order).map(({ type, first, lanes }) => (
        <>
          {type === undefined ? null : (
            <h3>
              <Name>{shorten(type ?? "no type", NAME_LENGTH)}</Name>
            </h3>
          )}
          <ol class="lanes">
            {first > 0 ? null : <Head data={data} />}
            {lanes.map((one, index) => (
              <LaneRow lane={one} slot={first + index} label={one.label}>
                {drawLane(one.tasks, drawing)}
              </LaneRow>
            ))}
          </ol>
        </>
      ))}
      <Part as="p" id="as-more" class="more">
        {hidden > 0
          ? `${more(hidden, hidden === 1 ? "more worker" : "more workers")}: filter to see them. `
          : ""}
        {data.known_from_ms === data.from_ms ? null : (
          <>
            What ended before <Time at_ms={data.known_from_ms} /> is not told.
          </>
        )}
      </Part>
      <details class="data">
        <summary>As a table</summary>
        <section class="scroll" tabindex={0} aria-label="Workers and their tasks">
          <WorkerTable data={data} />
        </section>
      </details>
    </>
  );
}

interface Group {
  /** Undefined where lanes are not grouped. */
  readonly type: string | null | undefined;
  /** The slot of its first lane. */
  readonly first: number;
  readonly lanes: readonly Lane[];
}

function groupsOf(lanes: readonly Lane[], order: Params["order"]): Group[] {
  if (order === "worst_first") return [{ type: undefined, first: 0, lanes }];
  const starts = lanes.flatMap(({ type }, index) =>
    index > 0 && lanes[index - 1]!.type === type ? [] : [index],
  );
  return starts.map((first, index) => ({
    type: lanes[first]!.type,
    first,
    lanes: lanes.slice(first, starts[index + 1]),
  }));
}

/** Names the columns, and the ends of the time shown. */
function Head({ data }: { data: Data }) {
  return (
    <li class="head" aria-hidden="true">
      <span></span>
      <Part as="span" id="as-axis" class="ends">
        <Time at_ms={data.from_ms} />
        <Time at_ms={data.to_ms} />
      </Part>
      <span class="figure">running</span>
      <span class="busy">busy</span>
    </li>
  );
}

interface LaneRowProps {
  lane: Lane;
  slot: number;
  label: string;
  /** The drawing. */
  children: string;
}

/** A place keeps its element, whichever worker is shown there. */
function LaneRow({ lane: one, slot, label, children }: LaneRowProps) {
  return (
    <li>
      <Part as="span" id={`as-n-${slot}`} class="name">
        <a href={workerHref(one.worker_id)} title={clean(shorten(one.worker_id, NAME_LENGTH))}>
          <Name>{label}</Name>
        </a>
        {one.state === "active" ? null : (
          <>
            <Mark tone={WORKER_TONE[one.state]} />
            <span class="vh">{one.state}</span>
          </>
        )}
      </Part>
      <Part id={`as-l-${slot}`}>{raw(children)}</Part>
      <Part as="span" id={`as-f-${slot}`} class="figure">
        {asWideAs("99", count(one.running))} <small>{one.queued === 0 ? "" : `+${count(one.queued)}`}</small>
      </Part>
      <Part as="span" id={`as-b-${slot}`} class="busy">
        {measure(one.busy_ratio === null ? null : Math.round(one.busy_ratio * 100), "percent")}
      </Part>
    </li>
  );
}

/** What the shapes mean. */
function Key() {
  return (
    <span class="legend">
      <span>
        <svg class="swatch lane" viewBox="0 0 8 8" width="8" height="8" aria-hidden="true">
          <rect class="failed" x="0.5" y="2" width="6" height="4" />
          <path class="ends" d="M7 0v8" />
        </svg>
        failed
      </span>
      <span>
        <svg class="swatch lane" viewBox="0 0 8 8" width="8" height="8" aria-hidden="true">
          <rect class="cancelled" x="0.5" y="2" width="7" height="4" />
        </svg>
        cancelled or orphaned
      </span>
    </span>
  );
}

function Controls({ given }: { given: Params }) {
  return (
    <div class="controls">
      <nav class="ranges" aria-label="Time shown">
        {RANGES.map((minutes) => (
          <a
            href={hrefOf({ ...given, minutes })}
            aria-current={minutes === given.minutes ? "true" : undefined}
          >{`${minutes} min`}</a>
        ))}
      </nav>
      <nav class="ranges" aria-label="Order">
        {ORDERS.map((order) => (
          <a href={hrefOf({ ...given, order })} aria-current={order === given.order ? "true" : undefined}>
            {ORDER_WORDS[order]}
          </a>
        ))}
      </nav>
    </div>
  );
}

const ORDER_WORDS: Readonly<Record<Params["order"], string>> = {
  worst_first: "worst first",
  worker_type: "by worker type",
};

/** The page with these parameters, the filters kept. */
function hrefOf(given: Params & Record<string, unknown>): string {
  const query = new URLSearchParams();
  for (const name of FILTER_NAMES) if (typeof given[name] === "string") query.set(name, given[name]);
  if (given.minutes !== DEFAULT_MINUTES) query.set("minutes", String(given.minutes));
  if (given.order !== ORDERS[0]) query.set("order", given.order);
  return query.size === 0 ? "assignments" : `assignments?${query}`;
}

/** The lanes in words. */
function WorkerTable({ data }: { data: Data }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Worker</th>
          <th scope="col">Assigned</th>
          <th scope="col">Ended</th>
          <th scope="col">Failed</th>
          <Part as="th" id="as-at" scope="col" class="text">
            Running at <Time at_ms={data.to_ms} />
          </Part>
        </tr>
      </thead>
      <tbody>
        {data.lanes.map(({ worker_id, queued, tasks }, slot) => {
          const running = tasks.filter(({ ended_at_ms }) => ended_at_ms === null);
          return (
            <tr>
              <Part as="th" id={`as-w-${slot}`} scope="row">
                <a href={workerHref(worker_id)}>
                  <Name>{shorten(worker_id, NAME_LENGTH)}</Name>
                </a>
              </Part>
              <Part as="td" id={`as-q-${slot}`}>
                {count(queued)}
              </Part>
              <Part as="td" id={`as-e-${slot}`}>
                {count(tasks.length - running.length)}
              </Part>
              <Part as="td" id={`as-x-${slot}`}>
                {count(tasks.filter(({ status }) => status === "failed").length)}
              </Part>
              <Part as="td" id={`as-t-${slot}`} class="text">
                <TaskLinks tasks={running} />
              </Part>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function TaskLinks({ tasks }: Pick<Lane, "tasks">) {
  if (tasks.length === 0) return <>none</>;
  return (
    <>
      {tasks.slice(0, TASKS_SHOWN).map(({ id }, index) => (
        <>
          {index === 0 ? "" : ", "}
          <a href={taskHref(id)}>
            <Name>{shorten(id, NAME_LENGTH)}</Name>
          </a>
        </>
      ))}{" "}
      {more(tasks.length - TASKS_SHOWN)}
    </>
  );
}

function table(data: Data): Table {
  return {
    columns: [
      "worker_id",
      "worker_type",
      "task_id",
      "type",
      "model_id",
      "status",
      "started_at_ms",
      "ended_at_ms",
    ],
    rows: data.lanes.flatMap(({ worker_id, type: worker_type, tasks }) =>
      tasks.map(({ id, type, model_id, status, started_at_ms, ended_at_ms }) => [
        worker_id,
        worker_type,
        id,
        type,
        model_id,
        status,
        started_at_ms,
        ended_at_ms,
      ]),
    ),
  };
}
