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
 *
 * @param outline told of the brackets around the outermost object's own lists and objects, and of the commas in these
 */
export function extentOf(text: string, limits: Extent, outline: Outline = () => {}): Extent {
  const fields_of = [0];
  let [depth, deepest, parts, fields] = [0, 0, 0, 0];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
    } else if (code === COLON) {
      fields_of[depth]! += 1;
      if (fields_of[depth]! > fields) fields = fields_of[depth]!;
      if (fields > limits.fields) break;
    } else if (code === OPEN[0] || code === OPEN[1]) {
      depth += 1;
      parts += 1;
      fields_of[depth] = 0;
      if (depth > deepest) deepest = depth;
      if (deepest > limits.depth || parts > limits.parts) break;
      if (depth === 2) outline(at);
    } else if (code === COMMA) {
      if (depth === 2) outline(at);
    } else if ((code === CLOSE[0] || code === CLOSE[1]) && depth > 0) {
      if (depth === 2) outline(at);
      depth -= 1;
    }
  }
  return { depth: deepest, parts, fields };
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
