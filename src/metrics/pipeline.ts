import { EvenkeelError } from "../errors.ts";
import { CATALOGUE, CUTS, type Scope } from "./catalogue.ts";
import type { Clock } from "./clock.ts";
import { Collector, type CollectorLimits } from "./collect/collector.ts";
import { ALERT, type Alert, type Mark, RESTART, WORKER_STATES, type WorkerState } from "./model.ts";
import { goneAt, lifeOf, readPast, recentAt } from "./past.ts";
import { AlertLog } from "./process/alert-log.ts";
import { type AlertOptions, evaluateAlerts, systemStatus } from "./process/alerts.ts";
import { type FilterSources, filteredRead } from "./process/filter.ts";
import { Fleet, type FleetOptions, type SourceDocument, type StateChange } from "./process/fleet.ts";
import { DURATIONS, EVENTS } from "./process/flow.ts";
import { matchesOf, scoresOf } from "./process/matches.ts";
import { DurationHistogram, KEPT_MINUTES } from "./process/rates.ts";
import { Recent } from "./process/recent.ts";
import { cutMetrics, oldestOf, systemMetrics } from "./process/system.ts";
import type { TaskDocument, TaskEntry } from "./process/task.ts";
import { compareIds, type WorkerDocument, type WorkerEntry } from "./process/worker.ts";
import type { SeriesName } from "./range.ts";
import {
  type Durations,
  type DurationsQuery,
  MARKS_LIMIT,
  RECENT_MINUTES,
  type Read,
  type SelfHealth,
} from "./read.ts";
import type { AlertRecord, HistogramRecord, MetricStore, Sample, TickBatch } from "./store/contract.ts";
import { TickTimer } from "./tick-timer.ts";

export interface PipelineOptions {
  clock: Clock;
  store: MetricStore;
  limits: CollectorLimits;
  fleet: Omit<FleetOptions, "grace_ms">;
  alerts: AlertOptions;
  /** True for the demo fleet's own pipeline. */
  demo: boolean;
  tick_ms: number;
  /** What the process knows of itself beyond this pipeline. */
  self(): Pick<
    SelfHealth,
    | "version"
    | "url"
    | "token_needed"
    | "store_limit_bytes"
    | "started_at_ms"
    | "viewers"
    | "viewers_dropped"
    | "ticks_skipped"
    | "memory_bytes"
  > & {
    limits_reached: Readonly<Record<string, number>>;
  };
}

/** Samples kept for a later tick while the store can't write; the oldest give way beyond it. */
const MAX_UNWRITTEN_SAMPLES = 500_000;
/** Metrics older than this are not shown again after a restart. */
const RESTORE_MS = 3_600_000;
/** Ticks are never so far apart, nor so far in the wrong order: the clock was set, or the process slept. */
const AHEAD_MS = 90_000;
const BACK_MS = 2000;
/** Changes of workers' states, and of alerts, kept while the store can't write. */
const MAX_UNWRITTEN_CHANGES = 100_000;
/** Moments of the past that may wait to be read. */
const MAX_PAST_READS = 16;
/** Alerts that fired when the process ended. */
const MAX_OPEN_ALERTS = 100_000;
/** Marks that come within one tick. */
const MAX_WAITING_MARKS = 1000;
/** A flow writes this each tick. */
const FLOW_IS_KNOWN_BY = "queued_tasks";
/** The fact that keeps the sources, and how long it may be behind in when they were last heard of. */
const SOURCES = "sources";
const KEEP_SOURCES_MS = 60_000;
/** Ended tasks that are read back in full; of the others of the last hour only their ends are counted. */
const RESTORE_ENDED = 1000;

/** Joins the tiers: what came in is applied, judged, written and made visible, once a tick. */
export class Pipeline {
  readonly collector: Collector;
  readonly fleet: Fleet;
  readonly timer: TickTimer;
  readonly #options: PipelineOptions;
  readonly #store: MetricStore;
  readonly #recent = new Recent();
  readonly #alert_log = new AlertLog();
  #past_reads = 0;
  #past: Promise<unknown> = Promise.resolve();
  /** Handles of the series of the fleet and of its cuts, by metric. */
  readonly #handles = new Map<string, Map<string, number>>();
  #unwritten: Unwritten = nothingUnwritten();
  #kept_sources = { what: "", at_ms: 0 };
  #store_error: string | null = null;
  #ticked_ms: number;
  #tick = 0;
  #read: Read;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#store = options.store;
    const now_ms = options.clock.now();
    this.#ticked_ms = now_ms;
    this.fleet = new Fleet({ ...options.fleet, grace_ms: options.limits.grace_ms }, now_ms, (id) =>
      options.store.endedTask(id),
    );
    this.timer = new TickTimer(options.tick_ms);
    const { fleet } = this;
    this.collector = new Collector(options.limits, options.clock, {
      get workers() {
        return fleet.workers.size;
      },
      get live_tasks() {
        return fleet.live.size;
      },
      hasWorker: (id) => fleet.workers.has(id),
      hasTask: (id) => fleet.tasks.has(id),
    });
    this.#restore(now_ms);
    // A demo's past is made in one go: nothing of it was ever restarted.
    if (!options.demo) this.mark({ at_ms: now_ms, kind: RESTART, text: "Evenkeel started" });
    this.#read = this.#look(now_ms);
  }

  /** The newest snapshot; it changes only at ticks. */
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
    const reading = this.#past.then(() => readPast(this.#store, this.#read, at_ms));
    this.#past = reading.catch(() => {});
    return reading.finally(() => {
      this.#past_reads -= 1;
    });
  }

  /** Shows the fleet again as it was last written. */
  #restore(now_ms: number): void {
    for (const source of JSON.parse(this.#store.fact(SOURCES) ?? "[]") as SourceDocument[]) {
      this.fleet.restoreSource(source);
    }
    const states = new Map(this.#store.workersAt(now_ms).map(({ id, state }) => [id, state as WorkerState]));
    for (const { id, document } of this.#store.workers()) {
      this.fleet.restoreWorker(id, JSON.parse(document) as WorkerDocument, states.get(id) ?? null);
    }
    this.#alert_log.restore(
      this.#store
        .alerts(now_ms, now_ms + 1, MAX_OPEN_ALERTS)
        .map(({ document, ...span }) => ({ ...span, alert: JSON.parse(document) as Alert })),
    );
    this.#restoreTasks(now_ms);
    const latest = this.#store.latest(now_ms - RESTORE_MS);
    for (const { scope, entity, metric, value, at_ms } of latest) {
      if (scope === "worker") this.fleet.restoreMetric(entity, metric, value, at_ms);
    }
    this.#restoreFlows(latest, now_ms);
    this.fleet.takeChanges();
    this.fleet.advance(now_ms);
    this.#restoreRecent(now_ms);
  }

  #restoreTasks(now_ms: number): void {
    const { fleet } = this;
    const hour_ms = now_ms - RESTORE_MS;
    for (const { id, document } of this.#store.tasks(hour_ms, RESTORE_ENDED)) {
      fleet.restoreTask(id, JSON.parse(document) as TaskDocument);
    }
    fleet.restoreRecords(now_ms);
  }

  /** Rates and durations go on where they were: the last hour's events second by second, durations by the minute. */
  #restoreFlows(latest: readonly SeriesName[], now_ms: number): void {
    for (const { scope, entity, metric } of latest) {
      if (metric !== FLOW_IS_KNOWN_BY || scope === "worker" || scope === "task" || scope === "worker_type")
        continue;
      const flow = this.fleet.ledger.flowOf(scope, entity);
      if (!flow) continue;
      const series = EVENTS.map((event) => ({ scope, entity, metric: event }));
      const from_ms = now_ms - RESTORE_MS;
      const range = this.#store.range({ series, from_ms, to_ms: now_ms + 1, step_ms: 1000 });
      EVENTS.forEach((event, column) => {
        range.columns[column]!.mean.forEach((count, row) => {
          if (count !== null) flow.events[event].restore(range.at_ms[row]!, count);
        });
      });
      for (const duration of DURATIONS) {
        const name = { scope, entity, metric: `${duration}_s` };
        const kept_ms = now_ms - KEPT_MINUTES * 60_000;
        for (const { at_ms, sum, buckets } of this.#store.histograms(name, kept_ms, now_ms + 1)) {
          flow.durations[duration].restore(at_ms, DurationHistogram.from(sum, buckets));
        }
      }
    }
  }

  #restoreRecent(now_ms: number): void {
    const series = CATALOGUE.filter((m) => m.scope === "system").map((m) => ({
      scope: m.scope,
      entity: "",
      metric: m.name,
    }));
    const from_ms = Math.floor(now_ms / 1000) * 1000 - RECENT_MINUTES * 60_000;
    const range = this.#store.range({ series, from_ms, to_ms: now_ms + 1, step_ms: 1000 });
    range.columns.forEach(({ mean }, column) => {
      range.at_ms.forEach((at_ms, row) => {
        const value = mean[row];
        if (value !== null && value !== undefined) this.#recent.set(series[column]!.metric, at_ms, value);
      });
    });
  }

  /** @throws what a report's application threw, once everything else of the tick is done */
  tick(now_ms: number): void {
    const started = performance.now();
    const step_ms = now_ms - this.#ticked_ms;
    if (step_ms > AHEAD_MS || step_ms < -BACK_MS) {
      this.fleet.resume(now_ms);
      this.#recent.resume(now_ms);
    }
    this.#ticked_ms = now_ms;
    let failure: unknown;
    for (const report of this.collector.drain()) {
      try {
        this.fleet.apply(report);
      } catch (error) {
        failure ??= error;
      }
    }
    this.fleet.advance(now_ms);
    this.#tick += 1;
    this.#read = this.#look(now_ms);
    for (const [metric, value] of this.#read.system) this.#recent.set(metric, now_ms, value);
    this.#write(now_ms);
    this.timer.note(now_ms, performance.now() - started);
    if (failure !== undefined) throw failure;
  }

  /** At once where a source is new or speaks at another interval, else now and then. */
  #rememberSources(now_ms: number): void {
    const sources = this.fleet.sourceDocuments();
    const what = sources.map(({ id, interval_ms }) => `${id} ${Math.round(interval_ms / 1000)}`).join("\n");
    const { what: kept, at_ms } = this.#kept_sources;
    if (what === kept && Math.abs(now_ms - at_ms) < KEEP_SOURCES_MS) return;
    this.#kept_sources = { what, at_ms: now_ms };
    this.remember({ [SOURCES]: JSON.stringify(sources) });
  }

  /** @throws EvenkeelError "too_many" while too many marks wait to be written */
  mark(mark: Mark): void {
    const { marks } = this.#unwritten;
    if (marks.length >= MAX_WAITING_MARKS) {
      throw new EvenkeelError(
        "too_many",
        `At most ${MAX_WAITING_MARKS} marks may wait to be written; send this one again`,
        { retry_after_s: 1 },
      );
    }
    marks.push(mark);
  }

  /** @param facts small facts to keep with this tick */
  remember(facts: Record<string, string>): void {
    Object.assign(this.#unwritten.facts, facts);
  }

  #write(now_ms: number): void {
    this.#rememberSources(now_ms);
    const changes = this.fleet.takeChanges();
    const waiting = this.#unwritten;
    for (const worker of changes.workers) waiting.workers.set(worker.id, worker);
    for (const task of changes.tasks) waiting.tasks.set(task.id, task);
    for (const id of changes.gone_workers) {
      waiting.workers.delete(id);
      waiting.gone_workers.add(id);
    }
    for (const id of changes.gone_tasks) {
      waiting.tasks.delete(id);
      waiting.gone_tasks.add(id);
    }
    waiting.states.push(...changes.states);
    if (waiting.states.length > MAX_UNWRITTEN_CHANGES)
      waiting.states.splice(0, waiting.states.length - MAX_UNWRITTEN_CHANGES);
    for (const { alert, ...span } of this.#alert_log.note(this.#read.alerts, now_ms)) {
      const key = `${span.fired_ms} ${span.id}`;
      if (waiting.alerts.size < MAX_UNWRITTEN_CHANGES)
        waiting.alerts.set(key, { ...span, document: JSON.stringify(alert) });
    }
    // One by one: a call takes no hundred thousand arguments.
    for (const { worker, metric, at_ms, value } of changes.values) {
      waiting.values.push({ of: worker ?? SYSTEM, metric, at_ms, value });
    }
    for (const [metric, value] of this.#read.system) {
      waiting.values.push({ of: SYSTEM, metric, at_ms: now_ms, value });
    }
    for (const cut of CUTS) {
      for (const name of this.#read.cutNames(cut)) {
        const of = { scope: cut, entity: name };
        for (const [metric, value] of this.#read.cut(cut, name) ?? [])
          waiting.values.push({ of, metric, at_ms: now_ms, value });
      }
    }
    this.#gatherFlows(waiting);
    if (waiting.values.length > MAX_UNWRITTEN_SAMPLES)
      waiting.values.splice(0, waiting.values.length - MAX_UNWRITTEN_SAMPLES);
    try {
      this.#store.append(this.#batch(now_ms, waiting));
      this.#unwritten = nothingUnwritten();
      this.#store_error = null;
    } catch (error) {
      this.#store_error = (error as Error).message;
    }
  }

  /** What happened in which second, and how long it took, by the minute. */
  #gatherFlows(waiting: Unwritten): void {
    for (const { scope, entity, flow } of this.fleet.ledger.flows()) {
      const of = { scope, entity };
      for (const event of EVENTS) {
        for (const [at_ms, value] of flow.events[event].takeChanged()) {
          waiting.values.push({ of, metric: event, at_ms, value });
        }
      }
      for (const duration of DURATIONS) {
        const name = { scope, entity, metric: `${duration}_s` };
        for (const [at_ms, histogram] of flow.durations[duration].takeChanged()) {
          const record = { name, at_ms, sum: histogram.sum_s, buckets: histogram.sparse() };
          waiting.histograms.set(`${scope} ${duration} ${at_ms} ${entity}`, record);
        }
      }
    }
  }

  #batch(now_ms: number, waiting: Unwritten): TickBatch {
    return {
      at_ms: now_ms,
      samples: waiting.values.map((value) => this.#sample(value)),
      workers: [...waiting.workers.values()].map((w) => ({
        id: w.id,
        document: JSON.stringify(w.toDocument()),
      })),
      workers_gone: [...waiting.gone_workers],
      worker_states: waiting.states,
      tasks: [...waiting.tasks.values()].map((task) => ({
        id: task.id,
        status: task.state,
        type: task.type,
        model_family: task.model_family,
        worker_id: task.worker_id,
        attempt: task.attempt,
        queued_at_ms: task.began_ms,
        ended_at_ms: task.ended ? (task.ended_at_ms ?? task.mentioned_ms) : null,
        document: JSON.stringify(task.toDocument()),
      })),
      tasks_gone: [...waiting.gone_tasks],
      histograms: [...waiting.histograms.values()],
      marks: waiting.marks,
      alerts: [...waiting.alerts.values()],
      facts: waiting.facts,
    };
  }

  #sample({ of, metric, at_ms, value }: WaitingValue): Sample {
    const worker = "series" in of;
    const handles = worker ? of.series : this.#handlesOf(of);
    let series = handles.get(metric);
    if (series === undefined) {
      series = worker
        ? this.#store.series("worker", of.id, metric)
        : this.#store.series(of.scope, of.entity, metric);
      handles.set(metric, series);
    }
    return { series, at_ms, value };
  }

  #handlesOf({ scope, entity }: SeriesOwner): Map<string, number> {
    const key = `${scope} ${entity}`;
    const known = this.#handles.get(key) ?? new Map<string, number>();
    this.#handles.set(key, known);
    return known;
  }

  #look(now_ms: number): Read {
    const { fleet } = this;
    const { demo, alerts: alert_options } = this.#options;
    const system = systemMetrics(fleet, now_ms);
    const alerts: Alert[] = evaluateAlerts(fleet, now_ms, alert_options);
    const { completions, failures, cancellations } = fleet.ledger.all.events;
    const ended_by_type = new Map(
      [...fleet.ledger.by_type].map(([type, { events }]) => [
        type,
        { completed: events.completions.total, failed: events.failures.total },
      ]),
    );
    let workers: readonly WorkerEntry[] | undefined;
    const cuts = cutMetrics(fleet);
    let by_worker: ReadonlyMap<string | null, readonly TaskEntry[]> | undefined;
    const tasksOf = (id: string) => {
      by_worker ??= groupedByWorker(fleet.live.values());
      return by_worker.get(id) ?? [];
    };
    const gone = goneAt(this.#store, now_ms, tasksOf);
    const recentOf: FilterSources["recentOf"] = (cut, name, metric, minutes, step_s) =>
      recentAt(this.#store, { scope: cut, entity: name, metric }, now_ms, minutes, step_s);
    const read: Read = {
      now_ms,
      tick: this.#tick,
      demo,
      status: systemStatus(system, alerts),
      system,
      tasks_by_state: {
        ...fleet.ledger.states(),
        completed: completions.total,
        failed: failures.total,
        cancelled: cancellations.total,
      },
      queue: fleet.ledger.queue(),
      ended_by_type,
      alerts,
      sources: fleet.sources(),
      self: this.#self(),
      workers: () => {
        workers ??= this.#worstFirst();
        return workers;
      },
      worker: (id) => fleet.workers.get(id),
      gone: (id) => (fleet.workers.has(id) ? undefined : gone(id)),
      life: (id, limit) => lifeOf(this.#store, id, now_ms, limit),
      task: (id) => fleet.tasks.get(id),
      oldestQueued: () => oldestOf(fleet.queued.values()),
      scores: (worker_id) => {
        const worker = fleet.workers.get(worker_id);
        return worker && scoresOf(fleet, worker, now_ms);
      },
      matches: (task_id) => {
        const task = fleet.tasks.get(task_id);
        return task && matchesOf(fleet, task, now_ms);
      },
      range: (query) => this.#store.range(query),
      durations: (query) => this.#durations(query),
      marks: (from_ms, to_ms) => this.#marks(from_ms, to_ms),
      recent: (metric, minutes, step_s) => this.#recent.series(metric, now_ms, minutes, step_s),
      filters: {},
      recent_cut: null,
      tasks: () => fleet.tasks.values(),
      tasksOf,
      usual: (model_id) => fleet.ledger.usualProcessing(model_id),
      cut: (cut, name) => cuts[cut].get(name),
      cutNames: (cut) => [...cuts[cut].keys()].sort(compareIds),
      filtered: (filters) => filteredRead(read, filters, { recentOf }),
    };
    return read;
  }

  /** What was set, and where alerts began to fire. */
  #marks(from_ms: number, to_ms: number): Mark[] {
    const fired = this.#store
      .alerts(from_ms, to_ms, MARKS_LIMIT)
      .filter(({ fired_ms }) => fired_ms >= from_ms)
      .map(({ fired_ms, document }) => ({
        at_ms: fired_ms,
        kind: ALERT,
        text: (JSON.parse(document) as Alert).title,
      }));
    return [...this.#store.marks(from_ms, to_ms, MARKS_LIMIT), ...fired].sort((a, b) => a.at_ms - b.at_ms);
  }

  #durations({ scope, entity, duration, from_ms, to_ms, step_ms }: DurationsQuery): (Durations | null)[] {
    const steps = Array.from(
      { length: Math.ceil((to_ms - from_ms) / step_ms) },
      () => new DurationHistogram(),
    );
    const name = { scope, entity, metric: `${duration}_s` };
    for (const { at_ms, sum, buckets } of this.#store.histograms(name, from_ms, to_ms)) {
      steps[Math.floor((at_ms - from_ms) / step_ms)]?.merge(DurationHistogram.from(sum, buckets), 1);
    }
    return steps.map((step) => {
      const stats = step.stats();
      return stats && { ...stats, bars: step.bars() };
    });
  }

  #by_name: readonly WorkerEntry[] = [];

  /** By state, then by name with numbers by size; the order by name is kept while nobody joins or leaves. */
  #worstFirst(): WorkerEntry[] {
    const { workers } = this.fleet;
    if (this.#by_name.length !== workers.size || this.#by_name.some((w) => workers.get(w.id) !== w)) {
      this.#by_name = [...workers.values()].sort((a, b) => compareIds(a.id, b.id));
    }
    return WORKER_STATES.flatMap((state) => this.#by_name.filter((w) => w.state === state));
  }

  #self(): SelfHealth {
    const { collector, timer } = this;
    const { limits_reached, ...self } = this.#options.self();
    const stats = this.#store.stats();
    return {
      ...self,
      ...timer.stats(),
      ticks: this.#tick,
      tick_ms: this.#options.tick_ms,
      reports_accepted: collector.counts.accepted,
      reports_rejected: collector.counts.rejected,
      unknown_fields: collector.counts.unknown_fields,
      unknown_field_names: [...collector.counts.unknown_names],
      buffered_reports: collector.buffered,
      buffer_limit: this.#options.limits.max_buffered_reports,
      store_bytes: stats.bytes,
      store_oldest_ms: stats.oldest_ms,
      store_full_from_ms: stats.full_from_ms,
      series: stats.series,
      store_error: this.#store_error,
      limits_reached: { ...collector.limits_reached, ...this.fleet.limits_reached, ...limits_reached },
    };
  }
}

function groupedByWorker(tasks: Iterable<TaskEntry>): Map<string | null, TaskEntry[]> {
  const groups = new Map<string | null, TaskEntry[]>();
  for (const task of tasks) {
    const own = groups.get(task.worker_id);
    if (own) own.push(task);
    else groups.set(task.worker_id, [task]);
  }
  return groups;
}

/** Whom a series belongs to that is no worker's. */
interface SeriesOwner {
  scope: Scope;
  entity: string;
}

const SYSTEM: SeriesOwner = { scope: "system", entity: "" };

interface WaitingValue {
  of: WorkerEntry | SeriesOwner;
  metric: string;
  at_ms: number;
  value: number;
}

/** What the store has still to write; more than one tick's worth while it can't. */
interface Unwritten {
  workers: Map<string, WorkerEntry>;
  tasks: Map<string, TaskEntry>;
  gone_workers: Set<string>;
  gone_tasks: Set<string>;
  states: StateChange[];
  alerts: Map<string, AlertRecord>;
  values: WaitingValue[];
  histograms: Map<string, HistogramRecord>;
  marks: Mark[];
  facts: Record<string, string>;
}

function nothingUnwritten(): Unwritten {
  return {
    workers: new Map(),
    tasks: new Map(),
    gone_workers: new Set(),
    gone_tasks: new Set(),
    states: [],
    alerts: new Map(),
    values: [],
    histograms: new Map(),
    marks: [],
    facts: {},
  };
}
