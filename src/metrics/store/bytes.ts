/** How many times as large it becomes when it is full. */
const GROWTH = 2;

/** A growing run of bytes; varints are LEB128 over whole numbers up to 2^53. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 32) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  varint(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  double(value: number): void {
    this.append(doubleBytes(value));
  }

  /** A copy of what was written so far. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length) as Uint8Array<ArrayBuffer>;
  }

  /** What was written so far, good until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const capacity = Math.ceil(this.#bytes.length * GROWTH);
    const grown = new Uint8Array(Math.max(this.#length + count, capacity));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/** Reads what a ByteWriter wrote; bytes that end early read as RangeError. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new RangeError("the bytes end early");
    return byte;
  }

  varint(): number {
    let byte = this.byte();
    let value = byte & 0x7f;
    for (let weight = 0x80; byte >= 0x80; weight *= 0x80) {
      byte = this.byte();
      value += (byte & 0x7f) * weight;
    }
    return value;
  }

  /** As many calls of varint, several times as fast. */
  varints(count: number): Float64Array {
    const numbers = new Float64Array(count);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = 0; i < count; i++) {
      let byte = bytes[at++]!;
      let value = byte & 0x7f;
      for (let weight = 0x80; byte >= 0x80; weight *= 0x80) {
        byte = bytes[at++]!;
        value += (byte & 0x7f) * weight;
      }
      numbers[i] = value;
    }
    if (at > bytes.length) throw new RangeError("the bytes end early");
    this.#at = at;
    return numbers;
  }

  double(): number {
    for (let i = 0; i < 8; i++) DOUBLE_BYTES[i] = this.byte();
    return DOUBLE.getFloat64(0, true);
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }
}

const DOUBLE = new DataView(new ArrayBuffer(8));
const DOUBLE_BYTES = new Uint8Array(DOUBLE.buffer);

/** The eight bytes of a double, little-endian; good until the next call. */
export function doubleBytes(value: number): Uint8Array {
  DOUBLE.setFloat64(0, value, true);
  return DOUBLE_BYTES;
}

/** Small magnitudes of either sign become small whole numbers: 0, -1, 1, -2 … → 0, 1, 2, 3 … */
export function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

export function unzigzag(value: number): number {
  // The short way is several times as fast, and nearly always open.
  if (value < 2 ** 31) return (value >>> 1) ^ -(value & 1);
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
