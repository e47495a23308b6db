import { SWELL_PERIOD_MS } from "./demand.ts";
import type { ActiveFault } from "./demo.ts";

/** An alert that follows from the script, by the rules that hold from the start. */
export interface ImpliedAlert {
  /** Its name in rules/default.yaml. */
  readonly rule: string;
  /** What the alert is labelled with, among other things; null for a label that it does not have. */
  readonly labels: Readonly<Partial<Record<"worker" | "task" | "model", string | null>>>;
  /** Whose course it shows; null for any. */
  readonly metric: string | null;
  /** Within these instants it begins to fire, Unix milliseconds. */
  readonly from_ms: number;
  readonly by_ms: number;
  /** True where it has to; otherwise it depends on how busy the fleet is just then. */
  readonly certain: boolean;
}

/** What a rule's condition, its hold and the presence of workers take, with a tick to spare; seconds. */
const OVERLOAD_TOLD_S = 5;
const STALE_TOLD_S = 8;
const LOST_TOLD_S = 63;
/** A task of the stalled model is over in 13 s but for one in twenty: five times that, and it is told. */
const STALL_TOLD_S = 80;

/** Until what was held up is worked off: the tasks' mean queue time is one over five minutes. */
const QUEUES_S = 360;
/** Until the worker is back at its usual work. */
const BACK_S = 120;
/** Until tasks that were slowed down are done, or far beyond their time. */
const SLOWED_S = 300;

const QUEUE_RULES = ["model_queue_time", "system_high_queue_time", "queue_growing"];

/** While a fleet is new its first ebb is news too. */
export function alertsOfNewFleet(start_ms: number): ImpliedAlert[] {
  const by_ms = start_ms + 1.5 * SWELL_PERIOD_MS;
  return [{ rule: "anomaly", labels: {}, metric: null, from_ms: start_ms, by_ms, certain: false }];
}

/** The alerts that a fault brings about, as far as it is known by now: of a stall once it holds its task. */
export function impliedAlerts(fault: ActiveFault): ImpliedAlert[] {
  const { kind, from_ms, until_ms, worker_id: worker, model_id: model, task_id: task, held_since_ms } = fault;
  const must = (rule: string, labels: ImpliedAlert["labels"], told_s: number, since_ms = from_ms) => {
    const by_ms = since_ms + 1000 * told_s;
    return { rule, labels, metric: null, from_ms: since_ms, by_ms, certain: by_ms < until_ms };
  };
  const may = (
    rule: string,
    labels: ImpliedAlert["labels"],
    after_s: number,
    metric: string | null = null,
  ) => {
    return { rule, labels, metric, from_ms, by_ms: until_ms + 1000 * after_s, certain: false };
  };
  const ofQueues = () => [
    ...QUEUE_RULES.map((rule) => may(rule, {}, QUEUES_S)),
    may("anomaly", { worker: null }, QUEUES_S),
    // Those that have a part of the fleet's queue assigned.
    may("anomaly", {}, QUEUES_S, "queued_tasks"),
  ];
  switch (kind) {
    case "overload":
      return [
        must("worker_overload", { worker }, OVERLOAD_TOLD_S),
        may("anomaly", { worker }, BACK_S),
        may("task_stalled", { worker }, SLOWED_S),
      ];
    case "stall":
      if (task === null || held_since_ms === null) return [];
      // Where it took long to find one, the watchdog may kill it before.
      return [must("task_stalled", { task }, STALL_TOLD_S, held_since_ms), may("task_stalled", { task }, 0)];
    case "drain":
      return [may("anomaly", { worker }, BACK_S), ...ofQueues()];
    case "death":
      return [
        must("worker_stale", { worker }, STALE_TOLD_S),
        must("worker_lost", { worker }, LOST_TOLD_S),
        may("anomaly", { worker }, BACK_S),
        ...ofQueues(),
      ];
    case "slow_model":
      return [may("task_stalled", { model }, SLOWED_S), ...ofQueues()];
  }
}
