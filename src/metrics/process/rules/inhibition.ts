import type { AlertLabel } from "../../model.ts";
import type { LiveAlert } from "./live-alert.ts";

/** By which label of another alert an alert of each kind is found; of the whole system it is everybody's. */
const LABEL: Partial<Record<string, AlertLabel>> = {
  source: "source",
  worker: "worker",
  task: "task",
  model: "model",
  worker_type: "worker_type",
  task_type: "task_type",
  model_family: "model_family",
};

/**
 * Which alerts follow from which: one whose rule names another rule is held back while that fires for the same
 * thing, for what it belongs to (a task's worker, a worker's source), or, where it is of the whole system, for any
 * part of it.
 *
 * @returns of each alert that is held back the id of the one that it follows from
 */
export function inhibitions(
  alerts: readonly LiveAlert[],
  unless: ReadonlyMap<string, readonly string[]>,
): Map<LiveAlert, string> {
  const held = new Map<LiveAlert, string>();
  const causes = causesOf(alerts, new Set([...unless.values()].flat()));
  if (causes.size === 0) return held;
  for (const alert of alerts) {
    const cause = causeOf(alert, unless.get(alert.rule) ?? [], causes);
    if (cause !== undefined && cause !== alert.id) held.set(alert, cause);
  }
  // What is held back by something that is itself held back follows from the same cause.
  const by_id = new Map(alerts.map((alert) => [alert.id, alert]));
  for (const [alert, cause] of held) held.set(alert, rootOf(cause, held, by_id));
  return held;
}

/** By rule and what it is about. */
function causesOf(alerts: readonly LiveAlert[], rules: ReadonlySet<string>): Map<string, string> {
  const causes = new Map<string, string>();
  for (const { id, rule, subject, state } of alerts) {
    if (state !== "firing" || !rules.has(rule)) continue;
    causes.set(`${rule} ${subject.kind} ${subject.kind === "system" ? "" : subject.id}`, id);
    if (!causes.has(rule)) causes.set(rule, id);
  }
  return causes;
}

function causeOf(
  { labels, subject }: LiveAlert,
  rules: readonly string[],
  causes: ReadonlyMap<string, string>,
): string | undefined {
  for (const rule of rules) {
    const any = causes.get(rule);
    if (any === undefined) continue;
    if (subject.kind === "system") return any;
    const whole = causes.get(`${rule} system `);
    if (whole !== undefined) return whole;
    for (const [kind, label] of Object.entries(LABEL)) {
      const id = labels[label!];
      const cause = id === undefined ? undefined : causes.get(`${rule} ${kind} ${id}`);
      if (cause !== undefined) return cause;
    }
  }
  return undefined;
}

function rootOf(
  cause: string,
  held: ReadonlyMap<LiveAlert, string>,
  by_id: ReadonlyMap<string, LiveAlert>,
): string {
  // Rules hold each other back in no circle: their file is refused where they would.
  let root = cause;
  for (;;) {
    const next = held.get(by_id.get(root)!);
    if (next === undefined) return root;
    root = next;
  }
}
