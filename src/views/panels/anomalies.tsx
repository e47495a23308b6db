import { z } from "zod";
import { findMetric } from "../../metrics/catalogue.ts";
import { counted, measure, shorten } from "../../metrics/format.ts";
import { ALERT_SUBJECTS, SEVERITIES } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { Ago, EmptyState, more, Name } from "../components.tsx";
import { domId } from "../identity.ts";
import { workerHref } from "../links.ts";
import { definePanel } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, noParams } from "../schema.ts";

/** Rows that the panel shows; the JSON has them all. */
const ROWS_LIMIT = 20;
const NAME_LENGTH = 40;
/** The rule whose alerts are told as the metrics that they are about. */
const OF_A_METRIC = "anomaly";

const figure = (what: string) =>
  z.number().nullable().describe(`${what}, in the metric's unit; null where it is of no metric`);

const row = z.object({
  type: z.string().describe("The rule that fires, or anomaly for a metric that left what is usual for it"),
  severity: z.enum(SEVERITIES).describe("How bad it is"),
  title: z.string().describe("What is wrong"),
  detail: z.string().describe("How much, and what is usual"),
  since_ms: z.number().describe("Since when, Unix milliseconds"),
  subject: z
    .object({
      kind: z.enum(ALERT_SUBJECTS).describe("What kind of thing it is about"),
      id: z.string().describe("Its id; empty for the whole fleet"),
    })
    .describe("What it is about"),
  metric: z.string().nullable().describe("The metric that is unusual; null where it is of none"),
  value: figure("What is unusual"),
  low: figure("Lower end of the range in which 999 of 1,000 samples lie"),
  high: figure("Upper end of the range in which 999 of 1,000 samples lie"),
  score: z
    .number()
    .nullable()
    .describe(
      "How unusual, score: 4 is twice as far off as 999 of 1,000 samples, 4 more for each doubling; null for no metric",
    ),
});
type Row = z.output<typeof row>;

const data = z.object({
  at_ms,
  anomalies: z
    .array(row)
    .describe("What fires now, the worst first, then metrics that are unusual, the most unusual first"),
});
type Data = z.output<typeof data>;

export const anomalies = definePanel({
  id: "anomalies",
  title: "Unusual metrics",
  description:
    "Metrics of the fleet and of workers that are far from what is usual for them, and what that is.",
  api: "/api/anomalies",
  params: noParams,
  data,
  load,
  view,
  note: ({ anomalies }) => {
    const unusual = ofMetrics(anomalies).length;
    return unusual === 0 ? "" : counted(unusual, "metric");
  },
  table: ({ anomalies }) => ({
    columns: [
      "type",
      "severity",
      "title",
      "detail",
      "since_ms",
      "subject_kind",
      "subject_id",
      "metric",
      "value",
      "low",
      "high",
      "score",
    ],
    rows: anomalies.map(
      ({ type, severity, title, detail, since_ms, subject, metric, value, low, high, score }) => [
        type,
        severity,
        title,
        detail,
        since_ms,
        subject.kind,
        subject.id,
        metric,
        value,
        low,
        high,
        score,
      ],
    ),
  }),
});

const NO_METRIC = { metric: null, value: null, low: null, high: null, score: null } as const;

function load(read: Read): Data {
  const firing = read.alerts
    .filter(({ rule }) => rule !== OF_A_METRIC)
    .map(
      ({ rule, severity, title, detail, since_ms, subject }): Row => ({
        type: rule,
        severity,
        title,
        detail,
        since_ms,
        subject: { ...subject },
        ...NO_METRIC,
      }),
    );
  const unusual = read.anomalies().map(({ scope, entity, metric, words, ...rest }): Row => {
    const { score, value, low, high, since_ms } = rest;
    const label = findMetric(scope, metric)?.label ?? metric;
    return {
      type: OF_A_METRIC,
      severity: "notice",
      title: scope === "system" ? `${label} is unusual` : `${label} of ${entity} is unusual`,
      detail: words,
      since_ms,
      subject: { kind: scope, id: entity },
      metric,
      value,
      low,
      high,
      score,
    };
  });
  return { at_ms: read.now_ms, anomalies: [...firing, ...unusual] };
}

const ofMetrics = (anomalies: readonly Row[]) => anomalies.filter(({ metric }) => metric !== null);

function view({ anomalies }: Data) {
  const unusual = ofMetrics(anomalies);
  if (unusual.length === 0) {
    return (
      <EmptyState title="Nothing is unusual">
        <p>Half an hour of a metric tells what is usual for it, some days also by the hour of the day.</p>
      </EmptyState>
    );
  }
  const hidden = unusual.length - ROWS_LIMIT;
  return (
    <>
      <table class="unusual">
        <thead>
          <tr>
            <th scope="col">Metric</th>
            <th scope="col">Of</th>
            <th scope="col">What is unusual</th>
            <th scope="col" class="number">
              How unusual
            </th>
            <th scope="col">Since</th>
          </tr>
        </thead>
        <tbody>
          {unusual.slice(0, ROWS_LIMIT).map((one) => (
            <UnusualRow of={one} />
          ))}
        </tbody>
      </table>
      {hidden > 0 ? <p class="more">{more(hidden)}</p> : null}
    </>
  );
}

function UnusualRow({ of: { metric, subject, detail, score, since_ms } }: { of: Row }) {
  const worker = subject.kind === "worker";
  const course = worker
    ? `history?workers=${encodeURIComponent(subject.id)}&worker_metrics=${metric}&duration=1h`
    : `history?metrics=${metric}&duration=1h`;
  return (
    <Part as="tr" id={domId("un", `${metric} ${subject.id}`)}>
      <th scope="row">
        <a href={course}>{findMetric(worker ? "worker" : "system", metric!)?.label ?? metric}</a>
      </th>
      <td>
        {worker ? (
          <a href={workerHref(subject.id)}>
            <Name>{shorten(subject.id, NAME_LENGTH)}</Name>
          </a>
        ) : (
          "the fleet"
        )}
      </td>
      <td>{detail}</td>
      <td class="number" title="4 is twice as far off as 999 of 1,000 samples, 4 more for each doubling">
        {measure(score, "score")}
      </td>
      <td>
        <Ago since_ms={since_ms} lasting />
      </td>
    </Part>
  );
}
