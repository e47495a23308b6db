import { z } from "zod";
import { clean, count, counted, NONE, shorten } from "../../metrics/format.ts";
import type { Task } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import type { Waiting } from "../../metrics/scores.ts";
import { Ago, Mark, more, Name, Swatch } from "../components.tsx";
import { UNCOUNTED, uncounted } from "../filters.ts";
import { byNaturalOrder } from "../identity.ts";
import { cutHref, taskHref } from "../links.ts";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, countField, noParams } from "../schema.ts";
import { NO_TYPE, seriesByType } from "../series.ts";
import { WAITING, waitingData } from "../task-schema.ts";
import { isStuck, waitingWords } from "../task-words.ts";

/** Rows that are shown; the JSON has every group. */
const ROWS = 12;
/** Rows come by so many, so that a group more or less seldom changes the panel's height. */
const ROWS_STEP = 4;
const NAME_LENGTH = 40;

/** What only a person can end comes first. */
const REASONS: readonly Waiting["reason"][] = ["no_worker", "lacking", "busy", "behind", "next"];

const group = z.object({
  priority: z.number().nullable().describe("1 is the most urgent; null where not reported"),
  type: z.string().nullable().describe("Task type; null where not reported"),
  model_family: z.string().nullable().describe("Model family of the oldest; null where not reported"),
  model_id: z.string().nullable().describe("Model; null where not reported"),
  waiting: countField("Tasks of it that wait"),
  oldest_id: z.string().describe("The one that has waited longest"),
  oldest_at_ms: z
    .number()
    .nullable()
    .describe("When that was queued, Unix milliseconds; null where not known"),
  why: WAITING.nullable().describe(
    "Why it waits: of its tasks that for which the least can be done; null where it is not known any more",
  ),
  why_tasks: countField("Tasks of it that wait for that reason"),
});

const data = z.object({
  at_ms,
  uncounted: UNCOUNTED,
  waiting: z.number().nullable().describe("Queued tasks, count; null where not counted"),
  stuck: z
    .number()
    .nullable()
    .describe("Tasks that no available worker could run, count; null where not counted"),
  types: z.array(z.string()).describe("Task types of the fleet: their order is that of their colours"),
  groups: z
    .array(group)
    .describe(
      "Queued tasks by priority, type and model: those that no worker could run first, then the most urgent",
    ),
});

type Data = z.output<typeof data>;
type Group = z.output<typeof group>;

export const waiting = definePanel({
  id: "waiting",
  title: "Queued tasks",
  description: "What is queued, since when, and why: by priority, task type and model.",
  api: "/api/metrics/tasks/waiting",
  params: noParams,
  data,
  filters: true,
  past: true,
  load,
  view,
  note: ({ waiting, stuck }) => {
    if (waiting === null) return "not counted";
    const all = counted(waiting, "task");
    return stuck ? `${all}, ${count(stuck)} that no worker could run` : all;
  },
  table,
});

function load(read: Read): Data {
  const groups = new Groups();
  let stuck = 0;
  for (const task of read.tasks()) {
    if (task.state !== "queued") continue;
    const why = read.waiting(task);
    if (why !== null && isStuck(why)) stuck += 1;
    groups.add(task, why);
  }
  const all = groups.all.sort(worstFirst);
  const why = uncounted(read);
  return {
    at_ms: read.now_ms,
    uncounted: why,
    waiting: why.queued === null ? all.reduce((sum, one) => sum + one.waiting, 0) : null,
    stuck: why.queued === null ? stuck : null,
    types: [...read.cutNames("task_type")],
    groups: all,
  };
}

type Text = string | null;

/** By priority, type and model, each level a map of its own: of a hundred thousand tasks none gets a key that is put together. */
class Groups {
  readonly all: Group[] = [];
  readonly #places = new Map<number | null, Map<Text, Map<Text, Group>>>();

  add(task: Task, why: Waiting | null): void {
    const { priority, type, model_id } = task;
    const types = this.#places.get(priority) ?? new Map<Text, Map<Text, Group>>();
    const models = types.get(type) ?? new Map<Text, Group>();
    const known = models.get(model_id);
    if (known) {
      join(known, task, why);
      return;
    }
    const group = groupOf(task, why);
    this.all.push(group);
    this.#places.set(priority, types.set(type, models.set(model_id, group)));
  }
}

function groupOf(task: Task, why: Waiting | null): Group {
  const { priority, type, model_family, model_id, id, queued_at_ms } = task;
  return {
    priority,
    type,
    model_family,
    model_id,
    waiting: 1,
    oldest_id: id,
    oldest_at_ms: queued_at_ms,
    why: waitingData(why),
    why_tasks: 1,
  };
}

function join(group: Group, task: Task, why: Waiting | null): void {
  group.waiting += 1;
  if ((task.queued_at_ms ?? Infinity) < (group.oldest_at_ms ?? Infinity)) {
    group.oldest_id = task.id;
    group.oldest_at_ms = task.queued_at_ms;
    group.model_family = task.model_family;
  }
  const order = rank(why) - rank(group.why);
  if (order === 0) group.why_tasks += 1;
  if (order >= 0) return;
  group.why = waitingData(why);
  group.why_tasks = 1;
}

function rank(why: Waiting | null): number {
  return why === null ? REASONS.length : REASONS.indexOf(why.reason);
}

function worstFirst(a: Group, b: Group): number {
  const stuck = (one: Group) => (one.why !== null && isStuck(one.why) ? 0 : 1);
  return (
    stuck(a) - stuck(b) ||
    (a.priority ?? Infinity) - (b.priority ?? Infinity) ||
    byNaturalOrder(a.type ?? "", b.type ?? "") ||
    byNaturalOrder(a.model_id ?? "", b.model_id ?? "")
  );
}

function view(data: Data) {
  const places = seriesByType([...data.types, ...data.groups.map(({ type }) => type ?? NO_TYPE)]);
  const hidden = data.groups.length - ROWS;
  const steps = Math.max(1, Math.ceil(data.groups.length / ROWS_STEP));
  const length = Math.min(ROWS, steps * ROWS_STEP);
  return (
    <>
      <section class="scroll" tabindex={0} aria-label="Queued tasks">
        <table class="waiting">
          <thead>
            <tr>
              <th scope="col">Type</th>
              <th scope="col">Priority</th>
              <th scope="col" class="text">
                Model
              </th>
              <th scope="col">Queued</th>
              <th scope="col">Oldest</th>
              <th scope="col" class="text">
                Why
              </th>
            </tr>
          </thead>
          <tbody>
            {Array.from({ length }, (_, slot) => {
              const one = data.groups[slot];
              return (
                <Part as="tr" id={`wa-${slot}`}>
                  {one === undefined ? (
                    <NoRow words={slot === 0 ? (data.uncounted.queued ?? "Nothing waits") : ""} />
                  ) : (
                    <Row group={one} series={places.get(one.type ?? NO_TYPE) ?? 5} />
                  )}
                </Part>
              );
            })}
          </tbody>
        </table>
      </section>
      <Part as="p" id="wa-more" class="more">
        {more(hidden, hidden === 1 ? "more group" : "more groups")}
      </Part>
    </>
  );
}

function NoRow({ words }: { words: string }) {
  return (
    <td colspan={6} class="quiet">
      {words}
    </td>
  );
}

function Row({ group, series }: { group: Group; series: Parameters<typeof Swatch>[0]["series"] }) {
  const { type, priority, model_id, model_family, why, why_tasks } = group;
  return (
    <>
      <th scope="row">
        <Swatch series={series} />
        {type === null ? NO_TYPE : <Linked href={cutHref("task_type", type)} name={type} />}
      </th>
      <td data-label="Priority">{priority === null ? NONE : count(priority)}</td>
      <td class="text" data-label="Model">
        {model_id === null ? (
          NONE
        ) : model_family === null ? (
          <Name>{shorten(model_id, NAME_LENGTH)}</Name>
        ) : (
          <Linked href={cutHref("model_family", model_family)} name={model_id} />
        )}
      </td>
      <td data-label="Queued">{count(group.waiting)}</td>
      <td data-label="Oldest">
        <a href={taskHref(group.oldest_id)} title={clean(shorten(group.oldest_id, NAME_LENGTH))}>
          {group.oldest_at_ms === null ? (
            <Name>{shorten(group.oldest_id, NAME_LENGTH)}</Name>
          ) : (
            <Ago since_ms={group.oldest_at_ms} />
          )}
        </a>
      </td>
      <td class="text" data-label="Why">
        {why === null ? (
          <span class="quiet">not known of the past</span>
        ) : (
          <>
            {isStuck(why) ? (
              <>
                <Mark tone="critical" />{" "}
              </>
            ) : null}
            <bdi>{waitingWords(why)}</bdi>
            {why_tasks < group.waiting ? ` (${count(why_tasks)} of them)` : ""}
          </>
        )}
      </td>
    </>
  );
}

function Linked({ href, name }: { href: string; name: string }) {
  return (
    <a href={href}>
      <Name>{shorten(name, NAME_LENGTH)}</Name>
    </a>
  );
}

function table(data: Data): Table {
  return {
    columns: ["priority", "type", "model_id", "waiting", "oldest_id", "oldest_at_ms", "reason", "why"],
    rows: data.groups.map((one) => [
      one.priority,
      one.type,
      one.model_id,
      one.waiting,
      one.oldest_id,
      one.oldest_at_ms,
      one.why?.reason ?? null,
      one.why === null ? null : waitingWords(one.why),
    ]),
  };
}
