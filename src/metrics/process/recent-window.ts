const LENGTH = 30;
const NEWEST = 9;
/** Ranks, of 30 in order, between which four fifths of them lie. */
const LOW_RANK = 3;
const HIGH_RANK = 26;
/** The median of the 29 differences between them. */
const JITTER_RANK = 14;

/**
 * How a window lies in its room: the values, the place of the next, how many there are; then the values in order,
 * and the differences between neighbours in order: a new value moves few of them.
 */
const NEXT = LENGTH;
const COUNT = NEXT + 1;
const SORTED = COUNT + 1;
const STEPS = SORTED + LENGTH;
/** Numbers that a window takes. */
export const WINDOW_SIZE = STEPS + LENGTH - 1;

/** Reused, for all windows are asked each second. */
const newest = new Float32Array(NEWEST);

/**
 * The newest values of a series, and what they say of its level and its spread. Both are statistics of order:
 * four wild values of nine do not move the level, three on either side of thirty do not widen the spread.
 */
export class RecentWindow {
  #room = new Float32Array(WINDOW_SIZE);
  #from = 0;

  /** Goes to another window, that lies in this room from there on; one of zeros is empty. */
  goTo(room: Float32Array<ArrayBuffer>, from: number): void {
    this.#room = room;
    this.#from = from;
  }

  add(value: number): void {
    const [room, from] = [this.#room, this.#from];
    let count = this.#count;
    if (count === LENGTH) {
      count -= 1;
      remove(room, from + SORTED, LENGTH, this.#newest(LENGTH - 1));
      remove(room, from + STEPS, LENGTH - 1, this.#step(LENGTH - 2));
    }
    const next = room[from + NEXT]!;
    room[from + next] = value;
    room[from + NEXT] = (next + 1) % LENGTH;
    insert(room, from + SORTED, count, this.#newest(0));
    if (count > 0) insert(room, from + STEPS, count - 1, this.#step(0));
    room[from + COUNT] = count + 1;
  }

  clear(): void {
    this.#room[this.#from + COUNT] = 0;
  }

  /** The median of the newest nine; NaN of fewer. */
  level(): number {
    if (this.#count < NEWEST) return Number.NaN;
    for (let i = 0; i < NEWEST; i += 1) insert(newest, 0, i, this.#newest(i));
    return newest[(NEWEST - 1) / 2]!;
  }

  /** The width that four fifths of the newest thirty lie within; NaN of fewer. */
  spread(): number {
    const sorted = this.#from + SORTED;
    if (this.#count < LENGTH) return Number.NaN;
    return this.#room[sorted + HIGH_RANK]! - this.#room[sorted + LOW_RANK]!;
  }

  /** The median difference of neighbours among the newest thirty; NaN of fewer. */
  jitter(): number {
    return this.#count < LENGTH ? Number.NaN : this.#room[this.#from + STEPS + JITTER_RANK]!;
  }

  /** Oldest first. */
  toArray(): number[] {
    const count = this.#count;
    return Array.from({ length: count }, (_, i) => this.#newest(count - 1 - i));
  }

  get #count(): number {
    return this.#room[this.#from + COUNT]!;
  }

  #newest(index: number): number {
    const next = this.#room[this.#from + NEXT]!;
    return this.#room[this.#from + ((next - 1 - index + 2 * LENGTH) % LENGTH)]!;
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
