import { PRESETS } from "./presets.ts";
import { type PrometheusConfig, RULES, type Rules } from "./schema.ts";

/** The preset's rules, with the config's own: what names the same thing stands in place of the preset's. */
export function rulesOf({
  preset,
  workers,
  facts,
  capabilities,
  metrics,
  gpus,
  system,
  missing,
}: PrometheusConfig): Rules {
  const own = { workers, facts, capabilities, metrics, gpus, system, missing };
  if (preset === undefined) return own;
  const given = RULES.parse(PRESETS[preset]);
  return {
    workers: { ...given.workers, ...workers },
    facts: replaced(given.facts, facts, ({ fact }) => fact),
    capabilities: replaced(given.capabilities, capabilities, ({ capability }) => capability),
    metrics: replaced(given.metrics, metrics, ({ metric }) => metric),
    gpus: replaced(given.gpus, gpus, ({ gpu }) => gpu),
    system: replaced(given.system, system, ({ metric }) => metric),
    missing: [...given.missing, ...missing],
  };
}

function replaced<T>(given: readonly T[], own: readonly T[], nameOf: (rule: T) => string): T[] {
  const named = new Set(own.map(nameOf));
  return [...given.filter((rule) => !named.has(nameOf(rule))), ...own];
}
