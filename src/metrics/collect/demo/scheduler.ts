import { suitability } from "../../hardware.ts";
import type { Modality, Requirements } from "../../model.ts";
import type { Hardware } from "./hardware.ts";
import { MODELS, type Model } from "./models.ts";
import type { Rng } from "./rng.ts";
import type { DemoWorker } from "./state.ts";

/** A fleet up to this size is looked at as a whole for each task; of a larger one a sample is. */
const SCAN_LIMIT = 128;
const SAMPLE = 24;

/** Tasks of these priorities may wait in line at a busy worker; the others wait for a free slot. */
const MAY_QUEUE_UP_TO = 2;

const TOP_SPEED = 1.6;

/** True where the hardware has every backend and tag that is asked for, and the memory. */
export function meets(hardware: Hardware, requirements: Requirements): boolean {
  return (
    (requirements.backends ?? []).every((backend) => hardware.backends.includes(backend)) &&
    (requirements.tags ?? []).every((tag) => hardware.tags.includes(tag)) &&
    hardware.memory_bytes >= (requirements.memory_bytes ?? 0)
  );
}

/** 0.4 capability + 0.3 performance + 0.3 (1 − load), each from 0 to 1, for a worker that meets the requirements. */
export function matchOf(worker: DemoWorker, modality: Modality): number {
  return suitabilityOf(worker.hardware, modality) + 0.3 * (1 - pressureOf(worker));
}

/** The part of a match that does not change: capability and performance. */
function suitabilityOf(hardware: Hardware, modality: Modality): number {
  const capability = suitability(hardware.backends, modality) ?? 0;
  return 0.4 * capability + 0.3 * (hardware.speed / TOP_SPEED);
}

/** What it measures lags by seconds, what was given to it does not: half of each. */
function pressureOf(worker: DemoWorker): number {
  const given = Math.min(1, takenBy(worker) / worker.slots);
  return 0.5 * given + 0.5 * (worker.usage.load / 100);
}

function takenBy(worker: DemoWorker): number {
  return worker.running.length + worker.assigned.length;
}

/** Chooses a worker for a task: the best match among those with a free slot, else among those with a place in line. */
export class Scheduler {
  readonly #eligible: readonly (readonly DemoWorker[])[];
  readonly #rng: Rng;

  constructor(workers: readonly DemoWorker[], rng: Rng) {
    this.#eligible = MODELS.map((model) => workers.filter((w) => meets(w.hardware, model.requirements)));
    this.#rng = rng;
  }

  eligible(model: Model): readonly DemoWorker[] {
    return this.#eligible[model.index]!;
  }

  /** The worker, or null where none of those looked at has room. */
  choose(model: Model, priority: number): DemoWorker | null {
    const all = this.eligible(model);
    const whole = all.length <= SCAN_LIMIT;
    const count = whole ? all.length : SAMPLE;
    let best: DemoWorker | null = null;
    let best_score = -1;
    for (let i = 0; i < count; i++) {
      const worker = whole ? all[i]! : this.#rng.pick(all);
      const score = scoreOf(worker, model, priority);
      if (score > best_score) {
        best = worker;
        best_score = score;
      }
    }
    return best;
  }
}

/** Below 0 where the worker takes nothing now; a free slot counts for more than any match. */
function scoreOf(worker: DemoWorker, model: Model, priority: number): number {
  // A balancer does not know at once that a worker died: it only sees no answer, and turns elsewhere.
  if (!worker.alive || worker.status !== "active") return -1;
  const taken = takenBy(worker);
  if (worker.assigned.length >= worker.line) return -1;
  if (taken < worker.slots + worker.prefetch) return 1 + matchOf(worker, model.type);
  const queues = priority <= MAY_QUEUE_UP_TO && taken < worker.slots + worker.prefetch + worker.backlog;
  return queues ? matchOf(worker, model.type) : -1;
}
