import { findMetric } from "../catalogue.ts";
import type { Alert, Overload, Severity } from "../model.ts";
import type { SystemStatus } from "../read.ts";
import type { Fleet } from "./fleet.ts";
import type { Ledger } from "./ledger.ts";
import type { TaskEntry } from "./task.ts";
import type { WorkerEntry } from "./worker.ts";

export interface AlertOptions {
  /** A task that runs longer than this has stalled, whatever is usual for its model. */
  stall_after_ms: number;
}

/** So many times what 95 % of a model's tasks stay within is no longer slow but stuck. */
const STALL_FACTOR = 5;
/** More stalled tasks than this are one alert. */
const STALLED_APART = 3;
/** A task younger than this is never called stalled. */
const STALL_MIN_MS = 60_000;

const SEVERITY_ORDER: Record<Severity, number> = { critical: 0, warning: 1, notice: 2 };

/** The conditions that hold now, worst first and then oldest first. One cause makes one alert. */
export function evaluateAlerts(fleet: Fleet, now_ms: number, options: AlertOptions): Alert[] {
  const alerts: Alert[] = [];
  const silent = new Set<string>();
  for (const source of fleet.sources()) {
    if (source.presence !== "fresh") silent.add(source.id);
    // Who spoke once and has no worker promised nothing more.
    if (source.presence !== "lost" || (source.workers === 0 && source.reports < 2)) continue;
    alerts.push({
      id: `source_lost:${source.id}`,
      rule: "source_lost",
      severity: "critical",
      title: `Source ${source.id} is lost`,
      detail: source.workers > 0 ? `${count(source.workers, "worker")} known only from it` : "",
      since_ms: source.last_report_ms,
      subject: { kind: "source", id: source.id },
    });
  }
  for (const worker of fleet.workers.values()) {
    const alert = workerAlert(worker, silent);
    if (alert) alerts.push(alert);
  }
  alerts.push(...stalledAlerts(fleet, now_ms, options));
  return alerts.sort(
    (a, b) =>
      SEVERITY_ORDER[a.severity] - SEVERITY_ORDER[b.severity] ||
      a.since_ms - b.since_ms ||
      (a.id < b.id ? -1 : 1),
  );
}

function workerAlert(worker: WorkerEntry, silent: ReadonlySet<string>): Alert | null {
  const subject = { kind: "worker", id: worker.id } as const;
  const { state } = worker;
  if (state === "overloaded" && worker.overload) {
    return {
      id: `worker_overload:${worker.id}`,
      rule: "worker_overload",
      severity: "critical",
      title: `Worker ${worker.id} is overloaded`,
      detail: overloadDetail(worker, worker.overload),
      since_ms: worker.overload.since_ms,
      subject,
    };
  }
  // A source that fell silent is one fact; its workers are its consequence.
  if ((state !== "stale" && state !== "lost") || [...worker.sources.keys()].every((id) => silent.has(id)))
    return null;
  const orphaned = worker.counts.orphaned;
  const running = worker.counts.running + worker.counts.assigned;
  return {
    id: `worker_${state}:${worker.id}`,
    rule: `worker_${state}`,
    severity: "warning",
    title: `Worker ${worker.id} is ${state}`,
    detail:
      state === "lost"
        ? `no report, ${count(orphaned, "task")} orphaned`
        : `report overdue, ${count(running, "unfinished task")}`,
    since_ms: worker.last_report_ms,
    subject,
  };
}

function overloadDetail(worker: WorkerEntry, { metric, value }: Overload): string {
  const label = (findMetric("worker", metric)?.label ?? metric).replace(/^[A-Z](?=[a-z])/, (first) =>
    first.toLowerCase(),
  );
  return `${Math.round(value)} % ${label}, ${count(worker.queued_tasks, "pending task")}`;
}

/** When a running task became stalled, Unix milliseconds; null while it is not. */
function stalledSince(
  task: TaskEntry,
  ledger: Pick<Ledger, "usualProcessing">,
  now_ms: number,
  { stall_after_ms }: AlertOptions,
): number | null {
  const { started_at_ms } = task;
  // Most tasks are young, and then nothing else matters.
  if (
    started_at_ms === null ||
    now_ms - started_at_ms <= Math.min(STALL_MIN_MS, stall_after_ms) ||
    task.state !== "running"
  )
    return null;
  const usual_s = ledger.usualProcessing(task.model_id);
  const unusual_ms = usual_s === null ? Infinity : Math.max(STALL_MIN_MS, STALL_FACTOR * usual_s * 1000);
  const since_ms = Math.round(started_at_ms + Math.min(stall_after_ms, unusual_ms));
  return now_ms > since_ms ? since_ms : null;
}

/** Each stalled task by itself, or all as one where they are many. */
function stalledAlerts(fleet: Fleet, now_ms: number, options: AlertOptions): Alert[] {
  const stalled: { task: TaskEntry; since_ms: number }[] = [];
  for (const task of fleet.live.values()) {
    const since_ms = stalledSince(task, fleet.ledger, now_ms, options);
    if (since_ms !== null) stalled.push({ task, since_ms });
  }
  if (stalled.length <= STALLED_APART)
    return stalled.map(({ task, since_ms }) => stalledAlert(task, since_ms));
  const oldest = stalled.reduce((a, b) => (b.since_ms < a.since_ms ? b : a));
  const workers = new Set(stalled.map(({ task }) => task.worker_id)).size;
  return [
    {
      id: "task_stalled",
      rule: "task_stalled",
      severity: "warning",
      title: `${stalled.length} tasks have stalled`,
      detail: `on ${count(workers, "worker")}, far longer than usual; first of them ${oldest.task.id}`,
      since_ms: oldest.since_ms,
      subject: { kind: "system", id: "tasks" },
    },
  ];
}

function stalledAlert(task: TaskEntry, since_ms: number): Alert {
  const where = task.worker_id === null ? "" : ` on ${task.worker_id}`;
  const progress = task.progress === null ? "" : `, ${Math.round(task.progress)} % done`;
  return {
    id: `task_stalled:${task.id}`,
    rule: "task_stalled",
    severity: "warning",
    title: `Task ${task.id} has stalled`,
    detail: `${task.model_id ?? task.type ?? "task"}${where}${progress}, far longer than usual`,
    since_ms,
    subject: { kind: "task", id: task.id },
  };
}

/**
 * Status of the whole: critical when no worker is active, more than half are lost or a source is lost;
 * degraded when any alert fires or under 80 % of the workers are active; always with its reasons.
 */
export function systemStatus(system: ReadonlyMap<string, number>, alerts: readonly Alert[]): SystemStatus {
  const total = system.get("total_workers") ?? 0;
  const reasons: string[] = [];
  if (total === 0) return { level: "critical", reasons: ["no worker has reported yet"] };
  const active = system.get("active_workers") ?? 0;
  const lost = system.get("lost_workers") ?? 0;
  if (active === 0) reasons.push("no worker is active");
  if (lost > total / 2) reasons.push(`${lost} of ${total} workers are lost`);
  const sources = alerts.filter((a) => a.rule === "source_lost");
  if (sources.length > 0) reasons.push(`${count(sources.length, "source")} lost`);
  const critical = reasons.length > 0;
  for (const [rule, one] of REASONS) {
    const firing = alerts.filter((a) => a.rule === rule);
    if (firing.length === 1 && firing[0]!.id === rule) reasons.push(firing[0]!.title);
    else if (firing.length > 0) reasons.push(`${count(firing.length, one[0])} ${one[1]}`);
  }
  const planned = (system.get("offline_workers") ?? 0) + (system.get("draining_workers") ?? 0);
  if (active < 0.8 * (total - planned) && active > 0)
    reasons.push(`only ${active} of ${total} workers are active`);
  return { level: critical ? "critical" : reasons.length > 0 ? "degraded" : "healthy", reasons };
}

const REASONS = [
  ["worker_overload", ["worker", "overloaded"]],
  ["worker_lost", ["worker", "lost"]],
  ["worker_stale", ["worker", "stale"]],
  ["task_stalled", ["task", "stalled"]],
] as const;

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
