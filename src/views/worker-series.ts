import { z } from "zod";
import { findMetric, scaleOf } from "../metrics/catalogue.ts";
import type { Read } from "../metrics/read.ts";

/** The last minutes of some of a worker's metrics, in closed steps. */
export const WORKER_SERIES = z.object({
  minutes: z.number().describe("How far back the values reach, minutes"),
  step_s: z.number().describe("Length of a step, seconds; only closed steps are given"),
  times_ms: z.array(z.number()).describe("Start of each step, oldest first, Unix milliseconds"),
  metrics: z
    .record(
      z.string(),
      z.object({
        unit: z.string().describe("Unit of the values, as in the catalogue of metrics"),
        now: z.number().nullable().describe("The value now, newer than the last step; null where not known"),
        mean: z.array(z.number().nullable()).describe("Mean of each step; null where nothing is known"),
      }),
    )
    .describe("The metrics by name, each with a value a step"),
});

type WorkerSeries = z.output<typeof WORKER_SERIES>;

export interface WorkerSeriesQuery {
  readonly worker_id: string;
  readonly metrics: readonly string[];
  readonly minutes: number;
  readonly step_s: number;
  /** The newest value of each. */
  readonly now: ReadonlyMap<string, number>;
}

export function loadWorkerSeries(read: Read, query: WorkerSeriesQuery): WorkerSeries {
  const { worker_id, metrics, minutes, step_s, now } = query;
  const step_ms = step_s * 1000;
  const to_ms = Math.floor(read.now_ms / step_ms) * step_ms;
  const steps = Math.floor((minutes * 60) / step_s);
  const series = metrics.map((metric) => ({ scope: "worker" as const, entity: worker_id, metric }));
  const answer = read.range({ series, from_ms: to_ms - steps * step_ms, to_ms, step_ms });
  return {
    minutes,
    step_s,
    times_ms: answer.at_ms,
    metrics: Object.fromEntries(
      metrics.map((metric, index) => {
        const known = findMetric("worker", metric);
        // A mean needs one digit more than its samples have.
        const scale = 10 * scaleOf(known?.precision ?? 0);
        const mean = answer.columns[index]!.mean.map((value) =>
          value === null ? null : Math.round(value * scale) / scale,
        );
        return [metric, { unit: known?.unit ?? "count", now: now.get(metric) ?? null, mean }];
      }),
    ),
  };
}

/** A comma parts the ids in the query: a worker with one in its id has no such address. */
export function workerHistoryHref(
  worker_id: string,
  metrics: readonly string[],
  minutes: number,
): { readonly href: string } | Record<never, never> {
  if (worker_id.includes(",")) return {};
  const id = encodeURIComponent(worker_id.replace(/\p{Surrogate}/gu, "\ufffd"));
  return { href: `history?workers=${id}&worker_metrics=${metrics.join(",")}&duration=${minutes}m` };
}
