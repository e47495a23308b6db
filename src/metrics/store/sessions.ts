import type { Database, Statement } from "better-sqlite3";
import { withDatabase } from "./failure.ts";

export interface Session {
  /** Of the secret that the browser holds; the secret itself is never kept. */
  readonly hash: string;
  readonly created_ms: number;
  readonly seen_ms: number;
  /** JSON, opaque to the store. */
  readonly preferences: string;
  /** Who logged in; null for a viewer of whom nothing is known. */
  readonly user: string | null;
  /** From when on that user has to log in again, Unix milliseconds. */
  readonly ends_ms: number | null;
  /** The browser and the address that logged in. */
  readonly client: string | null;
}

export interface SessionStore {
  find(hash: string): Session | undefined;
  /** Makes it or replaces it; durable when it returns. Beyond the limit the one that was used longest ago goes. */
  put(session: Session): void;
  remove(hash: string): void;
  /** Removes what was last used before that. */
  expire(seen_before_ms: number): void;
  /** Those of one user, or of all users; the one used last first. */
  loggedIn(user?: string): Session[];
  /** Ends a user's sessions but the one that is kept. */
  endAll(user: string, kept_hash?: string): void;
}

/** Sessions that are kept at most. */
export const MAX_SESSIONS = 10_000;

export class SqliteSessions implements SessionStore {
  readonly #path: string;
  readonly #find: Statement<[string], Session>;
  readonly #put: (session: Session) => void;
  readonly #remove: Statement<[string]>;
  readonly #expire: Statement<[number]>;
  readonly #logged_in: Statement<[string | null], Session>;
  readonly #end_all: Statement<[string, string]>;

  constructor(path: string, db: Database) {
    this.#path = path;
    this.#find = db.prepare("SELECT * FROM sessions WHERE hash = ?");
    this.#remove = db.prepare("DELETE FROM sessions WHERE hash = ?");
    this.#expire = db.prepare("DELETE FROM sessions WHERE seen_ms < ?");
    this.#logged_in = db.prepare(
      "SELECT * FROM sessions WHERE user IS NOT NULL AND user = coalesce(?, user) ORDER BY seen_ms DESC, created_ms DESC",
    );
    this.#end_all = db.prepare("DELETE FROM sessions WHERE user = ? AND hash <> ?");
    const put = db.prepare<[Session]>(
      `INSERT INTO sessions VALUES (@hash, @created_ms, @seen_ms, @preferences, @user, @ends_ms, @client)
       ON CONFLICT DO UPDATE SET
         seen_ms = excluded.seen_ms, preferences = excluded.preferences,
         user = excluded.user, ends_ms = excluded.ends_ms, client = excluded.client`,
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

  loggedIn(user?: string): Session[] {
    return withDatabase(this.#path, "read", () => this.#logged_in.all(user ?? null));
  }

  endAll(user: string, kept_hash = ""): void {
    withDatabase(this.#path, "write to", () => this.#end_all.run(user, kept_hash));
  }
}
