import { raw } from "hono/html";
import type { Child } from "hono/jsx";
import { jsx } from "hono/jsx";
import type { Markup } from "./panel.ts";

const OPEN = "\u0001";
const MIDDLE = "\u0002";
const CLOSE = "\u0003";

interface PartProps {
  /** The element's id: letters, digits, "-" and "_". */
  id: string;
  /** The element's name. */
  as?: string;
  children?: Child;
  [attribute: string]: unknown;
}

/**
 * An element that changes often and is sent on its own when it does. Private markers around it, taken out
 * again by `splitParts`, tell the hub where it begins and ends. Parts do not nest.
 */
export function Part({ id, as = "div", children, ...attributes }: PartProps): Markup {
  return raw(partMarkup(id, String(jsx(as, { id, ...attributes }, children as never)))) as unknown as Markup;
}

/**
 * The same of what is markup already: a grid of thousands is put together in a fraction of the time.
 * @param markup one element, of that id
 */
export function partMarkup(id: string, markup: string): string {
  return OPEN + id + MIDDLE + markup + CLOSE;
}

export interface Split {
  /** The markup as a browser gets it. */
  readonly html: string;
  /** The markup with a slot for each part: while it stays the same, sending the changed parts is enough. */
  readonly skeleton: string;
  /** Each part's markup by its element's id. */
  readonly parts: ReadonlyMap<string, string>;
}

const MARKED = /\u0001([\w-]+)\u0002([^\u0001-\u0003]*)\u0003/g;
const STRAY = /[\u0000-\u0008]/g;

/** A page is sent as a whole: what looks like a marker came from its address. */
export function withoutMarkers(html: string): string {
  return html.replace(STRAY, "");
}

/** Takes the parts' markers out of rendered markup. */
export function splitParts(rendered: string): Split {
  const parts = new Map<string, string>();
  const pieces: string[] = [];
  const slots: string[] = [];
  let end = 0;
  for (const match of rendered.matchAll(MARKED)) {
    const [whole, id = "", html = ""] = match;
    const between = rendered.slice(end, match.index).replace(STRAY, "");
    const part = html.replace(STRAY, "");
    parts.set(id, part);
    pieces.push(between, part);
    slots.push(between, OPEN, id, CLOSE);
    end = match.index + whole.length;
  }
  const rest = rendered.slice(end).replace(STRAY, "");
  pieces.push(rest);
  slots.push(rest);
  return { html: pieces.join(""), skeleton: slots.join(""), parts };
}
