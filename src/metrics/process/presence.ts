import type { Presence } from "../model.ts";

/** Assumed until two reports tell how often a sender speaks. */
const DEFAULT_INTERVAL_MS = 1000;
const INTERVALS_KEPT = 5;

/** When somebody was heard of, and when silence begins to mean something (protocol: Silence). */
export class Hearing {
  /** Time of receipt of the last report. */
  last_ms: number;
  /** What the sender says of its own interval, and what its source says of all that it reports, milliseconds. */
  stated_ms: number | null = null;
  source_stated_ms: number | null = null;
  /** What it was when we ceased to listen: until it is heard again it is nothing better. */
  was: Presence = "fresh";
  readonly #intervals: number[] = [];
  #median_ms = DEFAULT_INTERVAL_MS;

  constructor(last_ms: number) {
    this.last_ms = last_ms;
  }

  get interval_ms(): number {
    return this.stated_ms ?? this.source_stated_ms ?? this.#median_ms;
  }

  hear(received_ms: number): void {
    const interval_ms = received_ms - this.last_ms;
    // Reports of one body arrive at one instant: they are one hearing. A clock set back measures nothing.
    if (interval_ms > 0) {
      if (this.#intervals.push(interval_ms) > INTERVALS_KEPT) this.#intervals.shift();
      const sorted = [...this.#intervals].sort((a, b) => a - b);
      this.#median_ms = sorted[sorted.length >> 1]!;
    }
    this.last_ms = received_ms;
    this.was = "fresh";
  }

  /** Somebody else speaks of it, and heard of it last at that time: silence goes on from there. */
  hearOf(heard_ms: number, received_ms: number): void {
    this.last_ms = Math.max(this.last_ms, Math.min(heard_ms, received_ms));
  }

  /** For a hearing read back from the store. */
  assume(interval_ms: number): void {
    this.#median_ms = interval_ms;
  }

  /** Silence longer than this is overdue, milliseconds. */
  get stale_ms(): number {
    return Math.max(3000, 3 * this.interval_ms);
  }

  /** Silence longer than this is for good, milliseconds. */
  get lost_ms(): number {
    return Math.max(60_000, 5 * this.interval_ms);
  }

  /** @param started_ms silence before our own start is not the sender's */
  silence_ms(now_ms: number, started_ms: number): number {
    return now_ms - Math.max(this.last_ms, started_ms);
  }

  presence(now_ms: number, started_ms: number): Presence {
    const silence_ms = this.silence_ms(now_ms, started_ms);
    if (silence_ms > this.lost_ms || this.was === "lost") return "lost";
    return silence_ms > this.stale_ms || this.was === "stale" ? "stale" : "fresh";
  }
}

const EVIDENCE_REPORTS = 10;
const EVIDENCE_SPAN_MS = 30_000;
const WINDOW_MS = 60_000;
const WINDOWS_KEPT = 5;
/** Below this the difference may be the network's, and is left alone. */
const DEAD_BAND_MS = 2000;
/** An offset moves only by more than this, so that it stays put from report to report. */
const HYSTERESIS_MS = 1000;

/**
 * Estimates how far a source's clock is off from its reports' own times. Delay only ever makes a report
 * look older, so the smallest difference of the last minutes is the clock's.
 */
export class ClockOffset {
  #minima: { from_ms: number; min_ms: number }[] = [];
  #reports = 0;
  #first_ms: number | null = null;

  /** @returns the offset to use from now on, given the one in use, milliseconds */
  observe(at_ms: number, received_ms: number, current_ms: number): number {
    this.#first_ms ??= received_ms;
    this.#reports += 1;
    this.#note(received_ms, received_ms - at_ms);
    if (this.#reports < EVIDENCE_REPORTS || received_ms - this.#first_ms < EVIDENCE_SPAN_MS)
      return current_ms;
    const smallest_ms = Math.min(...this.#minima.map((m) => m.min_ms));
    const offset_ms = Math.abs(smallest_ms) < DEAD_BAND_MS ? 0 : smallest_ms;
    return Math.abs(offset_ms - current_ms) > HYSTERESIS_MS ? offset_ms : current_ms;
  }

  #note(received_ms: number, difference_ms: number): void {
    const last = this.#minima.at(-1);
    if (last && received_ms - last.from_ms < WINDOW_MS) {
      last.min_ms = Math.min(last.min_ms, difference_ms);
      return;
    }
    this.#minima.push({ from_ms: received_ms, min_ms: difference_ms });
    if (this.#minima.length > WINDOWS_KEPT) this.#minima.shift();
  }
}
