import { WORKER_STATES } from "../model.ts";
import { Orders } from "../orders.ts";
import { TELLS_NOBODY } from "../outbox.ts";
import { goneAt, lifeOf, recentAt } from "../past.ts";
import { type FilterSources, filteredRead } from "../process/filter.ts";
import { matchesOf, scoresOf } from "../process/matches.ts";
import { tasksByWorker } from "../process/past.ts";
import { anomaliesOf } from "../process/rules/anomaly-words.ts";
import { systemStatus } from "../process/status.ts";
import type { FleetFigures } from "../process/system.ts";
import type { TaskEntry } from "../process/task.ts";
import { WaitingReasons } from "../process/waiting.ts";
import { compareIds, type WorkerEntry } from "../process/worker.ts";
import type { Read, RecentSeries } from "../read.ts";
import { History } from "./history.ts";
import type { Parts } from "./parts.ts";
import type { Writer } from "./writer.ts";

/** What only the pipeline knows of a tick. */
type TickState = Pick<Read, "now_ms" | "tick" | "demo" | "rules_error" | "self">;

/** Makes what views see, once a tick; what stays from one tick to the next is held here. */
export class Snapshots {
  readonly #parts: Parts;
  readonly #history: History;
  readonly #orders = new Orders();
  #by_name: readonly WorkerEntry[] = [];

  /** @param parts as they were restored */
  constructor(parts: Parts, writer: Pick<Writer, "unwritten_tasks">) {
    this.#parts = parts;
    this.#history = new History(parts, writer);
  }

  take({ system, cuts, sources, endedByModel }: FleetFigures, state: TickState): Read {
    const { store, fleet, alerts: book, anomalies, recent, notify } = this.#parts;
    const history = this.#history;
    const { now_ms } = state;
    const alerts = book.firing;
    const all_alerts = book.all;
    const { news, silences } = book;
    const due = [...anomalies.due()];
    let unusual: ReturnType<typeof anomaliesOf> | undefined;
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
      by_worker ??= tasksByWorker(fleet.live.values());
      return by_worker.get(id) ?? [];
    };
    const gone = goneAt(store, now_ms, tasksOf);
    const recents = new Map<string, RecentSeries>();
    const recentOnce: Read["recent"] = (metric, minutes, step_s) => {
      const key = `${metric} ${minutes} ${step_s}`;
      const series = recents.get(key) ?? recent.series(metric, now_ms, minutes, step_s);
      recents.set(key, series);
      return series;
    };
    const recentOf: FilterSources["recentOf"] = (cut, name, metric, minutes, step_s) =>
      recentAt(store, { scope: cut, entity: name, metric }, now_ms, minutes, step_s);
    const read: Read = {
      ...state,
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
      anomalies: () => {
        unusual ??= anomaliesOf(due);
        return unusual;
      },
      alertsOf: (id, limit) => history.alertsOf(id, now_ms, limit),
      alertsBetween: (from_ms, to_ms, limit) => history.alertsBetween(from_ms, to_ms, limit),
      silences: () => silences,
      rules: () => book.rules,
      telling: (limit) => notify?.telling(limit) ?? TELLS_NOBODY,
      sources,
      orders: this.#orders,
      workers: () => {
        workers ??= this.#worstFirst();
        return workers;
      },
      worker: (id) => fleet.workers.get(id),
      gone: (id) => (fleet.workers.has(id) ? undefined : gone(id)),
      life: (id, limit) => lifeOf(store, id, now_ms, limit),
      task: (id) => history.task(id),
      oldestQueued: () => fleet.queues.oldest(),
      scores: (worker_id) => {
        const worker = fleet.workers.get(worker_id);
        return worker && scoresOf(fleet, worker, now_ms);
      },
      matches: (task_id) => {
        const task = history.task(task_id);
        return task && matchesOf(fleet, task, now_ms);
      },
      waiting: (task) => reasons.of(task),
      usual: (model_id) => fleet.ledger.usualProcessing(model_id),
      runs: (from_ms) => history.runs(from_ms),
      range: (query) => store.range(query),
      durations: (query) => history.durations(query),
      marks: (from_ms, to_ms) => history.marks(from_ms, to_ms),
      durationsTier_s: (from_ms) => history.durationsTier_s(from_ms),
      recent: recentOnce,
      filters: {},
      recent_cut: null,
      tasks: () => fleet.tasks.values(),
      liveTask: (id) => fleet.tasks.get(id),
      ended: (query) => history.ended(query),
      firstMoment: () => history.firstMoment(),
      tasksOf,
      totals: () => fleet.ledger.totals(),
      cut: (cut, name) => cuts[cut].get(name),
      cutNames: (cut) => [...cuts[cut].keys()].sort(compareIds),
      filtered: (filters) => filteredRead(read, filters, { recentOf }),
    };
    return read;
  }

  /** By state, then by name with numbers by size; the order by name is kept while nobody joins or leaves. */
  #worstFirst(): WorkerEntry[] {
    const { workers } = this.#parts.fleet;
    if (this.#by_name.length !== workers.size || this.#by_name.some((w) => workers.get(w.id) !== w)) {
      this.#by_name = [...workers.values()].sort((a, b) => compareIds(a.id, b.id));
    }
    const by_state = new Map(WORKER_STATES.map((state) => [state, [] as WorkerEntry[]]));
    for (const worker of this.#by_name) by_state.get(worker.state)!.push(worker);
    return [...by_state.values()].flat();
  }
}
