import type { Cut, Scope, Unit } from "../../catalogue.ts";
import type { AlertLabel, AlertSubjectKind, Source } from "../../model.ts";
import type { Anomaly, Aspect } from "../anomaly.ts";
import type { Fleet } from "../fleet.ts";
import type { QueueFigures } from "../queue-book.ts";
import type { ModelFigures } from "./figures.ts";

/** What one tick's rules are asked of. */
export interface RuleScene {
  readonly now_ms: number;
  readonly fleet: Fleet;
  readonly system: ReadonlyMap<string, number>;
  readonly cuts: Readonly<Record<Cut, ReadonlyMap<string, ReadonlyMap<string, number>>>>;
  readonly sources: readonly Source[];
  /** How Evenkeel itself is doing, by the names of OWN_VALUES. */
  readonly own: ReadonlyMap<string, number>;
  models(): ReadonlyMap<string, ModelFigures>;
  queues(): ReadonlyMap<string, QueueFigures>;
  /** Series of which an alert is due. */
  anomalies(): Iterable<AnomalySubject>;
  /** How unusual a metric is; 0 while no alert is due for it. */
  anomalyScore(series: { scope: Scope; entity: string }, metric: string): number;
}

/** A series that is unusual enough to tell. */
export interface AnomalySubject extends Omit<Anomaly, "aspect"> {
  /** As of the detector, or that it is not reported any more: then the figures are seconds. */
  readonly aspect: Aspect | "silence";
  readonly scope: "system" | "worker";
  readonly entity: string;
  readonly metric: string;
}

export interface Value<S> {
  readonly unit: Unit;
  readonly help: string;
  /** True for a counter, which starts over with its source. */
  readonly counter?: boolean;
  /** NaN where it is not known. */
  read(subject: S, scene: RuleScene): number;
  /** What it is of every subject in a state; undefined where they differ. */
  byState?(state: string): number | undefined;
}

export interface Text<S> {
  readonly help: string;
  /** Null where it is not known. */
  read(subject: S, scene: RuleScene): string | null;
}

export type Labels = Readonly<Partial<Record<AlertLabel, string>>>;

/** A kind of thing that rules look at, and the words that they have for it. */
export interface SubjectKind<S> {
  readonly help: string;
  each(scene: RuleScene): Iterable<S>;
  id(subject: S): string;
  /** Which of the kind's few states a subject is in; left out where its figures tell nothing by that alone. */
  state?(subject: S): string;
  /** Taken out on purpose, for which no rule fires unless it says so. */
  planned?(subject: S): boolean;
  labels(subject: S, scene: RuleScene): Labels;
  /** Figures by name: its own, and the catalogue's metrics. */
  value(name: string): Value<S> | undefined;
  /** A metric of a source's own making, as a plain number; undefined where there can be none. */
  custom?(name: string): Value<S>;
  /** The names that `value` knows. */
  readonly names: readonly string[];
  readonly texts: Readonly<Record<string, Text<S>>>;
  /** Whether a figure has a series of its own. */
  charted(name: string): boolean;
  /** What an alert is about, where that is not the subject itself. */
  about?(subject: S): { kind: AlertSubjectKind; id: string };
  /** Where the series of its metrics are. */
  series?(subject: S): { scope: Scope; entity: string };
  /** The one metric that a subject is about, where it is about one. */
  metric?(subject: S): string;
  /** How long ago a metric was last reported, milliseconds; infinite where it never was. */
  age_ms?(subject: S, metric: string, scene: RuleScene): number;
}
