import { EvenkeelError } from "../../errors.ts";
import { CUTS, type Scope } from "../catalogue.ts";
import type { Alert, Mark } from "../model.ts";
import type { Channel } from "../process/channel.ts";
import { DURATIONS, EVENTS } from "../process/flow.ts";
import type { AlertsNow } from "../process/notify/notifier.ts";
import type { Steps } from "../process/steps.ts";
import type { FleetFigures } from "../process/system.ts";
import type { TaskEntry } from "../process/task.ts";
import { DETECTOR, FIRST_SAMPLE, MODELS, PENDING, SILENCE, SOURCES } from "./kept.ts";
import type { Parts } from "./parts.ts";
import { batchOf, nothingUnwritten, partOf, recordsOf, type Unwritten, WaitingSamples } from "./unwritten.ts";

/** Samples, tasks that came, and workers that one step writes: some 10 ms each. */
const STEP_SAMPLES = 10_000;
/** So many that are left go with the last step. */
const FEW_SAMPLES = 2000;
const STEP_TASKS = 125;
const STEP_WORKERS = 100;
/** Samples kept for a later tick while the store can't write; the oldest give way beyond it. */
const MAX_UNWRITTEN_SAMPLES = 500_000;
/** Changes of workers' states, and of alerts, kept while the store can't write. */
const MAX_UNWRITTEN_CHANGES = 100_000;
const MAX_UNWRITTEN_DOCUMENTS = 10_000;
const MAX_UNWRITTEN_MESSAGES = 10_000;
/** Marks that come within one tick. */
const MAX_WAITING_MARKS = 1000;
/** How long what is kept of the sources may be behind in when they were last heard of. */
const KEEP_SOURCES_MS = 60_000;
/** How often the last hour by model is kept. */
const KEEP_MODELS_MS = 60_000;

/** Gathers what each tick has to write, and writes it; what the store can't write now waits for a later tick. */
export class Writer {
  readonly #parts: Parts;
  /** Handles of the series of the fleet and of its cuts, by metric. */
  readonly #handles = new Map<string, Map<string, number>>();
  #unwritten: Unwritten = nothingUnwritten(new WaitingSamples());
  #kept_sources = { what: "", at_ms: 0 };
  #kept_models_ms = 0;
  #keep_all = false;
  #first_sample_ms: number | null;
  #error: string | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { store } = parts;
    const first_sample = store.fact(FIRST_SAMPLE);
    this.#first_sample_ms = first_sample === undefined ? store.stats().oldest_ms : Number(first_sample);
  }

  /** Why the last tick could not be written; null where it was. */
  get error(): string | null {
    return this.#error;
  }

  /** The store knows the hour of its oldest sample, and this is the very first one; null while there is none. */
  get first_sample_ms(): number | null {
    return this.#first_sample_ms;
  }

  /** Tasks that changed since they were last written. */
  get unwritten_tasks(): Iterable<TaskEntry> {
    return this.#unwritten.tasks.values();
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

  /** Keeps all that detectors learnt with the next tick, which is the last one. */
  keepAll(): void {
    this.#keep_all = true;
  }

  /**
   * Gathers and writes in steps. What is counted (ends, flows, alerts) becomes durable as a whole with the last of
   * them; of a very large tick, what workers measured and tasks that came are written before.
   */
  *writing(figures: FleetFigures, now_ms: number): Steps {
    this.#rememberSources(now_ms);
    this.#rememberModels(now_ms);
    const waiting = this.#unwritten;
    const { store, notify } = this.#parts;
    try {
      yield* this.#gatheringChanges(waiting);
      yield;
      const measured = waiting.samples.length;
      this.#gatherAlerts(waiting, now_ms);
      this.#gatherMessages(waiting, now_ms);
      this.#gatherLearnt(waiting, now_ms);
      this.#gatherFigures(waiting, figures, now_ms);
      this.#gatherFlows(waiting);
      this.#rememberFirst(waiting.samples);
      const too_many = Math.max(0, waiting.samples.length - MAX_UNWRITTEN_SAMPLES);
      waiting.samples.drop(too_many);
      yield* this.#writingMeasured(waiting, measured - too_many, now_ms);
      yield* this.#writingArrivals(waiting, now_ms);
      yield* this.#writingWorkers(waiting, now_ms);
      const tasks = yield* recordsOf(waiting.tasks.values());
      yield;
      store.append(batchOf(now_ms, waiting, tasks));
      waiting.samples.drop(waiting.samples.length);
      this.#unwritten = nothingUnwritten(waiting.samples);
      this.#error = null;
      notify?.written(waiting.messages);
    } catch (error) {
      this.#error = (error as Error).message;
    }
  }

  /** @param measured so many of the first samples are of what was measured */
  *#writingMeasured({ samples }: Unwritten, measured: number, now_ms: number): Steps {
    for (let left = measured; left > FEW_SAMPLES; left -= STEP_SAMPLES) {
      yield;
      const step = Math.min(left, STEP_SAMPLES);
      this.#parts.store.append(partOf(now_ms, { samples: samples.first(step) }));
      samples.drop(step);
    }
  }

  /** Who was gone and came back goes with the last part, which says both. */
  *#writingArrivals({ tasks, gone_tasks }: Unwritten, now_ms: number): Steps {
    while (tasks.size > STEP_TASKS) {
      yield;
      const arrivals = firstOf(
        tasks.values(),
        STEP_TASKS,
        ({ id, attempt, ended }) => attempt === 1 && !ended && !gone_tasks.has(id),
      );
      if (arrivals.length < STEP_TASKS) return;
      this.#parts.store.append(partOf(now_ms, { tasks: arrivals }));
      for (const { id } of arrivals) tasks.delete(id);
    }
  }

  *#writingWorkers({ workers, gone_workers }: Unwritten, now_ms: number): Steps {
    while (workers.size > STEP_WORKERS) {
      yield;
      const part = firstOf(workers.values(), STEP_WORKERS, ({ id }) => !gone_workers.has(id));
      if (part.length < STEP_WORKERS) return;
      this.#parts.store.append(partOf(now_ms, { workers: part }));
      for (const { id } of part) workers.delete(id);
    }
  }

  /** At once where a source is new or speaks at another interval, else now and then. */
  #rememberSources(now_ms: number): void {
    const sources = this.#parts.fleet.sourceDocuments();
    const what = sources
      .map(({ id, interval_ms, presence }) => `${id} ${Math.round(interval_ms / 1000)} ${presence}`)
      .join("\n");
    const { what: kept, at_ms } = this.#kept_sources;
    if (what === kept && Math.abs(now_ms - at_ms) < KEEP_SOURCES_MS) return;
    this.#kept_sources = { what, at_ms: now_ms };
    this.remember({ [SOURCES]: JSON.stringify(sources) });
  }

  #rememberModels(now_ms: number): void {
    if (Math.abs(now_ms - this.#kept_models_ms) < KEEP_MODELS_MS) return;
    this.#kept_models_ms = now_ms;
    this.remember({ [MODELS]: JSON.stringify(this.#parts.fleet.ledger.models.toDocument()) });
  }

  #rememberFirst(samples: WaitingSamples): void {
    if (this.#first_sample_ms !== null || samples.length === 0) return;
    this.#first_sample_ms = samples.oldest_ms;
    this.remember({ [FIRST_SAMPLE]: String(this.#first_sample_ms) });
  }

  /** What reports changed. */
  *#gatheringChanges({ workers, tasks, gone_workers, gone_tasks, states, samples }: Unwritten): Steps {
    const changes = this.#parts.fleet.takeChanges();
    states.push(...changes.states);
    keepNewest(states, MAX_UNWRITTEN_CHANGES);
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
    const { values } = changes;
    for (let i = 0; i < values.length; i += 1) {
      if (i % STEP_SAMPLES === 0) yield;
      const channel = values.channel(i);
      channel.series ??= this.#seriesOf(channel);
      samples.push(channel.series, values.at_ms(i), values.value(i));
    }
  }

  /** What began or ceased to fire, what is about to, and what people did about it. */
  #gatherAlerts({ alerts, documents, facts }: Unwritten, now_ms: number): void {
    const changes = this.#parts.alerts.takeChanges();
    for (const alert of changes.alerts) {
      const { id, fired_ms, ended_ms, title, told } = alert;
      const key = `${fired_ms} ${id}`;
      if (alerts.has(key) || alerts.size < MAX_UNWRITTEN_CHANGES)
        alerts.set(key, {
          id,
          fired_ms: fired_ms ?? now_ms,
          ended_ms,
          // What nobody was shown, for it was silenced or follows from another, is no mark.
          title: told ? title : "",
          document: JSON.stringify(alert),
        });
    }
    if (changes.pending) facts[PENDING] = JSON.stringify(changes.pending);
    for (const silence of changes.silences) {
      const { id, ends_ms } = silence;
      documents.push({ kind: SILENCE, id, until_ms: ends_ms, document: JSON.stringify(silence) });
    }
  }

  /** What is to be told of it. */
  #gatherMessages({ messages, facts }: Unwritten, now_ms: number): void {
    const { alerts, notify, demo } = this.#parts;
    // Taken also where nobody is told: they would pile up.
    const events = alerts.takeEvents();
    // Of a fleet that is made up nobody is told.
    if (!notify || demo) return;
    const told = notify.step(events, now_ms, alertsNow(alerts.all));
    messages.push(...told.messages);
    keepNewest(messages, MAX_UNWRITTEN_MESSAGES);
    Object.assign(facts, told.facts);
  }

  /** What detectors learnt: little is lost where it is an hour old, and it is a lot to write. */
  #gatherLearnt({ documents }: Unwritten, now_ms: number): void {
    if (documents.length > MAX_UNWRITTEN_DOCUMENTS) return;
    for (const learnt of this.#parts.anomalies.takeDocuments(now_ms, this.#keep_all)) {
      const id = `${learnt.scope} ${learnt.metric} ${learnt.entity}`;
      documents.push({ kind: DETECTOR, id, until_ms: now_ms, document: JSON.stringify(learnt) });
    }
  }

  /** What follows of the fleet and of its cuts as of now. */
  #gatherFigures({ samples }: Unwritten, { system, cuts }: FleetFigures, at_ms: number): void {
    const gather = (scope: Scope, entity: string, metrics: ReadonlyMap<string, number>) => {
      const handles = this.#handlesOf(scope, entity);
      for (const [metric, value] of metrics)
        samples.push(this.#handle(handles, scope, entity, metric), at_ms, value);
    };
    gather("system", "", system);
    for (const cut of CUTS) for (const [name, metrics] of cuts[cut]) gather(cut, name, metrics);
  }

  /** What happened in which second, and how long it took, by the minute. */
  #gatherFlows({ samples, histograms }: Unwritten): void {
    for (const { scope, entity, flow } of this.#parts.fleet.ledger.flows()) {
      const handles = this.#handlesOf(scope, entity);
      for (const event of EVENTS) {
        for (const [at_ms, value] of flow.events[event].takeChanged())
          samples.push(this.#handle(handles, scope, entity, event), at_ms, value);
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

  #seriesOf({ worker, metric }: Channel): number {
    return this.#parts.store.series(worker ? "worker" : "system", worker?.id ?? "", metric);
  }

  #handle(handles: Map<string, number>, scope: Scope, entity: string, metric: string): number {
    let handle = handles.get(metric);
    if (handle === undefined) {
      handle = this.#parts.store.series(scope, entity, metric);
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
}

/** The first so many items that are wanted. */
function firstOf<T>(items: Iterable<T>, count: number, isWanted: (item: T) => boolean): T[] {
  const found: T[] = [];
  for (const item of items) {
    if (found.length === count) break;
    if (isWanted(item)) found.push(item);
  }
  return found;
}

/** Takes from a list's beginning, its oldest, what is beyond the limit. */
function keepNewest(list: unknown[], limit: number): void {
  if (list.length > limit) list.splice(0, list.length - limit);
}

/** What receivers may ask of the alerts. @param all pending or firing */
function alertsNow(all: readonly Alert[]): AlertsNow {
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
