/** Three to an octave: a size is known within an eighth, and the bins of a kind span a factor of sixteen million. */
const BINS_PER_OCTAVE = 3;
const BINS = 72;
/** Where the first size that is met comes to lie. */
const FIRST_BIN = 24;
/** Of a row: where its bins begin, behind its number of sizes learnt and, biased, the lower edge of its second bin. */
const HEAD = 2;
const WIDTH = HEAD + BINS;
const [LEARNT, EDGE] = [0, 1];
const EDGE_BIAS = 32_768;

/** The border of the usual range: one size in a thousand lies beyond. */
const BEYOND_SHARE = 0.001;
/** What each doubling beyond that border adds to the score. */
const DOUBLING_SCORE = 4;
/** With fewer learnt, being the largest of them says less. */
const ENOUGH = 300;
/** With so many learnt it is full: one bin may hold them all. */
const MOST = 40_000;

/** Of a kind: the lower edge of its second bin as a logarithm in bins, and the bins that are not empty. */
export interface RarityState {
  readonly edge: number;
  readonly bins: readonly (readonly [bin: number, count: number])[];
}

/**
 * How rare a size is among those that were learnt, for a few kinds of sizes, in constant memory: a histogram each,
 * with logarithmic bins that go where the sizes are. No shape of the distribution is assumed.
 */
export class Rarity {
  readonly #kinds: number;
  /** A row a kind; its first bin counts what is nothing, or far too small to matter. */
  readonly #rows: Uint16Array;

  constructor(kinds: number) {
    this.#kinds = kinds;
    this.#rows = new Uint16Array(kinds * WIDTH);
  }

  learnt(kind: number): number {
    return this.#rows[kind * WIDTH + LEARNT]!;
  }

  /**
   * 0 for nothing; 3.3 for a size that none reached, 2.8 for one that one did, and so on, 3 − log10(n + ½); or 4 for
   * twice the border of the usual range, 8 for four times, and so on, whichever is more.
   *
   * @param floor the border of the usual range is never nearer than that
   */
  score(kind: number, size: number, floor: number): number {
    const bin = this.#binOf(kind, size);
    if (bin === 0) return 0;
    const learnt = this.learnt(kind);
    const row = kind * WIDTH + HEAD;
    let as_large = 0;
    for (let i = bin; i < BINS; i += 1) as_large += this.#rows[row + i]!;
    const rank = Math.max(0, 3 - Math.log10((as_large + 0.5) * Math.max(1, ENOUGH / (learnt + 1))));
    if (learnt * BEYOND_SHARE < 1 || size <= floor) return rank;
    return Math.max(rank, DOUBLING_SCORE * Math.log2(size / Math.max(floor, this.border(kind))));
  }

  /** The size that one in a thousand exceeds, the upper edge of its bin; 0 where nothing is as usual. */
  border(kind: number): number {
    const allowed = this.learnt(kind) * BEYOND_SHARE;
    const row = kind * WIDTH + HEAD;
    let bin = BINS - 1;
    for (let above = 0; bin > 0; bin -= 1) {
      above += this.#rows[row + bin]!;
      if (above > allowed) break;
    }
    return bin === 0 ? 0 : 2 ** ((this.#edge(kind) + bin) / BINS_PER_OCTAVE);
  }

  /** @returns whether it is full now, so that `halve` is due */
  learn(kind: number, size: number): boolean {
    const row = kind * WIDTH;
    if (size > 0 && this.#rows[row + EDGE] === 0)
      this.#rows[row + EDGE] = logOf(size) - FIRST_BIN + EDGE_BIAS;
    let bin = this.#binOf(kind, size);
    if (bin >= BINS) {
      this.#raise(kind, bin - BINS + 1);
      bin = BINS - 1;
    }
    this.#rows[row + HEAD + bin]! += 1;
    this.#rows[row + LEARNT]! += 1;
    return this.#rows[row + LEARNT]! >= MOST;
  }

  /** Forgets half of what was learnt, of all kinds. */
  halve(): void {
    for (let row = 0; row < this.#rows.length; row += WIDTH) {
      let learnt = 0;
      for (let i = row + HEAD; i < row + WIDTH; i += 1) {
        this.#rows[i] = this.#rows[i]! >> 1;
        learnt += this.#rows[i]!;
      }
      this.#rows[row + LEARNT] = learnt;
    }
  }

  toState(): RarityState[] {
    return Array.from({ length: this.#kinds }, (_, kind) => {
      const bins: [bin: number, count: number][] = [];
      this.#bins(kind).forEach((count, bin) => {
        if (count > 0) bins.push([bin, count]);
      });
      return { edge: this.#edge(kind), bins };
    });
  }

  restore(state: readonly RarityState[]): void {
    state.slice(0, this.#kinds).forEach(({ edge, bins }, kind) => {
      const known = bins.filter(([bin]) => bin < BINS);
      for (const [bin, count] of known) this.#bins(kind)[bin] = count;
      this.#rows[kind * WIDTH + EDGE] = edge + EDGE_BIAS;
      this.#rows[kind * WIDTH + LEARNT] = known.reduce((sum, [, count]) => sum + count, 0);
    });
  }

  #bins(kind: number): Uint16Array {
    return this.#rows.subarray(kind * WIDTH + HEAD, (kind + 1) * WIDTH);
  }

  /** −EDGE_BIAS until a size was met: all sizes lie above it. */
  #edge(kind: number): number {
    return this.#rows[kind * WIDTH + EDGE]! - EDGE_BIAS;
  }

  /** BINS or more for what is larger than the last bin holds. */
  #binOf(kind: number, size: number): number {
    return size > 0 ? Math.max(0, logOf(size) - this.#edge(kind) + 1) : 0;
  }

  /** Makes room at the top; the smallest sizes become nothing. */
  #raise(kind: number, by: number): void {
    const bins = this.#bins(kind);
    const gone = Math.min(by, BINS - 1);
    for (let i = 1; i <= gone; i += 1) bins[0]! += bins[i]!;
    bins.copyWithin(1, 1 + gone);
    bins.fill(0, BINS - gone);
    this.#rows[kind * WIDTH + EDGE]! += by;
  }
}

function logOf(size: number): number {
  return Math.floor(Math.log2(size) * BINS_PER_OCTAVE);
}
