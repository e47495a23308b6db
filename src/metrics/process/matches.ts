import { suitability } from "../hardware.ts";
import { MODALITIES, type Modality } from "../model.ts";
import { MATCHES_LIMIT, type Match, type Matches, type WorkerScores } from "../scores.ts";
import { compatibility } from "./compatibility.ts";
import type { Fleet } from "./fleet.ts";
import { health } from "./health.ts";
import { has, match, required } from "./match.ts";
import type { TaskEntry } from "./task.ts";
import type { FleetMedian } from "./track-record.ts";
import type { WorkerEntry } from "./worker.ts";

/** Who could run a task, and what the others lack: every worker is matched with it. */
export function matchesOf(fleet: Fleet, task: TaskEntry, now_ms: number): Matches {
  const of = (worker: WorkerEntry) => matchOf(fleet, task, worker, now_ms);
  const available = [...fleet.workers.values()].filter((worker) => worker.available);
  const possible = available.map(of).filter(({ missing }) => missing.length === 0);
  const holder = task.worker_id === null ? undefined : fleet.workers.get(task.worker_id);
  const assigned = holder ? of(holder) : null;
  return {
    best: possible.sort(bestFirst).slice(0, MATCHES_LIMIT),
    possible: possible.length,
    available: available.length,
    requirements: required(task.requirements).map((requirement) => ({
      requirement,
      lacking: available.filter(({ offer }) => !has(offer, requirement)).length,
    })),
    assigned,
    assigned_rank:
      assigned === null || assigned.missing.length > 0
        ? null
        : 1 + possible.filter((one) => bestFirst(one, assigned) < 0).length,
  };
}

function matchOf(fleet: Fleet, task: TaskEntry, worker: WorkerEntry, now_ms: number): Match {
  const { id, offer, load, record } = worker;
  const { model_family } = task;
  const observed = model_family === null ? null : record.ofFamily(model_family, now_ms, mediansOf(fleet));
  return match(task, { id, offer, observed, load });
}

function bestFirst(a: Match, b: Match): number {
  return b.score - a.score || (a.worker_id < b.worker_id ? -1 : 1);
}

/** Every score of a worker with what it is made of. */
export function scoresOf(fleet: Fleet, worker: WorkerEntry, now_ms: number): WorkerScores {
  const { offer, record } = worker;
  const of = (modality: Modality) => {
    const observed = record.ofModality(modality, now_ms, mediansOf(fleet));
    return [modality, compatibility(suitability(offer.backends, modality), observed)] as const;
  };
  return {
    health: health(worker.healthInput()),
    compatibility: Object.fromEntries(MODALITIES.map(of)) as WorkerScores["compatibility"],
    last_tasks: record.lastTasks(),
    last_hour: record.lastHour(now_ms),
  };
}

function mediansOf({ ledger }: Fleet): FleetMedian {
  return (model_id) => ledger.medianProcessing(model_id);
}
