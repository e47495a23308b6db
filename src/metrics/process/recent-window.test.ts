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

  it("say what thirty sorted anew would say, whatever came before", () => {
    const few = fc.oneof(
      fc.constantFrom(0, -0, 1, 1.5),
      fc.float({ noNaN: true, min: -Math.fround(1e30), max: Math.fround(1e30) }),
    );
    fc.assert(
      fc.property(fc.array(few, { minLength: 30, maxLength: 120, size: "max" }), (values) => {
        const last = values.slice(-30).map(Math.fround);
        const inOrder = (list: readonly number[]) => list.toSorted((a, b) => a - b);
        const steps = inOrder(last.slice(1).map((value, i) => Math.fround(Math.abs(value - last[i]!))));
        const by_size = inOrder(last);
        const window = windowOf(values);
        expect(window.spread() + 0).toBe(by_size[26]! - by_size[3]! + 0);
        expect(window.jitter()).toBe(steps[14]!);
        expect(window.level() + 0).toBe(inOrder(last.slice(-9))[4]! + 0);
      }),
    );
  });

  it("are the last thirty, oldest first", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1000 })), (values) => {
        expect(windowOf(values).toArray()).toEqual(values.slice(-30));
      }),
    );
  });
});
