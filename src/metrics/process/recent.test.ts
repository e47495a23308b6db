import { expect, it } from "vitest";
import { Recent } from "./recent.ts";

const START_MS = 1_700_000_000_000;

it("steps are aligned to the epoch, closed, and keep a one-second spike", () => {
  const recent = new Recent();
  for (let s = 0; s < 60; s += 1) recent.set("m", START_MS + s * 1000, s === 12 ? 100 : 1);
  const { at_ms, mean, max } = recent.series("m", START_MS + 62_000, 1, 5);
  expect(at_ms[0]).toBe(START_MS);
  expect(at_ms.at(-1)).toBe(START_MS + 55_000);
  expect([mean[2], max[2]]).toEqual([20.8, 100]);
});

it("a gap stays a gap", () => {
  const recent = new Recent();
  recent.set("m", START_MS, 1);
  recent.set("m", START_MS + 30_000, 2);
  expect(recent.series("m", START_MS + 35_000, 1, 5).mean.slice(-7)).toEqual([
    1,
    null,
    null,
    null,
    null,
    null,
    2,
  ]);
});

it("what is older than an hour is forgotten, also when nothing came for days", () => {
  const recent = new Recent();
  recent.set("m", START_MS, 1);
  recent.set("m", START_MS + 3 * 86_400_000, 2);
  const { mean } = recent.series("m", START_MS + 3 * 86_400_000 + 1000, 60, 1);
  expect(mean.filter((v) => v !== null)).toEqual([2]);
  expect(recent.series("unheard", START_MS, 1, 5).mean.every((v) => v === null)).toBe(true);
});
