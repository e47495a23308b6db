import { zigzag } from "./bytes.ts";
import { bitsOf, type Model, modelOf } from "./entropy.ts";

/** Levels beyond it, either way, are not predicted: with any weights all sums fit into 32 bits. */
export const LEVEL_LIMIT = 2 ** 22;

/** Weights are told in 64ths. */
const ONE_BITS = 6;
const ONE = 2 ** ONE_BITS;

/** What is expected of a level: (constant + newest · the level before + older · the one before that) / 64. */
export interface Predictor {
  readonly constant: number;
  readonly newest: number;
  readonly older: number;
}

/** Levels as what each differs from what was expected, and how to code that. */
export interface Prediction {
  readonly predictor: Predictor;
  /** Zigzag. */
  readonly residuals: Int32Array;
  readonly model: Model;
}

/** How much of its last step a level is tried to go on by. */
const MOMENTA = [0, 32, 64];
/** By how much the best of them is then tried to be off. */
const REFINEMENTS = [16, 8, 4, 2, 1];
/** How much of its way back to the middle a level is tried to go; ONE: it is always expected there. */
const PULLS = [4, 8, 16, 32, ONE];

/** The predictor by which the levels take the fewest bits of those that are tried. */
export function predict(levels: Int32Array): Prediction {
  const middle = levels.slice().sort()[levels.length >> 1]!;
  let best = { momentum: 0, pull: 0, bits: Number.POSITIVE_INFINITY };
  const attempt = (momentum: number, pull: number) => {
    const bits = bitsOf(residualsOf(predictorOf(momentum, pull, middle), levels));
    if (bits < best.bits) best = { momentum, pull, bits };
  };
  for (const momentum of MOMENTA) attempt(momentum, 0);
  for (const by of REFINEMENTS) {
    const { momentum } = best;
    attempt(momentum - by, 0);
    attempt(momentum + by, 0);
  }
  const { momentum } = best;
  for (const pull of PULLS) attempt(pull === ONE ? 0 : momentum, pull);
  const predictor = predictorOf(best.momentum, best.pull, middle);
  const residuals = residualsOf(predictor, levels);
  return { predictor, residuals, model: modelOf(residuals) };
}

/** Newest level + momentum · its last step + pull · its distance from the middle. */
function predictorOf(momentum: number, pull: number, middle: number): Predictor {
  return { constant: pull * middle + ONE / 2, newest: ONE + momentum - pull, older: 0 - momentum };
}

function residualsOf(predictor: Predictor, levels: Int32Array): Int32Array {
  const residuals = new Int32Array(levels.length);
  const [constant, newest, older] = [predictor.constant | 0, predictor.newest | 0, predictor.older | 0];
  let before = 0;
  let before_that = 0;
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i]!;
    const expected = weigh(constant, newest, older, before, before_that);
    residuals[i] = zigzag(level - expected);
    before_that = before;
    before = level;
  }
  return residuals;
}

/** The level that is expected after those two; the first of all comes after two zeros. */
export function weigh(
  constant: number,
  newest: number,
  older: number,
  before: number,
  before_that: number,
): number {
  // The zeros tell the compiler that all of it stays within 32 bits: decoding is twice as fast.
  return ((constant + ((Math.imul(newest, before) + Math.imul(older, before_that)) | 0)) | 0) >> ONE_BITS;
}
