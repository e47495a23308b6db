import type { AnomalyDetector } from "./anomaly.ts";
import { type Register, type Stamp, take } from "./register.ts";

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
  /** What was last said of it; null where it only follows from others. */
  said: Register<number> | null = null;
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
    if (this.said === null) this.said = { value, at_ms: stamp.at_ms, source: stamp.source };
    else if (!take(this.said, value, stamp)) return;
    if (value === null) metrics.delete(this.metric);
    else metrics.set(this.metric, value);
  }
}

/** Values in the order in which they came, side by side: a hundred thousand objects a tick would be garbage at once. */
export class FreshValues {
  readonly channels: Channel[] = [];
  /** Times are ours, Unix milliseconds. */
  readonly at_ms: number[] = [];
  readonly values: number[] = [];

  get length(): number {
    return this.values.length;
  }

  push(channel: Channel, at_ms: number, value: number): void {
    this.channels.push(channel);
    this.at_ms.push(at_ms);
    this.values.push(value);
  }
}
