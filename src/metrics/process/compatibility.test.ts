import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compatibility, type ModelOutcome, observe, observedScore } from "./compatibility.ts";

const outcome = (given: Partial<ModelOutcome>): ModelOutcome => ({
  tasks: 10,
  completed: 10,
  median_s: 4,
  fleet_median_s: 4,
  ...given,
});

describe("what was observed", () => {
  it("is nothing where no task ended", () => {
    expect(observe([])).toBeNull();
    expect(observe([outcome({ tasks: 0, completed: 0 })])).toBeNull();
  });

  it("is half the speed where a model takes twice the fleet's time, and never more than the fleet's", () => {
    expect(observe([outcome({ median_s: 8 })])?.speed).toBe(0.5);
    expect(observe([outcome({ median_s: 1 })])?.speed).toBe(1);
    expect(observe([outcome({ median_s: 0, fleet_median_s: 0 })])?.speed).toBe(1);
  });

  it("compares speeds model by model: long tasks make nobody slow", () => {
    const long = outcome({ median_s: 400, fleet_median_s: 400 });
    expect(observe([outcome({}), long])?.speed).toBe(1);
    expect(observe([outcome({ completed: 10, median_s: 8 }), outcome({ completed: 30 })])?.speed).toBe(0.875);
  });

  it("has no speed where no time can be compared, and then success alone counts", () => {
    const observed = observe([outcome({ tasks: 4, completed: 3, median_s: null })])!;
    expect(observed).toEqual({ tasks: 4, completed: 3, success_ratio: 0.75, speed: null });
    expect(observedScore(observed)).toBe(0.75);
  });
});

describe("compatibility", () => {
  const observed = (tasks: number, success_ratio: number, speed: number | null) => ({
    tasks,
    completed: Math.round(tasks * success_ratio),
    success_ratio,
    speed,
  });

  it("is what the hardware promises until a task tells more", () => {
    expect(compatibility(0.9, null).score).toBe(90);
    expect(compatibility(null, null)).toEqual({ score: null, prior: null, observed: null });
  });

  it("is half promise and half experience after ten tasks", () => {
    expect(compatibility(0.9, observed(10, 0.5, 0.5)).score).toBeCloseTo(100 * (0.5 * 0.9 + 0.5 * 0.5));
  });

  it("begins in the middle where nothing is known of the hardware", () => {
    expect(compatibility(null, observed(10, 1, 1)).score).toBe(75);
  });

  it("lies between the promise and the experience, nearer to it the more tasks there are", () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(share, fc.integer({ min: 1, max: 5000 }), share, share, (prior, tasks, success, speed) => {
        const seen = 100 * observedScore(observed(tasks, success, speed));
        const score = compatibility(prior, observed(tasks, success, speed)).score!;
        expect(score).toBeGreaterThanOrEqual(Math.min(100 * prior, seen) - 1e-9);
        expect(score).toBeLessThanOrEqual(Math.max(100 * prior, seen) + 1e-9);
        const later = compatibility(prior, observed(tasks + 1, success, speed)).score!;
        expect(Math.abs(later - seen)).toBeLessThanOrEqual(Math.abs(score - seen) + 1e-9);
      }),
    );
  });
});
