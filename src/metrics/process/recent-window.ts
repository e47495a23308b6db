const LENGTH = 30;
const NEWEST = 9;
/** Ranks, of 30 in order, between which four fifths of them lie. */
const LOW_RANK = 3;
const HIGH_RANK = 26;
/** The median of the 29 differences between them. */
const JITTER_RANK = 14;

/** Where the differences begin. */
const STEPS = LENGTH;

/** Reused, for all windows are asked each second. */
const newest = new Float32Array(NEWEST);

/**
 * The newest values of a series, and what they say of its level and its spread. Both are statistics of order:
 * four wild values of nine do not move the level, three on either side of thirty do not widen the spread.
 */
export class RecentWindow {
  readonly #values = new Float32Array(LENGTH);
  #next = 0;
  #length = 0;
  /** The values in order, and from STEPS on the differences between neighbours: a new value moves few of them. */
  readonly #sorted = new Float32Array(STEPS + LENGTH - 1);

  add(value: number): void {
    if (this.#length === LENGTH) this.#dropOldest();
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % LENGTH;
    insert(this.#sorted, 0, this.#length, this.#newest(0));
    if (this.#length > 0) insert(this.#sorted, STEPS, this.#length - 1, this.#step(0));
    this.#length += 1;
  }

  #dropOldest(): void {
    this.#length -= 1;
    remove(this.#sorted, 0, LENGTH, this.#newest(LENGTH - 1));
    remove(this.#sorted, STEPS, LENGTH - 1, this.#step(LENGTH - 2));
  }

  clear(): void {
    this.#length = 0;
  }

  /** The median of the newest nine; NaN of fewer. */
  level(): number {
    if (this.#length < NEWEST) return Number.NaN;
    for (let i = 0; i < NEWEST; i += 1) insert(newest, 0, i, this.#newest(i));
    return newest[(NEWEST - 1) / 2]!;
  }

  /** The width that four fifths of the newest thirty lie within; NaN of fewer. */
  spread(): number {
    if (this.#length < LENGTH) return Number.NaN;
    return this.#sorted[HIGH_RANK]! - this.#sorted[LOW_RANK]!;
  }

  /** The median difference of neighbours among the newest thirty; NaN of fewer. */
  jitter(): number {
    return this.#length < LENGTH ? Number.NaN : this.#sorted[STEPS + JITTER_RANK]!;
  }

  /** Oldest first. */
  toArray(): number[] {
    return Array.from({ length: this.#length }, (_, i) => this.#newest(this.#length - 1 - i));
  }

  #newest(index: number): number {
    return this.#values[(this.#next - 1 - index + 2 * LENGTH) % LENGTH]!;
  }

  #step(index: number): number {
    return Math.fround(Math.abs(this.#newest(index) - this.#newest(index + 1)));
  }
}

/** Puts a value in its place among `count` that are in order, from `first` on. */
function insert(sorted: Float32Array, first: number, count: number, value: number): void {
  let place = first + count;
  for (; place > first && sorted[place - 1]! > value; place -= 1) sorted[place] = sorted[place - 1]!;
  sorted[place] = value;
}

/** Takes one such value out of `count` that are in order, from `first` on. */
function remove(sorted: Float32Array, first: number, count: number, value: number): void {
  const place = sorted.indexOf(value, first);
  sorted.copyWithin(place, place + 1, first + count);
}
