import { z } from "zod";
import { ALERT_SUBJECTS, type Alert, SEVERITIES, type Severity } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { Ago, EmptyState, joined, more, SEVERITY_TONE, StateMark } from "../components.tsx";
import { clean, count, counted, shorten } from "../format.ts";
import { byNaturalOrder, domId } from "../identity.ts";
import { taskHref, workerHref } from "../links.ts";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, noParams } from "../schema.ts";

/** Rows that the panel shows; the JSON has every alert. */
const ROWS_LIMIT = 50;
const TITLE_LENGTH = 160;
const DETAIL_LENGTH = 240;

export const ALERTS = z
  .array(
    z.object({
      id: z.string().describe("Stays the same while the condition lasts"),
      rule: z.string().describe("The rule that fires"),
      severity: z.enum(SEVERITIES).describe("How bad it is"),
      title: z.string().describe("What is wrong"),
      detail: z.string().describe("How much, and what to look at"),
      since_ms: z.number().describe("Since when, Unix milliseconds"),
      subject: z
        .object({
          kind: z.enum(ALERT_SUBJECTS).describe("What kind of thing it is about"),
          id: z.string().describe("Its id"),
        })
        .describe("What it is about"),
    }),
  )
  .describe("Alerts that fire now, worst first, then newest first");

const data = z.object({ at_ms, alerts: ALERTS });

type Data = z.output<typeof data>;
type Shown = Data["alerts"];

export const alerts = definePanel({
  id: "alerts",
  title: "Alerts",
  description: "What is wrong now, worst first: how much, since when, and what it is about.",
  api: "/api/alerts",
  params: noParams,
  data,
  filters: true,
  past: true,
  load,
  view,
  note: ({ alerts }) => alertCounts(alerts),
  table: ({ alerts }) => alertsTable(alerts),
});

function load(read: Read): Data {
  return { at_ms: read.now_ms, alerts: shownAlerts(read.alerts) };
}

/** Alerts in the order in which they are shown. */
export function shownAlerts(alerts: readonly Alert[]): Shown {
  return [...alerts].sort(worstFirst).map(({ id, rule, severity, title, detail, since_ms, subject }) => ({
    id,
    rule,
    severity,
    title,
    detail,
    since_ms,
    subject: { ...subject },
  }));
}

/** Neither key changes while an alert lasts, so rows keep their places. */
function worstFirst(a: Alert, b: Alert): number {
  const rank = SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity);
  return rank || b.since_ms - a.since_ms || byNaturalOrder(a.id, b.id);
}

function view(data: Data) {
  if (data.alerts.length === 0) {
    return (
      <EmptyState title="Nothing needs attention">
        <p>Alerts appear here within seconds, the worst first.</p>
      </EmptyState>
    );
  }
  return <AlertRows alerts={data.alerts} />;
}

/** A row each, whose title leads to what it is about. */
export function AlertRows({ alerts }: { alerts: Shown }) {
  const hidden = alerts.length - ROWS_LIMIT;
  return (
    <>
      <ul class="alerts">
        {alerts.slice(0, ROWS_LIMIT).map((alert) => (
          <Part as="li" id={domId("al", alert.id)} class={alert.severity}>
            <StateMark tone={SEVERITY_TONE[alert.severity]} word={`${alert.severity}: `} />
            <p>
              <b>
                <Subject of={alert.subject}>{clean(shorten(alert.title, TITLE_LENGTH))}</Subject>
              </b>{" "}
              <span>{clean(shorten(alert.detail, DETAIL_LENGTH))}</span>
            </p>
            <Ago since_ms={alert.since_ms} lasting />
          </Part>
        ))}
      </ul>
      {hidden > 0 ? <p class="more">{more(hidden)}</p> : null}
    </>
  );
}

function Subject({ of: { kind, id }, children }: { of: Alert["subject"]; children: string }) {
  if (kind !== "worker" && kind !== "task") return <>{children}</>;
  return <a href={kind === "worker" ? workerHref(id) : taskHref(id)}>{children}</a>;
}

/** How many fire, by severity. */
export function alertCounts(alerts: Shown): string {
  if (alerts.length === 0) return "none firing";
  const words: Record<Severity, (n: number) => string> = {
    critical: (n) => `${count(n)} critical`,
    warning: (n) => counted(n, "warning"),
    notice: (n) => counted(n, "notice"),
  };
  return joined(
    SEVERITIES.map((severity) => {
      const firing = alerts.filter((alert) => alert.severity === severity).length;
      return firing === 0 ? null : words[severity](firing);
    }),
  );
}

export function alertsTable(alerts: Shown): Table {
  return {
    columns: ["severity", "title", "detail", "since_ms", "rule", "subject_kind", "subject_id", "id"],
    rows: alerts.map(({ severity, title, detail, since_ms, rule, subject, id }) => [
      severity,
      title,
      detail,
      since_ms,
      rule,
      subject.kind,
      subject.id,
      id,
    ]),
  };
}
