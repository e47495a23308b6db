import type { Child } from "hono/jsx";
import { z } from "zod";
import { CUTS, type Cut } from "../metrics/catalogue.ts";
import { clean, count, counted, quantity, shorten } from "../metrics/format.ts";
import type { Filters, Read } from "../metrics/read.ts";
import { Bars, Figure, Name, Time } from "./components.tsx";
import { FILTER_LABEL } from "./filters.ts";
import { type Column, columnOf, type Listed, type ListParams } from "./list.ts";
import type { Markup } from "./panel.ts";
import { Part } from "./part.tsx";
import { PAGE_LOOK } from "./window.ts";

const NAME_LENGTH = 64;
const LIMITS = [25, 50, 100, 200, 500];

const choice = (what: string) => z.array(z.string()).describe(`${what} that there are`);

/** What the form's lists offer. */
export const CHOICES = z
  .object({
    worker_type: choice("Worker types"),
    task_type: choice("Task types"),
    model_family: choice("Model families"),
  })
  .describe("What the list can be narrowed to");

export function choicesOf(read: Read): z.output<typeof CHOICES> {
  // A name with what no view may carry can't be a form's value; text finds it.
  const names = (cut: Cut) => read.cutNames(cut).filter((name) => clean(name) === name);
  return {
    worker_type: names("worker_type"),
    task_type: names("task_type"),
    model_family: names("model_family"),
  };
}

export type ShownParams = ListParams &
  Filters & {
    readonly status?: readonly string[] | undefined;
    readonly tag?: string | undefined;
    readonly worker?: string | undefined;
    readonly ended?: string | undefined;
    readonly before?: number | undefined;
  };

/** What the parts of a list's view share. */
export interface Shown {
  /** Of its page, and of its data, relative to the base. */
  readonly path: string;
  readonly api: string;
  /** Leads the ids of its elements. */
  readonly prefix: string;
  // biome-ignore lint/suspicious/noExplicitAny: the view reads no item
  readonly columns: readonly Column<any>[];
  readonly states: readonly string[];
  readonly params: ShownParams;
  readonly data: Omit<Listed<unknown>, "rows" | "ended"> & { ended?: SearchFacts | null };
}

/** How far a search through ended tasks came. */
interface SearchFacts {
  readonly count: number;
  readonly from_ms: number | null;
  readonly searched_from_ms: number | null;
}

type Changes = Partial<Record<keyof ShownParams, string | number | undefined>>;

/** The parameters as a query, some of them changed; what is as usual is left out. */
function queryOf({ columns, params }: Shown, changes: Changes): string {
  const usual: Changes = { page: 1, limit: 50, sort: columns[0]!.name };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...params, as_of: undefined, ...changes })) {
    if (value === undefined || value === usual[name as keyof Changes]) continue;
    query.set(name, Array.isArray(value) ? value.join(",") : String(value));
  }
  return query.toString().replaceAll("%2C", ",");
}

function address(path: string, query: string): string {
  return query === "" ? path : `${path}?${query}`;
}

function hrefOf(shown: Shown, changes: Changes): string {
  return address(shown.path, queryOf(shown, changes));
}

/** "1–50 of 1 234", or "of at least" so many where a search was bounded. */
function rangeOf({ page, limit, total, ended }: Shown["data"]): string {
  if (total === 0) return "No";
  const bounded = typeof ended?.searched_from_ms === "number";
  const of = `of ${bounded ? "at least " : ""}${count(total)}`;
  return `${count((page - 1) * limit + 1)}–${count(Math.min(page * limit, total))} ${of}`;
}

/** How far back ended tasks may be listed. */
const ENDED_SPANS = ["15m", "1h", "24h", "7d"];

/** Narrows and sorts the list in any browser. It is left alone while the list changes: somebody may be typing. */
function ListForm({ shown, choices }: { shown: Shown; choices: z.output<typeof CHOICES> }) {
  const { params, states, columns, path } = shown;
  const skip = { "hx-morph-skip": "" };
  return (
    <form class="controls list-form" method="get" action={path} {...skip}>
      <label>
        Text <input name="q" value={clean(params.q ?? "")} placeholder="id, host, tag, model" size={18} />
      </label>
      {CUTS.map((cut) => (
        <label>
          {FILTER_LABEL[cut]}
          <select name={cut}>
            <option value="">every</option>
            {withChosen(choices[cut], params[cut]).map((name) => (
              <option value={name} selected={name === params[cut]}>
                {clean(shorten(name, NAME_LENGTH))}
              </option>
            ))}
          </select>
        </label>
      ))}
      <label>
        Tag <input name="tag" value={clean(params.tag ?? "")} size={10} />
      </label>
      {path === "tasks" ? (
        <label>
          Worker <input name="worker" value={clean(params.worker ?? "")} placeholder="its id" size={12} />
        </label>
      ) : null}
      {path === "tasks" ? <EndedField shown={shown} /> : null}
      <fieldset>
        <legend class="vh">State</legend>
        {states.map((state) => (
          <label>
            <input type="checkbox" name="status" value={state} checked={params.status?.includes(state)} />
            {state}
          </label>
        ))}
      </fieldset>
      <label>
        Sort by
        <select name="sort">
          {columns
            .flatMap((column) => directionsOf(column, params.sort))
            .map(([value, words]) => (
              <option value={value} selected={value === params.sort}>
                {words}
              </option>
            ))}
        </select>
      </label>
      <label>
        Rows
        <select name="limit">
          {(LIMITS.includes(params.limit) ? LIMITS : [params.limit, ...LIMITS]).map((limit) => (
            <option value={String(limit)} selected={limit === params.limit}>
              {limit}
            </option>
          ))}
        </select>
      </label>
      <SameLook params={params} />
      <button type="submit">Show</button>
    </form>
  );
}

/** How long ago what is listed may have ended. */
function EndedField({ shown: { params, data } }: { shown: Shown }) {
  const chosen = params.ended;
  return (
    <label>
      Ended
      <select name="ended">
        <option value="">{data.ended && chosen === undefined ? "as long as kept" : "lately"}</option>
        {withChosen(ENDED_SPANS, chosen).map((span) => (
          <option value={span} selected={span === chosen}>
            within {span}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Fields of a form that keep how the page looks. */
export function SameLook({ params }: { params: z.output<typeof PAGE_LOOK> }) {
  return (
    <>
      {LOOK_NAMES.map((name) =>
        params[name] === undefined ? null : <input type="hidden" name={name} value={params[name]} />,
      )}
    </>
  );
}

const LOOK_NAMES = Object.keys(PAGE_LOOK.shape) as readonly (keyof z.output<typeof PAGE_LOOK>)[];

/** The parts that there are, and the one that is asked for even while it is not there. */
function withChosen(names: readonly string[], chosen: string | undefined): readonly string[] {
  return chosen === undefined || names.includes(chosen) ? names : [chosen, ...names];
}

/** The direction that a column's head sorts in first, and the other one where it holds. */
function directionsOf(column: Column<never>, sort: string): [value: string, words: string][] {
  const { name, label, first, words } = column;
  const values = first === "descending" ? [`-${name}`, name] : [name, `-${name}`];
  return values
    .filter((value, index) => index === 0 || value === sort)
    .map((value) => {
      // A choice is narrow: what decides among equals is said beside the list.
      const [first] = words[value.startsWith("-") ? "descending" : "ascending"].split(", ");
      return [value, `${label}, ${first}`];
    });
}

/** What a list is sorted by, in words. */
export function sortWords(columns: Shown["columns"], sort: string): string {
  const { column, descending } = columnOf(columns, sort);
  return `by ${column.label}, ${column.words[descending ? "descending" : "ascending"]}`;
}

/** The heads of the columns: each sorts by its column, and then the other way round. */
export function Heads({ shown }: { shown: Shown }) {
  const { column: by, descending } = columnOf(shown.columns, shown.params.sort);
  return (
    <thead>
      <tr>
        {shown.columns.map((column) => {
          const { name, label, first, words } = column;
          const holds = column === by;
          const next = holds ? (descending ? "ascending" : "descending") : first;
          const sort = next === "descending" ? `-${name}` : name;
          return (
            <th
              scope="col"
              class={`c-${name}`}
              aria-sort={holds ? (descending ? "descending" : "ascending") : undefined}
            >
              <a href={hrefOf(shown, { sort, page: 1 })} title={`Sort: ${words[next]}`}>
                {label}
                {holds ? <span aria-hidden="true">{descending ? " ▾" : " ▴"}</span> : null}
              </a>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

/** Which part of the list this is, where the others are, and of when the order is. */
export function Pager({ shown, noun }: { shown: Shown; noun: string }) {
  const { data, prefix, params, api } = shown;
  const { page, pages, total } = data;
  const whole = (format: string) =>
    address(api, [queryOf(shown, { page: 1, limit: 50 }), `format=${format}`].filter(Boolean).join("&"));
  const step = (to: number, label: string, rel?: string) =>
    to < 1 || to > pages || to === page ? (
      <span>{label}</span>
    ) : (
      <a href={hrefOf(shown, { page: to })} rel={rel}>
        {label}
      </a>
    );
  return (
    <div class="pager">
      <b>
        {rangeOf(data)} {total === 1 ? noun : `${noun}s`}
      </b>
      {pages === 1 ? null : (
        <nav aria-label="Pages of the list">
          {step(1, "First")}
          {step(page - 1, "Previous", "prev")}
          {step(page + 1, "Next", "next")}
          {step(pages, "Last")}
        </nav>
      )}
      <Part as="span" id={`${prefix}-order`} class={data.changed ? "order changed" : "order"}>
        {data.changed ? "The order has changed since " : "In the order of "}
        <Time at_ms={data.sorted_ms} />: <a href={hrefOf(shown, { page: params.page })}>sort again</a>
        {data.left === 0
          ? null
          : ` · ${counted(data.left, "row")} no longer match${data.left === 1 ? "es" : ""}`}
      </Part>
      {data.ended ? <Searched shown={shown} ended={data.ended} /> : null}
      <span class="whole">
        Whole list{data.ended ? ", what ended by its end" : ""}: <a href={whole("csv")}>CSV</a>,{" "}
        <a href={whole("ndjson")}>NDJSON</a> · this page: <a href={address(api, queryOf(shown, {}))}>JSON</a>
      </span>
    </div>
  );
}

/** What of all ended tasks is listed, and the way to those before. */
function Searched({ shown, ended }: { shown: Shown; ended: SearchFacts }) {
  const { count: found, from_ms, searched_from_ms } = ended;
  const { before } = shown.params;
  const until = before === undefined ? null : <>, before {<Time at_ms={before} full />}</>;
  if (searched_from_ms === null) {
    const since = from_ms === null ? " that is kept" : <> since {<Time at_ms={from_ms} full />}</>;
    return (
      <span class="searched">
        {counted(found, "ended task")}: all{since}
        {until}
      </span>
    );
  }
  return (
    <span class="searched">
      {found === 0 ? "No ended task" : <>The newest {counted(found, "ended task")}</>}, back to{" "}
      <Time at_ms={searched_from_ms} full />
      {until}: <a href={hrefOf(shown, { before: searched_from_ms, page: 1 })}>look further back</a>
    </span>
  );
}

/** The class of a row: its state's, and of one that is only kept in its place. */
export function rowClass(state: string | null, fits: boolean): string {
  return `${state ?? "unknown"}${fits ? "" : " unfit"}`;
}

/** Says of a row why it still stands under a filter that it does not pass. */
export function NoLonger({ fits }: { fits: boolean }) {
  return fits ? null : <span class="vh"> (no longer matches the filter)</span>;
}

/** One field of a row; `data-label` names it where rows stand one below the other. */
export function Cell({ name, label, children }: { name: string; label: string; children?: Child }) {
  return (
    <td class={`c-${name}`} data-label={label}>
      {children}
    </td>
  );
}

/** A name from outside in a cell. */
export function TextCell({ name, label, value }: { name: string; label: string; value: string | null }) {
  return (
    <td
      class={`c-${name}`}
      data-label={label}
      title={value === null ? undefined : clean(shorten(value, NAME_LENGTH))}
    >
      {value === null ? <Unknown /> : <Name>{shorten(value, NAME_LENGTH)}</Name>}
    </td>
  );
}

/** A dash that says so in words. */
export function Unknown() {
  return <Figure value={quantity(null, "count")} />;
}

/** A share of a hundred as a figure and a bar. */
export function Share({ value }: { value: number | null }) {
  return (
    <span class="share">
      <span>
        <Figure value={quantity(value, "percent")} />
      </span>
      <Bars values={[[1, value]]} />
    </span>
  );
}

interface ListViewProps {
  shown: Shown;
  choices: z.output<typeof CHOICES>;
  noun: "worker" | "task";
  /** What stands in place of rows where there are none. */
  none: Markup;
  /** A row of the table each. */
  children: readonly Markup[];
}

/** A list as its page shows it: the form that narrows it, where in it one is, and its rows. */
export function ListView({ shown, choices, noun, none, children }: ListViewProps) {
  return (
    <>
      <ListForm shown={shown} choices={choices} />
      <Pager shown={shown} noun={noun} />
      {children.length === 0 ? (
        none
      ) : (
        <table class={`list ${noun}s-list`}>
          <Heads shown={shown} />
          <tbody>{children}</tbody>
        </table>
      )}
    </>
  );
}
