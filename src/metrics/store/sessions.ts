import type { Database, Statement } from "better-sqlite3";
import { withDatabase } from "./failure.ts";
import { openSecondConnection } from "./file.ts";

export interface Session {
  /** Of the secret that the browser holds; the secret itself is never kept. */
  readonly hash: string;
  readonly created_ms: number;
  readonly seen_ms: number;
  /** JSON, opaque to the store. */
  readonly preferences: string;
}

export interface SessionStore {
  find(hash: string): Session | undefined;
  /** Makes it or replaces it; durable when it returns. Beyond the limit the one that was used longest ago goes. */
  put(session: Session): void;
  remove(hash: string): void;
  /** Removes what was last used before that. */
  expire(seen_before_ms: number): void;
  close(): void;
}

/** Sessions that are kept at most. */
export const MAX_SESSIONS = 10_000;

/** The sessions in the database at `path`, which a store has open. */
export function openSessions(path: string): SessionStore {
  return withDatabase(path, "open", () => new SqliteSessions(path, openSecondConnection(path)));
}

class SqliteSessions implements SessionStore {
  readonly #path: string;
  readonly #db: Database;
  readonly #find: Statement<[string], Session>;
  readonly #put: (session: Session) => void;
  readonly #remove: Statement<[string]>;
  readonly #expire: Statement<[number]>;

  constructor(path: string, db: Database) {
    this.#path = path;
    this.#db = db;
    this.#find = db.prepare("SELECT * FROM sessions WHERE hash = ?");
    this.#remove = db.prepare("DELETE FROM sessions WHERE hash = ?");
    this.#expire = db.prepare("DELETE FROM sessions WHERE seen_ms < ?");
    const put = db.prepare<[Session]>(
      "INSERT OR REPLACE INTO sessions VALUES (@hash, @created_ms, @seen_ms, @preferences)",
    );
    const count = db.prepare<[], number>("SELECT count(*) FROM sessions").pluck();
    const drop_oldest = db.prepare(
      "DELETE FROM sessions WHERE hash = (SELECT hash FROM sessions WHERE hash <> ? ORDER BY seen_ms LIMIT 1)",
    );
    this.#put = db.transaction((session: Session) => {
      put.run(session);
      if (count.get()! > MAX_SESSIONS) drop_oldest.run(session.hash);
    });
  }

  find(hash: string): Session | undefined {
    return withDatabase(this.#path, "read", () => this.#find.get(hash));
  }

  put(session: Session): void {
    withDatabase(this.#path, "write to", () => this.#put(session));
  }

  remove(hash: string): void {
    withDatabase(this.#path, "write to", () => this.#remove.run(hash));
  }

  expire(seen_before_ms: number): void {
    withDatabase(this.#path, "write to", () => this.#expire.run(seen_before_ms));
  }

  close(): void {
    this.#db.close();
  }
}
