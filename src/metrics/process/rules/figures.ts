import type { EndedByModel } from "../../models.ts";
import type { Fleet } from "../fleet.ts";

/** What rules may know of one model. */
export interface ModelFigures {
  readonly id: string;
  model_family: string | null;
  /** Of its tasks started in the last minutes; null where none was. */
  queue_time_mean_s: number | null;
  started: number;
  waiting: number;
  oldest_queued_at_ms: number | null;
  /** In the last hour. */
  completed: number;
  failed: number;
}

/** Every model that has waiting tasks, or had any started or ended lately. */
export function modelsOf(fleet: Fleet, ended: EndedByModel, now_ms: number): Map<string, ModelFigures> {
  const models = new Map<string, ModelFigures>();
  const modelOf = (id: string, model_family: string | null): ModelFigures => {
    let model = models.get(id);
    if (!model) {
      model = {
        id,
        model_family,
        queue_time_mean_s: null,
        started: 0,
        waiting: 0,
        oldest_queued_at_ms: null,
        completed: 0,
        failed: 0,
      };
      models.set(id, model);
    }
    model.model_family ??= model_family;
    return model;
  };
  for (const { model_id, model_family, waiting, oldest_queued_at_ms } of fleet.queues.queues.values()) {
    if (model_id === null) continue;
    const model = modelOf(model_id, model_family);
    model.waiting += waiting;
    model.oldest_queued_at_ms = Math.min(
      model.oldest_queued_at_ms ?? Infinity,
      oldest_queued_at_ms ?? Infinity,
    );
    if (model.oldest_queued_at_ms === Infinity) model.oldest_queued_at_ms = null;
  }
  for (const { model_id, started, mean_s } of fleet.ledger.queueTimes(now_ms)) {
    const model = modelOf(model_id, null);
    model.started = started;
    model.queue_time_mean_s = mean_s;
  }
  for (const { model_id, model_family, completed, failed } of ended.ends) {
    if (model_id === null) continue;
    const model = modelOf(model_id, model_family);
    model.completed += completed;
    model.failed += failed;
  }
  return models;
}
