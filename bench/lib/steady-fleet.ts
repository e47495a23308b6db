import type { FleetSize } from "./feed.ts";

/** Workers and tasks of one body at most. */
const BATCH = 1000;
/** Of a hundred tasks so many run; of the running ones one in so many ends each second, and another begins. */
const RUNNING = 10;
const LASTS_S = 20;
const MAX_CHANGES = 500;
const METRICS = [
  "cpu_utilization",
  "memory_utilization",
  "gpu_utilization",
  "gpu_memory_utilization",
  "io_utilization",
  "network_utilization",
] as const;
const START_MS = 1_700_000_000_000;

/** Reports of a fleet that stays the same but for its figures, and for tasks of which each second as many end as come. */
export class SteadyFleet {
  now_ms = START_MS;
  readonly #size: FleetSize;
  /** The tasks that run, oldest first, and those that wait. */
  #running: number[] = [];
  #waiting: number[] = [];
  #tasks = 0;

  constructor(size: FleetSize) {
    this.#size = size;
  }

  /** As many as its size makes likely. */
  get changes_a_second(): number {
    return 3 * Math.min(MAX_CHANGES, Math.ceil((this.#size.tasks * RUNNING) / 100 / LASTS_S));
  }

  /** All that there is, in bodies. */
  everything(): string[] {
    const running = (this.#size.tasks * RUNNING) / 100;
    const tasks = Array.from({ length: this.#size.tasks }, (_, i) =>
      i < running ? this.#begin(this.#next()) : this.#queue(this.#next()),
    );
    return [...this.#bodies(this.#workers(this.#size.workers), []), ...this.#bodies([], tasks)];
  }

  /** The next second's reports: of the first so many workers, and of the tasks that ended, began and came. */
  second(reporting: number, changed = this.changes_a_second): string[] {
    this.now_ms += 1000;
    const changes = changed / 3;
    const ended = this.#running.splice(0, changes).map((n) => ({ ...this.#named(n), status: "completed" }));
    const begun = this.#waiting.splice(0, changes).map((n) => this.#begin(n));
    const came = Array.from({ length: changes }, () => this.#queue(this.#next()));
    return this.#bodies(this.#workers(Math.min(reporting, this.#size.workers)), [
      ...ended,
      ...begun,
      ...came,
    ]);
  }

  #next(): number {
    this.#tasks += 1;
    return this.#tasks;
  }

  #named(n: number) {
    return {
      id: `task-${n}`,
      type: "vision",
      model_family: "vit",
      model_id: `vit-${n % 20}`,
      priority: 1 + (n % 5),
    };
  }

  #begin(n: number): object {
    this.#running.push(n);
    return { ...this.#named(n), status: "running", worker_id: `worker-${n % this.#size.workers}` };
  }

  #queue(n: number): object {
    this.#waiting.push(n);
    return { ...this.#named(n), status: "queued" };
  }

  #workers(count: number): object[] {
    return Array.from({ length: count }, (_, i) => ({
      id: `worker-${i}`,
      type: i % 2 === 0 ? "gpu" : "cpu",
      metrics: Object.fromEntries(METRICS.map((name) => [name, Math.round(800 * Math.random()) / 10])),
    }));
  }

  #bodies(workers: readonly object[], tasks: readonly object[]): string[] {
    const bodies = Math.max(1, Math.ceil(Math.max(workers.length, tasks.length) / BATCH));
    const part = <T>(list: readonly T[], i: number) =>
      list.slice(Math.floor((i * list.length) / bodies), Math.floor(((i + 1) * list.length) / bodies));
    return Array.from({ length: bodies }, (_, i) =>
      JSON.stringify({ source: "bench", interval_s: 3600, workers: part(workers, i), tasks: part(tasks, i) }),
    );
  }
}
