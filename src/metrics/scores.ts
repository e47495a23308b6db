import type { Modality } from "./model.ts";

/** Of a worker, 0 to 100: 100 × freshness × pressure × success, each from 0 to 1. */
export interface Health {
  readonly score: number;
  /** Of its last report: 1 until it is stale, then falling to 0, where it is lost. */
  readonly freshness: { readonly factor: number; readonly silence_ms: number };
  /** 1 while no resource is beyond its overload threshold; else `cause` names the one that is furthest beyond. */
  readonly pressure: { readonly factor: number; readonly cause: PressureCause | null };
  /** Of its last tasks, smoothed: few tasks say little. */
  readonly success: { readonly factor: number; readonly completed: number; readonly tasks: number };
}

/** A resource beyond its overload threshold. */
export interface PressureCause {
  /** A metric of the catalogue. */
  readonly metric: string;
  /** Percent. */
  readonly value: number;
  readonly threshold: number;
}

/** What a worker's tasks of some kind came to in the last 24 hours. */
export interface Observed {
  readonly tasks: number;
  readonly completed: number;
  readonly success_ratio: number;
  /** The fleet's median time ÷ the worker's, for the same models, at most 1; null where no time can be compared. */
  readonly speed: number | null;
}

/** How well a worker suits a modality. */
export interface Compatibility {
  /** 0 to 100; null where neither its hardware nor any task tells. */
  readonly score: number | null;
  /** What its hardware promises, 0 to 1; null where nothing is known of it. */
  readonly prior: number | null;
  readonly observed: Observed | null;
}

/** What a worker's latest tasks came to. */
export interface Outcomes {
  readonly tasks: number;
  readonly completed: number;
  /** Completed ÷ tasks; null without any. */
  readonly success_ratio: number | null;
  /** From started to completed, of the completed ones; null where none told both. */
  readonly mean_duration_s: number | null;
}

/** How a worker is doing, with what the figures are made of. */
export interface WorkerScores {
  readonly health: Health;
  readonly compatibility: Readonly<Record<Modality, Compatibility>>;
  /** The last LAST_TASKS tasks that completed or failed on it. */
  readonly last_tasks: Outcomes;
  /** Those of the last hour. */
  readonly last_hour: Pick<Outcomes, "tasks" | "completed" | "success_ratio">;
}

/** How many tasks `WorkerScores.last_tasks` covers at most. */
export const LAST_TASKS = 50;

/** A hard requirement of a task: what it needs a worker to have. */
export type Requirement =
  | { readonly kind: "backend"; readonly wanted: string }
  | { readonly kind: "tag"; readonly wanted: string }
  | { readonly kind: "memory_bytes"; readonly wanted: number }
  | { readonly kind: "gpu_memory_bytes"; readonly wanted: number };

/** How well a worker suits a task now, 0 to 1: 0.4 capability + 0.3 performance + 0.3 (1 − load). */
export interface Match {
  readonly worker_id: string;
  /** 0 where a requirement is missing. */
  readonly score: number;
  /** How well its hardware suits the task's modality, 0 to 1; 0.5 where that is not known. */
  readonly capability: number;
  /** How well it did tasks of the model family, 0 to 1; 0.5 where it did none in the last 24 hours. */
  readonly performance: number;
  readonly observed: Observed | null;
  /** Percent; null where no resource is reported, which counts as half. */
  readonly load: number | null;
  /** What the worker is not known to have. */
  readonly missing: readonly Requirement[];
}

/** Who could run a task, as of the last tick. */
export interface Matches {
  /** Workers that take tasks and have all that is required, best first, at most MATCHES_LIMIT. */
  readonly best: readonly Match[];
  /** How many there are of them in all. */
  readonly possible: number;
  /** Workers that take tasks now: they are active, and their reports are fresh. */
  readonly available: number;
  /** Each requirement, and how many of the available workers lack it. */
  readonly requirements: readonly { readonly requirement: Requirement; readonly lacking: number }[];
  /** The worker that has the task, whether or not it takes more; null where none has. */
  readonly assigned: Match | null;
  /** Its place among those that could run the task, from 1; null where it lacks something. */
  readonly assigned_rank: number | null;
}

/** Why a task waits, as of the last tick. */
export interface Waiting {
  /** Nobody takes tasks; nobody has what it requires; who has it has tasks; others go first; or it goes next. */
  readonly reason: "no_worker" | "lacking" | "busy" | "behind" | "next";
  /** Workers that take tasks now. */
  readonly available: number;
  /** Those of them that have all it requires. */
  readonly suitable: number;
  /** Those of these that have no task. */
  readonly idle: number;
  /** What it requires and none of the available has; empty where some has each and none has all. */
  readonly unmet: readonly Requirement[];
  /** Waiting tasks of a more urgent priority. */
  readonly ahead: number;
}

/** Matches that are told of one task. */
export const MATCHES_LIMIT = 20;
