import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RecentWindow } from "./recent-window.ts";

function windowOf(values: readonly number[]): RecentWindow {
  const window = new RecentWindow();
  for (const value of values) window.add(value);
  return window;
}

const TO_30 = Array.from({ length: 30 }, (_, i) => i);

describe("the newest values", () => {
  it("have a level from nine on, a spread and a jitter from thirty on", () => {
    expect(windowOf(TO_30.slice(0, 8)).level()).toBeNaN();
    expect(windowOf(TO_30.slice(0, 9)).level()).toBe(4);
    expect(windowOf(TO_30.slice(0, 29)).spread()).toBeNaN();
    expect(windowOf(TO_30.slice(0, 29)).jitter()).toBeNaN();
    expect(windowOf(TO_30).spread()).toBe(23);
    expect(windowOf(TO_30).jitter()).toBe(1);
  });

  it("do not let four wild ones move the level, nor three on a side the spread", () => {
    const calm = windowOf([...TO_30, ...Array(26).fill(5), 1e9, 1e9, 1e9, -1e9]);
    expect([calm.level(), calm.spread(), calm.jitter()]).toEqual([5, 0, 0]);
  });

  it("are none after a silence", () => {
    const window = windowOf(TO_30);
    window.clear();
    expect(window.level()).toBeNaN();
    expect(window.toArray()).toEqual([]);
  });

  it("are the last thirty, oldest first", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1000 })), (values) => {
        expect(windowOf(values).toArray()).toEqual(values.slice(-30));
      }),
    );
  });
});
