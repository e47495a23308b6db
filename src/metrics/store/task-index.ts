import { createHash } from "node:crypto";
import type { Database, Statement } from "better-sqlite3";
import { PACK_TASKS } from "./task-pack.ts";

/**
 * Packs whose hashes are sorted together. A lookup reads all hashes of the newest packs, and of each segment
 * before them one row: at 65 tasks a second a week has 300, and they lie side by side.
 */
export const SEGMENT_PACKS = 512;
/** A segment has as many rows as packs: nine bits of a hash name its row, and nine bits in place of them its pack. */
const PACK_BITS = 9;
/** Rows of a segment that one transaction writes or deletes, each on a page of its own. */
const ROWS_A_SLICE = 64;

/** 32 bits to find a task's pack by. Among millions of tasks two may have the same: a pack's records tell. */
export function hashOf(id: string): number {
  return createHash("sha1").update(id).digest().readUInt32BE(0);
}

const rowOf = (hash: number) => hash >>> (32 - PACK_BITS);
const entryOf = (hash: number, pack: number) => ((hash << PACK_BITS) | (pack % SEGMENT_PACKS)) >>> 0;
const hashIn = (row: number, entry: number) => ((row << (32 - PACK_BITS)) | (entry >>> PACK_BITS)) >>> 0;

/** Rows first: what one lookup reads lies side by side. */
const keyOf = (row: number, segment: number) => row * 2 ** 32 + segment;
const segmentIn = (key: number) => key % 2 ** 32;

function segmentOf(pack: number): number {
  return Math.floor(pack / SEGMENT_PACKS);
}

interface HashesRow {
  k: number;
  hashes: Uint8Array;
}

interface IndexRow {
  k: number;
  entries: Uint8Array;
}

/** The newest packs' hashes, one after another. */
interface Newest {
  first_pack: number;
  hashes: Uint32Array;
  /** A bit for each beginning of a hash: of most tasks it tells that they are in none of these packs. */
  beginnings: Uint8Array;
}

/** Of 131,072 hashes that is one bit in 32. */
const BEGINNING_BITS = 22;
const bitOf = (hash: number) => hash >>> (32 - BEGINNING_BITS);

function beginningsOf(hashes: Uint32Array): Uint8Array {
  const beginnings = new Uint8Array(2 ** (BEGINNING_BITS - 3));
  for (const hash of hashes) beginnings[bitOf(hash) >>> 3]! |= 1 << (bitOf(hash) & 7);
  return beginnings;
}

function mayHave({ beginnings }: Newest, hash: number): boolean {
  return (beginnings[bitOf(hash) >>> 3]! & (1 << (bitOf(hash) & 7))) !== 0;
}

/** Tells in which packs a task may be. */
export class TaskIndex {
  readonly #version: Statement<[], number>;
  readonly #newest: Statement<[], HashesRow>;
  readonly #rows: Statement<[number, number], IndexRow>;
  /** As of that version of the file, which counts up with what other connections write. */
  #known: (Newest & { version: number }) | null = null;

  constructor(db: Database) {
    this.#version = db.prepare<[], number>("PRAGMA data_version").pluck();
    this.#newest = db.prepare("SELECT k, hashes FROM pack_hashes ORDER BY k");
    this.#rows = db.prepare("SELECT k, entries FROM task_index WHERE k >= ? AND k < ? ORDER BY k DESC");
  }

  /** The packs from that one on that may hold the task, the newest first. */
  *packsOf(id: string, first_pack: number): Iterable<number> {
    const hash = hashOf(id);
    const newest = this.#newestPacks();
    for (let at = mayHave(newest, hash) ? newest.hashes.length : 0; at > 0; ) {
      at = newest.hashes.lastIndexOf(hash, at - 1);
      const pack = newest.first_pack + Math.floor(at / PACK_TASKS);
      if (at === -1 || pack < first_pack) break;
      yield pack;
    }
    const [row, first_entry] = [rowOf(hash), entryOf(hash, 0)];
    const from = keyOf(row, segmentOf(first_pack));
    const to = keyOf(row, Math.min(segmentOf(newest.first_pack), 2 ** 32 - 1));
    for (const { k, entries } of this.#rows.all(from, to)) {
      const words = wordsOf(entries);
      for (let i = words.length - 1; i >= 0; i -= 1) {
        const place = words[i]! - first_entry;
        if (place < 0 || place >= SEGMENT_PACKS) continue;
        const pack = segmentIn(k) * SEGMENT_PACKS + place;
        if (pack >= first_pack) yield pack;
      }
    }
  }

  #newestPacks(): Newest {
    const version = this.#version.get()!;
    if (this.#known?.version === version) return this.#known;
    const rows = this.#newest.all();
    const first_pack = rows[0]?.k ?? Number.POSITIVE_INFINITY;
    const hashes = wordsOf(Buffer.concat(rows.map((row) => row.hashes)));
    this.#known = { version, first_pack, hashes, beginnings: beginningsOf(hashes) };
    return this.#known;
  }
}

/** Keeps the index: each pack's hashes, and sorts them once there is a segment of them. */
export class TaskIndexer {
  readonly #put: Statement<[number, Uint8Array]>;
  readonly #first: Statement<[number], HashesRow>;
  readonly #drop: Statement<[number]>;
  readonly #put_row: Statement<[number, Uint8Array]>;
  readonly #drop_row: Statement<[number]>;
  readonly #bounds: Statement<[], { oldest: number | null; newest: number | null }>;
  readonly #transaction: (work: () => void) => void;

  constructor(db: Database) {
    this.#put = db.prepare("INSERT INTO pack_hashes VALUES (?, ?)");
    this.#first = db.prepare("SELECT k, hashes FROM pack_hashes ORDER BY k LIMIT ?");
    this.#put_row = db.prepare("INSERT OR REPLACE INTO task_index VALUES (?, ?)");
    this.#drop = db.prepare("DELETE FROM pack_hashes WHERE k < ?");
    this.#drop_row = db.prepare("DELETE FROM task_index WHERE k = ?");
    // The first rows, whose keys are their segments': they are written first and deleted last.
    this.#bounds = db.prepare(
      `SELECT (SELECT min(k) FROM task_index WHERE k < ${2 ** 32}) AS oldest,
              (SELECT max(k) FROM task_index WHERE k < ${2 ** 32}) AS newest`,
    );
    this.#transaction = db.transaction((work: () => void) => work());
  }

  add(pack: number, ids: readonly string[]): void {
    this.#put.run(pack, bytesOf(Uint32Array.from(ids, hashOf)));
  }

  /** The newest pack of the segments that are sorted; -1 where there is none. */
  newestSorted(): number {
    return ((this.#bounds.get()!.newest ?? -1) + 1) * SEGMENT_PACKS - 1;
  }

  /**
   * The transactions that sort the oldest segment of the newest packs, in their order; none where it is not
   * complete. Cut off after any of them, its packs still are among the newest and the next run begins anew.
   */
  sortSegment(): (() => void)[] {
    const packs = this.#first.all(SEGMENT_PACKS);
    if (packs.length < SEGMENT_PACKS) return [];
    const segment = segmentOf(packs[0]!.k);
    const rows = sorted(packs);
    return [
      ...this.#slices((row) => this.#put_row.run(keyOf(row, segment), bytesOf(Uint32Array.from(rows[row]!)))),
      () => this.#drop.run((segment + 1) * SEGMENT_PACKS),
    ];
  }

  /** The transactions that delete the oldest segment, in their order; none where it is not before that pack's. */
  dropSegment(first_pack: number): (() => void)[] {
    const { oldest } = this.#bounds.get()!;
    if (oldest === null || oldest >= segmentOf(first_pack)) return [];
    return this.#slices((row) => this.#drop_row.run(keyOf(row, oldest))).reverse();
  }

  #slices(each: (row: number) => void): (() => void)[] {
    const slices: (() => void)[] = [];
    for (let from = 0; from < SEGMENT_PACKS; from += ROWS_A_SLICE) {
      slices.push(() => {
        for (let row = from; row < from + ROWS_A_SLICE; row += 1) each(row);
      });
    }
    return slices.map((slice) => () => this.#transaction(slice));
  }
}

/** What the index has of each pack, for whoever checks it. */
export class IndexedHashes {
  readonly #newest: Statement<[number], Uint8Array>;
  readonly #row: Statement<[number], Uint8Array>;
  /** Of one segment: whoever checks goes through the packs in their order. */
  #segment: { number: number; packs: number[][] } | null = null;

  constructor(db: Database) {
    this.#newest = db.prepare<[number], Uint8Array>("SELECT hashes FROM pack_hashes WHERE k = ?").pluck();
    this.#row = db.prepare<[number], Uint8Array>("SELECT entries FROM task_index WHERE k = ?").pluck();
  }

  /** The hashes of a pack's tasks, by size. */
  of(pack: number): Uint32Array {
    const newest = this.#newest.get(pack);
    if (newest) return wordsOf(newest).sort();
    const number = segmentOf(pack);
    if (this.#segment?.number !== number) this.#segment = { number, packs: this.#packsOf(number) };
    return Uint32Array.from(this.#segment.packs[pack % SEGMENT_PACKS]!).sort();
  }

  #packsOf(segment: number): number[][] {
    const packs: number[][] = Array.from({ length: SEGMENT_PACKS }, () => []);
    for (let row = 0; row < SEGMENT_PACKS; row += 1) {
      for (const entry of wordsOf(this.#row.get(keyOf(row, segment))))
        packs[entry % SEGMENT_PACKS]!.push(hashIn(row, entry));
    }
    return packs;
  }
}

/** The packs' hashes by the row that they belong in, in the order of the packs. */
function sorted(packs: readonly HashesRow[]): number[][] {
  const rows: number[][] = Array.from({ length: SEGMENT_PACKS }, () => []);
  for (const { k, hashes } of packs) {
    for (const hash of wordsOf(hashes)) rows[rowOf(hash)]!.push(entryOf(hash, k));
  }
  return rows;
}

function wordsOf(bytes: Uint8Array | undefined): Uint32Array {
  return new Uint32Array(new Uint8Array(bytes ?? []).buffer);
}

function bytesOf({ buffer, byteLength }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer, 0, byteLength);
}
