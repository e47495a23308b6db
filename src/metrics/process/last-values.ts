/** The newest values of a stream, at most `limit` of them, in single precision. */
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

  /** In no order; good until the next one is added. */
  get values(): Float32Array {
    return this.#values.subarray(0, this.length);
  }

  /** Oldest first. */
  toArray(): number[] {
    const start = this.length < this.#values.length ? 0 : this.#next;
    return [...this.#values.subarray(start, this.length), ...this.#values.subarray(0, start)];
  }

  /** The value that half of all are at most; null of none. */
  median(): number | null {
    if (this.length === 0) return null;
    return this.values.slice().sort()[Math.ceil(this.length / 2) - 1]!;
  }
}
