import { type Blocks, BlockWriter } from "./blocks.ts";
import { ByteReader, unzigzag, zigzag } from "./bytes.ts";
import { emptyHour, type HourValues, SLOTS, scaledOf } from "./values.ts";

/** A column's samples in the order in which they came, as they travel to the housekeeping thread. */
export interface ColumnBytes {
  /** True where samples are doubles, false where they are whole numbers of 1/scale. */
  exact: boolean;
  bytes: Uint8Array<ArrayBuffer>;
}

/** All that it takes to go on with a column after a restart. */
export interface SavedColumn extends ColumnBytes {
  hour: number;
  first_row: number;
  entries: number;
  /** Of the last sample that came: its second within the hour, and its whole number. */
  slot: number;
  scaled: number;
}

/** Samples of one hour beyond which repeated seconds are merged away. */
const MAX_ENTRIES = 4 * SLOTS;

/**
 * The unsealed samples of one series' hour: one or two bytes a sample where it is steady, in the order in
 * which they came, so that of two samples of a second the later one wins when they are laid out.
 */
export class Column {
  readonly hour: number;
  /** The oldest head row that has a sample of it. */
  first_row: number;
  readonly #scale: number | null;
  #exact: boolean;
  readonly #writer: BlockWriter;
  #entries = 0;
  #slot = -1;
  #scaled = 0;
  /** How many samples the copy in the file has, and the head row up to which it has all of them. */
  saved_entries = 0;
  saved_row = 0;

  constructor(hour: number, first_row: number, scale: number | null, blocks: Blocks) {
    this.hour = hour;
    this.first_row = first_row;
    this.#scale = scale;
    this.#exact = scale === null;
    this.#writer = new BlockWriter(blocks);
  }

  /** The column that was saved, up to that head row. */
  static restore(saved: SavedColumn, row: number, scale: number | null, blocks: Blocks): Column {
    const column = new Column(saved.hour, saved.first_row, scale, blocks);
    column.#exact = saved.exact;
    column.#entries = saved.entries;
    column.#slot = saved.slot;
    column.#scaled = saved.scaled;
    column.#writer.append(saved.bytes);
    column.saved_entries = saved.entries;
    column.saved_row = row;
    return column;
  }

  /** Samples added since the column began; equal counts mean an unchanged column. */
  get entries(): number {
    return this.#entries;
  }

  /** @param slot the second within the hour */
  add(slot: number, value: number): void {
    this.#entries += 1;
    const scaled = this.#exact ? null : scaledOf(value, this.#scale!);
    if (scaled === null && !this.#exact) this.#rewrite(true);
    this.#write(slot, scaled, value);
    if (this.#writer.length > MAX_ENTRIES * 2 && this.#entries % MAX_ENTRIES === 0)
      this.#rewrite(this.#exact);
  }

  #write(slot: number, scaled: number | null, value: number): void {
    const step = slot - this.#slot;
    if (scaled === null) {
      this.#writer.varint(zigzag(step));
      this.#writer.double(value);
    } else {
      // The lowest bit tells the usual step of one second from any other, which then follows.
      this.#writer.varint(zigzag(scaled - this.#scaled) * 2 + (step === 1 ? 0 : 1));
      if (step !== 1) this.#writer.varint(zigzag(step));
      this.#scaled = scaled;
    }
    this.#slot = slot;
  }

  #rewrite(exact: boolean): void {
    const values = emptyHour();
    this.layOut(values);
    this.#exact = exact;
    this.#writer.clear();
    this.#slot = -1;
    this.#scaled = 0;
    values.forEach((value, slot) => {
      if (!Number.isNaN(value)) this.#write(slot, exact ? null : scaledOf(value, this.#scale!), value);
    });
  }

  /** Writes the samples over those of `values`. */
  layOut(values: HourValues): void {
    layOutColumn({ exact: this.#exact, bytes: this.#writer.bytes() }, this.#scale, values);
  }

  /** Gives its room back: it is asked for nothing any more. */
  drop(): void {
    this.#writer.clear();
  }

  snapshot(): SavedColumn {
    const { hour, first_row } = this;
    const [exact, entries, slot, scaled] = [this.#exact, this.#entries, this.#slot, this.#scaled];
    return { hour, first_row, exact, entries, slot, scaled, bytes: this.#writer.bytes() };
  }
}

export function layOutColumn(
  column: { exact: boolean; bytes: Uint8Array },
  scale: number | null,
  values: HourValues,
): void {
  const reader = new ByteReader(column.bytes);
  let slot = -1;
  let scaled = 0;
  while (!reader.done) {
    if (column.exact) {
      slot += unzigzag(reader.varint());
      values[slot] = reader.double();
      continue;
    }
    const flagged = reader.varint();
    scaled += unzigzag(Math.floor(flagged / 2));
    slot += flagged % 2 === 0 ? 1 : unzigzag(reader.varint());
    values[slot] = scaled / scale!;
  }
}
