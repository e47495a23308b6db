import type { Modality } from "../model.ts";
import { LAST_TASKS, type Observed, type Outcomes, type WorkerScores } from "../scores.ts";
import { type ModelOutcome, observe } from "./compatibility.ts";
import { LastValues } from "./last-values.ts";
import { SlidingSums } from "./sliding-sums.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Processing times that a worker's median of a model is taken from, the newest ones. */
const MODEL_TIMES = 32;
/** Models of one worker told apart; beyond it, the one not run for longest is forgotten. */
const MAX_MODELS = 32;
/** In the list of the last tasks: one that failed, and one that completed without telling when it started. */
const FAILED = -1;
const UNTIMED = -2;

/** A task that completed or failed on a worker. */
export interface TaskEnd {
  completed: boolean;
  ended_at_ms: number;
  /** From started to ended; null where that was not told. */
  processing_s: number | null;
  modality: Modality | null;
  model_family: string | null;
  model_id: string | null;
}

/** The fleet's median processing time of a model, seconds; null where it is not known. */
export type FleetMedian = (model_id: string | null) => number | null;

/** How a track record is kept in the store, JSON. */
export interface TrackDocument {
  newest_ms: number;
  /** Of the last hour's minutes. */
  hour: number[][];
  last: number[];
  models: ModelDocument[];
}

interface ModelDocument extends ModelKind {
  /** Of the last day's hours. */
  day: number[][];
  times_s: number[];
}

type ModelKind = Pick<TaskEnd, "modality" | "model_family" | "model_id">;

/** What became of one worker's tasks of one model. */
class ModelRecord {
  readonly kind: ModelKind;
  /** Completed and failed tasks of the last 24 hours, the hour that is filling included. */
  readonly #day = new SlidingSums(24, HOUR_MS, 2);
  readonly #times_s = new LastValues(MODEL_TIMES);
  /** Undefined where it has to be worked out anew. */
  #median_s: number | null | undefined;

  constructor({ modality, model_family, model_id }: ModelKind) {
    this.kind = { modality, model_family, model_id };
  }

  add({ completed, ended_at_ms, processing_s }: TaskEnd, now_ms: number): void {
    this.#day.add(ended_at_ms, now_ms, completed ? [1, 0] : [0, 1]);
    if (!completed || processing_s === null) return;
    this.#times_s.add(processing_s);
    this.#median_s = undefined;
  }

  outcome(now_ms: number, fleetMedian: FleetMedian): ModelOutcome {
    const completed = this.#day.sum(0, now_ms);
    this.#median_s ??= this.#times_s.median();
    return {
      tasks: completed + this.#day.sum(1, now_ms),
      completed,
      median_s: this.#median_s,
      fleet_median_s: fleetMedian(this.kind.model_id),
    };
  }

  toDocument(): ModelDocument {
    return { ...this.kind, day: this.#day.toDocument(), times_s: this.#times_s.toArray().map(rounded) };
  }

  static fromDocument({ day, times_s, ...kind }: ModelDocument): ModelRecord {
    const record = new ModelRecord(kind);
    record.#day.restore(day);
    for (const time_s of times_s) record.#times_s.add(time_s);
    return record;
  }
}

/** What became of the tasks of one worker, in bounded memory: some 10 KB where it runs a dozen models. */
export class TrackRecord {
  /** Counts up with each task. */
  version = 0;
  /** When the newest task ended, Unix milliseconds; 0 without any. */
  newest_ms = 0;
  /** Completed and failed tasks of the last hour, the minute that is filling included. */
  readonly #hour = new SlidingSums(60, MINUTE_MS, 2);
  readonly #last = new LastValues(LAST_TASKS);
  #last_outcomes: Outcomes | null = null;
  /** The one that was run last comes last. */
  readonly #models = new Map<string, ModelRecord>();

  /** @returns false where another model had to be forgotten for it */
  add(end: TaskEnd, now_ms: number): boolean {
    this.version += 1;
    this.newest_ms = Math.max(this.newest_ms, end.ended_at_ms);
    this.#hour.add(end.ended_at_ms, now_ms, end.completed ? [1, 0] : [0, 1]);
    this.#last.add(end.completed ? (end.processing_s ?? UNTIMED) : FAILED);
    this.#last_outcomes = null;
    this.#modelOf(end).add(end, now_ms);
    if (this.#models.size <= MAX_MODELS) return true;
    this.#models.delete(this.#models.keys().next().value!);
    return false;
  }

  #modelOf(kind: ModelKind): ModelRecord {
    const key = keyOf(kind);
    const record = this.#models.get(key) ?? new ModelRecord(kind);
    this.#models.delete(key);
    this.#models.set(key, record);
    return record;
  }

  /** Of the last LAST_TASKS tasks. */
  lastTasks(): Outcomes {
    this.#last_outcomes ??= outcomesOf(this.#last.toArray());
    return this.#last_outcomes;
  }

  lastHour(now_ms: number): WorkerScores["last_hour"] {
    const completed = this.#hour.sum(0, now_ms);
    const tasks = completed + this.#hour.sum(1, now_ms);
    return { tasks, completed, success_ratio: tasks === 0 ? null : completed / tasks };
  }

  ofModality(modality: Modality, now_ms: number, fleetMedian: FleetMedian): Observed | null {
    return this.#observe("modality", modality, now_ms, fleetMedian);
  }

  ofFamily(family: string, now_ms: number, fleetMedian: FleetMedian): Observed | null {
    return this.#observe("model_family", family, now_ms, fleetMedian);
  }

  #observe(by: "modality" | "model_family", name: string, now_ms: number, fleetMedian: FleetMedian) {
    const outcomes: ModelOutcome[] = [];
    for (const record of this.#models.values()) {
      if (record.kind[by] === name) outcomes.push(record.outcome(now_ms, fleetMedian));
    }
    return outcomes.length === 0 ? null : observe(outcomes);
  }

  toDocument(): TrackDocument {
    return {
      newest_ms: this.newest_ms,
      hour: this.#hour.toDocument(),
      last: this.#last.toArray().map(rounded),
      models: [...this.#models.values()].map((record) => record.toDocument()),
    };
  }

  static fromDocument({ newest_ms, hour, last, models }: TrackDocument): TrackRecord {
    const record = new TrackRecord();
    record.newest_ms = newest_ms;
    record.#hour.restore(hour);
    for (const outcome of last) record.#last.add(outcome);
    for (const model of models) record.#models.set(keyOf(model), ModelRecord.fromDocument(model));
    return record;
  }
}

function keyOf({ modality, model_family, model_id }: ModelKind): string {
  return JSON.stringify([modality, model_family, model_id]);
}

function outcomesOf(last: readonly number[]): Outcomes {
  const completed = last.filter((outcome) => outcome !== FAILED);
  const times_s = completed.filter((outcome) => outcome !== UNTIMED);
  return {
    tasks: last.length,
    completed: completed.length,
    success_ratio: last.length === 0 ? null : completed.length / last.length,
    mean_duration_s:
      times_s.length === 0 ? null : times_s.reduce((sum, time_s) => sum + time_s, 0) / times_s.length,
  };
}

/** Milliseconds are as fine as instants are told. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
