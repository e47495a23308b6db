import { expect, it } from "vitest";
import { Recent } from "./recent.ts";

const START_MS = 1_700_000_000_000;

it("steps are aligned to the epoch, closed, and keep a one-second spike", () => {
  const recent = new Recent(START_MS, () => []);
  for (let s = 0; s < 60; s += 1) recent.set("m", START_MS + s * 1000, s === 12 ? 100 : 1);
  const { at_ms, mean, max } = recent.series("m", START_MS + 62_000, 1, 5);
  expect(at_ms[0]).toBe(START_MS);
  expect(at_ms.at(-1)).toBe(START_MS + 55_000);
  expect([mean[2], max[2]]).toEqual([20.8, 100]);
});

it("a gap stays a gap", () => {
  const recent = new Recent(START_MS, () => []);
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
  const recent = new Recent(START_MS, () => []);
  recent.set("m", START_MS, 1);
  recent.set("m", START_MS + 3 * 86_400_000, 2);
  const { mean } = recent.series("m", START_MS + 3 * 86_400_000 + 1000, 60, 1);
  expect(mean.filter((v) => v !== null)).toEqual([2]);
  expect(recent.series("unheard", START_MS, 1, 5).mean.every((v) => v === null)).toBe(true);
});

it("after a restart the hour before it is read back when somebody asks, once, and what came since stands", () => {
  const asked: string[] = [];
  const began_ms = START_MS + 1800_000;
  const recent = new Recent(began_ms, (metric, from_ms, to_ms) => {
    asked.push(`${metric} ${(from_ms - START_MS) / 1000} ${(to_ms - START_MS) / 1000}`);
    return [
      [began_ms - 2000, 1],
      [began_ms, 2],
    ];
  });
  recent.set("m", began_ms, 3);
  expect(asked).toEqual([]);
  const read = () => recent.series("m", began_ms + 1000, 1, 1).mean.slice(-3);
  expect(read()).toEqual([1, null, 3]);
  expect(read()).toEqual([1, null, 3]);
  expect(asked).toEqual(["m -1798 1800.999"]);
});

it("an hour after a restart nothing is read back", () => {
  const recent = new Recent(START_MS, () => {
    throw new Error("is not asked");
  });
  recent.set("m", START_MS + 3_600_000, 1);
  expect(recent.series("m", START_MS + 3_601_000, 1, 1).mean.at(-1)).toBe(1);
});
