import { ALERT, type Alert, type Mark } from "../model.ts";
import { endedOf, firstMoment } from "../past.ts";
import type { Fleet } from "../process/fleet.ts";
import { KeptTasks } from "../process/kept-tasks.ts";
import { taskOf } from "../process/past.ts";
import { DurationHistogram } from "../process/rates.ts";
import type { TaskDocument, TaskEntry } from "../process/task.ts";
import { MINUTE_MS, QUARTER_MS } from "../range.ts";
import {
  type Durations,
  type DurationsQuery,
  type EndedQuery,
  type EndedStep,
  MARKS_LIMIT,
} from "../read.ts";
import { type Runs, runsOf } from "../runs.ts";
import type { AlertRecord, MetricStore } from "../store/contract.ts";
import type { Parts } from "./parts.ts";
import type { Writer } from "./writer.ts";

/** Ended tasks that are read back at once for their runs: some 20 ms. */
const RUNS_A_SLICE = 1000;

/** What came before now, from the fleet as far as it knows it and from the store. */
export class History {
  readonly #store: MetricStore;
  readonly #fleet: Fleet;
  readonly #writer: Pick<Writer, "unwritten_tasks">;
  readonly #kept_tasks: KeptTasks;
  /** Down to this instant the store was asked for runs. */
  #runs_sought_ms: number;
  #first: { hour_ms: number | null; at_ms: number | null } = { hour_ms: null, at_ms: null };

  /** @param parts whose fleet was restored: what it knows of runs is not sought again */
  constructor({ store, fleet }: Parts, writer: Pick<Writer, "unwritten_tasks">) {
    this.#store = store;
    this.#fleet = fleet;
    this.#writer = writer;
    this.#runs_sought_ms = fleet.runs.complete_from_ms;
    this.#kept_tasks = new KeptTasks((id) => {
      const record = store.task(id);
      return record && (JSON.parse(record.document) as TaskDocument);
    });
  }

  task(id: string): TaskEntry | undefined {
    const known = this.#fleet.tasks.get(id);
    // What the store has of it is old once it is spoken of again.
    if (known) this.#kept_tasks.forget(id);
    return known ?? this.#kept_tasks.get(id);
  }

  /** It stays while the hour that it is in is kept. */
  firstMoment(): number | null {
    const { oldest_ms, full_from_ms } = this.#store.stats();
    const hour_ms = full_from_ms ?? oldest_ms;
    if (this.#first.at_ms === null || this.#first.hour_ms !== hour_ms)
      this.#first = { hour_ms, at_ms: firstMoment(this.#store) };
    return this.#first.at_ms;
  }

  /** While the store can't be written, what it does not have yet comes first. */
  *ended(query: EndedQuery): Iterable<EndedStep> {
    const { states, worker_id, task_type, model_family, from_ms, to_ms, ofWorker, matches } = query;
    const unwritten = [...this.#writer.unwritten_tasks].filter(
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
  runs(from_ms: number): Runs {
    const { runs } = this.#fleet;
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
  marks(from_ms: number, to_ms: number): Mark[] {
    const fired = this.#store
      .firings(from_ms, to_ms, MARKS_LIMIT)
      .map(({ fired_ms, title }) => ({ at_ms: fired_ms, kind: ALERT, text: title }));
    return [...this.#store.marks(from_ms, to_ms, MARKS_LIMIT), ...fired].sort((a, b) => a.at_ms - b.at_ms);
  }

  durations({ scope, entity, duration, from_ms, to_ms, step_ms }: DurationsQuery): (Durations | null)[] {
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

  durationsTier_s(from_ms: number): number {
    const { minutes_from_ms } = this.#store.stats();
    return (minutes_from_ms !== null && from_ms < minutes_from_ms ? QUARTER_MS : MINUTE_MS) / 1000;
  }

  /** The firings of one alert, as they are now or ended, newest first. */
  alertsOf(id: string, now_ms: number, limit: number): Alert[] {
    return this.#store.alertsOf(id, now_ms + 1, limit).map(alertOf);
  }

  alertsBetween(from_ms: number, to_ms: number, limit: number): Alert[] {
    return this.#store.alerts(from_ms, to_ms, limit).map(alertOf);
  }
}

function alertOf({ document }: AlertRecord): Alert {
  return JSON.parse(document) as Alert;
}
