import { ByteWriter } from "./bytes.ts";

/** So that a number and what is left of the byte before it fit into 32 bits. */
export const MAX_WIDTH = 24;

/** Writes whole numbers in as many bits as each needs, the lowest bits first. */
export class BitWriter {
  readonly #bytes = new ByteWriter();
  #pending = 0;
  #pending_bits = 0;

  /** @param width up to MAX_WIDTH */
  write(number: number, width: number): void {
    this.#pending |= number << this.#pending_bits;
    this.#pending_bits += width;
    while (this.#pending_bits >= 8) {
      this.#bytes.byte(this.#pending & 0xff);
      this.#pending >>>= 8;
      this.#pending_bits -= 8;
    }
  }

  /** A number from 1 to 2^24: the smaller, the fewer bits (Elias gamma). */
  writeGamma(number: number): void {
    const width = 31 - Math.clz32(number);
    for (let i = 0; i < width; i++) this.write(0, 1);
    this.write(1, 1);
    this.write(number - (1 << width), width);
  }

  /** All that was written, filled up to a whole byte; nothing may be written after it. */
  bytes(): Uint8Array {
    if (this.#pending_bits > 0) this.#bytes.byte(this.#pending & 0xff);
    this.#pending_bits = 0;
    return this.#bytes.view();
  }
}

/** Reads what a BitWriter wrote; bits that end early read as RangeError. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #pending = 0;
  #pending_bits = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(width: number): number {
    while (this.#pending_bits < width) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new RangeError("the bits end early");
      this.#pending |= byte << this.#pending_bits;
      this.#pending_bits += 8;
    }
    const number = this.#pending & ((1 << width) - 1);
    this.#pending >>>= width;
    this.#pending_bits -= width;
    return number;
  }

  readGamma(): number {
    let width = 0;
    while (this.read(1) === 0) width += 1;
    if (width > MAX_WIDTH) throw new RangeError("a number of too many bits");
    return (1 << width) + this.read(width);
  }
}
