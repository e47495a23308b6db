import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Rarity } from "./rarity.ts";

function learnt(sizes: readonly number[]): Rarity {
  const rarity = new Rarity(2);
  for (const size of sizes) rarity.learn(0, size);
  return rarity;
}

const TO_1000 = Array.from({ length: 1000 }, (_, i) => i + 1);

describe("the rank of a size", () => {
  it("is 3.3 where none was as large, 2.8 where one was, and 0 for nothing", () => {
    const rarity = learnt([...Array(999).fill(1), 50]);
    expect(rarity.rank(0, 100)).toBeCloseTo(3.3, 1);
    expect(rarity.rank(0, 20)).toBeCloseTo(2.8, 1);
    expect(rarity.rank(0, 1)).toBe(0);
    expect(rarity.rank(0, 0)).toBe(0);
  });

  it("says less while little is learnt", () => {
    expect(learnt([1, 1, 1]).rank(0, 100)).toBeLessThan(1.5);
  });

  it("is of its own kind", () => {
    const rarity = learnt(TO_1000);
    for (let i = 0; i < 1000; i += 1) rarity.learn(1, 1e6);
    expect(rarity.rank(0, 1e6)).toBeCloseTo(3.3, 1);
    expect(rarity.rank(1, 1e6)).toBe(0);
  });
});

describe("the border of the usual range", () => {
  it("is unknown until it has moved twice, and then what was learnt by the first time", () => {
    const rarity = learnt(TO_1000);
    rarity.moveBorder(0);
    expect(rarity.beyond(0, 1e9, 1)).toBe(0);
    for (let i = 0; i < 1000; i += 1) rarity.learn(0, 1e5);
    rarity.moveBorder(0);
    expect(rarity.border(0)).toBeGreaterThanOrEqual(999);
    expect(rarity.border(0)).toBeLessThan(1300);
    rarity.moveBorder(0);
    expect(rarity.border(0)).toBeGreaterThanOrEqual(1e5);
  });

  it("is worth 4 at its double and 8 at four times", () => {
    const rarity = learnt(TO_1000);
    rarity.moveBorder(0);
    rarity.moveBorder(0);
    const border = rarity.border(0);
    expect(rarity.beyond(0, border, 1)).toBe(0);
    expect(rarity.beyond(0, 2 * border, 1)).toBeCloseTo(4);
    expect(rarity.beyond(0, 4 * border, 1)).toBeCloseTo(8);
    expect(rarity.beyond(0, 4 * border, 2 * border)).toBeCloseTo(4);
  });

  it("is 0 where all was nothing", () => {
    const rarity = learnt(Array(1000).fill(0));
    rarity.moveBorder(0);
    rarity.moveBorder(0);
    expect(rarity.border(0)).toBe(0);
    expect(rarity.beyond(0, 4, 2)).toBeCloseTo(4);
  });
});

describe("what is learnt", () => {
  it("is halved when it is full", () => {
    const rarity = new Rarity(1);
    const full = Array.from({ length: 40_000 }, () => rarity.learn(0, 1)).filter(Boolean);
    expect(full).toHaveLength(1);
    expect(rarity.learnt(0)).toBe(20_000);
  });

  it("keeps telling sizes apart when far larger ones come", () => {
    const rarity = learnt(TO_1000);
    rarity.learn(0, 1e25);
    expect(rarity.rank(0, 1e26)).toBeCloseTo(3.3, 1);
    expect(rarity.rank(0, 1e24)).toBeCloseTo(2.8, 1);
  });

  it("ranks a larger size no lower, whatever was learnt, and survives being kept", () => {
    const size = fc.double({ min: 0, max: 1e31, noNaN: true });
    fc.assert(
      fc.property(fc.array(size), size, size, (sizes, a, b) => {
        const rarity = learnt(sizes);
        expect(rarity.rank(0, Math.max(a, b))).toBeGreaterThanOrEqual(rarity.rank(0, Math.min(a, b)));
        const again = new Rarity(2);
        again.restore(JSON.parse(JSON.stringify(rarity.toState())));
        expect(again.rank(0, a)).toBe(rarity.rank(0, a));
        expect(again.toState()).toEqual(rarity.toState());
      }),
    );
  });
});
