import { EvenkeelError } from "../errors.ts";
import { CATALOGUE, CUTS, type Scope } from "./catalogue.ts";
import type { Clock } from "./clock.ts";
import { Collector, type CollectorLimits } from "./collect/collector.ts";
import {
  ALERT,
  type Alert,
  type Mark,
  RESTART,
  type Silence,
  WORKER_STATES,
  type WorkerState,
} from "./model.ts";
import { Orders } from "./orders.ts";
import { type NewMessage, TELLS_NOBODY } from "./outbox.ts";
import { endedOf, firstMoment, goneAt, lifeOf, readPast, recentAt } from "./past.ts";
import { AlertBook } from "./process/alert-book.ts";
import { AnomalyWatch, type DetectorDocument } from "./process/anomaly-watch.ts";
import { type FilterSources, filteredRead } from "./process/filter.ts";
import { Fleet, type FleetOptions, type SourceDocument, type StateChange } from "./process/fleet.ts";
import { DURATIONS, EVENTS } from "./process/flow.ts";
import { KeptTasks } from "./process/kept-tasks.ts";
import { matchesOf, scoresOf } from "./process/matches.ts";
import type { BookDocument } from "./process/model-book.ts";
import type { AlertsNow } from "./process/notify/notifier.ts";
import type { Notify } from "./process/notify/notify.ts";
import { OwnFigures } from "./process/own-figures.ts";
import { taskOf } from "./process/past.ts";
import { DurationHistogram, KEPT_MINUTES } from "./process/rates.ts";
import { Recent } from "./process/recent.ts";
import { anomaliesOf } from "./process/rules/anomaly-words.ts";
import type { Rule } from "./process/rules/rule.ts";
import { ruleScene } from "./process/rules/rule-scene.ts";
import { systemStatus } from "./process/status.ts";
import { type FleetFigures, fleetFigures, oldestOf } from "./process/system.ts";
import type { TaskDocument, TaskEntry } from "./process/task.ts";
import { WaitingReasons } from "./process/waiting.ts";
import { compareIds, type WorkerDocument, type WorkerEntry } from "./process/worker.ts";
import { MINUTE_MS, QUARTER_MS, type SeriesName } from "./range.ts";
import {
  type Durations,
  type DurationsQuery,
  type EndedQuery,
  type EndedStep,
  MARKS_LIMIT,
  RECENT_MINUTES,
  type Read,
  type SelfHealth,
} from "./read.ts";
import { type Runs, runsOf } from "./runs.ts";
import type {
  AlertRecord,
  DocumentRecord,
  HistogramRecord,
  MetricStore,
  Sample,
  TaskRecord,
  TickBatch,
} from "./store/contract.ts";
import { TickTimer } from "./tick-timer.ts";

export interface PipelineOptions {
  clock: Clock;
  store: MetricStore;
  limits: CollectorLimits;
  fleet: Omit<FleetOptions, "grace_ms">;
  rules: readonly Rule[];
  /** Who tells receivers of alerts; null where nobody is told, as of the demo fleet's. */
  notify: Pick<Notify, "step" | "written" | "telling"> | null;
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
    | "disk_free_bytes"
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
const MAX_UNWRITTEN_DOCUMENTS = 10_000;
const MAX_UNWRITTEN_MESSAGES = 10_000;
/** The fact that keeps what is pending, and the kinds of documents that keep silences and what was learnt. */
const PENDING = "pending_alerts";
const SILENCE = "silence";
const DETECTOR = "detector";
/** A series that has no sample for so long is watched no more; that is looked at every so many ticks. */
const FORGET_AFTER_MS = 7 * 86_400_000;
const FORGET_EVERY_TICKS = 600;
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
/** The fact that keeps when the first sample of all was taken. */
const FIRST_SAMPLE = "first_sample_ms";
/** The fact that keeps the last hour by model, and how often it is kept. */
const MODELS = "models";
const KEEP_MODELS_MS = 60_000;
/** Ended tasks that are read back in full; of the others of the last hour only their ends are counted. */
const RESTORE_ENDED = 1000;
/** Ended tasks that are read back at once for their runs: some 20 ms. */
const RUNS_A_SLICE = 1000;

/** Joins the tiers: what came in is applied, judged, written and made visible, once a tick. */
export class Pipeline {
  readonly collector: Collector;
  readonly fleet: Fleet;
  readonly #options: PipelineOptions;
  readonly #store: MetricStore;
  readonly #recent = new Recent();
  readonly #kept_tasks: KeptTasks;
  /** Down to this instant the store was asked for runs. */
  #runs_sought_ms = Number.NEGATIVE_INFINITY;
  readonly #alerts: AlertBook;
  readonly #anomalies: AnomalyWatch;
  readonly #own = new OwnFigures();
  /** What is wrong with the file of rules that was to replace those in force. */
  #rules_error: string | null = null;
  #keep_all = false;
  #past_reads = 0;
  #past: Promise<unknown> = Promise.resolve();
  /** Handles of the series of the fleet and of its cuts, by metric. */
  readonly #handles = new Map<string, Map<string, number>>();
  #unwritten: Unwritten = nothingUnwritten();
  #kept_sources = { what: "", at_ms: 0 };
  #kept_models_ms = 0;
  #store_error: string | null = null;
  #ticked_ms: number;
  #tick = 0;
  #timer: TickTimer;
  /** Ticks that were simulated. */
  #simulated_ticks = 0;
  /** The store knows the hour of its oldest sample, and this is the very first one; null while there is none. */
  #first_sample_ms: number | null;
  #figures: FleetFigures;
  #read: Read;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#kept_tasks = new KeptTasks((id) => {
      const record = options.store.task(id);
      return record && (JSON.parse(record.document) as TaskDocument);
    });
    const now_ms = options.clock.now();
    this.#ticked_ms = now_ms;
    this.fleet = new Fleet({ ...options.fleet, grace_ms: options.limits.grace_ms }, now_ms, (id, since_ms) =>
      options.store.endedTask(id, since_ms),
    );
    const reached = (limit: string) => this.fleet.reached(limit);
    this.#alerts = new AlertBook(options.rules, now_ms, reached);
    this.#anomalies = new AnomalyWatch(now_ms, reached);
    this.#timer = new TickTimer(options.tick_ms);
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
    const first_sample = options.store.fact(FIRST_SAMPLE);
    this.#first_sample_ms =
      first_sample === undefined ? options.store.stats().oldest_ms : Number(first_sample);
    this.#restore(now_ms);
    // A demo's past is made in one go: nothing of it was ever restarted.
    if (!options.demo) this.mark({ at_ms: now_ms, kind: RESTART, text: "Evenkeel started" });
    this.#figures = fleetFigures(this.fleet, now_ms);
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
    this.#restoreAlerts(now_ms);
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

  #restoreAlerts(now_ms: number): void {
    const firing = this.#store
      .alerts(now_ms, now_ms + 1, MAX_OPEN_ALERTS)
      .filter(({ ended_ms }) => ended_ms === null)
      .map(({ document }) => JSON.parse(document) as Alert);
    const pending = JSON.parse(this.#store.fact(PENDING) ?? "[]") as Alert[];
    const silences = this.#store.documents(SILENCE).map(({ document }) => JSON.parse(document) as Silence);
    this.#alerts.restore([...firing, ...pending], silences);
    const learnt = this.#store
      .documents(DETECTOR)
      .map(({ document }) => JSON.parse(document) as DetectorDocument);
    this.#anomalies.restore(learnt, now_ms);
  }

  /** Ended tasks that are read back are counted by model where they ended after that was kept. */
  #restoreTasks(now_ms: number): void {
    const { fleet } = this;
    const models = this.#store.fact(MODELS);
    if (models !== undefined) fleet.ledger.models.restore(JSON.parse(models) as BookDocument);
    const hour_ms = now_ms - RESTORE_MS;
    const records = this.#store.tasks(hour_ms, RESTORE_ENDED);
    for (const { id, document } of records) {
      fleet.restoreTask(id, JSON.parse(document) as TaskDocument);
    }
    fleet.restoreRecords(now_ms);
    const ends_ms = records.flatMap(({ ended_at_ms }) => ended_at_ms ?? []);
    fleet.runs.addOlder(runsOf(fleet.tasks.values()), Math.min(now_ms, ...ends_ms));
    this.#runs_sought_ms = fleet.runs.complete_from_ms;
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
        const kept_ms = now_ms - KEPT_MINUTES * MINUTE_MS;
        for (const { at_ms, span_ms, sum, buckets } of this.#store.histograms(name, kept_ms, now_ms + 1)) {
          // The clock was set back: which minute it was is not known any more.
          if (span_ms > MINUTE_MS) continue;
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
      this.#alerts.resume(now_ms);
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
    this.fleet.judgeAssignments(now_ms);
    this.#tick += 1;
    this.#figures = fleetFigures(this.fleet, now_ms);
    const self = this.#self();
    this.#judge(self, now_ms);
    this.#read = this.#look(now_ms, self);
    for (const [metric, value] of this.#read.system) this.#recent.set(metric, now_ms, value);
    this.#write(now_ms);
    this.#timer.note(now_ms, performance.now() - started);
    if (failure !== undefined) throw failure;
  }

  /** Ticks and reports are counted from here on: what came before was simulated, and not worked off each second. */
  countFromHere(): void {
    this.#simulated_ticks = this.#tick;
    this.#timer = new TickTimer(this.#options.tick_ms);
    this.collector.resetCounts();
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

  #rememberModels(now_ms: number): void {
    if (Math.abs(now_ms - this.#kept_models_ms) < KEEP_MODELS_MS) return;
    this.#kept_models_ms = now_ms;
    this.remember({ [MODELS]: JSON.stringify(this.fleet.ledger.models.toDocument()) });
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
    this.#rememberModels(now_ms);
    const waiting = this.#unwritten;
    try {
      this.#gatherChanges(waiting);
      this.#gatherAlerts(waiting, now_ms);
      this.#gatherMessages(waiting, now_ms);
      this.#gatherLearnt(waiting, now_ms);
      this.#gatherFigures(waiting, now_ms);
      this.#gatherFlows(waiting);
      const { samples } = waiting;
      this.#rememberFirst(samples);
      if (samples.length > MAX_UNWRITTEN_SAMPLES) samples.splice(0, samples.length - MAX_UNWRITTEN_SAMPLES);
      this.#store.append(batchOf(now_ms, waiting));
      this.#unwritten = nothingUnwritten();
      this.#store_error = null;
      this.#options.notify?.written(waiting.messages);
    } catch (error) {
      this.#store_error = (error as Error).message;
    }
  }

  #rememberFirst(samples: readonly Sample[]): void {
    if (this.#first_sample_ms !== null || samples.length === 0) return;
    this.#first_sample_ms = samples.reduce((first, { at_ms }) => Math.min(first, at_ms), Infinity);
    this.remember({ [FIRST_SAMPLE]: String(this.#first_sample_ms) });
  }

  #notBeforeFirst(hour_ms: number | null): number | null {
    return hour_ms === null ? null : Math.max(hour_ms, this.#first_sample_ms ?? hour_ms);
  }

  /** What reports changed. */
  #gatherChanges({ workers, tasks, gone_workers, gone_tasks, states, samples }: Unwritten): void {
    const changes = this.fleet.takeChanges();
    states.push(...changes.states);
    if (states.length > MAX_UNWRITTEN_CHANGES) states.splice(0, states.length - MAX_UNWRITTEN_CHANGES);
    for (const worker of changes.workers) workers.set(worker.id, worker);
    for (const task of changes.tasks) tasks.set(task.id, task);
    for (const id of changes.gone_workers) {
      workers.delete(id);
      gone_workers.add(id);
    }
    for (const id of changes.gone_tasks) {
      tasks.delete(id);
      gone_tasks.add(id);
    }
    const system = this.#handlesOf("system", "");
    // One by one: a call takes no hundred thousand arguments.
    for (const { worker, metric, at_ms, value } of changes.values) {
      const series = worker
        ? this.#handle(worker.series, "worker", worker.id, metric)
        : this.#handle(system, "system", "", metric);
      samples.push({ series, at_ms, value });
    }
  }

  /** What follows of the fleet and of its cuts as of now. */
  #gatherFigures(waiting: Unwritten, now_ms: number): void {
    this.#gather(waiting, "system", "", this.#read.system, now_ms);
    for (const cut of CUTS) {
      for (const name of this.#read.cutNames(cut))
        this.#gather(waiting, cut, name, this.#read.cut(cut, name) ?? new Map(), now_ms);
    }
  }

  /** What began or ceased to fire, what is about to, and what people did about it. */
  #gatherAlerts({ alerts, documents, facts }: Unwritten, now_ms: number): void {
    const changes = this.#alerts.takeChanges();
    for (const alert of changes.alerts) {
      const { id, fired_ms, ended_ms } = alert;
      const key = `${fired_ms} ${id}`;
      if (alerts.has(key) || alerts.size < MAX_UNWRITTEN_CHANGES)
        alerts.set(key, { id, fired_ms: fired_ms ?? now_ms, ended_ms, document: JSON.stringify(alert) });
    }
    if (changes.pending) facts[PENDING] = JSON.stringify(changes.pending);
    for (const silence of changes.silences) {
      const { id, ends_ms } = silence;
      documents.push({ kind: SILENCE, id, until_ms: ends_ms, document: JSON.stringify(silence) });
    }
  }

  /** What is to be told of it. */
  #gatherMessages({ messages, facts }: Unwritten, now_ms: number): void {
    const events = this.#alerts.takeEvents();
    const told = this.#options.notify?.step(events, now_ms, this.#alertsNow());
    if (!told) return;
    messages.push(...told.messages);
    if (messages.length > MAX_UNWRITTEN_MESSAGES)
      messages.splice(0, messages.length - MAX_UNWRITTEN_MESSAGES);
    Object.assign(facts, told.facts);
  }

  #alertsNow(): AlertsNow {
    const { all } = this.#alerts;
    let by_id: ReadonlyMap<string, Alert> | undefined;
    const find = (id: string) => {
      by_id ??= new Map(all.map((alert) => [alert.id, alert]));
      return by_id.get(id);
    };
    const isQuiet = (id: string) => {
      const alert = find(id);
      return (
        alert !== undefined &&
        (alert.acknowledged !== null || alert.silenced_by !== null || alert.inhibited_by !== null)
      );
    };
    return {
      alertOf: find,
      isQuiet,
      loud: () => all.filter(({ id, state }) => state === "firing" && !isQuiet(id)),
    };
  }

  /** What detectors learnt: little is lost where it is an hour old, and it is a lot to write. */
  #gatherLearnt({ documents }: Unwritten, now_ms: number): void {
    if (documents.length > MAX_UNWRITTEN_DOCUMENTS) return;
    for (const learnt of this.#anomalies.takeDocuments(now_ms, this.#keep_all)) {
      const id = `${learnt.scope} ${learnt.metric} ${learnt.entity}`;
      documents.push({ kind: DETECTOR, id, until_ms: now_ms, document: JSON.stringify(learnt) });
    }
  }

  #gather(
    { samples }: Unwritten,
    scope: Scope,
    entity: string,
    metrics: ReadonlyMap<string, number>,
    at_ms: number,
  ): void {
    const handles = this.#handlesOf(scope, entity);
    for (const [metric, value] of metrics)
      samples.push({ series: this.#handle(handles, scope, entity, metric), at_ms, value });
  }

  /** What happened in which second, and how long it took, by the minute. */
  #gatherFlows({ samples, histograms }: Unwritten): void {
    for (const { scope, entity, flow } of this.fleet.ledger.flows()) {
      const handles = this.#handlesOf(scope, entity);
      for (const event of EVENTS) {
        for (const [at_ms, value] of flow.events[event].takeChanged())
          samples.push({ series: this.#handle(handles, scope, entity, event), at_ms, value });
      }
      for (const duration of DURATIONS) {
        const name = { scope, entity, metric: `${duration}_s` };
        for (const [at_ms, histogram] of flow.durations[duration].takeChanged()) {
          const record = { name, at_ms, sum: histogram.sum_s, buckets: histogram.sparse() };
          histograms.set(`${scope} ${duration} ${at_ms} ${entity}`, record);
        }
      }
    }
  }

  #handle(handles: Map<string, number>, scope: Scope, entity: string, metric: string): number {
    let handle = handles.get(metric);
    if (handle === undefined) {
      handle = this.#store.series(scope, entity, metric);
      handles.set(metric, handle);
    }
    return handle;
  }

  #handlesOf(scope: Scope, entity: string): Map<string, number> {
    const key = `${scope} ${entity}`;
    let handles = this.#handles.get(key);
    if (!handles) {
      handles = new Map();
      this.#handles.set(key, handles);
    }
    return handles;
  }

  #judge(self: SelfHealth, now_ms: number): void {
    const { fleet } = this;
    const anomalies = this.#anomalies;
    const { system } = this.#figures;
    anomalies.judge({ system, workers: fleet.workers.values() }, now_ms);
    if (this.#tick % FORGET_EVERY_TICKS === 0) anomalies.forget(now_ms, FORGET_AFTER_MS);
    const own = this.#own.figures({ ...self, rules_error: this.#rules_error }, now_ms);
    this.#alerts.evaluate(ruleScene(fleet, this.#figures, own, anomalies, now_ms));
  }

  #look(now_ms: number, self: SelfHealth): Read {
    const { fleet } = this;
    const { system, cuts, sources, endedByModel } = this.#figures;
    const { demo } = this.#options;
    const book = this.#alerts;
    const alerts = book.firing;
    const all_alerts = book.all;
    const { news, silences } = book;
    const unusual = anomaliesOf(this.#anomalies.due());
    const { completions, failures, cancellations } = fleet.ledger.all.events;
    const ended_by_type = new Map(
      [...fleet.ledger.by_type].map(([type, { events }]) => [
        type,
        { completed: events.completions.total, failed: events.failures.total },
      ]),
    );
    let workers: readonly WorkerEntry[] | undefined;
    const reasons = new WaitingReasons(fleet);
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
      endedByModel,
      alerts,
      alert_news: news,
      allAlerts: () => all_alerts,
      anomalies: () => unusual,
      alertsOf: (id, limit) => this.#alertsOf(id, now_ms, limit),
      alertsBetween: (from_ms, to_ms, limit) => this.#alertsBetween(from_ms, to_ms, limit),
      silences: () => silences,
      rules: () => book.rules,
      rules_error: this.#rules_error,
      telling: (limit) => this.#options.notify?.telling(limit) ?? TELLS_NOBODY,
      sources,
      self,
      orders: this.#orders,
      workers: () => {
        workers ??= this.#worstFirst();
        return workers;
      },
      worker: (id) => fleet.workers.get(id),
      gone: (id) => (fleet.workers.has(id) ? undefined : gone(id)),
      life: (id, limit) => lifeOf(this.#store, id, now_ms, limit),
      task: (id) => this.#task(id),
      oldestQueued: () => oldestOf(fleet.queued.values()),
      scores: (worker_id) => {
        const worker = fleet.workers.get(worker_id);
        return worker && scoresOf(fleet, worker, now_ms);
      },
      matches: (task_id) => {
        const task = this.#task(task_id);
        return task && matchesOf(fleet, task, now_ms);
      },
      waiting: (task) => reasons.of(task),
      usual: (model_id) => fleet.ledger.usualProcessing(model_id),
      runs: (from_ms) => this.#runs(from_ms),
      range: (query) => this.#store.range(query),
      durations: (query) => this.#durations(query),
      marks: (from_ms, to_ms) => this.#marks(from_ms, to_ms),
      durationsTier_s: (from_ms) => {
        const { minutes_from_ms } = this.#store.stats();
        return (minutes_from_ms !== null && from_ms < minutes_from_ms ? QUARTER_MS : MINUTE_MS) / 1000;
      },
      recent: (metric, minutes, step_s) => this.#recent.series(metric, now_ms, minutes, step_s),
      filters: {},
      recent_cut: null,
      tasks: () => fleet.tasks.values(),
      liveTask: (id) => fleet.tasks.get(id),
      ended: (query) => this.#ended(query),
      firstMoment: () => this.#firstMoment(),
      tasksOf,
      cut: (cut, name) => cuts[cut].get(name),
      cutNames: (cut) => [...cuts[cut].keys()].sort(compareIds),
      filtered: (filters) => filteredRead(read, filters, { recentOf }),
    };
    return read;
  }

  #task(id: string): TaskEntry | undefined {
    const known = this.fleet.tasks.get(id);
    // What the store has of it is old once it is spoken of again.
    if (known) this.#kept_tasks.forget(id);
    return known ?? this.#kept_tasks.get(id);
  }

  #first: { hour_ms: number | null; at_ms: number | null } = { hour_ms: null, at_ms: null };

  /** It stays while the hour that it is in is kept. */
  #firstMoment(): number | null {
    const { oldest_ms, full_from_ms } = this.#store.stats();
    const hour_ms = full_from_ms ?? oldest_ms;
    if (this.#first.at_ms === null || this.#first.hour_ms !== hour_ms)
      this.#first = { hour_ms, at_ms: firstMoment(this.#store) };
    return this.#first.at_ms;
  }

  /** While the store can't be written, what it does not have yet comes first. */
  *#ended(query: EndedQuery): Iterable<EndedStep> {
    const { states, worker_id, task_type, model_family, from_ms, to_ms, ofWorker, matches } = query;
    const unwritten = [...this.#unwritten.tasks.values()].filter(
      (task) =>
        task.ended_at_ms !== null &&
        task.ended_at_ms >= from_ms &&
        task.ended_at_ms < to_ms &&
        (states?.includes(task.state) ?? task.ended) &&
        (worker_id ?? task.worker_id) === task.worker_id &&
        (task_type ?? task.type) === task.type &&
        (model_family ?? task.model_family) === task.model_family &&
        (ofWorker?.(task.worker_id) ?? true) &&
        matches(task),
    );
    if (unwritten.length > 0) yield { tasks: unwritten, searched_from_ms: to_ms };
    yield* endedOf(this.#store, query);
  }

  /** Those of before the start are read back when they are asked for, some at a time. */
  #runs(from_ms: number): Runs {
    const { runs } = this.fleet;
    if (from_ms >= this.#runs_sought_ms || runs.room <= 0) return runs;
    const { tasks, searched_from_ms } = this.#store.endedTasks({
      from_ms,
      to_ms: this.#runs_sought_ms,
      limit: Math.min(RUNS_A_SLICE, runs.room),
    });
    const found = tasks.map(({ id, document }) => taskOf(id, JSON.parse(document) as TaskDocument));
    runs.addOlder(runsOf(found), tasks.at(-1)?.ended_at_ms ?? runs.complete_from_ms);
    this.#runs_sought_ms = searched_from_ms;
    return runs;
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
      // A quarter of an hour that began before the window is told whole.
      const step = Math.max(0, Math.floor((at_ms - from_ms) / step_ms));
      steps[step]?.merge(DurationHistogram.from(sum, buckets), 1);
    }
    return steps.map((step) => {
      const stats = step.stats();
      return stats && { ...stats, bars: step.bars() };
    });
  }

  /** The firings of one alert, as they are now or ended, newest first. */
  #alertsOf(id: string, now_ms: number, limit: number): Alert[] {
    const kept = this.#store.alertsOf(id, now_ms + 1, limit);
    return kept.map(({ document }) => JSON.parse(document) as Alert);
  }

  #alertsBetween(from_ms: number, to_ms: number, limit: number): Alert[] {
    return this.#store.alerts(from_ms, to_ms, limit).map(({ document }) => JSON.parse(document) as Alert);
  }

  /** Other rules from the next tick on, or what is wrong with those that were to be: then the former ones hold. */
  setRules(rules: readonly Rule[] | null, error: string | null): void {
    this.#rules_error = error;
    if (rules) this.#alerts.replaceRules(rules, this.#ticked_ms);
  }

  /** @throws EvenkeelError "not_found" for an alert that does not fire */
  acknowledge(alert_id: string, by: string, note: string, at_ms: number): void {
    this.#alerts.acknowledge(alert_id, { name: by, note }, by, at_ms);
    this.#settle(at_ms);
  }

  /** @throws EvenkeelError "not_found" for an alert that does not fire */
  unacknowledge(alert_id: string, by: string, at_ms: number): void {
    this.#alerts.acknowledge(alert_id, null, by, at_ms);
    this.#settle(at_ms);
  }

  /** @throws EvenkeelError "too_many" */
  silence(silence: Silence, at_ms: number): void {
    this.#alerts.addSilence(silence, at_ms);
    this.#settle(at_ms);
  }

  /** @throws EvenkeelError "not_found" for one that is not known or over */
  endSilence(id: string, at_ms: number): void {
    this.#alerts.endSilence(id, at_ms);
    this.#settle(at_ms);
  }

  /** Whoever dealt with an alert sees that with the next answer, not with the next tick. */
  #settle(at_ms: number): void {
    this.#alerts.settle(at_ms);
    this.#read = this.#look(this.#read.now_ms, this.#read.self);
  }

  /** Keeps all that detectors learnt with the next tick, which is the last one. */
  keepAll(): void {
    this.#keep_all = true;
  }

  readonly #orders = new Orders();
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
    const { collector } = this;
    const { limits_reached, ...self } = this.#options.self();
    const stats = this.#store.stats();
    return {
      ...self,
      ...this.#timer.stats(),
      ticks: this.#tick - this.#simulated_ticks,
      tick_ms: this.#options.tick_ms,
      reports_accepted: collector.counts.accepted,
      reports_rejected: collector.counts.rejected,
      unknown_fields: collector.counts.unknown_fields,
      unknown_field_names: [...collector.counts.unknown_names],
      buffered_reports: collector.buffered,
      buffer_limit: this.#options.limits.max_buffered_reports,
      store_bytes: stats.bytes,
      store_oldest_ms: this.#notBeforeFirst(stats.oldest_ms),
      store_full_from_ms: this.#notBeforeFirst(stats.full_from_ms),
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

/** What the store has still to write; more than one tick's worth while it can't. */
interface Unwritten {
  workers: Map<string, WorkerEntry>;
  tasks: Map<string, TaskEntry>;
  gone_workers: Set<string>;
  gone_tasks: Set<string>;
  states: StateChange[];
  alerts: Map<string, AlertRecord>;
  documents: DocumentRecord[];
  messages: NewMessage[];
  samples: Sample[];
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
    documents: [],
    messages: [],
    samples: [],
    histograms: new Map(),
    marks: [],
    facts: {},
  };
}

function batchOf(now_ms: number, waiting: Unwritten): TickBatch {
  return {
    at_ms: now_ms,
    samples: waiting.samples,
    workers: Array.from(waiting.workers.values(), (worker) => ({
      id: worker.id,
      document: JSON.stringify(worker.toDocument()),
    })),
    workers_gone: [...waiting.gone_workers],
    worker_states: waiting.states,
    tasks: Array.from(waiting.tasks.values(), taskRecord),
    tasks_gone: [...waiting.gone_tasks],
    histograms: [...waiting.histograms.values()],
    marks: waiting.marks,
    alerts: [...waiting.alerts.values()],
    documents: waiting.documents,
    messages: waiting.messages,
    facts: waiting.facts,
  };
}

function taskRecord(task: TaskEntry): TaskRecord {
  return {
    id: task.id,
    status: task.state,
    type: task.type,
    model_family: task.model_family,
    worker_id: task.worker_id,
    attempt: task.attempt,
    queued_at_ms: task.began_ms,
    ended_at_ms: task.ended ? (task.ended_at_ms ?? task.mentioned_ms) : null,
    document: JSON.stringify(task.toDocument()),
  };
}
