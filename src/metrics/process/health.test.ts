import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type HealthInput, health, healthScore } from "./health.ts";
import { OVERLOAD_THRESHOLDS } from "./scores.ts";

const PERFECT: HealthInput = {
  silence_ms: 0,
  stale_ms: 3000,
  lost_ms: 60_000,
  metrics: new Map(),
  tasks: 50,
  completed: 50,
};
const scoreOf = (given: Partial<HealthInput>) => healthScore({ ...PERFECT, ...given });
const using = (metrics: Record<string, number>) => ({ metrics: new Map(Object.entries(metrics)) });

const percent = fc.double({ min: 0, max: 100, noNaN: true });
const input = fc.record({
  silence_ms: fc.nat(200_000),
  stale_ms: fc.integer({ min: 3000, max: 30_000 }),
  lost_ms: fc.integer({ min: 60_000, max: 300_000 }),
  metrics: fc
    .array(fc.tuple(fc.constantFrom(...OVERLOAD_THRESHOLDS.map(([metric]) => metric)), percent))
    .map((metrics) => new Map<string, number>(metrics)),
  tasks: fc.nat(50),
  completed: fc.nat(50),
});
const possible: fc.Arbitrary<HealthInput> = input.map((one) => ({
  ...one,
  completed: Math.min(one.completed, one.tasks),
}));

describe("health", () => {
  it("is 100 of a worker that was just heard of, has room and never failed", () => {
    expect(scoreOf({})).toBe(100);
    expect(scoreOf({ tasks: 0, completed: 0 })).toBe(100);
  });

  it("stays where it is until the last report is stale, and is gone where the worker is lost", () => {
    expect(scoreOf({ silence_ms: 3000 })).toBe(100);
    expect(scoreOf({ silence_ms: 3001 })).toBeLessThan(100);
    expect(scoreOf({ silence_ms: 31_500 })).toBe(50);
    expect(scoreOf({ silence_ms: 60_000 })).toBe(0);
    expect(scoreOf({ silence_ms: 600_000 })).toBe(0);
  });

  it.each(OVERLOAD_THRESHOLDS)(
    "takes %s of up to %d %% for good use, and falls beyond it",
    (metric, threshold) => {
      expect(scoreOf(using({ [metric]: threshold }))).toBe(100);
      expect(scoreOf(using({ [metric]: threshold + 0.1 }))).toBeLessThan(100);
      expect(scoreOf(using({ [metric]: 100 }))).toBe(50);
    },
  );

  it("names the resource that is furthest beyond its threshold", () => {
    const parts = health({
      ...PERFECT,
      ...using({ cpu_utilization: 92, memory_utilization: 95, load_average: 99 }),
    });
    expect(parts.pressure.cause).toEqual({ metric: "memory_utilization", value: 95, threshold: 90 });
    expect(health({ ...PERFECT, ...using({ cpu_utilization: 90 }) }).pressure).toEqual({
      factor: 1,
      cause: null,
    });
  });

  it("takes one early failure for no verdict, and fifty for one", () => {
    expect(scoreOf({ tasks: 1, completed: 0 })).toBeCloseTo(83.3, 1);
    expect(scoreOf({ tasks: 50, completed: 0 })).toBeCloseTo(9.1, 1);
  });

  it("lies from 0 to 100 and is its parts' product", () => {
    fc.assert(
      fc.property(possible, (one) => {
        const { score, freshness, pressure, success } = health(one);
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBeLessThanOrEqual(100);
        expect(score).toBeCloseTo(100 * freshness.factor * pressure.factor * success.factor, 9);
      }),
    );
  });

  it("never rises with silence, with a resource's use or with failures", () => {
    fc.assert(
      fc.property(possible, fc.nat(60_000), fc.nat(3), percent, (one, more_ms, at, used) => {
        const before = healthScore(one) + 1e-9;
        expect(healthScore({ ...one, silence_ms: one.silence_ms + more_ms })).toBeLessThanOrEqual(before);
        const [metric] = OVERLOAD_THRESHOLDS[at]!;
        const metrics = new Map(one.metrics).set(metric, Math.max(one.metrics.get(metric) ?? 0, used));
        expect(healthScore({ ...one, metrics })).toBeLessThanOrEqual(before);
        if (one.completed > 0) {
          expect(healthScore({ ...one, completed: one.completed - 1 })).toBeLessThanOrEqual(before);
        }
      }),
    );
  });
});
