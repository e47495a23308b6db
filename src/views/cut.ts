import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { shorten } from "../metrics/format.ts";
import type { Read } from "../metrics/read.ts";
import { type ModelRow, modelRows } from "./model-rows.ts";
import { definePanel, type Markup, type Panel, type Table } from "./panel.ts";
import { at_ms, MAX_NAME_LENGTH } from "./schema.ts";

/** The parts of the fleet's tasks that have a page of their own. */
const TASK_CUTS = ["task_type", "model_family"] as const;
export type TaskCut = (typeof TASK_CUTS)[number];

interface CutNames {
  /** The beginning of its panels' ids. */
  readonly id: string;
  readonly title: string;
  /** Where its panels' data is, below the base path. */
  readonly api: string;
  readonly example: string;
}

const NAMES: Readonly<Record<TaskCut, CutNames>> = {
  task_type: {
    id: "task-type",
    title: "Task type",
    api: "/api/metrics/task-types/:task_type",
    example: "vision",
  },
  model_family: {
    id: "model-family",
    title: "Model family",
    api: "/api/metrics/model-families/:model_family",
    example: "vit",
  },
};

/** What a panel about a part is made from. */
export interface CutPart {
  readonly cut: TaskCut;
  readonly name: string;
  /** That part of the fleet. */
  readonly read: Read;
  readonly whole: Read;
  /** Its models, those with most tasks first. */
  readonly models: readonly ModelRow[];
}

/** The fields that the data of every such panel has. */
export const CUT_DATA = z.object({
  at_ms,
  cut: z.enum(TASK_CUTS).describe("What it is a part by"),
  name: z.string().describe("The task type or model family"),
});

export function cutData({ cut, name, read }: CutPart): z.output<typeof CUT_DATA> {
  return { at_ms: read.now_ms, cut, name };
}

/** A panel that task types and model families both have. */
export interface CutPanel<D extends z.ZodObject> {
  /** The end of its id and of the path of its data. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly data: D;
  load(part: CutPart): z.output<D>;
  view(data: z.output<D>): Markup;
  note?(data: z.output<D>): string;
  table(data: z.output<D>): Table;
  chart?(data: z.output<D>): Markup;
}

/** That panel of task types, or of model families. */
export function defineCutPanel<D extends z.ZodObject>(cut: TaskCut, panel: CutPanel<D>): Panel {
  const { id, title, api, example } = NAMES[cut];
  const { name, load, ...own } = panel;
  const params = z.object({
    [cut]: z.string().min(1).max(MAX_NAME_LENGTH).describe(`The ${title.toLowerCase()}`),
  });
  return definePanel({
    ...own,
    id: `${id}-${name}`,
    description: `${title}: ${panel.description}`,
    api: `${api}/${name}`,
    params,
    example: { [cut]: example },
    past: true,
    load: (read, given) => load(cutPart(read, cut, given[cut]!)),
  });
}

/** Of the newest reads, the parts that were asked for: a page's panels share one. */
const PARTS = new WeakMap<Read, Map<string, CutPart>>();

/** @throws EvenkeelError "not_found" for a part of which nothing is known and nothing is kept */
function cutPart(whole: Read, cut: TaskCut, name: string): CutPart {
  const parts = PARTS.get(whole) ?? new Map<string, CutPart>();
  PARTS.set(whole, parts);
  const key = `${cut} ${name}`;
  const known = parts.get(key);
  if (known) return known;
  const read = whole.filtered({ [cut]: name });
  if (!isKnown(whole, cut, name, read)) {
    const what = NAMES[cut].title.toLowerCase();
    throw new EvenkeelError(
      "not_found",
      `No task of the ${what} ${JSON.stringify(shorten(name, 64))} is known, and nothing is kept of it`,
    );
  }
  const part = { cut, name, read, whole, models: modelRows(read) };
  parts.set(key, part);
  return part;
}

const DAY_MS = 86_400_000;

/** One that has no task now has a page while history has it. */
function isKnown(whole: Read, cut: TaskCut, name: string, part: Read): boolean {
  if (whole.cut(cut, name) !== undefined || [...part.tasks()].length > 0) return true;
  const oldest_ms = whole.self.store_oldest_ms;
  if (oldest_ms === null || oldest_ms > whole.now_ms) return false;
  const series = [{ scope: cut, entity: name, metric: "queued_tasks" }];
  const from_ms = Math.floor(oldest_ms / DAY_MS) * DAY_MS;
  const { columns } = whole.range({ series, from_ms, to_ms: whole.now_ms + 1, step_ms: DAY_MS });
  return columns[0]!.mean.some((value) => value !== null);
}
