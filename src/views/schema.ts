import { z } from "zod";
import { CATALOGUE, type Metric, type Scope, type Unit } from "../metrics/catalogue.ts";

const IN_WORDS: Record<Unit, string> = {
  percent: "percent, 0 to 100",
  ratio: "ratio, 0 to 1",
  bytes: "bytes",
  bytes_per_second: "bytes per second",
  seconds: "seconds",
  count: "count",
  per_minute: "per minute",
  per_hour: "per hour",
  celsius: "degrees Celsius",
  watts: "watts",
  score: "score, 0 to 100",
};

export const labelField = z.string().describe("What the worker is called where there is little room");

export const at_ms = z.number().describe("The tick that the values are from, Unix milliseconds");

/** Of a name in a query, code units: the longest id has 256 characters, each of which may be two. */
export const MAX_NAME_LENGTH = 512;

export const noParams = z.object({});

export const countField = (what: string) => z.number().describe(`${what}, count`);

/** One field a metric of the catalogue that has a value now, null where it is not known. */
export function metricFields(scope: Scope): Record<string, z.ZodNullable<z.ZodNumber>> {
  return Object.fromEntries(
    metricsOf(scope).map((metric) => [metric.name, z.number().nullable().describe(describeMetric(metric))]),
  );
}

/** Names of the catalogue's metrics of one scope, in its order. */
export function metricNames(scope: Scope): readonly string[] {
  return NAMES[scope];
}

function metricsOf(scope: Scope): readonly Metric[] {
  return CATALOGUE.filter((metric) => metric.scope === scope && metric.kind !== "events");
}

const NAMES: Record<Scope, readonly string[]> = {
  system: metricsOf("system").map((metric) => metric.name),
  worker: metricsOf("worker").map((metric) => metric.name),
  task: metricsOf("task").map((metric) => metric.name),
  worker_type: metricsOf("worker_type").map((metric) => metric.name),
  task_type: metricsOf("task_type").map((metric) => metric.name),
  model_family: metricsOf("model_family").map((metric) => metric.name),
};

function describeMetric(metric: Metric): string {
  return `${metric.help}; ${IN_WORDS[metric.unit]}; null where not known`;
}
