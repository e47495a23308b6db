import type { Rng } from "./rng.ts";
import type { DemoTask } from "./state.ts";

/** Why an attempt failed, and whether another may do better. */
export interface Failure {
  readonly message: string;
  readonly retry: boolean;
}

const FAILURE_RATIO = 0.015;
/** An attempt that failed is tried again up to this many in all. */
export const MAX_ATTEMPTS = 3;

type Text = (task: DemoTask, rng: Rng) => string;

const ON_DEVICE: readonly Text[] = [
  (task, rng) => {
    const total_gib = task.worker!.hardware.device_memory_bytes / 2 ** 30;
    const free_mib = Math.round(rng.between(40, 900));
    return `CUDA out of memory: tried to allocate 2.00 GiB on GPU ${task.device} (${total_gib} GiB in all, ${free_mib} MiB free)`;
  },
  (task) => `CUDA error on GPU ${task.device}: an illegal memory access was encountered`,
];
const ANYWHERE: readonly Text[] = [
  (task) => `Could not fetch the weights of ${task.model.id}: connection reset by peer`,
  () => "Runner process ended with signal SIGKILL",
  (_, rng) => `Deadline exceeded: no answer from the runner for ${Math.round(rng.between(20, 60))} s`,
];
const FOR_GOOD: readonly Text[] = [
  () => "Input refused: the file is truncated",
  (_, rng) => `Input refused: ${Math.round(rng.between(520, 4000))} tokens, of which the model takes 512`,
];

/** Draws whether an attempt that has just started will fail, and of what. */
export function drawFailure(task: DemoTask, rng: Rng): Failure | null {
  if (rng.next() >= FAILURE_RATIO) return null;
  if (rng.next() < 0.2) return { message: rng.pick(FOR_GOOD)(task, rng), retry: false };
  const texts = task.model.pool === "gpu" ? [...ON_DEVICE, ...ANYWHERE] : ANYWHERE;
  return { message: rng.pick(texts)(task, rng), retry: true };
}
