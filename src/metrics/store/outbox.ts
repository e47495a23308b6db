import type { Database, Statement } from "better-sqlite3";
import type { OutboxAttempt, OutboxMessage, OutboxRecord } from "../outbox.ts";

/** Messages that ended and are still shown, the newest of them. */
export const MAX_ENDED_MESSAGES = 2000;

/** The messages to receivers. */
export class OutboxTable {
  readonly #put: Statement<[OutboxMessage]>;
  readonly #waiting: Statement<[number, number], OutboxRecord>;
  readonly #ended: Statement<[number], OutboxRecord>;
  readonly #one: Statement<[number], OutboxRecord>;
  readonly #newest: Statement<[], number | null>;
  readonly #note: Statement<[OutboxAttempt & { id: number }]>;

  constructor(db: Database) {
    this.#put = db.prepare(
      `INSERT INTO outbox (id, receiver, created_ms, document) VALUES (@id, @receiver, @created_ms, @document)
       ON CONFLICT DO NOTHING`,
    );
    this.#waiting = db.prepare("SELECT * FROM outbox WHERE ended_ms IS NULL AND id > ? ORDER BY id LIMIT ?");
    this.#ended = db.prepare(
      "SELECT * FROM outbox WHERE ended_ms IS NOT NULL ORDER BY ended_ms DESC, id DESC LIMIT ?",
    );
    this.#one = db.prepare("SELECT * FROM outbox WHERE id = ?");
    this.#newest = db.prepare<[], number | null>("SELECT max(id) FROM outbox").pluck();
    this.#note = db.prepare(
      `UPDATE outbox SET attempts = attempts + 1, tried_ms = @at_ms, next_ms = @next_ms, error = @error,
         outcome = @outcome, ended_ms = iif(@outcome IS NULL, NULL, @at_ms)
       WHERE id = @id AND ended_ms IS NULL`,
    );
  }

  write(messages: readonly OutboxMessage[]): void {
    for (const { id, receiver, created_ms, document } of messages) {
      this.#put.run({ id, receiver, created_ms: Math.floor(created_ms), document });
    }
  }

  waiting(after_id: number, limit: number): OutboxRecord[] {
    return this.#waiting.all(after_id, limit);
  }

  ended(limit: number): OutboxRecord[] {
    return this.#ended.all(limit);
  }

  message(id: number): OutboxRecord | undefined {
    return this.#one.get(id);
  }

  newestId(): number {
    return this.#newest.get() ?? 0;
  }

  note(id: number, attempt: OutboxAttempt): void {
    const next_ms = attempt.next_ms === null ? null : Math.floor(attempt.next_ms);
    this.#note.run({ ...attempt, id, at_ms: Math.floor(attempt.at_ms), next_ms });
  }
}
