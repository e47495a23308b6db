import { z } from "zod";
import type { Filters, Read } from "../metrics/read.ts";

const name = z.string().min(1).max(256).optional();

/** The query parameters that narrow what is shown, on every page and panel that takes them. */
export const FILTERS = z.object({
  worker_type: name.describe(
    "Only workers of this type and their tasks; tasks that wait have no worker yet and stay",
  ),
  task_type: name.describe("Only tasks of this type, and the workers that have some"),
  model_family: name.describe("Only tasks of this model family, and the workers that have some"),
  q: z
    .string()
    .trim()
    .min(1)
    .max(256)
    .optional()
    .describe(
      "Only what has this text, in any case: a worker in its id, host, type or tags, a task in its id, model, family or type",
    ),
});

export const FILTER_NAMES = Object.keys(FILTERS.shape) as readonly (keyof Filters)[];

export const FILTER_LABEL: Readonly<Record<keyof Filters, string>> = {
  worker_type: "Worker type",
  task_type: "Task type",
  model_family: "Model family",
  q: "Text",
};

/** The part of the fleet that the parameters name: all of it where they name none. */
export function partOf(read: Read, params: Filters): Read {
  const filters = Object.fromEntries(
    FILTER_NAMES.flatMap((filter) => (params[filter] === undefined ? [] : [[filter, params[filter]]])),
  ) as Filters;
  return Object.keys(filters).length === 0 ? read : read.filtered(filters);
}

/** Whether something is left out. */
export function isFiltered({ filters }: Pick<Read, "filters">): boolean {
  return FILTER_NAMES.some((filter) => filters[filter] !== undefined);
}
