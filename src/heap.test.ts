import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LiveHeap } from "./heap.ts";

const MIB = 2 ** 20;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

let heap: LiveHeap;
beforeEach(() => {
  heap = new LiveHeap();
});
afterEach(() => heap.close());

/** Objects that take so much of the heap. */
function fill(bytes: number): object[] {
  return Array.from({ length: bytes / MIB }, () => new Array(MIB / 8).fill(1.5));
}

test("what lives in the heap is counted, and garbage is not", async () => {
  collect();
  const before = await vi.waitUntil(() => heap.bytes);
  fill(64 * MIB);
  expect(heap.bytes).toBeLessThan(before + 32 * MIB);
  const held = fill(64 * MIB);
  collect();
  await vi.waitUntil(() => heap.bytes! > before + 48 * MIB);
  expect(held).toHaveLength(64);
});
