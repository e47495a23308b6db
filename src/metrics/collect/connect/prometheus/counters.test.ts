import fc from "fast-check";
import { expect, test } from "vitest";
import { Counters } from "./counters.ts";

test("a counter seen twice has a rate, and goes on after a reset from nothing", () => {
  const counters = new Counters();
  expect(counters.perSecond("a", 100, 1000)).toBeNull();
  expect(counters.perSecond("a", 110, 3000)).toBe(5);
  expect(counters.perSecond("a", 110, 4000)).toBe(0);
  expect(counters.perSecond("a", 6, 6000)).toBe(3);
});

test("asked again in one poll, or without a new sample, it is what it was", () => {
  const counters = new Counters();
  counters.perSecond("a", 100, 1000);
  expect(counters.perSecond("a", 110, 2000)).toBe(10);
  expect(counters.perSecond("a", 110, 2000)).toBe(10);
  expect(counters.perSecond("a", 110, 1500)).toBe(10);
});

test("a hair's step back is no restart", () => {
  const counters = new Counters();
  counters.perSecond("iowait", 500_000.02, 1000);
  expect(counters.perSecond("iowait", 500_000.01, 2000)).toBe(0);
});

test("one that a poll did not see is forgotten", () => {
  const counters = new Counters();
  counters.perSecond("a", 100, 1000);
  counters.endPoll();
  counters.perSecond("b", 1, 2000);
  counters.endPoll();
  expect(counters.perSecond("a", 900, 3000)).toBeNull();
  expect(counters.perSecond("b", 3, 3000)).toBe(2);
});

test("whatever a counter does its rate is never negative, and without resets what it grew is in its rates", () => {
  const steps = fc.array(
    fc.record({ by: fc.nat(1000), seconds: fc.integer({ min: 1, max: 60 }), reset: fc.boolean() }),
  );
  fc.assert(
    fc.property(steps, (all) => {
      const counters = new Counters();
      let [value, at_ms, grown] = [0, 0, 0];
      counters.perSecond("a", value, at_ms);
      for (const { by, seconds, reset } of all) {
        value = reset ? by : value + by;
        at_ms += seconds * 1000;
        const rate = counters.perSecond("a", value, at_ms)!;
        expect(rate).toBeGreaterThanOrEqual(0);
        grown += rate * seconds;
      }
      if (all.every(({ reset }) => !reset)) expect(grown).toBeCloseTo(value, 6);
    }),
  );
});
