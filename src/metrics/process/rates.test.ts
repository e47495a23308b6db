import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DurationHistogram, SlidingCounter, SlidingDurations } from "./rates.ts";

const START_MS = 1_700_000_000_000;

describe("a sliding counter", () => {
  it("counts what happened in the window, to the second", () => {
    const counter = new SlidingCounter(60);
    counter.advance(START_MS);
    counter.add(START_MS, 3);
    counter.advance(START_MS + 59_999);
    expect(counter.total).toBe(3);
    counter.advance(START_MS + 60_000);
    expect(counter.total).toBe(0);
  });

  it("takes events of the past of the window, none before it, and those of the future as now", () => {
    const counter = new SlidingCounter(60);
    counter.advance(START_MS);
    counter.add(START_MS - 59_000, 1);
    counter.add(START_MS - 60_000, 1);
    counter.add(START_MS + 5000, 1);
    expect(counter.total).toBe(2);
  });

  it("agrees with a plain list of events, whatever comes", () => {
    const step = fc.record({
      add_s: fc.integer({ min: -80, max: 5 }),
      advance_s: fc.integer({ min: 0, max: 40 }),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const counter = new SlidingCounter(60);
        let now_s = START_MS / 1000;
        counter.advance(now_s * 1000);
        const events: number[] = [];
        for (const { add_s, advance_s } of steps) {
          counter.add((now_s + add_s) * 1000, 1);
          if (add_s > -60) events.push(now_s + Math.min(add_s, 0));
          now_s += advance_s;
          counter.advance(now_s * 1000);
          expect(counter.total).toBe(events.filter((s) => s > now_s - 60).length);
        }
      }),
    );
  });
});

describe("a histogram of durations", () => {
  const durations = fc.array(fc.double({ min: 0.002, max: 100_000, noNaN: true }), {
    minLength: 1,
    maxLength: 200,
  });

  it("tells each quantile within 2.5 %, and the mean exactly", () => {
    fc.assert(
      fc.property(durations, fc.constantFrom(0.5, 0.95, 0.99, 1), (values, q) => {
        const histogram = new DurationHistogram();
        for (const v of values) histogram.add(v);
        const sorted = [...values].sort((a, b) => a - b);
        const exact = sorted[Math.ceil(q * sorted.length) - 1]!;
        expect(Math.abs(histogram.quantile(q) / exact - 1)).toBeLessThan(0.026);
        const mean_s = values.reduce((a, b) => a + b) / values.length;
        expect(histogram.stats()?.mean_s).toBeCloseTo(mean_s, 6);
      }),
    );
  });

  it("adds up: two merged are as if all had been put in one", () => {
    fc.assert(
      fc.property(durations, durations, (a, b) => {
        const [one, two, both] = [new DurationHistogram(), new DurationHistogram(), new DurationHistogram()];
        for (const v of a) one.add(v);
        for (const v of b) two.add(v);
        for (const v of [...a, ...b]) both.add(v);
        one.merge(two, 1);
        expect(one.counts).toEqual(both.counts);
        one.merge(two, -1);
        expect(one.count).toBe(a.length);
      }),
    );
  });

  it("knows nothing while it is empty, and holds any duration however long", () => {
    const histogram = new DurationHistogram();
    expect(histogram.stats()).toBeNull();
    histogram.add(1e12);
    histogram.add(0);
    expect(histogram.count).toBe(2);
  });
});

describe("durations of the last minutes", () => {
  it("leave with their window", () => {
    const sliding = new SlidingDurations(300, 5);
    sliding.advance(START_MS);
    sliding.add(START_MS, 10);
    sliding.advance(START_MS + 295_000);
    expect(sliding.stats()?.count).toBe(1);
    sliding.advance(START_MS + 300_000);
    expect(sliding.stats()).toBeNull();
  });
});
