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
 * again by `Split`, tell the hub where it begins and ends. Parts do not nest.
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

const MARKED = /\u0001([\w-]+)\u0002([^\u0001-\u0003]*)\u0003/g;
const STRAY = /[\u0000-\u0008]/g;

/** A page is sent as a whole: what looks like a marker came from its address. */
export function withoutMarkers(html: string): string {
  return html.replace(STRAY, "");
}

/** Rendered markup, taken apart at its parts' markers. */
export class Split {
  /** The markup with a slot for each part: while it stays the same, sending the changed parts is enough. */
  readonly skeleton: string;
  /** Each part's markup by its element's id. */
  readonly parts: ReadonlyMap<string, string>;
  /** Of the markup as a browser gets it, characters. */
  readonly length: number;
  readonly #rendered: string;
  #html: string | undefined;

  /** @param rendered with the markers in it */
  constructor(rendered: string) {
    const parts = new Map<string, string>();
    const slots: string[] = [];
    let [end, length] = [0, 0];
    for (const match of rendered.matchAll(MARKED)) {
      const [whole, id = "", html = ""] = match;
      const between = rendered.slice(end, match.index).replace(STRAY, "");
      const part = html.replace(STRAY, "");
      parts.set(id, part);
      slots.push(between, OPEN, id, CLOSE);
      length += between.length + part.length;
      end = match.index + whole.length;
    }
    const rest = rendered.slice(end).replace(STRAY, "");
    slots.push(rest);
    this.#rendered = rendered;
    this.skeleton = slots.join("");
    this.parts = parts;
    this.length = length + rest.length;
  }

  /** The markup as a browser gets it; who follows a stream needs it only at its beginning. */
  get html(): string {
    this.#html ??= this.#rendered.replace(MARKED, "$2").replace(STRAY, "");
    return this.#html;
  }
}
