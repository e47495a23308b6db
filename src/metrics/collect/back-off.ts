const FIRST_MS = 1000;

/**
 * How long to wait after so many failures in a row, milliseconds: twice as long each time, and somewhat random, so
 * that many who failed together do not come back together.
 *
 * @param random from 0 to below 1
 */
export function backOff_ms(failures: number, longest_ms: number, random: () => number): number {
  const whole_ms = Math.min(longest_ms, FIRST_MS * 2 ** Math.min(30, failures - 1));
  return Math.round(whole_ms * (0.5 + random() / 2));
}
