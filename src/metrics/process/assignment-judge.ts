import type { Ledger } from "./ledger.ts";
import { capabilityOf, fixedPart, has, performanceOf, required, type Wanted } from "./match.ts";
import { Part, Roster } from "./roster.ts";
import type { Steps } from "./steps.ts";
import type { TaskEntry } from "./task.ts";
import type { WorkerEntry } from "./worker.ts";

/** An assignment that is told of later than this was made in another fleet than the one of now: it isn't judged. */
const RECENT_MS = 10_000;
/** Assignments of one tick. */
const MAX_WAITING = 20_000;
/** Kinds of tasks, and model families, whose part of every worker's match is held. */
const MAX_PARTS = 256;
/** Work of one tick, in comparisons of a few nanoseconds; what is left over isn't judged. */
const MAX_COMPARISONS = 5_000_000;
/** Comparisons that take as long as working out one worker's part. */
const EVALUATION_COMPARISONS = 100;
/** The fleet's medians and the day's window move slowly: each worker's performance follows them once in so many ticks. */
const FOLLOW_TICKS = 60;
/** Marks a worker that lacks a backend or a tag. */
const LACKING = -1;
/** In no name: names are printable. */
const SEPARATOR = "\u0000";

/** What the judge needs to know of the fleet. */
export interface JudgedFleet {
  readonly workers: ReadonlyMap<string, WorkerEntry>;
  /** Counts up when a worker joins or leaves. */
  readonly membership: number;
  readonly ledger: Ledger;
  reached(limit: string): void;
}

interface Assignment {
  task: TaskEntry;
  worker_id: string;
}

/**
 * Compares each assignment with the best match that was available, at the tick in which it came to be known.
 *
 * Only load changes from tick to tick. So tasks are taken together that ask for the same backends, tags, modality
 * and model family; the other parts of every worker's match with them are held from tick to tick; and what is left
 * is one pass over the workers for each size of memory that is asked for. The answer is that of matching every
 * task with every worker, but for performances that may be FOLLOW_TICKS behind the fleet's medians.
 */
export class AssignmentJudge {
  readonly #fleet: JudgedFleet;
  #waiting: Assignment[] = [];
  #roster = new Roster([]);
  #membership = -1;
  #tick = 0;
  #comparisons = 0;
  /** By kind of task, and by model family; the one that was used last comes last. */
  readonly #capabilities = new Map<string, Part>();
  readonly #performances = new Map<string, Part>();
  #scores: Float64Array = new Float64Array(0);

  constructor(fleet: JudgedFleet) {
    this.#fleet = fleet;
  }

  add(task: TaskEntry, worker_id: string): void {
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push({ task, worker_id });
    else this.#fleet.reached("assignments judged a tick");
  }

  /** A worker has something else to offer. */
  offerChanged(worker_id: string): void {
    const place = this.#roster.places.get(worker_id);
    if (place === undefined) return;
    for (const part of this.#capabilities.values()) part.outdate(place);
  }

  /** A task of that family ended on a worker. */
  performanceChanged(worker_id: string, family: string): void {
    const place = this.#roster.places.get(worker_id);
    if (place !== undefined) this.#performances.get(family)?.outdate(place);
  }

  /** Judges what was assigned since the last call, in steps. */
  *judging(now_ms: number): Steps {
    const recent = this.#waiting.filter(({ task, worker_id }) => {
      const at_ms = task.assigned_at_ms ?? task.started_at_ms;
      return at_ms !== null && now_ms - at_ms <= RECENT_MS && this.#fleet.workers.has(worker_id);
    });
    this.#waiting = [];
    this.#tick += 1;
    if (recent.length === 0) return;
    this.#enlist();
    this.#comparisons = 0;
    for (const alike of groupBy(recent, ({ task }) => kindOf(task) + SEPARATOR + (task.model_family ?? ""))) {
      if (this.#comparisons > MAX_COMPARISONS) break;
      yield* this.#judgingAlike(alike, now_ms);
    }
    if (this.#comparisons > MAX_COMPARISONS) this.#fleet.reached("assignments judged a tick");
  }

  #enlist(): void {
    const { workers, membership } = this.#fleet;
    if (membership !== this.#membership) {
      this.#membership = membership;
      this.#roster = new Roster(workers.values());
      this.#scores = new Float64Array(workers.size);
      this.#capabilities.clear();
      this.#performances.clear();
    }
    this.#roster.refresh();
  }

  /** Judges assignments of tasks that differ in nothing but the memory that they ask for. */
  *#judgingAlike(assignments: readonly Assignment[], now_ms: number): Steps {
    yield;
    this.#score(assignments[0]!.task, now_ms);
    for (const sized of groupBy(assignments, ({ task }) => sizeOf(task))) {
      if (this.#comparisons > MAX_COMPARISONS) return;
      yield;
      const { memory_bytes = 0, gpu_memory_bytes = 0 } = sized[0]!.task.requirements ?? {};
      const best = this.#best(memory_bytes, gpu_memory_bytes);
      for (const { task, worker_id } of sized) {
        const place = this.#roster.places.get(worker_id)!;
        const chosen = this.#roster.holds(place, memory_bytes, gpu_memory_bytes)
          ? this.#scores[place]!
          : LACKING;
        // The chosen worker may not take any more tasks by now.
        const top = Math.max(best, chosen);
        if (top > 0) this.#fleet.ledger.bookAssignment(task, Math.max(0, chosen) / top, now_ms);
      }
    }
  }

  /** Sets every worker's score to its match with the task, whatever memory it has; to LACKING where it lacks something else. */
  #score(task: TaskEntry, now_ms: number): void {
    const capabilities = this.#capabilitiesFor(task);
    const performances = this.#performancesIn(task.model_family, now_ms);
    const { load_parts } = this.#roster;
    this.#comparisons += load_parts.length;
    for (let place = 0; place < load_parts.length; place += 1) {
      const capability = capabilities[place]!;
      this.#scores[place] =
        capability === LACKING ? LACKING : fixedPart(capability, performances[place]!) + load_parts[place]!;
    }
  }

  #best(memory_bytes: number, gpu_memory_bytes: number): number {
    const scores = this.#scores;
    const roster = this.#roster;
    this.#comparisons += scores.length;
    let best = LACKING;
    for (let place = 0; place < scores.length; place += 1) {
      if (scores[place]! <= best || roster.available[place] === 0) continue;
      if (roster.holds(place, memory_bytes, gpu_memory_bytes)) best = scores[place]!;
    }
    return best;
  }

  #capabilitiesFor(task: TaskEntry): Float64Array {
    const part = this.#held(this.#capabilities, kindOf(task));
    const { modality, requirements } = task;
    const { backends = [], tags = [] } = requirements ?? {};
    const wanted: Wanted = { requirements: { backends, tags }, modality };
    const needs = required(wanted.requirements);
    const evaluated = part.update((place) => {
      const { offer } = this.#roster.workers[place]!;
      return needs.every((need) => has(offer, need)) ? capabilityOf(wanted, offer) : LACKING;
    });
    this.#comparisons += evaluated * EVALUATION_COMPARISONS;
    return part.values;
  }

  #performancesIn(family: string | null, now_ms: number): Float64Array {
    const part = this.#held(this.#performances, family ?? "");
    for (let place = this.#tick % FOLLOW_TICKS; place < part.values.length; place += FOLLOW_TICKS) {
      part.outdate(place);
    }
    const evaluated = part.update((place) => {
      const { record } = this.#roster.workers[place]!;
      return performanceOf(family === null ? null : record.ofFamily(family, now_ms, this.#fleetMedian));
    });
    this.#comparisons += evaluated * EVALUATION_COMPARISONS;
    return part.values;
  }

  readonly #fleetMedian = (model_id: string | null) => this.#fleet.ledger.medianProcessing(model_id);

  #held(parts: Map<string, Part>, key: string): Part {
    const part = parts.get(key) ?? new Part(this.#roster);
    parts.delete(key);
    parts.set(key, part);
    if (parts.size > MAX_PARTS) parts.delete(parts.keys().next().value!);
    return part;
  }
}

/** Equal for tasks that have the same capability on every worker, and lack the same but for memory. */
function kindOf({ modality, requirements }: TaskEntry): string {
  const { backends = [], tags = [] } = requirements ?? {};
  return [modality ?? "", ...backends, SEPARATOR, ...tags].join(SEPARATOR);
}

function sizeOf({ requirements }: TaskEntry): string {
  return `${requirements?.memory_bytes ?? 0} ${requirements?.gpu_memory_bytes ?? 0}`;
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Iterable<T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups.values();
}
