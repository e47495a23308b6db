import { BySeries } from "../by-series.ts";
import { CATALOGUE, findMetric, type Metric, type Scope, scaleOf } from "../catalogue.ts";
import {
  ALERT_SCORE,
  AnomalyDetector,
  type AnomalyOptions,
  type AnomalyState,
  DetectorRoom,
  GAP_INTERVALS,
} from "./anomaly.ts";
import type { Channel, FreshValues, Watched } from "./channel.ts";
import { DOUBLING_SCORE } from "./rarity.ts";
import type { AnomalySubject } from "./rules/vocabulary.ts";
import type { Steps } from "./steps.ts";

/** Values that one step judges. */
const STEP_VALUES = 2000;
const NEVER = Number.NEGATIVE_INFINITY;
/** Series that are watched; each takes some 2 KB. */
const MAX_SERIES = 50_000;
/** Samples that are judged in one tick, some 20 ms: of more, each series is judged every few ticks. */
const SAMPLES_A_TICK = 10_000;
/** What was learnt is kept this often, and so many series of it in one tick. */
const KEEP_EVERY_MS = 3_600_000;
const KEPT_A_TICK = 50;
/** At the end so many: some 0.3 s. */
const KEPT_AT_ONCE = 5000;

/** What a detector learnt, as it is kept. */
export interface DetectorDocument {
  readonly scope: "system" | "worker";
  readonly entity: string;
  readonly metric: string;
  readonly state: AnomalyState;
}

/** What there is to judge at a tick. */
export interface Watchable {
  readonly system: ReadonlyMap<string, number>;
  /** What reports brought since the last tick, and what follows of it. */
  readonly values: FreshValues;
  /** Whether a worker reports. */
  isHeard(worker_id: string): boolean;
}

/** A metric that ceased is told of after so long, of a series that had so many samples without a gap, for so long. */
const SILENCE_MS = 5000;
const REGULAR_SAMPLES = 600;
const SILENCE_TOLD_MS = 3_600_000;
/** What was due when nothing more came is due for so long. */
const DUE_MS = 90_000;

/** Gauges whose course means something; counts of the last hour creep, and follow from the rest. */
const UNWATCHED = new Set(["completed_tasks", "failed_tasks", "cancelled_tasks", "total_workers"]);
const WATCHED = {
  system: namesOf("system"),
  worker: namesOf("worker"),
} as const;

/** What a worker reports, and does not follow of anything. */
const REPORTED: ReadonlySet<string> = new Set(
  CATALOGUE.filter(({ scope, derived }) => scope === "worker" && !derived).map(({ name }) => name),
);

function namesOf(scope: "system" | "worker"): ReadonlySet<string> {
  const gauges = CATALOGUE.filter((metric) => metric.scope === scope && metric.kind === "gauge");
  return new Set(gauges.map(({ name }) => name).filter((name) => !UNWATCHED.has(name)));
}

/** Watches every gauge of the fleet and of its workers for what is unusual. */
export class AnomalyWatch {
  readonly #series = new BySeries<Watched>();
  readonly #room = new DetectorRoom();
  readonly #due = new BySeries<Watched>();
  #silent: readonly AnomalySubject[] = [];
  #now_ms: number;
  #ticks = 0;
  #numbered = 0;
  /** Counts up when series are forgotten. */
  #forgotten = 0;
  #kept_ms: number;
  #to_keep: Watched[] = [];
  readonly #reached: (limit: string) => void;

  constructor(started_ms: number, reached: (limit: string) => void) {
    this.#kept_ms = started_ms;
    this.#now_ms = started_ms;
    this.#reached = reached;
  }

  restore(documents: readonly DetectorDocument[], now_ms: number): void {
    for (const { scope, entity, metric, state } of documents) {
      if (this.#series.size >= MAX_SERIES) break;
      const detector = AnomalyDetector.from(state, optionsOf(scope, metric), this.#room);
      this.#add(scope, entity, metric, detector, now_ms);
    }
  }

  #add(
    scope: Watched["scope"],
    entity: string,
    metric: string,
    detector: AnomalyDetector,
    seen_ms: number,
  ): Watched {
    const watched = {
      scope,
      entity,
      metric,
      detector,
      number: this.#numbered,
      known: true,
      seen_ms,
      regular: 0,
    };
    this.#numbered += 1;
    this.#series.set(watched, watched);
    return watched;
  }

  /** Judges what came, of very many series some, and notes what ceased to come; in steps. */
  *judging({ system, values, isHeard }: Watchable, now_ms: number): Steps {
    this.#now_ms = now_ms;
    this.#ticks += 1;
    const turns = Math.max(1, Math.ceil((system.size + values.length) / SAMPLES_A_TICK));
    for (const [metric, value] of system) {
      if (!WATCHED.system.has(metric)) continue;
      const watched = this.#find("system", "", metric);
      if (watched) this.#observe(watched, value, turns);
    }
    for (let i = 0; i < values.length; i += 1) {
      if (i % STEP_VALUES === 0) yield;
      const watched = this.#watchedOf(values.channel(i));
      if (watched) this.#observe(watched, values.value(i), turns);
    }
    yield;
    this.#silent = [...this.#ceased(isHeard, SILENCE_MS * turns)];
  }

  #watchedOf(channel: Channel): Watched | null {
    const { worker, metric, watched } = channel;
    if (watched?.known) return watched;
    if (worker === null || channel.unwatched_since === this.#forgotten || !WATCHED.worker.has(metric))
      return null;
    channel.watched = this.#find("worker", worker.id, metric);
    // There is no room for it before others are forgotten.
    if (channel.watched === null) channel.unwatched_since = this.#forgotten;
    return channel.watched;
  }

  /** Null where there are too many. */
  #find(scope: Watched["scope"], entity: string, metric: string): Watched | null {
    const found = this.#series.get({ scope, entity, metric });
    if (found) return found;
    if (this.#series.size >= MAX_SERIES) {
      this.#reached("series watched for anomalies");
      return null;
    }
    const detector = new AnomalyDetector(optionsOf(scope, metric), this.#room);
    return this.#add(scope, entity, metric, detector, NEVER);
  }

  /** The first sample is always judged, of the others one in so many ticks. */
  #observe(watched: Watched, value: number, turns: number): void {
    if (watched.seen_ms !== NEVER && (this.#ticks + watched.number) % turns !== 0) return;
    watched.seen_ms = this.#now_ms;
    watched.regular += 1;
    watched.detector.observe(this.#now_ms, value);
    if (watched.detector.alert_since_ms !== null) this.#due.set(watched, watched);
    else if (this.#due.size > 0) this.#due.delete(watched);
  }

  /**
   * Metrics that a worker reported regularly and does not any more, although it reports.
   *
   * @param least_ms a shorter silence is none
   */
  *#ceased(isHeard: Watchable["isHeard"], least_ms: number): Iterable<AnomalySubject> {
    for (const watched of this.#series.values()) {
      const { scope, entity, metric, detector, seen_ms, regular } = watched;
      if (this.#now_ms - seen_ms < least_ms || scope !== "worker" || !REPORTED.has(metric)) continue;
      const silence_ms = detector.silence_ms(this.#now_ms);
      if (silence_ms === null || silence_ms > SILENCE_TOLD_MS || !isHeard(entity)) continue;
      // What is reported now and then is not missed.
      if (regular < REGULAR_SAMPLES) watched.regular = 0;
      else yield { scope, entity, metric, ...silenceOf(detector, silence_ms, seen_ms) };
    }
  }

  /** Forgets what was not seen for so long, and no longer tells of what fell silent. */
  forget(now_ms: number, after_ms: number): void {
    this.#forgotten += 1;
    for (const watched of this.#series.values()) {
      if (now_ms - watched.seen_ms < after_ms) continue;
      watched.known = false;
      watched.detector.release();
      this.#series.delete(watched);
      this.#due.delete(watched);
    }
  }

  /** Series that are so unusual that an alert is due. */
  *due(): Iterable<AnomalySubject> {
    for (const { scope, entity, metric, detector, seen_ms } of this.#due.values()) {
      const anomaly = this.#now_ms - seen_ms < DUE_MS ? detector.explain() : null;
      if (anomaly) yield { scope, entity, metric, ...anomaly };
    }
    yield* this.#silent;
  }

  /** How unusual a metric is; 0 while no alert is due for it. */
  score(scope: Scope, entity: string, metric: string): number {
    const due = this.#due.get({ scope, entity, metric });
    return due && this.#now_ms - due.seen_ms < DUE_MS ? (due.detector.explain()?.score ?? 0) : 0;
  }

  get size(): number {
    return this.#series.size;
  }

  /** What is to be kept as of now: now and then everything, some at a time; at the end all of it at once. */
  takeDocuments(now_ms: number, all: boolean): DetectorDocument[] {
    if (all || Math.abs(now_ms - this.#kept_ms) >= KEEP_EVERY_MS) {
      this.#kept_ms = now_ms;
      this.#to_keep = [...this.#series.values()];
    }
    return this.#to_keep
      .splice(0, all ? KEPT_AT_ONCE : KEPT_A_TICK)
      .map(({ scope, entity, metric, detector }) => ({ scope, entity, metric, state: detector.toState() }));
  }
}

/** Of a metric that ceased: how long ago, seconds, and how often it usually comes. */
function silenceOf(
  detector: AnomalyDetector,
  silence_ms: number,
  since_ms: number,
): Omit<AnomalySubject, "scope" | "entity" | "metric"> {
  const interval_s = (detector.interval_ms ?? silence_ms) / 1000;
  const value = silence_ms / 1000;
  const score = ALERT_SCORE + DOUBLING_SCORE * Math.log2(value / (GAP_INTERVALS * interval_s));
  return {
    score,
    aspect: "silence",
    value,
    low: interval_s,
    high: interval_s,
    since_ms,
    alert_since_ms: since_ms,
  };
}

const NO_OPTIONS: AnomalyOptions = { step: 0, min: null, max: null };
/** Of each metric one object, for all that watch one. */
const OPTIONS = new Map<Metric, AnomalyOptions>(
  CATALOGUE.map((metric) => [
    metric,
    { step: 1 / scaleOf(metric.precision), min: metric.min, max: metric.max },
  ]),
);

/** A made-up metric is not watched: its step is not known. */
function optionsOf(scope: "system" | "worker", name: string): AnomalyOptions {
  const metric = findMetric(scope, name);
  return (metric && OPTIONS.get(metric)) ?? NO_OPTIONS;
}
