import { createHash } from "node:crypto";
import { shortenStart } from "../metrics/format.ts";

/** Ids whose hashes are kept; a fleet beyond it only costs time. */
const CACHE_LIMIT = 50_000;

const cache = new Map<string, string>();

function hashOf(id: string): string {
  const known = cache.get(id);
  if (known !== undefined) return known;
  const hash = createHash("sha256").update(id).digest("base64url").slice(0, 10);
  if (cache.size >= CACHE_LIMIT) cache.clear();
  cache.set(id, hash);
  return hash;
}

/** An element's id for something with a name from outside: short, plain, and the same in every render. */
export function domId(prefix: string, id: string): string {
  return `${prefix}-${hashOf(id)}`;
}

/**
 * Natural order: W9 before W10, whatever its case; a total order, so that lists never jitter. A list of a hundred
 * thousand is sorted by it, so it makes no other text and keeps nothing.
 */
export function byNaturalOrder(a: string, b: string): number {
  if (a === b) return 0;
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(j)];
    if (isDigit(x) && isDigit(y)) {
      const [startA, startB] = [afterZeros(a, i), afterZeros(b, j)];
      i = afterDigits(a, startA);
      j = afterDigits(b, startB);
      // Of two numbers the longer is the larger; of two as long, the one whose first other digit is.
      if (i - startA !== j - startB) return i - startA - (j - startB);
      for (let k = 0; startA + k < i; k += 1) {
        const digit = a.charCodeAt(startA + k) - b.charCodeAt(startB + k);
        if (digit !== 0) return digit;
      }
      continue;
    }
    const letter = folded(x) - folded(y);
    if (letter !== 0) return letter;
    i += 1;
    j += 1;
  }
  return a.length - i - (b.length - j) || (a < b ? -1 : 1);
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** A capital letter as its small one. */
function folded(code: number): number {
  return code >= 65 && code <= 90 ? code + 32 : code;
}

function afterZeros(text: string, from: number): number {
  let index = from;
  while (text.charCodeAt(index) === 48) index += 1;
  return index;
}

function afterDigits(text: string, from: number): number {
  let index = from;
  while (isDigit(text.charCodeAt(index))) index += 1;
  return index;
}

/** Fewer letters of a name say nothing to a person. */
const LEAST_PREFIX = 4;

/**
 * What tells the workers apart in `limit` letters: their ids without what all begin with; where that does not
 * fit, as many of its last words as do; else its first letters, as many as tell them apart, as git does with
 * its hashes; else the end.
 */
export function shortLabels(ids: readonly string[], limit: number): string[] {
  const prefix = commonPrefix(ids);
  const own = ids.map((id) => id.slice(prefix));
  const fits = (label: string) => label.length > 0 && label.length <= limit;
  if (own.every(fits)) return own;
  const ends = own.map((label) => (fits(label) ? label : lastWords(label, limit)));
  const times = countOf(ends);
  const starts = distinctStarts(own, limit);
  return ends.map((end, index) => {
    if (end !== "" && times.get(end) === 1) return end;
    return starts?.[index] ?? shortenStart(own[index] ?? "", limit);
  });
}

/** The longest end of a name that fits and begins behind a separator; empty where none does. */
function lastWords(name: string, limit: number): string {
  for (let index = Math.max(1, name.length - limit); index < name.length; index += 1) {
    if (separatorBefore(name, index) === index - 1) return name.slice(index);
  }
  return "";
}

/** The names' first letters, as few as tell all of them apart; null where `limit` letters do not. */
function distinctStarts(names: readonly string[], limit: number): string[] | null {
  for (let length = LEAST_PREFIX; length <= limit; length += 1) {
    const starts = names.map((name) => name.slice(0, length));
    if (countOf(starts).size === names.length) return starts;
  }
  return null;
}

function countOf(texts: readonly string[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const text of texts) times.set(text, (times.get(text) ?? 0) + 1);
  return times;
}

/** Length of what all ids begin with, up to a separator. */
function commonPrefix(ids: readonly string[]): number {
  const [first = "", ...others] = ids;
  let length = first.length;
  for (const id of others) {
    while (length > 0 && !id.startsWith(first.slice(0, length))) length -= 1;
  }
  return length === first.length && others.length === 0 ? 0 : separatorBefore(first, length) + 1;
}

/** Place of the last separator before `end`, or -1. */
function separatorBefore(id: string, end: number): number {
  for (let index = end - 1; index >= 0; index -= 1) if ("-_./: ".includes(id.charAt(index))) return index;
  return -1;
}

/** Names that routes keep for themselves below a collection, such as /workers/performance. */
const RESERVED_SEGMENTS: ReadonlySet<string> = new Set([
  "history",
  "stats",
  "performance",
  "durations",
  "waiting",
  "new",
  "reload",
  "index",
  "_",
]);

/**
 * An id as one segment of a path: percent-encoded, "." and ".." and reserved names led by "~", and so a
 * leading "~" itself. `idFromSegment` is its inverse.
 */
export function pathSegment(id: string): string {
  const encoded = encodeURIComponent(id.replace(/\p{Surrogate}/gu, "\ufffd"));
  const dots = /^\.+$/.test(id);
  return dots || id.startsWith("~") || RESERVED_SEGMENTS.has(id) ? `~${encoded}` : encoded;
}

/** Whether a decoded path segment is a name that no id stands at. */
export function isReserved(segment: string): boolean {
  return RESERVED_SEGMENTS.has(segment);
}

/** The id that a decoded path segment stands for. */
export function idFromSegment(segment: string): string {
  return segment.startsWith("~") ? segment.slice(1) : segment;
}
