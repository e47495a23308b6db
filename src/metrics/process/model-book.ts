import { type EndedByModel, MODEL_TIMES, type ModelEnds } from "../models.ts";
import { SlidingSums } from "./sliding-sums.ts";

const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;
const HOUR_MS = HOUR_MINUTES * MINUTE_MS;
/** Models told apart by task type and worker type; beyond it, the one that nothing ended of for longest is forgotten. */
const MAX_KINDS = 2048;

type Kind = Pick<ModelEnds, "task_type" | "model_family" | "model_id" | "worker_type">;
type Timed = readonly [ended_at_ms: number, processing_s: number];

/** How the book is kept in the store, JSON. */
export interface BookDocument {
  since_ms: number;
  newest_ms: number;
  kinds: (Kind & { minutes: number[][]; times: Timed[] })[];
}

/** What ended of one kind in the last hour. */
class KindRecord {
  readonly kind: Kind;
  /** Completed and failed tasks, the minute that is filling included. */
  readonly #hour = new SlidingSums(HOUR_MINUTES, MINUTE_MS, 2);
  /** The newest last. */
  #times: Timed[] = [];
  /** As of its minute; null once something more ended. */
  #ends: { minute: number; ends: ModelEnds } | null = null;

  constructor({ task_type, model_family, model_id, worker_type }: Kind) {
    this.kind = { task_type, model_family, model_id, worker_type };
  }

  book(completed: boolean, at_ms: number, now_ms: number, delta: number): void {
    this.#hour.add(at_ms, now_ms, completed ? [delta, 0] : [0, delta]);
    this.#ends = null;
  }

  time(timed: Timed): void {
    this.#times.push(timed);
    if (this.#times.length > MODEL_TIMES) this.#times.shift();
    this.#ends = null;
  }

  /** Nothing leaves the hour but at a minute's end. */
  ends(now_ms: number): ModelEnds {
    const minute = Math.floor(now_ms / MINUTE_MS);
    if (this.#ends?.minute !== minute) this.#ends = { minute, ends: this.#count(now_ms) };
    return this.#ends.ends;
  }

  #count(now_ms: number): ModelEnds {
    return {
      ...this.kind,
      completed: this.#hour.sum(0, now_ms),
      failed: this.#hour.sum(1, now_ms),
      times_s: this.#times
        .filter(([ended_at_ms]) => ended_at_ms > now_ms - HOUR_MS)
        .map(([, processing_s]) => processing_s),
    };
  }

  toDocument(): BookDocument["kinds"][number] {
    return { ...this.kind, minutes: this.#hour.toDocument(), times: this.#times };
  }

  static fromDocument({ minutes, times, ...kind }: BookDocument["kinds"][number]): KindRecord {
    const record = new KindRecord(kind);
    record.#hour.restore(minutes);
    record.#times = times;
    return record;
  }
}

/** Which models' tasks ended in the last hour, of which type, and on what type of workers: in bounded memory. */
export class ModelBook {
  /** Counted from here on, Unix milliseconds. */
  #since_ms: number;
  /** When the newest task in it ended, Unix milliseconds. */
  #newest_ms = 0;
  /** What ended by then was kept before the start; nothing was where it is the end of time. */
  #kept_ms = Number.POSITIVE_INFINITY;
  /** The one that something ended of last comes last. */
  readonly #kinds = new Map<string, KindRecord>();

  constructor(
    since_ms: number,
    private readonly reached: (limit: string) => void,
  ) {
    this.#since_ms = since_ms;
  }

  /** Books an end, or takes it back; a task that was cancelled says nothing of its model. */
  book(kind: Kind, state: string, at_ms: number, now_ms: number, delta: 1 | -1): void {
    if (state !== "completed" && state !== "failed") return;
    this.#newest_ms = Math.max(this.#newest_ms, Math.min(at_ms, now_ms));
    this.#recordOf(kind).book(state === "completed", at_ms, now_ms, delta);
    if (this.#kinds.size > MAX_KINDS) this.#forgetOldest(now_ms);
  }

  /** Takes a completed task's processing time. */
  time(kind: Kind, ended_at_ms: number, processing_s: number): void {
    this.#recordOf(kind).time([ended_at_ms, processing_s]);
  }

  #recordOf(kind: Kind): KindRecord {
    const key = keyOf(kind);
    const record = this.#kinds.get(key) ?? new KindRecord(kind);
    this.#kinds.delete(key);
    this.#kinds.set(key, record);
    return record;
  }

  #forgetOldest(now_ms: number): void {
    const [key, record] = this.#kinds.entries().next().value!;
    this.#kinds.delete(key);
    const { completed, failed } = record.ends(now_ms);
    if (completed + failed > 0) this.reached("models counted by the hour");
  }

  lastHour(now_ms: number): EndedByModel {
    const oldest_minute = Math.floor(now_ms / MINUTE_MS) - HOUR_MINUTES + 1;
    const ends = [...this.#kinds.values()]
      .map((record) => record.ends(now_ms))
      .filter(({ completed, failed }) => completed + failed > 0);
    return { from_ms: Math.max(this.#since_ms, oldest_minute * MINUTE_MS), ends };
  }

  /** Whether an end that the store tells of after a restart is not in what was kept of the book. */
  isNews(ended_at_ms: number): boolean {
    return ended_at_ms > this.#kept_ms;
  }

  toDocument(): BookDocument {
    return {
      since_ms: this.#since_ms,
      newest_ms: this.#newest_ms,
      kinds: [...this.#kinds.values()].map((record) => record.toDocument()),
    };
  }

  restore({ since_ms, newest_ms, kinds }: BookDocument): void {
    this.#since_ms = since_ms;
    this.#newest_ms = newest_ms;
    this.#kept_ms = newest_ms;
    for (const kind of kinds) {
      this.#kinds.set(keyOf(kind), KindRecord.fromDocument(kind));
    }
  }
}

function keyOf({ task_type, model_family, model_id, worker_type }: Kind): string {
  return JSON.stringify([task_type, model_family, model_id, worker_type]);
}
