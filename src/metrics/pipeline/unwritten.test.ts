import fc from "fast-check";
import { expect, test } from "vitest";
import { WaitingSamples } from "./unwritten.ts";

test("samples wait in the order in which they came, however many come and are left out in between", () => {
  const step = fc.oneof(fc.record({ push: fc.nat(3000) }), fc.record({ drop: fc.nat(3000) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const samples = new WaitingSamples();
      let expected: number[] = [];
      let next = 1;
      for (const one of steps) {
        if ("push" in one) {
          for (let i = 0; i < one.push; i += 1) {
            samples.push(next, next * 1000, next / 2);
            expected.push(next);
            next += 1;
          }
        } else {
          samples.drop(one.drop);
          expected = expected.slice(one.drop);
        }
        expect(samples.length).toBe(expected.length);
        const { series, at_ms, values } = samples.first(expected.length + 1);
        expect(Array.from(series)).toEqual(expected);
        expect(Array.from(at_ms)).toEqual(expected.map((n) => n * 1000));
        expect(Array.from(values)).toEqual(expected.map((n) => n / 2));
        expect(Array.from(samples.first(7).series)).toEqual(expected.slice(0, 7));
        expect(samples.oldest_ms).toBe(
          expected.length === 0 ? Number.POSITIVE_INFINITY : expected[0]! * 1000,
        );
      }
    }),
  );
});
