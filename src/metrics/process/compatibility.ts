import type { Compatibility, Observed } from "../scores.ts";

/** What stands where nothing is known: neither for a worker nor against it. */
export const NEUTRAL = 0.5;
/** So many tasks weigh as much as what the hardware promises. */
const PRIOR_TASKS = 10;

/**
 * Compatibility of a worker and a modality, 0 to 100 (design: Formulas): what its hardware promises, shrunk
 * toward what was observed: (10 · prior + n · (0.7 success + 0.3 speed)) ÷ (10 + n), n tasks in the last 24 h.
 *
 * @param prior 0 to 1, or null where nothing is known of the hardware; the neutral prior stands in once a task ended
 */
export function compatibility(prior: number | null, observed: Observed | null): Compatibility {
  if (observed === null) return { score: prior === null ? null : 100 * prior, prior, observed };
  const { tasks } = observed;
  const evidence = PRIOR_TASKS * (prior ?? NEUTRAL) + tasks * observedScore(observed);
  return { score: (100 * evidence) / (PRIOR_TASKS + tasks), prior, observed };
}

/** 0.7 success + 0.3 speed, 0 to 1; success alone where no time can be compared. */
export function observedScore({ success_ratio, speed }: Observed): number {
  return speed === null ? success_ratio : 0.7 * success_ratio + 0.3 * speed;
}

/** What became of a worker's tasks of one model, in the last 24 hours. */
export interface ModelOutcome {
  tasks: number;
  completed: number;
  /** Processing time; null where no task told it. */
  median_s: number | null;
  /** Of all workers; null where it is not known. */
  fleet_median_s: number | null;
}

/**
 * The outcomes of several models as one: speeds are compared model by model and weighed by completed tasks,
 * so that who gets the long tasks is not called slow. Null where no task ended.
 */
export function observe(models: readonly ModelOutcome[]): Observed | null {
  let tasks = 0;
  let completed = 0;
  let compared = 0;
  let speeds = 0;
  for (const model of models) {
    tasks += model.tasks;
    completed += model.completed;
    if (model.median_s === null || model.fleet_median_s === null) continue;
    compared += model.completed;
    speeds += model.completed * relativeSpeed(model.median_s, model.fleet_median_s);
  }
  if (tasks === 0) return null;
  return {
    tasks,
    completed,
    success_ratio: completed / tasks,
    speed: compared === 0 ? null : speeds / compared,
  };
}

/** min(1, the fleet's median ÷ its own); a time too short to measure is as fast as any. */
function relativeSpeed(median_s: number, fleet_median_s: number): number {
  return median_s <= fleet_median_s ? 1 : fleet_median_s / median_s;
}
