import { z } from "zod";
import { clean, count, measure, quantity, shorten } from "../../metrics/format.ts";
import { WORKER_STATES, type Worker } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { Ago, EmptyState, Figure, Mark, Name, WORKER_TONE } from "../components.tsx";
import { type Drift, driftIn, versionOf } from "../drift.ts";
import { FILTERS, filterWords, isFiltered } from "../filters.ts";
import { domId } from "../identity.ts";
import { workerHref } from "../links.ts";
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
  sortWords,
  TextCell,
  Unknown,
} from "../list-view.tsx";
import { definePanel } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms } from "../schema.ts";
import { isHeard } from "../subject.ts";

const NAME_LENGTH = 64;
const VERSION_LENGTH = 16;

const metric = (name: string, label: string, of: string) =>
  figureColumn<Worker>(name, label, "ascending", ({ metrics }) => metrics.get(of) ?? null);
/** Of a silent worker it is not known: what it last reported is shown, and not ranked among what is so now. */
const reported = (name: string, label: string, of: string) =>
  figureColumn<Worker>(name, label, "descending", (worker) =>
    isHeard(worker) ? (worker.metrics.get(of) ?? null) : null,
  );

const BY_STATE = stateColumn(WORKER_STATES, ({ state }: Worker) => state);

const COLUMNS: readonly Column<Worker>[] = [
  {
    ...BY_STATE,
    words: {
      ascending: "worst first, then the least healthy, then the most loaded",
      descending: "best first, then the healthiest, then the least loaded",
    },
    key: (worker, now_ms) => {
      const health = worker.metrics.get("health") ?? null;
      const load = isHeard(worker) ? worker.load : null;
      return (
        (Number(BY_STATE.key(worker, now_ms)) * STEPS + rankOf(health)) * STEPS +
        rankOf(load === null ? null : 100 - load)
      );
    },
  },
  textColumn("id", "Worker", ({ id }) => id),
  textColumn("type", "Type", ({ type }) => type),
  textColumn("host", "Host", ({ hostname }) => hostname),
  figureColumn("load", "Load", "descending", (worker) => (isHeard(worker) ? worker.load : null)),
  reported("cpu", "CPU", "cpu_utilization"),
  reported("gpu", "GPU", "gpu_utilization"),
  reported("gpu_max", "Top GPU", "gpu_utilization_max"),
  reported("memory", "Memory", "memory_utilization"),
  reported("network", "Network", "network_utilization"),
  figureColumn("running", "Running", "descending", ({ running_tasks }) => running_tasks),
  figureColumn("queued", "Assigned", "descending", ({ queued_tasks }) => queued_tasks),
  metric("health", "Health", "health"),
  metric("success", "Success", "success_ratio"),
  {
    ...figureColumn<Worker>(
      "last_report",
      "Last report",
      "ascending",
      ({ last_report_ms }) => last_report_ms,
    ),
    words: { ascending: "longest ago first", descending: "newest first" },
  },
];

/** More than there are whole percents: what is not known comes after 100. */
const STEPS = 102;

function rankOf(percent: number | null): number {
  return percent === null ? STEPS - 1 : Math.round(percent);
}

const LABEL: Readonly<Record<string, string>> = Object.fromEntries(
  COLUMNS.map(({ name, label }) => [name, label]),
);

const params = listParams(COLUMNS).extend({
  ...FILTERS.shape,
  status: statesField(WORKER_STATES),
  tag: nameField("Only workers that have this tag, in any case", "cuda"),
});
type Params = z.output<typeof params>;

const share = (what: string) => z.number().nullable().describe(`${what}, percent; null where not known`);
const tasks = (what: string) => z.number().nullable().describe(`${what}, count; null where not known`);

const usual = (what: string) =>
  `The ${what} that most workers of its type have, where it has another one; else null`;

const row = z.object({
  id: z.string().describe("The worker"),
  state: z
    .enum(WORKER_STATES)
    .nullable()
    .describe("What it is shown as; null where the worker is known no more"),
  type: z.string().nullable().describe("Its kind, such as gpu; null where not reported"),
  hostname: z.string().nullable().describe("The machine it runs on; null where not reported"),
  tags: z.array(z.string()).describe("What it is tagged with"),
  load: share("Load"),
  cpu_utilization: share("CPU time in use"),
  gpu_utilization: share("GPU time in use, the mean over its devices"),
  gpu_utilization_max: share("GPU time in use on its busiest device"),
  memory_utilization: share("Memory in use"),
  network_utilization: share("Share of the network link in use"),
  running_tasks: tasks("Tasks known to run on it"),
  queued_tasks: tasks("Tasks assigned to it and not started"),
  health: z.number().nullable().describe("Health, score, 0 to 100; null where not known"),
  success_ratio: z
    .number()
    .nullable()
    .describe("Completed ÷ (completed + failed) of its last 50 tasks, ratio; null where none ended"),
  version: z.string().nullable().describe("The version that it tells; null where it tells none"),
  agent_version: z.string().nullable().describe("That of the agent on its machine; null where none tells it"),
  usual_version: z.string().nullable().describe(usual("version")),
  usual_agent_version: z.string().nullable().describe(usual("agent's version")),
  last_report_ms: z.number().nullable().describe("When it was last heard of, Unix milliseconds"),
  presence: z
    .enum(["fresh", "stale", "lost"])
    .nullable()
    .describe(
      "How recently it was heard of; unless fresh, load and utilisations are as of its last report. Null where the worker is known no more",
    ),
});
type Row = z.output<typeof row>;

const data = z.object({
  at_ms,
  ...LISTED.shape,
  filtered: z.boolean().describe("True where a filter holds"),
  which: z.string().describe("Which workers a filter of every page leaves, after the word worker; or empty"),
  choices: CHOICES,
  workers: z
    .array(
      row.extend({
        worker_id: z.string().describe("The worker, as id"),
        fits: z.boolean().describe("False where it no longer matches and is only kept in its place"),
      }),
    )
    .describe("The workers of the page, in the order asked for"),
});
type Data = z.output<typeof data>;

export const workerList = definePanel({
  id: "worker-list",
  title: "Worker list",
  description: "Every worker that matches, a page at a time, sorted by any of its figures, the worst first.",
  api: "/api/workers",
  params,
  data,
  filters: true,
  past: true,
  load,
  view,
  note: (_, { sort }) => sortWords(COLUMNS, sort),
  table: ({ workers }) => rowTable(row, workers),
  slices: (read, given) => {
    const driftOf = driftIn(read);
    return listSlices(read, listOf(read, given), given, (workers) =>
      rowTable(
        row,
        workers.map((one) => rowOf(one.id, one, driftOf(one))),
      ),
    );
  },
});

function listOf(read: Read, { status, tag }: Params): List<Worker> {
  const wanted = tag?.toLowerCase();
  return {
    id: "workers",
    columns: COLUMNS,
    items: read.workers(),
    matches: ({ state, tags }) =>
      (status === undefined || status.includes(state)) && (wanted === undefined || hasTag(tags, wanted)),
    find: (id) => read.worker(id),
  };
}

function load(read: Read, given: Params): Data {
  const { rows, ended: _, ...facts } = listed(read, listOf(read, given), given);
  const driftOf = driftIn(read);
  return {
    at_ms: read.now_ms,
    ...facts,
    filtered: isFiltered(read) || given.status !== undefined || given.tag !== undefined,
    which: filterWords(read),
    choices: choicesOf(read),
    workers: rows.map(([id, worker, fits]) => ({
      ...rowOf(id, worker, worker ? driftOf(worker) : null),
      worker_id: id,
      fits,
    })),
  };
}

function rowOf(id: string, worker: Worker | undefined, drift: Drift | null): Row {
  const known = (name: string) => worker?.metrics.get(name) ?? null;
  return {
    id,
    state: worker?.state ?? null,
    type: worker?.type ?? null,
    hostname: worker?.hostname ?? null,
    tags: [...(worker?.tags ?? [])],
    load: worker?.load ?? null,
    cpu_utilization: known("cpu_utilization"),
    gpu_utilization: known("gpu_utilization"),
    gpu_utilization_max: known("gpu_utilization_max"),
    memory_utilization: known("memory_utilization"),
    network_utilization: known("network_utilization"),
    running_tasks: worker?.running_tasks ?? null,
    queued_tasks: worker?.queued_tasks ?? null,
    health: known("health"),
    success_ratio: known("success_ratio"),
    version: worker ? versionOf(worker, "version") : null,
    agent_version: worker ? versionOf(worker, "agent_version") : null,
    usual_version: drift?.what === "version" ? drift.usual : null,
    usual_agent_version: drift?.what === "agent_version" ? drift.usual : null,
    last_report_ms: worker?.last_report_ms ?? null,
    presence: worker?.presence ?? null,
  };
}

function view(data: Data, given: Params) {
  const shown: Shown = {
    path: "workers",
    api: "api/workers",
    prefix: "wl",
    columns: COLUMNS,
    states: WORKER_STATES,
    params: given,
    data,
  };
  return (
    <ListView shown={shown} choices={data.choices} noun="worker" none={<None data={data} />}>
      {data.workers.map((it) => (
        <WorkerRow it={it} />
      ))}
    </ListView>
  );
}

function None({ data: { filtered, which } }: { data: Data }) {
  return filtered ? (
    <EmptyState title={which === "" ? "No worker matches" : `No worker ${which} matches`}>
      <p>
        Take a filter away above, or <a href="workers">clear all filters</a>.
      </p>
    </EmptyState>
  ) : (
    <EmptyState title="No worker has reported yet">
      <p>
        <a href="./">The overview</a> shows the line that sends a first report.
      </p>
    </EmptyState>
  );
}

/** Said only where it differs from its peers'. */
function OtherVersion({ it }: { it: Row }) {
  const agent = it.usual_agent_version !== null;
  const [own, usual] = agent ? [it.agent_version, it.usual_agent_version] : [it.version, it.usual_version];
  if (own === null || usual === null) return null;
  const what = agent ? "agent" : "version";
  return (
    <>
      {" "}
      <small
        title={clean(
          `${what} ${shorten(own, NAME_LENGTH)}; most of its type have ${shorten(usual, NAME_LENGTH)}`,
        )}
      >
        {what} <Name>{shorten(own, VERSION_LENGTH)}</Name>
      </small>
    </>
  );
}

const FIGURES = [
  ["cpu", "cpu_utilization"],
  ["gpu", "gpu_utilization"],
  ["gpu_max", "gpu_utilization_max"],
  ["memory", "memory_utilization"],
  ["network", "network_utilization"],
] as const;

function WorkerRow({ it }: { it: Data["workers"][number] }) {
  const silent = it.presence !== null && it.presence !== "fresh";
  return (
    <Part as="tr" id={domId("wl", it.id)} class={`${rowClass(it.state, it.fits)}${silent ? " silent" : ""}`}>
      <Cell name="state" label="State">
        {it.state === null ? (
          "known no more"
        ) : (
          <>
            <Mark tone={WORKER_TONE[it.state]} /> {it.state}
          </>
        )}
        <NoLonger fits={it.fits} />
      </Cell>
      <th scope="row" class="c-id" title={clean(shorten(it.id, NAME_LENGTH))}>
        <a href={workerHref(it.id)}>
          <Name>{shorten(it.id, NAME_LENGTH)}</Name>
        </a>
        <OtherVersion it={it} />
      </th>
      <TextCell name="type" label="Type" value={it.type} />
      <TextCell name="host" label="Host" value={it.hostname} />
      <Cell name="load" label="Load">
        {silent && it.load !== null ? (
          <span class="last">
            <Figure value={quantity(it.load, "percent")} /> <small>last</small>
          </span>
        ) : (
          <Share value={it.load} />
        )}
      </Cell>
      {FIGURES.map(([name, field]) => (
        <Cell name={name} label={LABEL[name]!}>
          {silent && it[field] !== null ? (
            <span class="last">
              <span class="vh">last </span>
              {measure(it[field], "percent")}
            </span>
          ) : (
            <Figure value={quantity(it[field], "percent")} />
          )}
        </Cell>
      ))}
      <Cell name="running" label="Running">
        {count(it.running_tasks)}
      </Cell>
      <Cell name="queued" label="Assigned">
        {count(it.queued_tasks)}
      </Cell>
      <Cell name="health" label="Health">
        <Figure value={quantity(it.health, "score")} />
      </Cell>
      <Cell name="success" label="Success">
        <Figure value={quantity(it.success_ratio, "ratio")} />
      </Cell>
      <Cell name="last_report" label="Last report">
        {it.last_report_ms === null ? <Unknown /> : <Ago since_ms={it.last_report_ms} />}
      </Cell>
    </Part>
  );
}
