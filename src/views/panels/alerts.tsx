import { z } from "zod";
import type { Alert, Severity } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { Ago, EmptyState, joined, more, SEVERITY_TONE, StateMark } from "../components.tsx";
import { clean, count, counted, shorten } from "../format.ts";
import { byNaturalOrder, domId } from "../identity.ts";
import { taskHref } from "../links.ts";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, noParams } from "../schema.ts";

/** Rows that the panel shows; the JSON has every alert. */
const ROWS_LIMIT = 50;
const TITLE_LENGTH = 160;
const DETAIL_LENGTH = 240;

const SEVERITIES = ["critical", "warning", "notice"] as const;

const data = z.object({
  at_ms,
  alerts: z
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
            kind: z.enum(["system", "source", "worker", "task"]).describe("What kind of thing it is about"),
            id: z.string().describe("Its id"),
          })
          .describe("What it is about"),
      }),
    )
    .describe("Alerts that fire now, worst first, then newest first"),
});

type Data = z.output<typeof data>;

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
  note,
  table,
});

function load(read: Read): Data {
  return {
    at_ms: read.now_ms,
    alerts: [...read.alerts].sort(worstFirst).map((alert) => ({ ...alert, subject: { ...alert.subject } })),
  };
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
  const hidden = data.alerts.length - ROWS_LIMIT;
  return (
    <>
      <ul class="alerts">
        {data.alerts.slice(0, ROWS_LIMIT).map((alert) => (
          <Part as="li" id={domId("al", alert.id)} class={alert.severity}>
            <StateMark tone={SEVERITY_TONE[alert.severity]} word={`${alert.severity}: `} />
            <p>
              <Title alert={alert} /> <span>{clean(shorten(alert.detail, DETAIL_LENGTH))}</span>
            </p>
            <Ago since_ms={alert.since_ms} lasting />
          </Part>
        ))}
      </ul>
      {hidden > 0 ? <p class="more">{more(hidden)}</p> : null}
    </>
  );
}

/** Leads to what it is about, where that has a page. */
function Title({ alert: { title, subject } }: { alert: Data["alerts"][number] }) {
  const text = <b>{clean(shorten(title, TITLE_LENGTH))}</b>;
  if (subject.kind === "task") return <a href={taskHref(subject.id)}>{text}</a>;
  return text;
}

function note(data: Data): string {
  if (data.alerts.length === 0) return "none firing";
  const words: Record<Severity, (n: number) => string> = {
    critical: (n) => `${count(n)} critical`,
    warning: (n) => counted(n, "warning"),
    notice: (n) => counted(n, "notice"),
  };
  return joined(
    SEVERITIES.map((severity) => {
      const firing = data.alerts.filter((alert) => alert.severity === severity).length;
      return firing === 0 ? null : words[severity](firing);
    }),
  );
}

function table(data: Data): Table {
  return {
    columns: ["severity", "title", "detail", "since_ms", "rule", "subject_kind", "subject_id", "id"],
    rows: data.alerts.map(({ severity, title, detail, since_ms, rule, subject, id }) => [
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
