/** All that changes of a detector from sample to sample but its histograms and windows; as it is kept, JSON. */
export interface CourseState {
  /** The usual value, the mean distance from it, and how many samples they were learnt from. */
  level: number;
  deviation: number;
  weight: number;
  /** The mean distance from the level of late, with its sign. */
  trend: number;
  /** For how many samples the level has been farther off than a sample can pull. */
  away: number;
  /** Samples met; every how many of them one is learnt; how many were not learnt since. */
  met: number;
  thinning: number;
  skipped: number;
  at_ms: number | null;
  interval_ms: number | null;
  value: number;
  score: number;
  aspect: number;
  /** How many samples on end were not unusual, and how many were worth an alert. */
  quiet: number;
  held: number;
  since_ms: number | null;
  alert_since_ms: number | null;
}

/** How a course lies in its room; of the last four NaN stands for null. */
const NAMES = [
  "level",
  "deviation",
  "weight",
  "trend",
  "away",
  "met",
  "thinning",
  "skipped",
  "value",
  "score",
  "aspect",
  "quiet",
  "held",
  "at_ms",
  "interval_ms",
  "since_ms",
  "alert_since_ms",
] as const satisfies readonly (keyof CourseState)[];

/** Numbers that a course takes. */
export const COURSE_SIZE = NAMES.length;
const AT = Object.fromEntries(NAMES.map((name, i) => [name, i])) as Record<keyof CourseState, number>;

/** The course of one detector after another: each lies in room that they share, and this goes from one to the next. */
export class Course implements CourseState {
  #room = new Float64Array(COURSE_SIZE);
  #from = 0;

  goTo(room: Float64Array<ArrayBuffer>, from: number): void {
    this.#room = room;
    this.#from = from;
  }

  toState(): CourseState {
    return Object.fromEntries(NAMES.map((name) => [name, this[name]])) as unknown as CourseState;
  }

  restore(state: Partial<CourseState>): void {
    for (const name of NAMES) {
      const nothing = AT[name] < AT.at_ms ? 0 : Number.NaN;
      this.#room[this.#from + AT[name]] = state[name] ?? nothing;
    }
  }

  get level(): number {
    return this.#room[this.#from + AT.level]!;
  }
  set level(level: number) {
    this.#room[this.#from + AT.level] = level;
  }

  get deviation(): number {
    return this.#room[this.#from + AT.deviation]!;
  }
  set deviation(deviation: number) {
    this.#room[this.#from + AT.deviation] = deviation;
  }

  get weight(): number {
    return this.#room[this.#from + AT.weight]!;
  }
  set weight(weight: number) {
    this.#room[this.#from + AT.weight] = weight;
  }

  get trend(): number {
    return this.#room[this.#from + AT.trend]!;
  }
  set trend(trend: number) {
    this.#room[this.#from + AT.trend] = trend;
  }

  get away(): number {
    return this.#room[this.#from + AT.away]!;
  }
  set away(away: number) {
    this.#room[this.#from + AT.away] = away;
  }

  get met(): number {
    return this.#room[this.#from + AT.met]!;
  }
  set met(met: number) {
    this.#room[this.#from + AT.met] = met;
  }

  get thinning(): number {
    return this.#room[this.#from + AT.thinning]!;
  }
  set thinning(thinning: number) {
    this.#room[this.#from + AT.thinning] = thinning;
  }

  get skipped(): number {
    return this.#room[this.#from + AT.skipped]!;
  }
  set skipped(skipped: number) {
    this.#room[this.#from + AT.skipped] = skipped;
  }

  get value(): number {
    return this.#room[this.#from + AT.value]!;
  }
  set value(value: number) {
    this.#room[this.#from + AT.value] = value;
  }

  get score(): number {
    return this.#room[this.#from + AT.score]!;
  }
  set score(score: number) {
    this.#room[this.#from + AT.score] = score;
  }

  get aspect(): number {
    return this.#room[this.#from + AT.aspect]!;
  }
  set aspect(aspect: number) {
    this.#room[this.#from + AT.aspect] = aspect;
  }

  get quiet(): number {
    return this.#room[this.#from + AT.quiet]!;
  }
  set quiet(quiet: number) {
    this.#room[this.#from + AT.quiet] = quiet;
  }

  get held(): number {
    return this.#room[this.#from + AT.held]!;
  }
  set held(held: number) {
    this.#room[this.#from + AT.held] = held;
  }

  get at_ms(): number | null {
    return orNull(this.#room[this.#from + AT.at_ms]!);
  }
  set at_ms(at_ms: number | null) {
    this.#room[this.#from + AT.at_ms] = at_ms ?? Number.NaN;
  }

  get interval_ms(): number | null {
    return orNull(this.#room[this.#from + AT.interval_ms]!);
  }
  set interval_ms(interval_ms: number | null) {
    this.#room[this.#from + AT.interval_ms] = interval_ms ?? Number.NaN;
  }

  get since_ms(): number | null {
    return orNull(this.#room[this.#from + AT.since_ms]!);
  }
  set since_ms(since_ms: number | null) {
    this.#room[this.#from + AT.since_ms] = since_ms ?? Number.NaN;
  }

  get alert_since_ms(): number | null {
    return orNull(this.#room[this.#from + AT.alert_since_ms]!);
  }
  set alert_since_ms(alert_since_ms: number | null) {
    this.#room[this.#from + AT.alert_since_ms] = alert_since_ms ?? Number.NaN;
  }
}

function orNull(number: number): number | null {
  return Number.isNaN(number) ? null : number;
}
