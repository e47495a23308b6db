import { expect, test } from "vitest";
import { drawProcessing_ms } from "./demand.ts";
import { createRng } from "./rng.ts";

test("by chance no task of the demo fleet takes as long as one that has stalled", () => {
  const drawing = (factor: number) => ({ logNormal: (median_ms: number) => factor * median_ms });
  expect([0.001, 1, 3, 10].map((factor) => drawProcessing_ms(drawing(factor), 8000))).toEqual([
    50, 8000, 24_000, 28_000,
  ]);
  const rng = createRng(1);
  const drawn_ms = Array.from({ length: 100_000 }, () => drawProcessing_ms(rng, 8000));
  expect(Math.max(...drawn_ms)).toBe(28_000);
  expect(drawn_ms.filter((time_ms) => time_ms < 8000).length).toBeGreaterThan(49_000);
});
