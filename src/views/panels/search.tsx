import { z } from "zod";
import { clean, count, counted, shorten } from "../../metrics/format.ts";
import type { Read } from "../../metrics/read.ts";
import { STANDING_WORDS, standingOf } from "../alert-data.ts";
import { EmptyState, joined, Name } from "../components.tsx";
import { byNaturalOrder } from "../identity.ts";
import { alertHref, cutHref, taskHref, workerHref } from "../links.ts";
import { SameLook } from "../list-view.tsx";
import { definePanel, type Page, type Panel } from "../panel.ts";
import { at_ms, MAX_NAME_LENGTH } from "../schema.ts";
import { inOrder } from "../select.ts";
import { PAGE_LOOK } from "../window.ts";

/** Hits of each kind that are told. */
const HITS_LIMIT = 20;
const NAME_LENGTH = 64;

const params = z.object({
  q: z
    .string()
    .trim()
    .min(1)
    .max(MAX_NAME_LENGTH)
    .optional()
    .describe(
      "What is looked for, in any case: a worker by its id, host or tag, a task by its id, an alert that is pending or fires by its id or title, a model, a family, a type or a page by its name",
    )
    .meta({ example: "W1" }),
  ...PAGE_LOOK.shape,
});
type Params = z.output<typeof params>;

const group = z.object({
  kind: z
    .enum(["page", "alert", "worker", "task", "model", "model_family", "task_type"])
    .describe("What kind of things these are"),
  total: z.number().describe("How many match, count"),
  list: z
    .string()
    .nullable()
    .describe("The page that lists all of them, relative to the base; null where none does"),
  hits: z
    .array(
      z.object({
        name: z.string().describe("Its id or name"),
        href: z.string().describe("Its page, relative to the base"),
        note: z.string().describe("What else tells it from others; may be empty"),
      }),
    )
    .describe(
      `The best matches, at most ${HITS_LIMIT}: those that are it, then those that begin so, then those that have it in them`,
    ),
});
type Group = z.output<typeof group>;
type Kind = Group["kind"];
type Hit = Group["hits"][number];

const data = z.object({
  at_ms,
  q: z.string().nullable().describe("What was looked for; null where nothing was"),
  groups: z.array(group).describe("What matches, by its kind; kinds of which nothing matches are left out"),
});
type Data = z.output<typeof data>;

const ONE: Readonly<Record<Kind, string>> = {
  page: "page",
  alert: "alert",
  worker: "worker",
  task: "task",
  model: "model",
  model_family: "model family",
  task_type: "task type",
};
const MANY: Readonly<Record<Kind, string>> = {
  page: "Pages",
  alert: "Alerts",
  worker: "Workers",
  task: "Tasks",
  model: "Models",
  model_family: "Model families",
  task_type: "Task types",
};

/** @param pages those that can be found, asked for when somebody searches */
export function searchPanel(pages: () => readonly Page[]): Panel {
  return definePanel({
    id: "search",
    title: "Search",
    description:
      "Workers, tasks, alerts, models, model families, task types and pages by their names, best match first.",
    api: "/api/search",
    params,
    data,
    live: false,
    load: (read, { q }) => ({
      at_ms: read.now_ms,
      q: q ?? null,
      groups: q === undefined ? [] : groupsOf(read, q, pages()).filter(({ total }) => total > 0),
    }),
    view,
    table: ({ groups }) => ({
      columns: ["kind", "name", "href", "note"],
      rows: groups.flatMap(({ kind, hits }) => hits.map(({ name, href, note }) => [kind, name, href, note])),
    }),
  });
}

/** The one page that a search is about: of what has exactly this id, where only one thing has; relative to the base. */
export function pageOfId(read: Read, { q }: { readonly q?: unknown }): string | undefined {
  if (typeof q !== "string") return undefined;
  const found = [
    read.worker(q) ? workerHref(q) : null,
    read.task(q) ? taskHref(q) : null,
    ...(["task_type", "model_family"] as const).map((cut) => (read.cut(cut, q) ? cutHref(cut, q) : null)),
  ].filter((href) => href !== null);
  return found.length === 1 ? found[0] : undefined;
}

function groupsOf(read: Read, q: string, pages: readonly Page[]): Group[] {
  const text = q.toLowerCase();
  const filter = `q=${encodeURIComponent(q)}`;
  const workers = new Matches(text);
  for (const { id, hostname, tags } of read.workers()) workers.add(id, [hostname, ...tags]);
  const tasks = new Matches(text);
  const models = new Map<string, number>();
  let held = false;
  for (const { id, model_id } of read.tasks()) {
    held ||= id === q;
    tasks.add(id);
    if (model_id !== null) models.set(model_id, (models.get(model_id) ?? 0) + 1);
  }
  // One that ended long ago is known by its whole id alone.
  if (!held && read.task(q)) tasks.add(q);
  const alerts = new Matches(text);
  const alert_by_id = new Map(read.allAlerts().map((alert) => [alert.id, alert]));
  for (const [id, { title }] of alert_by_id) alerts.add(id, [title]);
  return [
    pageGroup(pages, text),
    alerts.group("alert", `alerts?${filter}`, (id) => {
      const alert = alert_by_id.get(id)!;
      const note = joined([alert.severity, STANDING_WORDS[standingOf(alert)]]);
      return { name: alert.title, href: alertHref(id), note };
    }),
    workers.group("worker", `workers?${filter}`, (id) => {
      const { state, type, hostname } = read.worker(id)!;
      return { name: id, href: workerHref(id), note: joined([state, type, hostname]) };
    }),
    tasks.group("task", `tasks?${filter}`, (id) => {
      const { state, type, model_id } = read.task(id)!;
      return { name: id, href: taskHref(id), note: joined([state, type, model_id]) };
    }),
    matching(models.keys(), text).group("model", null, (name) => ({
      name,
      href: `tasks?q=${encodeURIComponent(name)}`,
      note: counted(models.get(name)!, "task"),
    })),
    ...(["model_family", "task_type"] as const).map((cut) =>
      matching(read.cutNames(cut), text).group(cut, null, (name) => ({
        name,
        href: cutHref(cut, name),
        note: "",
      })),
    ),
  ];
}

/** A page matches by its title, or by those of its panels. */
function pageGroup(pages: readonly Page[], text: string): Group {
  const fixed = pages.filter(({ subject, path }) => subject === undefined && path !== "/search");
  const found = new Matches(text);
  for (const { title, panels } of fixed)
    found.add(
      title,
      panels.map((panel) => panel.title),
    );
  return found.group("page", null, (name) => {
    const { path, panels } = fixed.find(({ title }) => title === name)!;
    const href = path === "/" ? "./" : path.slice(1);
    return { name, href, note: panels.map(({ title }) => title).join(", ") };
  });
}

function matching(names: Iterable<string>, text: string): Matches {
  const found = new Matches(text);
  for (const name of names) found.add(name);
  return found;
}

/** Names that match, and how well. */
class Matches {
  readonly #text: string;
  readonly #names: string[] = [];
  readonly #ranks: number[] = [];

  /** @param text in small letters */
  constructor(text: string) {
    this.#text = text;
  }

  /** @param others what it is found by too, though not as well */
  add(name: string, others: readonly (string | null)[] = []): void {
    let rank = this.#rank(name);
    if (rank === NO_MATCH && others.some((other) => other?.toLowerCase().includes(this.#text))) rank = OTHERS;
    if (rank === NO_MATCH) return;
    this.#names.push(name);
    this.#ranks.push(rank);
  }

  /** 0 for the name itself, 1 where it begins so, 2 where it has it in it. */
  #rank(name: string): number {
    const small = name.toLowerCase();
    if (!small.includes(this.#text)) return NO_MATCH;
    if (small === this.#text) return 0;
    return small.startsWith(this.#text) ? 1 : 2;
  }

  group(kind: Kind, list: string | null, hitOf: (name: string) => Hit): Group {
    const [names, ranks] = [this.#names, this.#ranks];
    const best = inOrder(
      names.map((_, place) => place),
      0,
      HITS_LIMIT,
      (a, b) => ranks[a]! - ranks[b]! || byNaturalOrder(names[a]!, names[b]!) || a - b,
    );
    return { kind, total: names.length, list, hits: best.map((place) => hitOf(names[place]!)) };
  }
}

const OTHERS = 3;
const NO_MATCH = 4;

function view({ q, groups }: Data, given: Params) {
  return (
    <>
      <form class="controls" method="get" action="search">
        <label>
          Look for{" "}
          <input
            type="search"
            name="q"
            value={clean(q ?? "")}
            size={36}
            placeholder="id, host, tag, model, page"
          />
        </label>
        <SameLook params={given} />
        <button type="submit">Search</button>
      </form>
      {q === null ? (
        <p class="quiet">
          A worker is found by its id, host or tag, a task by its id, a model, a model family, a task type or
          a page by its name. Whatever has exactly this id is shown at once. <a href="keys">Keys</a> make it
          quicker.
        </p>
      ) : null}
      {q !== null && groups.length === 0 ? (
        <EmptyState title="Nothing matches">
          <p>Tasks that ended long ago are found by their whole id alone; try fewer letters for all else.</p>
        </EmptyState>
      ) : null}
      <div class="found">
        {groups.map(({ kind, total, list, hits }) => (
          <section aria-labelledby={`found-${kind}`}>
            <h3 id={`found-${kind}`}>
              {MANY[kind]} <small>{counted(total, ONE[kind], MANY[kind].toLowerCase())}</small>
            </h3>
            <ul class="hits">
              {hits.map(({ name, href, note }) => (
                <li>
                  <a href={href}>
                    <Name>{shorten(name, NAME_LENGTH)}</Name>
                  </a>{" "}
                  <small>
                    <Name>{shorten(note, NAME_LENGTH)}</Name>
                  </small>
                </li>
              ))}
            </ul>
            {total > hits.length ? (
              <p class="more">
                {list === null ? (
                  `and ${count(total - hits.length)} more`
                ) : (
                  <a href={list}>all {count(total)}</a>
                )}
              </p>
            ) : null}
          </section>
        ))}
      </div>
    </>
  );
}
