import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LastValues } from "./last-values.ts";

describe("the last values", () => {
  it("are the newest of all that came, oldest first, with their median", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -1000, max: 1000 })),
        fc.integer({ min: 1, max: 40 }),
        (all, limit) => {
          const last = new LastValues(limit);
          for (const value of all) last.add(value);
          const newest = all.slice(-limit);
          expect(last.length).toBe(newest.length);
          expect(last.toArray()).toEqual(newest);
          const sorted = newest.sort((a, b) => a - b);
          expect(last.median()).toBe(sorted[Math.ceil(sorted.length / 2) - 1] ?? null);
        },
      ),
    );
  });
});
