import fc from "fast-check";
import { expect, test } from "vitest";
import { inOrder, sortedInSteps } from "./select.ts";

const byNumber = (a: readonly [number, number], b: readonly [number, number]) => a[0] - b[0] || a[1] - b[1];
const numbers = (values: readonly number[]) => values.map((value, index) => [value, index] as const);

test("any ranks of anything come as a whole sort would give them", () => {
  const values = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 3000, size: "max" });
  fc.assert(
    fc.property(values, fc.nat(3000), fc.nat(100), (given, from, count) => {
      const sorted = numbers(given).sort(byNumber);
      expect(inOrder(numbers(given), from, from + count, byNumber)).toEqual(sorted.slice(from, from + count));
    }),
    { numRuns: 60 },
  );
});

test("the first and the last of many take few comparisons each", () => {
  for (const from of [0, 49_950, 99_950]) {
    let comparisons = 0;
    const values = Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 100_003);
    inOrder(numbers(values), from, from + 50, (a, b) => {
      comparisons += 1;
      return byNumber(a, b);
    });
    expect(comparisons).toBeLessThan(400_000);
  }
});

test("sorted in steps, all come in order, each once, with a rest at least every few thousand", () => {
  const values = numbers(Array.from({ length: 10_000 }, (_, index) => (index * 31) % 997));
  const came = [...sortedInSteps(values, byNumber)];
  expect(came.filter((item) => item !== undefined)).toEqual([...values].sort(byNumber));
  expect(came.slice(0, 5)).toEqual([undefined, undefined, undefined, undefined, undefined]);
  expect([...sortedInSteps([], byNumber)]).toEqual([]);
});
