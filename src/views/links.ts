import type { Cut } from "../metrics/catalogue.ts";
import { pathSegment } from "./identity.ts";

// Where a name leads, relative to the base: the same for every viewer.

export function workerHref(id: string): string {
  return `workers/${pathSegment(id)}`;
}

export function taskHref(id: string): string {
  return `tasks/${pathSegment(id)}`;
}

const CUT_PATH: Readonly<Record<Cut, (name: string) => string>> = {
  worker_type: (name) => `workers?worker_type=${encodeURIComponent(name)}`,
  task_type: (name) => `task-types/${pathSegment(name)}`,
  model_family: (name) => `model-families/${pathSegment(name)}`,
};

/** The page of one part of the fleet. */
export function cutHref(cut: Cut, name: string): string {
  return CUT_PATH[cut](name);
}
