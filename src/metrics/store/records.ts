import type { Database, Statement } from "better-sqlite3";
import type { Scope } from "../catalogue.ts";
import type { Mark } from "../model.ts";
import type { EndedTask, TaskRecord, TickBatch, WorkerRecord } from "./contract.ts";

/** Workers, tasks and facts: what is kept besides samples. */
export class Records {
  readonly #put_worker: Statement<[WorkerRecord]>;
  readonly #drop_worker: Statement<[number, string]>;
  readonly #all_workers: Statement<[], WorkerRecord>;
  readonly #put_task: Statement<[TaskRecord]>;
  readonly #drop_task: Statement<[string]>;
  readonly #some_tasks: Statement<[number, number], TaskRecord>;
  readonly #tasks_at: Statement<[number, number, number], TaskRecord>;
  readonly #ended_task: Statement<[string], EndedTask>;
  readonly #put_mark: Statement<[number, string, string]>;
  readonly #some_marks: Statement<[number, number, number], Mark>;
  readonly #put_fact: Statement<[string, string]>;
  readonly #one_fact: Statement<[string], string>;
  readonly #known: Record<"worker" | "task", Statement<[string]>>;

  constructor(db: Database) {
    this.#put_worker = db.prepare(
      `INSERT INTO workers (id, document) VALUES (@id, @document)
       ON CONFLICT DO UPDATE SET document = excluded.document, gone_ms = NULL`,
    );
    this.#drop_worker = db.prepare("UPDATE workers SET gone_ms = ? WHERE id = ?");
    this.#all_workers = db.prepare("SELECT id, document FROM workers WHERE gone_ms IS NULL ORDER BY id");
    this.#put_task = db.prepare(
      `INSERT INTO tasks
       VALUES (@id, @status, @type, @model_family, @worker_id, @attempt, @queued_at_ms, @ended_at_ms, @document)
       ON CONFLICT DO UPDATE SET
         status = excluded.status, type = excluded.type, model_family = excluded.model_family,
         worker_id = excluded.worker_id, attempt = excluded.attempt, queued_at_ms = excluded.queued_at_ms,
         ended_at_ms = excluded.ended_at_ms, document = excluded.document`,
    );
    this.#drop_task = db.prepare("DELETE FROM tasks WHERE id = ?");
    this.#some_tasks = db.prepare(
      `SELECT * FROM tasks WHERE ended_at_ms IS NULL
       UNION ALL
       SELECT * FROM (SELECT * FROM tasks WHERE ended_at_ms >= ? ORDER BY ended_at_ms DESC LIMIT ?)`,
    );
    this.#tasks_at = db.prepare(
      `SELECT * FROM tasks WHERE (ended_at_ms IS NULL OR ended_at_ms > ?)
       AND coalesce(queued_at_ms, 0) <= ? LIMIT ?`,
    );
    this.#ended_task = db.prepare(
      "SELECT attempt, ended_at_ms FROM tasks WHERE id = ? AND ended_at_ms IS NOT NULL",
    );
    this.#put_mark = db.prepare(
      "INSERT INTO marks (at_ms, kind, text) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    );
    this.#some_marks = db.prepare(
      `SELECT at_ms, kind, text FROM marks WHERE at_ms >= ? AND at_ms < ?
       ORDER BY at_ms DESC, id DESC LIMIT ?`,
    );
    this.#put_fact = db.prepare(
      "INSERT INTO facts VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
    this.#one_fact = db.prepare<[string], string>("SELECT value FROM facts WHERE name = ?").pluck();
    this.#known = {
      worker: db.prepare("SELECT 1 FROM workers WHERE id = ?"),
      task: db.prepare("SELECT 1 FROM tasks WHERE id = ?"),
    };
  }

  /** Who is gone goes first: an id that left and came back within one batch stays. */
  write(batch: TickBatch): void {
    for (const id of batch.workers_gone) this.#drop_worker.run(Math.floor(batch.at_ms), id);
    for (const id of batch.tasks_gone) this.#drop_task.run(id);
    for (const worker of batch.workers) this.#put_worker.run(worker);
    for (const task of batch.tasks) this.#put_task.run(task);
    for (const { at_ms, kind, text } of batch.marks) this.#put_mark.run(Math.floor(at_ms), kind, text);
    for (const [name, value] of Object.entries(batch.facts)) this.#put_fact.run(name, value);
  }

  workers(): WorkerRecord[] {
    return this.#all_workers.all();
  }

  tasks(ended_since_ms: number, ended_limit: number): TaskRecord[] {
    return this.#some_tasks.all(ended_since_ms, ended_limit);
  }

  tasksAt(at_ms: number, limit: number): TaskRecord[] {
    return this.#tasks_at.all(at_ms, at_ms, limit);
  }

  endedTask(id: string): EndedTask | undefined {
    return this.#ended_task.get(id);
  }

  marks(from_ms: number, to_ms: number, limit: number): Mark[] {
    return this.#some_marks.all(from_ms, to_ms, limit).reverse();
  }

  fact(name: string): string | undefined {
    return this.#one_fact.get(name);
  }

  /** Whether a record keeps the entity in mind; the whole fleet and its cuts always are. */
  knows(scope: Scope, entity: string): boolean {
    return (scope !== "worker" && scope !== "task") || this.#known[scope].get(entity) !== undefined;
  }
}
