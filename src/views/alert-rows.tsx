import { clean, count, counted, shorten } from "../metrics/format.ts";
import { SEVERITIES, type Severity } from "../metrics/model.ts";
import { manyTitle } from "../metrics/process/status.ts";
import type { AlertData } from "./alert-data.ts";
import { Ago, joined, more, SEVERITY_TONE, StateMark } from "./components.tsx";
import { domId } from "./identity.ts";
import { alertHref, subjectHref } from "./links.ts";
import type { Table } from "./panel.ts";
import { Part } from "./part.tsx";

/** Rows that are shown; the JSON has every alert. */
const ROWS_LIMIT = 50;
/** Members of a group that are shown when it is opened. */
const MEMBERS_LIMIT = 20;
/** So many alerts that are told in one line are told one by one. */
const APART = 3;
const TITLE_LENGTH = 160;
const DETAIL_LENGTH = 240;
const NAME_LENGTH = 64;

/** The list of what fires and is silenced. */
export const SILENCED_HREF = "alerts?status=silenced";

type Shown = readonly AlertData[];

/** A row each, or one for many of a kind; each leads to the alert's own page and to what it is about. */
export function AlertRows({ alerts }: { alerts: Shown }) {
  const groups = groupsOf(alerts);
  const shown = groups.slice(0, ROWS_LIMIT);
  const hidden = groups.slice(ROWS_LIMIT).reduce((sum, group) => sum + group.length, 0);
  return (
    <>
      <ul class="alerts">
        {shown.map((group) =>
          group.length === 1 ? <AlertRow alert={group[0]!} /> : <GroupRow alerts={group} />,
        )}
      </ul>
      {hidden > 0 ? (
        <p class="more">
          <a href="alerts">{more(hidden)}</a>
        </p>
      ) : null}
    </>
  );
}

/** Where more than a few are told in one line they are one group, in the place of the first of them. */
function groupsOf(alerts: Shown): Shown[] {
  const members = new Map<string, AlertData[]>();
  for (const alert of alerts) {
    const known = members.get(alert.group);
    if (known) known.push(alert);
    else members.set(alert.group, [alert]);
  }
  return alerts.flatMap((alert) => {
    const group = members.get(alert.group)!;
    if (group.length <= APART) return [[alert]];
    return group[0] === alert ? [group] : [];
  });
}

function AlertRow({ alert }: { alert: AlertData }) {
  return (
    <Part as="li" id={domId("al", alert.id)} class={alert.severity}>
      <Row alert={alert} />
    </Part>
  );
}

function Row({ alert }: { alert: AlertData }) {
  const { id, severity, title, detail, since_ms, fired_ms } = alert;
  return (
    <>
      <StateMark tone={SEVERITY_TONE[severity]} word={`${severity}: `} />
      <p>
        <b>
          <a href={alertHref(id, fired_ms)}>
            <bdi>{clean(shorten(title, TITLE_LENGTH))}</bdi>
          </a>
        </b>{" "}
        <span>{clean(shorten(detail, DETAIL_LENGTH))}</span> <About subject={alert.subject} />
        <Notes alert={alert} />
      </p>
      <Ago since_ms={since_ms} lasting />
    </>
  );
}

/** To what it is about: named by its kind, since the title names it. */
export function About({ subject }: Pick<AlertData, "subject">) {
  const href = subjectHref(subject);
  if (href === undefined) return null;
  const name = clean(shorten(subject.id, NAME_LENGTH));
  return (
    <a class="about" href={href} title={name}>
      {subject.kind.replace("_", " ")}
      <span class="vh"> {name}</span>
    </a>
  );
}

/** What people did about it, and whether it comes and goes. */
function Notes({ alert: { flaps, acknowledged } }: { alert: AlertData }) {
  return (
    <>
      {flaps > 0 ? <small> came and went {counted(flaps, "time")} in 15 min</small> : null}
      {acknowledged === null ? null : (
        <small>
          {" "}
          acknowledged by <bdi>{clean(shorten(acknowledged.by, NAME_LENGTH))}</bdi>
        </small>
      )}
    </>
  );
}

function GroupRow({ alerts }: { alerts: Shown }) {
  const [first] = alerts;
  const { group, severity, acknowledged } = first!;
  const shown = alerts.slice(0, MEMBERS_LIMIT);
  return (
    <Part as="li" id={domId("ag", group)} class={`group ${severity}`}>
      <details>
        <summary>
          <StateMark tone={SEVERITY_TONE[severity]} word={`${severity}: `} />
          <span>
            <b>
              <bdi>{clean(shorten(manyTitle(first!, alerts.length), TITLE_LENGTH))}</bdi>
            </b>
            {acknowledged === null ? null : <small> acknowledged</small>}
          </span>
          <Ago since_ms={Math.min(...alerts.map(({ since_ms }) => since_ms))} lasting />
        </summary>
        <ul class="alerts">
          {shown.map((alert) => (
            <li class={severity}>
              <Row alert={alert} />
            </li>
          ))}
        </ul>
        {alerts.length > shown.length ? (
          <p class="more">
            <a href={groupHref(first!)}>{more(alerts.length - shown.length)}</a>
          </p>
        ) : null}
      </details>
    </Part>
  );
}

/** The list of a group's alerts. */
function groupHref({ rule, standing, labels }: AlertData): string {
  const query = new URLSearchParams({ rule, status: standing });
  if (labels.worker_type !== undefined) query.set("worker_type", labels.worker_type);
  return `alerts?${query}`;
}

const COUNT_WORDS: Readonly<Record<Severity, (n: number) => string>> = {
  critical: (n) => `${count(n)} critical`,
  warning: (n) => counted(n, "warning"),
  notice: (n) => counted(n, "notice"),
};

/** "2 silenced", which leads to them; nothing where none is. */
export function Silenced({ silenced }: { silenced: number }) {
  return silenced === 0 ? null : <a href={SILENCED_HREF}>{count(silenced)} silenced</a>;
}

/** How many fire, by severity, and beside them how many a silence holds. */
export function AlertsNote({
  alerts,
  silenced,
}: {
  alerts: readonly Pick<AlertData, "severity">[];
  silenced: number;
}) {
  return (
    <>
      {alertCounts(alerts)}
      {silenced === 0 ? null : (
        <>
          {" "}
          · <Silenced silenced={silenced} />
        </>
      )}
    </>
  );
}

/** How many fire, by severity. */
function alertCounts(alerts: readonly Pick<AlertData, "severity">[]): string {
  if (alerts.length === 0) return "none firing";
  return joined(
    SEVERITIES.map((severity) => {
      const firing = alerts.filter((alert) => alert.severity === severity).length;
      return firing === 0 ? null : COUNT_WORDS[severity](firing);
    }),
  );
}

export function alertsTable(alerts: Shown): Table {
  return {
    columns: [
      "severity",
      "title",
      "detail",
      "since_ms",
      "rule",
      "subject_kind",
      "subject_id",
      "id",
      "standing",
      "fired_ms",
      "ended_ms",
      "flaps",
      "acknowledged_by",
      "silenced_by",
      "inhibited_by",
    ],
    rows: alerts.map((alert) => [
      alert.severity,
      alert.title,
      alert.detail,
      alert.since_ms,
      alert.rule,
      alert.subject.kind,
      alert.subject.id,
      alert.id,
      alert.standing,
      alert.fired_ms,
      alert.ended_ms,
      alert.flaps,
      alert.acknowledged?.by ?? null,
      alert.silenced_by,
      alert.inhibited_by,
    ]),
  };
}
