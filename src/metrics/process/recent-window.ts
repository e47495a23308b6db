const LENGTH = 30;
const NEWEST = 9;
/** Ranks, of 30 in order, between which four fifths of them lie. */
const LOW_RANK = 3;
const HIGH_RANK = 26;
/** The median of the 29 differences between them. */
const JITTER_RANK = 14;

/** Reused, for all windows are asked each second. */
const sorted = new Float64Array(LENGTH);

/**
 * The newest values of a series, and what they say of its level and its spread. Both are statistics of order:
 * four wild values of nine do not move the level, three on either side of thirty do not widen the spread.
 */
export class RecentWindow {
  readonly #values = new Float32Array(LENGTH);
  #next = 0;
  #length = 0;

  add(value: number): void {
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % LENGTH;
    if (this.#length < LENGTH) this.#length += 1;
  }

  clear(): void {
    this.#length = 0;
  }

  /** The median of the newest nine; NaN of fewer. */
  level(): number {
    if (this.#length < NEWEST) return Number.NaN;
    this.#sortNewest(NEWEST);
    return sorted[(NEWEST - 1) / 2]!;
  }

  /** The width that four fifths of the newest thirty lie within; NaN of fewer. */
  spread(): number {
    if (this.#length < LENGTH) return Number.NaN;
    this.#sortNewest(LENGTH);
    return sorted[HIGH_RANK]! - sorted[LOW_RANK]!;
  }

  /** The median difference of neighbours among the newest thirty; NaN of fewer. */
  jitter(): number {
    if (this.#length < LENGTH) return Number.NaN;
    for (let i = 0; i < LENGTH - 1; i += 1) insert(i, Math.abs(this.#newest(i) - this.#newest(i + 1)));
    return sorted[JITTER_RANK]!;
  }

  /** Oldest first. */
  toArray(): number[] {
    return Array.from({ length: this.#length }, (_, i) => this.#newest(this.#length - 1 - i));
  }

  #newest(index: number): number {
    return this.#values[(this.#next - 1 - index + 2 * LENGTH) % LENGTH]!;
  }

  #sortNewest(count: number): void {
    for (let i = 0; i < count; i += 1) insert(i, this.#newest(i));
  }
}

/** Puts a value in its place among the first `count` sorted ones. */
function insert(count: number, value: number): void {
  let place = count;
  for (; place > 0 && sorted[place - 1]! > value; place -= 1) sorted[place] = sorted[place - 1]!;
  sorted[place] = value;
}
