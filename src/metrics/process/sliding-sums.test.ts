import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SlidingSums } from "./sliding-sums.ts";

const MINUTE_MS = 60_000;
const NOW_MS = 1_700_000_040_000;

describe("sums over the last three minutes", () => {
  const sums = () => new SlidingSums(3, MINUTE_MS, 2);

  it("lose a minute as a whole", () => {
    const window = sums();
    window.add(NOW_MS, NOW_MS, [1, 10]);
    window.add(NOW_MS + MINUTE_MS, NOW_MS + MINUTE_MS, [2, 20]);
    const end_ms = Math.floor(NOW_MS / MINUTE_MS + 3) * MINUTE_MS;
    expect([window.sum(0, end_ms - 1), window.sum(1, end_ms - 1)]).toEqual([3, 30]);
    expect([window.sum(0, end_ms), window.sum(1, end_ms)]).toEqual([2, 20]);
    expect(window.sum(0, end_ms + MINUTE_MS)).toBe(0);
  });

  it("take what comes late, and nothing from before the window", () => {
    const window = sums();
    window.add(NOW_MS - 2 * MINUTE_MS, NOW_MS, [1, 0]);
    window.add(NOW_MS - 3 * MINUTE_MS, NOW_MS, [1, 0]);
    window.add(NOW_MS + 3 * MINUTE_MS, NOW_MS, [1, 0]);
    expect(window.sum(0, NOW_MS)).toBe(2);
  });

  it("go on where the clock was set back, without what lies ahead of it", () => {
    const window = sums();
    window.add(NOW_MS, NOW_MS, [5, 0]);
    const back_ms = NOW_MS - 60 * MINUTE_MS;
    expect(window.sum(0, back_ms)).toBe(0);
    window.add(back_ms, back_ms, [1, 0]);
    expect(window.sum(0, back_ms)).toBe(1);
  });

  it("are what a list of all that came would sum up to, and survive being kept", () => {
    const event = fc.record({ wait_ms: fc.nat(2 * MINUTE_MS), late_ms: fc.nat(4 * MINUTE_MS), n: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(event), (events) => {
        let now_ms = NOW_MS;
        const window = sums();
        const all: [minute: number, n: number][] = [];
        for (const { wait_ms, late_ms, n } of events) {
          now_ms += wait_ms;
          window.add(now_ms - late_ms, now_ms, [n, 1]);
          all.push([Math.floor((now_ms - late_ms) / MINUTE_MS), n]);
        }
        const newest = Math.floor(now_ms / MINUTE_MS);
        const within = all.filter(([minute]) => minute > newest - 3);
        const expected = within.reduce((sum, [, n]) => sum + n, 0);
        const again = sums();
        again.restore(JSON.parse(JSON.stringify(window.toDocument())));
        for (const one of [window, again]) {
          expect(one.sum(0, now_ms)).toBe(expected);
          expect(one.sum(1, now_ms)).toBe(within.length);
        }
      }),
    );
  });
});
