import type { HtmlEscapedString } from "hono/utils/html";
import type { z } from "zod";
import type { Filters, Read } from "../metrics/read.ts";
import { FILTERS, partOf } from "./filters.ts";

/** What hono/jsx yields; panels are synchronous, so it is never a promise. */
export type Markup = HtmlEscapedString | Promise<HtmlEscapedString>;

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}

/**
 * A panel, described once. From it come its part of a page, its bare fragment, its page to embed, its JSON,
 * CSV and SVG, its live topic and its entry in OpenAPI.
 */
export interface Panel<P extends z.ZodObject = z.ZodObject, D extends z.ZodObject = z.ZodObject> {
  /** Lower-case words joined by hyphens; also the name of its topic and the last part of its element's id. */
  readonly id: string;
  readonly title: string;
  /** One sentence for OpenAPI and the list of panels. */
  readonly description: string;
  /** The path of its JSON, below the base path. */
  readonly api: string;
  /** Where clients of a coordinator look for the same. */
  readonly also?: readonly string[];
  readonly params: P;
  /** Values of the parameters that must be given, for the documentation. */
  readonly example?: Readonly<Record<string, string>>;
  /** Every field described, with its unit. */
  readonly data: D;
  /** False where it is drawn when it is loaded, and not streamed. */
  readonly live?: false;
  /** True where somebody fills in a form: the page is not loaded again under their hands. */
  readonly form?: true;
  /** True where it has neither frame nor heading: it stands in the header of every page. */
  readonly bare?: true;
  /** True where it can be narrowed to a part of the fleet: then it takes the filters, and `load` gets that part. */
  readonly filters?: true;
  /** True where it can be shown as it was at a moment of the past. */
  readonly past?: true;
  /** A script that makes it interactive; without it the panel is complete too. */
  readonly script?: "charts.js";
  /** Looks up what `load` needs and takes longer than others may wait, a step at a time; kept in the read's orders. */
  prepare?(read: Read, params: z.output<P>): Iterable<void>;
  load(read: Read, params: z.output<P>): z.output<D>;
  /** As `load`, but of lists that may be long only what is drawn: that is worked out each second, the rest when asked for. */
  glance?(read: Read, params: z.output<P>): z.output<D>;
  /** The panel's body, without its frame and heading. Pure. */
  view(data: z.output<D>, params: z.output<P>): Markup;
  /** A short note beside the heading, such as the window that the numbers cover. */
  note?(data: z.output<D>, params: z.output<P>): Markup | string;
  /** The panel as a table, where it is one; its CSV and its text. */
  table?(data: z.output<D>, params: z.output<P>): Table;
  /** The same table a slice at a time, where it may be longer than data may be; its CSV and its lines of JSON. */
  slices?(read: Read, params: z.output<P>): Iterable<Table>;
  /** The panel as one chart, where it is one; its SVG. */
  chart?(data: z.output<D>, params: z.output<P>): Markup;
}

/** Checks a panel's parts against each other and forgets their exact types, so that panels fit one list. */
export function definePanel<P extends z.ZodObject, D extends z.ZodObject>(panel: Panel<P, D>): Panel {
  const general = panel as unknown as Panel;
  if (!panel.filters) return general;
  const { load, glance, slices, prepare } = general;
  return {
    ...general,
    params: general.params.extend(FILTERS.shape),
    load: (read, params) => load(partOf(read, params as Filters), params),
    ...(glance && { glance: (read, params) => glance(partOf(read, params as Filters), params) }),
    ...(prepare && { prepare: (read, params) => prepare(partOf(read, params as Filters), params) }),
    ...(slices && { slices: (read, params) => slices(partOf(read, params as Filters), params) }),
  };
}

/** A page is a path and a list of panels. */
export interface Page {
  /** Below the base path; "/" is the main dashboard. */
  readonly path: string;
  readonly title: string;
  /** Of a page about one thing: the parameter of its path that names it, and the page of the navigation that it is below. */
  readonly subject?: {
    readonly param: string;
    readonly below: string;
    /** What it is called, where that is not what the path says. */
    title?(read: Read, given: Readonly<Record<string, unknown>>): string;
  };
  /** After a g, the key that leads there. */
  readonly key?: string;
  /** True where the navigation does not name it. */
  readonly aside?: true;
  /** Where a reader is sent instead, relative to the base; undefined where the page itself is meant. */
  leadsTo?(read: Read, params: Readonly<Record<string, unknown>>): string | undefined;
  /** Name of the CSS grid that places the panels. */
  readonly layout: "dashboard" | "column" | "detail";
  readonly panels: readonly Panel[];
}
