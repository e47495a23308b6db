import { z } from "zod";
import { findMetric, type Unit } from "../../metrics/catalogue.ts";
import { clean, count, measure, NONE, quantity, seconds, shorten } from "../../metrics/format.ts";
import { MODALITIES, TASK_STATES, type Task } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { Ago, Figure, Mark, Name, Time } from "../components.tsx";
import { cutHref, workerHref } from "../links.ts";
import { definePanel, type Markup, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms } from "../schema.ts";
import { TASK_ID, taskNamed } from "../task-schema.ts";
import { requirementWords, TASK_TONE } from "../task-words.ts";

const NAME_LENGTH = 64;
/** Metrics of a task that are shown; the JSON has them all. */
const METRICS_LIMIT = 12;

const instantField = (what: string) =>
  z.number().nullable().describe(`${what}, Unix milliseconds; null while it has not`);
const nameField = (what: string) => z.string().nullable().describe(`${what}; null where not reported`);
const lastingField = (what: string) =>
  z.number().nullable().describe(`${what}, seconds, so far where it still lasts; null where it is not known`);

const data = z.object({
  at_ms,
  task_id: z.string().describe("Its id"),
  state: z
    .enum(TASK_STATES)
    .describe("Its state: as reported, or orphaned where nobody speaks of it any more"),
  type: nameField("Its type"),
  model_family: nameField("The family of its model"),
  model_id: nameField("Its model"),
  modality: z.enum(MODALITIES).nullable().describe("Its modality; null where not known"),
  priority: z.number().nullable().describe("1 is the most urgent; null where not reported"),
  worker_id: nameField("The worker that has or had it"),
  attempt: z.number().describe("Which attempt this is, from 1"),
  queued_at_ms: instantField("When this attempt was queued"),
  assigned_at_ms: instantField("When it was given to the worker"),
  started_at_ms: instantField("When it started"),
  ended_at_ms: instantField("When it ended"),
  queue_time_s: lastingField("From queued to started"),
  processing_time_s: lastingField("From started to ended"),
  total_time_s: lastingField("From when its first attempt was queued to the end"),
  usual_processing_s: z
    .number()
    .nullable()
    .describe("95 % of its model's tasks are processed within this, seconds; null where too few were"),
  progress: z.number().nullable().describe("How far it is, percent; null where not reported"),
  error: z.string().nullable().describe("What went wrong, as it was reported; null where nothing was"),
  requirements: z
    .object({
      backends: z.array(z.string()).describe("Backends that its worker must have"),
      tags: z.array(z.string()).describe("Tags that its worker must have"),
      memory_bytes: z.number().nullable().describe("Memory that its worker must have, bytes; null for any"),
      gpu_memory_bytes: z
        .number()
        .nullable()
        .describe("Memory that a GPU of its worker must have, bytes; null for any"),
    })
    .describe("What a worker must have to run it"),
  metrics: z
    .record(z.string(), z.number())
    .describe("What was last reported of it, such as memory_bytes or gpu_utilization (percent), by name"),
  task: z
    .object({
      task_id: z.string().describe("Its id"),
      status: z.enum(TASK_STATES).describe("Its state"),
      metrics: z.record(z.string(), z.number()).describe("What was last reported of it, by name"),
    })
    .describe("The same in short, as clients of a coordinator read it"),
});

type Data = z.output<typeof data>;

export const task = definePanel({
  id: "task",
  title: "Task",
  description:
    "One task: its state, what it is, who has it, how long it takes and took, and what went wrong.",
  api: "/api/metrics/tasks/:task_id",
  also: ["/api/tasks/:task_id"],
  params: TASK_ID,
  example: { task_id: "t-17" },
  data,
  load: (read, { task_id }) => load(read, taskNamed(read, task_id)),
  view,
  note: ({ attempt }) => (attempt === 1 ? "" : `attempt ${count(attempt)}`),
  table,
});

function load(read: Read, known: Task): Data {
  const { queued_at_ms, assigned_at_ms, started_at_ms, ended_at_ms, requirements } = known;
  const now_ms = ended_at_ms ?? read.now_ms;
  const first_ms = known.attempts().find((one) => one.queued_at_ms !== null)?.queued_at_ms ?? null;
  // An id of a metric may be "__proto__": without a prototype it is a key like any other.
  const metrics: Record<string, number> = Object.assign(
    Object.create(null),
    Object.fromEntries(known.metrics),
  );
  return {
    at_ms: read.now_ms,
    task_id: known.id,
    state: known.state,
    type: known.type,
    model_family: known.model_family,
    model_id: known.model_id,
    modality: known.modality,
    priority: known.priority,
    worker_id: known.worker_id,
    attempt: known.attempt,
    queued_at_ms,
    assigned_at_ms,
    started_at_ms,
    ended_at_ms,
    queue_time_s: between(queued_at_ms, started_at_ms ?? now_ms),
    processing_time_s: between(started_at_ms, now_ms),
    total_time_s: between(first_ms, now_ms),
    usual_processing_s: read.usual(known.model_id),
    progress: known.progress,
    error: known.error,
    requirements: {
      backends: [...(requirements?.backends ?? [])],
      tags: [...(requirements?.tags ?? [])],
      memory_bytes: requirements?.memory_bytes ?? null,
      gpu_memory_bytes: requirements?.gpu_memory_bytes ?? null,
    },
    metrics,
    task: { task_id: known.id, status: known.state, metrics },
  };
}

/** Clocks of two senders may disagree; a duration is never negative. */
function between(from_ms: number | null, to_ms: number): number | null {
  return from_ms === null ? null : Math.max(0, to_ms - from_ms) / 1000;
}

function view(data: Data) {
  return (
    <>
      <Part id="t-state" class="state">
        <p class="v">
          <Mark tone={TASK_TONE[data.state]} /> {data.state}
        </p>
        <p class="sub">{since(data)}</p>
      </Part>
      <Part id="t-progress" class="progress">
        {data.progress === null ? null : <Progress percent={data.progress} />}
      </Part>
      <Part as="dl" id="t-what" class="task-pairs">
        <Pair name="Worker">
          <Linked name={data.worker_id} href={workerHref} none="none yet" />
        </Pair>
        <Pair name="Type">
          <Linked name={data.type} href={(type) => cutHref("task_type", type)} />
        </Pair>
        <Pair name="Model">
          {data.model_id === null ? <Unknown /> : <Name>{shorten(data.model_id, NAME_LENGTH)}</Name>}
        </Pair>
        <Pair name="Model family">
          <Linked name={data.model_family} href={(family) => cutHref("model_family", family)} />
        </Pair>
        <Pair name="Modality">{data.modality ?? <Unknown />}</Pair>
        <Pair name="Priority">{data.priority === null ? <Unknown /> : count(data.priority)}</Pair>
        <Pair name="Requires">
          <Requires requirements={data.requirements} />
        </Pair>
      </Part>
      <Part as="dl" id="t-times" class="task-pairs">
        <Times data={data} />
      </Part>
      <Part as="dl" id="t-metrics" class="task-pairs">
        {Object.entries(data.metrics)
          .slice(0, METRICS_LIMIT)
          .map(([name, value]) => (
            <Pair name={findMetric("task", name)?.label ?? shorten(name, NAME_LENGTH)}>
              {measure(value, findMetric("task", name)?.unit ?? ("count" satisfies Unit))}
            </Pair>
          ))}
      </Part>
      {data.error === null ? null : (
        <>
          <h3>Error</h3>
          <pre class="message" tabindex={0}>
            {clean(data.error)}
          </pre>
        </>
      )}
    </>
  );
}

/** The instant that the state began. */
function since(data: Data): Markup | string {
  const { state, queued_at_ms, assigned_at_ms, started_at_ms, ended_at_ms } = data;
  const begun_ms = { queued: queued_at_ms, assigned: assigned_at_ms, running: started_at_ms }[
    state as string
  ];
  if (ended_at_ms !== null)
    return (
      <>
        at <Time at_ms={ended_at_ms} full />
      </>
    );
  if (state === "orphaned") return "its worker is lost, or nobody mentions it any more";
  return begun_ms === null || begun_ms === undefined ? "" : <Ago since_ms={begun_ms} lasting />;
}

function Progress({ percent }: { percent: number }) {
  const width = Math.round(Math.min(100, Math.max(0, percent)));
  return (
    <>
      <svg class="stack" viewBox="0 0 100 10" height="8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="s1" width={width} height="10" />
      </svg>
      <span>{measure(percent, "percent")} done</span>
    </>
  );
}

function Pair({ name, children }: { name: string; children?: unknown }) {
  return (
    <div>
      <dt>{clean(name)}</dt>
      <dd>{children as string}</dd>
    </div>
  );
}

function Unknown() {
  return <Figure value={quantity(null, "count")} />;
}

interface LinkedProps {
  name: string | null;
  href: (name: string) => string;
  none?: string;
}

function Linked({ name, href, none }: LinkedProps) {
  if (name === null) return none === undefined ? <Unknown /> : <span class="quiet">{none}</span>;
  return (
    <a href={href(name)}>
      <Name>{shorten(name, NAME_LENGTH)}</Name>
    </a>
  );
}

function Requires({ requirements }: Pick<Data, "requirements">) {
  const { backends, tags, memory_bytes, gpu_memory_bytes } = requirements;
  const words = [
    ...backends.map((wanted) => requirementWords({ kind: "backend", wanted })),
    ...tags.map((wanted) => requirementWords({ kind: "tag", wanted })),
    ...(memory_bytes === null ? [] : [requirementWords({ kind: "memory_bytes", wanted: memory_bytes })]),
    ...(gpu_memory_bytes === null
      ? []
      : [requirementWords({ kind: "gpu_memory_bytes", wanted: gpu_memory_bytes })]),
  ];
  if (words.length === 0) return <span class="quiet">nothing</span>;
  return (
    <>
      {words.map((one, index) => (
        <>
          {index === 0 ? "" : ", "}
          <bdi>{one}</bdi>
        </>
      ))}
    </>
  );
}

/** What lasts is counted by the page's script; what is over stands. */
function Times({ data }: { data: Data }) {
  const { queued_at_ms, started_at_ms, ended_at_ms, usual_processing_s } = data;
  const over = ended_at_ms !== null;
  const unusual = usual_processing_s !== null && (data.processing_time_s ?? 0) > usual_processing_s;
  return (
    <>
      <Pair name="Queue time">
        {started_at_ms === null && !over && queued_at_ms !== null ? (
          <Ago since_ms={queued_at_ms} />
        ) : (
          seconds(data.queue_time_s)
        )}
      </Pair>
      <Pair name="Processing time">
        {started_at_ms !== null && !over ? <Ago since_ms={started_at_ms} /> : seconds(data.processing_time_s)}
        {unusual ? (
          <>
            {" "}
            <Mark tone="warning" /> longer than usual
          </>
        ) : null}
      </Pair>
      <Pair name="Usual for its model">
        {usual_processing_s === null ? (
          <span class="quiet">too few to tell</span>
        ) : (
          `up to ${seconds(usual_processing_s)}`
        )}
      </Pair>
      <Pair name="Total time">{over ? seconds(data.total_time_s) : <TotalSoFar data={data} />}</Pair>
    </>
  );
}

/** Counted from when the first attempt was queued. */
function TotalSoFar({ data: { at_ms, total_time_s } }: { data: Data }) {
  if (total_time_s === null) return <>{NONE}</>;
  return <Ago since_ms={Math.round(at_ms - total_time_s * 1000)} />;
}

function table(data: Data): Table {
  const { at_ms: _, task: _task, requirements, metrics, ...fields } = data;
  const lists = {
    ...requirements,
    backends: requirements.backends.join(" "),
    tags: requirements.tags.join(" "),
  };
  const rows = Object.entries({ ...fields, ...lists, ...metrics });
  return { columns: ["field", "value"], rows };
}
