import { z } from "zod";
import { clean, shorten } from "../metrics/format.ts";
import type { Filters, Read } from "../metrics/read.ts";
import { MAX_NAME_LENGTH } from "./schema.ts";

/** Letters of a value that a sentence has room for. */
const NAME_LENGTH = 40;

const name = (meaning: string, example: string) =>
  z.string().min(1).max(MAX_NAME_LENGTH).optional().describe(meaning).meta({ example });

/** The query parameters that narrow what is shown, on every page and panel that takes them. */
export const FILTERS = z.object({
  worker_type: name(
    "Only workers of this type and their tasks; queued tasks have no worker yet, and are not counted",
    "gpu",
  ),
  task_type: name("Only tasks of this type, and the workers that have some", "vision"),
  model_family: name("Only tasks of this model family, and the workers that have some", "vit"),
  q: z
    .string()
    .trim()
    .min(1)
    .max(MAX_NAME_LENGTH)
    .optional()
    .describe(
      "Only what has this text, in any case: a worker in its id, host, type or tags, a task in its id, model, family or type",
    )
    .meta({ example: "gpu" }),
});

export const FILTER_NAMES = Object.keys(FILTERS.shape) as readonly (keyof Filters)[];

export const FILTER_LABEL: Readonly<Record<keyof Filters, string>> = {
  worker_type: "Worker type",
  task_type: "Task type",
  model_family: "Model family",
  q: "Text",
};

/** Parts of one read that are kept at once, the newest: each may hold a list of every worker. */
const PARTS_LIMIT = 8;

const parts = new WeakMap<Read, Map<string, Read>>();

interface Named {
  readonly filters: Filters;
  /** Null where it is all of the fleet. */
  readonly key: string | null;
}

/** Of parameters that are watched: they are the same each second. */
const named = new WeakMap<Filters, Named>();

function namedBy(params: Filters): Named {
  const known = named.get(params);
  if (known) return known;
  const given = FILTER_NAMES.flatMap((name) => (params[name] === undefined ? [] : [[name, params[name]]]));
  const filters: Filters = Object.fromEntries(given);
  const found = { filters, key: given.length === 0 ? null : JSON.stringify(filters) };
  named.set(params, found);
  return found;
}

/**
 * The part of the fleet that the parameters name: all of it where they name none. The panels of one page get the
 * same part, so that what is in it is looked for once.
 */
export function partOf(read: Read, params: Filters): Read {
  const { filters, key } = namedBy(params);
  if (key === null) return read;
  const kept = parts.get(read) ?? new Map<string, Read>();
  parts.set(read, kept);
  const part = kept.get(key) ?? read.filtered(filters);
  kept.delete(key);
  kept.set(key, part);
  for (const oldest of kept.keys()) {
    if (kept.size <= PARTS_LIMIT) break;
    kept.delete(oldest);
  }
  return part;
}

/** Whether something is left out. */
export function isFiltered({ filters }: Pick<Read, "filters">): boolean {
  return FILTER_NAMES.some((filter) => filters[filter] !== undefined);
}

const WORDS: Readonly<Record<keyof Filters, (value: string) => string>> = {
  worker_type: (name) => `of type ${name}`,
  task_type: (name) => `with tasks of type ${name}`,
  model_family: (name) => `with tasks of family ${name}`,
  q: (text) => `with the text ${text}`,
};

/** Which workers a filter leaves, after the word worker; empty where it leaves all of them. */
export function filterWords({ filters }: Pick<Read, "filters">): string {
  return FILTER_NAMES.flatMap((filter) => {
    const value = filters[filter];
    return value === undefined ? [] : [WORDS[filter](clean(shorten(value, NAME_LENGTH)))];
  }).join(", ");
}

/** Why figures that are not counted by a filter are a dash; null where nothing of that kind is left out. */
export const UNCOUNTED = z
  .object({
    queued: z.string().nullable().describe("Why queued tasks are not counted; null where they are"),
    ended: z
      .string()
      .nullable()
      .describe("Why rates, durations and ended tasks are not counted; null where they are"),
  })
  .describe("Why a filter leaves figures uncounted");

export function uncounted({ filters }: Pick<Read, "filters">): z.output<typeof UNCOUNTED> {
  const names = FILTER_NAMES.filter((filter) => filters[filter] !== undefined);
  const [only] = names;
  const kept = names.length === 1 && (only === "task_type" || only === "model_family");
  const by = names.length === 1 ? FILTER_LABEL[only!].toLowerCase() : "these filters together";
  return {
    queued: filters.worker_type === undefined ? null : "queued tasks have no worker yet",
    ended: names.length === 0 || kept ? null : `not counted by ${by}`,
  };
}
