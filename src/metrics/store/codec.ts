import { deflateRawSync, inflateRawSync } from "node:zlib";
import { scaleOf } from "../catalogue.ts";
import { BitReader, BitWriter, MAX_WIDTH } from "./bits.ts";
import { ByteReader, ByteWriter, unzigzag, zigzag } from "./bytes.ts";
import { decodeNumbers, encodeNumbers } from "./entropy.ts";
import { LEVEL_LIMIT, predict, weigh } from "./prediction.ts";
import { type HourValues, SLOTS, scaledOf } from "./values.ts";

/** How a chunk's samples are written; the numbers are in the files and stay. */
const FORMAT = {
  /** Doubles in eight planes (all first bytes, all second bytes …), deflated. */
  doubles: 0,
  /** Whole numbers above the smallest, packed into as few bits as the largest needs. */
  packed: 1,
  /** Whole numbers as zigzag varint deltas, deflated. */
  deltas: 2,
  /** Whole numbers above the smallest as varints, deflated: noise around a level has no good deltas. */
  levels: 3,
  /** Whole numbers by what they differ from a prediction, as few bits as that takes: most chunks. */
  predicted: 4,
} as const;

const DEFLATE = { level: 6 };

/**
 * Seals an hour: the smallest of the formats, exact to the metric's precision.
 *
 * @param values at least one of them not NaN
 * @param precision as the catalogue has it, or null where doubles are kept exactly
 */
export function encodeChunk(values: HourValues, precision: number | null): Uint8Array {
  const slots: number[] = [];
  for (let slot = 0; slot < SLOTS; slot++) if (!Number.isNaN(values[slot]!)) slots.push(slot);
  const scaled = precision === null ? null : scaledValues(values, slots, scaleOf(precision));
  if (!scaled) return encodeDoubles(values, slots);
  const candidates = encodeWhole(slots, scaled, precision!);
  return candidates.reduce((best, next) => (next.length < best.length ? next : best));
}

function scaledValues(values: HourValues, slots: readonly number[], scale: number): number[] | null {
  const scaled: number[] = [];
  for (const slot of slots) {
    const whole = scaledOf(values[slot]!, scale);
    if (whole === null) return null;
    scaled.push(whole);
  }
  return scaled;
}

function encodeDoubles(values: HourValues, slots: readonly number[]): Uint8Array {
  const doubles = new ByteWriter(slots.length * 8);
  for (const slot of slots) doubles.double(values[slot]!);
  const rows = doubles.view();
  const body = new ByteWriter(slots.length * 8 + 16);
  writeSlots(body, slots);
  for (let plane = 0; plane < 8; plane++) {
    for (let i = plane; i < rows.length; i += 8) body.byte(rows[i]!);
  }
  return framed(FORMAT.doubles, 0, deflateRawSync(body.view(), DEFLATE));
}

/** Each value is base + level · unit: bytes often come in pages, percentages in whole steps. */
function encodeWhole(slots: readonly number[], scaled: readonly number[], precision: number): Uint8Array[] {
  const base = Math.min(...scaled);
  const unit = commonDivisor(scaled, base);
  const levels = scaled.map((value) => (value - base) / unit);
  const largest = levels.reduce((a, b) => Math.max(a, b), 0);

  const start = new ByteWriter();
  writeSlots(start, slots);

  /** @param zero_level the level from which `write` tells the others */
  function body(write: (writer: ByteWriter) => void, zero_level = 0): Uint8Array {
    const writer = new ByteWriter(slots.length * 2 + start.length);
    writer.append(start.view());
    writer.varint(zigzag(base + zero_level * unit));
    writer.varint(unit);
    write(writer);
    return writer.view();
  }

  const deltas = body((writer) => {
    let previous = 0;
    for (const level of levels) {
      writer.varint(zigzag(level - previous));
      previous = level;
    }
  });
  const plain = body((writer) => {
    for (const level of levels) writer.varint(level);
  });
  const candidates = [
    framed(FORMAT.deltas, precision, deflateRawSync(deltas, DEFLATE)),
    framed(FORMAT.levels, precision, deflateRawSync(plain, DEFLATE)),
  ];
  const width = Math.ceil(Math.log2(largest + 1));
  if (width <= MAX_WIDTH) {
    const packed = body((writer) => {
      writer.byte(width);
      const bits = new BitWriter();
      for (const level of levels) bits.write(level, width);
      writer.append(bits.bytes());
    });
    candidates.push(framed(FORMAT.packed, precision, packed));
  }
  if (largest <= LEVEL_LIMIT) {
    // From the first one, so that it needs no bits.
    const [first] = levels as [number];
    const from_first = Int32Array.from(levels, (level) => level - first);
    const predicted = body((writer) => writePredicted(writer, from_first), first);
    candidates.push(framed(FORMAT.predicted, precision, predicted));
  }
  return candidates;
}

function writePredicted(writer: ByteWriter, levels: Int32Array): void {
  const { predictor, residuals, model } = predict(levels);
  for (const weight of [predictor.constant, predictor.newest, predictor.older]) writer.varint(zigzag(weight));
  writer.append(encodeNumbers(residuals, model));
}

function framed(format: number, precision: number, body: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(body.length + 2);
  chunk[0] = format;
  chunk[1] = precision;
  chunk.set(body, 2);
  return chunk;
}

/** Writes the chunk's samples over those of `values`. */
export function decodeChunk(chunk: Uint8Array, values: HourValues): void {
  const format = chunk[0];
  const precision = Int8Array.of(chunk[1]!)[0]!;
  const raw = chunk.subarray(2);
  const deflated = format !== FORMAT.packed && format !== FORMAT.predicted;
  const reader = new ByteReader(deflated ? inflateRawSync(raw) : raw);
  const slots = readSlots(reader);
  if (format === FORMAT.doubles) decodeDoubles(reader.rest(), slots, values);
  else decodeWhole(reader, slots, format, scaleOf(precision), values);
}

function decodeDoubles(planes: Uint8Array, slots: Uint16Array, values: HourValues): void {
  const rows = new ByteWriter(planes.length);
  for (let i = 0; i < slots.length; i++) {
    for (let plane = 0; plane < 8; plane++) rows.byte(planes[plane * slots.length + i]!);
  }
  const reader = new ByteReader(rows.view());
  for (const slot of slots) values[slot] = reader.double();
}

function decodeWhole(
  reader: ByteReader,
  slots: Uint16Array,
  format: number | undefined,
  scale: number,
  values: HourValues,
): void {
  const base = unzigzag(reader.varint());
  const unit = reader.varint();
  if (format === FORMAT.packed) {
    const width = reader.byte();
    const bits = new BitReader(reader.rest());
    for (const slot of slots) values[slot] = (base + bits.read(width) * unit) / scale;
  } else if (format === FORMAT.deltas) {
    const deltas = reader.varints(slots.length);
    let level = 0;
    for (let i = 0; i < slots.length; i++) {
      level += unzigzag(deltas[i]!);
      values[slots[i]!] = (base + level * unit) / scale;
    }
  } else if (format === FORMAT.levels) {
    const levels = reader.varints(slots.length);
    for (let i = 0; i < slots.length; i++) values[slots[i]!] = (base + levels[i]! * unit) / scale;
  } else if (format === FORMAT.predicted) {
    decodePredicted(reader, slots, { base, unit, scale }, values);
  } else {
    throw new RangeError(`a chunk of the unknown format ${format}`);
  }
}

function decodePredicted(
  reader: ByteReader,
  slots: Uint16Array,
  { base, unit, scale }: { base: number; unit: number; scale: number },
  values: HourValues,
): void {
  const constant = unzigzag(reader.varint()) | 0;
  const newest = unzigzag(reader.varint()) | 0;
  const older = unzigzag(reader.varint()) | 0;
  const residuals = decodeNumbers(reader.rest(), slots.length);
  let before = 0;
  let before_that = 0;
  for (let i = 0; i < slots.length; i++) {
    const level = (weigh(constant, newest, older, before, before_that) + unzigzag(residuals[i]!)) | 0;
    values[slots[i]!] = (base + level * unit) / scale;
    before_that = before;
    before = level;
  }
}

/** Seconds as runs of a steady interval: `count, interval`, then `gap, length` of each run, in intervals. */
function writeSlots(writer: ByteWriter, slots: readonly number[]): void {
  const first = slots[0]!;
  const interval = commonDivisor(slots, first);
  writer.varint(slots.length);
  writer.varint(interval);
  writer.varint(first);
  let start = 0;
  while (start < slots.length) {
    let end = start + 1;
    while (end < slots.length && slots[end]! - slots[end - 1]! === interval) end += 1;
    if (start > 0) writer.varint((slots[start]! - slots[start - 1]!) / interval);
    writer.varint(end - start);
    start = end;
  }
}

function readSlots(reader: ByteReader): Uint16Array {
  const slots = new Uint16Array(reader.varint());
  const interval = reader.varint();
  let slot = reader.varint();
  let i = 0;
  while (i < slots.length) {
    if (i > 0) slot += reader.varint() * interval;
    const end = Math.min(slots.length, i + reader.varint());
    slots[i++] = slot;
    for (; i < end; i++) {
      slot += interval;
      slots[i] = slot;
    }
  }
  return slots;
}

/** The largest whole number by which every number's distance from `base` can be divided; 1 where all are equal. */
function commonDivisor(numbers: readonly number[], base: number): number {
  let divisor = 0;
  for (const number of numbers) {
    let rest = Math.abs(number - base);
    while (rest !== 0) [divisor, rest] = [rest, divisor % rest];
    if (divisor === 1) break;
  }
  return divisor || 1;
}
