import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { AnomalyDetector, DetectorRoom } from "../src/metrics/process/anomaly.ts";
import { type Bench, bench } from "./lib/bench.ts";
import { type Budget, type Figures, median } from "./lib/figures.ts";
import {
  CYCLE_FAULT,
  cycleAt,
  FAULTS,
  type Fault,
  GROUNDS,
  type Ground,
  noiseOf,
  QUIET_GROUNDS,
  sampleOf,
} from "./lib/labelled.ts";
import { inWords } from "./lib/noise.ts";
import { RollingDeviation } from "./lib/plain-detectors.ts";

// Which anomalies of generated series are alerted to, how soon and how often for nothing, and what judging costs.

const DAY_S = 86_400;
const MONTH_DAYS = 30;
const START_S = 1_699_920_000;
const SEEDS = 5;
/** Nothing goes wrong for so long, which is learnt from, and the series is watched for a while afterwards. */
const BEFORE_S = 18_000;
const AFTER_S = 600;
/** The plain detectors' alerts are held as long as ours. */
const HOLD_S = 5;
const HOUR_S = 3600;

const FOUND: Budget = { limit: 95, rule: "at least" };
const FALSE_ALARMS: Budget = { limit: 1 };
const SERIES = 10_000;
const ROUNDS = 60;
const JUDGED_MS: Budget = { limit: 100 };
const BYTES: Budget = { limit: 2048, rule: "at most" };

/** Told each second; null where no sample came. Answers since when there is an alert, seconds. */
type Watch = (second: number, value: number | null) => number | null;
type Watcher = readonly [name: string, watch: (ground: Ground) => Watch];

const OURS: Watcher = [
  "Evenkeel",
  ({ step, min, max }) => {
    const detector = new AnomalyDetector({ step, min, max }, new DetectorRoom());
    return (second, value) => {
      if (value !== null) detector.observe(second * 1000, value);
      if (detector.silence_ms(second * 1000) !== null) return second;
      return detector.alert_since_ms === null ? null : detector.alert_since_ms / 1000;
    };
  },
];

const PLAIN: readonly Watcher[] = [
  [
    "mean ± 3 σ of the last hour",
    () => {
      const rolling = new RollingDeviation(HOUR_S);
      return held((value) => {
        const deviations = rolling.deviations(value);
        rolling.add(value);
        return deviations > 3;
      });
    },
  ],
  // What an operator may set who knows the noise.
  [
    "fixed limits, level ± 5 σ",
    ({ level, deviation }) => held((value) => Math.abs(value - level) > 5 * deviation),
  ],
];

/** An alert once `isBad` holds for HOLD_S samples on end, until it does not. */
function held(isBad: (value: number) => boolean): Watch {
  let bad = 0;
  let since: number | null = null;
  return (second, value) => {
    if (value === null) return since;
    bad = isBad(value) ? bad + 1 : 0;
    if (bad === 0) since = null;
    if (bad >= HOLD_S) since ??= second;
    return since;
  };
}

/** One series, what goes wrong in it (if anything) and when. */
interface Case {
  readonly ground: Ground;
  readonly seed: number;
  readonly seconds: number;
  readonly cycle: boolean;
  readonly fault: { readonly fault: Fault; readonly from_s: number } | null;
}

interface Outcome {
  readonly delay_s: number | null;
  readonly false_alarms: number;
}

function watchCase({ ground, seed, seconds, cycle, fault }: Case, [, watch]: Watcher): Outcome {
  const noise = noiseOf(ground, seed);
  const watching = watch(ground);
  let before: number | null = null;
  let delay_s: number | null = null;
  let false_alarms = 0;
  for (let second = 0; second < seconds; second += 1) {
    const usual = noise() + (cycle ? cycleAt(second) : 0);
    const at_s = fault ? second - fault.from_s : -1;
    const changed =
      fault && at_s >= 0 && at_s < fault.fault.lasts_s ? fault.fault.change(usual, at_s) : usual;
    const since = watching(START_S + second, changed === null ? null : sampleOf(ground, changed));
    if (since !== null && before === null) {
      if (!fault || at_s < 0) false_alarms += 1;
      else if (at_s <= fault.fault.counts_s) delay_s ??= at_s;
    }
    before = since;
  }
  return { delay_s, false_alarms };
}

/** What usually happens is learnt for some hours, a daily cycle for three days. */
function casesOf(fault: Fault): Case[] {
  const cycle = fault === CYCLE_FAULT;
  const seeds = Array.from({ length: SEEDS }, (_, i) => i + 1);
  return GROUNDS.flatMap((ground) =>
    seeds.map((seed) => {
      const from_s = cycle ? 3 * DAY_S + 60 * seed : BEFORE_S + 60 * seed;
      return { ground, seed, cycle, seconds: from_s + fault.lasts_s + AFTER_S, fault: { fault, from_s } };
    }),
  );
}

function addFound(figures: Figures, watcher: Watcher, budget: { budget?: Budget }): void {
  for (const fault of [...FAULTS, CYCLE_FAULT]) {
    const outcomes = casesOf(fault).map((one) => watchCase(one, watcher));
    const delays_s = outcomes.flatMap(({ delay_s }) => delay_s ?? []);
    const early = outcomes.reduce((sum, { false_alarms }) => sum + false_alarms, 0);
    figures.add({
      name: fault.name,
      value: (100 * delays_s.length) / outcomes.length,
      unit: "%",
      note: `${delays_s.length > 0 ? `after ${median(delays_s)} s, at most ${Math.max(...delays_s)} s; ` : ""}${early} false alarms before`,
      ...budget,
    });
  }
  figures.print(
    `${watcher[0]}: alerts of what goes wrong, ${GROUNDS.length} kinds of noise × ${SEEDS} seeds`,
  );
}

function addQuiet(figures: Figures, days: number): void {
  const cycle = { ...GROUNDS[0]!, name: "a daily cycle" };
  const outcomes = [...QUIET_GROUNDS, cycle].map((ground) => {
    const one = { ground, seed: SEEDS + 1, seconds: days * DAY_S, cycle: ground === cycle, fault: null };
    const ours = watchCase(one, OURS).false_alarms;
    // The plain ones are wrong so often that a day tells.
    const plain = PLAIN.map((watcher) => watchCase({ ...one, seconds: DAY_S }, watcher).false_alarms);
    figures.add({
      name: ground.name,
      value: ours,
      unit: "",
      note: PLAIN.map(([name], i) => `${name}: ${plain[i]} a day`).join("; "),
    });
    return ours;
  });
  const mean = (outcomes.reduce((sum, count) => sum + count, 0) / outcomes.length / days) * MONTH_DAYS;
  figures.add({ name: "a series and month", value: mean, unit: "", digits: 2, budget: FALSE_ALARMS });
  figures.print(`False alarms of Evenkeel in ${days} days in which nothing goes wrong`);
}

/** The heap after what is garbage was collected, and what buffers hold beside it. */
function usedBytes(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function addCosts({ figures, noise }: Bench): Promise<void> {
  noise.reset();
  const next = noiseOf(GROUNDS[0]!, SEEDS);
  const values = Float64Array.from({ length: SERIES + ROUNDS }, () => sampleOf(GROUNDS[0]!, next()));
  const { step, min, max } = GROUNDS[0]!;
  const options = { step, min, max };
  const before = usedBytes();
  const room = new DetectorRoom();
  const detectors = Array.from({ length: SERIES }, () => new AnomalyDetector(options, room));
  const rounds_ms = Array.from({ length: 2 * ROUNDS }, (_, round) => {
    const started_ms = performance.now();
    detectors.forEach((detector, i) => {
      detector.observe((START_S + round) * 1000, values[i + (round % ROUNDS)]!);
    });
    return performance.now() - started_ms;
  }).slice(ROUNDS);
  const bytes = (usedBytes() - before) / SERIES;
  const rounds = { name: `${SERIES} series judged, p50`, value: median(rounds_ms) };
  figures.add({ ...rounds, unit: "ms", digits: 1, budget: JUDGED_MS });
  figures.add({ name: "memory a series", value: bytes, unit: "bytes", budget: BYTES });
  figures.add({
    name: "kept over a restart, a series",
    value: JSON.stringify(detectors[0]!.toState()).length,
    unit: "bytes",
    note: "as JSON",
  });
  figures.print("What it costs");
  console.log(`  noise: ${inWords(await noise.read())}`);
}

async function run(the: Bench): Promise<void> {
  addFound(the.figures, OURS, { budget: FOUND });
  for (const watcher of PLAIN) addFound(the.figures, watcher, {});
  addQuiet(the.figures, the.quick ? 2 : MONTH_DAYS);
  await addCosts(the);
}

await bench("Anomalies", 15, run);
