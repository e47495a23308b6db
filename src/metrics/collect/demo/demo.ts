import { EvenkeelError } from "../../../errors.ts";
import type { Balancer } from "./balancer.ts";
import type { Fault } from "./faults.ts";
import { buildReport, type DemoReport } from "./report.ts";
import { Simulation } from "./simulation.ts";

export interface DemoOptions {
  /** Workers of the fleet, 1 to 100,000. */
  workers?: number | undefined;
  /** Tasks that are to be live (waiting or running) at a usual moment; by default 16 for each 3 workers. */
  tasks?: number | undefined;
  /** The same seed, size and start give the same reports. */
  seed?: number | undefined;
  /** When the first report is due, Unix milliseconds; the faults count from here. */
  start_ms: number;
}

/** A fault of the script, and the task that it holds back where it holds one, and since when, Unix milliseconds. */
export type ActiveFault = Fault & { readonly task_id: string | null; readonly held_since_ms: number | null };

export interface DemoCounts {
  /** Tasks that ever came in; the others below add up to it. */
  readonly arrived: number;
  readonly queued: number;
  readonly assigned: number;
  readonly running: number;
  /** Failed, and to be tried again in a moment. */
  readonly retrying: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
}

export interface Demo {
  /** When the next report is due, Unix milliseconds. */
  readonly due_ms: number;
  /**
   * The reports that became due since the last call, up to and including `now_ms`: one a second, the first
   * at the start. How the time is cut into calls makes no difference to them.
   */
  reportsUntil(now_ms: number): DemoReport[];
  /** What goes wrong on purpose at this moment, past or future; the task is known only while it lasts. */
  faultsAt(at_ms: number): ActiveFault[];
  /** As of the last report. */
  counts(): DemoCounts;
  /** A fleet like this one that begins anew at this time. */
  again(start_ms: number): Demo;
}

const DEMO_WORKERS = 15;
export const REPORT_EVERY_MS = 1000;
const MAX_WORKERS = 100_000;
const MAX_TASKS = 1_000_000;
const SEED = 20_250_315;

/** The tasks that keep a fleet of this size nicely busy. */
function usualTasks(workers: number): number {
  return Math.round((workers * 16) / 3);
}

/** A fleet of its own that works, swells and fails as fleets do, as fast as it is asked for its reports. */
export function createDemo(options: DemoOptions): Demo {
  const workers = wholeNumber("workers", options.workers ?? DEMO_WORKERS, MAX_WORKERS);
  const tasks = wholeNumber("tasks", options.tasks ?? usualTasks(workers), MAX_TASKS);
  const { seed = SEED, start_ms } = options;
  const simulation = new Simulation({ workers, tasks, seed, start_ms });
  let next_ms = start_ms;

  return {
    get due_ms() {
      return next_ms;
    },
    reportsUntil(now_ms) {
      const reports: DemoReport[] = [];
      for (; next_ms <= now_ms; next_ms += REPORT_EVERY_MS) {
        simulation.advance(next_ms);
        simulation.measure();
        reports.push(buildReport(simulation, next_ms, next_ms === start_ms));
      }
      return reports;
    },
    faultsAt: (at_ms) =>
      simulation.faults.at(at_ms).map((fault) => {
        const victim = simulation.sabotage.victimOf(fault);
        return { ...fault, task_id: victim?.task.id ?? null, held_since_ms: victim?.since_ms ?? null };
      }),
    counts: () => countTasks(simulation.balancer),
    again: (again_ms) => createDemo({ ...options, start_ms: again_ms }),
  };
}

function wholeNumber(name: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new EvenkeelError(
    "invalid",
    `the demo's ${name} must be a whole number from 1 to ${max}; got ${value}`,
  );
}

function countTasks({ live, counts }: Balancer): DemoCounts {
  const by_status = { queued: 0, assigned: 0, running: 0, failed: 0, completed: 0, cancelled: 0 };
  for (const task of live) by_status[task.status]++;
  const { queued, assigned, running, failed: retrying } = by_status;
  return { ...counts, queued, assigned, running, retrying };
}
