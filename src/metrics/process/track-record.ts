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
/** What one task adds to sums of completed and failed ones. */
const COMPLETED = [1, 0] as const;
const NOT_COMPLETED = [0, 1] as const;
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
  newest_ms: number;
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
  /** When the newest task ended. */
  newest_ms = 0;
  /** Sums of the day as of one hour, so that they are not added up each time. */
  readonly #sums = { hour: 0, tasks: 0, completed: 0 };
  /** Undefined where it has to be worked out anew. */
  #median_s: number | null | undefined;

  constructor({ modality, model_family, model_id }: ModelKind) {
    this.kind = { modality, model_family, model_id };
  }

  add({ completed, ended_at_ms, processing_s }: TaskEnd, now_ms: number): void {
    this.#follow(now_ms);
    if (this.#day.add(ended_at_ms, now_ms, completed ? COMPLETED : NOT_COMPLETED)) {
      this.#sums.tasks += 1;
      if (completed) this.#sums.completed += 1;
    }
    this.newest_ms = Math.max(this.newest_ms, ended_at_ms);
    if (!completed || processing_s === null) return;
    this.#times_s.add(processing_s);
    this.#median_s = undefined;
  }

  #follow(now_ms: number): void {
    const hour = Math.floor(now_ms / HOUR_MS);
    if (hour === this.#sums.hour) return;
    this.#sums.hour = hour;
    this.#sums.completed = this.#day.sum(0, now_ms);
    this.#sums.tasks = this.#sums.completed + this.#day.sum(1, now_ms);
  }

  outcome(now_ms: number, fleetMedian: FleetMedian): ModelOutcome {
    this.#follow(now_ms);
    this.#median_s ??= this.#times_s.median();
    const { tasks, completed } = this.#sums;
    return { tasks, completed, median_s: this.#median_s, fleet_median_s: fleetMedian(this.kind.model_id) };
  }

  toDocument(): ModelDocument {
    return {
      ...this.kind,
      newest_ms: this.newest_ms,
      day: this.#day.toDocument(),
      times_s: this.#times_s.toArray().map(rounded),
    };
  }

  static fromDocument({ newest_ms, day, times_s, ...kind }: ModelDocument): ModelRecord {
    const record = new ModelRecord(kind);
    record.newest_ms = newest_ms;
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
  /** By model family. */
  readonly #models = new Map<string | null, ModelRecord[]>();

  /** @returns false where another model had to be forgotten for it */
  add(end: TaskEnd, now_ms: number): boolean {
    this.version += 1;
    this.newest_ms = Math.max(this.newest_ms, end.ended_at_ms);
    this.#hour.add(end.ended_at_ms, now_ms, end.completed ? COMPLETED : NOT_COMPLETED);
    this.#last.add(end.completed ? (end.processing_s ?? UNTIMED) : FAILED);
    this.#last_outcomes = null;
    const known = this.#modelOf(end);
    if (known) known.add(end, now_ms);
    else this.#keep(new ModelRecord(end)).add(end, now_ms);
    return known !== undefined || this.#forgetOne();
  }

  #modelOf({ modality, model_family, model_id }: ModelKind): ModelRecord | undefined {
    return this.#models
      .get(model_family)
      ?.find(({ kind }) => kind.model_id === model_id && kind.modality === modality);
  }

  #keep(record: ModelRecord): ModelRecord {
    const family = this.#models.get(record.kind.model_family);
    if (family) family.push(record);
    else this.#models.set(record.kind.model_family, [record]);
    return record;
  }

  /** @returns false where there were too many models, and the one not run for longest is forgotten */
  #forgetOne(): boolean {
    const all = [...this.#models.values()].flat();
    if (all.length <= MAX_MODELS) return true;
    const oldest = all.reduce((a, b) => (b.newest_ms < a.newest_ms ? b : a));
    const { model_family } = oldest.kind;
    const rest = this.#models.get(model_family)!.filter((record) => record !== oldest);
    if (rest.length > 0) this.#models.set(model_family, rest);
    else this.#models.delete(model_family);
    return false;
  }

  /** Of the last LAST_TASKS tasks. */
  lastTasks(): Outcomes {
    this.#last_outcomes ??= outcomesOf(this.#last);
    return this.#last_outcomes;
  }

  lastHour(now_ms: number): WorkerScores["last_hour"] {
    const completed = this.#hour.sum(0, now_ms);
    const tasks = completed + this.#hour.sum(1, now_ms);
    return { tasks, completed, success_ratio: tasks === 0 ? null : completed / tasks };
  }

  ofModality(modality: Modality, now_ms: number, fleetMedian: FleetMedian): Observed | null {
    const records = [...this.#models.values()].flat().filter(({ kind }) => kind.modality === modality);
    return observe(records.map((record) => record.outcome(now_ms, fleetMedian)));
  }

  ofFamily(family: string, now_ms: number, fleetMedian: FleetMedian): Observed | null {
    const records = this.#models.get(family);
    return records ? observe(records.map((record) => record.outcome(now_ms, fleetMedian))) : null;
  }

  toDocument(): TrackDocument {
    return {
      newest_ms: this.newest_ms,
      hour: this.#hour.toDocument(),
      last: this.#last.toArray().map(rounded),
      models: [...this.#models.values()].flat().map((record) => record.toDocument()),
    };
  }

  static fromDocument({ newest_ms, hour, last, models }: TrackDocument): TrackRecord {
    const record = new TrackRecord();
    record.newest_ms = newest_ms;
    record.#hour.restore(hour);
    for (const outcome of last) record.#last.add(outcome);
    for (const model of models) record.#keep(ModelRecord.fromDocument(model));
    return record;
  }
}

function outcomesOf(last: LastValues): Outcomes {
  let completed = 0;
  let timed = 0;
  let sum_s = 0;
  for (let i = 0; i < last.length; i += 1) {
    const outcome = last.at(i);
    if (outcome === FAILED) continue;
    completed += 1;
    if (outcome === UNTIMED) continue;
    timed += 1;
    sum_s += outcome;
  }
  const tasks = last.length;
  return {
    tasks,
    completed,
    success_ratio: tasks === 0 ? null : completed / tasks,
    mean_duration_s: timed === 0 ? null : sum_s / timed,
  };
}

/** Milliseconds are as fine as instants are told. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
