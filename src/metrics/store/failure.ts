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
  const { code, message } = error as { code?: unknown; message: string };
  // SQLite's errors and those of the file system have codes; anything else is a defect, or an error that says enough.
  if (typeof code !== "string" || !/^(SQLITE|E)[A-Z_]+$/.test(code)) return error;
  const primary = /^SQLITE_[A-Z]+|^E[A-Z]+$/.exec(code)?.[0] ?? code;
  const next_step = NEXT_STEP[primary] ?? "look at the disk that holds it";
  return new EvenkeelError(
    "unavailable",
    `The store can't ${doing} ${path}: ${message} (${code}); ${next_step}`,
  );
}
