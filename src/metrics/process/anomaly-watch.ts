import { CATALOGUE, findMetric, scaleOf } from "../catalogue.ts";
import { AnomalyDetector, type AnomalyState } from "./anomaly.ts";
import type { AnomalySubject } from "./rules/vocabulary.ts";

/** Series that are watched; each takes some 4 KB. */
const MAX_SERIES = 50_000;
/** Series that are judged in one tick, some 6 ms: of more, each is judged every few ticks. */
const SERIES_A_TICK = 10_000;
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

interface Watched {
  readonly scope: "system" | "worker";
  readonly entity: string;
  readonly metric: string;
  readonly detector: AnomalyDetector;
  seen_ms: number;
}

/** The newest values of everything that is watched. */
export interface Watchable {
  readonly system: ReadonlyMap<string, number>;
  readonly workers: Iterable<{ readonly id: string; readonly metrics: ReadonlyMap<string, number> }>;
}

/** Gauges whose course means something; counts of the last hour creep, and follow from the rest. */
const UNWATCHED = new Set(["completed_tasks", "failed_tasks", "cancelled_tasks", "total_workers"]);
const WATCHED = {
  system: namesOf("system"),
  worker: namesOf("worker"),
} as const;

function namesOf(scope: "system" | "worker"): ReadonlySet<string> {
  const gauges = CATALOGUE.filter((metric) => metric.scope === scope && metric.kind === "gauge");
  return new Set(gauges.map(({ name }) => name).filter((name) => !UNWATCHED.has(name)));
}

/** Watches every gauge of the fleet and of its workers for what is unusual. */
export class AnomalyWatch {
  readonly #series = new Map<string, Watched>();
  readonly #due = new Map<string, Watched>();
  /** Where the next tick goes on, where one does not get round. */
  #turn = 0;
  #kept_ms: number;
  #to_keep: Watched[] = [];
  readonly #reached: (limit: string) => void;

  constructor(started_ms: number, reached: (limit: string) => void) {
    this.#kept_ms = started_ms;
    this.#reached = reached;
  }

  restore(documents: readonly DetectorDocument[], now_ms: number): void {
    for (const { scope, entity, metric, state } of documents) {
      if (this.#series.size >= MAX_SERIES) break;
      const detector = AnomalyDetector.from(state, optionsOf(scope, metric));
      this.#series.set(keyOf(scope, entity, metric), { scope, entity, metric, detector, seen_ms: now_ms });
    }
  }

  /** Judges the newest values, of very many series some. */
  judge({ system, workers }: Watchable, now_ms: number): void {
    let place = 0;
    let judged = 0;
    const from = this.#turn;
    const one = (scope: "system" | "worker", entity: string, metric: string, value: number) => {
      place += 1;
      if (place <= from || judged >= SERIES_A_TICK) return;
      judged += 1;
      this.#observe(scope, entity, metric, value, now_ms);
    };
    for (const [metric, value] of system) if (WATCHED.system.has(metric)) one("system", "", metric, value);
    for (const { id, metrics } of workers) {
      for (const [metric, value] of metrics) if (WATCHED.worker.has(metric)) one("worker", id, metric, value);
    }
    this.#turn = from + judged < place ? from + judged : 0;
  }

  #observe(scope: "system" | "worker", entity: string, metric: string, value: number, now_ms: number): void {
    const key = keyOf(scope, entity, metric);
    let watched = this.#series.get(key);
    if (!watched) {
      if (this.#series.size >= MAX_SERIES) {
        this.#reached("series watched for anomalies");
        return;
      }
      const detector = new AnomalyDetector(optionsOf(scope, metric));
      watched = { scope, entity, metric, detector, seen_ms: now_ms };
      this.#series.set(key, watched);
    }
    watched.seen_ms = now_ms;
    watched.detector.observe(now_ms, value);
    if (watched.detector.alert_since_ms !== null) this.#due.set(key, watched);
    else this.#due.delete(key);
  }

  /** Forgets what was not seen for so long, and no longer tells of what fell silent. */
  forget(now_ms: number, after_ms: number): void {
    for (const [key, { seen_ms }] of this.#series) {
      if (now_ms - seen_ms < after_ms) continue;
      this.#series.delete(key);
      this.#due.delete(key);
    }
  }

  /** Series that are so unusual that an alert is due. */
  *due(): Iterable<AnomalySubject> {
    for (const { scope, entity, metric, detector } of this.#due.values()) {
      const anomaly = detector.explain();
      if (anomaly) yield { scope, entity, metric, ...anomaly };
    }
  }

  /** How unusual a metric is; 0 while no alert is due for it. */
  score(scope: string, entity: string, metric: string): number {
    return this.#due.get(keyOf(scope, entity, metric))?.detector.explain()?.score ?? 0;
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

function keyOf(scope: string, entity: string, metric: string): string {
  return `${scope} ${metric} ${entity}`;
}

/** A made-up metric is not watched: its step is not known. */
function optionsOf(scope: "system" | "worker", name: string) {
  const metric = findMetric(scope, name);
  return {
    step: metric ? 1 / scaleOf(metric.precision) : 0,
    min: metric?.min ?? null,
    max: metric?.max ?? null,
  };
}
