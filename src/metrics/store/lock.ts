import Database from "better-sqlite3";
import { EvenkeelError } from "../../errors.ts";

/**
 * Holds a database file for one process. The lock is SQLite's own on a small file beside it: the system
 * drops it with the process, even after `kill -9`, and other programs may still read the database.
 */
export class FileLock {
  readonly #db: Database.Database;

  /** @throws EvenkeelError where the file is in use */
  constructor(path: string) {
    this.#db = new Database(`${path}.lock`, { timeout: 0 });
    try {
      this.#db.pragma(`user_version = ${process.pid}`);
      this.#db.exec("BEGIN IMMEDIATE");
    } catch (error) {
      const holder = this.#holder();
      this.#db.close();
      if ((error as { code?: string }).code !== "SQLITE_BUSY") throw error;
      throw new EvenkeelError(
        "unavailable",
        `The database ${path} is in use by process ${holder}; stop that one, or give this one a file of its own (EVENKEEL_DB)`,
      );
    }
  }

  #holder(): string {
    try {
      return String(this.#db.pragma("user_version", { simple: true }));
    } catch {
      return "unknown";
    }
  }

  release(): void {
    this.#db.close();
  }
}
