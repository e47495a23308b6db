import type { AnomalyDetector } from "./anomaly.ts";
import { type Stamp, take } from "./register.ts";

/** A series that is watched for what is unusual. */
export interface Watched {
  readonly scope: "system" | "worker";
  readonly entity: string;
  readonly metric: string;
  readonly detector: AnomalyDetector;
  /** Counts series in the order in which they came. */
  readonly number: number;
  /** False once it is forgotten. */
  known: boolean;
  seen_ms: number;
  /** Samples since it was last silent while its worker was not. */
  regular: number;
}

/** One metric of a worker, or of the whole fleet: what was last said of it, and where its values go. */
export class Channel {
  /** Null for the whole fleet. */
  readonly worker: { readonly id: string } | null;
  readonly metric: string;
  /** What was last said of it, a register; without a stamp where it only follows from others. */
  value: number | null = null;
  stamp: Stamp | null = null;
  /** The store's handle of its series; null until a value of it is written. */
  series: number | null = null;
  /** Who watches it for what is unusual; null until a value of it was judged. */
  watched: Watched | null = null;
  /** Which time of forgetting it waits to be watched after; null where it never had to. */
  unwatched_since: number | null = null;

  constructor(worker: Channel["worker"], metric: string) {
    this.worker = worker;
    this.metric = metric;
  }

  /** Takes what was said of it by the rules of merging into its owner's metrics; null clears it. */
  say(value: number | null, stamp: Stamp, metrics: Map<string, number>): void {
    if (!take(this, value, stamp)) return;
    if (value === null) metrics.delete(this.metric);
    else metrics.set(this.metric, value);
  }
}

/**
 * Values in the order in which they came, side by side, in room that is used again: a hundred thousand objects a
 * tick, or lists that grow anew, would be garbage at once.
 */
export class FreshValues {
  readonly #channels: Channel[] = [];
  #at_ms = new Float64Array(FEW);
  #values = new Float64Array(FEW);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  channel(i: number): Channel {
    return this.#channels[i]!;
  }

  /** Times are ours, Unix milliseconds. */
  at_ms(i: number): number {
    return this.#at_ms[i]!;
  }

  value(i: number): number {
    return this.#values[i]!;
  }

  push(channel: Channel, at_ms: number, value: number): void {
    if (this.#length === this.#values.length) {
      this.#at_ms = twiceAsLong(this.#at_ms);
      this.#values = twiceAsLong(this.#values);
    }
    this.#channels[this.#length] = channel;
    this.#at_ms[this.#length] = at_ms;
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  clear(): void {
    this.#length = 0;
  }
}

const FEW = 1024;

function twiceAsLong(numbers: Float64Array): Float64Array<ArrayBuffer> {
  const longer = new Float64Array(2 * numbers.length);
  longer.set(numbers);
  return longer;
}
