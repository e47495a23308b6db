import fc from "fast-check";
import { expect, test } from "vitest";
import { Blocks, BlockWriter } from "./blocks.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";

test("many runs that grow and begin anew side by side keep their own bytes", () => {
  const step = fc.record({
    run: fc.nat(4),
    write: fc.oneof(
      fc.record({ varint: fc.integer({ min: 0, max: 2 ** 52 }) }),
      fc.record({ double: fc.double({ noNaN: true }) }),
      fc.record({ append: fc.uint8Array({ maxLength: 300 }) }),
      fc.constant({ clear: true } as const),
    ),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const blocks = new Blocks();
      const runs = Array.from({ length: 5 }, () => ({
        inBlocks: new BlockWriter(blocks),
        inOne: new ByteWriter(),
      }));
      for (const { run, write } of steps) {
        const { inBlocks, inOne } = runs[run]!;
        if ("clear" in write) {
          inBlocks.clear();
          runs[run]!.inOne = new ByteWriter();
          continue;
        }
        for (const writer of [inBlocks, inOne]) {
          if ("varint" in write) writer.varint(write.varint);
          else if ("double" in write) writer.double(write.double);
          else writer.append(write.append);
        }
      }
      for (const { inBlocks, inOne } of runs) {
        expect(inBlocks.length).toBe(inOne.length);
        expect(inBlocks.bytes()).toEqual(inOne.bytes());
      }
    }),
  );
});

test("blocks that were given back are used again, whichever run they were of", () => {
  const blocks = new Blocks();
  const bytes = new Uint8Array(1_000_000).fill(7);
  const held: number[] = [];
  for (let round = 0; round < 20; round += 1) {
    const writers = [new BlockWriter(blocks), new BlockWriter(blocks)];
    for (const writer of writers) writer.append(bytes);
    for (const writer of writers)
      expect(new ByteReader(writer.bytes()).varints(2)).toEqual(Float64Array.of(7, 7));
    for (const writer of writers) {
      writer.clear();
      writer.clear();
    }
    held.push(blocks.held_bytes);
  }
  expect(new Set(held).size).toBe(1);
  expect(held[0]).toBeGreaterThan(2_000_000);
});
