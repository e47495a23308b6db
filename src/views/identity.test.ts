import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HOSTILE } from "./fixture.ts";
import { byNaturalOrder, domId, idFromSegment, pathSegment, shortLabels } from "./identity.ts";

describe("an element's id", () => {
  test.each(HOSTILE)("is plain whatever the name: %s", (name) => {
    expect(domId("wg", name)).toMatch(/^wg-[\w-]{10}$/);
  });

  test("is the same each time and differs between names", () => {
    expect(domId("wg", "W1")).toBe(domId("wg", "W1"));
    expect(new Set(HOSTILE.map((name) => domId("wg", name))).size).toBe(HOSTILE.length);
  });
});

describe("a path segment", () => {
  test.each([
    ["worker 1/2", "worker%201%2F2"],
    [".", "~."],
    ["..", "~.."],
    ["history", "~history"],
    ["~x", "~~x"],
  ])("of %s is %s", (id, segment) => {
    expect(pathSegment(id)).toBe(segment);
  });

  test("leads back to its id", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (id) => {
        expect(idFromSegment(decodeURIComponent(pathSegment(id)))).toBe(id);
      }),
    );
  });

  test("is never a step up, a step in place or empty, and a broken character does not throw", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1 }), (id) => {
        expect(pathSegment(id)).toMatch(/^(?!\.{1,2}$)[^/?#]+$/);
      }),
    );
    expect(pathSegment("\ud800")).toBe("%EF%BF%BD");
  });
});

describe("natural order", () => {
  test("puts numbers by their size", () => {
    expect(["W10", "W9", "w1", "W02"].sort(byNaturalOrder)).toEqual(["w1", "W02", "W9", "W10"]);
  });

  test("is total: equal only for the same name, and the reverse of its reverse", () => {
    const name = fc.stringMatching(/^[a-zA-Z0]{0,3}[0-9]{0,3}$/);
    fc.assert(
      fc.property(name, name, (a, b) => {
        expect(byNaturalOrder(a, b) === 0).toBe(a === b);
        expect(Math.sign(byNaturalOrder(a, b)) + Math.sign(byNaturalOrder(b, a))).toBe(0);
      }),
    );
  });
});

describe("short labels", () => {
  test("leave out what all names begin with", () => {
    expect(shortLabels(["worker-gpu-01", "worker-cpu-02"], 6)).toEqual(["gpu-01", "cpu-02"]);
  });

  test("take as many of the last words as fit where that tells them apart", () => {
    expect(shortLabels(["worker-gpu-01"], 11)).toEqual(["gpu-01"]);
    expect(shortLabels(["a-gpu-01-x", "b-gpu-02-y"], 6)).toEqual(["01-x", "02-y"]);
  });

  test("take the first letters that tell them apart where the words do not", () => {
    expect(shortLabels(["pod-2e6ae913", "pod-fd0116f4"], 6)).toEqual(["2e6a", "fd01"]);
    expect(shortLabels(["alpha-long-01", "betaa-long-01"], 6)).toEqual(["alph", "beta"]);
  });

  test("else keep the end of the name", () => {
    const ids = ["samestart1xx_", "samestart2xx_"];
    expect(shortLabels(ids, 6)).toEqual(["…t1xx_", "…t2xx_"]);
  });

  test("keep the only name", () => {
    expect(shortLabels(["worker-1"], 11)).toEqual(["worker-1"]);
    expect(shortLabels([], 6)).toEqual([]);
  });
});
