import { alertPath } from "../../../alert-path.ts";
import { inUtc } from "../../../format.ts";
import type { Message } from "../message.ts";
import { statusOf, titleOf } from "../text.ts";

/** The body of a generic webhook; README describes it. */
export function webhookBody(message: Message, receiver: string, base_url: string) {
  const { id, created_ms, labels, repeat, test, firing, events } = message;
  return {
    version: 1,
    id,
    at: inUtc(created_ms),
    receiver,
    status: statusOf(message),
    repeat,
    test,
    title: titleOf(message),
    group: labels,
    firing,
    url: `${base_url}alerts`,
    alerts: events.map(({ kind, fired_ms, ended_ms, alert }) => ({
      id: alert.id,
      status: kind,
      rule: alert.rule,
      severity: alert.severity,
      title: alert.title,
      detail: alert.detail,
      subject: alert.subject,
      labels: alert.labels,
      since: inUtc(alert.since_ms),
      fired_at: inUtc(fired_ms),
      ended_at: ended_ms === null ? null : inUtc(ended_ms),
      url: base_url + alertPath(alert.id),
    })),
  };
}
