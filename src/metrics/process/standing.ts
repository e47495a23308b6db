import { findMetric, rounded } from "../catalogue.ts";
import type { TrackRecord } from "./track-record.ts";

/** Derived metrics are stored this often, so that a chart of ten-second steps has no gaps; health also when it changes. */
const STORE_MS = 10_000;
/** A track record is kept with its worker this often: what a restart loses of it is at most so long ago. */
const KEEP_RECORD_MS = 300_000;

const OF_RECORD = ["success_ratio", "processing_time_mean_s", "tasks_per_hour"] as const;
const HEALTH = ["health"] as const;
const ALL = [...HEALTH, ...OF_RECORD] as const;
const NONE = [] as const;
const PRECISIONS = new Map(ALL.map((name) => [name, findMetric("worker", name)!.precision]));

/** Keeps one worker's derived metrics up to date: worked out anew when a task of its ended, and now and then. */
export class Standing {
  /** Each worker's turns come at another second. */
  readonly #phase: number;
  #stored = -1;
  #version = -1;
  #kept: number | null = null;
  #kept_version = 0;

  constructor(worker_id: string) {
    let hash = 0;
    for (let i = 0; i < worker_id.length; i += 1) hash = (31 * hash + worker_id.charCodeAt(i)) | 0;
    this.#phase = (mixed(hash) >>> 0) / 2 ** 32;
  }

  /** @returns the names of those that the store is to have as they are now */
  update(
    metrics: Map<string, number>,
    health: number,
    record: TrackRecord,
    now_ms: number,
  ): readonly (typeof ALL)[number][] {
    const moved = set(metrics, "health", health);
    const turn = this.#turn(STORE_MS, now_ms);
    const due = turn !== this.#stored;
    if (due || record.version !== this.#version) this.#follow(metrics, record, now_ms);
    this.#stored = turn;
    return due ? ALL : moved ? HEALTH : NONE;
  }

  #follow(metrics: Map<string, number>, record: TrackRecord, now_ms: number): void {
    this.#version = record.version;
    const { success_ratio, mean_duration_s } = record.lastTasks();
    set(metrics, "success_ratio", success_ratio);
    set(metrics, "processing_time_mean_s", mean_duration_s);
    set(metrics, "tasks_per_hour", record.newest_ms === 0 ? null : record.lastHour(now_ms).completed);
  }

  /** True once in a while, where tasks ended since it was last true. */
  isRecordDue({ version }: TrackRecord, now_ms: number): boolean {
    const turn = this.#turn(KEEP_RECORD_MS, now_ms);
    const due = this.#kept !== null && turn !== this.#kept && version !== this.#kept_version;
    if (due || this.#kept === null) {
      this.#kept = turn;
      this.#kept_version = version;
    }
    return due;
  }

  #turn(every_ms: number, now_ms: number): number {
    return Math.floor(now_ms / every_ms + this.#phase);
  }
}

/** Spreads numbers that differ little over all of 32 bits (the finalizer of MurmurHash3). */
function mixed(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
  return twice ^ (twice >>> 16);
}

/** Sets a metric as precisely as it is stored, or clears it. @returns whether it changed */
function set(metrics: Map<string, number>, name: (typeof ALL)[number], value: number | null): boolean {
  if (value === null) return metrics.delete(name);
  const kept = rounded(value, PRECISIONS.get(name)!);
  if (metrics.get(name) === kept) return false;
  metrics.set(name, kept);
  return true;
}
