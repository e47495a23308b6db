import { closeSync, existsSync, mkdirSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { EvenkeelError } from "../../errors.ts";
import { type Migration, readMigrations } from "./migrations.ts";

/** Marks a SQLite file as ours: "EVKL". */
const APPLICATION_ID = 0x45564b4c;

/** The housekeeping thread writes for a millisecond or two at a time; whoever holds the file longer makes a tick wait no more than this. */
const BUSY_TIMEOUT_MS = 200;

/** Housekeeping empties the write-ahead log; a tick does it only where housekeeping does not keep up: 256 MiB. */
const LOG_PAGES = 16_384;
/** What an emptied write-ahead log may keep of its size; beyond it, it is worth emptying. */
export const LOG_BYTES = 16 * 2 ** 20;

/** A connection's page cache at first. */
export const CACHE_KIB = 2000;

/**
 * Opens the database at `path`, making it and its folder where there is none, and brings it to the newest
 * version. A file that is not ours, damaged or newer than this program is refused and left as it is.
 */
export function openDatabase(
  path: string,
  migrations: readonly Migration[] = readMigrations(),
): Database.Database {
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path) && statSync(path).size > 0) {
    const header = ownHeader(path);
    checkLength(path, header);
    checkVersion(path, migrations.length);
  }
  const db = new Database(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    migrate(db, migrations);
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = NORMAL");
    db.pragma(`cache_size = -${CACHE_KIB}`);
    db.pragma(`wal_autocheckpoint = ${LOG_PAGES}`);
    db.pragma(`journal_size_limit = ${LOG_BYTES}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Makes room for a new database at `path`; a file that is not ours is refused and left as it is. */
export function removeDatabase(path: string): void {
  if (existsSync(path) && statSync(path).size > 0) ownHeader(path);
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
}

/** A connection of its own for housekeeping, which may wait for the tick's. */
export function openSecondConnection(path: string): Database.Database {
  const db = new Database(path, { fileMustExist: true, timeout: 5000 });
  db.pragma("synchronous = NORMAL");
  db.pragma(`cache_size = -${CACHE_KIB}`);
  return db;
}

/** A connection that can't write, to a file of ours that this program knows. */
export function openToRead(path: string): Database.Database {
  if (!existsSync(path)) throw refusal(path, "does not exist", "Name another file (EVENKEEL_DB)");
  checkLength(path, ownHeader(path));
  checkVersion(path, readMigrations().length);
  return new Database(path, { readonly: true, fileMustExist: true, timeout: 5000 });
}

const HEADER_BYTES = 100;
const MAGIC = "SQLite format 3\0";

/** The header of a file of ours, from the bytes themselves: SQLite would already begin to write to a file that it opens. */
function ownHeader(path: string): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, "r");
  const length = readSync(file, header);
  closeSync(file);
  if (length < HEADER_BYTES || header.toString("latin1", 0, MAGIC.length) !== MAGIC) {
    throw refusal(path, "is no SQLite database");
  }
  if (header.readUInt32BE(68) !== APPLICATION_ID) throw refusal(path, "belongs to another program");
  return header;
}

function checkLength(path: string, header: Buffer): void {
  const raw_page_size = header.readUInt16BE(16);
  const page_size = raw_page_size === 1 ? 65536 : raw_page_size;
  const whole = header.readUInt32BE(28) * page_size <= statSync(path).size;
  // A checkpoint that was cut off may have written the header first; the log then has the rest.
  const logged = existsSync(`${path}-wal`) && statSync(`${path}-wal`).size > 0;
  if (!whole && !logged) throw refusal(path, "is damaged: it ends early");
}

/** @returns the file's version */
function checkVersion(path: string, newest: number): number {
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  try {
    const version = db.pragma("user_version", { simple: true }) as number;
    if (version > newest) {
      throw refusal(path, `is of version ${version} and this program knows versions up to ${newest}`);
    }
    return version;
  } finally {
    db.close();
  }
}

/** Whether the database is there and of this program's version. @throws EvenkeelError for a file that is not ours */
export function isCurrent(path: string): boolean {
  if (!existsSync(path) || statSync(path).size === 0) return false;
  ownHeader(path);
  const newest = readMigrations().length;
  return checkVersion(path, newest) === newest;
}

const NEXT_STEP = "it was left as it is. Name another file (EVENKEEL_DB), or restore a backup";

function refusal(path: string, problem: string, next_step = NEXT_STEP): EvenkeelError {
  return new EvenkeelError("unavailable", `The database ${path} ${problem}; ${next_step}`);
}

function migrate(db: Database.Database, migrations: readonly Migration[]): void {
  const version = db.pragma("user_version", { simple: true }) as number;
  if (version === migrations.length) return;
  db.transaction(() => {
    if (version === 0) {
      db.pragma("page_size = 16384");
      db.pragma("auto_vacuum = INCREMENTAL");
    }
    for (const { sql } of migrations.slice(version)) db.exec(sql);
    // In the same transaction, and before the file becomes a WAL one: its own first page names its owner.
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${migrations.length}`);
  })();
}
