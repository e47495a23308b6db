import type { Requirements, Task } from "../model.ts";
import type { QueueCell } from "../read.ts";
import type { Requirement, Waiting } from "../scores.ts";
import type { Fleet } from "./fleet.ts";
import { has, required } from "./match.ts";
import type { WorkerEntry } from "./worker.ts";

type Supply = Pick<Waiting, "available" | "suitable" | "idle" | "unmet">;

/** Why tasks wait, as of one tick: who requires the same is looked at once. */
export class WaitingReasons {
  readonly #fleet: Fleet;
  #queue: readonly QueueCell[] | undefined;
  readonly #supplies = new Map<string, Supply>();

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** Null for a task that does not wait. */
  of(task: Task): Waiting | null {
    if (task.state !== "queued") return null;
    const supply = this.#supplyFor(task.requirements);
    const ahead = this.#ahead(task.priority);
    return { reason: reasonOf(supply, ahead), ...supply, ahead };
  }

  #supplyFor(requirements: Requirements | null): Supply {
    const key = JSON.stringify(requirements);
    const known = this.#supplies.get(key);
    if (known) return known;
    const supply = supplyFor(required(requirements), this.#fleet.workers.values());
    this.#supplies.set(key, supply);
    return supply;
  }

  #ahead(priority: number | null): number {
    const own = priority ?? Number.POSITIVE_INFINITY;
    this.#queue ??= this.#fleet.ledger.queue();
    return this.#queue
      .filter((cell) => (cell.priority ?? Number.POSITIVE_INFINITY) < own)
      .reduce((sum, { queued }) => sum + queued, 0);
  }
}

function supplyFor(wanted: readonly Requirement[], workers: Iterable<WorkerEntry>): Supply {
  const available = [...workers].filter((worker) => worker.available);
  const suitable = available.filter(({ offer }) => wanted.every((one) => has(offer, one)));
  return {
    available: available.length,
    suitable: suitable.length,
    idle: suitable.filter(({ running_tasks, queued_tasks }) => running_tasks + queued_tasks === 0).length,
    unmet: wanted.filter((one) => available.every(({ offer }) => !has(offer, one))),
  };
}

function reasonOf({ available, suitable, idle }: Supply, ahead: number): Waiting["reason"] {
  if (available === 0) return "no_worker";
  if (suitable === 0) return "lacking";
  if (idle === 0) return "busy";
  return ahead > 0 ? "behind" : "next";
}
