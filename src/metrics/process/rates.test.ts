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
    const sliding = new SlidingDurations();
    const minute_ms = Math.floor(START_MS / 60_000) * 60_000;
    sliding.advance(minute_ms);
    sliding.add(minute_ms, 10);
    sliding.advance(minute_ms + 299_999);
    expect(sliding.stats()?.count).toBe(1);
    sliding.advance(minute_ms + 300_000);
    expect(sliding.stats()).toBeNull();
  });

  it("that come late are kept with their minute, up to twenty minutes", () => {
    const sliding = new SlidingDurations();
    const minute_ms = Math.floor(START_MS / 60_000) * 60_000;
    sliding.advance(minute_ms);
    sliding.add(minute_ms - 19 * 60_000, 10);
    sliding.add(minute_ms - 20 * 60_000, 10);
    expect(sliding.stats()).toBeNull();
    expect(sliding.takeChanged().map(([at_ms, { count }]) => [at_ms - minute_ms, count])).toEqual([
      [-19 * 60_000, 1],
    ]);
    expect(sliding.takeChanged()).toEqual([]);
  });

  it("go on after a restart as if there had been none", () => {
    const second = fc.integer({ min: 0, max: 600 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(second, fc.double({ min: 0.001, max: 1000, noNaN: true }))),
        second,
        (events, restart) => {
          const start_ms = Math.floor(START_MS / 60_000) * 60_000;
          const kept = new Map<number, [sum_s: number, buckets: [number, number][]]>();
          let going = new SlidingDurations();
          const whole = new SlidingDurations();
          for (let s = 0; s <= 600; s += 1) {
            const at_ms = start_ms + s * 1000;
            for (const sliding of [going, whole]) {
              sliding.advance(at_ms);
              for (const [second, value] of events) if (second === s) sliding.add(at_ms, value);
            }
            for (const [minute_ms, minute] of going.takeChanged())
              kept.set(minute_ms, [minute.sum_s, minute.sparse()]);
            if (s !== restart) continue;
            going = new SlidingDurations();
            going.advance(at_ms);
            for (const [minute_ms, minute] of kept)
              going.restore(minute_ms, DurationHistogram.from(...minute));
          }
          expect(going.stats()?.count).toBe(whole.stats()?.count);
          expect(going.stats()?.p95_s).toBe(whole.stats()?.p95_s);
        },
      ),
    );
  });
});
