import fc from "fast-check";
import { expect, test } from "vitest";
import { untilTick_ms } from "./tick-timer.ts";

const NOON_MS = 1_700_000_000_000;

test("a tick is due at each whole multiple of its length", () => {
  expect(untilTick_ms(NOON_MS, 1000)).toBe(1000);
  expect(untilTick_ms(NOON_MS + 1, 1000)).toBe(999);
  expect(untilTick_ms(NOON_MS + 700, 1000)).toBe(300);
});

test("a timer that fires early does not make the same tick due twice", () => {
  expect(untilTick_ms(NOON_MS - 1, 1000)).toBe(1001);
  expect(untilTick_ms(NOON_MS - 3, 250)).toBe(253);
});

test("whenever it is asked, a tick is due at a multiple, and neither at once nor far off", () => {
  const length = fc.constantFrom(100, 250, 1000, 5000);
  fc.assert(
    fc.property(fc.nat(), length, (after_ms, tick_ms) => {
      const now_ms = NOON_MS + after_ms;
      const wait_ms = untilTick_ms(now_ms, tick_ms);
      expect((now_ms + wait_ms) % tick_ms).toBe(0);
      expect(wait_ms).toBeGreaterThanOrEqual(0.05 * tick_ms);
      expect(wait_ms).toBeLessThanOrEqual(1.05 * tick_ms);
    }),
  );
});
