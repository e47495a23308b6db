import { suitability } from "../hardware.ts";
import type { Modality, Requirements } from "../model.ts";
import type { Match, Observed, Requirement } from "../scores.ts";
import { NEUTRAL, observedScore } from "./compatibility.ts";

/** What a worker has to offer to tasks. Sizes are null where it did not report them. */
export interface Offer {
  backends: readonly string[];
  tags: readonly string[];
  memory_bytes: number | null;
  /** Of one device. */
  gpu_memory_bytes: number | null;
}

/** A task's side of a match. */
export interface Wanted {
  requirements: Requirements | null;
  modality: Modality | null;
}

/** A worker's side of a match, for the model family that is asked for. */
export interface Candidate {
  id: string;
  offer: Offer;
  observed: Observed | null;
  /** Percent; null where no resource is reported. */
  load: number | null;
}

/**
 * Match of a task and a worker, 0 to 1 (design: Formulas): 0.4 capability + 0.3 performance + 0.3 (1 − load), 0
 * where a hard requirement is missing.
 */
export function match(task: Wanted, { id, offer, observed, load }: Candidate): Match {
  const missing = required(task.requirements).filter((one) => !has(offer, one));
  const capability = capabilityOf(task, offer);
  const performance = performanceOf(observed);
  const score = missing.length > 0 ? 0 : fixedPart(capability, performance) + loadPart(load);
  return { worker_id: id, score, capability, performance, observed, load, missing };
}

/** The part of a match that no load changes. */
export function fixedPart(capability: number, performance: number): number {
  return 0.4 * capability + 0.3 * performance;
}

/** The part of a match that the worker's load makes, percent; one that is not reported counts as half. */
export function loadPart(load: number | null): number {
  return 0.3 * (1 - (load === null ? NEUTRAL : load / 100));
}

/**
 * How well a worker's hardware suits a task's modality, 0 to 1: by the backends that the task asks for, else by
 * the best that the worker has; 0.5 where the modality or the hardware is not known.
 */
export function capabilityOf({ requirements, modality }: Wanted, { backends }: Offer): number {
  if (modality === null) return NEUTRAL;
  const asked = requirements?.backends ?? [];
  return suitability(asked.length > 0 ? asked : backends, modality) ?? NEUTRAL;
}

/** How well a worker did tasks of a model family, 0 to 1; 0.5 where it did none. */
export function performanceOf(observed: Observed | null): number {
  return observed === null ? NEUTRAL : observedScore(observed);
}

/** Every hard requirement of a task, one by one. */
export function required(requirements: Requirements | null): Requirement[] {
  const { backends = [], tags = [], memory_bytes, gpu_memory_bytes } = requirements ?? {};
  return [
    ...backends.map((wanted) => ({ kind: "backend", wanted }) as const),
    ...tags.map((wanted) => ({ kind: "tag", wanted }) as const),
    ...(memory_bytes ? [{ kind: "memory_bytes", wanted: memory_bytes } as const] : []),
    ...(gpu_memory_bytes ? [{ kind: "gpu_memory_bytes", wanted: gpu_memory_bytes } as const] : []),
  ];
}

/** Whether a worker is known to have what is required: what it did not report it is not known to have. */
export function has(offer: Offer, requirement: Requirement): boolean {
  if (requirement.kind === "backend") return offer.backends.includes(requirement.wanted);
  if (requirement.kind === "tag") return offer.tags.includes(requirement.wanted);
  return (offer[requirement.kind] ?? 0) >= requirement.wanted;
}
