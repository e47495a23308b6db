/**
 * Sums of a few whole amounts over a sliding window of whole steps; a step leaves the window as a whole. Each slot
 * knows the step that it holds, so there is nothing to move on each tick, and a clock that jumps leaves
 * nothing to mend.
 */
export class SlidingSums {
  readonly #steps: number;
  readonly #step_ms: number;
  readonly #width: number;
  /** Of each slot its step, counted from the epoch, then its sums. */
  readonly #slots: Uint32Array;

  /** @param steps the window's length in steps of `step_ms`, the one that is filling included */
  constructor(steps: number, step_ms: number, amounts: number) {
    this.#steps = steps;
    this.#step_ms = step_ms;
    this.#width = 1 + amounts;
    this.#slots = new Uint32Array(steps * this.#width);
  }

  /**
   * Adds at an instant; one before the window counts nothing, one in the future counts now. An amount below zero
   * takes back what was added, and never more than there is.
   *
   * @returns whether it counted
   */
  add(at_ms: number, now_ms: number, amounts: readonly number[]): boolean {
    const newest = this.#stepOf(now_ms);
    const step = Math.min(this.#stepOf(at_ms), newest);
    if (step <= newest - this.#steps) return false;
    const slot = (step % this.#steps) * this.#width;
    if (this.#slots[slot] !== step) {
      this.#slots.fill(0, slot, slot + this.#width);
      this.#slots[slot] = step;
    }
    for (let i = 1; i < this.#width; i += 1)
      this.#slots[slot + i] = Math.max(0, this.#slots[slot + i]! + amounts[i - 1]!);
    return true;
  }

  /** What one of the amounts sums up to in the window that ends now. */
  sum(amount: number, now_ms: number): number {
    const newest = this.#stepOf(now_ms);
    let sum = 0;
    for (let slot = 0; slot < this.#slots.length; slot += this.#width) {
      const step = this.#slots[slot]!;
      if (step <= newest && step > newest - this.#steps) sum += this.#slots[slot + 1 + amount]!;
    }
    return sum;
  }

  /** The steps that hold anything, each with its sums: to be kept, and taken back by `restore`. */
  toDocument(): number[][] {
    const document: number[][] = [];
    for (let slot = 0; slot < this.#slots.length; slot += this.#width) {
      if (this.#slots[slot] !== 0) document.push(Array.from(this.#slots.subarray(slot, slot + this.#width)));
    }
    return document;
  }

  restore(document: readonly (readonly number[])[]): void {
    for (const row of document) {
      if (row.length === this.#width) this.#slots.set(row, (row[0]! % this.#steps) * this.#width);
    }
  }

  #stepOf(at_ms: number): number {
    return Math.floor(at_ms / this.#step_ms);
  }
}
