import { SlidingSums } from "./sliding-sums.ts";

const MINUTE_MS = 60_000;
/** Ratios are summed up in parts as fine as they are told. */
const PARTS = 10_000;
/** An assignment whose match is this near to the best counts as optimal. */
const OPTIMAL_RATIO = 0.95;

/** How well tasks were assigned in the last hour, as far as it was judged. */
export class AssignmentQuality {
  /** Of each minute: assignments judged, the sum of their ratios, and how many were optimal. */
  readonly #hour = new SlidingSums(60, MINUTE_MS, 3);

  /** @param ratio match of the chosen worker ÷ the best match available at that moment, 0 to 1 */
  add(ratio: number, now_ms: number): void {
    this.#hour.add(now_ms, now_ms, [1, Math.round(ratio * PARTS), ratio >= OPTIMAL_RATIO ? 1 : 0]);
  }

  /**
   * The mean of chosen ÷ best, and the share of assignments within 5 % of the best (design: Formulas); null where
   * none was judged.
   */
  stats(now_ms: number): { efficiency: number; optimal_ratio: number } | null {
    const judged = this.#hour.sum(0, now_ms);
    if (judged === 0) return null;
    return {
      efficiency: this.#hour.sum(1, now_ms) / PARTS / judged,
      optimal_ratio: this.#hour.sum(2, now_ms) / judged,
    };
  }
}
