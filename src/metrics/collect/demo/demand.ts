import { MODELS, type Model, type Pool } from "./models.ts";
import type { Rng } from "./rng.ts";
import type { Scheduler } from "./scheduler.ts";
import type { DemoWorker } from "./state.ts";

/** Spread of a model's processing times: one in six takes 1.5 times the median or longer. */
const PROCESSING_SIGMA = 0.42;
/**
 * By chance no task takes longer than so many times its usual time: what takes far longer was made to. Its model's
 * tasks may mostly run on hardware that is faster, so that this is less than what tells a stalled one.
 */
const LONGEST_FACTOR = 3.5;
const SHORTEST_MS = 50;
/** Share of the slots that is to run a task. */
const BUSY = 0.8;
/** Live tasks that run, of all; the others wait or are on their way. */
const RUNNING_SHARE = 0.8;

/** A day of ups and downs in twenty minutes, so that an onlooker sees it. */
export const SWELL_PERIOD_MS = 20 * 60_000;
const SWELL = 0.12;

/** How long a task runs whose usual time that is, milliseconds. */
export function drawProcessing_ms(rng: Pick<Rng, "logNormal">, median_ms: number): number {
  const drawn_ms = rng.logNormal(median_ms, PROCESSING_SIGMA);
  return Math.round(Math.max(SHORTEST_MS, Math.min(LONGEST_FACTOR * median_ms, drawn_ms)));
}

/** What is asked of the fleet: how much, and of which model. */
export interface Demand {
  /** Tasks a second when the fleet is as busy as it should be. */
  readonly rate_per_s: number;
  draw(rng: Rng): Model;
}

/** The part of the mean demand that holds `since_start_ms` into the demo. */
export function swellAt(since_start_ms: number): number {
  return 1 + SWELL * Math.sin((2 * Math.PI * since_start_ms) / SWELL_PERIOD_MS);
}

/** Demand that keeps each pool equally busy, so that about `tasks` are live. */
export function planDemand(workers: readonly DemoWorker[], scheduler: Scheduler, tasks: number): Demand {
  const slots = slotsOf(workers);
  const busy = Math.min(BUSY, (tasks * RUNNING_SHARE) / slots);
  const rates = MODELS.map(() => 0);
  for (const pool of ["gpu", "cpu", "tpu"] as const) addRates(rates, pool, workers, scheduler, busy);
  const rate_per_s = rates.reduce((sum, rate) => sum + rate, 0);
  return { rate_per_s, draw: (rng) => drawFrom(rates, rng.next() * rate_per_s) };
}

function addRates(
  rates: number[],
  pool: Pool,
  workers: readonly DemoWorker[],
  scheduler: Scheduler,
  busy: number,
): void {
  const models = MODELS.filter((m) => m.pool === pool && scheduler.eligible(m).length > 0);
  const slot_s = models.reduce((sum, m) => sum + m.share * meanProcessing(m, scheduler.eligible(m)), 0);
  const slots = slotsOf(workers.filter((w) => w.hardware.pool === pool));
  for (const model of models) rates[model.index] = (model.share * busy * slots) / slot_s;
}

/** Seconds, over workers that are equally busy: a fast one then takes more of the tasks. */
function meanProcessing(model: Model, workers: readonly DemoWorker[]): number {
  const speed = workers.reduce((sum, w) => sum + w.slots * w.hardware.speed, 0) / slotsOf(workers);
  return (model.processing_s * Math.exp(PROCESSING_SIGMA ** 2 / 2)) / speed;
}

function slotsOf(workers: readonly DemoWorker[]): number {
  return workers.reduce((sum, w) => sum + w.slots, 0);
}

function drawFrom(rates: readonly number[], at: number): Model {
  let left = at;
  let last = MODELS[0]!;
  for (const model of MODELS) {
    const rate = rates[model.index]!;
    if (rate === 0) continue;
    if (left < rate) return model;
    left -= rate;
    last = model;
  }
  return last;
}
