import { TASK_STATES, type TaskState } from "../model.ts";
import type { DurationName } from "../totals.ts";
import { AssignmentQuality } from "./assignment-quality.ts";
import { FlowTotals } from "./flow-totals.ts";
import { type DurationStats, SlidingCounter, SlidingDurations } from "./rates.ts";

const HOUR_S = 3600;
const THROUGHPUT_S = 60;

/** The series of a flow that count what happened in each second. */
export const EVENTS = ["completions", "failures", "cancellations"] as const;
export type FlowEvent = (typeof EVENTS)[number];
/** The series of a flow whose durations are kept as histograms. */
export const DURATIONS: readonly DurationName[] = ["queue_time", "processing_time", "total_time"];
export type FlowDuration = DurationName;

const EVENT_OF: Partial<Record<string, FlowEvent>> = {
  completed: "completions",
  failed: "failures",
  cancelled: "cancellations",
};

/** What waits, runs and ends, and how long it takes: of all tasks, of one type or of one model family. */
export class Flow {
  readonly live: Record<TaskState, number> = emptyCounts();
  readonly events: Readonly<Record<FlowEvent, SlidingCounter>> = {
    completions: new SlidingCounter(HOUR_S),
    failures: new SlidingCounter(HOUR_S),
    cancellations: new SlidingCounter(HOUR_S),
  };
  readonly durations: Readonly<Record<FlowDuration, SlidingDurations>> = {
    queue_time: new SlidingDurations(),
    processing_time: new SlidingDurations(),
    total_time: new SlidingDurations(),
  };

  readonly assignments = new AssignmentQuality();
  readonly totals = new FlowTotals();

  constructor(now_ms: number) {
    this.advance(now_ms);
  }

  advance(now_ms: number): void {
    for (const name of EVENTS) this.events[name].advance(now_ms);
    for (const name of DURATIONS) this.durations[name].advance(now_ms);
  }

  resume(now_ms: number): void {
    for (const name of EVENTS) this.events[name].resume(now_ms);
    for (const name of DURATIONS) this.durations[name].resume(now_ms);
  }

  /** Takes one duration of a task. */
  time(name: FlowDuration, at_ms: number, seconds: number): void {
    this.durations[name].add(at_ms, seconds);
    this.totals.durations[name].add(seconds);
  }

  /** Books an end, or takes it back; a state that ends nothing is none. */
  bookEnd(state: string, at_ms: number, delta: number): void {
    const event = EVENT_OF[state];
    if (event) this.events[event].add(at_ms, delta);
  }

  /** Every metric of it as of now, by its name in the catalogue; one that can't be measured is absent. */
  metrics(): Map<string, number> {
    const { completions, failures, cancellations } = this.events;
    const metrics = new Map<string, number>([
      ["queued_tasks", this.live.queued],
      ["assigned_tasks", this.live.assigned],
      ["running_tasks", this.live.running],
      ["orphaned_tasks", this.live.orphaned],
      ["completed_tasks", completions.total],
      ["failed_tasks", failures.total],
      ["cancelled_tasks", cancellations.total],
      ["throughput_per_minute", completions.last(THROUGHPUT_S)],
    ]);
    const ended = completions.total + failures.total;
    if (ended > 0) metrics.set("success_ratio", completions.total / ended);
    const quality = this.assignments.stats(completions.now_ms);
    if (quality) {
      metrics.set("assignment_efficiency", quality.efficiency);
      metrics.set("optimal_match_ratio", quality.optimal_ratio);
    }
    for (const name of DURATIONS) setDurations(metrics, name, this.durations[name].stats());
    return metrics;
  }
}

function setDurations(metrics: Map<string, number>, name: string, stats: DurationStats | null): void {
  if (!stats) return;
  metrics.set(`${name}_mean_s`, stats.mean_s);
  metrics.set(`${name}_p50_s`, stats.p50_s);
  metrics.set(`${name}_p95_s`, stats.p95_s);
  metrics.set(`${name}_p99_s`, stats.p99_s);
}

function emptyCounts(): Record<TaskState, number> {
  return Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Record<TaskState, number>;
}
