import { DURATION_BOUNDS_S, type DurationName, type DurationTotals, type EndName } from "../totals.ts";

class Durations implements DurationTotals {
  readonly counts: number[] = new Array(DURATION_BOUNDS_S.length + 1).fill(0);
  count = 0;
  sum_s = 0;

  add(seconds: number): void {
    const bound = DURATION_BOUNDS_S.findIndex((bound_s) => seconds <= bound_s);
    this.counts[bound === -1 ? DURATION_BOUNDS_S.length : bound]! += 1;
    this.count += 1;
    this.sum_s += seconds;
  }
}

/** Counts since the start that only grow, so that whoever reads them now and then misses nothing between. */
export class FlowTotals {
  readonly ended: Record<EndName, number> = { completed: 0, failed: 0, cancelled: 0 };
  readonly durations: Readonly<Record<DurationName, Durations>> = {
    queue_time: new Durations(),
    processing_time: new Durations(),
    total_time: new Durations(),
  };
}
