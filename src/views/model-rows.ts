import { z } from "zod";
import { count } from "../metrics/format.ts";
import type { ModelEnds } from "../metrics/models.ts";
import type { Read } from "../metrics/read.ts";
import { byNaturalOrder } from "./identity.ts";

/** Tasks of one kind. */
export interface Counts {
  /** Unfinished ones. */
  readonly live: number;
  /** Ended in the last hour; null where that is not counted. */
  readonly completed: number | null;
  readonly failed: number | null;
}

/** One model of a part of the fleet. */
export interface ModelRow extends Counts {
  readonly model_family: string | null;
  readonly model_id: string | null;
}

/** What names a model in the data of a panel. */
export const MODEL_FIELDS = {
  model_family: z.string().nullable().describe("Model family; null where not reported"),
  model_id: z.string().nullable().describe("Model; null where not reported"),
};

export const fromField = z
  .number()
  .nullable()
  .describe(
    "From here on ended tasks are counted, Unix milliseconds: an hour ago, or later where counting began later; null where they are not counted by model, as in the past",
  );

export const endedField = (what: string) =>
  z.number().nullable().describe(`Tasks that ${what} in the window, count; null where not counted`);

/** Characters of a name that a row is given; the place cuts it further. */
export const NAME_LENGTH = 64;
const NO_MODEL = "no model given";
/** Rows that a panel has; those beyond are summed up in one more. */
const MODELS_SHOWN = 5;

const UNFINISHED: ReadonlySet<string> = new Set(["queued", "assigned", "running", "orphaned"]);

type Kind = Pick<ModelEnds, "task_type" | "model_family" | "model_id">;

/** The models of a part of the fleet, those with most tasks first. */
export function modelRows(read: Read): ModelRow[] {
  return countsBy(read, ({ model_family, model_id }) => ({ model_family, model_id })).sort(
    (a, b) => byAmount(a, b) || byNaturalOrder(nameOf(a), nameOf(b)),
  );
}

/** How many tasks there are of each kind. */
export function countsBy<K extends object>(read: Read, keyOf: (kind: Kind) => K): (K & Counts)[] {
  const rows = new Map<string, { key: K; live: number; completed: number; failed: number }>();
  const row = (kind: Kind) => {
    const key = keyOf(kind);
    const known = rows.get(JSON.stringify(key)) ?? { key, live: 0, completed: 0, failed: 0 };
    rows.set(JSON.stringify(key), known);
    return known;
  };
  for (const { state, type, model_family, model_id } of read.tasks())
    if (UNFINISHED.has(state)) row({ task_type: type, model_family, model_id }).live += 1;
  const ended = read.endedByModel();
  for (const end of ended?.ends ?? []) {
    const counts = row(end);
    counts.completed += end.completed;
    counts.failed += end.failed;
  }
  const known = ended !== null;
  return [...rows.values()].map(({ key, live, completed, failed }) => ({
    ...key,
    live,
    completed: known ? completed : null,
    failed: known ? failed : null,
  }));
}

export function tasksOf({ live, completed, failed }: Counts): number {
  return live + (completed ?? 0) + (failed ?? 0);
}

function summed(rows: readonly Counts[]): Counts {
  const sum = (value: (row: Counts) => number | null) =>
    rows.reduce<number | null>((total, row) => {
      const own = value(row);
      return total === null || own === null ? null : total + own;
    }, 0);
  return {
    live: sum(({ live }) => live) ?? 0,
    completed: sum(({ completed }) => completed),
    failed: sum(({ failed }) => failed),
  };
}

export function nameOf({ model_id }: Pick<ModelRow, "model_id">): string {
  return model_id ?? NO_MODEL;
}

/** Amounts that differ by less than this keep their order: rows that swapped each second could not be read. */
const ALIKE = Math.log(1.15);

/** Most tasks first; those that have about as many are equal. */
export function byAmount(a: Counts, b: Counts): number {
  const step = (row: Counts) => Math.round(Math.log(1 + tasksOf(row)) / ALIKE);
  return step(b) - step(a);
}

/** A row for each of the first ones, and one for all others together where there are more. */
export function withOthers<T extends Counts, R>(
  rows: readonly T[],
  rowFor: (row: T) => R,
  othersFor: (sum: Counts, name: string) => R,
): R[] {
  const own = rows.length <= MODELS_SHOWN + 1 ? rows : rows.slice(0, MODELS_SHOWN);
  const others = rows.slice(own.length);
  const shown = own.map(rowFor);
  return others.length === 0
    ? shown
    : [...shown, othersFor(summed(others), `Other (${count(others.length)})`)];
}

const MINUTE_MS = 60_000;

/** How many minutes the counts cover; never less than one, so that a rate of a few seconds is not blown up. */
export function minutesOf(from_ms: number, now_ms: number): number {
  return Math.max(1, (now_ms - from_ms) / MINUTE_MS);
}

/** The window of the counts, for a panel's note. */
export function windowWords({ from_ms, at_ms }: { from_ms: number | null; at_ms: number }): string {
  if (from_ms === null) return "not counted by model in the past";
  const minutes = Math.round((at_ms - from_ms) / MINUTE_MS);
  return minutes >= 59 ? "last hour" : `last ${count(Math.max(1, minutes))} min, since counting began`;
}
