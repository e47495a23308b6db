import { z } from "zod";
import type { Alert, Worker } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { alertData, silencedOf } from "../alert-data.ts";
import { AlertRows, AlertsNote, alertsTable, Silenced } from "../alert-rows.tsx";
import { EmptyState } from "../components.tsx";
import { definePanel } from "../panel.ts";
import { at_ms, countField } from "../schema.ts";
import { WORKER_PARAMS, workerSubject } from "../subject.ts";
import { ALERTS } from "./alerts.tsx";

const data = z.object({
  at_ms,
  worker_id: z.string().describe("The worker"),
  alerts: ALERTS,
  silenced: countField("Alerts about it that fire and are not among these since a silence holds them"),
});

export const workerAlerts = definePanel({
  id: "worker-alerts",
  title: "Alerts of this worker",
  description:
    "What is wrong now with one worker, with the tasks that it has and with who reports it, worst first.",
  api: "/api/metrics/workers/:worker_id/alerts",
  params: WORKER_PARAMS,
  example: { worker_id: "W1" },
  data,
  past: true,
  load: (read, { worker_id }) => {
    const { worker } = workerSubject(read, worker_id);
    return {
      at_ms: read.now_ms,
      worker_id,
      alerts: read.alerts.filter((alert) => concerns(read, alert, worker)).map(alertData),
      silenced: silencedOf(read).filter((alert) => concerns(read, alert, worker)).length,
    };
  },
  view: ({ alerts, silenced }) =>
    alerts.length === 0 && silenced > 0 ? (
      <EmptyState title="What fires about it is silenced">
        <p>
          <Silenced silenced={silenced} />, and nothing else about it fires.
        </p>
      </EmptyState>
    ) : alerts.length === 0 ? (
      <EmptyState title="No alert is about it">
        <p>Alerts about it, its tasks and its source appear here within seconds.</p>
      </EmptyState>
    ) : (
      <AlertRows alerts={alerts} />
    ),
  note: ({ alerts, silenced }) => <AlertsNote alerts={alerts} silenced={silenced} />,
  table: ({ alerts }) => alertsTable(alerts),
});

/** A source that falls silent is one alert, and none for each of its workers. */
function concerns(read: Read, { subject: { kind, id } }: Alert, worker: Worker): boolean {
  if (kind === "worker") return id === worker.id;
  if (kind === "source") return id === worker.source;
  return kind === "task" && read.task(id)?.worker_id === worker.id;
}
