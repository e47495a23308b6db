import { type Alert, SEVERITIES } from "../model.ts";
import type { SystemStatus } from "../read.ts";

/**
 * Status of the whole: critical when no worker is active, more than half are lost or a critical alert of the whole
 * system or of a source fires; degraded when any alert but a notice fires or under 80 % of the workers are active;
 * always with its reasons.
 *
 * @param alerts those that fire
 */
export function systemStatus(system: ReadonlyMap<string, number>, alerts: readonly Alert[]): SystemStatus {
  const total = system.get("total_workers") ?? 0;
  if (total === 0) return { level: "critical", reasons: ["no worker has reported yet"] };
  const active = system.get("active_workers") ?? 0;
  const lost = system.get("lost_workers") ?? 0;
  const fleet: string[] = [];
  if (active === 0) fleet.push("no worker is active");
  if (lost > total / 2) fleet.push(`${lost} of ${total} workers are lost`);
  const whole = alerts.filter(
    ({ severity, subject }) =>
      severity === "critical" && (subject.kind === "system" || subject.kind === "source"),
  );
  const critical = fleet.length > 0 || whole.length > 0;
  const parts = alerts.filter((alert) => alert.severity !== "notice" && !whole.includes(alert));
  const reasons = [...fleet, ...reasonsOf(whole), ...reasonsOf(parts)];
  const planned = (system.get("offline_workers") ?? 0) + (system.get("draining_workers") ?? 0);
  if (active < 0.8 * (total - planned) && active > 0)
    reasons.push(`only ${active} of ${total} workers are active`);
  return { level: critical ? "critical" : reasons.length > 0 ? "degraded" : "healthy", reasons };
}

/** One of a rule by its title, several by what they are called, worst first. */
function reasonsOf(alerts: readonly Alert[]): string[] {
  const groups = new Map<string, Alert[]>();
  for (const alert of alerts) {
    const key = `${SEVERITIES.indexOf(alert.severity)} ${alert.rule} ${alert.many}`;
    const group = groups.get(key);
    if (group) group.push(alert);
    else groups.set(key, [alert]);
  }
  return [...groups]
    .sort(([a], [b]) => (a[0]! < b[0]! ? -1 : a[0]! > b[0]! ? 1 : 0))
    .map(([, group]) => (group.length === 1 ? group[0]!.title : manyTitle(group[0]!, group.length)));
}

/** What many alerts of one rule are called. */
export function manyTitle({ many }: Pick<Alert, "many">, count: number): string {
  return many.replace(/\{\{\s*count\s*\}\}/g, String(count));
}
