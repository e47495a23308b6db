import type { Counters } from "./counters.ts";
import type { Series } from "./exposition.ts";
import type { ValueRule } from "./schema.ts";
import type { Selector } from "./selector.ts";

/** What a rule is worked out from: one target's series, of one worker or of them all. */
export interface Scene {
  /** Those of a selector. */
  select(selector: Selector): readonly Series[];
  readonly counters: Counters;
  readonly missing: ReadonlySet<number>;
  /** When they were asked for, Unix milliseconds. */
  readonly now_ms: number;
}

/** How a rule takes what its exposition calls a counter, where the rule does not say so itself. */
export type CountersAs = "rate" | "value";

/**
 * scale · (series − minus) ÷ of, each part summed over what has the same label `by`, and then brought together by
 * `agg`; without `by` and the other parts, `agg` of the series themselves.
 *
 * @returns null where a part is not known; `count` is of what is there, known or not
 */
export function evaluate(rule: ValueRule, scene: Scene, counters_as: CountersAs = "rate"): number | null {
  const { series, minus, of, by, agg, scale } = rule;
  const alone = by === undefined && minus === undefined && of === undefined;
  const groupOf = (one: Series) => (by === undefined ? (alone ? one.key : "") : (one.labels.get(by) ?? ""));
  if (agg === "count") return new Set(scene.select(series).map(groupOf)).size || null;
  const sums = (selector: Selector, as: CountersAs | undefined) =>
    summed(scene.select(selector), groupOf, (one) =>
      (as ?? (one.cumulative ? counters_as : "value")) === "rate" ? rateOf(one, scene) : plainOf(one, scene),
    );
  const parts = {
    series: sums(series, rule.as),
    minus: minus && sums(minus, rule.as),
    of: of && sums(of, undefined),
  };
  const values: number[] = [];
  for (const [group, value] of parts.series) {
    const less = parts.minus ? (parts.minus.get(group) ?? null) : 0;
    const whole = parts.of ? (parts.of.get(group) ?? null) : 1;
    if (value === null || less === null || whole === null || whole <= 0) continue;
    values.push((value - less) / whole);
  }
  return values.length === 0 ? null : scale * AGGREGATES[agg](values);
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
// Not by spreading: there may be more of them than a call takes arguments.
const AGGREGATES = {
  sum,
  mean: (values: readonly number[]) => sum(values) / values.length,
  max: (values: readonly number[]) => values.reduce((most, value) => Math.max(most, value)),
  min: (values: readonly number[]) => values.reduce((least, value) => Math.min(least, value)),
};

/** Sums by group; null where a part of one is not known. What has no rate yet counts with the next poll. */
function summed(
  series: readonly Series[],
  groupOf: (one: Series) => string,
  amountOf: (one: Series) => number | null | "later",
): Map<string, number | null> {
  const sums = new Map<string, number | null>();
  for (const one of series) {
    const value = amountOf(one);
    if (value === "later") continue;
    const group = groupOf(one);
    const before = sums.get(group);
    sums.set(group, value === null || before === null ? null : (before ?? 0) + value);
  }
  return sums;
}

function plainOf({ value }: Series, { missing }: Scene): number | null {
  return Number.isFinite(value) && !missing.has(value) ? value : null;
}

function rateOf(one: Series, scene: Scene): number | null | "later" {
  const value = plainOf(one, scene);
  return value === null
    ? null
    : (scene.counters.perSecond(one.key, value, one.at_ms ?? scene.now_ms) ?? "later");
}
