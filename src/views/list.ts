import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import type { Ended, Order } from "../metrics/orders.ts";
import type { Read } from "../metrics/read.ts";
import { byNaturalOrder } from "./identity.ts";
import type { Table } from "./panel.ts";
import { MAX_NAME_LENGTH } from "./schema.ts";
import { inOrder, sortedInSteps } from "./select.ts";
import { PAGE_LOOK } from "./window.ts";

/** One column that a list is sorted by. */
export interface Column<T> {
  /** Of the parameter `sort`. */
  readonly name: string;
  readonly label: string;
  /** Which direction its head sorts in first: the one that has the worst, or the most, on top. */
  readonly first: "ascending" | "descending";
  /** Both directions in words. */
  readonly words: Readonly<Record<"ascending" | "descending", string>>;
  /** What it is sorted by; what is not known comes last in both directions. */
  key(item: T, now_ms: number): string | number | null;
}

/** A column of names. */
export function textColumn<T>(name: string, label: string, key: Column<T>["key"]): Column<T> {
  return { name, label, first: "ascending", words: { ascending: "A to Z", descending: "Z to A" }, key };
}

/** A column of figures; `first` is the direction that has the worst, or the most, on top. */
export function figureColumn<T>(
  name: string,
  label: string,
  first: Column<T>["first"],
  key: Column<T>["key"],
): Column<T> {
  return { name, label, first, words: { ascending: "lowest first", descending: "highest first" }, key };
}

/** A column of states, which have an order of their own: the worst first. */
export function stateColumn<T, S>(states: readonly S[], stateOf: (item: T) => S): Column<T> {
  const ranks = new Map(states.map((state, rank) => [state, rank]));
  return {
    name: "state",
    label: "State",
    first: "ascending",
    words: { ascending: "worst first", descending: "best first" },
    key: (item) => ranks.get(stateOf(item)) ?? null,
  };
}

/** What a list is of. */
export interface List<T> {
  /** Tells its orders from those of other lists. */
  readonly id: string;
  readonly columns: readonly Column<T>[];
  /** In an order that does not change: where the column is the same, it decides. */
  readonly items: Iterable<T>;
  matches(item: T): boolean;
  find(id: string): T | undefined;
  /** Where some of it is looked up once, when the page is asked for, and not again while somebody looks. */
  readonly search?: (() => Search<T>) | undefined;
}

/** What is looked up a step at a time, each short enough that others have their turn after it. */
interface Search<T> {
  /** False once there is no more to do. */
  step(): boolean;
  /** What it found so far, and from when on that is all there is; null where it is all that is kept. */
  found(): { readonly tasks: readonly T[]; readonly searched_from_ms: number | null };
}

/** Beside the parameters here, those of the list's filters. */
export type ListParams = z.output<ReturnType<typeof listParams>>;

const MIN_LIMIT = 10;
const MAX_LIMIT = 500;
const DEFAULT_LIMIT = 50;
const MAX_PAGE = 1_000_000;

/** The parameters of every list. @param columns the first is what it is sorted by where nothing else is asked for */
export function listParams(columns: readonly Pick<Column<never>, "name">[]) {
  const names = columns.map(({ name }) => name) as [string, ...string[]];
  return z.object({
    sort: z
      .enum([...names, ...names.map((name) => `-${name}`)] as [string, ...string[]])
      .default(names[0])
      .describe("The column to sort by; led by - it is descending. What is not known comes last"),
    page: z.coerce.number().int().min(1).max(MAX_PAGE).default(1).describe("Counted from 1"),
    limit: z.coerce
      .number()
      .int()
      .min(MIN_LIMIT)
      .max(MAX_LIMIT)
      .default(DEFAULT_LIMIT)
      .describe(`Rows of a page, ${MIN_LIMIT} to ${MAX_LIMIT}`),
    as_of: z.coerce
      .number()
      .int()
      .min(0)
      .optional()
      .describe(
        "Keeps the order and the rows that this page had at that tick, Unix milliseconds, while somebody looks; values are the newest",
      )
      .meta({ example: 1_795_458_256_000 }),
    ...PAGE_LOOK.shape,
  });
}

/** States to show: separated by commas, given several times, or both. */
export function statesField<S extends string>(states: readonly S[]) {
  return z
    .union([z.string(), z.array(z.string())])
    .transform((given, context) => {
      const names = [given].flat().flatMap((text) => text.split(","));
      const known = states.filter((state) => names.includes(state));
      if (names.every((name) => (states as readonly string[]).includes(name))) return known;
      context.addIssue({ code: "custom", message: `must be of ${states.join(", ")}, separated by commas` });
      return z.NEVER;
    })
    .optional()
    .describe(`Only those in one of these states: ${states.join(", ")}; separated by commas`)
    .meta({ example: states.slice(0, 2).join(",") });
}

/** @param wanted in small letters */
export function hasTag(tags: readonly string[] | undefined, wanted: string): boolean {
  return tags?.some((tag) => tag.toLowerCase() === wanted) ?? false;
}

export const nameField = (meaning: string, example: string) =>
  z.string().min(1).max(MAX_NAME_LENGTH).optional().describe(meaning).meta({ example });

/** The fields that tell which part of a list is shown. */
export const LISTED = z.object({
  total: z.number().describe("How many match, count"),
  page: z
    .number()
    .describe("The page that is shown, counted from 1; the last one where a later one was asked for"),
  pages: z.number().describe("How many pages there are, count"),
  limit: z.number().describe("Rows of a page, count"),
  sort: z.string().describe("The column it is sorted by; led by - it is descending"),
  sorted_ms: z.number().describe("The tick that the order is of, Unix milliseconds"),
  changed: z.boolean().describe("True where this page would now show others, or in another order"),
  left: z.number().describe("Rows of the page that no longer match, count: they stay where they are"),
});

/** One page of a list. */
export interface Listed<T> extends z.output<typeof LISTED> {
  /** What is found of each id of the page; undefined of one that is known no more. */
  readonly rows: readonly (readonly [id: string, item: T | undefined, fits: boolean])[];
  readonly ended?: Ended | undefined;
}

/** So long nobody looks whether an order still holds, milliseconds: that costs as much as a new one. */
const RECHECK_MS = 10_000;

/**
 * The page that the parameters ask for. With `as_of` its order and its rows are those of the first time that it
 * was asked for so: values change in place, and no row moves from under a pointer.
 */
export function listed<T extends Item>(read: Read, list: List<T>, params: ListParams): Listed<T> {
  const { limit, sort } = params;
  const order = shownOrder(read, list, params);
  const { total, page, sorted_ms, changed, ended } = order;
  const rows = order.ids.map((id) => {
    const item = list.find(id) ?? (ended?.tasks.get(id) as T | undefined);
    return [id, item, item === undefined || list.matches(item)] as const;
  });
  return {
    total,
    page,
    pages: pagesOf(total, limit),
    limit,
    sort,
    sorted_ms,
    changed,
    left: rows.filter(([, , fits]) => !fits).length,
    rows,
    ended,
  };
}

interface Item {
  readonly id: string;
}

function shownOrder<T extends Item>(read: Read, list: List<T>, params: ListParams): Order {
  if (list.search) {
    const kept = read.orders.get(keyOf(list, params), read.now_ms);
    if (kept) return kept;
    // Nobody looked it up before: one step has to do.
    const search = list.search();
    search.step();
    return keptSearch(read, list, search, params);
  }
  return params.as_of === undefined ? orderOf(read, list, params) : keptOrder(read, list, params);
}

/** Searches that take turns at once: each of them holds what it found so far. */
const MAX_SEARCHES = 16;
let searches = 0;

/**
 * Looks up what a list needs of the store, before it is loaded, in steps between which others have their turn.
 *
 * @throws EvenkeelError "too_many" while many search
 */
export function* searching<T extends Item>(read: Read, list: List<T>, params: ListParams): Iterable<void> {
  if (!list.search) return;
  const kept = read.orders.get(keyOf(list, params), read.now_ms);
  if (kept && (params.as_of !== undefined || kept.sorted_ms === read.now_ms)) return;
  if (searches >= MAX_SEARCHES) {
    const message = `At most ${MAX_SEARCHES} searches of what ended run at once; ask again in a second`;
    throw new EvenkeelError("too_many", message, { retry_after_s: 1 });
  }
  searches += 1;
  try {
    const search = list.search();
    while (search.step()) yield;
    keptSearch(read, list, search, params);
  } finally {
    searches -= 1;
  }
}

function keptSearch<T extends Item>(read: Read, list: List<T>, search: Search<T>, params: ListParams): Order {
  const { tasks, searched_from_ms } = search.found();
  const found = new Map(tasks.map((task) => [task.id, task]));
  const order = orderOf(read, { ...list, items: withFound(list.items, found) }, params);
  const shown = order.ids.flatMap((id) => found.get(id) ?? []);
  const ended = {
    tasks: new Map(shown.map((task) => [task.id, task])),
    count: found.size,
    searched_from_ms,
  };
  read.orders.set(keyOf(list, params), { ...order, ended }, read.now_ms);
  return { ...order, ended };
}

/** One that began anew while it was searched for is in both: it goes out of what was found. */
function* withFound<T extends Item>(items: Iterable<T>, found: Map<string, T>): Iterable<T> {
  for (const item of items) {
    found.delete(item.id);
    yield item;
  }
  yield* found.values();
}

function keyOf({ id }: Pick<List<never>, "id">, params: ListParams): string {
  return `${id} ${JSON.stringify(params)}`;
}

function keptOrder<T extends Item>(read: Read, list: List<T>, params: ListParams): Order {
  const { orders, now_ms } = read;
  const key = keyOf(list, params);
  const kept = orders.get(key, now_ms);
  // One that has changed stays so until it is asked for anew.
  if (kept && (kept.changed || now_ms - kept.checked_ms < RECHECK_MS)) return kept;
  const now = orderOf(read, list, params);
  const same = kept?.ids.length === now.ids.length && kept.ids.every((id, index) => id === now.ids[index]);
  const order = kept ? { ...kept, checked_ms: now_ms, changed: !same } : now;
  orders.set(key, order, now_ms);
  return order;
}

function orderOf<T extends Item>(
  { now_ms }: Read,
  list: List<T>,
  { sort, page: asked, limit }: ListParams,
): Order {
  const { column, descending } = columnOf(list.columns, sort);
  const found: Found<T> = { items: [], keys: [] };
  for (const item of list.items) if (list.matches(item)) add(found, item, column.key(item, now_ms));
  const total = found.items.length;
  const page = Math.min(asked, pagesOf(total, limit));
  const shown = inOrder(placesOf(found), (page - 1) * limit, page * limit, comparing(found, descending));
  return {
    ids: shown.map((place) => found.items[place]!.id),
    total,
    page,
    sorted_ms: now_ms,
    checked_ms: now_ms,
    changed: false,
  };
}

function pagesOf(total: number, limit: number): number {
  return Math.max(1, Math.ceil(total / limit));
}

export function columnOf<T>(columns: readonly Column<T>[], sort: string) {
  const descending = sort.startsWith("-");
  const name = descending ? sort.slice(1) : sort;
  return { column: columns.find((column) => column.name === name)!, descending };
}

type Key = string | number | null;

/** Side by side: a hundred thousand objects would only be made to be thrown away. */
interface Found<T> {
  readonly items: T[];
  readonly keys: Key[];
}

function add<T>({ items, keys }: Found<T>, item: T, key: Key): void {
  items.push(item);
  keys.push(key);
}

function placesOf({ items }: Found<unknown>): number[] {
  return items.map((_, place) => place);
}

/** Compares by the keys at two places, then by the places. */
function comparing({ keys }: Found<unknown>, descending: boolean) {
  return (a: number, b: number): number => {
    const [x, y] = [keys[a]!, keys[b]!];
    if (x === y) return a - b;
    if (x === null) return 1;
    if (y === null) return -1;
    const order = typeof x === "number" ? x - (y as number) : byNaturalOrder(x, y as string);
    return (descending ? -order : order) || a - b;
  };
}

/** Rows as a table of the fields in their order. */
export function rowTable<R extends object>(schema: z.ZodObject, rows: readonly R[]): Table {
  const fields = Object.keys(schema.shape);
  return {
    columns: fields,
    rows: rows.map((row) =>
      fields.map((field) => {
        const value = (row as Record<string, unknown>)[field] as string | number | string[] | null;
        return Array.isArray(value) ? value.join(" ") : value;
      }),
    ),
  };
}

/** Looked at before others have their turn. */
const ITEMS_A_STEP = 8192;
const ROWS_A_SLICE = 500;

/** The whole list in its order as tables of a few rows: others have their turn between them. */
export function* listSlices<T extends { readonly id: string }>(
  { now_ms }: Read,
  list: List<T>,
  { sort }: ListParams,
  tableOf: (items: readonly T[]) => Table,
): Iterable<Table> {
  const { column, descending } = columnOf(list.columns, sort);
  const found: Found<T> = { items: [], keys: [] };
  let looked_at = 0;
  for (const item of list.items) {
    if (list.matches(item)) add(found, item, column.key(item, now_ms));
    looked_at += 1;
    if (looked_at % ITEMS_A_STEP === 0) yield tableOf([]);
  }
  let rows: T[] = [];
  for (const place of sortedInSteps(placesOf(found), comparing(found, descending))) {
    if (place !== undefined) rows.push(found.items[place]!);
    if (place !== undefined && rows.length < ROWS_A_SLICE) continue;
    yield tableOf(rows);
    rows = [];
  }
  yield tableOf(rows);
}
