import { DayRange, type DayRangeState } from "./day-range.ts";
import { Rarity, type RarityState } from "./rarity.ts";
import { RecentWindow } from "./recent-window.ts";

/** What the detector has to be told of a metric; it learns the rest. */
export interface AnomalyOptions {
  /** The smallest step that means anything, in the metric's unit; 0 where that is not known. */
  readonly step: number;
  /** Bounds of the metric; null where there is none. */
  readonly min: number | null;
  readonly max: number | null;
}

/**
 * The ways in which a sample is looked at. Value: the sample itself, by the series' usual level. Level: the median
 * of the last nine, by the same. Spread: the width that four fifths of the last thirty lie within. Hour: the
 * sample, by the range of this hour of the day on the days before.
 */
const ASPECTS = ["value", "level", "spread", "hour"] as const;
export type Aspect = (typeof ASPECTS)[number];
const [VALUE, LEVEL, SPREAD, HOUR] = [0, 1, 2, 3];

/** What there is to say of the newest sample. */
export interface Anomaly {
  /** How unusual it is, see `ANOMALY_SCORE`. */
  readonly score: number;
  /** In which way it is most unusual. */
  readonly aspect: Aspect;
  /** What was measured in that way, and the range in which 999 of 1,000 lie, in the metric's unit. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Since when samples are unusual, and since when so much that an alert is due; null where they are not. */
  readonly since_ms: number | null;
  readonly alert_since_ms: number | null;
}

/** What is kept over a restart, as JSON. */
export interface AnomalyState {
  readonly level: number;
  readonly deviation: number;
  readonly weight: number;
  readonly away: number;
  readonly thinning: number;
  readonly at_ms: number | null;
  readonly interval_ms: number | null;
  readonly since_ms: number | null;
  readonly alert_since_ms: number | null;
  readonly recent: readonly number[];
  readonly day: DayRangeState;
  readonly rarity: readonly RarityState[];
}

/**
 * From this score on a sample is unusual: of all that are remembered at most one lay as far off. A score up to 3.3 is
 * 3 − log10(n + ½), n samples having lain as far off; one above it is how far beyond 999 of 1,000 samples a sample
 * lies, 4 for twice as far off, and 4 more for each doubling.
 */
export const ANOMALY_SCORE = 2.7;
/** Twice as far off as 999 of 1,000 samples, for so many samples on end: worth an alert. */
export const ALERT_SCORE = 4;
const HOLD_SAMPLES = 5;

/** Before it has learnt so many samples there is no score. */
const LEARNT_TO_SCORE = 30;
/** An anomaly is over after so many samples that are not unusual. */
const QUIET_SAMPLES = 30;

/** The usual level and deviation are means over about so many samples, each pulling by at most so many deviations. */
const MEMORY_SAMPLES = 1000;
const PULL_DEVIATIONS = 3;
/** The first samples pull without bound: there is no usual deviation yet. */
const UNBOUNDED_SAMPLES = 10;
/** A level that is farther off than any pull for so many samples on end is the new usual one, and counts as so many. */
const ADOPT_SAMPLES = 300;
const ADOPTED_WEIGHT = 100;
/** Of samples worth an alert one in so many is learnt, so that what they tell of stays unusual for a while. */
const ALERT_THINNING = 8;
/** The older a series, the longer what its histograms hold: up to one sample in so many is learnt. */
const MOST_THINNING = 8;

/** A smaller share of a value is rounding. */
const ROUNDING = 1e-6;
/** A change of this share, of the level or of a bounded metric's whole range, is nothing to alert for. */
const SMALL_SHARE = 0.02;
/** Far beyond any metric; single precision has room for it. */
const LARGEST = 1e30;

/** A longer time than so many usual intervals without a sample is a silence. */
const GAP_INTERVALS = 5;
const INTERVAL_WEIGHT = 0.05;

/** Reused, for all series are judged each second: how far off the newest sample is, by aspect; NaN: not to be told. */
const sizes = new Float64Array(ASPECTS.length);

/**
 * Tells how unusual each sample of one gauge is, given all before it: in constant memory, with no training and no
 * clock. It assumes no distribution: a sample's distance from the usual level is ranked among all that were
 * learnt, and beyond those judged by its ratio to them, so that skewed, heavy-tailed and dependent noise sets
 * its own range. It counts in samples, at whatever interval they come.
 */
export class AnomalyDetector {
  readonly #options: AnomalyOptions;
  readonly #recent = new RecentWindow();
  readonly #day = new DayRange();
  readonly #rarity = new Rarity(ASPECTS.length);
  /** The usual value, the mean distance from it, and how many samples they were learnt from. */
  #level = 0;
  #deviation = 0;
  #weight = 0;
  /** For how many samples the level has been farther off than a sample can pull. */
  #away = 0;
  #thinning = 1;
  #skipped = 0;
  #at_ms: number | null = null;
  #interval_ms: number | null = null;
  #value = 0;
  #score = 0;
  #aspect = VALUE;
  #quiet = 0;
  #held = 0;
  #since_ms: number | null = null;
  #alert_since_ms: number | null = null;

  constructor(options: AnomalyOptions) {
    this.#options = options;
  }

  /**
   * Takes the next sample. One that is no finite number is passed over, and one from before the last is taken as
   * the next: a clock was set back.
   *
   * @returns how unusual it is, from 0 on, see `ANOMALY_SCORE`; null while too little is learnt
   */
  observe(at_ms: number, value: number): number | null {
    if (!Number.isFinite(value)) return null;
    this.#value = Math.max(-LARGEST, Math.min(LARGEST, value));
    if (this.#weight === 0) this.#level = this.#value;
    this.#meet(at_ms);
    this.#measure();
    this.#judge();
    this.#note(at_ms);
    this.#learn();
    this.#follow();
    return this.#isReady() ? this.#score : null;
  }

  /** What there is to say of the newest sample; null while too little is learnt. */
  explain(): Anomaly | null {
    if (!this.#isReady()) return null;
    const aspect = this.#aspect;
    const border = Math.max(this.#floorOf(aspect), this.#rarity.border(aspect));
    const [value, low, high] = this.#rangeOf(aspect);
    return {
      score: this.#score,
      aspect: ASPECTS[aspect]!,
      value,
      low: Math.max(low - border, aspect === SPREAD ? 0 : (this.#options.min ?? -Infinity)),
      high: Math.min(high + border, this.#options.max ?? Infinity),
      since_ms: this.#since_ms,
      alert_since_ms: this.#alert_since_ms,
    };
  }

  /** How long the series has been silent, where that is longer than it ever is; null where it is not. */
  silence_ms(now_ms: number): number | null {
    if (this.#at_ms === null || !this.#isSilence(now_ms - this.#at_ms)) return null;
    return now_ms - this.#at_ms;
  }

  /** When the newest sample's anomaly began. */
  get since_ms(): number | null {
    return this.#since_ms;
  }

  /** Since when it has been worth an alert. */
  get alert_since_ms(): number | null {
    return this.#alert_since_ms;
  }

  toState(): AnomalyState {
    return {
      level: this.#level,
      deviation: this.#deviation,
      weight: this.#weight,
      away: this.#away,
      thinning: this.#thinning,
      at_ms: this.#at_ms,
      interval_ms: this.#interval_ms,
      since_ms: this.#since_ms,
      alert_since_ms: this.#alert_since_ms,
      recent: this.#recent.toArray(),
      day: this.#day.toState(),
      rarity: this.#rarity.toState(),
    };
  }

  static from(state: AnomalyState, options: AnomalyOptions): AnomalyDetector {
    const detector = new AnomalyDetector(options);
    detector.#level = state.level;
    detector.#deviation = state.deviation;
    detector.#weight = state.weight;
    detector.#away = state.away;
    detector.#thinning = state.thinning;
    detector.#at_ms = state.at_ms;
    detector.#interval_ms = state.interval_ms;
    detector.#since_ms = state.since_ms;
    detector.#alert_since_ms = state.alert_since_ms;
    for (const value of state.recent) detector.#recent.add(value);
    detector.#day.restore(state.day);
    detector.#rarity.restore(state.rarity);
    return detector;
  }

  /** Values from either side of a silence have no level and no spread in common. */
  #meet(at_ms: number): void {
    const elapsed_ms = this.#at_ms === null ? 0 : at_ms - this.#at_ms;
    this.#at_ms = at_ms;
    this.#day.enter(at_ms);
    if (this.#isSilence(elapsed_ms)) {
      this.#recent.clear();
      this.#held = 0;
    }
    if (elapsed_ms <= 0) return;
    const usual_ms = this.#interval_ms ?? elapsed_ms;
    const bounded_ms = Math.min(elapsed_ms, GAP_INTERVALS * usual_ms);
    this.#interval_ms = usual_ms + INTERVAL_WEIGHT * (bounded_ms - usual_ms);
  }

  #isSilence(elapsed_ms: number): boolean {
    return this.#interval_ms !== null && elapsed_ms > GAP_INTERVALS * this.#interval_ms;
  }

  #measure(): void {
    this.#recent.add(this.#value);
    sizes[VALUE] = Math.abs(this.#value - this.#level);
    sizes[LEVEL] = Math.abs(this.#recent.level() - this.#level);
    sizes[SPREAD] = this.#recent.spread();
    sizes[HOUR] = this.#day.beyond(this.#value);
    const smallest = this.#smallest();
    for (let aspect = 0; aspect < sizes.length; aspect += 1) {
      if (sizes[aspect]! < smallest) sizes[aspect] = 0;
    }
  }

  #judge(): void {
    this.#score = 0;
    this.#aspect = VALUE;
    for (let aspect = 0; aspect < sizes.length; aspect += 1) {
      if (Number.isNaN(sizes[aspect]!) || this.#rarity.learnt(aspect) < LEARNT_TO_SCORE) continue;
      const score = this.#rarity.score(aspect, sizes[aspect]!, this.#floorOf(aspect));
      if (score <= this.#score) continue;
      this.#score = score;
      this.#aspect = aspect;
    }
  }

  #note(at_ms: number): void {
    this.#quiet = this.#score >= ANOMALY_SCORE ? 0 : this.#quiet + 1;
    this.#held = this.#score >= ALERT_SCORE ? this.#held + 1 : 0;
    if (this.#quiet === 0) this.#since_ms ??= at_ms;
    if (this.#held >= HOLD_SAMPLES) this.#alert_since_ms ??= at_ms;
    if (this.#quiet < QUIET_SAMPLES) return;
    this.#since_ms = null;
    this.#alert_since_ms = null;
  }

  #learn(): void {
    this.#day.add(this.#value);
    this.#skipped += 1;
    if (this.#skipped < this.#thinning * (this.#score >= ALERT_SCORE ? ALERT_THINNING : 1)) return;
    this.#skipped = 0;
    let full = false;
    for (let aspect = 0; aspect < sizes.length; aspect += 1) {
      if (!Number.isNaN(sizes[aspect]!)) full = this.#rarity.learn(aspect, sizes[aspect]!) || full;
    }
    if (!full) return;
    this.#rarity.halve();
    this.#thinning = Math.min(MOST_THINNING, 2 * this.#thinning);
  }

  #follow(): void {
    const bound = PULL_DEVIATIONS * Math.max(this.#deviation, this.#smallest());
    this.#away = sizes[LEVEL]! > bound ? this.#away + 1 : 0;
    if (this.#away >= ADOPT_SAMPLES) {
      this.#level = this.#recent.level();
      this.#weight = ADOPTED_WEIGHT;
      this.#away = 0;
    }
    this.#weight = Math.min(MEMORY_SAMPLES, this.#weight + 1);
    const pull = this.#weight <= UNBOUNDED_SAMPLES ? Infinity : bound;
    const off = this.#value - this.#level;
    this.#level += Math.max(-pull, Math.min(pull, off)) / this.#weight;
    this.#deviation += (Math.min(pull, Math.abs(off)) - this.#deviation) / this.#weight;
  }

  #isReady(): boolean {
    return this.#rarity.learnt(VALUE) > LEARNT_TO_SCORE;
  }

  /** A distance below this is none. */
  #smallest(): number {
    return Math.max(
      this.#options.step / 2,
      ROUNDING * Math.abs(this.#level),
      ROUNDING * Math.abs(this.#value),
    );
  }

  /**
   * The usual range's border is never nearer. Beyond an hour's range it is at least half of that range away, for
   * extremes are soon exceeded by a little.
   */
  #floorOf(aspect: number): number {
    const { step, min, max } = this.#options;
    const span = min === null || max === null ? 0 : max - min;
    const beside = aspect === HOUR ? (this.#day.high - this.#day.low) / 2 : 0;
    return Math.max(step, SMALL_SHARE * Math.abs(this.#level), SMALL_SHARE * span, this.#deviation, beside);
  }

  /** What an aspect measures, and what is in the middle of its usual range: two ends of it. */
  #rangeOf(aspect: number): [value: number, low: number, high: number] {
    if (aspect === SPREAD) return [this.#recent.spread(), 0, 0];
    if (aspect === HOUR) return [this.#value, this.#day.low, this.#day.high];
    return [aspect === LEVEL ? this.#recent.level() : this.#value, this.#level, this.#level];
  }
}
