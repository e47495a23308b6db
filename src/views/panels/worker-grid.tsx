import { raw } from "hono/html";
import { z } from "zod";
import { findMetric } from "../../metrics/catalogue.ts";
import { clean, clock, count, counted, measure, shorten } from "../../metrics/format.ts";
import { WORKER_STATES, WORKER_STATUSES, type Worker, type WorkerState } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { Ago, Bars, EmptyState, joined, Legend, Mark, more, Name, WORKER_TONE } from "../components.tsx";
import { filterWords } from "../filters.ts";
import { byNaturalOrder, shortLabels } from "../identity.ts";
import { LABEL_LENGTH } from "../labels.ts";
import { cutHref, workerHref } from "../links.ts";
import { definePanel, type Table } from "../panel.ts";
import { Part, partMarkup } from "../part.tsx";
import { at_ms, countField, metricFields, metricNames, noParams } from "../schema.ts";
import { isHeard } from "../subject.ts";

/** Up to this many workers a card each, then a cell each, then a square of the heat map each. */
const CARDS_LIMIT = 24;
const CELLS_LIMIT = 120;
/** Up to this many, cards are wide enough for more words. */
const WIDE_CARDS_LIMIT = 15;
/** The squares' sizes, each up to so many workers; beyond the last they are smaller still. */
const SQUARES_SIZES = [
  { limit: 240, size: "squares large" },
  { limit: 600, size: "squares" },
];
/** Squares drawn at most, the worst first; the JSON has every worker. */
const SQUARES_LIMIT = 2000;
/** Characters of a label that a card or a cell of many has room for. */
const CARD_NAME_LENGTH = 8;
const CELL_NAME_LENGTH = 6;
/** Ids may have 256 characters; a description carries this many. */
const NAME_LENGTH = 64;
/** Steps of load that the heat map tells apart. */
const HEAT_STEPS = 5;

/** What is told of each worker, wherever workers are told of. */
export const WORKER = z.object({
  ...metricFields("worker"),
  status: z.enum(WORKER_STATUSES).describe("What the worker says of itself"),
  state: z.enum(WORKER_STATES).describe("What it is shown as: its presence, its status, its pressure"),
  presence: z
    .enum(["fresh", "stale", "lost"])
    .describe(
      "How recently it was heard of; unless fresh, what it reports (load too) is as of its last report",
    ),
  type: z.string().nullable().describe("Its kind, such as gpu; null where not reported"),
  hostname: z.string().nullable().describe("The machine it runs on; null where not reported"),
  tags: z.array(z.string()).describe("What it is tagged with"),
  source: z.string().describe("Who reports it"),
  load: z
    .number()
    .nullable()
    .describe("0.3 CPU + 0.3 memory + 0.2 GPU + 0.1 disk I/O + 0.1 network over those reported; percent"),
  running_tasks: z.number().describe("Tasks known to run on it, count"),
  queued_tasks: z.number().describe("Tasks assigned to it and not started, count"),
  orphaned_tasks: z.number().describe("Tasks left behind on it, count"),
  last_report_ms: z.number().describe("When it was last heard of, Unix milliseconds"),
  overload: z
    .object({
      metric: z.string().describe("The resource, a metric of the catalogue"),
      value: z.number().describe("Its value, percent"),
      threshold: z.number().describe("What it is beyond, percent"),
      since_ms: z.number().describe("Since when, Unix milliseconds"),
    })
    .nullable()
    .describe("The resource beyond its overload threshold; null where none is"),
});

const data = z.object({
  at_ms,
  workers: z.record(z.string(), WORKER).describe("Every worker known, by its id"),
  types: z
    .array(
      z.object({
        type: z.string().nullable().describe("Type of worker; null where not reported"),
        workers: countField("Workers of it"),
        states: z
          .partialRecord(z.enum(WORKER_STATES), z.number())
          .describe("How many of them are in each state, without those that none is in"),
      }),
    )
    .describe("How many workers of each type there are, by state"),
  filtered: z.boolean().describe("True where only a part of the workers is shown"),
  which: z.string().describe("Which part, after the word worker; empty where it is all of them"),
  ingest: z
    .object({
      url: z.string().describe("Where reports are sent"),
      token_needed: z.boolean().describe("Whether a sender must show the ingest token"),
    })
    .describe("How a worker gets here"),
});

type Data = z.output<typeof data>;
type Shown = z.output<typeof WORKER>;

type Entry = readonly [id: string, worker: Shown];

export const workerGrid = definePanel({
  id: "worker-grid",
  title: "Workers",
  description: "Every worker by state, worst first: its load, its tasks, and when it was last heard of.",
  api: "/api/metrics/workers",
  params: noParams,
  data,
  filters: true,
  past: true,
  load: (read) => dataOf(read, read.workers()),
  glance: (read) =>
    dataOf(
      read,
      drawn(read.workers(), ({ type }) => type),
    ),
  view,
  note,
  table,
});

function dataOf(read: Read, told: readonly Worker[]): Data {
  // An id may be "__proto__": without a prototype it is a key like any other.
  const workers: Record<string, Shown> = Object.create(null);
  for (const known of told) workers[known.id] = shownWorker(known);
  const { url, token_needed } = read.self;
  return {
    at_ms: read.now_ms,
    filtered: filterWords(read) !== "",
    which: filterWords(read),
    workers,
    types: typesOf(read.workers()),
    ingest: { url: `${url}api/ingest`, token_needed },
  };
}

function typesOf(all: readonly Worker[]): Data["types"] {
  const types = new Map<string | null, { workers: number; states: Partial<Record<WorkerState, number>> }>();
  for (const { type, state } of all) {
    const known = types.get(type) ?? { workers: 0, states: {} };
    types.set(type, known);
    known.workers += 1;
    known.states[state] = (known.states[state] ?? 0) + 1;
  }
  return [...types]
    .map(([type, known]) => ({ type, ...known }))
    .sort((a, b) => byNaturalOrder(a.type ?? "", b.type ?? ""));
}

/** Those that are drawn: of a large fleet the worst of each type, as its share of all workers is. */
function drawn<T>(worst_first: readonly T[], typeOf: (one: T) => string | null): readonly T[] {
  if (worst_first.length <= SQUARES_LIMIT) return worst_first;
  const room = new Map<string | null, number>();
  for (const one of worst_first) room.set(typeOf(one), (room.get(typeOf(one)) ?? 0) + 1);
  for (const [type, size] of room)
    room.set(type, Math.max(1, Math.floor((SQUARES_LIMIT * size) / worst_first.length)));
  return worst_first
    .filter((one) => {
      const left = room.get(typeOf(one))!;
      room.set(typeOf(one), left - 1);
      return left > 0;
    })
    .slice(0, SQUARES_LIMIT);
}

/** A fleet of ten thousand is shown each second: a copy of what has every field already grows by none. */
export function shownWorker(known: Worker): Shown {
  const it: Shown = {
    ...UNKNOWN,
    status: known.status,
    state: known.state,
    presence: known.presence,
    type: known.type,
    hostname: known.hostname,
    tags: [...known.tags],
    source: known.source,
    load: known.load,
    running_tasks: known.running_tasks,
    queued_tasks: known.queued_tasks,
    orphaned_tasks: known.orphaned_tasks,
    last_report_ms: known.last_report_ms,
    overload: known.overload === null ? null : { ...known.overload },
  };
  const metrics = it as unknown as Record<string, number | null>;
  for (const name of REPORTED) {
    const value = known.metrics.get(name);
    if (value !== undefined) metrics[name] = value;
  }
  return it;
}

/** Metrics of a worker that are no field of their own. */
const REPORTED = metricNames("worker").filter(
  (name) => !["load", "running_tasks", "queued_tasks"].includes(name),
);

/** A worker of which no metric is known, in the order of its fields. */
const UNKNOWN = Object.fromEntries(
  [...Object.keys(WORKER.shape).filter((name) => !REPORTED.includes(name)), ...REPORTED].map((name) => [
    name,
    null,
  ]),
) as unknown as Shown;

/** A metric of the catalogue, or null where it is not known. */
export function metricOf(it: Shown, name: string): number | null {
  return (it as unknown as Record<string, number | null>)[name] ?? null;
}

const STATE_RANK = new Map<WorkerState, number>(WORKER_STATES.map((state, index) => [state, index]));

/** Worst first by state, then by id: an order that no load of the second disturbs. */
function inOrder(data: Data): Entry[] {
  return Object.entries(data.workers).sort(
    ([a, one], [b, other]) =>
      (STATE_RANK.get(one.state) ?? 0) - (STATE_RANK.get(other.state) ?? 0) || byNaturalOrder(a, b),
  );
}

function view(data: Data) {
  const entries = inOrder(data);
  if (entries.length === 0) return <NoWorkers data={data} />;
  if (entries.length <= CARDS_LIMIT) return <Cards entries={entries} />;
  if (entries.length <= CELLS_LIMIT) return <Cells entries={entries} />;
  return <HeatMap entries={drawn(entries, ([, { type }]) => type)} types={data.types} />;
}

function note(data: Data) {
  const entries = Object.keys(data.workers).length;
  if (entries === 0) return data.filtered ? `none ${data.which}` : "none yet";
  if (entries > CELLS_LIMIT) return "by state, the worst first, within each type";
  return (
    <>
      by state, the worst first, then by name ·{" "}
      <Legend
        entries={[
          { series: 1, name: "CPU" },
          { series: 3, name: "GPU" },
        ]}
      />
    </>
  );
}

/** Works as it stands, but for the token, which nobody is shown. */
function firstReport({ url, token_needed }: Data["ingest"]): string {
  const token = token_needed ? " -H 'Authorization: Bearer TOKEN'" : "";
  const report = `{"interval_s":60,"workers":[{"id":"worker-01","metrics":{"cpu_utilization":42}}]}`;
  return `curl ${url} -H content-type:application/json${token} -d '${report}'`;
}

function NoWorkers({ data: { ingest, filtered, which } }: { data: Data }) {
  if (filtered) {
    return (
      <EmptyState title={`No worker ${which}`}>
        <p>
          Take a filter away above, or <a href="./?all">clear all filters</a>.
        </p>
      </EmptyState>
    );
  }
  return (
    <EmptyState title="No worker has reported yet">
      <p>Send one report, and the worker appears here within a second:</p>
      <pre tabindex={0}>
        <code>{firstReport(ingest)}</code>
      </pre>
    </EmptyState>
  );
}

/** Everything about a worker in one line, for a pointer that rests on it and for a screen reader. */
function inWords(id: string, it: Shown): string {
  return described(id, it, known(it, ["cpu", "gpu", "memory", "network"]));
}

/** What a cell shows, in one line; by the steps that its bars move in. */
function cellInWords(id: string, it: Shown): string {
  const bars = known({ ...it, ...coarseBars(it) }, ["cpu", "gpu"]);
  return described(id, it, bars === "" ? "" : `about ${bars}`);
}

/** Pressure is worse than what a worker does on purpose, but does not hide it. */
export function stateInWords({ state, status }: Pick<Shown, "state" | "status">): string {
  return state === "overloaded" && status === "draining" ? "overloaded while draining" : state;
}

function known(it: Shown, resources: readonly (keyof typeof LABEL)[]): string {
  return resources
    .flatMap((resource) => {
      const value = metricOf(it, `${resource}_utilization`);
      return value === null ? [] : [`${LABEL[resource]} ${measure(value, "percent")}`];
    })
    .join(", ");
}

/**
 * A cell's bar is some twenty pixels long: it moves in steps of this many percent, so that a hundred workers'
 * noise is not sent each second.
 */
const CELL_STEP = 10;

function coarseBars(it: Shown): Record<"cpu_utilization" | "gpu_utilization", number | null> {
  const coarse = (name: string) => {
    const value = metricOf(it, name);
    return value === null ? null : Math.round(value / CELL_STEP) * CELL_STEP;
  };
  return { cpu_utilization: coarse("cpu_utilization"), gpu_utilization: coarse("gpu_utilization") };
}

function described(id: string, it: Shown, use: string): string {
  const overload = it.overload;
  return joined([
    `${clean(shorten(id, NAME_LENGTH))}: ${stateInWords(it)}`,
    it.type === null ? null : clean(shorten(it.type, NAME_LENGTH)),
    overload === null
      ? null
      : `${labelOf(overload.metric)} beyond ${measure(overload.threshold, "percent")} since ${clock(overload.since_ms)}`,
    isHeard(it) ? use : `last report ${clock(it.last_report_ms)}`,
    `${count(it.running_tasks)} running, ${count(it.queued_tasks)} assigned`,
    it.orphaned_tasks === 0 ? null : `${count(it.orphaned_tasks)} orphaned`,
  ]);
}

const LABEL = { cpu: "CPU", gpu: "GPU", memory: "memory", network: "network" } as const;

function labelOf(metric: string): string {
  return clean(findMetric("worker", metric)?.label ?? metric);
}

function isPlain(it: Shown): boolean {
  return it.state === "active";
}

function WorkerBars({ it }: { it: Shown }) {
  const heard = isHeard(it);
  return (
    <Bars
      values={[
        [1, heard ? metricOf(it, "cpu_utilization") : null],
        [3, heard ? metricOf(it, "gpu_utilization") : null],
      ]}
    />
  );
}

// A place in the grid keeps its element, and what is shown there changes: when a worker turns stale and comes
// first, no element moves, so nothing on the page shifts.

function Cards({ entries }: { entries: readonly Entry[] }) {
  const wide = entries.length <= WIDE_CARDS_LIMIT;
  const labels = shortLabels(
    entries.map(([id]) => id),
    wide ? LABEL_LENGTH : CARD_NAME_LENGTH,
  );
  return (
    <ul class={wide ? "workers cards wide" : "workers cards"}>
      {entries.map(([id, it], index) => {
        const words = inWords(id, it);
        const type = <Name>{shorten(it.type ?? "no type", NAME_LENGTH)}</Name>;
        return (
          <Part as="li" id={`wg-${index}`} class={`w ${it.state}`} title={words}>
            <p class="n">
              <b>
                <Name>{labels[index] ?? id}</Name>
              </b>
              {isPlain(it) ? null : <Mark tone={WORKER_TONE[it.state]} />}
              <span>{wide ? taskWord(it) : type}</span>
            </p>
            <p class="d">
              <span>{wide ? type : taskWord(it)}</span>
              <span>{isHeard(it) ? cardDetail(it) : <Ago since_ms={it.last_report_ms} short={!wide} />}</span>
            </p>
            <WorkerBars it={it} />
            <a href={workerHref(id)}>
              <span class="vh">{words}</span>
            </a>
          </Part>
        );
      })}
    </ul>
  );
}

/** A state that says more than a number of tasks would. */
function taskWord(it: Shown): string {
  return it.state === "active" || it.state === "overloaded" ? counted(it.running_tasks, "task") : it.state;
}

/** What matters most about this worker now. */
function cardDetail(it: Shown): string {
  if (it.overload !== null) return `${labelOf(it.overload.metric)} ${measure(it.overload.value, "percent")}`;
  if (it.state === "draining") return counted(it.running_tasks, "task");
  const health = metricOf(it, "health");
  if (health !== null) return `health ${measure(health, "score")}`;
  return `load ${measure(it.load, "percent")}`;
}

/** Why a cell is tinted, in the room of a few letters. */
function cause({ metric, value }: NonNullable<Shown["overload"]>): string {
  return `${metric.slice(0, 3)} ${Math.round(value)}`;
}

function Cells({ entries }: { entries: readonly Entry[] }) {
  const labels = shortLabels(
    entries.map(([id]) => id),
    CELL_NAME_LENGTH,
  );
  return (
    <ul class="workers cells">
      {placed(
        "wg",
        "w",
        entries,
        ({ state }) => state,
        (id, it, index) => cellMarkup(id, it, labels[index] ?? id),
      )}
    </ul>
  );
}

/** A list's items, each a part of its own, of markup that is there already. */
function placed(
  prefix: string,
  kind: string,
  entries: readonly Entry[],
  classOf: (it: Shown) => string,
  markupOf: (id: string, it: Shown, index: number) => string,
): unknown {
  const items = entries.map(([id, it], index) => {
    const place = `${prefix}-${index}`;
    const item = `<li id="${place}" class="${kind} ${classOf(it)}">${markupOf(id, it, index)}</li>`;
    return partMarkup(place, item);
  });
  return raw(items.join(""));
}

function cellMarkup(id: string, it: Shown, label: string): string {
  const words = cellInWords(id, it);
  const shows = `${words} ${isHeard(it) ? it.overload && cause(it.overload) : it.last_report_ms}`;
  return remembered(`${label}\0${id}`, shows, () => <Cell id={id} it={it} label={label} words={words} />);
}

/** What is in cells and squares: from tick to tick, and under fifty filters, most of it is the same. */
const memory = new Map<string, { readonly shows: string; readonly markup: string }>();
const MAX_REMEMBERED = 5000;

/** @param shows all that the markup depends on beside the key */
function remembered(key: string, shows: string, make: () => unknown): string {
  const known = memory.get(key);
  if (known?.shows === shows) return known.markup;
  if (memory.size >= MAX_REMEMBERED) memory.clear();
  const markup = String(make());
  memory.set(key, { shows, markup });
  return markup;
}

/** @param words all that it shows, but for why it is overloaded, and since when nothing was heard of it */
function Cell({ id, it, label, words }: { id: string; it: Shown; label: string; words: string }) {
  return (
    <>
      <p class="n" aria-hidden="true">
        <b>
          <Name>{label}</Name>
        </b>
      </p>
      <p class="d" aria-hidden="true">
        {isPlain(it) ? null : <Mark tone={WORKER_TONE[it.state]} />}
        {isHeard(it) ? (
          <>
            {isPlain(it) ? <WorkerBars it={{ ...it, ...coarseBars(it) }} /> : null}
            <span>{it.overload === null ? count(it.running_tasks) : cause(it.overload)}</span>
          </>
        ) : (
          <Ago since_ms={it.last_report_ms} short />
        )}
      </p>
      <Cover id={id} words={words} />
    </>
  );
}

/** A link over all of a cell or square: its title is what it is called, and what a pointer that rests on it sees. */
function Cover({ id, words, aside = false }: { id: string; words: string; aside?: boolean }) {
  // biome-ignore lint/a11y/useAnchorContent: its title names it; the words twice would double a tick's bytes
  return <a href={workerHref(id)} title={words} tabindex={aside ? -1 : undefined}></a>;
}

// Two thousand squares are a picture, too small and too many to be reached one by one: who does not point at them
// has the same workers by name in the list that each type's name leads to.

function squareMarkup(id: string, words: string): string {
  return remembered(id, words, () => <Cover id={id} words={words} aside />);
}

interface Group {
  readonly type: string;
  /** The list of all of them. */
  readonly href: string;
  readonly entries: readonly Entry[];
  /** Those of them that are not drawn, too. */
  readonly size: number;
  readonly states: Data["types"][number]["states"];
}

function HeatMap({ entries, types }: { entries: readonly Entry[]; types: Data["types"] }) {
  const groups = byType(entries, types);
  const all = types.reduce((sum, { workers }) => sum + workers, 0);
  const known = groups.reduce((sum, { size }) => sum + size, 0);
  const { size } = SQUARES_SIZES.find(({ limit }) => all <= limit) ?? { size: "squares fine" };
  return (
    <>
      <HeatLegend />
      {groups.map((group, place) => (
        <div class="group">
          <Part as="h3" id={`wg-h-${place}`}>
            <a href={group.href} title="The list of them">
              <Name>{shorten(group.type, NAME_LENGTH)}</Name>
            </a>{" "}
            <small>{groupInWords(group)}</small>
          </Part>
          <ul class={size} aria-hidden="true">
            {placed(`wg-${place}`, "q", group.entries, squareClass, (id, it) =>
              squareMarkup(id, squareInWords(id, it)),
            )}
          </ul>
        </div>
      ))}
      {all > known ? <p class="more">{more(all - known, "more workers, of other types")}</p> : null}
    </>
  );
}

function byType(shown: readonly Entry[], types: Data["types"]): Group[] {
  const groups = new Map<string | null, Entry[]>();
  for (const entry of shown) {
    const { type } = entry[1];
    const group = groups.get(type);
    if (group === undefined) groups.set(type, [entry]);
    else group.push(entry);
  }
  return types.flatMap(({ type, workers: size, states }) => {
    const entries = groups.get(type);
    if (entries === undefined) return [];
    const href = type === null ? "workers" : cutHref("worker_type", type);
    return { type: typeWord(type), href, entries, size, states };
  });
}

/** "600 · 2 overloaded, 1 lost": of all of them, also where only the worst are drawn. */
function groupInWords({ size, states, entries }: Group): string {
  const troubles = HEAT_STATES.flatMap((state) =>
    states[state] === undefined ? [] : [`${count(states[state])} ${state}`],
  );
  const part = entries.length < size ? `the worst ${count(entries.length)} of them drawn` : "";
  return joined([count(size), troubles.join(", "), part]);
}

function typeWord(type: string | null): string {
  return type ?? "type not reported";
}

/** 0 to 4; a square changes only when its load crosses a step, which keeps a tick of a large fleet small. */
function heatStep(load: number): number {
  return Math.max(0, Math.min(HEAT_STEPS - 1, Math.floor((load / 100) * HEAT_STEPS)));
}

function squareClass(it: Shown): string {
  if (it.state !== "active") return it.state;
  return it.load === null ? "unknown" : `l${heatStep(it.load)}`;
}

function squareInWords(id: string, it: Shown): string {
  const name = clean(shorten(id, NAME_LENGTH));
  if (!isHeard(it)) return `${name}: ${it.state}, last report ${clock(it.last_report_ms)}`;
  if (it.load === null) return `${name}: ${it.state}, load not known`;
  const step = 100 / HEAT_STEPS;
  const from = heatStep(it.load) * step;
  return `${name}: ${it.state}, load ${from} to ${from + step} %`;
}

const HEAT_STATES = ["overloaded", "lost", "stale", "draining", "offline"] as const;

function HeatLegend() {
  return (
    <p class="legend heat-legend">
      <span>
        load 0{" "}
        {Array.from({ length: HEAT_STEPS }, (_, step) => (
          <i class={`q step l${step}`} />
        ))}{" "}
        100 %
      </span>
      {HEAT_STATES.map((state) => (
        <span>
          <i class={`q ${state}`} />
          {state}
        </span>
      ))}
      <span>a type's name leads to the list of its workers</span>
    </p>
  );
}

const COLUMNS = [
  "status",
  "state",
  "presence",
  "type",
  "hostname",
  "source",
  "load",
  "cpu_utilization",
  "gpu_utilization",
  "memory_utilization",
  "network_utilization",
  "io_utilization",
  "health",
  "running_tasks",
  "queued_tasks",
  "orphaned_tasks",
  "completed_tasks",
  "failed_tasks",
  "last_report_ms",
] as const;

function table(data: Data): Table {
  return {
    columns: ["worker_id", ...COLUMNS],
    rows: inOrder(data).map(([id, it]) => {
      const values = it as unknown as Record<string, string | number | null>;
      return [id, ...COLUMNS.map((column) => values[column] ?? null)];
    }),
  };
}
