import { RECENT_MINUTES, type RecentSeries } from "../read.ts";

const SECONDS = RECENT_MINUTES * 60;

/** What was kept of a metric before this process began; both ends inclusive. */
export type Older = (
  metric: string,
  from_ms: number,
  to_ms: number,
) => Iterable<[at_ms: number, value: number]>;

/** The last hour of every system metric at one second, in memory: what the live charts are drawn from. */
export class Recent {
  readonly #older: Older;
  readonly #began: number;
  readonly #rings = new Map<string, Float64Array>();
  /** Metrics whose values from before the beginning are among theirs: most are never asked for. */
  readonly #whole = new Set<string>();
  #second = 0;

  /** @param now_ms what is older stands in `older` */
  constructor(now_ms: number, older: Older) {
    this.#began = Math.floor(now_ms / 1000);
    this.#older = older;
  }

  set(metric: string, at_ms: number, value: number): void {
    const second = Math.floor(at_ms / 1000);
    this.#advance(second);
    if (second <= this.#second - SECONDS) return;
    this.#ringOf(metric)[second % SECONDS] = value;
  }

  #ringOf(metric: string): Float64Array {
    const known = this.#rings.get(metric);
    if (known) return known;
    const ring = new Float64Array(SECONDS).fill(Number.NaN);
    this.#rings.set(metric, ring);
    return ring;
  }

  /** What the ring had been filled with, had the process not begun in between. */
  #complete(metric: string, now_ms: number): void {
    if (this.#whole.has(metric)) return;
    this.#whole.add(metric);
    this.#advance(Math.floor(now_ms / 1000));
    const from = this.#second - SECONDS + 1;
    const to = Math.min(this.#began, this.#second);
    if (from > to) return;
    for (const [at_ms, value] of this.#older(metric, from * 1000, to * 1000 + 999)) {
      const ring = this.#ringOf(metric);
      const slot = Math.floor(at_ms / 1000) % SECONDS;
      if (Number.isNaN(ring[slot])) ring[slot] = value;
    }
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
    this.#complete(metric, now_ms);
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
