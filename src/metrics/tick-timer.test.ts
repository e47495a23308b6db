import fc from "fast-check";
import { expect, test } from "vitest";
import { isEarly, nextTick_ms } from "./tick-timer.ts";

const NOON_MS = Date.UTC(2026, 0, 1, 12);

test("a tick is due at the next whole multiple of its length", () => {
  expect(nextTick_ms(NOON_MS, 1000)).toBe(NOON_MS + 1000);
  expect(nextTick_ms(NOON_MS + 1, 1000)).toBe(NOON_MS + 1000);
  expect(nextTick_ms(NOON_MS + 999, 1000)).toBe(NOON_MS + 1000);
});

test("a timer that fires before its time waits on, but not for a clock that was set back", () => {
  expect(isEarly(NOON_MS - 1, NOON_MS, 1000)).toBe(true);
  expect(isEarly(NOON_MS, NOON_MS, 1000)).toBe(false);
  expect(isEarly(NOON_MS + 400, NOON_MS, 1000)).toBe(false);
  expect(isEarly(NOON_MS - 60_000, NOON_MS, 1000)).toBe(false);
});

test("every second has one tick, however early or a little late timers fire", () => {
  const off_ms = fc.integer({ min: -9, max: 400 });
  fc.assert(
    fc.property(fc.array(off_ms, { minLength: 50 }), fc.nat(999), (offs, from_ms) => {
      let now_ms = NOON_MS + from_ms;
      let due_ms = nextTick_ms(now_ms, 1000);
      const seconds: number[] = [];
      for (const off of offs) {
        // It never fires before it was set.
        now_ms = Math.max(now_ms, due_ms + off);
        if (isEarly(now_ms, due_ms, 1000)) continue;
        seconds.push(Math.floor(now_ms / 1000));
        due_ms = nextTick_ms(now_ms, 1000);
      }
      seconds.slice(1).forEach((second, i) => {
        expect(second - seconds[i]!).toBe(1);
      });
    }),
  );
});
