import { EvenkeelError } from "../errors.ts";
import type { Clock } from "./clock.ts";
import { Collector, type CollectorLimits } from "./collect/collector.ts";
import { type Mark, RESTART, type Silence } from "./model.ts";
import { readPast } from "./past.ts";
import type { Parts } from "./pipeline/parts.ts";
import { older, restore } from "./pipeline/restore.ts";
import { Snapshots } from "./pipeline/snapshots.ts";
import { Writer } from "./pipeline/writer.ts";
import { AlertBook } from "./process/alert-book.ts";
import { AnomalyWatch } from "./process/anomaly-watch.ts";
import { Fleet, type FleetOptions } from "./process/fleet.ts";
import { OwnFigures } from "./process/own-figures.ts";
import { Recent } from "./process/recent.ts";
import type { Rule } from "./process/rules/rule.ts";
import { ruleScene } from "./process/rules/rule-scene.ts";
import { finish, type Steps } from "./process/steps.ts";
import { countingFigures, type FleetFigures, fleetFigures } from "./process/system.ts";
import type { Read, SelfHealth } from "./read.ts";
import type { MetricStore } from "./store/contract.ts";
import { TickTimer } from "./tick-timer.ts";

export interface PipelineOptions {
  clock: Clock;
  store: MetricStore;
  limits: CollectorLimits;
  fleet: Omit<FleetOptions, "grace_ms">;
  rules: readonly Rule[];
  notify: Parts["notify"];
  /** True for the demo fleet's own pipeline. */
  demo: boolean;
  tick_ms: number;
  /** What the process knows of itself beyond this pipeline. */
  self(): Pick<
    SelfHealth,
    | "version"
    | "url"
    | "token_needed"
    | "alerts_file"
    | "links"
    | "store_limit_bytes"
    | "started_at_ms"
    | "connectors"
    | "viewers"
    | "viewers_dropped"
    | "ticks_skipped"
    | "memory_bytes"
    | "disk_free_bytes"
  > & {
    limits_reached: Readonly<Record<string, number>>;
  };
}

/** Ticks are never so far apart, nor so far in the wrong order: the clock was set, or the process slept. */
const AHEAD_MS = 90_000;
const BACK_MS = 2000;
/** A series that has no sample for so long is watched no more; that is looked at every so many ticks. */
const FORGET_AFTER_MS = 7 * 86_400_000;
const FORGET_EVERY_TICKS = 600;
/** Moments of the past that may wait to be read. */
const MAX_PAST_READS = 16;

/** Joins the tiers: what came in is applied, judged, written and made visible, once a tick. */
export class Pipeline {
  readonly collector: Collector;
  readonly fleet: Fleet;
  readonly #options: PipelineOptions;
  readonly #parts: Parts;
  readonly #writer: Writer;
  readonly #snapshots: Snapshots;
  readonly #own = new OwnFigures();
  /** What is wrong with the file of rules that was to replace those in force. */
  #rules_error: string | null = null;
  /** What comes in force between two ticks. */
  #new_rules: { rules: readonly Rule[] | null; error: string | null } | null = null;
  /** False from a tick's first step until its snapshot is made. */
  #settled = true;
  #past_reads = 0;
  #past: Promise<unknown> = Promise.resolve();
  #ticked_ms: number;
  #tick = 0;
  #timer: TickTimer;
  /** Ticks that were simulated. */
  #simulated_ticks = 0;
  #figures: FleetFigures;
  #read: Read;

  constructor(options: PipelineOptions) {
    this.#options = options;
    const { clock, store, limits, rules, notify, demo, tick_ms } = options;
    const now_ms = clock.now();
    this.#ticked_ms = now_ms;
    const fleet = new Fleet({ ...options.fleet, grace_ms: limits.grace_ms }, now_ms, (id, since_ms) =>
      store.endedTask(id, since_ms),
    );
    this.fleet = fleet;
    const reached = (limit: string) => fleet.reached(limit);
    const alerts = new AlertBook(rules, now_ms, reached);
    const anomalies = new AnomalyWatch(now_ms, reached);
    this.#parts = { store, fleet, alerts, anomalies, recent: new Recent(now_ms, older(store)), notify, demo };
    this.#timer = new TickTimer(tick_ms);
    this.collector = new Collector(limits, clock, {
      get workers() {
        return fleet.workers.size;
      },
      get live_tasks() {
        return fleet.live.size;
      },
      hasWorker: (id) => fleet.workers.has(id),
      hasTask: (id) => fleet.tasks.has(id),
    });
    restore(this.#parts, now_ms);
    this.#writer = new Writer(this.#parts);
    this.#snapshots = new Snapshots(this.#parts, this.#writer);
    // A demo's past is made in one go: nothing of it was ever restarted.
    if (!demo) this.mark({ at_ms: now_ms, kind: RESTART, text: "Evenkeel started" });
    this.#figures = fleetFigures(fleet, now_ms);
    this.#read = this.#look(now_ms, this.#self());
  }

  /** The newest snapshot; it changes at ticks, and when somebody deals with an alert. */
  read(): Read {
    return this.#read;
  }

  /**
   * The fleet as it was at `at_ms`, from the store. One moment is read after the other, in slices, so that ticks
   * are not late for it.
   *
   * @throws EvenkeelError "invalid" and "not_found" as `readPast`, "too_many" while many wait
   */
  async readAt(at_ms: number): Promise<Read> {
    if (this.#past_reads >= MAX_PAST_READS) {
      const message = `At most ${MAX_PAST_READS} moments of the past are read at once; ask again in a second`;
      throw new EvenkeelError("too_many", message, { retry_after_s: 1 });
    }
    this.#past_reads += 1;
    const reading = this.#past.then(() => readPast(this.#parts.store, this.#read, at_ms));
    this.#past = reading.catch(() => {});
    return reading.finally(() => {
      this.#past_reads -= 1;
    });
  }

  /** Whether everything that is shown is of one tick. */
  get settled(): boolean {
    return this.#settled;
  }

  /** @throws as `ticking` */
  tick(now_ms: number): void {
    finish(this.ticking(now_ms));
  }

  /**
   * One tick, in steps. Until it is settled the snapshot is the one before, and what that looks up may be half a
   * tick further; then it is only written.
   *
   * @param hasTime asked after each report: once it says no, the rest waits for the next tick
   * @throws what a report's application threw, once everything else of the tick is done
   */
  *ticking(now_ms: number, hasTime = () => true): Steps {
    this.#settled = false;
    try {
      yield* this.#working(now_ms, hasTime);
    } finally {
      this.#settled = true;
      this.#takeRules();
    }
  }

  *#working(now_ms: number, hasTime: () => boolean): Steps {
    const started = performance.now();
    const { fleet } = this;
    const { alerts, recent } = this.#parts;
    const step_ms = now_ms - this.#ticked_ms;
    if (step_ms > AHEAD_MS || step_ms < -BACK_MS) {
      fleet.resume(now_ms);
      recent.resume(now_ms);
      alerts.resume(now_ms);
    }
    this.#ticked_ms = now_ms;
    let failure: unknown;
    for (const report of this.collector.drain()) {
      try {
        yield* fleet.applying(report);
      } catch (error) {
        failure ??= error;
      }
      if (!hasTime()) break;
    }
    yield* fleet.advancing(now_ms);
    yield* fleet.judgingAssignments(now_ms);
    yield;
    this.#tick += 1;
    this.#figures = yield* countingFigures(fleet, now_ms);
    yield;
    const self = this.#self();
    yield* this.#judging(self, now_ms);
    yield;
    this.#read = this.#look(now_ms, self);
    this.#settled = true;
    for (const [metric, value] of this.#figures.system) recent.set(metric, now_ms, value);
    yield* this.#writer.writing(this.#figures, now_ms);
    this.#timer.note(now_ms, performance.now() - started);
    if (failure !== undefined) throw failure;
  }

  *#judging(self: SelfHealth, now_ms: number): Steps {
    const { fleet, alerts, anomalies } = this.#parts;
    const { system } = this.#figures;
    const isHeard = (id: string) => fleet.workers.get(id)?.presence === "fresh";
    yield* anomalies.judging({ system, values: fleet.fresh, isHeard }, now_ms);
    yield;
    if (this.#tick % FORGET_EVERY_TICKS === 0) anomalies.forget(now_ms, FORGET_AFTER_MS);
    // Of a source that is known its own rules tell.
    const unheard = self.connectors.filter(
      ({ name, failing_since_ms }) => failing_since_ms !== null && fleet.sourcePresence(name) === undefined,
    );
    const state = { rules_error: this.#rules_error, connectors_unheard: unheard.length };
    const own = this.#own.figures({ ...self, ...state }, now_ms);
    yield* alerts.evaluating(ruleScene(fleet, this.#figures, own, anomalies, now_ms));
  }

  #look(now_ms: number, self: SelfHealth): Read {
    const { demo } = this.#options;
    const state = { now_ms, tick: this.#tick, demo, rules_error: this.#rules_error, self };
    return this.#snapshots.take(this.#figures, state);
  }

  /** Ticks and reports are counted from here on: what came before was simulated, and not worked off each second. */
  countFromHere(): void {
    this.#simulated_ticks = this.#tick;
    this.#timer = new TickTimer(this.#options.tick_ms);
    this.collector.resetCounts();
  }

  /** @throws EvenkeelError "too_many" while too many marks wait to be written */
  mark(mark: Mark): void {
    this.#writer.mark(mark);
  }

  /** @param facts small facts to keep with this tick */
  remember(facts: Record<string, string>): void {
    this.#writer.remember(facts);
  }

  /** Keeps all that detectors learnt with the next tick, which is the last one. */
  keepAll(): void {
    this.#writer.keepAll();
  }

  /** Other rules from the next tick on, or what is wrong with those that were to be: then the former ones hold. */
  setRules(rules: readonly Rule[] | null, error: string | null): void {
    this.#new_rules = { rules, error };
    if (this.#settled) this.#takeRules();
  }

  #takeRules(): void {
    if (!this.#new_rules) return;
    const { rules, error } = this.#new_rules;
    this.#new_rules = null;
    this.#rules_error = error;
    if (rules) this.#parts.alerts.replaceRules(rules, this.#ticked_ms);
  }

  /** @throws EvenkeelError "not_found" for an alert that does not fire */
  acknowledge(alert_id: string, by: string, note: string, at_ms: number): void {
    this.#parts.alerts.acknowledge(alert_id, { name: by, note }, by, at_ms);
    this.#settle(at_ms);
  }

  /** @throws EvenkeelError "not_found" for an alert that does not fire */
  unacknowledge(alert_id: string, by: string, at_ms: number): void {
    this.#parts.alerts.acknowledge(alert_id, null, by, at_ms);
    this.#settle(at_ms);
  }

  /** @throws EvenkeelError "too_many" */
  silence(silence: Silence, at_ms: number): void {
    this.#parts.alerts.addSilence(silence, at_ms);
    this.#settle(at_ms);
  }

  /** @throws EvenkeelError "not_found" for one that is not known or over */
  endSilence(id: string, at_ms: number): void {
    this.#parts.alerts.endSilence(id, at_ms);
    this.#settle(at_ms);
  }

  /** Shows what changed beside the ticks, such as a test of a receiver, with the next answer. */
  lookAgain(): void {
    this.#read = this.#look(this.#read.now_ms, this.#self());
  }

  /** Whoever dealt with an alert sees that with the next answer, not with the next tick. */
  #settle(at_ms: number): void {
    this.#parts.alerts.settle(at_ms);
    this.lookAgain();
  }

  #self(): SelfHealth {
    const { collector } = this;
    const { limits_reached, ...self } = this.#options.self();
    const stats = this.#parts.store.stats();
    const { first_sample_ms, error } = this.#writer;
    const notBeforeFirst = (hour_ms: number | null) =>
      hour_ms === null ? null : Math.max(hour_ms, first_sample_ms ?? hour_ms);
    return {
      ...self,
      ...this.#timer.stats(),
      ticks: this.#tick - this.#simulated_ticks,
      tick_ms: this.#options.tick_ms,
      reports_accepted: collector.counts.accepted,
      reports_rejected: collector.counts.rejected,
      last_rejection: collector.last_rejection,
      unknown_fields: collector.counts.unknown_fields,
      unknown_field_names: [...collector.counts.unknown_names],
      buffered_reports: collector.buffered,
      buffer_limit: this.#options.limits.max_buffered_reports,
      store_bytes: stats.bytes,
      store_oldest_ms: notBeforeFirst(stats.oldest_ms),
      store_full_from_ms: notBeforeFirst(stats.full_from_ms),
      series: stats.series,
      store_error: error,
      limits_reached: { ...collector.limits_reached, ...this.fleet.limits_reached, ...limits_reached },
    };
  }
}
