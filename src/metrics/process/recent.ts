import { RECENT_MINUTES, type RecentSeries } from "../read.ts";

const SECONDS = RECENT_MINUTES * 60;

/** The last hour of every system metric at one second, in memory: what the live charts are drawn from. */
export class Recent {
  readonly #rings = new Map<string, Float64Array>();
  #second = 0;

  set(metric: string, at_ms: number, value: number): void {
    const second = Math.floor(at_ms / 1000);
    this.#advance(second);
    if (second <= this.#second - SECONDS) return;
    let ring = this.#rings.get(metric);
    if (!ring) {
      ring = new Float64Array(SECONDS).fill(Number.NaN);
      this.#rings.set(metric, ring);
    }
    ring[second % SECONDS] = value;
  }

  /** After the clock was set back: what lies ahead of it is forgotten. */
  resume(now_ms: number): void {
    const second = Math.floor(now_ms / 1000);
    const back = Math.min(this.#second - second, SECONDS);
    for (const ring of back > 0 ? this.#rings.values() : []) {
      for (let i = 0; i < back; i += 1) ring[(this.#second - i) % SECONDS] = Number.NaN;
    }
    this.#second = Math.min(second, this.#second);
  }

  #advance(second: number): void {
    const steps = Math.min(second - this.#second, SECONDS);
    for (const ring of steps > 0 ? this.#rings.values() : []) {
      for (let i = 0; i < steps; i += 1) ring[(second - i) % SECONDS] = Number.NaN;
    }
    this.#second = Math.max(second, this.#second);
  }

  /** Closed steps only: the step that `now_ms` lies in is still filling. */
  series(metric: string, now_ms: number, minutes: number, step_s: number): RecentSeries {
    const step_ms = step_s * 1000;
    const end_ms = Math.floor(now_ms / step_ms) * step_ms;
    const steps = Math.floor((Math.min(minutes, RECENT_MINUTES) * 60) / step_s);
    const answer = {
      metric,
      at_ms: [] as number[],
      mean: [] as (number | null)[],
      min: [] as (number | null)[],
      max: [] as (number | null)[],
    };
    const ring = this.#rings.get(metric);
    for (let i = steps; i >= 1; i -= 1) {
      const from_ms = end_ms - i * step_ms;
      const bucket = ring ? summarise(ring, from_ms / 1000, step_s, this.#second) : null;
      answer.at_ms.push(from_ms);
      answer.mean.push(bucket?.mean ?? null);
      answer.min.push(bucket?.min ?? null);
      answer.max.push(bucket?.max ?? null);
    }
    return answer;
  }
}

function summarise(ring: Float64Array, from: number, length: number, newest: number) {
  let sum = 0;
  let count = 0;
  let min = Infinity;
  let max = -Infinity;
  for (let second = from; second < from + length; second += 1) {
    if (second > newest || second <= newest - SECONDS) continue;
    const value = ring[second % SECONDS]!;
    if (Number.isNaN(value)) continue;
    sum += value;
    count += 1;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  return count === 0 ? null : { mean: sum / count, min, max };
}
