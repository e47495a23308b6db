import fc from "fast-check";
import { expect, test } from "vitest";
import { shown } from "./must-be.ts";

test("a value is shown as JSON, cut short, as if all of it had been written", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const whole = JSON.stringify(value);
      expect(shown(value)).toBe(whole.length > 80 ? `${whole.slice(0, 80)}…` : whole);
    }),
  );
  expect(shown(undefined)).toBe("nothing");
});

test("of a large value only the beginning is written", () => {
  let asked = 0;
  const part = {
    toJSON: () => {
      asked += 1;
      return "x";
    },
  };
  const text = shown(Array.from({ length: 1e5 }, () => part));
  expect([text.length, asked]).toEqual([81, 80]);
});
