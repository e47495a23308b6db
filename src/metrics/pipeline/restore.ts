import type { Alert, Silence, WorkerState } from "../model.ts";
import type { DetectorDocument } from "../process/anomaly-watch.ts";
import type { SourceDocument } from "../process/fleet.ts";
import { DURATIONS, EVENTS } from "../process/flow.ts";
import type { BookDocument } from "../process/model-book.ts";
import { DurationHistogram, KEPT_MINUTES } from "../process/rates.ts";
import type { Older } from "../process/recent.ts";
import type { TaskDocument } from "../process/task.ts";
import type { WorkerDocument } from "../process/worker.ts";
import { MINUTE_MS, type SeriesName } from "../range.ts";
import { runsOf } from "../runs.ts";
import type { MetricStore } from "../store/contract.ts";
import { DETECTOR, MODELS, PENDING, SILENCE, SOURCES } from "./kept.ts";
import type { Parts } from "./parts.ts";

/** Metrics older than this are not shown again after a restart. */
const RESTORE_MS = 3_600_000;
/** Ended tasks that are read back in full; of the others of the last hour only their ends are counted. */
const RESTORE_ENDED = 1000;
/** Alerts that fired when the process ended. */
const MAX_OPEN_ALERTS = 100_000;
/** A flow writes this each tick. */
const FLOW_IS_KNOWN_BY = "queued_tasks";

/** Shows the fleet again as it was last written. */
export function restore(parts: Parts, now_ms: number): void {
  const { store, fleet } = parts;
  for (const source of JSON.parse(store.fact(SOURCES) ?? "[]") as SourceDocument[]) {
    fleet.restoreSource(source);
  }
  const states = new Map(store.workersAt(now_ms).map(({ id, state }) => [id, state as WorkerState]));
  for (const { id, document } of store.workers()) {
    fleet.restoreWorker(id, JSON.parse(document) as WorkerDocument, states.get(id) ?? null);
  }
  restoreAlerts(parts, now_ms);
  restoreTasks(parts, now_ms);
  const latest = store.latest(now_ms - RESTORE_MS);
  for (const { scope, entity, metric, value, at_ms } of latest) {
    if (scope === "worker") fleet.restoreMetric(entity, metric, value, at_ms);
  }
  restoreFlows(parts, latest, now_ms);
  fleet.takeChanges();
  fleet.advance(now_ms);
}

function restoreAlerts({ store, alerts, anomalies }: Parts, now_ms: number): void {
  const firing = store
    .alerts(now_ms, now_ms + 1, MAX_OPEN_ALERTS)
    .filter(({ ended_ms }) => ended_ms === null)
    .map(({ document }) => JSON.parse(document) as Alert);
  const pending = JSON.parse(store.fact(PENDING) ?? "[]") as Alert[];
  const silences = store.documents(SILENCE).map(({ document }) => JSON.parse(document) as Silence);
  alerts.restore([...firing, ...pending], silences);
  const learnt = store.documents(DETECTOR).map(({ document }) => JSON.parse(document) as DetectorDocument);
  anomalies.restore(learnt, now_ms);
}

/** Ended tasks that are read back are counted by model where they ended after that was kept. */
function restoreTasks({ store, fleet }: Parts, now_ms: number): void {
  const models = store.fact(MODELS);
  if (models !== undefined) fleet.ledger.models.restore(JSON.parse(models) as BookDocument);
  const records = store.tasks(now_ms - RESTORE_MS, RESTORE_ENDED);
  for (const { id, document } of records) {
    fleet.restoreTask(id, JSON.parse(document) as TaskDocument);
  }
  fleet.restoreRecords(now_ms);
  const ends_ms = records.flatMap(({ ended_at_ms }) => ended_at_ms ?? []);
  fleet.runs.addOlder(runsOf(fleet.tasks.values()), Math.min(now_ms, ...ends_ms));
}

/** Rates and durations go on where they were: the last hour's events second by second, durations by the minute. */
function restoreFlows({ store, fleet }: Parts, latest: readonly SeriesName[], now_ms: number): void {
  for (const { scope, entity, metric } of latest) {
    if (metric !== FLOW_IS_KNOWN_BY || scope === "worker" || scope === "task" || scope === "worker_type")
      continue;
    const flow = fleet.ledger.flowOf(scope, entity);
    if (!flow) continue;
    const series = EVENTS.map((event) => ({ scope, entity, metric: event }));
    const from_ms = now_ms - RESTORE_MS;
    const range = store.range({ series, from_ms, to_ms: now_ms + 1, step_ms: 1000 });
    EVENTS.forEach((event, column) => {
      range.columns[column]!.mean.forEach((count, row) => {
        if (count !== null) flow.events[event].restore(range.at_ms[row]!, count);
      });
    });
    for (const duration of DURATIONS) {
      const name = { scope, entity, metric: `${duration}_s` };
      const kept_ms = now_ms - KEPT_MINUTES * MINUTE_MS;
      for (const { at_ms, span_ms, sum, buckets } of store.histograms(name, kept_ms, now_ms + 1)) {
        // The clock was set back: which minute it was is not known any more.
        if (span_ms > MINUTE_MS) continue;
        flow.durations[duration].restore(at_ms, DurationHistogram.from(sum, buckets));
      }
    }
  }
}

/** The kept values of system metrics, second by second. */
export function older(store: MetricStore): Older {
  return function* (metric, from_ms, to_ms) {
    const series = [{ scope: "system" as const, entity: "", metric }];
    const { at_ms, columns } = store.range({ series, from_ms, to_ms: to_ms + 1, step_ms: 1000 });
    for (const [row, value] of columns[0]!.mean.entries()) if (value !== null) yield [at_ms[row]!, value];
  };
}
