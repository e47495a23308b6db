import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ANOMALY_SCORE, AnomalyDetector, DetectorRoom } from "../src/metrics/process/anomaly.ts";
import { type Bench, bench } from "./lib/bench.ts";
import type { Budget, Figures } from "./lib/figures.ts";
import { type LabelledSeries, readNab, scoreOf, sum, type Worth, worthOf } from "./lib/nab.ts";
import { RollingDeviation } from "./lib/plain-detectors.ts";

// How well anomalies are found in the public series of the Numenta Anomaly Benchmark, by its standard profile.

const DATA = fileURLToPath(new URL("../../shared/data/nab", import.meta.url));
const SCORE: Budget = { limit: 55, rule: "at least" };
/** A detection is the first sample of an anomaly, which is over after so many that are not unusual. */
const QUIET = 30;
/** Every fifth file is left out while a threshold is chosen for it. */
const FOLDS = 5;
/** As many thresholds are tried, most of them among the highest scores. */
const THRESHOLDS = 400;
/** What NAB's windowed Gaussian looks back on, and what a day of its usual steps is. */
const GAUSSIAN_SAMPLES = 6400;
const DAY_SAMPLES = 288;

/** How unusual each sample of a series is, by any measure. */
type Detector = (series: LabelledSeries) => number[];

const evenkeel: Detector = ({ at_ms, values }) => {
  const detector = new AnomalyDetector({ step: 0, min: null, max: null }, new DetectorRoom());
  return values.map((value, row) => detector.observe(at_ms[row]!, value) ?? 0);
};

function deviationsOver(samples: number): Detector {
  return ({ values }) => {
    const rolling = new RollingDeviation(samples);
    return values.map((value) => {
      const deviations = rolling.deviations(value);
      rolling.add(value);
      return Number.isFinite(deviations) ? deviations : 0;
    });
  };
}

/** The rows at which an anomaly begins; with `quiet` 0 each unusual row is one. */
function beginnings(scores: readonly number[], threshold: number, quiet: number): number[] {
  const rows: number[] = [];
  let last = -Infinity;
  scores.forEach((score, row) => {
    if (score < threshold) return;
    if (row - last > quiet) rows.push(row);
    last = row;
  });
  return rows;
}

/** What each threshold that is worth trying makes of each series. */
function tryThresholds(all: readonly LabelledSeries[], detector: Detector, quiet: number) {
  const scores = all.map(detector);
  const sorted = scores
    .flat()
    .filter((score) => score > 0)
    .sort((a, b) => b - a);
  const thresholds = Array.from(
    { length: THRESHOLDS },
    (_, i) => sorted[Math.floor(sorted.length * (i / THRESHOLDS) ** 3)]!,
  );
  return [...new Set(thresholds)].map((threshold) => ({
    threshold,
    worths: all.map((series, i) => worthOf(series, beginnings(scores[i]!, threshold, quiet))),
  }));
}

type Trial = ReturnType<typeof tryThresholds>[number];

/** The trial with the best score over the series of which `counts` holds. */
function bestOf(trials: readonly Trial[], counts: (series: number) => boolean): Trial {
  const scoreOver = ({ worths }: Trial) => scoreOf(sum(worths.filter((_, i) => counts(i))));
  return trials.reduce((best, trial) => (scoreOver(trial) > scoreOver(best) ? trial : best));
}

/** Each series with the threshold that was best for those of the other folds. */
function chosenElsewhere(trials: readonly Trial[], series: number): Worth {
  const folds = Array.from({ length: FOLDS }, (_, fold) => bestOf(trials, (i) => i % FOLDS !== fold));
  return sum(Array.from({ length: series }, (_, i) => folds[i % FOLDS]!.worths[i]!));
}

function add(figures: Figures, name: string, worth: Worth, within: { budget?: Budget } = {}): void {
  const note = `${worth.found} of ${worth.windows} windows found, ${worth.false_alarms} false alarms`;
  figures.add({ name, value: scoreOf(worth), unit: "", digits: 1, note, ...within });
}

function addOwn(figures: Figures, all: readonly LabelledSeries[]): void {
  const worths = all.map((series) => worthOf(series, beginnings(evenkeel(series), ANOMALY_SCORE, QUIET)));
  add(figures, `Evenkeel, as it is: score ${ANOMALY_SCORE}`, sum(worths), { budget: SCORE });
  const trials = tryThresholds(all, evenkeel, QUIET);
  add(figures, "Evenkeel, threshold from the other files", chosenElsewhere(trials, all.length), {
    budget: SCORE,
  });
  for (const folder of new Set(all.map(folderOf))) {
    const within = sum(worths.filter((_, i) => folderOf(all[i]!) === folder));
    if (within.windows > 0) add(figures, `  of it ${folder}`, within);
  }
}

function folderOf({ name }: LabelledSeries): string {
  return name.split("/")[0]!;
}

/** Each in two ways: as NAB runs it, every unusual sample a detection, and with one detection an anomaly, as ours. */
function addPlain(figures: Figures, all: readonly LabelledSeries[]): void {
  for (const [how, quiet] of [
    ["each sample", 0],
    ["one an anomaly", QUIET],
  ] as const) {
    const trials = tryThresholds(all, deviationsOver(GAUSSIAN_SAMPLES), quiet);
    const { threshold, worths } = bestOf(trials, () => true);
    add(figures, `windowed Gaussian, ${how}, best: ${threshold.toFixed(1)} σ`, sum(worths));
    const elsewhere = chosenElsewhere(trials, all.length);
    add(figures, `windowed Gaussian, ${how}, threshold from the other files`, elsewhere);
    const three = all.map((series) =>
      worthOf(series, beginnings(deviationsOver(DAY_SAMPLES)(series), 3, quiet)),
    );
    add(figures, `mean ± 3 σ of ${DAY_SAMPLES} samples, ${how}`, sum(three));
  }
}

async function run({ figures, option }: Bench): Promise<void> {
  const folder = option("data", DATA);
  if (!existsSync(join(folder, "windows.json"))) {
    console.log(`No ${join(folder, "windows.json")}: nothing is scored.`);
    return;
  }
  const all = readNab(folder);
  addOwn(figures, all);
  addPlain(figures, all);
  figures.print(`${all.length} series of NAB, standard profile: 0 is nothing found, 100 perfect`);
}

await bench("NAB", 5, run);
