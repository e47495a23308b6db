import type { Cut } from "../metrics/catalogue.ts";
import type { Alert } from "../metrics/model.ts";
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

/** The page of an alert. @param fired_ms which of its firings; left out, the one that lasts, or else the last */
export function alertHref(id: string, fired_ms?: number | null): string {
  const path = `alerts/${pathSegment(id)}`;
  return fired_ms === undefined || fired_ms === null ? path : `${path}?fired=${fired_ms}`;
}

/** Where what an alert is about is shown; undefined for the whole system. */
export function subjectHref({ kind, id }: Alert["subject"]): string | undefined {
  if (kind === "worker") return workerHref(id);
  if (kind === "task") return taskHref(id);
  if (kind === "model") return `tasks?q=${encodeURIComponent(wellFormed(id))}`;
  if (kind === "source") return "status";
  return kind === "system" ? undefined : cutHref(kind, id);
}

function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}
