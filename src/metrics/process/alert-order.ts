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

/** What an alert was held back by at an instant, as its steps tell. */
function heldAt({ steps }: Alert, at_ms: number): boolean {
  let silenced = false;
  let inhibited = false;
  for (const step of steps) {
    if (step.at_ms > at_ms) break;
    if (step.what === "silenced" || step.what === "unsilenced") silenced = step.what === "silenced";
    if (step.what === "inhibited" || step.what === "uninhibited") inhibited = step.what === "inhibited";
  }
  return silenced || inhibited;
}

/** Of alerts that fired at an instant those that were shown then, worst first. */
export function shownAt(alerts: readonly Alert[], at_ms: number): Alert[] {
  return alerts.filter((alert) => !heldAt(alert, at_ms)).sort(worstFirst);
}
