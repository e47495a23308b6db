/** What became, in the last hour, of one model's tasks of one type on one type of workers; null where not reported. */
export interface ModelEnds {
  readonly task_type: string | null;
  readonly model_family: string | null;
  readonly model_id: string | null;
  readonly worker_type: string | null;
  readonly completed: number;
  readonly failed: number;
  /** Processing times of the completed ones, seconds: the newest, at most MODEL_TIMES. */
  readonly times_s: readonly number[];
}

/** Tasks that ended in the last hour, by model. */
export interface EndedByModel {
  /** From here on they are counted, Unix milliseconds: an hour ago, or later where counting began later. */
  readonly from_ms: number;
  readonly ends: readonly ModelEnds[];
}

/** Processing times that are held of one model, task type and worker type. */
export const MODEL_TIMES = 64;

interface Part {
  readonly worker_type?: string | undefined;
  readonly task_type?: string | undefined;
  readonly model_family?: string | undefined;
  readonly q?: string | undefined;
}

/** Those of one part of the fleet; null where text is looked for: by it they are not counted. */
export function endedWithin(
  ended: EndedByModel | null,
  { worker_type, task_type, model_family, q }: Part,
): EndedByModel | null {
  if (ended === null || q !== undefined) return null;
  const ends = ended.ends.filter(
    (one) =>
      (worker_type === undefined || one.worker_type === worker_type) &&
      (task_type === undefined || one.task_type === task_type) &&
      (model_family === undefined || one.model_family === model_family),
  );
  return { ...ended, ends };
}
