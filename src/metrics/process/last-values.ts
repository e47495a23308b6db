/** Reused, for a median is asked for a thousand times a tick. */
const sorted: number[] = [];

/** The newest values of a stream, at most `limit` of them, a few dozen, in single precision. */
export class LastValues {
  readonly #limit: number;
  #values: Float32Array;
  #next = 0;
  length = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#values = new Float32Array(Math.min(8, limit));
  }

  add(value: number): void {
    if (this.length === this.#values.length && this.length < this.#limit) this.#grow();
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.#values.length;
    if (this.length < this.#values.length) this.length += 1;
  }

  /** It has never gone round so far: the values are in their order. */
  #grow(): void {
    const larger = new Float32Array(Math.min(this.#limit, 2 * this.#values.length));
    larger.set(this.#values);
    this.#next = this.#values.length;
    this.#values = larger;
  }

  /** One of the values, from 0 to below the length, in no order. */
  at(index: number): number {
    return this.#values[index]!;
  }

  /** Oldest first. */
  toArray(): number[] {
    const start = this.length < this.#values.length ? 0 : this.#next;
    return [...this.#values.subarray(start, this.length), ...this.#values.subarray(0, start)];
  }

  /** The value that half of all are at most; null of none. */
  median(): number | null {
    if (this.length === 0) return null;
    for (let i = 0; i < this.length; i += 1) {
      const value = this.#values[i]!;
      let place = i;
      for (; place > 0 && sorted[place - 1]! > value; place -= 1) sorted[place] = sorted[place - 1]!;
      sorted[place] = value;
    }
    return sorted[Math.ceil(this.length / 2) - 1]!;
  }
}
