import { raw } from "hono/html";
import { z } from "zod";
import { clean, count, counted, NONE, seconds, shorten } from "../../metrics/format.ts";
import { type Attempt, TASK_STATUSES, type Task } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { Ago, Mark, Name, Time } from "../components.tsx";
import { workerHref } from "../links.ts";
import { definePanel, type Markup, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms } from "../schema.ts";
import { TASK_ID, taskNamed } from "../task-schema.ts";
import { TASK_TONE } from "../task-words.ts";

const NAME_LENGTH = 64;
const ERROR_LENGTH = 160;
/** The axis' own measure; it is stretched to its place. */
const WIDTH = 1000;
const HEIGHT = 14;
/** What has not ended is drawn anew after steps of these, as long as it takes to grow by a hundredth. */
const GROWTH_STEPS_MS = [5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 3_600_000];

const STEPS = ["queued", "assigned", "running"] as const;
type Step = (typeof STEPS)[number];
const STEP_WORD: Readonly<Record<Step, string>> = {
  queued: "waits",
  assigned: "is assigned",
  running: "runs",
};

const instantField = (what: string) =>
  z.number().nullable().describe(`${what}, Unix milliseconds; null where it never was`);

const attempt = z.object({
  attempt: z.number().describe("Which attempt, from 1"),
  status: z.enum(TASK_STATUSES).describe("How far it came, or how it ended"),
  worker_id: z.string().nullable().describe("The worker that had it; null where none is known"),
  queued_at_ms: instantField("When it was queued"),
  assigned_at_ms: instantField("When it was given to the worker"),
  started_at_ms: instantField("When it started"),
  ended_at_ms: instantField("When it ended"),
  error: z.string().nullable().describe("What went wrong, as it was reported; null where nothing was"),
  steps: z
    .array(
      z.object({
        step: z.enum(STEPS).describe("What the task did"),
        from_ms: z.number().describe("When it began, Unix milliseconds"),
        to_ms: z.number().nullable().describe("When it was over, Unix milliseconds; null while it lasts"),
      }),
    )
    .describe("Queued, assigned, running, one after the other"),
});

const data = z.object({
  at_ms,
  from_ms: z
    .number()
    .nullable()
    .describe("The first instant that is known of it, Unix milliseconds; null for none"),
  to_ms: z.number().nullable().describe("When it ended, Unix milliseconds; null while it has not"),
  attempts: z.array(attempt).describe("Every attempt that is kept, oldest first"),
});

type Data = z.output<typeof data>;
type Lived = z.output<typeof attempt>;

export const taskTimeline = definePanel({
  id: "task-timeline",
  title: "Time line",
  description:
    "The life of one task: when each attempt of it was queued, assigned, started and ended, and where.",
  api: "/api/metrics/tasks/:task_id/timeline",
  params: TASK_ID,
  example: { task_id: "t-17" },
  data,
  load: (read, { task_id }) => load(read, taskNamed(read, task_id)),
  view,
  note: ({ attempts }) => counted(attempts.length, "attempt"),
  table,
});

function load(read: Read, task: Task): Data {
  const kept = task.attempts();
  const attempts = kept.map((one, index) => lived(one, firstOf(kept[index + 1])));
  const known = kept.flatMap((one) => firstOf(one) ?? []);
  return {
    at_ms: read.now_ms,
    from_ms: known.length === 0 ? null : Math.min(...known),
    to_ms: task.ended_at_ms,
    attempts,
  };
}

/** The first instant that is known of an attempt. */
function firstOf(one: Attempt | undefined): number | null {
  if (!one) return null;
  return one.queued_at_ms ?? one.assigned_at_ms ?? one.started_at_ms ?? one.ended_at_ms;
}

/** @param next_ms when the attempt after it began: by then this one was over, whoever said so */
function lived(one: Attempt, next_ms: number | null): Lived {
  const { queued_at_ms, assigned_at_ms, started_at_ms, ended_at_ms } = one;
  const end_ms = ended_at_ms ?? next_ms;
  const began = { queued: queued_at_ms, assigned: assigned_at_ms, running: started_at_ms };
  const known = STEPS.flatMap((step) => (began[step] === null ? [] : [{ step, from_ms: began[step] }]));
  const steps = known.map(({ step, from_ms }, index) => ({
    step,
    from_ms,
    to_ms: known[index + 1]?.from_ms ?? end_ms,
  }));
  const { attempt, status, worker_id, error } = one;
  return {
    attempt,
    status,
    worker_id,
    queued_at_ms,
    assigned_at_ms,
    started_at_ms,
    ended_at_ms,
    error,
    steps,
  };
}

function view(data: Data) {
  if (data.from_ms === null) return <p class="quiet">No instant of it was reported</p>;
  return (
    <>
      <Part id="tl-drawing">
        <Drawing data={data} from_ms={data.from_ms} />
      </Part>
      <Part id="tl-table" class="scroll" tabindex={0} role="region" aria-label="Attempts">
        <AttemptTable attempts={data.attempts} />
      </Part>
    </>
  );
}

interface Axis {
  readonly from_ms: number;
  readonly to_ms: number;
}

function Drawing({ data, from_ms }: { data: Data; from_ms: number }) {
  const open = data.to_ms === null;
  const axis = { from_ms, to_ms: data.to_ms ?? stepped(from_ms, data.at_ms) };
  return (
    <>
      <p class="legend" aria-hidden="true">
        {STEPS.map((step) => (
          <span>
            <svg class={`swatch life ${step}`} viewBox="0 0 8 8" width="8" height="8" aria-hidden="true">
              <rect width="8" height="8" rx="2" />
            </svg>
            {step}
          </span>
        ))}
      </p>
      <ol class="lives">
        {data.attempts.map((one) => (
          <li>
            <span class="name">attempt {count(one.attempt)}</span>
            <Life lived={one} axis={axis} />
            <Mark tone={TASK_TONE[one.status]} />
          </li>
        ))}
        <li class="axis" aria-hidden="true">
          <span class="name"></span>
          <span class="ends">
            <Time at_ms={from_ms} />
            <span>{open ? "" : seconds((axis.to_ms - from_ms) / 1000)}</span>
            {open ? <span>now</span> : <Time at_ms={axis.to_ms} />}
          </span>
        </li>
      </ol>
    </>
  );
}

/** The end of the axis of what goes on: it moves in steps, so that nothing is sent each second. */
function stepped(from_ms: number, now_ms: number): number {
  const lasted_ms = now_ms - from_ms;
  const step_ms = GROWTH_STEPS_MS.findLast((step) => step <= lasted_ms / 100) ?? GROWTH_STEPS_MS[0]!;
  return from_ms + Math.ceil((lasted_ms + 1) / step_ms) * step_ms;
}

/** One attempt on the common axis; what lasts reaches its end and is left open there. */
function Life({ lived: { steps, ...one }, axis }: { lived: Lived; axis: Axis }): Markup {
  const length_ms = Math.max(1, axis.to_ms - axis.from_ms);
  const place = (time_ms: number) => Math.round(((time_ms - axis.from_ms) / length_ms) * WIDTH * 10) / 10;
  const bars = steps
    .map(({ step, from_ms, to_ms }) => {
      const x = place(from_ms);
      const width = Math.max(2, place(to_ms ?? axis.to_ms) - x);
      return `<rect class="${step}" x="${x}" y="0" width="${width}" height="${HEIGHT}"/>`;
    })
    .join("");
  const label = inWords({ steps, ...one }).replace(/[&<>"]/g, "");
  return raw(
    `<svg class="life" viewBox="0 0 ${WIDTH} ${HEIGHT}" height="${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}">${bars}</svg>`,
  );
}

function inWords({ attempt, status, steps }: Lived): string {
  const parts = steps.map(({ step, from_ms, to_ms }) =>
    to_ms === null ? `${STEP_WORD[step]} still` : `${STEP_WORD[step]} ${lasted(from_ms, to_ms)}`,
  );
  return `Attempt ${count(attempt)}: ${[...parts, status].join(", ")}`;
}

/** Clocks of two senders may disagree; a duration is never negative. */
function lasted(from_ms: number, to_ms: number): string {
  return seconds(Math.max(0, to_ms - from_ms) / 1000);
}

function AttemptTable({ attempts }: Pick<Data, "attempts">) {
  return (
    <table class="attempts">
      <thead>
        <tr>
          <th scope="col">Attempt</th>
          <th scope="col" class="text">
            Worker
          </th>
          <th scope="col">Queued</th>
          <th scope="col">Assigned</th>
          <th scope="col">Started</th>
          <th scope="col">Ended</th>
          <th scope="col">How</th>
        </tr>
      </thead>
      <tbody>
        {attempts.map((one) => (
          <>
            <tr>
              <th scope="row" data-label="Attempt">
                {count(one.attempt)}
              </th>
              <td class="text" data-label="Worker">
                {one.worker_id === null ? NONE : <WorkerLink id={one.worker_id} />}
              </td>
              <Moment name="Queued" at_ms={one.queued_at_ms} full />
              <Moment name="Assigned" at_ms={one.assigned_at_ms} lasted={stepOf(one, "queued")} />
              <Moment
                name="Started"
                at_ms={one.started_at_ms}
                lasted={one.assigned_at_ms === null ? stepOf(one, "queued") : stepOf(one, "assigned")}
              />
              <Moment name="Ended" at_ms={one.ended_at_ms} lasted={stepOf(one, "running")} />
              <td data-label="How">{one.status}</td>
            </tr>
            {one.error === null ? null : (
              <tr>
                <td colspan={7} class="why">
                  <Name>{shorten(one.error, ERROR_LENGTH)}</Name>
                </td>
              </tr>
            )}
          </>
        ))}
      </tbody>
    </table>
  );
}

function WorkerLink({ id }: { id: string }) {
  return (
    <a href={workerHref(id)}>
      <Name>{shorten(id, NAME_LENGTH)}</Name>
    </a>
  );
}

type Lasting = Lived["steps"][number];

function stepOf(one: Lived, step: Step): Lasting | undefined {
  return one.steps.find((other) => other.step === step);
}

interface MomentProps {
  name: string;
  at_ms: number | null;
  /** The step before it. */
  lasted?: Lasting | undefined;
  /** With its date. */
  full?: boolean;
}

/** An instant, and how long the step before it took; or, while that lasts, since when. */
function Moment({ name, at_ms, lasted: step, full = false }: MomentProps) {
  if (at_ms === null)
    return (
      <td data-label={name}>
        {step !== undefined && step.to_ms === null ? <Ago since_ms={step.from_ms} lasting /> : NONE}
      </td>
    );
  return (
    <td data-label={name}>
      <Time at_ms={at_ms} full={full} />
      {step === undefined ? null : <small> {clean(`after ${lasted(step.from_ms, at_ms)}`)}</small>}
    </td>
  );
}

function table(data: Data): Table {
  const columns = [
    "attempt",
    "status",
    "worker_id",
    "queued_at_ms",
    "assigned_at_ms",
    "started_at_ms",
    "ended_at_ms",
    "error",
  ] as const;
  return { columns, rows: data.attempts.map((one) => columns.map((column) => one[column])) };
}
