import { createRng, type Rng } from "../../src/metrics/collect/demo/rng.ts";

// Generated series at a sample a second, and what goes wrong in them.

/** Noise around 0 whose size is about 1, a value a second. */
type Noise = () => number;

export interface Ground {
  readonly name: string;
  /** A metric's smallest step and bounds. */
  readonly step: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly level: number;
  readonly deviation: number;
  readonly noise: (rng: Rng) => Noise;
}

const PERCENT = { step: 0.1, min: 0, max: 100, level: 50, deviation: 2 };
const AMOUNT = { step: 0.1, min: null, max: null, level: 50, deviation: 5 };
const COUNT = { step: 1, min: 0, max: null, deviation: 1 };

const GAUSSIAN: Ground = { ...PERCENT, name: "gaussian", noise: gaussian };
const AR_90: Ground = { ...PERCENT, name: "autocorrelated 0.9", noise: autocorrelated(0.9) };
const STUDENT: Ground = { ...AMOUNT, name: "heavy-tailed (Student, 3 degrees)", noise: student };
const COUNTS: Ground = { ...COUNT, name: "whole numbers", level: 40, deviation: 3, noise: gaussian };

/** In which anomalies are to be found. */
export const GROUNDS: readonly Ground[] = [GAUSSIAN, AR_90, COUNTS];

/** In which there are none. */
export const QUIET_GROUNDS: readonly Ground[] = [
  GAUSSIAN,
  { ...AMOUNT, name: "uniform", noise: (rng) => () => rng.between(-1.7, 1.7) },
  STUDENT,
  { ...AMOUNT, name: "log-normal", noise: (rng) => () => rng.logNormal(1, 1) },
  AR_90,
  { ...PERCENT, name: "autocorrelated 0.99", noise: autocorrelated(0.99) },
  { ...COUNT, name: "Poisson, mean 4", level: 0, noise: poisson(4) },
  { ...COUNT, name: "Poisson, mean 0.01", level: 0, noise: poisson(0.01) },
  { ...COUNT, name: "a queue at 88 % of its capacity", level: 0, noise: queue },
  { ...PERCENT, name: "percent that meets 100", level: 97, deviation: 5, noise: gaussian },
];

/** What goes wrong: how the noise of one second becomes another. */
export interface Fault {
  readonly name: string;
  readonly lasts_s: number;
  /** How long after its beginning it still counts as found. */
  readonly counts_s: number;
  /** @param at_s since its beginning; null: no sample */
  readonly change: (noise: number, at_s: number) => number | null;
}

export const FAULTS: readonly Fault[] = [
  {
    name: "level shift by 6 σ",
    lasts_s: 3600,
    counts_s: 300,
    change: (noise) => noise + 6,
  },
  { name: "spike of 12 σ for 10 s", lasts_s: 10, counts_s: 60, change: (noise) => noise + 12 },
  {
    name: "drift by 10 σ in 30 min",
    lasts_s: 3600,
    counts_s: 1800,
    change: (noise, at_s) => noise + Math.min(10, at_s / 180),
  },
  { name: "dropout for 60 s", lasts_s: 60, counts_s: 60, change: () => null },
  { name: "four times the noise for 10 min", lasts_s: 600, counts_s: 300, change: (noise) => 4 * noise },
];

/** A day's cycle, in deviations, and an hour of the night that is like noon. */
export const CYCLE_DEVIATIONS = 10;
export const CYCLE_FAULT: Fault = {
  name: "the load of noon at midnight, for 20 min",
  lasts_s: 1200,
  counts_s: 300,
  change: (noise) => noise + 2 * CYCLE_DEVIATIONS,
};

/** A metric's value for a noise: at its step and within its bounds. */
export function sampleOf({ level, deviation, step, min, max }: Ground, noise: number): number {
  const value = Math.round((level + deviation * noise) / step) * step;
  return Math.min(max ?? Infinity, Math.max(min ?? -Infinity, value));
}

/** Lowest at midnight. */
export function cycleAt(second: number): number {
  return -CYCLE_DEVIATIONS * Math.cos((2 * Math.PI * second) / 86_400);
}

function gaussian(rng: Rng): Noise {
  return () => Math.log(rng.logNormal(1, 1));
}

/** Each value keeps the share `phi` of the one before: a first-order process of standard deviation 1. */
function autocorrelated(phi: number): Ground["noise"] {
  return (rng) => {
    const next = gaussian(rng);
    let noise = next();
    return () => {
      noise = phi * noise + Math.sqrt(1 - phi * phi) * next();
      return noise;
    };
  };
}

function student(rng: Rng): Noise {
  const next = gaussian(rng);
  return () => next() / Math.sqrt((next() ** 2 + next() ** 2 + next() ** 2) / 3);
}

function poisson(mean: number): Ground["noise"] {
  return (rng) => () => eventsOf(rng, mean);
}

function eventsOf(rng: Rng, mean: number): number {
  let events = 0;
  for (let at = rng.exponential(1); at < mean; at += rng.exponential(1)) events += 1;
  return events;
}

/** Waiting tasks, of which 0.7 come a second and up to 0.8 go. */
function queue(rng: Rng): Noise {
  let waiting = 0;
  return () => {
    waiting = Math.max(0, waiting + eventsOf(rng, 0.7) - eventsOf(rng, 0.8));
    return waiting;
  };
}

/** What the series made with a seed begins with. */
export function noiseOf(ground: Ground, seed: number): Noise {
  return ground.noise(createRng(seed));
}
