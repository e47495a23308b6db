import type { Rng } from "./rng.ts";
import { type DemoTask, progressOf } from "./state.ts";

/** Why an attempt failed, and whether another may do better. */
export interface Failure {
  readonly message: string;
  readonly retry: boolean;
}

/** That an attempt is going to fail, known when it starts; why is seen when it does. */
export interface Doom {
  readonly retry: boolean;
  /** How much of its processing time it gets. */
  readonly part: number;
}

const FAILURE_RATIO = 0.015;
const FOR_GOOD_RATIO = 0.2;
/** What is wrong with an input is seen while it is read. */
const INPUT_PART = 0.08;
/** Weights are fetched by then. */
const FETCHED_PERCENT = 5;
/** Silence that a balancer bears, seconds. */
const LEAST_SILENCE_S = 10;
/** An attempt that failed is tried again up to this many in all. */
export const MAX_ATTEMPTS = 3;

const GIB = 2 ** 30;
const MIB = 2 ** 20;
/** Families whose models take 512 tokens. */
const SHORT_INPUT: readonly string[] = ["bert", "t5"];

/** One cause's words; null where it can't be what befell this task at that moment. */
type Cause = (task: DemoTask, at_ms: number, rng: Rng) => string | null;

const PASSING: readonly Cause[] = [
  outOfMemory,
  ({ model, device }) =>
    model.pool === "gpu" ? `CUDA error on GPU ${device}: an illegal memory access was encountered` : null,
  (task, at_ms) =>
    progressOf(task, at_ms) <= FETCHED_PERCENT
      ? `Could not fetch the weights of ${task.model.id}: connection reset by peer`
      : "Could not store the output: connection reset by peer",
  () => "Runner process ended with signal SIGSEGV",
  ({ started_at_ms }, at_ms, rng) => {
    const silence_s = Math.floor(((at_ms - started_at_ms) / 1000) * rng.between(0.5, 0.9));
    return silence_s < LEAST_SILENCE_S
      ? null
      : `Deadline exceeded: no answer from the runner for ${silence_s} s`;
  },
];

const OF_INPUT: readonly Cause[] = [
  ({ model }, _, rng) =>
    SHORT_INPUT.includes(model.family)
      ? `Input refused: ${Math.round(rng.between(520, 4000))} tokens, of which the model takes 512`
      : null,
  ({ model }) => (model.type === "text" ? "Input refused: it is no valid UTF-8" : null),
  ({ model }) => (model.type === "text" ? null : "Input refused: the file is truncated"),
];

/** A device that can hold the model has less room left than it takes; a model too large for one is spread over all. */
function outOfMemory({ model, worker, device }: DemoTask): string | null {
  if (model.pool !== "gpu") return null;
  const { hardware, usage } = worker!;
  const total = hardware.device_memory_bytes;
  const whole = model.requirements.memory_bytes ?? 0;
  const needed = whole > total ? whole / hardware.devices : whole;
  const free = total * (1 - usage.device_memory / 100);
  if (needed <= free || needed > total) return null;
  return `CUDA out of memory: tried to allocate ${(needed / GIB).toFixed(2)} GiB on GPU ${device} (${total / GIB} GiB in all, ${Math.round(free / MIB)} MiB free)`;
}

/** Draws whether an attempt that starts now will fail. */
export function drawDoom(rng: Rng): Doom | null {
  if (rng.next() >= FAILURE_RATIO) return null;
  const retry = rng.next() >= FOR_GOOD_RATIO;
  return { retry, part: (retry ? 1 : INPUT_PART) * rng.next() };
}

/** Draws why an attempt fails, of what can be so at that moment. */
export function drawFailure(task: DemoTask, at_ms: number, { retry }: Doom, rng: Rng): Failure {
  const messages = (retry ? PASSING : OF_INPUT).flatMap((cause) => cause(task, at_ms, rng) ?? []);
  return { message: rng.pick(messages), retry };
}
