import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import type { SeriesName } from "../../src/metrics/range.ts";
import { SLOTS } from "../../src/metrics/store/values.ts";
import type { Source } from "./full-store.ts";

/** A recorded trace's worker metrics. */
export interface Trace {
  readonly metrics: readonly string[];
  /** By worker, in the order of their reports; NaN for a metric that the report did not have. */
  readonly reports: ReadonlyMap<string, readonly Report[]>;
}

interface Report {
  readonly second: number;
  readonly values: readonly number[];
}

interface Line {
  readonly at: number;
  readonly workers?: readonly { readonly id: string; readonly metrics?: Readonly<Record<string, number>> }[];
}

/** @param path gzipped reports, one a line */
export async function readTrace(path: string): Promise<Trace> {
  const metrics: string[] = [];
  const reports = new Map<string, Report[]>();
  for await (const text of createInterface({ input: createReadStream(path).pipe(createGunzip()) })) {
    const { at, workers = [] } = JSON.parse(text) as Line;
    for (const { id, metrics: given = {} } of workers) {
      for (const metric of Object.keys(given)) if (!metrics.includes(metric)) metrics.push(metric);
      const values = metrics.map((metric) => given[metric] ?? Number.NaN);
      const list = reports.get(id) ?? [];
      reports.set(id, list);
      list.push({ second: Math.floor(at / 1000), values });
    }
  }
  return { metrics, reports };
}

/** The trace as it was recorded: at its own seconds, hours apart from their reports empty. */
export class Recorded implements Source {
  readonly names: readonly SeriesName[];
  readonly end_second: number;
  readonly #metrics: number;
  readonly #workers: readonly (readonly Report[])[];
  readonly #next: number[];
  #second: number;

  constructor({ metrics, reports }: Trace) {
    this.names = namesOf([...reports.keys()], metrics);
    this.#metrics = metrics.length;
    this.#workers = [...reports.values()];
    this.#next = this.#workers.map(() => 0);
    this.#second = startOfHour(Math.min(...this.#workers.map((list) => list[0]!.second)));
    this.end_second = startOfHour(Math.max(...this.#workers.map((list) => list.at(-1)!.second))) + SLOTS;
  }

  get second(): number {
    return this.#second;
  }

  next(values: Float64Array): void {
    values.fill(Number.NaN);
    for (let worker = 0; worker < this.#workers.length; worker++) {
      const list = this.#workers[worker]!;
      for (let at = this.#next[worker]!; list[at]?.second === this.#second; at++) {
        values.set(list[at]!.values, worker * this.#metrics);
        this.#next[worker] = at + 1;
      }
    }
    this.#second++;
  }
}

/**
 * The trace a report a second: all workers' reports end to end are one long tape that each worker of a fleet
 * plays from a place of its own, so that no hour of a series has the same stretch twice.
 */
export class Tiled implements Source {
  readonly names: readonly SeriesName[];
  readonly #metrics: number;
  readonly #tape: readonly Report[];
  readonly #workers: number;
  #second: number;

  constructor({ metrics, reports }: Trace, workers: number, start_second: number) {
    this.names = namesOf(
      Array.from({ length: workers }, (_, index) => `worker-${index}`),
      metrics,
    );
    this.#metrics = metrics.length;
    this.#tape = [...reports.values()].flat();
    this.#workers = workers;
    this.#second = start_second;
  }

  get second(): number {
    return this.#second;
  }

  next(values: Float64Array): void {
    values.fill(Number.NaN);
    for (let worker = 0; worker < this.#workers; worker++) {
      const start = Math.floor((worker * this.#tape.length) / this.#workers);
      values.set(this.#tape[(start + this.#second) % this.#tape.length]!.values, worker * this.#metrics);
    }
    this.#second++;
  }
}

function namesOf(workers: readonly string[], metrics: readonly string[]): SeriesName[] {
  return workers.flatMap((entity) => metrics.map((metric) => ({ scope: "worker", entity, metric })));
}

function startOfHour(second: number): number {
  return Math.floor(second / SLOTS) * SLOTS;
}
