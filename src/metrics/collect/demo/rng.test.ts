import { describe, expect, it } from "vitest";
import { createRng, hash } from "./rng.ts";

const many = (count: number, draw: () => number) => Array.from({ length: count }, draw);
const meanOf = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("random numbers", () => {
  it("are the same for the same seed, and others for another", () => {
    expect(many(20, createRng(5).next)).toEqual(many(20, createRng(5).next));
    expect(many(20, createRng(5).next)).not.toEqual(many(20, createRng(6).next));
  });

  it("have the mean and the median that were asked for", () => {
    const rng = createRng(1);
    expect(meanOf(many(20_000, rng.next))).toBeCloseTo(0.5, 1);
    expect(meanOf(many(20_000, () => rng.exponential(8)))).toBeCloseTo(8, 0);
    const times = many(20_001, () => rng.logNormal(10, 0.4)).toSorted((a, b) => a - b);
    expect(times[10_000]).toBeCloseTo(10, 0);
  });

  it("hash to whole numbers that depend on every part and on the order", () => {
    expect(hash(1, 2, 3)).toBe(hash(1, 2, 3));
    expect(new Set([hash(1, 2), hash(2, 1), hash(1), hash(1, 2, 0)]).size).toBe(4);
  });
});
