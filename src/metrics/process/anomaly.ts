import { COURSE_SIZE, Course, type CourseState } from "./course.ts";
import { DAY_SIZE, DayRange, type DayRangeState } from "./day-range.ts";
import { RARITY_SIZE, Rarity, type RarityState } from "./rarity.ts";
import { RecentWindow, WINDOW_SIZE } from "./recent-window.ts";

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
 * sample, by the range of this hour of the day on the days before. Jitter: the median step between neighbours
 * among the last thirty. Trend: how far the usual level has gone off of late.
 */
const ASPECTS = ["value", "level", "spread", "hour", "jitter", "trend"] as const;
export type Aspect = (typeof ASPECTS)[number];
const [VALUE, LEVEL, SPREAD, HOUR, JITTER, TREND] = [0, 1, 2, 3, 4, 5];
/** From here on an aspect tells of lasting changes: to be the first of its kind is not enough to be unusual. */
const RANKED = JITTER;

/** What there is to say of the newest sample. */
export interface Anomaly {
  /** How unusual it is, see `ANOMALY_SCORE`. */
  readonly score: number;
  /** In which way it is most unusual; where it is worth an alert in several ways, the plainest of them. */
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
  readonly course: Readonly<CourseState>;
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
/** An anomaly is over after so many samples that are not unusual; its alert later, for wild noise has calm minutes. */
const QUIET_SAMPLES = 30;
const ALERT_QUIET_SAMPLES = 120;
/** After so many samples the usual ranges follow what was learnt, up to the time before. */
const BORDER_SAMPLES = 600;
/** What the trend is a mean over; it is learnt once in so many samples, for neighbours say the same. */
const TREND_SAMPLES = 200;
/** Trends are compared once so many were learnt: a queue comes and goes for an hour. */
const TRENDS_LEARNT = 60;

/** The usual level and deviation are means over about so many samples, each pulling by at most so many deviations. */
const MEMORY_SAMPLES = 1000;
const PULL_DEVIATIONS = 3;
/** The first samples pull without bound: there is no usual deviation yet. */
const UNBOUNDED_SAMPLES = 10;
/** A level that is farther off than any pull for so many samples on end is the new usual one, and counts as so many. */
const ADOPT_SAMPLES = 300;
const ADOPTED_WEIGHT = 100;
/** Of samples worth an alert one in so many is learnt, so that what they tell of stays unusual for a while. */
const ALERT_THINNING = 64;
/** The older a series, the longer what its histograms hold: up to one sample in so many is learnt. */
const MOST_THINNING = 8;

/** A smaller share of a value is rounding. */
const ROUNDING = 1e-6;
/** A change of this share, of the level or of a bounded metric's whole range, is nothing to alert for. */
const SMALL_SHARE = 0.02;
/** Far beyond any metric; single precision has room for it. */
const LARGEST = 1e30;

/** A longer time than so many usual intervals without a sample is a silence. */
export const GAP_INTERVALS = 5;
const INTERVAL_WEIGHT = 0.05;

// Reused, for all series are judged each second. How far off the newest sample is, by aspect; NaN: not to be told.
const sizes = new Float64Array(ASPECTS.length);
// What the detector that is at work has learnt: each of these goes to where that lies.
const course = new Course();
const recent = new RecentWindow();
const day = new DayRange();
const rarity = new Rarity(ASPECTS.length);

/** Detectors whose room is made at once. */
const SLAB_PLACES = 64;

class Slab {
  readonly #courses = new Float64Array(SLAB_PLACES * COURSE_SIZE);
  readonly #windows = new Float32Array(SLAB_PLACES * WINDOW_SIZE);
  readonly #days = new Float32Array(SLAB_PLACES * DAY_SIZE);
  readonly #rarities = new Uint16Array(SLAB_PLACES * ASPECTS.length * RARITY_SIZE);

  goTo(place: number): void {
    course.goTo(this.#courses, place * COURSE_SIZE);
    recent.goTo(this.#windows, place * WINDOW_SIZE);
    day.goTo(this.#days, place * DAY_SIZE);
    rarity.goTo(this.#rarities, place * ASPECTS.length * RARITY_SIZE);
  }

  clear(place: number): void {
    const clear = (room: Float32Array | Uint16Array, size: number, value: number) =>
      room.fill(value, place * size, (place + 1) * size);
    clear(this.#windows, WINDOW_SIZE, 0);
    clear(this.#days, DAY_SIZE, Number.NaN);
    clear(this.#rarities, ASPECTS.length * RARITY_SIZE, 0);
    this.goTo(place);
    course.restore({ thinning: 1 });
  }
}

/**
 * Where detectors keep what they learn, side by side: in objects of its own each would take twenty, and tens of
 * thousands of detectors would be most of what the garbage collector goes through.
 */
export class DetectorRoom {
  readonly #slabs: Slab[] = [];
  readonly #free: number[] = [];
  #made = 0;

  /** @returns a place in which nothing is learnt */
  take(): number {
    const place = this.#free.pop() ?? this.#made;
    if (place === this.#made) {
      if (place % SLAB_PLACES === 0) this.#slabs.push(new Slab());
      this.#made += 1;
    }
    this.slab(place).clear(place % SLAB_PLACES);
    return place;
  }

  give(place: number): void {
    this.#free.push(place);
  }

  slab(place: number): Slab {
    return this.#slabs[Math.floor(place / SLAB_PLACES)]!;
  }
}

/**
 * Tells how unusual each sample of one gauge is, given all before it: in constant memory, with no training and no
 * clock. It assumes no distribution: a sample's distance from the usual level is ranked among all that were
 * learnt, and beyond those judged by its ratio to them, so that skewed, heavy-tailed and dependent noise sets
 * its own range. It counts in samples, at whatever interval they come.
 */
export class AnomalyDetector {
  readonly #options: AnomalyOptions;
  readonly #room: DetectorRoom;
  readonly #place: number;

  constructor(options: AnomalyOptions, room: DetectorRoom) {
    this.#options = options;
    this.#room = room;
    this.#place = room.take();
  }

  /** Gives its room back: it is asked for nothing any more. */
  release(): void {
    this.#room.give(this.#place);
  }

  /** What it has learnt is what the rest of this looks at. */
  #goThere(): void {
    this.#room.slab(this.#place).goTo(this.#place % SLAB_PLACES);
  }

  /**
   * Takes the next sample. One that is no finite number is passed over, and one from before the last is taken as
   * the next: a clock was set back.
   *
   * @returns how unusual it is, from 0 on, see `ANOMALY_SCORE`; null while too little is learnt
   */
  observe(at_ms: number, value: number): number | null {
    if (!Number.isFinite(value)) return null;
    this.#goThere();
    this.#meet(at_ms, Math.max(-LARGEST, Math.min(LARGEST, value)));
    this.#measure();
    this.#judge();
    this.#note(at_ms);
    this.#learn();
    this.#follow();
    return this.#isReady() ? course.score : null;
  }

  /** What there is to say of the newest sample; null while too little is learnt. */
  explain(): Anomaly | null {
    this.#goThere();
    if (!this.#isReady()) return null;
    const { score, aspect, since_ms, alert_since_ms } = course;
    const [value, low, high] = this.#rangeOf(aspect);
    return { score, aspect: ASPECTS[aspect]!, value, low, high, since_ms, alert_since_ms };
  }

  /** How long the series has been silent, where that is longer than it usually is; else null. */
  silence_ms(now_ms: number): number | null {
    this.#goThere();
    const { at_ms } = course;
    return at_ms !== null && this.#isSilence(now_ms - at_ms) ? now_ms - at_ms : null;
  }

  /** How far apart its samples usually are; null before the second one. */
  get interval_ms(): number | null {
    this.#goThere();
    return course.interval_ms;
  }

  /** When the newest sample's anomaly began. */
  get since_ms(): number | null {
    this.#goThere();
    return course.since_ms;
  }

  /** Since when an alert is due; it outlasts its anomaly a little. */
  get alert_since_ms(): number | null {
    this.#goThere();
    return course.alert_since_ms;
  }

  toState(): AnomalyState {
    this.#goThere();
    return {
      course: course.toState(),
      recent: recent.toArray(),
      day: day.toState(),
      rarity: rarity.toState(),
    };
  }

  static from(state: AnomalyState, options: AnomalyOptions, room: DetectorRoom): AnomalyDetector {
    const detector = new AnomalyDetector(options, room);
    course.restore(state.course);
    for (const value of state.recent) recent.add(value);
    day.restore(state.day);
    rarity.restore(state.rarity);
    return detector;
  }

  /** Values from either side of a silence have no level and no spread in common. */
  #meet(at_ms: number, value: number): void {
    const elapsed_ms = course.at_ms === null ? 0 : at_ms - course.at_ms;
    if (this.#isSilence(elapsed_ms)) {
      recent.clear();
      course.held = 0;
    }
    if (elapsed_ms > 0) {
      const usual_ms = course.interval_ms ?? elapsed_ms;
      const bounded_ms = Math.min(elapsed_ms, GAP_INTERVALS * usual_ms);
      course.interval_ms = usual_ms + INTERVAL_WEIGHT * (bounded_ms - usual_ms);
    }
    if (course.met === 0) course.level = value;
    course.met += 1;
    course.at_ms = at_ms;
    course.value = value;
    recent.add(value);
    day.enter(at_ms);
  }

  #isSilence(elapsed_ms: number): boolean {
    const { interval_ms } = course;
    return interval_ms !== null && elapsed_ms > GAP_INTERVALS * interval_ms;
  }

  #measure(): void {
    const { value, level, trend } = course;
    sizes[VALUE] = Math.abs(value - level);
    sizes[LEVEL] = Math.abs(recent.level() - level);
    sizes[SPREAD] = recent.spread();
    sizes[HOUR] = day.beyond(value);
    sizes[JITTER] = recent.jitter();
    sizes[TREND] = Math.abs(trend);
    const smallest = this.#smallest();
    for (let aspect = 0; aspect < sizes.length; aspect += 1) {
      if (sizes[aspect]! < smallest) sizes[aspect] = 0;
    }
  }

  #judge(): void {
    course.score = 0;
    course.aspect = VALUE;
    let told = 0;
    for (let aspect = 0; aspect < sizes.length; aspect += 1) {
      const score = this.#scoreOf(aspect, sizes[aspect]!);
      course.score = Math.max(course.score, score);
      // Of several that are worth an alert the first says it most plainly.
      if (score <= told || told >= ALERT_SCORE) continue;
      told = score;
      course.aspect = aspect;
    }
  }

  #scoreOf(aspect: number, size: number): number {
    if (Number.isNaN(size) || rarity.learnt(aspect) < LEARNT_TO_SCORE) return 0;
    const beyond = rarity.beyond(aspect, size, this.#floorOf(aspect));
    return aspect < RANKED ? Math.max(beyond, rarity.rank(aspect, size)) : beyond;
  }

  #note(at_ms: number): void {
    course.quiet = course.score >= ANOMALY_SCORE ? 0 : course.quiet + 1;
    course.held = course.score >= ALERT_SCORE ? course.held + 1 : 0;
    if (course.quiet === 0) course.since_ms ??= at_ms;
    if (course.held >= HOLD_SAMPLES) course.alert_since_ms ??= at_ms;
    if (course.quiet >= QUIET_SAMPLES) course.since_ms = null;
    if (course.quiet >= ALERT_QUIET_SAMPLES) course.alert_since_ms = null;
  }

  #learn(): void {
    day.add(course.value);
    if (course.met % TREND_SAMPLES === 0) rarity.learn(TREND, sizes[TREND]!);
    if (course.met % BORDER_SAMPLES === 0) {
      for (let aspect = 0; aspect < sizes.length; aspect += 1) this.#moveBorder(aspect);
    }
    course.skipped += 1;
    if (course.skipped < (course.score >= ALERT_SCORE ? ALERT_THINNING : course.thinning)) return;
    course.skipped = 0;
    for (let aspect = 0; aspect < TREND; aspect += 1) {
      if (Number.isNaN(sizes[aspect]!)) continue;
      const was_full = rarity.learn(aspect, sizes[aspect]!);
      if (was_full && aspect === VALUE) course.thinning = Math.min(MOST_THINNING, 2 * course.thinning);
    }
  }

  #moveBorder(aspect: number): void {
    const enough = aspect === TREND ? TRENDS_LEARNT : BORDER_SAMPLES;
    if (rarity.learnt(aspect) >= enough) rarity.moveBorder(aspect);
  }

  #follow(): void {
    const bound = PULL_DEVIATIONS * Math.max(course.deviation, this.#smallest());
    course.away = sizes[LEVEL]! > bound ? course.away + 1 : 0;
    if (course.away >= ADOPT_SAMPLES) {
      course.level = recent.level();
      course.weight = ADOPTED_WEIGHT;
      course.away = 0;
      course.trend = 0;
    }
    course.weight = Math.min(MEMORY_SAMPLES, course.weight + 1);
    const most = course.weight <= UNBOUNDED_SAMPLES ? Infinity : bound;
    const pull = Math.max(-most, Math.min(most, course.value - course.level));
    course.trend += (pull - course.trend) / TREND_SAMPLES;
    course.level += pull / course.weight;
    course.deviation += (Math.abs(pull) - course.deviation) / course.weight;
  }

  #isReady(): boolean {
    return rarity.learnt(VALUE) > LEARNT_TO_SCORE;
  }

  /** A distance below this is none. */
  #smallest(): number {
    const { level, value } = course;
    return Math.max(this.#options.step / 2, ROUNDING * Math.abs(level), ROUNDING * Math.abs(value));
  }

  /**
   * The border of an aspect's usual range is never nearer than this. Beyond an hour's range it is far away, for
   * extremes are soon exceeded by a little; a trend has little scatter of its own.
   */
  #floorOf(aspect: number): number {
    const { step, min, max } = this.#options;
    const { level, deviation } = course;
    const span = min === null || max === null ? 0 : max - min;
    const small = Math.max(step, SMALL_SHARE * Math.abs(level), SMALL_SHARE * span);
    if (aspect === TREND) return small;
    if (aspect !== HOUR) return Math.max(small, deviation);
    return Math.max(small, deviation, (day.high - day.low) / 2, rarity.border(VALUE));
  }

  /** What an aspect measures now, and its usual range within the metric's bounds. */
  #rangeOf(aspect: number): [value: number, low: number, high: number] {
    const { value, level, trend } = course;
    const border = Math.max(this.#floorOf(aspect), rarity.border(aspect));
    if (aspect === SPREAD) return [recent.spread(), 0, border];
    if (aspect === JITTER) return [recent.jitter(), 0, border];
    const min = this.#options.min ?? -Infinity;
    const max = this.#options.max ?? Infinity;
    const [low, high] = aspect === HOUR ? [day.low, day.high] : [level, level];
    const measured = { [LEVEL]: recent.level(), [TREND]: level + trend }[aspect] ?? value;
    return [measured, Math.max(min, low - border), Math.min(max, high + border)];
  }
}
