import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Agenda } from "./agenda.ts";
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

describe("the agenda", () => {
  it("gives out what is due by time, and what is due at once in the order of adding", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 })),
        fc.integer({ min: 0, max: 60 }),
        (times, until_ms) => {
          const agenda = new Agenda<number>();
          for (const [index, at_ms] of times.entries()) agenda.add(at_ms, index);
          const taken: { at_ms: number; what: number }[] = [];
          for (let due = agenda.take(until_ms); due !== undefined; due = agenda.take(until_ms))
            taken.push(due);
          const due = times.map((at_ms, what) => ({ at_ms, what })).filter(({ at_ms }) => at_ms <= until_ms);
          expect(taken.map(({ what }) => what)).toEqual(
            due.toSorted((a, b) => a.at_ms - b.at_ms || a.what - b.what).map(({ what }) => what),
          );
          expect(agenda.size).toBe(times.length - due.length);
        },
      ),
    );
  });
});
