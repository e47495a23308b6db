import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BitReader, BitWriter, MAX_WIDTH } from "./bits.ts";
import { Blocks } from "./blocks.ts";
import { ByteReader, ByteWriter, unzigzag, zigzag } from "./bytes.ts";
import { decodeChunk, encodeChunk } from "./codec.ts";
import { Column, layOutColumn } from "./column.ts";
import { decodeNumbers, encodeNumbers, modelOf, NUMBER_LIMIT } from "./entropy.ts";
import { headRow, readHeadRow } from "./head.ts";
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

/** Values at a steady interval, each a step from the one before: as small, or as large, as steps may be. */
const walk = fc
  .tuple(
    fc.constantFrom(1, 1, 2, 60),
    fc.double({ min: -(2 ** 47), max: 2 ** 47, noNaN: true }),
    fc.constantFrom(0, 1, 40, 2 ** 20, 2 ** 23, 2 ** 38),
    fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: SLOTS }),
  )
  .map(([interval, start, step, thousandths]) => {
    let value = start;
    return thousandths.slice(0, SLOTS / interval).map((thousandth, i) => {
      value += (step * thousandth) / 1000;
      return [i * interval, value] as const;
    });
  });

/** What older versions of this program sealed in the chunks of the test below. */
const planes = hourOf(
  Array.from({ length: 12 }, (_, i) => [i * 5, [0.1, -2.5, 1e300][i % 3]!]),
  null,
);
const scattered = hourOf(
  Array.from({ length: 20 }, (_, i) => [i * 60, (i * 7919) % 13]),
  0,
);
const rising = hourOf(
  Array.from({ length: 60 }, (_, i) => [i * 10, i * 1000 + [0, 3, 1][i % 3]!]),
  0,
);
const repeated = hourOf(
  Array.from({ length: 200 }, (_, i) => [i, [5, 9, 5, 5, 12, 5, 9][i % 7]! * (i % 11 < 6 ? 1 : 3)]),
  0,
);

/** The same each time. */
function randomAt(i: number): number {
  return Math.imul(i + 1, 2654435761) >>> 7;
}

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

  test("of a source's steady reports decodes to them, over all that they may be", () => {
    fc.assert(
      fc.property(walk, precision, (walk, precision) => {
        const values = hourOf(walk, precision);
        expect(differences(decoded(encodeChunk(values, precision)), values)).toEqual([]);
      }),
    );
  });

  test.each([
    ["doubles in planes", "AADjYWXgmcUwB45mMpQiIQYk1IGEbJDQEzjayWIOR/YH6uAIAA==", planes],
    ["packed bits", "AgATsWEQYWBkYAEDUSSSBQA=", scattered],
    ["deltas", "AgCz4WKwYWBkuMZ/hv8cP71JAA==", rising],
    ["levels", "AwDFzLEJADAQAkAfhAcHsM3+m2SsoEukveLuDO5oQGBhWVoQhI6sIoOniKCLCKq4QRUZ9MfsAQ==", repeated],
  ])("of each older kind is still read: %s", (_, chunk, values) => {
    expect(differences(decoded(Buffer.from(chunk, "base64")), values)).toEqual([]);
  });

  test("of a level that goes on by its last step takes what its noise takes", () => {
    // A noise of four values is 2 bits, and on top of it lies what no difference of neighbours would find.
    let [level, step] = [0, 0];
    const values = hourOf(
      Array.from({ length: SLOTS }, (_, i) => {
        step = 0.9 * step + (randomAt(i) % 50 === 0 ? 100 : 0);
        level += step;
        return [i, Math.round(level) + (randomAt(i + SLOTS) % 4)] as const;
      }),
      0,
    );
    expect(encodeChunk(values, 0).length).toBeLessThan((SLOTS * 3.5) / 8);
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
        const column = new Column(0, 1, scale, new Blocks());
        for (const [at, value] of entries) column.add(at, quantize(value, scale));
        const values = emptyHour();
        layOutColumn(column.snapshot(), scale, values);
        expect(differences(values, hourOf(entries, precision))).toEqual([]);
      }),
    );
  });

  test("that gets the same seconds over and over stays small", () => {
    const column = new Column(0, 1, 10, new Blocks());
    for (let i = 0; i < 200_000; i++) column.add(i % 2, i % 1000);
    const { bytes } = column.snapshot();
    expect(bytes.length).toBeLessThan(100_000);
    const values = emptyHour();
    layOutColumn({ exact: false, bytes }, 10, values);
    expect([values[0], values[1], values[2]]).toEqual([998, 999, Number.NaN]);
  });
});

test("a head row gives back its samples in their order", () => {
  const few = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(1), double);
  const sample = fc.tuple(fc.integer({ min: 1, max: 2 ** 32 - 1 }), fc.nat(2 ** 31), double);
  fc.assert(
    fc.property(fc.array(fc.oneof(few, sample)), fc.nat(2 ** 31), (samples, tick_second) => {
      const column = (i: 0 | 1 | 2) => samples.map((sample) => sample[i] + 0);
      const row = headRow(tick_second, column(0), column(1), column(2));
      const read: [number, number, number][] = [];
      readHeadRow(tick_second * 1000 + 999, row, (...sample) => read.push(sample));
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

test("bits come back as they were written, at every width", () => {
  const width = fc.integer({ min: 0, max: MAX_WIDTH });
  const field = width.chain((width) => fc.tuple(fc.nat(2 ** width - 1), fc.constant(width)));
  fc.assert(
    fc.property(fc.array(field), fc.integer({ min: 1, max: 2 ** MAX_WIDTH }), (fields, number) => {
      const writer = new BitWriter();
      for (const [value, width] of fields) writer.write(value, width);
      writer.writeGamma(number);
      const reader = new BitReader(writer.bytes());
      for (const [value, width] of fields) expect(reader.read(width)).toBe(value);
      expect(reader.readGamma()).toBe(number);
      expect(() => reader.read(8)).toThrow(RangeError);
    }),
  );
});

describe("coded numbers", () => {
  const number = fc.oneof(fc.nat(3), fc.nat(100), fc.nat(NUMBER_LIMIT - 1));
  const numbers = fc.array(number, { minLength: 1, maxLength: 500 }).map((list) => Int32Array.from(list));

  function coded(numbers: Int32Array): Uint8Array {
    return encodeNumbers(numbers, modelOf(numbers)).slice();
  }

  test("come back, whatever they are", () => {
    fc.assert(
      fc.property(numbers, (numbers) => {
        expect(decodeNumbers(coded(numbers), numbers.length)).toEqual(numbers);
      }),
    );
  });

  test("that are all the same take no bits of their own", () => {
    const bytes = coded(new Int32Array(SLOTS).fill(7));
    expect(bytes.length).toBeLessThan(16);
    expect(decodeNumbers(bytes, SLOTS)).toEqual(new Int32Array(SLOTS).fill(7));
  });

  test("take little more than their entropy", () => {
    // One in four is a 1, the others are 0: 0.811 bits each.
    const numbers = Int32Array.from({ length: SLOTS }, (_, i) => (randomAt(i) % 4 === 0 ? 1 : 0));
    expect(coded(numbers).length).toBeLessThan((SLOTS * 0.811 * 1.04) / 8);
  });

  test("that were cut off or have a byte too much are an error", () => {
    fc.assert(
      fc.property(
        numbers,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (numbers, share) => {
          const bytes = coded(numbers);
          const cut = bytes.subarray(0, Math.floor(share * bytes.length));
          expect(() => decodeNumbers(cut, numbers.length)).toThrow(RangeError);
          expect(() => decodeNumbers(Uint8Array.of(...bytes, 0), numbers.length)).toThrow(RangeError);
        },
      ),
    );
  });
});
