import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { packBits, unpackBits } from "./bits.ts";
import { ByteReader, ByteWriter, unzigzag, zigzag } from "./bytes.ts";
import { decodeChunk, encodeChunk } from "./codec.ts";
import { Column, layOutColumn } from "./column.ts";
import { HeadRow, readHeadRow } from "./head.ts";
import { emptyHour, type HourValues, quantize, SLOTS } from "./values.ts";

const slot = fc.integer({ min: 0, max: SLOTS - 1 });
const double = fc.double({ noNaN: true, noDefaultInfinity: true });
/** What metrics are made of: percentages, bytes, counts, and now and then something absurd. */
const value = fc.oneof(
  fc.double({ min: 0, max: 100, noNaN: true }),
  fc.nat(2 ** 40).map((pages) => pages * 4096),
  fc.integer({ min: -3, max: 3 }),
  double,
);
const precision = fc.option(fc.integer({ min: -6, max: 4 }), { nil: null });
const entries = fc.array(fc.tuple(slot, value), { minLength: 1, maxLength: 300 });

function scaleOf(precision: number | null): number | null {
  return precision === null ? null : 10 ** precision;
}

function hourOf(entries: readonly (readonly [number, number])[], precision: number | null): HourValues {
  const values = emptyHour();
  for (const [at, value] of entries) values[at] = quantize(value, scaleOf(precision));
  return values;
}

/** The seconds at which two hours differ, as the second and both values. */
function differences(a: HourValues, b: HourValues): number[][] {
  return Array.from(a, (value, i) => [i, value, b[i]!]).filter(([, a, b]) => !Object.is(a, b));
}

function decoded(chunk: Uint8Array): HourValues {
  const values = emptyHour();
  decodeChunk(chunk, values);
  return values;
}

describe("a chunk", () => {
  test("decodes to what was sealed, whatever the seconds, values and precision", () => {
    fc.assert(
      fc.property(entries, precision, (entries, precision) => {
        const values = hourOf(entries, precision);
        expect(differences(decoded(encodeChunk(values, precision)), values)).toEqual([]);
      }),
    );
  });

  test("decodes over what is there already", () => {
    const values = hourOf([[0, 1]], 0);
    decodeChunk(encodeChunk(hourOf([[1, 2]], 0), 0), values);
    expect([...values.subarray(0, 3)]).toEqual([1, 2, Number.NaN]);
  });

  test("of a constant at a steady interval is a dozen bytes, of noise no more than its bits", () => {
    const constant = hourOf(
      Array.from({ length: 720 }, (_, i) => [i * 5, 42] as const),
      1,
    );
    expect(encodeChunk(constant, 1).length).toBeLessThan(16);
    let random = 1;
    const noise = hourOf(
      Array.from({ length: SLOTS }, (_, i) => {
        random = (random * 16807) % 2147483647;
        return [i, (random % 1024) / 10] as const;
      }),
      1,
    );
    expect(encodeChunk(noise, 1).length).toBeLessThan((SLOTS * 10) / 8 + 20);
  });

  test("that was cut off is an error, never wrong samples", () => {
    const chunk = encodeChunk(hourOf([[0, 1.5], [7, 2]], null), null); // biome-ignore format: one thought
    expect(() => decoded(chunk.subarray(0, 5))).toThrow();
    expect(() => decoded(Uint8Array.of(99, 0, ...chunk.subarray(2)))).toThrow();
  });
});

describe("a column", () => {
  test("lays out the newest value of each second, in whatever order they came", () => {
    fc.assert(
      fc.property(entries, precision, (entries, precision) => {
        const scale = scaleOf(precision);
        const column = new Column(0, 1, scale);
        for (const [at, value] of entries) column.add(at, quantize(value, scale));
        const values = emptyHour();
        layOutColumn(column.snapshot(), scale, values);
        expect(differences(values, hourOf(entries, precision))).toEqual([]);
      }),
    );
  });

  test("that gets the same seconds over and over stays small", () => {
    const column = new Column(0, 1, 10);
    for (let i = 0; i < 200_000; i++) column.add(i % 2, i % 1000);
    const { bytes } = column.snapshot();
    expect(bytes.length).toBeLessThan(100_000);
    const values = emptyHour();
    layOutColumn({ exact: false, bytes }, 10, values);
    expect([values[0], values[1], values[2]]).toEqual([998, 999, Number.NaN]);
  });
});

test("a head row gives back its samples in their order", () => {
  const sample = fc.tuple(fc.integer({ min: 1, max: 2 ** 32 - 1 }), fc.nat(2 ** 31), double);
  fc.assert(
    fc.property(fc.array(sample), fc.nat(2 ** 31), (samples, tick_second) => {
      const row = new HeadRow(tick_second);
      for (const [series, second, value] of samples) row.add(series, second, value + 0);
      const read: [number, number, number][] = [];
      readHeadRow(tick_second * 1000 + 999, row.toString(), (...sample) => read.push(sample));
      expect(read).toEqual(samples.map(([series, second, value]) => [series, second, value + 0]));
    }),
  );
});

test("varints, zigzag and doubles come back as they were written", () => {
  const whole = fc.integer({ min: -(2 ** 51), max: 2 ** 51 });
  fc.assert(
    fc.property(fc.array(fc.tuple(whole, double)), (pairs) => {
      const writer = new ByteWriter();
      for (const [number, value] of pairs) {
        writer.varint(zigzag(number));
        writer.double(value);
      }
      const reader = new ByteReader(writer.bytes());
      for (const [number, value] of pairs) {
        expect(unzigzag(reader.varint()) + 0).toBe(number + 0);
        expect(reader.double()).toBe(value);
      }
      expect(reader.done).toBe(true);
      expect(() => reader.byte()).toThrow(RangeError);
    }),
  );
});

test("bits come back as they were packed, at every width", () => {
  const width = fc.integer({ min: 0, max: 24 });
  const packed = width.chain((width) =>
    fc.tuple(fc.constant(width), fc.array(fc.integer({ min: 0, max: 2 ** width - 1 }))),
  );
  fc.assert(
    fc.property(packed, ([width, numbers]) => {
      const writer = new ByteWriter();
      packBits(writer, numbers, width);
      expect([...unpackBits(writer.view(), numbers.length, width)]).toEqual(numbers);
    }),
  );
});
