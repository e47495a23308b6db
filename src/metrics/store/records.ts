import type { Database, Statement } from "better-sqlite3";
import type { Mark } from "../model.ts";
import type { DocumentRecord, TickBatch, WorkerRecord } from "./contract.ts";

/** Workers, marks, documents and facts: what is kept besides samples and tasks. */
export class Records {
  readonly #put_worker: Statement<[WorkerRecord]>;
  readonly #drop_worker: Statement<[number, string]>;
  readonly #all_workers: Statement<[], WorkerRecord>;
  readonly #put_mark: Statement<[number, string, string]>;
  readonly #some_marks: Statement<[number, number, number], Mark>;
  readonly #put_document: Statement<[DocumentRecord]>;
  readonly #some_documents: Statement<[string], DocumentRecord>;
  readonly #put_fact: Statement<[string, string]>;
  readonly #one_fact: Statement<[string], string>;
  readonly #known: Statement<[string]>;

  constructor(db: Database) {
    this.#put_worker = db.prepare(
      `INSERT INTO workers (id, document) VALUES (@id, @document)
       ON CONFLICT DO UPDATE SET document = excluded.document, gone_ms = NULL`,
    );
    this.#drop_worker = db.prepare("UPDATE workers SET gone_ms = ? WHERE id = ?");
    this.#all_workers = db.prepare("SELECT id, document FROM workers WHERE gone_ms IS NULL ORDER BY id");
    this.#put_mark = db.prepare(
      "INSERT INTO marks (at_ms, kind, text) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    );
    this.#some_marks = db.prepare(
      `SELECT at_ms, kind, text FROM marks WHERE at_ms >= ? AND at_ms < ?
       ORDER BY at_ms DESC, id DESC LIMIT ?`,
    );
    this.#put_document = db.prepare(
      `INSERT INTO documents VALUES (@kind, @id, @until_ms, @document)
       ON CONFLICT DO UPDATE SET until_ms = excluded.until_ms, document = excluded.document`,
    );
    this.#some_documents = db.prepare("SELECT * FROM documents WHERE kind = ? ORDER BY id");
    this.#put_fact = db.prepare(
      "INSERT INTO facts VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
    this.#one_fact = db.prepare<[string], string>("SELECT value FROM facts WHERE name = ?").pluck();
    this.#known = db.prepare("SELECT 1 FROM workers WHERE id = ?");
  }

  /** Who is gone goes first: an id that left and came back within one batch stays. */
  write(batch: TickBatch): void {
    for (const id of batch.workers_gone) this.#drop_worker.run(Math.floor(batch.at_ms), id);
    for (const worker of batch.workers) this.#put_worker.run(worker);
    for (const { at_ms, kind, text } of batch.marks) this.#put_mark.run(Math.floor(at_ms), kind, text);
    for (const one of batch.documents) this.#put_document.run({ ...one, until_ms: Math.floor(one.until_ms) });
    for (const [name, value] of Object.entries(batch.facts)) this.#put_fact.run(name, value);
  }

  workers(): WorkerRecord[] {
    return this.#all_workers.all();
  }

  marks(from_ms: number, to_ms: number, limit: number): Mark[] {
    return this.#some_marks.all(from_ms, to_ms, limit).reverse();
  }

  documents(kind: string): DocumentRecord[] {
    return this.#some_documents.all(kind);
  }

  fact(name: string): string | undefined {
    return this.#one_fact.get(name);
  }

  knowsWorker(id: string): boolean {
    return this.#known.get(id) !== undefined;
  }
}
