import { type Alert, SEVERITIES } from "../model.ts";

/** Nothing of it changes while an alert lasts but by hand, so that rows keep their places. */
export function worstFirst(a: Alert, b: Alert): number {
  return (
    SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
    Number(a.acknowledged !== null) - Number(b.acknowledged !== null) ||
    b.since_ms - a.since_ms ||
    (a.id < b.id ? -1 : 1)
  );
}

/**
 * An alert as it was at an instant at which it fired, as its steps tell. How much it was is what it was when it began
 * to fire: between then and its last words nothing of that is kept.
 */
export function alertAt(alert: Alert, at_ms: number): Alert {
  const steps = alert.steps.filter((step) => step.at_ms <= at_ms);
  const ended_ms = alert.ended_ms !== null && alert.ended_ms <= at_ms ? alert.ended_ms : null;
  let acknowledged: Alert["acknowledged"] = null;
  let silenced_by: string | null = null;
  let inhibited_by: string | null = null;
  let { detail } = alert;
  for (const { at_ms, what, by, note } of steps) {
    if (what === "firing" && note !== "" && ended_ms === null) detail = note;
    else if (what === "acknowledged") acknowledged = { at_ms, by, note };
    else if (what === "unacknowledged") acknowledged = null;
    else if (what === "silenced") silenced_by = by;
    else if (what === "unsilenced") silenced_by = null;
    else if (what === "inhibited") inhibited_by = by;
    else if (what === "uninhibited") inhibited_by = null;
  }
  const state = ended_ms === null ? "firing" : "resolved";
  return { ...alert, detail, steps, ended_ms, state, acknowledged, silenced_by, inhibited_by };
}

/** Of alerts as they were at an instant those that were shown then, worst first. */
export function shownOf(alerts: readonly Alert[]): Alert[] {
  return alerts
    .filter(
      ({ state, silenced_by, inhibited_by }) =>
        state === "firing" && silenced_by === null && inhibited_by === null,
    )
    .sort(worstFirst);
}
