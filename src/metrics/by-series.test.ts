import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BySeries } from "./by-series.ts";

const word = fc.constantFrom("a", "b", "a b", "", "constructor");
const name = fc.record({
  scope: fc.constantFrom("system" as const, "worker" as const),
  metric: word,
  entity: word,
});

describe("a map by series", () => {
  it("answers as a map by all three of their names", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.option(fc.nat()))), (changes) => {
        const series = new BySeries<number>();
        const plain = new Map<string, number>();
        for (const [one, value] of changes) {
          const key = JSON.stringify([one.scope, one.metric, one.entity]);
          if (value === null) {
            series.delete(one);
            plain.delete(key);
          } else {
            series.set(one, value);
            plain.set(key, value);
          }
          expect(series.get(one)).toBe(plain.get(key));
          expect(series.size).toBe(plain.size);
        }
        expect([...series.values()].sort()).toEqual([...plain.values()].sort());
      }),
    );
  });
});
