import { createHash } from "node:crypto";
import { shortenStart } from "./format.ts";

/** Ids whose derived forms are kept; a fleet beyond it only costs time. */
const CACHE_LIMIT = 50_000;

interface Derived {
  readonly hash: string;
  readonly order: string;
}

const cache = new Map<string, Derived>();

function derive(id: string): Derived {
  const known = cache.get(id);
  if (known !== undefined) return known;
  const derived = {
    hash: createHash("sha256").update(id).digest("base64url").slice(0, 10),
    // Runs of digits are led by their length, so that plain comparison puts W9 before W10.
    order: id.toLowerCase().replace(/\d+/g, (digits) => {
      const significant = digits.replace(/^0+(?=\d)/, "");
      return String.fromCharCode(48 + Math.min(significant.length, 60)) + significant;
    }),
  };
  if (cache.size >= CACHE_LIMIT) cache.clear();
  cache.set(id, derived);
  return derived;
}

/** An element's id for something with a name from outside: short, plain, and the same in every render. */
export function domId(prefix: string, id: string): string {
  return `${prefix}-${derive(id).hash}`;
}

/** Natural order: W9 before W10, whatever its case; a total order, so that lists never jitter. */
export function byNaturalOrder(a: string, b: string): number {
  const [keyA, keyB] = [derive(a).order, derive(b).order];
  if (keyA !== keyB) return keyA < keyB ? -1 : 1;
  if (a === b) return 0;
  return a < b ? -1 : 1;
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
  "new",
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
