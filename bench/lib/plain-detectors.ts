/** Mean and standard deviation of the newest values of a series, and how far off a value is. */
export class RollingDeviation {
  readonly #ring: Float64Array;
  #next = 0;
  #length = 0;
  #sum = 0;
  #squares = 0;
  /** Subtracted from all, so that the squares of large values do not swallow small ones. */
  #origin = 0;

  constructor(length: number) {
    this.#ring = new Float64Array(length);
  }

  /** The distance from the mean in standard deviations; 0 while nothing varied. */
  deviations(value: number): number {
    const mean = this.#sum / this.#length;
    const deviation = Math.sqrt(Math.max(0, this.#squares / this.#length - mean * mean));
    return deviation > 0 ? Math.abs(value - this.#origin - mean) / deviation : 0;
  }

  add(value: number): void {
    if (this.#length === 0) this.#origin = value;
    const off = value - this.#origin;
    if (this.#length === this.#ring.length) this.#forget(this.#ring[this.#next]!);
    else this.#length += 1;
    this.#ring[this.#next] = off;
    this.#next = (this.#next + 1) % this.#ring.length;
    this.#sum += off;
    this.#squares += off * off;
  }

  #forget(off: number): void {
    this.#sum -= off;
    this.#squares -= off * off;
  }
}
