/** The words of the fleet: what sources say of it, and what is known of it now. */

import type { Scope } from "./catalogue.ts";

export const WORKER_STATUSES = ["active", "draining", "offline"] as const;
export type WorkerStatus = (typeof WORKER_STATUSES)[number];

/** In the order of a task's life; the last three end it. */
export const TASK_STATUSES = ["queued", "assigned", "running", "completed", "failed", "cancelled"] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];
/** What a task is shown as: a reported status, or orphaned, which only Evenkeel derives. */
export type TaskState = TaskStatus | "orphaned";
export const TASK_STATES = [...TASK_STATUSES, "orphaned"] as const;

export const MODALITIES = ["vision", "text", "audio", "multimodal"] as const;
export type Modality = (typeof MODALITIES)[number];

/** How recently a worker or a source was heard of. */
export type Presence = "fresh" | "stale" | "lost";

/** What a worker is shown as: its presence first, then what it said of itself, then its pressure. */
export const WORKER_STATES = ["overloaded", "lost", "stale", "draining", "offline", "active"] as const;
export type WorkerState = (typeof WORKER_STATES)[number];

export type Metrics = Record<string, number | null>;

export interface Gpu {
  index: number;
  utilization?: number | null | undefined;
  memory_utilization?: number | null | undefined;
  temperature_celsius?: number | null | undefined;
  /** Whether heat or too little power slows it down. */
  throttled?: boolean | null | undefined;
}

/** Capabilities by name, as a source gave them; null clears one. */
export type Capabilities = Record<string, string | number | string[] | null>;

export interface Requirements {
  backends?: string[] | undefined;
  memory_bytes?: number | undefined;
  gpu_memory_bytes?: number | undefined;
  tags?: string[] | undefined;
}

/** One worker's part of a report, normalised. A field that is undefined keeps its value; null clears it. */
export interface WorkerUpdate {
  id: string;
  type: string | null | undefined;
  hostname: string | null | undefined;
  status: WorkerStatus | null | undefined;
  tags: string[] | null | undefined;
  capabilities: Capabilities;
  metrics: Metrics;
  gpus: Gpu[] | null | undefined;
  interval_s: number | undefined;
  /** The source's own time of what it last heard of the worker; undefined where that is now. */
  heard_at_ms?: number | undefined;
}

/** The steps of a task's life whose instants are kept. */
export const STEPS = ["queued", "assigned", "started", "ended"] as const;
export type Step = (typeof STEPS)[number];

/** What one report says of where one attempt of a task stands. */
export interface Transition {
  attempt: number;
  status: TaskStatus | undefined;
  /** Instants that the report gives, Unix milliseconds. */
  times: Partial<Record<Step, number>>;
  worker_id: string | null | undefined;
  progress: number | null | undefined;
  error: string | null | undefined;
}

/** One task's part of a report, normalised: all its entries of that report in one. */
export interface TaskUpdate {
  id: string;
  type: string | null | undefined;
  model_family: string | null | undefined;
  model_id: string | null | undefined;
  priority: number | null | undefined;
  modality: Modality | null | undefined;
  requirements: Requirements | null | undefined;
  metrics: Metrics;
  transitions: Transition[];
}

/** One report as the collector hands it on: validated, normalised, each id at most once per list. */
export interface Report {
  /** The source's own time, or null where it gave none (then the time of receipt stands in). */
  at_ms: number | null;
  received_ms: number;
  source: string;
  interval_s: number | null;
  complete: boolean;
  workers: WorkerUpdate[];
  tasks: TaskUpdate[];
  system: Metrics;
}

/** Something that happened beside the samples, to stand on charts. */
export interface Mark {
  /** Unix milliseconds. */
  readonly at_ms: number;
  /** Such as deploy or maintenance; RESTART and ALERT are our own. */
  readonly kind: string;
  readonly text: string;
}

/** The kind of the mark that a start of Evenkeel sets. */
export const RESTART = "restart";
/** The kind of the mark that stands where an alert began to fire. */
export const ALERT = "alert";

/** A resource of a worker beyond its overload threshold. */
export interface Overload {
  /** A metric of the catalogue. */
  metric: string;
  value: number;
  threshold: number;
  /** When it went beyond the threshold, Unix milliseconds. */
  since_ms: number;
}

/** What is known of a worker now. */
export interface Worker {
  readonly id: string;
  readonly type: string | null;
  readonly hostname: string | null;
  readonly status: WorkerStatus;
  readonly presence: Presence;
  readonly state: WorkerState;
  readonly source: string;
  readonly tags: readonly string[];
  readonly capabilities: Readonly<Capabilities>;
  /**
   * Newest value of each metric, reported and derived; a metric that was not reported is absent. While the
   * presence is not fresh, what was reported is as of the last report, and so is the load.
   */
  readonly metrics: ReadonlyMap<string, number>;
  readonly gpus: readonly Gpu[];
  readonly first_seen_ms: number;
  /** Time of receipt of the last report that names the worker. */
  readonly last_report_ms: number;
  readonly interval_ms: number;
  /** Percent; null where no resource was reported. */
  readonly load: number | null;
  readonly overload: Overload | null;
  readonly running_tasks: number;
  /** Tasks assigned and not started, or what the worker reports of its own queue, whichever is larger; none of a lost one. */
  readonly queued_tasks: number;
  readonly orphaned_tasks: number;
  /** Running tasks by task type. */
  readonly running_by_type: ReadonlyMap<string, number>;
}

/** The instants of one attempt, Unix milliseconds; null where it never got there. */
export interface Attempt {
  readonly attempt: number;
  readonly status: TaskStatus;
  readonly worker_id: string | null;
  readonly queued_at_ms: number | null;
  readonly assigned_at_ms: number | null;
  readonly started_at_ms: number | null;
  readonly ended_at_ms: number | null;
  readonly error: string | null;
}

/** What is known of a task now. */
export interface Task extends Attempt {
  readonly id: string;
  readonly state: TaskState;
  readonly type: string | null;
  readonly model_family: string | null;
  readonly model_id: string | null;
  readonly modality: Modality | null;
  /** 1 is the most urgent. */
  readonly priority: number | null;
  readonly progress: number | null;
  readonly requirements: Requirements | null;
  readonly metrics: ReadonlyMap<string, number>;
  /** Every attempt that is known, oldest first; the task's own instants are the last one's. */
  attempts(): readonly Attempt[];
}

/** Worst first. */
export const SEVERITIES = ["critical", "warning", "notice"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What an alert can be matched by, beside its rule, its severity and the kind of its subject: each where it has one. */
export const ALERT_LABELS = [
  "rule",
  "severity",
  "kind",
  "worker",
  "worker_type",
  "task",
  "task_type",
  "model",
  "model_family",
  "source",
] as const;
export type AlertLabel = (typeof ALERT_LABELS)[number];

/** What kinds of thing an alert can be about. */
export const ALERT_SUBJECTS = [
  "system",
  "source",
  "worker",
  "task",
  "model",
  "worker_type",
  "task_type",
  "model_family",
] as const;
export type AlertSubjectKind = (typeof ALERT_SUBJECTS)[number];

/** A condition that held for long enough that an operator should know of it. */
export interface Alert {
  /** Stable while the condition lasts: rule and subject. */
  readonly id: string;
  readonly rule: string;
  readonly severity: Severity;
  /** What is wrong, as a sentence without its end: "Worker W3 is overloaded". */
  readonly title: string;
  /** How much and what to look at: "95 % CPU, 5 pending tasks". */
  readonly detail: string;
  /** Since when the condition holds, Unix milliseconds. */
  readonly since_ms: number;
  readonly subject: { readonly kind: AlertSubjectKind; readonly id: string };
  /** What it can be matched by. */
  readonly labels: Readonly<Partial<Record<AlertLabel, string>>>;
  /** What many of its rule are called: "{{count}} gpu workers are overloaded". */
  readonly many: string;
  /** The series whose course shows it, all of one scope and entity; empty where there is none. */
  readonly series: readonly { readonly scope: Scope; readonly entity: string; readonly metric: string }[];
  readonly state: AlertState;
  /** When it began to fire; null while it is pending. */
  readonly fired_ms: number | null;
  /** Null until it is resolved. */
  readonly ended_ms: number | null;
  /** How often it has fired in the last 15 minutes, this time included, where it comes and goes; else 0. */
  readonly flaps: number;
  readonly acknowledged: Acknowledgement | null;
  /** The silence that it is under. */
  readonly silenced_by: string | null;
  /** The alert that it follows from. */
  readonly inhibited_by: string | null;
  /** Whether its receivers were told that it fires. */
  readonly told: boolean;
  /** What became of it, oldest first, at most ALERT_STEPS. */
  readonly steps: readonly AlertStep[];
}

/** Pending: the condition holds, and has to hold a little longer to fire. */
export const ALERT_STATES = ["pending", "firing", "resolved"] as const;
export type AlertState = (typeof ALERT_STATES)[number];

/** Somebody has seen it and takes care. */
export interface Acknowledgement {
  readonly at_ms: number;
  readonly by: string;
  readonly note: string;
}

export interface AlertStep {
  readonly at_ms: number;
  readonly what:
    | AlertState
    | "acknowledged"
    | "unacknowledged"
    | "silenced"
    | "unsilenced"
    | "inhibited"
    | "uninhibited";
  /** Who did it, or what it follows from; empty where that goes without saying. */
  readonly by: string;
  /** What they said; of one that began to fire how much it was. */
  readonly note: string;
}

/** A rule as people read it. */
export interface AlertRule {
  readonly name: string;
  /** What it looks at, such as worker. */
  readonly each: string;
  readonly severity: Severity;
  readonly when: string;
  /** Empty where its alerts end with their condition. */
  readonly clear: string;
  readonly for_ms: number;
  readonly keep_firing_for_ms: number;
  readonly unless: readonly string[];
  readonly help: string;
}

/** A metric that is so unusual that it is worth an alert. */
export interface MetricAnomaly {
  readonly scope: "system" | "worker";
  /** The worker; "" for the whole fleet. */
  readonly entity: string;
  readonly metric: string;
  /** How unusual: 4 is twice as far off as 999 of 1,000 samples, 4 more for each doubling. */
  readonly score: number;
  /** What is unusual, and the range in which 999 of 1,000 samples lie, in the metric's unit; of one not reported any more seconds. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** In which way, and what is usual, in words. */
  readonly words: string;
  /** Unix milliseconds. */
  readonly since_ms: number;
}

/** What an alert's label has to be; `*` in the pattern stands for anything. */
export interface Matcher {
  readonly label: AlertLabel;
  readonly pattern: string;
  readonly not: boolean;
}

/** For a while alerts that match are neither told nor counted. */
export interface Silence {
  readonly id: string;
  readonly matchers: readonly Matcher[];
  readonly starts_ms: number;
  readonly ends_ms: number;
  readonly by: string;
  readonly note: string;
}

/** An alert began to be worth telling, or one that was told has ended; of one alert in their order. */
export interface AlertEvent {
  readonly kind: "firing" | "resolved";
  readonly at_ms: number;
  readonly fired_ms: number;
  readonly ended_ms: number | null;
  readonly alert: Alert;
}

/** How a source of reports is doing. */
export interface Source {
  readonly id: string;
  readonly presence: Presence;
  readonly last_report_ms: number;
  readonly interval_ms: number;
  readonly reports: number;
  /** Add this to the source's times to get ours, milliseconds. */
  readonly clock_offset_ms: number;
  readonly workers: number;
}
