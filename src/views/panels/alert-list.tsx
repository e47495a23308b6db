import { z } from "zod";
import { clean, seconds, shorten } from "../../metrics/format.ts";
import { type Alert, SEVERITIES } from "../../metrics/model.ts";
import { wildcard } from "../../metrics/process/rules/compile.ts";
import type { Read } from "../../metrics/read.ts";
import {
  ALERT,
  ALERT_STANDINGS,
  type AlertStanding,
  alertData,
  STANDING_WORDS,
  standingOf,
  titleOfAlert,
} from "../alert-data.ts";
import { About, alertsTable } from "../alert-rows.tsx";
import { Ago, EmptyState, Mark, Name, SEVERITY_TONE, Time } from "../components.tsx";
import { domId } from "../identity.ts";
import { alertHref } from "../links.ts";
import {
  type Column,
  figureColumn,
  LISTED,
  type List,
  listed,
  listParams,
  listSlices,
  nameField,
  stateColumn,
  statesField,
  textColumn,
} from "../list.ts";
import { Cell, Heads, NoLonger, Pager, rowClass, SameLook, type Shown } from "../list-view.tsx";
import { definePanel } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, MAX_NAME_LENGTH } from "../schema.ts";

const NAME_LENGTH = 64;
const TITLE_LENGTH = 160;
const DETAIL_LENGTH = 240;
/** Alerts that ended lately are read for each page, and each few seconds while somebody looks: some 10 ms. */
const ENDED_LIMIT = 500;
/** Of those so many are kept for the ticks between. */
const KEPT_LIMIT = 2000;

const WINDOWS = { "1h": 3_600_000, "24h": 86_400_000, "7d": 604_800_000 } as const;
type Window = keyof typeof WINDOWS;
const WINDOW_NAMES = Object.keys(WINDOWS) as [Window, ...Window[]];
const USUAL_WINDOW: Window = "24h";

/** One firing of an alert, or what is about to become one. */
interface Item {
  readonly id: string;
  readonly alert: Alert;
}

const COLUMNS: readonly Column<Item>[] = [
  stateColumn<Item, AlertStanding>(ALERT_STANDINGS, ({ alert }) => standingOf(alert)),
  {
    ...stateColumn<Item, Alert["severity"]>(SEVERITIES, ({ alert }) => alert.severity),
    name: "severity",
    label: "Severity",
  },
  textColumn("id", "Alert", ({ alert }) => alert.title),
  textColumn("rule", "Rule", ({ alert }) => alert.rule),
  {
    ...figureColumn<Item>("since", "Since", "descending", ({ alert }) => alert.since_ms),
    words: { ascending: "oldest first", descending: "newest first" },
  },
  {
    ...figureColumn<Item>("lasted", "Lasted", "descending", ({ alert }, now_ms) => lasted_s(alert, now_ms)),
    words: { ascending: "shortest first", descending: "longest first" },
  },
];

const like = (what: string, example: string) =>
  nameField(`Only alerts of this ${what}; * stands for anything`, example);

const params = listParams(COLUMNS).extend({
  status: statesField(ALERT_STANDINGS),
  severity: statesField(SEVERITIES),
  rule: like("rule", "worker_*"),
  q: z
    .string()
    .trim()
    .min(1)
    .max(MAX_NAME_LENGTH)
    .optional()
    .describe("Only alerts with this text, in any case, in their title, their detail or their id")
    .meta({ example: "overloaded" }),
  worker_type: like("worker type", "gpu"),
  task_type: like("task type", "vision"),
  model_family: like("model family", "vit"),
  worker: like("worker", "W*"),
  source: like("source", "balancer-1"),
  window: z
    .enum(WINDOW_NAMES)
    .optional()
    .describe(`How far back alerts that ended are shown; left out, ${USUAL_WINDOW}`),
});
type Params = z.output<typeof params>;

/** Filters that are labels of an alert. */
const LABELS = ["rule", "worker_type", "task_type", "model_family", "worker", "source"] as const;

const row = ALERT.extend({
  held: z
    .enum(["silenced", "inhibited"])
    .nullable()
    .describe("What held one back that ended and was never told: silenced, or inhibited; null of any other"),
  fits: z.boolean().describe("False where it no longer matches and is only kept in its place"),
  cause: z
    .string()
    .nullable()
    .describe("What it follows from, by its title; null where nothing holds it back"),
  silence: z
    .object({
      by: z.string().describe("Who set it"),
      ends_ms: z.number().describe("When it ends, Unix milliseconds"),
    })
    .nullable()
    .describe("The silence that it is under; null without one, and where that is not kept any more"),
});
type Row = z.output<typeof row>;

const data = z.object({
  at_ms,
  ...LISTED.shape,
  filtered: z.boolean().describe("True where a filter holds"),
  rules: z.array(z.string()).describe("Names of the rules that there are"),
  alerts: z
    .array(row)
    .describe(
      `The alerts of the page, in the order asked for: what is pending or fires, and of what ended in the window the newest ${ENDED_LIMIT}; of these what was held back all its time only where status names silenced or inhibited`,
    ),
});
type Data = z.output<typeof data>;

export const alertList = definePanel({
  id: "alert-list",
  title: "Alert list",
  description:
    "Every alert that is pending or fires, silenced or not, and those that ended lately, a page at a time, sorted by any column.",
  api: "/api/alert-list",
  params,
  data,
  form: true,
  past: true,
  load,
  view,
  note: (_, { window = USUAL_WINDOW, status }) =>
    `and what ended in the last ${window}${asksForHeld(status) ? "" : ", unless held back or silenced"}`,
  table: ({ alerts }) => alertsTable(alerts),
  slices: (read, given) =>
    listSlices(read, listOf(read, given), given, (items) =>
      alertsTable(items.map(({ alert }) => alertData(alert))),
    ),
});

function lasted_s({ since_ms, ended_ms }: Alert, now_ms: number): number {
  return Math.max(0, (ended_ms ?? now_ms) - since_ms) / 1000;
}

/** What held back one that ended: nobody saw it fire. Null of what was told, and while it lasts. */
function heldThroughout({ ended_ms, told, silenced_by }: Alert): Row["held"] {
  if (ended_ms === null || told !== false) return null;
  return silenced_by === null ? "inhibited" : "silenced";
}

function asksForHeld(status: Params["status"]): boolean {
  return status?.some((one) => one === "silenced" || one === "inhibited") ?? false;
}

function itemOf(alert: Alert): Item {
  return { id: `${alert.fired_ms ?? ""} ${alert.id}`, alert };
}

/** What ended stays as it is; with the orders of the same fleet it goes. */
const KEPT = new WeakMap<Read["orders"], Map<string, Item>>();

function keptOf({ orders }: Read): Map<string, Item> {
  const kept = KEPT.get(orders) ?? new Map<string, Item>();
  KEPT.set(orders, kept);
  return kept;
}

function listOf(read: Read, given: Params): List<Item> {
  const live = read.allAlerts().map(itemOf);
  const kept = keptOf(read);
  let ended: readonly Item[] | undefined;
  // Of one that lasts there is more in memory than in the store.
  const endedOnes = () => {
    const from_ms = read.now_ms - WINDOWS[given.window ?? USUAL_WINDOW];
    ended ??= read
      .alertsBetween(from_ms, read.now_ms + 1, ENDED_LIMIT)
      .filter(({ ended_ms }) => ended_ms !== null)
      .map(itemOf)
      .reverse();
    if (kept.size > KEPT_LIMIT - ENDED_LIMIT) kept.clear();
    for (const item of ended) kept.set(item.id, item);
    return ended;
  };
  return {
    id: "alerts",
    columns: COLUMNS,
    items: everyOne(live, endedOnes),
    matches: matching(given),
    find: (id) =>
      live.find((item) => item.id === id) ?? kept.get(id) ?? endedOnes().find((item) => item.id === id),
  };
}

function* everyOne(live: readonly Item[], ended: () => readonly Item[]): Iterable<Item> {
  yield* live;
  yield* ended();
}

function matching(given: Params): (item: Item) => boolean {
  const { status, severity, q } = given;
  const text = q?.toLowerCase();
  const labels = LABELS.flatMap((name) => {
    const pattern = given[name];
    return pattern === undefined ? [] : [{ name, fits: wildcard(pattern) }];
  });
  return ({ alert }) =>
    isOneOf(status, alert) &&
    (severity === undefined || severity.includes(alert.severity)) &&
    labels.every(({ name, fits }) => fits(alert.labels[name] ?? "")) &&
    (text === undefined ||
      [alert.title, alert.detail, alert.id].some((part) => part.toLowerCase().includes(text)));
}

function isOneOf(status: Params["status"], alert: Alert): boolean {
  const held = heldThroughout(alert);
  if (held !== null) return status?.includes(held) ?? false;
  return status === undefined || status.includes(standingOf(alert));
}

function load(read: Read, given: Params): Data {
  const { rows, ended: _, ...facts } = listed(read, listOf(read, given), given);
  const { status, severity, q } = given;
  return {
    at_ms: read.now_ms,
    ...facts,
    filtered: [status, severity, q, ...LABELS.map((name) => given[name])].some(
      (filter) => filter !== undefined,
    ),
    rules: read.rules().map(({ name }) => name),
    alerts: rows.flatMap(([, item, fits]) => (item === undefined ? [] : [rowOf(read, item.alert, fits)])),
  };
}

function rowOf(read: Read, alert: Alert, fits: boolean): Row {
  const { inhibited_by, silenced_by } = alert;
  const silence = silenced_by === null ? undefined : read.silences().find(({ id }) => id === silenced_by);
  return {
    ...alertData(alert),
    held: heldThroughout(alert),
    fits,
    cause: inhibited_by === null || alert.ended_ms !== null ? null : titleOfAlert(read, inhibited_by),
    silence: silence ? { by: silence.by, ends_ms: silence.ends_ms } : null,
  };
}

function view(data: Data, given: Params) {
  const shown: Shown = {
    path: "alerts",
    api: "api/alert-list",
    prefix: "alist",
    columns: COLUMNS,
    states: ALERT_STANDINGS,
    params: given,
    data,
  };
  return (
    <>
      <Windows given={given} />
      <Form data={data} given={given} />
      <Pager shown={shown} noun="alert" />
      {data.alerts.length === 0 ? (
        <None filtered={data.filtered} />
      ) : (
        <table class="list alerts-list">
          <Heads shown={shown} />
          <tbody>
            {data.alerts.map((alert) => (
              <AlertRow alert={alert} />
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

/** How far back what ended is shown. */
function Windows({ given }: { given: Params }) {
  const chosen = given.window ?? USUAL_WINDOW;
  const others = Object.entries({ ...given, page: undefined, as_of: undefined, window: undefined });
  const query = new URLSearchParams(
    others.flatMap(([name, value]): [string, string][] =>
      value === undefined ? [] : [[name, String(value)]],
    ),
  );
  return (
    <nav class="ranges" aria-label="What ended in the last">
      {WINDOW_NAMES.map((window) => {
        query.set("window", window);
        return (
          <a
            href={`alerts?${query.toString().replaceAll("%2C", ",")}`}
            aria-current={window === chosen ? "true" : undefined}
          >
            {window}
          </a>
        );
      })}
    </nav>
  );
}

/** Narrows the list in any browser. It is left alone while the list changes: somebody may be typing. */
function Form({ data, given }: { data: Data; given: Params }) {
  const skip = { "hx-morph-skip": "" };
  return (
    <form class="controls list-form" method="get" action="alerts" {...skip}>
      <label>
        Text <input name="q" value={clean(given.q ?? "")} placeholder="title, detail or id" size={18} />
      </label>
      <label>
        Rule
        <select name="rule">
          <option value="">every</option>
          {[...new Set([...(given.rule === undefined ? [] : [given.rule]), ...data.rules])].map((name) => (
            <option value={name} selected={name === given.rule}>
              {clean(shorten(name, NAME_LENGTH))}
            </option>
          ))}
        </select>
      </label>
      <label>
        Worker type <input name="worker_type" value={clean(given.worker_type ?? "")} size={8} />
      </label>
      <label>
        Worker{" "}
        <input name="worker" value={clean(given.worker ?? "")} placeholder="its id, or rack1-*" size={14} />
      </label>
      <fieldset>
        <legend class="vh">Severity</legend>
        {SEVERITIES.map((one) => (
          <label>
            <input type="checkbox" name="severity" value={one} checked={given.severity?.includes(one)} />
            {one}
          </label>
        ))}
      </fieldset>
      <fieldset>
        <legend class="vh">State</legend>
        {ALERT_STANDINGS.map((one) => (
          <label>
            <input type="checkbox" name="status" value={one} checked={given.status?.includes(one)} />
            {STANDING_WORDS[one]}
          </label>
        ))}
      </fieldset>
      {(["task_type", "model_family", "source", "window"] as const).map((name) =>
        given[name] === undefined ? null : <input type="hidden" name={name} value={given[name]} />,
      )}
      <SameLook params={given} />
      <button type="submit">Show</button>
    </form>
  );
}

function None({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <EmptyState title="No alert matches">
      <p>Take a filter away above, or look further back.</p>
    </EmptyState>
  ) : (
    <EmptyState title="Nothing fires, and nothing did">
      <p>Alerts appear here as soon as the condition of a rule holds.</p>
    </EmptyState>
  );
}

function AlertRow({ alert }: { alert: Row }) {
  const { id, severity, standing, title, detail, rule, since_ms, ended_ms, fired_ms, subject, held, fits } =
    alert;
  return (
    <Part as="tr" id={domId("alist", `${fired_ms} ${id}`)} class={rowClass(standing, fits)}>
      <Cell name="state" label="State">
        {STANDING_WORDS[standing]}
        {held === null ? null : `, ${STANDING_WORDS[held]}`}
        <NoLonger fits={fits} />
      </Cell>
      <Cell name="severity" label="Severity">
        <Mark tone={SEVERITY_TONE[severity]} /> {severity}
      </Cell>
      <th scope="row" class="c-id">
        <a href={alertHref(id, fired_ms)}>
          <Name>{shorten(title, TITLE_LENGTH)}</Name>
        </a>{" "}
        <span>{clean(shorten(detail, DETAIL_LENGTH))}</span> <About subject={subject} />
        <Held alert={alert} />
      </th>
      <Cell name="rule" label="Rule">
        <Name>{shorten(rule, NAME_LENGTH)}</Name>
      </Cell>
      <Cell name="since" label="Since">
        <Time at_ms={since_ms} full />
      </Cell>
      <Cell name="lasted" label="Lasted">
        {ended_ms === null ? <Ago since_ms={since_ms} /> : seconds((ended_ms - since_ms) / 1000)}
      </Cell>
    </Part>
  );
}

/** Why it is not told: who takes care of it, and what silences it or what it follows from. */
function Held({ alert }: { alert: Row }) {
  const { state, standing, acknowledged } = alert;
  if (state !== "firing" || standing === "firing") return null;
  return (
    <small>
      {acknowledged === null ? null : (
        <>
          {" "}
          acknowledged by <Name>{shorten(acknowledged.by, NAME_LENGTH)}</Name>
          {standing === "acknowledged" ? null : " ·"}
        </>
      )}
      <HeldBack alert={alert} />
    </small>
  );
}

function HeldBack({ alert: { standing, inhibited_by, cause, silence } }: { alert: Row }) {
  if (standing === "silenced") {
    return (
      <>
        {" "}
        <a href="alerts#p-silences">{silence === null ? "by a silence" : "silenced"}</a>
        {silence === null ? null : (
          <>
            {" "}
            by <Name>{shorten(silence.by, NAME_LENGTH)}</Name> until <Time at_ms={silence.ends_ms} full />
          </>
        )}
      </>
    );
  }
  if (standing !== "inhibited" || inhibited_by === null) return null;
  return (
    <>
      {" "}
      follows from{" "}
      <a href={alertHref(inhibited_by)}>
        <Name>{shorten(cause ?? inhibited_by, TITLE_LENGTH)}</Name>
      </a>
    </>
  );
}
