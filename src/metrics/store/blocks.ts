import { doubleBytes } from "./bytes.ts";

/** Bytes of a block: its data, then the number of the block that follows it. */
const BLOCK_BYTES = 64;
const DATA_BYTES = BLOCK_BYTES - 4;
/** Blocks that are made at once. */
const SLAB_BLOCKS = 4096;
const NONE = -1;

/**
 * Room for very many runs of bytes that grow a byte or two at a time: each of them in an array of its own would be
 * two objects for the garbage collector, and a copy whenever it is full.
 */
export class Blocks {
  readonly #slabs: Uint8Array[] = [];
  #made = 0;
  /** The first of those that were given back, each followed by the next. */
  #free = NONE;

  /** Bytes that are held, in use or not. */
  get held_bytes(): number {
    return this.#slabs.length * SLAB_BLOCKS * BLOCK_BYTES;
  }

  take(): number {
    const block = this.#free;
    if (block !== NONE) {
      this.#free = next(this.slab(block), base(block));
      return block;
    }
    if (this.#made % SLAB_BLOCKS === 0) this.#slabs.push(new Uint8Array(SLAB_BLOCKS * BLOCK_BYTES));
    this.#made += 1;
    return this.#made - 1;
  }

  /** Gives back all blocks of a run. */
  give(first: number, last: number): void {
    setNext(this.slab(last), base(last), this.#free);
    this.#free = first;
  }

  slab(block: number): Uint8Array {
    return this.#slabs[Math.floor(block / SLAB_BLOCKS)]!;
  }
}

/** Where a block begins in its slab. */
function base(block: number): number {
  return (block % SLAB_BLOCKS) * BLOCK_BYTES;
}

function next(slab: Uint8Array, base: number): number {
  const at = base + DATA_BYTES;
  return slab[at]! | (slab[at + 1]! << 8) | (slab[at + 2]! << 16) | (slab[at + 3]! << 24);
}

function setNext(slab: Uint8Array, base: number, block: number): void {
  const at = base + DATA_BYTES;
  slab[at] = block & 0xff;
  slab[at + 1] = (block >>> 8) & 0xff;
  slab[at + 2] = (block >>> 16) & 0xff;
  slab[at + 3] = (block >>> 24) & 0xff;
}

/** A run of bytes that grows, in blocks; varints are LEB128 over whole numbers up to 2^53. */
export class BlockWriter {
  readonly #blocks: Blocks;
  #length = 0;
  #first = NONE;
  #last = NONE;
  /** The last block's slab, and where it begins there. */
  #slab: Uint8Array = NO_SLAB;
  #base = 0;

  constructor(blocks: Blocks) {
    this.#blocks = blocks;
  }

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    const at = this.#length % DATA_BYTES;
    if (at === 0) this.#extend();
    this.#slab[this.#base + at] = value;
    this.#length += 1;
  }

  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  double(value: number): void {
    this.append(doubleBytes(value));
  }

  append(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; ) {
      const at = this.#length % DATA_BYTES;
      if (at === 0) this.#extend();
      const part = bytes.subarray(from, from + DATA_BYTES - at);
      this.#slab.set(part, this.#base + at);
      this.#length += part.length;
      from += part.length;
    }
  }

  /** A copy of what was written so far. */
  bytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#length);
    let block = this.#first;
    for (let at = 0; at < bytes.length; at += DATA_BYTES) {
      const slab = this.#blocks.slab(block);
      const from = base(block);
      bytes.set(slab.subarray(from, from + Math.min(DATA_BYTES, bytes.length - at)), at);
      block = next(slab, from);
    }
    return bytes;
  }

  /** Begins anew, and gives the blocks back. */
  clear(): void {
    if (this.#length > 0) this.#blocks.give(this.#first, this.#last);
    this.#length = 0;
  }

  #extend(): void {
    const block = this.#blocks.take();
    if (this.#length === 0) this.#first = block;
    else setNext(this.#slab, this.#base, block);
    this.#last = block;
    this.#slab = this.#blocks.slab(block);
    this.#base = base(block);
  }
}

const NO_SLAB = new Uint8Array(0);
