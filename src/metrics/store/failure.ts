import Database from "better-sqlite3";
import { EvenkeelError } from "../../errors.ts";

const NEXT_STEP: Record<string, string> = {
  SQLITE_FULL: "free some disk space",
  SQLITE_READONLY: "make the file and its folder writable",
  SQLITE_CANTOPEN: "make the file and its folder writable",
  SQLITE_BUSY: "end the program that holds it locked",
  SQLITE_CORRUPT: "restore it from a backup",
  SQLITE_NOTADB: "restore it from a backup",
};

/** Does something with the database at `path`; a failure of SQLite itself becomes an EvenkeelError that a person can act on. */
export function withDatabase<Result>(path: string, doing: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw failureOf(path, doing, error);
  }
}

/** @param doing what failed, as in "The store can't …" */
export function failureOf(path: string, doing: string, error: unknown): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const primary = /^SQLITE_[A-Z]+/.exec(error.code)?.[0] ?? error.code;
  const next_step = NEXT_STEP[primary] ?? "look at the disk that holds it";
  return new EvenkeelError(
    "unavailable",
    `The store can't ${doing} ${path}: ${error.message} (${error.code}); ${next_step}`,
  );
}
