import { createHash } from "node:crypto";
import { alertPath } from "../../../alert-path.ts";
import type { ToldEvent } from "../event.ts";
import type { Message } from "../message.ts";
import { plain, statusOf } from "../text.ts";

/** Alertmanager's zero time: it has not ended. */
const NEVER = "0001-01-01T00:00:00Z";

/** A label's value as it may stand in Prometheus: no more than that it is valid UTF-8 is asked of it. */
const MAX_VALUE = 1000;

function rfc3339(at_ms: number): string {
  return new Date(at_ms).toISOString();
}

/** What makes an alert the same alert there; the end has to be told under the same labels as the beginning. */
function labelsOf({ alert }: ToldEvent): Record<string, string> {
  const labels = Object.entries({ ...alert.labels, alertname: alert.rule, alert_id: alert.id });
  return Object.fromEntries(labels.map(([name, value]) => [name, plain(value, MAX_VALUE)]));
}

function annotationsOf({ alert }: ToldEvent): Record<string, string> {
  return { summary: plain(alert.title), description: plain(alert.detail) };
}

/** The body of `POST /api/v2/alerts`: the newest word on each alert. */
export function alertmanagerBody({ events, holds_until_ms }: Message, base_url: string) {
  return events.map((event) => ({
    labels: labelsOf(event),
    annotations: annotationsOf(event),
    startsAt: rfc3339(event.fired_ms),
    endsAt: rfc3339(event.kind === "firing" ? holds_until_ms : (event.ended_ms ?? event.at_ms)),
    generatorURL: base_url + alertPath(event.alert.id),
  }));
}

/** The body that Alertmanager's own webhooks have, version 4. */
export function alertmanagerWebhookBody(message: Message, receiver: string, base_url: string) {
  const { events, group, labels } = message;
  const alerts = events.map((event) => ({
    status: event.kind,
    labels: labelsOf(event),
    annotations: annotationsOf(event),
    startsAt: rfc3339(event.fired_ms),
    endsAt: event.ended_ms === null ? NEVER : rfc3339(event.ended_ms),
    generatorURL: base_url + alertPath(event.alert.id),
    fingerprint: fingerprintOf(event.alert.id),
  }));
  return {
    version: "4",
    groupKey: group,
    truncatedAlerts: 0,
    status: statusOf(message),
    receiver,
    groupLabels: labels,
    commonLabels: common(alerts.map((alert) => alert.labels)),
    commonAnnotations: common(alerts.map((alert) => alert.annotations)),
    externalURL: base_url,
    alerts,
  };
}

function fingerprintOf(id: string): string {
  return createHash("sha256").update(id).digest("hex").slice(0, 16);
}

/** What all of them say alike. */
function common(all: readonly Record<string, string>[]): Record<string, string> {
  const [first = {}, ...others] = all;
  return Object.fromEntries(
    Object.entries(first).filter(([key, value]) => others.every((one) => one[key] === value)),
  );
}
