/** Seconds in an hour: the slots of one series' hour, and of one chunk. */
export const SLOTS = 3600;

/** Beyond it a scaled value's delta would no longer fit into an exact whole number with its flag. */
const MAX_SCALED = 2 ** 48;

/**
 * What the store keeps of a value: round(value · scale) / scale.
 *
 * @param scale by the precision, or null where doubles are kept exactly
 */
export function quantize(value: number, scale: number | null): number {
  if (scale === null) return value + 0;
  const scaled = scaledOf(value, scale);
  return scaled === null ? value : scaled / scale;
}

/** The value as a whole number of 1/scale, or null where it is too large for one. */
export function scaledOf(value: number, scale: number): number | null {
  const scaled = Math.round(value * scale) + 0;
  return Math.abs(scaled) <= MAX_SCALED ? scaled : null;
}

/** One hour of one series by the second; NaN where nothing was sampled. */
export type HourValues = Float64Array;

export function emptyHour(): HourValues {
  return new Float64Array(SLOTS).fill(Number.NaN);
}
