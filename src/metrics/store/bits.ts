import type { ByteWriter } from "./bytes.ts";

/** Writes each whole number in `width` bits, the lowest bits first; up to 24 bits, so that shifts stay within 32. */
export function packBits(writer: ByteWriter, numbers: readonly number[], width: number): void {
  let pending = 0;
  let pending_bits = 0;
  for (const number of numbers) {
    pending |= number << pending_bits;
    pending_bits += width;
    while (pending_bits >= 8) {
      writer.byte(pending & 0xff);
      pending >>>= 8;
      pending_bits -= 8;
    }
  }
  if (pending_bits > 0) writer.byte(pending & 0xff);
}

export function unpackBits(bytes: Uint8Array, count: number, width: number): Uint32Array {
  if (bytes.length * 8 < count * width) throw new RangeError("the bits end early");
  const numbers = new Uint32Array(count);
  const mask = 2 ** width - 1;
  let [at, pending, pending_bits] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    while (pending_bits < width) {
      pending |= bytes[at++]! << pending_bits;
      pending_bits += 8;
    }
    numbers[i] = pending & mask;
    pending >>>= width;
    pending_bits -= width;
  }
  return numbers;
}
