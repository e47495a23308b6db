/** Three to an octave: a size is known within an eighth, and the bins of a kind span a factor of 65,536. */
const BINS_PER_OCTAVE = 3;
const BINS = 48;
/** Where the first size that is met comes to lie. */
const FIRST_BIN = 16;
/**
 * A row begins with how many sizes were learnt, the lower edge of the second bin, the border of the usual range and
 * the one that takes its place next: logarithms, in bins, with a bias.
 */
const [LEARNT, EDGE, BORDER, NEXT] = [0, 1, 2, 3];
const HEAD = 4;
/** Numbers that a kind takes. */
export const RARITY_SIZE = HEAD + BINS;
const BIAS = 32_768;
/** Of a border: not known yet, and where all but one in a thousand are nothing. */
const [UNKNOWN, NOTHING] = [0, 1];

/** The border of the usual range: one size in a thousand lies beyond. */
const BEYOND_SHARE = 0.001;
/** What each doubling beyond that border adds to the score. */
export const DOUBLING_SCORE = 4;
/** With fewer learnt, being the largest of them says less. */
const ENOUGH = 300;
/** With so many learnt it is full; one bin may hold them all. */
const MOST = 40_000;

/** Of a kind: what its row begins with but for the number, and the bins that are not empty. */
export interface RarityState {
  readonly edge: number;
  readonly border: number;
  readonly next: number;
  readonly bins: readonly (readonly [bin: number, count: number])[];
}

/**
 * How rare a size is among those that were learnt, for a few kinds of sizes, in constant memory: a histogram each,
 * with logarithmic bins that go where the sizes are. No shape of the distribution is assumed.
 */
export class Rarity {
  readonly #kinds: number;
  /** A row a kind; its first bin counts what is nothing, or far too small to matter. */
  #rows: Uint16Array<ArrayBuffer>;
  #from = 0;

  constructor(kinds: number) {
    this.#kinds = kinds;
    this.#rows = new Uint16Array(kinds * RARITY_SIZE);
  }

  /** Goes to the histograms of another, whose rows lie in this room from there on; of zeros nothing was learnt. */
  goTo(room: Uint16Array<ArrayBuffer>, from: number): void {
    this.#rows = room;
    this.#from = from;
  }

  learnt(kind: number): number {
    return this.#rows[this.#row(kind) + LEARNT]!;
  }

  /** 0 for nothing; 3.3 for a size that none reached, 2.8 for one that one did, and so on: 3 − log10(n + ½). */
  rank(kind: number, size: number): number {
    const bin = this.#binOf(kind, size);
    if (bin === 0) return 0;
    const row = this.#row(kind) + HEAD;
    let as_large = 0;
    for (let i = bin; i < BINS; i += 1) as_large += this.#rows[row + i]!;
    const scarcity = Math.max(1, ENOUGH / (this.learnt(kind) + 1));
    return Math.max(0, 3 - Math.log10((as_large + 0.5) * scarcity));
  }

  /**
   * 0 for a size within the usual range, 4 for twice its border, 8 for four times, and so on; 0 where the range is
   * not known yet.
   *
   * @param floor the border is never nearer than that
   */
  beyond(kind: number, size: number, floor: number): number {
    if (size <= floor || this.#rows[this.#row(kind) + BORDER] === UNKNOWN) return 0;
    return Math.max(0, DOUBLING_SCORE * Math.log2(size / Math.max(floor, this.border(kind))));
  }

  /** The size that one in a thousand exceeds, an upper edge of a bin; 0 where it is nothing, or not known yet. */
  border(kind: number): number {
    const border = this.#rows[this.#row(kind) + BORDER]!;
    return border <= NOTHING ? 0 : 2 ** ((border - BIAS) / BINS_PER_OCTAVE);
  }

  /** Moves the border to where it was at the last call: what begins now does not move it for a while. */
  moveBorder(kind: number): void {
    const row = this.#row(kind);
    this.#rows[row + BORDER] = this.#rows[row + NEXT]!;
    const allowed = this.#rows[row + LEARNT]! * BEYOND_SHARE;
    let bin = BINS - 1;
    for (let above = 0; bin > 0; bin -= 1) {
      above += this.#rows[row + HEAD + bin]!;
      if (above > allowed) break;
    }
    this.#rows[row + NEXT] = bin === 0 ? NOTHING : this.#rows[row + EDGE]! + bin;
  }

  /** @returns whether it was full, so that half of what had been learnt is forgotten */
  learn(kind: number, size: number): boolean {
    const row = this.#row(kind);
    if (size > 0 && this.#rows[row + EDGE] === 0) this.#rows[row + EDGE] = logOf(size) - FIRST_BIN + BIAS;
    let bin = this.#binOf(kind, size);
    if (bin >= BINS) {
      this.#raise(kind, bin - BINS + 1);
      bin = BINS - 1;
    }
    this.#rows[row + HEAD + bin]! += 1;
    this.#rows[row + LEARNT]! += 1;
    const is_full = this.#rows[row + LEARNT]! >= MOST;
    if (is_full) this.#halve(kind);
    return is_full;
  }

  toState(): RarityState[] {
    return Array.from({ length: this.#kinds }, (_, kind) => {
      const bins: [bin: number, count: number][] = [];
      this.#bins(kind).forEach((count, bin) => {
        if (count > 0) bins.push([bin, count]);
      });
      const row = this.#row(kind);
      const [, edge, border, next] = this.#rows.subarray(row, row + HEAD);
      return { edge: edge!, border: border!, next: next!, bins };
    });
  }

  restore(state: readonly RarityState[]): void {
    state.forEach(({ edge, border, next, bins }, kind) => {
      const known = bins.filter(([bin]) => bin < BINS);
      const learnt = known.reduce((sum, [, count]) => sum + count, 0);
      this.#rows.set([learnt, edge, border, next], this.#row(kind));
      for (const [bin, count] of known) this.#bins(kind)[bin] = count;
    });
  }

  #row(kind: number): number {
    return this.#from + kind * RARITY_SIZE;
  }

  #halve(kind: number): void {
    const bins = this.#bins(kind);
    let learnt = 0;
    for (let i = 0; i < BINS; i += 1) {
      bins[i] = bins[i]! >> 1;
      learnt += bins[i]!;
    }
    this.#rows[this.#row(kind) + LEARNT] = learnt;
  }

  #bins(kind: number): Uint16Array {
    return this.#rows.subarray(this.#row(kind) + HEAD, this.#row(kind + 1));
  }

  /** −BIAS until a size was met: all sizes lie above it. */
  #edge(kind: number): number {
    return this.#rows[this.#row(kind) + EDGE]! - BIAS;
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
    this.#rows[this.#row(kind) + EDGE]! += by;
  }
}

function logOf(size: number): number {
  return Math.floor(Math.log2(size) * BINS_PER_OCTAVE);
}
