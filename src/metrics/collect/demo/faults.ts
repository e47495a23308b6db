import { MODELS } from "./models.ts";
import { hash } from "./rng.ts";

export const FAULT_KINDS = ["overload", "stall", "drain", "death", "slow_model"] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Something that goes wrong on purpose, for a while. */
export interface Fault {
  readonly kind: FaultKind;
  /** Unix milliseconds; `until_ms` is no longer part of it. */
  readonly from_ms: number;
  readonly until_ms: number;
  /** The worker that it strikes; null where it strikes a model. */
  readonly worker_id: string | null;
  /** The model that it slows down; null for the others. */
  readonly model_id: string | null;
}

/** The script repeats after this time, on other workers and another model. */
export const CYCLE_MS = 720_000;

/** When each fault comes and goes in a cycle, seconds: about half of the time nothing is wrong. */
const SCRIPT: readonly (readonly [kind: FaultKind, from_s: number, until_s: number])[] = [
  ["overload", 20, 70],
  ["stall", 150, 270],
  ["drain", 170, 230],
  ["death", 320, 495],
  ["slow_model", 560, 645],
];

/** The model whose task stalls: asked for most, soon done, and never slow, so that everybody sees that it takes too long. */
export const STALLED_MODEL_ID = "vit-base-patch16-224";

/** Models that are asked for often: when one of them is slow, the queue grows. */
const SLOWED = ["clip-vit-base-patch32", "detr-resnet-50"];
const SLOWED_IDS = MODELS.filter((model) => SLOWED.includes(model.id)).map((model) => model.id);

/** What goes wrong when, known in advance. */
export interface FaultScript {
  /** The faults of the cycle that begins `number` cycles after the start, in order of their beginning. */
  cycle(number: number): Fault[];
  /** The faults that are active at this moment. */
  at(at_ms: number): Fault[];
}

/** A script for these workers (at least one), which are best all of one pool, so that others can stand in. */
export function createFaultScript(
  seed: number,
  start_ms: number,
  worker_ids: readonly string[],
): FaultScript {
  const cycle = (number: number) => {
    const first = hash(seed, number) % worker_ids.length;
    return SCRIPT.map(([kind, from_s, until_s], index): Fault => {
      const begin_ms = start_ms + number * CYCLE_MS;
      return {
        kind,
        from_ms: begin_ms + from_s * 1000,
        until_ms: begin_ms + until_s * 1000,
        worker_id: kind === "slow_model" ? null : worker_ids[(first + index) % worker_ids.length]!,
        model_id: kind === "slow_model" ? SLOWED_IDS[hash(seed, number, index) % SLOWED_IDS.length]! : null,
      };
    });
  };
  const at = (at_ms: number) => {
    if (at_ms < start_ms) return [];
    const number = Math.floor((at_ms - start_ms) / CYCLE_MS);
    return cycle(number).filter((fault) => fault.from_ms <= at_ms && at_ms < fault.until_ms);
  };
  return { cycle, at };
}
