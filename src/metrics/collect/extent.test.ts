import fc from "fast-check";
import { expect, test } from "vitest";
import { type Extent, ExtentReader } from "./extent.ts";

const NO_LIMITS = { depth: Number.POSITIVE_INFINITY, parts: Number.POSITIVE_INFINITY, fields: 1e9 };

/** Read in pieces of so many characters. */
function extentOf(text: string, limits: Extent, piece = text.length): Extent {
  const reader = new ExtentReader(text, limits);
  while (reader.read(piece));
  return reader.extent;
}

/** The same of the value itself, the slow way. */
function extentOfValue(value: unknown): Extent {
  if (typeof value !== "object" || value === null) return { depth: 0, parts: 0, fields: 0 };
  const inner = Object.values(value).map(extentOfValue);
  const most = (key: keyof Extent) => Math.max(0, ...inner.map((one) => one[key]));
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return {
    depth: 1 + most("depth"),
    parts: 1 + inner.reduce((sum, one) => sum + one.parts, 0),
    fields: Math.max(own, most("fields")),
  };
}

test("is what the value has, whatever its texts are made of", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom('"', "\\", '\\"', "[{:", "}]", '{"a":[1]}'),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ depthSize: "small" }, text, fc.double(), fc.constant(null), tie("list"), tie("object")),
    list: fc.array(tie("tree"), { maxLength: 4 }),
    object: fc.dictionary(text, tie("tree"), { maxKeys: 4 }),
  }));
  fc.assert(
    fc.property(
      tree,
      fc.constantFrom(undefined, 1, "\t"),
      fc.integer({ min: 1, max: 9 }),
      (value, space, piece) => {
        const text = JSON.stringify(value, null, space);
        expect(extentOf(text, NO_LIMITS)).toEqual(extentOfValue(value));
        expect(extentOf(text, NO_LIMITS, piece)).toEqual(extentOfValue(value));
      },
    ),
  );
});

test("is told as soon as a limit is passed", () => {
  const limits = { depth: 3, parts: 5, fields: 2 };
  expect(extentOf("[".repeat(1e6), limits).depth).toBe(4);
  expect(extentOf("[],".repeat(1e6), limits).parts).toBe(6);
  expect(extentOf('"a":1,'.repeat(1e6), limits).fields).toBe(3);
});

test("of what is no JSON ends too", () => {
  for (const text of ["", '"', '"\\', "]]]]", '{"a', ":", "}:{"])
    expect(extentOf(text, NO_LIMITS).depth).toBeLessThan(2);
});
