import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALERT_SCORE, ANOMALY_SCORE, AnomalyDetector, type AnomalyOptions, DetectorRoom } from "./anomaly.ts";

const START_MS = 1_700_000_000_000;
const DAY_MS = 86_400_000;
const PERCENT = { step: 0.1, min: 0, max: 100 };
const COUNT = { step: 1, min: 0, max: null };
const UNKNOWN = { step: 0, min: null, max: null };

/** A series told sample by sample, a second apart. */
class Series {
  readonly detector: AnomalyDetector;
  now_ms = START_MS;

  constructor(options: AnomalyOptions) {
    this.detector = new AnomalyDetector(options, new DetectorRoom());
  }

  /** @returns the last sample's score */
  tell(samples: number, valueAt: (i: number) => number, interval_ms = 1000): number | null {
    let score: number | null = null;
    for (let i = 0; i < samples; i += 1) {
      this.now_ms += interval_ms;
      score = this.detector.observe(this.now_ms, valueAt(i));
    }
    return score;
  }
}

/** From −1 to 1, without a pattern that matters. */
function noise(i: number): number {
  return Math.sin(i * 12.9898) * Math.cos(i * 78.233);
}

/** A series of 50 ± 2 that has been learnt for two hours. */
function settled(options: AnomalyOptions = PERCENT): Series {
  const series = new Series(options);
  series.tell(7200, (i) => 50 + 2 * noise(i));
  return series;
}

describe("the first samples", () => {
  it("have no score", () => {
    const series = new Series(PERCENT);
    expect(series.tell(30, () => 50)).toBeNull();
    expect(series.detector.explain()).toBeNull();
    expect(series.tell(1, () => 50)).toBe(0);
  });

  it("may be unusual early and worth an alert only once the usual range is known", () => {
    const series = new Series(PERCENT);
    series.tell(500, (i) => 50 + 2 * noise(i));
    expect(series.tell(20, () => 90)).toBeLessThan(ALERT_SCORE);
    expect(series.detector.since_ms).not.toBeNull();
    expect(series.detector.alert_since_ms).toBeNull();
  });
});

describe("a constant series", () => {
  it("is as usual for ever", () => {
    const series = new Series(COUNT);
    for (let i = 0; i < 5; i += 1) expect(series.tell(1000, () => 10) ?? 0).toBe(0);
    expect(series.detector.explain()).toMatchObject({ value: 10, low: 9, high: 11, since_ms: null });
  });

  it("is unusual when it moves by one, and not worth an alert", () => {
    const series = new Series(COUNT);
    series.tell(5000, () => 10);
    const score = series.tell(1, () => 11);
    expect(score).toBeGreaterThanOrEqual(ANOMALY_SCORE);
    expect(score).toBeLessThan(ALERT_SCORE);
    series.tell(20, () => 11);
    expect(series.detector.alert_since_ms).toBeNull();
  });

  it("is worth an alert when it moves far and stays", () => {
    const series = new Series(COUNT);
    series.tell(5000, () => 10);
    series.tell(4, () => 20);
    expect(series.detector.alert_since_ms).toBeNull();
    series.tell(1, () => 20);
    expect(series.detector.alert_since_ms).toBe(series.now_ms);
  });

  it("of a metric of unknown precision does not take rounding for change", () => {
    const series = new Series(UNKNOWN);
    series.tell(2000, (i) => 0.1 + (i % 2 === 0 ? 1e-9 : 0));
    expect(series.tell(1, () => 0.1 + 2e-8)).toBe(0);
  });
});

describe("a level shift", () => {
  it("is one alert, then the new usual level, and its end is another one", () => {
    const series = settled();
    const alerts: (number | null)[] = [];
    const watch = (seconds: number, level: number) => {
      for (let i = 0; i < seconds; i += 1) {
        series.tell(1, () => level + 2 * noise(i));
        const since_ms = series.detector.alert_since_ms;
        if (since_ms !== null && since_ms !== alerts.at(-1)) alerts.push(since_ms);
      }
    };
    watch(7200, 80);
    expect(alerts).toHaveLength(1);
    expect(series.detector.since_ms).toBeNull();
    const { low, high } = series.detector.explain()!;
    expect(low).toBeGreaterThan(60);
    expect(high).toBeLessThanOrEqual(100);
    watch(60, 50);
    expect(alerts).toHaveLength(2);
  });
});

describe("a single wild sample", () => {
  it("is unusual, and over after 30 samples", () => {
    const series = settled();
    expect(series.tell(1, () => 95)).toBeGreaterThan(ALERT_SCORE);
    const since_ms = series.now_ms;
    expect(series.detector.explain()).toMatchObject({
      aspect: "value",
      value: 95,
      since_ms,
      alert_since_ms: null,
    });
    series.tell(29, (i) => 50 + 2 * noise(i));
    expect(series.detector.since_ms).toBe(since_ms);
    series.tell(1, () => 50);
    expect(series.detector.since_ms).toBeNull();
  });
});

describe("an alert", () => {
  it("outlasts its anomaly, so that a calm minute does not make two of one", () => {
    const series = settled();
    series.tell(5, () => 90);
    const since_ms = series.now_ms;
    series.tell(100, (i) => 50 + 2 * noise(i));
    expect(series.detector.alert_since_ms).toBe(since_ms);
    series.tell(120, (i) => 50 + 2 * noise(i));
    expect(series.detector.alert_since_ms).toBeNull();
  });
});

describe("noise that grows", () => {
  it("is an alert of its spread or its jitter, though the level stays", () => {
    const series = settled();
    const aspects = new Set<string>();
    for (let i = 0; i < 120; i += 1) {
      series.tell(1, () => 50 + 10 * noise(i));
      if (series.detector.explain()!.score >= ALERT_SCORE) aspects.add(series.detector.explain()!.aspect);
    }
    expect(series.detector.alert_since_ms).not.toBeNull();
    expect([...aspects].some((aspect) => aspect === "spread" || aspect === "jitter")).toBe(true);
  });
});

describe("a slow drift", () => {
  it("is an alert though every step is small", () => {
    const series = new Series(PERCENT);
    series.tell(18_000, (i) => 50 + 2 * noise(i));
    series.tell(1500, (i) => 50 + i / 100 + 2 * noise(i));
    expect(series.detector.alert_since_ms).not.toBeNull();
  });
});

describe("a daily cycle", () => {
  const STEP_MS = 60_000;
  const load = (at_ms: number) => 50 - 40 * Math.cos((2 * Math.PI * at_ms) / DAY_MS);

  it("is as usual, and noon's load at midnight is not", () => {
    const series = new Series(PERCENT);
    const day = () => series.tell(DAY_MS / STEP_MS, (i) => load(series.now_ms) + noise(i), STEP_MS);
    for (let i = 0; i < 4; i += 1) day();
    const midnight_ms = Math.ceil(series.now_ms / DAY_MS) * DAY_MS;
    while (series.now_ms < midnight_ms) series.tell(1, () => load(series.now_ms), STEP_MS);
    expect(series.detector.since_ms).toBeNull();
    series.tell(1, () => 85, STEP_MS);
    expect(series.detector.since_ms).toBe(series.now_ms);
  });
});

describe("a silence", () => {
  it("is told from its sixth usual interval on, and is no anomaly of value", () => {
    const series = settled();
    const last_ms = series.now_ms;
    expect(series.detector.silence_ms(last_ms + 5000)).toBeNull();
    expect(series.detector.silence_ms(last_ms + 5001)).toBe(5001);
    series.now_ms += 60_000;
    expect(series.tell(1, () => 50.5)).toBeLessThan(ANOMALY_SCORE);
    expect(series.detector.silence_ms(series.now_ms + 1000)).toBeNull();
  });

  it("goes by the series' own interval, which is learnt anew where it changes", () => {
    const series = settled();
    series.tell(100, (i) => 50 + 2 * noise(i), 60_000);
    expect(series.detector.silence_ms(series.now_ms + 60_000)).toBeNull();
  });

  it("is none before the second sample", () => {
    const series = new Series(PERCENT);
    expect(series.detector.silence_ms(START_MS)).toBeNull();
    series.tell(1, () => 50);
    expect(series.detector.silence_ms(series.now_ms + DAY_MS)).toBeNull();
  });

  it("does not mix values from before and after it into one level", () => {
    const series = settled();
    series.now_ms += 60_000;
    series.tell(8, () => 52);
    expect(series.detector.toState().recent).toHaveLength(8);
  });
});

describe("what is no sensible sample", () => {
  it("is passed over", () => {
    const series = settled();
    const before = JSON.stringify(series.detector.toState());
    for (const value of [Number.NaN, Infinity, -Infinity]) {
      expect(series.detector.observe(series.now_ms + 1000, value)).toBeNull();
    }
    expect(JSON.stringify(series.detector.toState())).toBe(before);
  });

  it("goes on where a clock was set back", () => {
    const series = settled();
    series.now_ms -= DAY_MS;
    expect(series.tell(60, (i) => 50 + 2 * noise(i))).toBeLessThan(ALERT_SCORE);
    expect(series.detector.silence_ms(series.now_ms + 1000)).toBeNull();
  });
});

describe("a counted queue, mostly empty", () => {
  it("is not worth an alert when a task waits", () => {
    const series = new Series(COUNT);
    series.tell(20_000, (i) => (i % 997 === 0 ? 1 : 0));
    series.tell(30, () => 1);
    expect(series.detector.alert_since_ms).toBeNull();
  });
});

describe("for any series", () => {
  const value = fc.oneof(
    fc.double({ noNaN: true }),
    fc.integer({ min: 0, max: 3 }),
    fc.double({ min: 0, max: 100, noNaN: true }),
  );
  const sample = fc.record({ wait_ms: fc.integer({ min: -5000, max: 100_000 }), value });
  const samples = fc.array(sample, { maxLength: 200 });
  const options = fc.constantFrom(PERCENT, COUNT, UNKNOWN);

  const told = (list: readonly { wait_ms: number; value: number }[], given: AnomalyOptions) => {
    const detector = new AnomalyDetector(given, new DetectorRoom());
    let now_ms = START_MS;
    for (const { wait_ms, value } of list) {
      now_ms += wait_ms;
      detector.observe(now_ms, value);
    }
    return { detector, now_ms };
  };

  it("the score is a finite number from 0 on, and so are the range's ends", () => {
    fc.assert(
      fc.property(samples, value, options, (list, last, given) => {
        const { detector, now_ms } = told(list, given);
        const score = detector.observe(now_ms + 1000, last);
        if (score === null) return;
        expect(Number.isFinite(score)).toBe(true);
        expect(score).toBeGreaterThanOrEqual(0);
        const { value, low, high } = detector.explain()!;
        expect([value, low, high].every(Number.isFinite)).toBe(true);
      }),
    );
  });

  it("detectors that share room know nothing of each other, nor of those that were there before", () => {
    const series = fc.record({ list: samples, given: options });
    fc.assert(
      fc.property(fc.array(series, { minLength: 1, maxLength: 5 }), (them) => {
        const room = new DetectorRoom();
        const gone = them.map(({ given }) => new AnomalyDetector(given, room));
        gone.forEach((detector) => {
          for (let i = 0; i < 50; i += 1) detector.observe(START_MS + i * 1000, i);
          detector.release();
        });
        const detectors = them.map(({ given }) => new AnomalyDetector(given, room));
        const longest = Math.max(...them.map(({ list }) => list.length));
        const at_ms = them.map(() => START_MS);
        for (let i = 0; i < longest; i += 1) {
          them.forEach(({ list }, which) => {
            const sample = list[i];
            if (!sample) return;
            at_ms[which]! += sample.wait_ms;
            detectors[which]!.observe(at_ms[which]!, sample.value);
          });
        }
        them.forEach(({ list, given }, which) => {
          const alone = told(list, given).detector;
          expect(JSON.stringify(detectors[which]!.toState())).toBe(JSON.stringify(alone.toState()));
        });
      }),
    );
  });

  it("what is kept as JSON goes on exactly as the original does", () => {
    fc.assert(
      fc.property(samples, samples, options, (before, after, given) => {
        const { detector, now_ms } = told(before, given);
        const again = AnomalyDetector.from(
          JSON.parse(JSON.stringify(detector.toState())),
          given,
          new DetectorRoom(),
        );
        let at_ms = now_ms;
        for (const { wait_ms, value } of after) {
          at_ms += wait_ms;
          expect(again.observe(at_ms, value)).toBe(detector.observe(at_ms, value));
          expect(JSON.stringify(again.explain())).toBe(JSON.stringify(detector.explain()));
        }
        expect(JSON.stringify(again.toState())).toBe(JSON.stringify(detector.toState()));
      }),
    );
  });
});

describe("of a settled series", () => {
  const state = JSON.stringify(settled().detector.toState());
  const scoreOf = (value: number) => {
    const detector = AnomalyDetector.from(JSON.parse(state), PERCENT, new DetectorRoom());
    return detector.observe(START_MS + 7201 * 1000, value)!;
  };

  it("a sample farther off on the same side is at least as unusual", () => {
    const distance = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(distance, distance, fc.constantFrom(1, -1), (a, b, side) => {
        const [near, far] = [Math.min(a, b), Math.max(a, b)];
        expect(scoreOf(50 + side * far)).toBeGreaterThanOrEqual(scoreOf(50 + side * near));
      }),
    );
  });

  it("the scores are about the same in another unit and around another level", () => {
    const scale = fc.double({ min: 1e-3, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(
        scale,
        fc.integer({ min: -3, max: 3 }),
        fc.integer({ min: 3, max: 40 }),
        (k, shift, jump) => {
          const score = (unit: number, level: number) => {
            const series = new Series({ step: 0.01 * unit, min: null, max: null });
            series.tell(1500, (i) => unit * (level + noise(i)));
            return series.tell(1, () => unit * (level + jump))!;
          };
          const plain = score(1, 0);
          // A bin of the histograms is a third of an octave, and a doubling is worth 4.
          expect(Math.abs(score(k, 0) - plain)).toBeLessThan(1.6);
          expect(Math.abs(score(1, shift) - plain)).toBeLessThan(1.6);
        },
      ),
      { numRuns: 30 },
    );
  });
});
