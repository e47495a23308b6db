import { createDemo, type Demo } from "../../../src/metrics/collect/demo/demo.ts";
import { SEED, SEED_FLEET } from "../feed.ts";

/** A worker's metrics by name, as of its last report. */
export type Gauges = Readonly<Record<string, number>>;

/** By worker. */
export type Fleet = ReadonlyMap<string, Gauges>;

/** The fleet that Evenkeel is fed with, for those who know gauges of workers and no tasks: the same seed. */
export class FleetGauges {
  readonly #workers = new Map<string, Gauges>();
  readonly #demo: Demo;
  readonly #onSecond: (fleet: Fleet) => void;
  #timer: NodeJS.Timeout | null = null;

  /** @param onSecond called after each second's news */
  constructor(onSecond: (fleet: Fleet) => void) {
    this.#onSecond = onSecond;
    this.#demo = createDemo({ ...SEED_FLEET, seed: SEED, start_ms: Date.now() });
    this.#live();
  }

  stop(): void {
    if (this.#timer) clearTimeout(this.#timer);
  }

  #live(): void {
    for (const { workers } of this.#demo.reportsUntil(Math.max(this.#demo.due_ms, Date.now())))
      for (const { id, metrics } of workers) this.#workers.set(id, numbersOf(metrics));
    this.#onSecond(this.#workers);
    this.#timer = setTimeout(() => this.#live(), Math.max(0, this.#demo.due_ms - Date.now()));
  }
}

function numbersOf(metrics: object): Gauges {
  return Object.fromEntries(Object.entries(metrics).filter(([, value]) => typeof value === "number"));
}
