import { z } from "zod";
import { ALERT, alertData, silencedOf } from "../alert-data.ts";
import { AlertRows, AlertsNote, alertsTable, Silenced } from "../alert-rows.tsx";
import { EmptyState } from "../components.tsx";
import { definePanel } from "../panel.ts";
import { at_ms, countField, noParams } from "../schema.ts";

export const ALERTS = z
  .array(ALERT)
  .describe(
    "Alerts that fire now, worst first, of one severity those that nobody acknowledged first, then newest first",
  );

const data = z.object({
  at_ms,
  alerts: ALERTS,
  silenced: countField("Alerts that fire and are not among these since a silence holds them"),
});

export const alerts = definePanel({
  id: "alerts",
  title: "Alerts",
  description: "What is wrong now, worst first: how much, since when, and what it is about.",
  api: "/api/alerts",
  params: noParams,
  data,
  filters: true,
  past: true,
  load: (read) => ({
    at_ms: read.now_ms,
    alerts: read.alerts.map(alertData),
    silenced: silencedOf(read).length,
  }),
  view: ({ alerts, silenced }) =>
    alerts.length === 0 && silenced > 0 ? (
      <EmptyState title="What fires is silenced">
        <p>
          <Silenced silenced={silenced} />, and nothing else fires.
        </p>
      </EmptyState>
    ) : alerts.length === 0 ? (
      <EmptyState title="Nothing needs attention">
        <p>Alerts appear here within seconds, the worst first.</p>
      </EmptyState>
    ) : (
      <AlertRows alerts={alerts} />
    ),
  note: ({ alerts, silenced }) => <AlertsNote alerts={alerts} silenced={silenced} />,
  table: ({ alerts }) => alertsTable(alerts),
});
