import { z } from "zod";
import { asWideAs, clean, count, measure, shorten } from "../../metrics/format.ts";
import type { Task } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { Ago, Bars, Mark, more, Name } from "../components.tsx";
import { byNaturalOrder } from "../identity.ts";
import { taskHref } from "../links.ts";
import { definePanel, type Markup, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms } from "../schema.ts";
import { WORKER_PARAMS, workerSubject } from "../subject.ts";

/** Rows of each list, which has room for them whether or not they are there: nothing moves as tasks come and go. */
const ROWS = { running: 8, queued: 4, orphaned: 4 } as const;
/** Tasks that the data has of each kind. */
const TASKS_LIMIT = 1000;
const NAME_LENGTH = 48;
/** A bar of progress moves in steps of this many percent. */
const PROGRESS_STEP = 5;

const instant = (what: string) =>
  z.number().nullable().describe(`${what}, Unix milliseconds; null where not known`);

const task = z.object({
  id: z.string().describe("The task"),
  model_id: z.string().nullable().describe("Its model; null where not reported"),
  type: z.string().nullable().describe("Its type; null where not reported"),
  priority: z.number().nullable().describe("1 is the most urgent; null where not reported"),
  progress: z.number().nullable().describe("How far it is, percent; null where not reported"),
  queued_at_ms: instant("When it was queued"),
  assigned_at_ms: instant("When it was given to the worker"),
  started_at_ms: instant("When it started"),
  usual_s: z
    .number()
    .nullable()
    .describe(
      "What 95 % of its model's tasks stay within from started to completed, seconds; null where not known",
    ),
  beyond_usual: z.boolean().describe("True where it has run for longer than that"),
});

const list = (what: string) => z.array(task).describe(`${what}, at most ${TASKS_LIMIT}`);

const data = z.object({
  at_ms,
  worker_id: z.string().describe("The worker"),
  counts: z
    .object({
      running: z.number().describe("Tasks that run on it, count"),
      queued: z.number().describe("Tasks assigned to it and not started, count"),
      orphaned: z.number().describe("Tasks that it left behind, count"),
    })
    .describe("Its unfinished tasks"),
  reported_queue: z
    .number()
    .nullable()
    .describe("Tasks that wait on it as it counts them itself; null where it tells none, or is lost"),
  running: list("Tasks that run on it, those that run for longest first"),
  queued: list("Tasks assigned to it and not started, those that wait for longest first"),
  orphaned: list("Unfinished tasks of a worker that is lost, or that nobody mentions any more"),
});

type Data = z.output<typeof data>;
type Shown = z.output<typeof task>;

export const workerTasks = definePanel({
  id: "worker-tasks",
  title: "Current tasks",
  description: "What runs on one worker and for how long, what waits on it, and what it left behind.",
  api: "/api/metrics/workers/:worker_id/tasks",
  params: WORKER_PARAMS,
  example: { worker_id: "W1" },
  data,
  past: true,
  load,
  view,
  note: ({ counts: { running, queued } }) => `${count(running)} running · ${count(queued)} assigned`,
  table,
});

function load(read: Read, { worker_id }: z.output<typeof WORKER_PARAMS>): Data {
  const { worker } = workerSubject(read, worker_id);
  const tasks = read.tasksOf(worker_id);
  const of = (state: Task["state"], since: (task: Task) => number | null) =>
    tasks
      .filter((one) => one.state === state)
      .sort((a, b) => (since(a) ?? Infinity) - (since(b) ?? Infinity) || byNaturalOrder(a.id, b.id));
  const running = of("running", (one) => one.started_at_ms);
  const queued = of("assigned", waitsSince);
  const orphaned = of("orphaned", waitsSince);
  const shown = (some: readonly Task[]) => some.slice(0, TASKS_LIMIT).map((one) => shownTask(read, one));
  return {
    at_ms: read.now_ms,
    worker_id,
    counts: { running: running.length, queued: worker.queued_tasks, orphaned: orphaned.length },
    reported_queue: worker.presence === "lost" ? null : (worker.metrics.get("queued_tasks") ?? null),
    running: shown(running),
    queued: shown(queued),
    orphaned: shown(orphaned),
  };
}

function waitsSince({ queued_at_ms, assigned_at_ms }: Pick<Task, "queued_at_ms" | "assigned_at_ms">) {
  return queued_at_ms ?? assigned_at_ms;
}

function shownTask(read: Read, one: Task): Shown {
  const { id, model_id, type, priority, progress, queued_at_ms, assigned_at_ms, started_at_ms } = one;
  const usual_s = read.usual(model_id);
  const ran_s = started_at_ms === null ? null : (read.now_ms - started_at_ms) / 1000;
  return {
    ...{ id, model_id, type, priority, progress, queued_at_ms, assigned_at_ms, started_at_ms },
    usual_s,
    beyond_usual: one.state === "running" && usual_s !== null && ran_s !== null && ran_s > usual_s,
  };
}

function view(data: Data) {
  const { running, queued, orphaned, counts, reported_queue } = data;
  const unnamed = counts.queued - queued.length;
  return (
    <div class="worker-tasks">
      <section>
        <h3>Running</h3>
        <Slots prefix="wt-r" tasks={running} rows={ROWS.running} none="Nothing runs on it">
          {(one) => <Running task={one} />}
        </Slots>
        <Rest id="wt-r-more" hidden={counts.running - Math.min(running.length, ROWS.running)} />
      </section>
      <section>
        <h3>
          Queue <small>assigned, not started</small>
        </h3>
        <Slots
          prefix="wt-q"
          tasks={queued}
          rows={ROWS.queued}
          none={unnamed > 0 ? "" : "Nothing is assigned to it"}
        >
          {(one) => <Waiting task={one} word="waits" />}
        </Slots>
        <Part as="p" id="wt-q-more" class="more">
          {unnamed > 0 && reported_queue !== null
            ? `it counts ${count(reported_queue)} assigned itself`
            : more(queued.length - Math.min(queued.length, ROWS.queued))}
        </Part>
        {orphaned.length === 0 ? null : (
          <>
            <h3>
              Orphaned <small>left behind, unfinished</small>
            </h3>
            <Slots prefix="wt-o" tasks={orphaned} rows={ROWS.orphaned} none="">
              {(one) => <Waiting task={one} word="queued" />}
            </Slots>
            <Rest id="wt-o-more" hidden={counts.orphaned - Math.min(orphaned.length, ROWS.orphaned)} />
          </>
        )}
      </section>
    </div>
  );
}

interface SlotsProps {
  prefix: string;
  tasks: readonly Shown[];
  rows: number;
  none: string;
  children: (task: Shown) => Markup;
}

/** Places in a fixed number: who comes and goes changes places and not the list. */
function Slots({ prefix, tasks, rows, none, children }: SlotsProps) {
  return (
    <ul class="task-rows">
      {Array.from({ length: rows }, (_, slot) => {
        const one = tasks[slot];
        const id = `${prefix}-${slot}`;
        if (one !== undefined) {
          return (
            <Part as="li" id={id} class={one.beyond_usual ? "late" : undefined}>
              {children(one)}
            </Part>
          );
        }
        if (slot === 0 && tasks.length === 0)
          return (
            <Part as="li" id={id} class="quiet">
              {none}
            </Part>
          );
        return <Part as="li" id={id} aria-hidden="true" />;
      })}
    </ul>
  );
}

function Rest({ id, hidden }: { id: string; hidden: number }) {
  return (
    <Part as="p" id={id} class="more">
      {more(hidden)}
    </Part>
  );
}

function TaskLink({ task: { id, model_id, type } }: { task: Shown }) {
  return (
    <>
      <a href={taskHref(id)} title={clean(shorten(id, NAME_LENGTH))}>
        {model_id === null ? null : (
          <>
            <b>
              <Name>{shorten(model_id, NAME_LENGTH)}</Name>
            </b>{" "}
          </>
        )}
        <Name>{shorten(id, NAME_LENGTH)}</Name>
      </a>
      <span class="type">{type === null ? "" : <Name>{shorten(type, NAME_LENGTH)}</Name>}</span>
    </>
  );
}

function Running({ task: one }: { task: Shown }) {
  const { started_at_ms, progress, usual_s, beyond_usual } = one;
  const percent = progress === null ? null : Math.floor(progress / PROGRESS_STEP) * PROGRESS_STEP;
  return (
    <>
      <TaskLink task={one} />
      <span class="progress">
        {percent === null ? null : (
          <>
            <Bars values={[[1, percent]]} />
            {asWideAs("999", measure(percent, "percent"))}
          </>
        )}
      </span>
      <span class="time">
        {started_at_ms === null ? "start not known" : <Ago since_ms={started_at_ms} />}
        <small>
          {usual_s === null ? "usual time not known" : `usually ≤ ${measure(usual_s, "seconds")}`}
        </small>
        {beyond_usual ? (
          <>
            <Mark tone="warning" />
            <span class="vh">beyond what is usual</span>
          </>
        ) : null}
      </span>
    </>
  );
}

function Waiting({ task: one, word }: { task: Shown; word: string }) {
  const since_ms = waitsSince(one);
  return (
    <>
      <TaskLink task={one} />
      <span class="time">
        <small>{word}</small> {since_ms === null ? "time not known" : <Ago since_ms={since_ms} />}
      </span>
    </>
  );
}

function table(data: Data): Table {
  return {
    columns: [
      "state",
      "task_id",
      "model_id",
      "type",
      "priority",
      "progress",
      "queued_at_ms",
      "assigned_at_ms",
      "started_at_ms",
      "usual_s",
      "beyond_usual",
    ],
    rows: (["running", "queued", "orphaned"] as const).flatMap((state) =>
      data[state].map((one) => [
        state,
        one.id,
        one.model_id,
        one.type,
        one.priority,
        one.progress,
        one.queued_at_ms,
        one.assigned_at_ms,
        one.started_at_ms,
        one.usual_s,
        one.beyond_usual ? "yes" : "no",
      ]),
    ),
  };
}
