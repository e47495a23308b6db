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
  celsius: "degrees Celsius",
  watts: "watts",
  score: "score, 0 to 100",
};

export const at_ms = z.number().describe("The tick that the values are from, Unix milliseconds");

export const noParams = z.object({});

export const countField = (what: string) => z.number().describe(`${what}, count`);

/** One field a metric of the catalogue, null where it is not known. */
export function metricFields(scope: Scope): Record<string, z.ZodNullable<z.ZodNumber>> {
  return Object.fromEntries(
    metricsOf(scope).map((metric) => [metric.name, z.number().nullable().describe(describeMetric(metric))]),
  );
}

/** The newest value of every metric of the catalogue by its name, null where it is not known. */
export function metricValues(
  scope: Scope,
  values: ReadonlyMap<string, number>,
): Record<string, number | null> {
  return Object.fromEntries(metricsOf(scope).map(({ name }) => [name, values.get(name) ?? null]));
}

function metricsOf(scope: Scope): readonly Metric[] {
  return SCOPES[scope];
}

const SCOPES: Record<Scope, readonly Metric[]> = {
  system: CATALOGUE.filter((metric) => metric.scope === "system"),
  worker: CATALOGUE.filter((metric) => metric.scope === "worker"),
  task: CATALOGUE.filter((metric) => metric.scope === "task"),
};

function describeMetric(metric: Metric): string {
  return `${metric.help}; ${IN_WORDS[metric.unit]}; null where not known`;
}
