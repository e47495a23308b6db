import { BitReader, BitWriter } from "./bits.ts";
import { ByteReader, ByteWriter, unzigzag, zigzag } from "./bytes.ts";

// Whole numbers in as few bits as their frequencies allow: range asymmetric numeral systems (Duda,
// arXiv:1311.2540), two states in turn so that a processor works on both (Giesen, arXiv:1402.3392).
// Small numbers are symbols of their own; a larger one shares its symbol with its neighbours and has the rest
// beside it as plain bits. Each symbol is coded by one of two tables: after a small number, or a large one.

/** Below it each number has a symbol; from it on each power of two has SHARED symbols. */
const DIRECT = 32;
const DIRECT_BITS = 5;
const SHARED_BITS = 2;
const SHARED = 2 ** SHARED_BITS;
const NUMBER_BITS = 27;
const SYMBOLS = DIRECT + (NUMBER_BITS - DIRECT_BITS) * SHARED;
/** What is coded lies below it. */
export const NUMBER_LIMIT = 2 ** NUMBER_BITS;

/** Of a table all frequencies add up to TOTAL. */
const TOTAL_BITS = 11;
const TOTAL = 2 ** TOTAL_BITS;
/** A state lies between LOW and 2^31: where it would leave that, a word of 16 bits goes out or comes in. */
const LOW = 2 ** 15;
const STATE_BITS = 31;
const STATES_BYTES = 8;

/** Which table a number has depends on whether the one before it is at least 2^(split − 1); 0: one table for all. */
const SPLIT_BITS = 3;
const SPLITS = 2 ** SPLIT_BITS;
/** Two tables must bring what one takes down to this share of it: they are slower to decode by. */
const WORTH_SPLITTING = 0.99;

/** How numbers are to be coded. */
export interface Model {
  readonly split: number;
  /** How often each symbol comes after a small number, and after a large one. */
  readonly counts: readonly [Uint32Array, Uint32Array];
  /** About what the numbers take. */
  readonly bits: number;
}

function symbolOf(number: number): number {
  if (number < DIRECT) return number;
  const power = 31 - Math.clz32(number);
  return DIRECT + (power - DIRECT_BITS) * SHARED + (number >>> (power - SHARED_BITS)) - SHARED;
}

/** How many bits a number has beside its symbol. */
function bitsBeside(symbol: number): number {
  return symbol < DIRECT ? 0 : ((symbol - DIRECT) >> SHARED_BITS) + DIRECT_BITS - SHARED_BITS;
}

/** The smallest number of a symbol from DIRECT on. */
function smallestOf(symbol: number): number {
  return (SHARED + ((symbol - DIRECT) % SHARED)) << bitsBeside(symbol);
}

/** About what the numbers take with one table. @param numbers each below NUMBER_LIMIT */
export function bitsOf(numbers: Int32Array): number {
  const counts = new Uint32Array(SYMBOLS);
  let beside = 0;
  for (let i = 0; i < numbers.length; i++) {
    const symbol = symbolOf(numbers[i]!);
    counts[symbol]! += 1;
    beside += bitsBeside(symbol);
  }
  return beside + tableBits(counts);
}

/** The model that takes the fewest bits. @param numbers each below NUMBER_LIMIT */
export function modelOf(numbers: Int32Array): Model {
  // By how many bits the number before needs, up to SPLITS − 1.
  const by_width = Array.from({ length: SPLITS }, () => new Uint32Array(SYMBOLS));
  let beside = 0;
  let before = 0;
  for (const number of numbers) {
    const symbol = symbolOf(number);
    beside += bitsBeside(symbol);
    by_width[Math.min(SPLITS - 1, 32 - Math.clz32(before))]![symbol]! += 1;
    before = number;
  }
  const small = new Uint32Array(SYMBOLS);
  const large = new Uint32Array(SYMBOLS);
  for (const counts of by_width) addCounts(large, counts, 1);
  let best: Model = { split: 0, counts: [large.slice(), small.slice()], bits: beside + tableBits(large) };
  for (let split = 1; split < SPLITS; split++) {
    addCounts(small, by_width[split - 1]!, 1);
    addCounts(large, by_width[split - 1]!, -1);
    const bits = beside + tableBits(small) + tableBits(large);
    if (bits < WORTH_SPLITTING * best.bits) best = { split, counts: [small.slice(), large.slice()], bits };
  }
  return best;
}

function addCounts(to: Uint32Array, counts: Uint32Array, times: 1 | -1): void {
  for (let symbol = 0; symbol < SYMBOLS; symbol++) to[symbol]! += times * counts[symbol]!;
}

/** About what a table and the symbols that it codes take: the symbols' entropy, and 4 bits for each that occurs. */
function tableBits(counts: Uint32Array): number {
  let total = 0;
  let bits = 0;
  for (const count of counts) {
    if (count === 0) continue;
    total += count;
    bits += 4 - count * Math.log2(count);
  }
  return total === 0 ? 0 : bits + total * Math.log2(total);
}

/** @param model from modelOf */
export function encodeNumbers(numbers: Int32Array, { split, counts }: Model): Uint8Array {
  const bits = new BitWriter();
  bits.write(split, SPLIT_BITS);
  const tables = counts.slice(0, split === 0 ? 1 : 2).map((counts) => writeTable(bits, counts));
  for (const number of numbers) {
    const symbol = symbolOf(number);
    if (symbol >= DIRECT) bits.write(number - smallestOf(symbol), bitsBeside(symbol));
  }
  const beside = bits.bytes();
  const coded = encodeSymbols(numbers, tables, smallBelow(split));
  const writer = new ByteWriter(beside.length + coded.length + 2);
  writer.varint(beside.length);
  writer.append(beside);
  writer.append(coded);
  return writer.view();
}

/** A number below it leads to the first table. */
function smallBelow(split: number): number {
  return split === 0 ? NUMBER_LIMIT : 2 ** (split - 1);
}

interface Table {
  readonly frequencies: Uint16Array;
  /** The sum of the frequencies of the symbols before. */
  readonly starts: Uint16Array;
}

/** Frequencies are told roughly, as powers of two and the halves between, each by its step from the one before. */
function writeTable(bits: BitWriter, counts: Uint32Array): Table {
  const length = counts.findLastIndex((count) => count > 0) + 1;
  const steps = Array.from(counts.subarray(0, length), stepOf);
  bits.writeGamma(length + 1);
  let before = 0;
  for (const step of steps) {
    bits.writeGamma(zigzag(step - before) + 1);
    before = step;
  }
  return tableOf(steps);
}

function readTable(bits: BitReader): Table {
  const steps: number[] = [];
  for (let left = bits.readGamma() - 1; left > 0; left--) {
    steps.push((steps.at(-1) ?? 0) + unzigzag(bits.readGamma() - 1));
  }
  return tableOf(steps);
}

/** 0 for what does not occur; from 1 on twice the frequency is 2, 3, 4, 6, 8, 12 … */
function weightOf(step: number): number {
  if (step === 0) return 0;
  return (step % 2 === 1 ? 2 : 3) << ((step - 1) >> 1);
}

function stepOf(count: number): number {
  let step = 0;
  // Up to the geometric mean of two neighbours the lower one is nearer.
  while (4 * count * count > weightOf(step) * weightOf(step + 1)) step += 1;
  return step;
}

function tableOf(steps: readonly number[]): Table {
  const frequencies = new Uint16Array(steps.length);
  const starts = new Uint16Array(steps.length);
  let beyond_ones = TOTAL;
  let sum = 0;
  let highest = 0;
  for (const step of steps) {
    if (step > 0) beyond_ones -= 1;
    sum += weightOf(step);
    highest = Math.max(highest, step);
  }
  let left = TOTAL;
  for (let symbol = 0; symbol < steps.length; symbol++) {
    if (steps[symbol] === 0) continue;
    frequencies[symbol] = 1 + Math.floor((weightOf(steps[symbol]!) * beyond_ones) / sum);
    left -= frequencies[symbol]!;
  }
  // The most frequent one takes what rounding left.
  frequencies[steps.indexOf(highest)]! += left;
  for (let symbol = 1; symbol < steps.length; symbol++)
    starts[symbol] = starts[symbol - 1]! + frequencies[symbol - 1]!;
  return { frequencies, starts };
}

/** From the last number to the first, so that they are decoded from the first on. */
function encodeSymbols(numbers: Int32Array, tables: readonly Table[], small_below: number): Uint8Array {
  const words: number[] = [];
  let [state, other] = [LOW, LOW];
  for (let i = numbers.length - 1; i >= 0; i--) {
    const before = i > 0 ? numbers[i - 1]! : 0;
    const { frequencies, starts } = tables[before < small_below ? 0 : 1]!;
    const symbol = symbolOf(numbers[i]!);
    const frequency = frequencies[symbol]!;
    if (state >= frequency * 2 ** (STATE_BITS - TOTAL_BITS)) {
      words.push(state & 0xffff);
      state >>>= 16;
    }
    state = Math.floor(state / frequency) * TOTAL + (state % frequency) + starts[symbol]!;
    [state, other] = [other, state];
  }
  const writer = new ByteWriter(STATES_BYTES + words.length * 2);
  // The state of the first number was the last to be swapped away.
  for (const half of [other & 0xffff, other >>> 16, state & 0xffff, state >>> 16, ...words.reverse()]) {
    writer.byte(half & 0xff);
    writer.byte(half >>> 8);
  }
  return writer.view();
}

/** @throws RangeError where the bytes do not end with the last number, as what encodeNumbers writes does */
export function decodeNumbers(bytes: Uint8Array, count: number): Int32Array {
  const reader = new ByteReader(bytes);
  const beside_length = reader.varint();
  const rest = reader.rest();
  if (rest.length < beside_length + STATES_BYTES) throw new RangeError("the bytes end early");
  const bits = new BitReader(rest.subarray(0, beside_length));
  const split = bits.read(SPLIT_BITS);
  layOutTable(readTable(bits), 0);
  if (split > 0) layOutTable(readTable(bits), TOTAL);
  return decodeSymbols(rest.subarray(beside_length), bits, count, smallBelow(split));
}

/**
 * Both tables by the lower bits of a state: symbol, frequency − 1 and the place among the symbol's own, in one
 * number each. For the chunk that is being decoded.
 */
const entries = new Int32Array(2 * TOTAL);

function layOutTable({ frequencies, starts }: Table, at: number): void {
  for (let symbol = 0; symbol < frequencies.length; symbol++) {
    const frequency = frequencies[symbol]!;
    const start = at + starts[symbol]!;
    const entry = (symbol << (2 * TOTAL_BITS)) | ((frequency - 1) << TOTAL_BITS);
    for (let place = 0; place < frequency; place++) entries[start + place] = entry | place;
  }
}

function decodeSymbols(coded: Uint8Array, beside: BitReader, count: number, small_below: number): Int32Array {
  const numbers = new Int32Array(count);
  let state = coded[0]! | (coded[1]! << 8) | (coded[2]! << 16) | (coded[3]! << 24);
  let other = coded[4]! | (coded[5]! << 8) | (coded[6]! << 16) | (coded[7]! << 24);
  let at = STATES_BYTES;
  let number = 0;
  for (let i = 0; i < count; i++) {
    const table = number < small_below ? 0 : TOTAL;
    const entry = entries[table + (state & (TOTAL - 1))]!;
    const frequency = (((entry >>> TOTAL_BITS) & (TOTAL - 1)) + 1) | 0;
    state = (Math.imul(frequency, state >> TOTAL_BITS) + (entry & (TOTAL - 1))) | 0;
    if (state < LOW) {
      state = (state << 16) | coded[at]! | (coded[at + 1]! << 8);
      at = (at + 2) | 0;
    }
    number = entry >> (2 * TOTAL_BITS);
    if (number >= DIRECT) number = (smallestOf(number) + beside.read(bitsBeside(number))) | 0;
    numbers[i] = number;
    const swapped = state;
    state = other;
    other = swapped;
  }
  if (at !== coded.length || state !== LOW || other !== LOW)
    throw new RangeError("the coded numbers do not end where they should");
  return numbers;
}
