/** Random numbers that are the same for the same seed. */
export interface Rng {
  /** From 0 up to, not including, 1. */
  next(): number;
  between(low: number, high: number): number;
  exponential(mean: number): number;
  /** Values spread around `median` by factors: about two thirds lie within e^±sigma of it. */
  logNormal(median: number, sigma: number): number;
  pick<T>(from: readonly T[]): T;
}

/** Mulberry32: 32 bits of state, which is ample for a show and costs a few nanoseconds a number. */
export function createRng(seed: number): Rng {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    return mix(state) / 2 ** 32;
  };
  return {
    next,
    between: (low, high) => low + (high - low) * next(),
    exponential: (mean) => -mean * Math.log(1 - next()),
    logNormal: (median, sigma) => median * Math.exp(sigma * normal(next)),
    pick: (from) => from[Math.floor(next() * from.length)]!,
  };
}

/** A whole number below 2³² that looks random and depends on nothing but the parts. */
export function hash(...parts: readonly number[]): number {
  return parts.reduce((sum, part) => mix((Math.imul(sum, 31) + part) >>> 0), 0x9e3779b9);
}

function mix(state: number): number {
  let z = Math.imul(state ^ (state >>> 15), state | 1);
  z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
  return (z ^ (z >>> 14)) >>> 0;
}

/** Box and Muller, the half of it that is needed. */
function normal(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}
