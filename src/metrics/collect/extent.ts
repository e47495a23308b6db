/** How much a JSON text will become, at most. */
export interface Extent {
  /** Lists and objects in each other. */
  readonly depth: number;
  /** Lists and objects. */
  readonly parts: number;
  /** Fields of the object that has most. */
  readonly fields: number;
}

/** @param at place of a bracket or a comma in the text */
type Outline = (at: number) => void;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN = [0x5b, 0x7b] as const;
const CLOSE = [0x5d, 0x7d] as const;

/**
 * Reads a JSON text without making anything of it: a bracket is one byte, and what it becomes is forty and more; an
 * object of a million names takes seconds. Stops where one of the limits is passed; a text that is no JSON has some
 * extent too.
 */
export class ExtentReader {
  readonly #text: string;
  readonly #limits: Extent;
  readonly #outline: Outline;
  readonly #fields_of = [0];
  #at = 0;
  #depth = 0;
  #deepest = 0;
  #parts = 0;
  #fields = 0;

  /** @param outline told of the brackets around the outermost object's own lists and objects, and of the commas in these */
  constructor(text: string, limits: Extent, outline: Outline = () => {}) {
    this.#text = text;
    this.#limits = limits;
    this.#outline = outline;
  }

  /** As far as it was read. */
  get extent(): Extent {
    return { depth: this.#deepest, parts: this.#parts, fields: this.#fields };
  }

  /** Reads on, by about so many characters. @returns whether there is more to read */
  read(count: number): boolean {
    const text = this.#text;
    const fields_of = this.#fields_of;
    const end = Math.min(text.length, this.#at + count);
    let at = this.#at;
    let depth = this.#depth;
    for (; at < end; at += 1) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        at = endOfString(text, at);
      } else if (code === COLON) {
        const fields = fields_of[depth]! + 1;
        fields_of[depth] = fields;
        if (fields > this.#fields) this.#fields = fields;
        if (fields > this.#limits.fields) return false;
      } else if (code === OPEN[0] || code === OPEN[1]) {
        depth += 1;
        fields_of[depth] = 0;
        this.#parts += 1;
        if (depth > this.#deepest) this.#deepest = depth;
        if (depth > this.#limits.depth || this.#parts > this.#limits.parts) return false;
        if (depth === 2) this.#outline(at);
      } else if (code === COMMA) {
        if (depth === 2) this.#outline(at);
      } else if ((code === CLOSE[0] || code === CLOSE[1]) && depth > 0) {
        if (depth === 2) this.#outline(at);
        depth -= 1;
      }
    }
    this.#at = at;
    this.#depth = depth;
    return at < text.length;
  }
}

/** The place of the quote that ends a string, or the end of the text. @param at its first quote's place */
function endOfString(text: string, at: number): number {
  let end = at + 1;
  for (; end < text.length; end += 1) {
    const code = text.charCodeAt(end);
    if (code === BACKSLASH) end += 1;
    else if (code === QUOTE) break;
  }
  return end;
}
