/**
 * A last-writer-wins register: the newest `at` stands, and at equal times the larger value, so that the
 * order in which reports arrive never matters. A cleared field is a register that holds null.
 */
export interface Register<T> {
  value: T | null;
  /** One for all that a report says: there are a million registers. */
  stamp: Stamp;
}

export interface SourceClock {
  readonly id: string;
  /** Add this to the source's times to get ours, milliseconds. */
  offset_ms: number;
  /** The source's own time of its last whole picture (protocol: Whole pictures). */
  complete_at_ms: number;
}

/** When and by whom something was said. */
export interface Stamp {
  /** The reporting source's own time, Unix milliseconds. */
  readonly at_ms: number;
  /** Who said it; offsets between sources' clocks are taken out when two are compared. */
  readonly source: SourceClock;
}

/**
 * The register after an update. It is the same object where its value is the same: when the update loses, and
 * when it says again what is known, which then only got younger. Undefined updates nothing.
 */
export function update<T>(
  register: Register<T> | undefined,
  value: T | null | undefined,
  stamp: Stamp,
): Register<T> | undefined {
  if (value === undefined) return register;
  if (register === undefined) return { value, stamp };
  if (!wins(register, value, stamp)) return register;
  if (!isSame(register.value, value)) return { value, stamp };
  // Most of a report repeats the one before: a copy of it would soon be garbage that is no longer young.
  register.stamp = stamp;
  return register;
}

/** A register that may not have been said yet. */
interface Unsaid<T> {
  value: T | null;
  stamp: Stamp | null;
}

/** Takes a value into a register in place. @returns false where what is known stands */
export function take<T>(register: Unsaid<T>, value: T | null, stamp: Stamp): boolean {
  if (isSaid(register) && !wins(register, value, stamp)) return false;
  register.value = value;
  register.stamp = stamp;
  return true;
}

function isSaid<T>(register: Unsaid<T>): register is Register<T> {
  return register.stamp !== null;
}

/** When it was said by our clock, Unix milliseconds. */
export function oursOf({ at_ms, source }: Stamp): number {
  return at_ms + source.offset_ms;
}

function wins<T>(register: Register<T>, value: T | null, stamp: Stamp): boolean {
  const held_ms = oursOf(register.stamp);
  const came_ms = oursOf(stamp);
  return came_ms > held_ms || (came_ms === held_ms && compareValues(value, register.value) > 0);
}

/**
 * A total order over JSON values: null, then false, true, numbers by size, text by code point, and
 * everything else by its JSON text.
 */
function compareValues(a: unknown, b: unknown): number {
  const [rankA, rankB] = [rank(a), rank(b)];
  if (rankA !== rankB) return rankA - rankB;
  if (typeof a === "number") return a - (b as number);
  if (typeof a === "string") return compareText(a, b as string);
  if (typeof a === "boolean") return Number(a) - Number(b);
  return rankA === 0 ? 0 : compareText(canonical(a), canonical(b));
}

/** Whether two JSON values are equal; a field that is undefined is none. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item, index) => isSame(item, b[index]))
    );
  }
  const [fields_a, fields_b] = [a as Record<string, unknown>, b as Record<string, unknown>];
  for (const name in fields_a) if (!isSame(fields_a[name], fields_b[name])) return false;
  for (const name in fields_b) if (fields_b[name] !== undefined && fields_a[name] === undefined) return false;
  return true;
}

function rank(value: unknown): number {
  if (value === null || value === undefined) return 0;
  if (typeof value === "boolean") return 1;
  if (typeof value === "number") return 2;
  return typeof value === "string" ? 3 : 4;
}

/** By code point, which differs from JavaScript's own order beyond the basic plane. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const [unitA, unitB] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (unitA === unitB) continue;
    const [highA, highB] = [isSurrogate(unitA), isSurrogate(unitB)];
    return highA === highB ? unitA - unitB : highA ? 1 : -1;
  }
  return a.length - b.length;
}

const isSurrogate = (unit: number) => unit >= 0xd800 && unit <= 0xdfff;

/** JSON with the keys of objects in order, so that equal values have equal texts. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/**
 * A register as the store keeps it, as JSON: its value, its time less a base that its document shares,
 * milliseconds, and its source's place in the document's list (left out for the first).
 */
export type StoredRegister = [value: unknown, after_base_ms: number, source?: number];

/** Writes registers into one document: what they have in common is written once. */
export class RegisterWriter {
  readonly sources: string[] = [];
  readonly #base_ms: number;

  constructor(base_ms: number) {
    this.#base_ms = base_ms;
  }

  write({ value, stamp: { at_ms, source } }: Register<unknown>): StoredRegister {
    let place = this.sources.indexOf(source.id);
    if (place === -1) place = this.sources.push(source.id) - 1;
    const after_base_ms = at_ms - this.#base_ms;
    return place === 0 ? [value, after_base_ms] : [value, after_base_ms, place];
  }

  writeAll(
    registers: Iterable<readonly [name: string, register: Register<unknown>]>,
  ): Record<string, StoredRegister> {
    const written: Record<string, StoredRegister> = {};
    for (const [name, register] of registers) written[name] = this.write(register);
    return written;
  }
}

/** Reads back what a RegisterWriter wrote with the same base. */
export class RegisterReader {
  readonly #base_ms: number;
  readonly #sources: readonly SourceClock[];
  readonly #stamps: Stamp[] = [];

  constructor(base_ms: number, sources: readonly string[], clock: (source: string) => SourceClock) {
    this.#base_ms = base_ms;
    this.#sources = sources.map(clock);
  }

  read<T>([value, after_base_ms, place = 0]: StoredRegister): Register<T> {
    return {
      value: value as T | null,
      stamp: this.#stamp(after_base_ms + this.#base_ms, this.#sources[place]!),
    };
  }

  #stamp(at_ms: number, source: SourceClock): Stamp {
    const found = this.#stamps.find((stamp) => stamp.at_ms === at_ms && stamp.source === source);
    if (found) return found;
    const stamp = { at_ms, source };
    this.#stamps.push(stamp);
    return stamp;
  }
}
