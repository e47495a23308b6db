import { z } from "zod";
import { clean, count, counted, shorten } from "../../metrics/format.ts";
import { type Alert, type AlertEvent, SEVERITIES } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { silencedOf } from "../alert-data.ts";
import { SILENCED_HREF } from "../alert-rows.tsx";
import { Mark, SEVERITY_TONE } from "../components.tsx";
import { alertHref } from "../links.ts";
import { definePanel } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, countField, noParams } from "../schema.ts";

const TITLE_LENGTH = 120;
/** Critical alerts that began to fire at one tick and are told each: more would be a storm. */
const TOLD_LIMIT = 3;

const told = z.object({
  id: z.string().describe("The alert"),
  fired_ms: z.number().describe("When it began to fire, Unix milliseconds"),
  title: z.string().describe("What is wrong"),
  detail: z.string().describe("How much, and what to look at"),
});

const data = z.object({
  at_ms,
  critical: countField("Critical alerts that fire and that nobody acknowledged"),
  warning: countField("Warnings that fire and that nobody acknowledged"),
  silenced: countField("Alerts that fire and that a silence holds"),
  news: z
    .string()
    .describe(
      "What began to fire and what was resolved at a tick of the last seconds, in a sentence; else empty",
    ),
  told: z.array(told).describe(`Of these the critical ones that began to fire, at most ${TOLD_LIMIT}`),
});
type Data = z.output<typeof data>;

/** In the header of every page; its script shows the counts in the title and the icon. */
export const alertCounts = definePanel({
  id: "alert-counts",
  title: "Alert counts",
  description: "How many alerts fire that nobody acknowledged, and what has just changed.",
  api: "/api/alert-counts",
  params: noParams,
  data,
  past: true,
  bare: true,
  load,
  view,
  table: ({ critical, warning, silenced }) => ({
    columns: ["critical", "warning", "silenced"],
    rows: [[critical, warning, silenced]],
  }),
});

function load(read: Read): Data {
  const open = read.alerts.filter(({ acknowledged }) => acknowledged === null);
  const began = begun(read.alert_news).filter(({ severity }) => severity === "critical");
  return {
    at_ms: read.now_ms,
    critical: ofSeverity(open, "critical"),
    warning: ofSeverity(open, "warning"),
    silenced: silencedOf(read).length,
    news: newsOf(read.alert_news),
    told: began.slice(0, TOLD_LIMIT).map(({ id, fired_ms, title, detail }) => ({
      id,
      fired_ms: fired_ms ?? read.now_ms,
      title,
      detail,
    })),
  };
}

function ofSeverity(alerts: readonly Alert[], severity: Alert["severity"]): number {
  return alerts.filter((alert) => alert.severity === severity).length;
}

/** What began to fire, worst first. */
function begun(news: readonly AlertEvent[]): Alert[] {
  return news
    .filter(({ kind }) => kind === "firing")
    .map(({ alert }) => alert)
    .sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}

/** "critical: Worker W3 is overloaded, and 12 more. Resolved: Worker W4 is lost." */
function newsOf(news: readonly AlertEvent[]): string {
  const began = begun(news);
  const ended = news.filter(({ kind }) => kind === "resolved").map(({ alert }) => alert);
  const sentence = (lead: string, [first, ...others]: readonly Alert[]) =>
    first === undefined
      ? []
      : [
          `${lead}: ${shorten(first.title, TITLE_LENGTH)}${others.length > 0 ? `, and ${count(others.length)} more` : ""}.`,
        ];
  return [...sentence(began[0]?.severity ?? "", began), ...sentence("Resolved", ended)].join(" ");
}

function view({ critical, warning, silenced, news, told }: Data) {
  const held = silenced === 0 ? "" : `${count(silenced)} silenced`;
  const none = critical + warning === 0;
  const words = [`${count(critical)} critical`, counted(warning, "warning"), ...(held === "" ? [] : [held])];
  return (
    <>
      <Part
        as="a"
        id="alert-count"
        href={none && silenced > 0 ? SILENCED_HREF : "alerts"}
        title={none ? held || "No alert" : `Alerts: ${words.join(", ")}`}
        data-critical={String(critical)}
        data-count={String(critical + warning)}
      >
        {none ? (
          <span class="none">{held || "no alert"}</span>
        ) : (
          <>
            <span class="vh">Alerts: {words.join(", ")}</span>
            <Count tone="critical" value={critical} />
            <Count tone="warning" value={warning} />
          </>
        )}
      </Part>
      <Part as="p" id="alert-news" class="vh" role="status">
        {clean(news)}
      </Part>
      <Part as="ul" id="alert-told" hidden>
        {told.map(({ id, fired_ms, title, detail }) => (
          <li>
            <a href={alertHref(id, fired_ms)} data-detail={clean(shorten(detail, TITLE_LENGTH))}>
              {clean(shorten(title, TITLE_LENGTH))}
            </a>
          </li>
        ))}
      </Part>
    </>
  );
}

function Count({ tone, value }: { tone: "critical" | "warning"; value: number }) {
  return (
    <span class={value === 0 ? "none" : tone} aria-hidden="true">
      <Mark tone={SEVERITY_TONE[tone]} />
      {count(value)}
    </span>
  );
}
