import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { Database, Statement } from "better-sqlite3";
import type { AuditEntry, EmbedLink, SharedView, Token, User } from "../accounts.ts";
import { withDatabase } from "./failure.ts";
import { isCurrent, openDatabase, openSecondConnection } from "./file.ts";
import { FileLock } from "./lock.ts";
import { type SessionStore, SqliteSessions } from "./sessions.ts";

/** Users, tokens and links, each kind at most. */
export const MAX_ACCOUNTS = 10_000;
const MAX_SHARED_VIEWS = 100;
/** The audit log's newest entries that are kept. */
const MAX_AUDIT = 100_000;
const KEY_BYTES = 32;

/** Who may do what, beside a store that is open. What is written is durable when the call returns. */
export interface AccountStore {
  readonly sessions: SessionStore;
  users(): User[];
  user(name: string): User | undefined;
  hasUsers(): boolean;
  /** Adds the user, or changes its role and password. @returns false where there is no room for another */
  putUser(user: User): boolean;
  /** With its sessions. @returns false for one that is not known */
  removeUser(name: string): boolean;
  tokens(): Token[];
  hasIngestTokens(): boolean;
  tokenByHash(hash: string): Token | undefined;
  token(id: string): Token | undefined;
  addToken(token: Token): boolean;
  tokenUsed(id: string, used_ms: number): void;
  removeToken(id: string): boolean;
  links(): EmbedLink[];
  link(id: string): EmbedLink | undefined;
  addLink(link: EmbedLink): boolean;
  removeLink(id: string): boolean;
  expireLinks(before_ms: number): void;
  sharedViews(): SharedView[];
  /** Under its name, in place of one that had it. @returns false where there is no room for another */
  putSharedView(view: SharedView): boolean;
  removeSharedView(name: string): boolean;
  /** 32 random bytes under a name, made when they are first asked for. */
  key(name: string): Uint8Array;
  note(entry: AuditEntry): void;
  /** The newest first. */
  audit(limit: number, before_ms?: number): AuditEntry[];
  /** Another one whenever somebody may do less than before. */
  accessVersion(): number;
  close(): void;
}

/**
 * The accounts in the database at `path`, beside whoever has it open; where there is none, or an older one that
 * nobody has open, it is made or brought up to date first.
 *
 * @throws EvenkeelError where that is not possible
 */
export function openAccounts(path: string): AccountStore {
  return withDatabase(path, "open", () => {
    if (!isCurrent(path)) {
      mkdirSync(dirname(path), { recursive: true });
      const lock = new FileLock(path);
      try {
        openDatabase(path).close();
      } finally {
        lock.release();
      }
    }
    return new SqliteAccounts(path, openSecondConnection(path));
  });
}

type StoredToken = Omit<Token, "sources"> & { sources: string | null };

class SqliteAccounts implements AccountStore {
  readonly sessions: SessionStore;
  readonly #path: string;
  readonly #db: Database;
  readonly #statements = new Map<string, Statement>();

  constructor(path: string, db: Database) {
    this.#path = path;
    this.#db = db;
    this.sessions = new SqliteSessions(path, db);
  }

  users(): User[] {
    return this.#all("SELECT * FROM users ORDER BY name");
  }

  user(name: string): User | undefined {
    return this.#get("SELECT * FROM users WHERE name = ?", name);
  }

  hasUsers(): boolean {
    return this.#get("SELECT 1 FROM users LIMIT 1") !== undefined;
  }

  putUser(user: User): boolean {
    return this.#put(
      "users",
      user.name,
      `INSERT INTO users VALUES (@name, @role, @password, @created_ms)
       ON CONFLICT DO UPDATE SET role = excluded.role, password = excluded.password`,
      user,
    );
  }

  removeUser(name: string): boolean {
    const removed = this.#run("DELETE FROM users WHERE name = ?", name);
    this.sessions.endAll(name);
    return removed;
  }

  tokens(): Token[] {
    return this.#all<StoredToken>("SELECT * FROM tokens ORDER BY created_ms DESC, id").map(tokenOf);
  }

  hasIngestTokens(): boolean {
    return this.#get("SELECT 1 FROM tokens WHERE role = 'ingest' LIMIT 1") !== undefined;
  }

  tokenByHash(hash: string): Token | undefined {
    const stored = this.#get<StoredToken>("SELECT * FROM tokens WHERE hash = ?", hash);
    return stored && tokenOf(stored);
  }

  token(id: string): Token | undefined {
    const stored = this.#get<StoredToken>("SELECT * FROM tokens WHERE id = ?", id);
    return stored && tokenOf(stored);
  }

  addToken({ sources, ...token }: Token): boolean {
    return this.#put(
      "tokens",
      token.id,
      "INSERT INTO tokens VALUES (@id, @hash, @name, @role, @sources, @created_ms, @created_by, @used_ms)",
      { ...token, sources: sources && JSON.stringify(sources) },
    );
  }

  tokenUsed(id: string, used_ms: number): void {
    this.#run("UPDATE tokens SET used_ms = ? WHERE id = ?", used_ms, id);
  }

  removeToken(id: string): boolean {
    return this.#run("DELETE FROM tokens WHERE id = ?", id);
  }

  links(): EmbedLink[] {
    return this.#all("SELECT * FROM embed_links ORDER BY created_ms DESC, id");
  }

  link(id: string): EmbedLink | undefined {
    return this.#get("SELECT * FROM embed_links WHERE id = ?", id);
  }

  addLink(link: EmbedLink): boolean {
    return this.#put(
      "embed_links",
      link.id,
      "INSERT INTO embed_links VALUES (@id, @panel, @query, @created_ms, @created_by, @expires_ms)",
      link,
    );
  }

  removeLink(id: string): boolean {
    return this.#run("DELETE FROM embed_links WHERE id = ?", id);
  }

  expireLinks(before_ms: number): void {
    this.#run("DELETE FROM embed_links WHERE expires_ms < ?", before_ms);
  }

  sharedViews(): SharedView[] {
    return this.#all("SELECT * FROM shared_views ORDER BY name");
  }

  putSharedView(view: SharedView): boolean {
    return this.#put(
      "shared_views",
      view.name,
      "INSERT OR REPLACE INTO shared_views VALUES (@name, @url, @created_by)",
      view,
      MAX_SHARED_VIEWS,
    );
  }

  removeSharedView(name: string): boolean {
    return this.#run("DELETE FROM shared_views WHERE name = ?", name);
  }

  key(name: string): Uint8Array {
    this.#run("INSERT INTO secrets VALUES (?, ?) ON CONFLICT DO NOTHING", name, randomBytes(KEY_BYTES));
    return this.#get<{ value: Uint8Array }>("SELECT value FROM secrets WHERE name = ?", name)!.value;
  }

  note(entry: AuditEntry): void {
    withDatabase(this.#path, "write to", () => {
      const { lastInsertRowid } = this.#prepared(
        "INSERT INTO audit (at_ms, who, address, what, detail) VALUES (@at_ms, @who, @address, @what, @detail)",
      ).run(entry);
      this.#prepared("DELETE FROM audit WHERE id <= ?").run(Number(lastInsertRowid) - MAX_AUDIT);
    });
  }

  audit(limit: number, before_ms = Number.MAX_SAFE_INTEGER): AuditEntry[] {
    return this.#all(
      "SELECT at_ms, who, address, what, detail FROM audit WHERE at_ms < ? ORDER BY id DESC LIMIT ?",
      before_ms,
      limit,
    );
  }

  accessVersion(): number {
    return this.#get<{ version: number }>("SELECT version FROM access_version")!.version;
  }

  close(): void {
    this.#db.close();
  }

  #prepared(sql: string): Statement {
    const known = this.#statements.get(sql) ?? this.#db.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }

  #get<Row>(sql: string, ...given: unknown[]): Row | undefined {
    return withDatabase(this.#path, "read", () => this.#prepared(sql).get(...given) as Row | undefined);
  }

  #all<Row>(sql: string, ...given: unknown[]): Row[] {
    return withDatabase(this.#path, "read", () => this.#prepared(sql).all(...given) as Row[]);
  }

  /** @returns whether it changed anything */
  #run(sql: string, ...given: unknown[]): boolean {
    return withDatabase(this.#path, "write to", () => this.#prepared(sql).run(...given).changes > 0);
  }

  #put(
    table: "users" | "tokens" | "embed_links" | "shared_views",
    key: string,
    sql: string,
    row: object,
    most = MAX_ACCOUNTS,
  ): boolean {
    const column = table === "users" || table === "shared_views" ? "name" : "id";
    const put = this.#db.transaction(() => {
      const known = this.#get(`SELECT 1 FROM ${table} WHERE ${column} = ?`, key) !== undefined;
      const { count } = this.#get<{ count: number }>(`SELECT count(*) AS count FROM ${table}`)!;
      return (known || count < most) && this.#run(sql, row);
    });
    return put.immediate();
  }
}

function tokenOf(stored: StoredToken): Token {
  return { ...stored, sources: stored.sources === null ? null : (JSON.parse(stored.sources) as string[]) };
}
