import type { Database, Statement } from "better-sqlite3";
import { EvenkeelError } from "../../errors.ts";
import type { EndedTask, EndedTasksAnswer, EndedTasksQuery, TaskRecord, TickBatch } from "./contract.ts";
import { TaskIndex } from "./task-index.ts";
import { lineStart, matchingRows, readLines } from "./task-pack.ts";

const MAX_LIMIT = 10_000;
/**
 * What one query looks through: it holds the event loop for some 10 ms, and its caller goes on after a turn.
 * Of a pack either its columns alone are read (0.08 ms) or its records too (0.6 to 1 ms); of rows SQLite filters by the
 * columns (0.15 µs each), and only a filter of ours needs the record (3 µs).
 */
const MAX_SEARCHED_PACKS = 80;
const MAX_OPENED_PACKS = 10;
const MAX_SEARCHED_ROWS = 15_000;
const MAX_READ_ROWS = 1500;

/** Packs that are read for one moment: of a fleet's live tasks the last ends within so many, as a rule. */
const MAX_PACKS_AT = 500;

interface PackRow {
  k: number;
  to_ms: number;
  columns: Uint8Array;
}

/** Null where all are asked for. */
type RowsQuery = Record<
  "from_ms" | "to_ms" | "last_ms" | "after_id" | "type" | "model_family" | "worker_id" | "statuses",
  number | string | null
>;

/** Tasks as they were last written: a row each, and the older ended ones in packs. */
export class Tasks {
  readonly #index: TaskIndex;
  readonly #put: Statement<[TaskRecord]>;
  readonly #drop: Statement<[string]>;
  readonly #row: Statement<[string], TaskRecord>;
  readonly #unfinished: Statement<[], TaskRecord>;
  readonly #ended_rows: Statement<[RowsQuery], TaskRecord>;
  readonly #row_beyond: Statement<[number, number, number], number>;
  readonly #packs: Statement<[number, number], PackRow>;
  readonly #first_pack: Statement<[number], number | null>;
  readonly #records: Statement<[number], Uint8Array>;
  readonly #rows_at: Statement<[number, number, number], TaskRecord>;
  readonly #packs_at: Statement<[number, number], number>;
  readonly #at: (at_ms: number, limit: number) => TaskRecord[];
  readonly #search: (query: EndedTasksQuery) => EndedTasksAnswer;

  constructor(db: Database) {
    this.#index = new TaskIndex(db);
    this.#put = db.prepare(
      `INSERT INTO tasks
       VALUES (@id, @status, @type, @model_family, @worker_id, @attempt, @queued_at_ms, @ended_at_ms, @document)
       ON CONFLICT DO UPDATE SET
         status = excluded.status, type = excluded.type, model_family = excluded.model_family,
         worker_id = excluded.worker_id, attempt = excluded.attempt, queued_at_ms = excluded.queued_at_ms,
         ended_at_ms = excluded.ended_at_ms, document = excluded.document`,
    );
    this.#drop = db.prepare("DELETE FROM tasks WHERE id = ? AND ended_at_ms IS NULL");
    this.#row = db.prepare("SELECT * FROM tasks WHERE id = ?");
    this.#unfinished = db.prepare("SELECT * FROM tasks WHERE ended_at_ms IS NULL");
    this.#ended_rows = db.prepare(
      `SELECT * FROM tasks
       WHERE ended_at_ms >= @from_ms AND ended_at_ms <= @last_ms
         AND +ended_at_ms < @to_ms AND (+ended_at_ms < @last_ms OR id > @after_id)
         AND (@type IS NULL OR type = @type) AND (@model_family IS NULL OR model_family = @model_family)
         AND (@worker_id IS NULL OR worker_id = @worker_id)
         AND (@statuses IS NULL OR status IN (SELECT value FROM json_each(@statuses)))
       ORDER BY ended_at_ms DESC, id`,
    );
    this.#row_beyond = db
      .prepare<[number, number, number], number>(
        "SELECT ended_at_ms FROM tasks WHERE ended_at_ms < ? AND ended_at_ms >= ? ORDER BY ended_at_ms DESC LIMIT 1 OFFSET ?",
      )
      .pluck();
    this.#packs = db.prepare(
      "SELECT k, to_ms, columns FROM task_pack WHERE to_ms >= ? AND from_ms <= ? ORDER BY to_ms DESC",
    );
    this.#first_pack = db
      .prepare<[number], number | null>("SELECT min(k) FROM task_pack WHERE to_ms >= ?")
      .pluck();
    this.#records = db.prepare<[number], Uint8Array>("SELECT records FROM task_pack WHERE k = ?").pluck();
    this.#rows_at = db.prepare(
      `SELECT * FROM tasks WHERE (ended_at_ms IS NULL OR ended_at_ms > ?)
       AND coalesce(queued_at_ms, ended_at_ms, 0) <= ? LIMIT ?`,
    );
    this.#packs_at = db
      .prepare<[number, number], number>(
        `SELECT k FROM task_pack WHERE to_ms > ? AND began_ms <= ? ORDER BY to_ms LIMIT ${MAX_PACKS_AT}`,
      )
      .pluck();
    this.#at = db.transaction((at_ms: number, limit: number) => this.#allAt(at_ms, limit));
    // One moment of the file: housekeeping moves tasks from rows into packs meanwhile.
    this.#search = db.transaction((query: EndedTasksQuery) => this.#searchNewestFirst(query));
  }

  /** Who is gone goes first: an id that left and came back within one batch stays. */
  write({ tasks, tasks_gone }: Pick<TickBatch, "tasks" | "tasks_gone">): void {
    for (const id of tasks_gone) this.#drop.run(id);
    for (const task of tasks) this.#put.run(task);
  }

  /** As it was last written, packed or not. */
  task(id: string): TaskRecord | undefined {
    return this.#row.get(id) ?? this.#packed(id, 0);
  }

  endedTask(id: string, since_ms: number): EndedTask | undefined {
    const row = this.#row.get(id);
    const task = row ?? this.#packedSince(id, since_ms);
    if (!task || task.ended_at_ms === null || task.ended_at_ms < since_ms) return undefined;
    return { attempt: task.attempt, ended_at_ms: task.ended_at_ms };
  }

  #packedSince(id: string, since_ms: number): TaskRecord | undefined {
    const first_pack = this.#first_pack.get(since_ms) ?? null;
    return first_pack === null ? undefined : this.#packed(id, first_pack);
  }

  /** The newest packed record of the task, of the packs from that one on. */
  #packed(id: string, first_pack: number): TaskRecord | undefined {
    const start = lineStart(id);
    for (const pack of this.#index.packsOf(id, first_pack)) {
      const line = this.#lines(pack).find((line) => line.startsWith(start));
      if (line !== undefined) return JSON.parse(line) as TaskRecord;
    }
    return undefined;
  }

  /** None where retention took the pack and its place in the index is left. */
  #lines(pack: number): string[] {
    const records = this.#records.get(pack);
    return records === undefined ? [] : undamaged(pack, () => readLines(records));
  }

  unfinished(): TaskRecord[] {
    return this.#unfinished.all();
  }

  /** What had begun and not ended by then. */
  tasksAt(at_ms: number, limit: number): TaskRecord[] {
    return this.#at(at_ms, limit);
  }

  #allAt(at_ms: number, limit: number): TaskRecord[] {
    const found = this.#rows_at.all(at_ms, at_ms, limit);
    for (const pack of this.#packs_at.all(at_ms, at_ms)) {
      for (const line of this.#lines(pack)) {
        if (found.length >= limit) return found;
        const task = JSON.parse(line) as TaskRecord;
        const began_ms = task.queued_at_ms ?? task.ended_at_ms!;
        if (began_ms <= at_ms && task.ended_at_ms! > at_ms && !this.#isKnownAnew(task.id, pack))
          found.push(task);
      }
    }
    return found;
  }

  endedTasks(query: EndedTasksQuery): EndedTasksAnswer {
    checkQuery(query);
    return this.#search(query);
  }

  #searchNewestFirst(asked: EndedTasksQuery): EndedTasksAnswer {
    // One more than asked for tells whether there are more.
    const wanted = asked.limit + 1;
    const query = { ...asked, from_ms: this.#rowsFrom(asked) };
    let found = this.#rowsOf(query, wanted);
    let searched_from_ms = query.from_ms;
    const left = { searched: MAX_SEARCHED_PACKS, opened: MAX_OPENED_PACKS };
    for (const pack of this.#packs.iterate(query.from_ms, lastOf(query))) {
      if (found.length === wanted && found.at(-1)!.ended_at_ms! > pack.to_ms) break;
      if (left.searched === 0 || left.opened === 0) {
        // The packs come by the end of their last task: what ended after this one's is known.
        searched_from_ms = Math.floor(pack.to_ms) + 1;
        found = found.filter(({ ended_at_ms }) => ended_at_ms! >= searched_from_ms);
        break;
      }
      left.searched -= 1;
      const rows = undamaged(pack.k, () => matchingRows(pack.columns, query));
      if (rows.length === 0) continue;
      left.opened -= 1;
      const matching = this.#matching(pack.k, rows, query, wanted);
      if (matching.length > 0) found = [...found, ...matching].sort(newestFirst).slice(0, wanted);
    }
    if (found.length < wanted) return { tasks: found, searched_from_ms };
    const tasks = found.slice(0, asked.limit);
    return { tasks, searched_from_ms: tasks.at(-1)!.ended_at_ms! };
  }

  /** How far back one query looks through rows: all that ended in one millisecond, or none of it. */
  #rowsFrom(query: EndedTasksQuery): number {
    const { from_ms, matches, ofWorker } = query;
    const most = matches || ofWorker ? MAX_READ_ROWS : MAX_SEARCHED_ROWS;
    const before_ms = lastOf(query);
    const beyond_ms = this.#row_beyond.get(before_ms, from_ms, most);
    if (beyond_ms === undefined) return from_ms;
    const next_ms = Math.floor(beyond_ms) + 1;
    return Math.max(from_ms, next_ms < before_ms ? next_ms : Math.floor(beyond_ms));
  }

  #rowsOf(query: EndedTasksQuery, wanted: number): TaskRecord[] {
    const { from_ms, to_ms, after, matches, ofWorker, status } = query;
    const { type = null, model_family = null, worker_id = null } = query;
    const rows = this.#ended_rows.iterate({
      ...{ from_ms, to_ms, type, model_family, worker_id },
      last_ms: lastOf(query),
      after_id: after?.id ?? "",
      statuses: status === undefined ? null : JSON.stringify([status].flat()),
    });
    const found: TaskRecord[] = [];
    for (const row of rows) {
      if ((ofWorker && !ofWorker(row.worker_id)) || (matches && !matches(row))) continue;
      found.push(row);
      if (found.length === wanted) break;
    }
    return found;
  }

  /** The tasks of these rows of a pack, but for those that are known anew; at least `wanted`, if there are. */
  #matching(
    pack: number,
    rows: readonly number[],
    { after, matches }: EndedTasksQuery,
    wanted: number,
  ): TaskRecord[] {
    const lines = this.#lines(pack);
    const matching: TaskRecord[] = [];
    for (const row of rows) {
      const task = JSON.parse(lines[row]!) as TaskRecord;
      // All that ended in one millisecond are needed: their order is that of their ids.
      if (matching.length >= wanted && matching.at(-1)!.ended_at_ms !== task.ended_at_ms) break;
      if (after && task.ended_at_ms === after.ended_at_ms && task.id <= after.id) continue;
      if ((!matches || matches(task)) && !this.#isKnownAnew(task.id, pack)) matching.push(task);
    }
    return matching;
  }

  /** Whether there is a record of the task that is newer than its pack. */
  #isKnownAnew(id: string, pack: number): boolean {
    return this.#row.get(id) !== undefined || this.#packed(id, pack + 1) !== undefined;
  }
}

function undamaged<Result>(pack: number, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw new EvenkeelError(
      "unavailable",
      `The ended tasks of pack ${pack} are damaged (${(error as Error).message}); restore the database from a backup`,
    );
  }
}

/** The last instant that a query may find a task of; its own end is exclusive, the task that it goes on after is not. */
function lastOf({ to_ms, after }: EndedTasksQuery): number {
  return after ? Math.min(to_ms, after.ended_at_ms) : to_ms;
}

function newestFirst(a: TaskRecord, b: TaskRecord): number {
  return b.ended_at_ms! - a.ended_at_ms! || (a.id < b.id ? -1 : 1);
}

function checkQuery({ from_ms, to_ms, limit }: EndedTasksQuery): void {
  if (Number.isNaN(from_ms) || Number.isNaN(to_ms)) {
    throw new EvenkeelError("invalid", `from_ms and to_ms must be instants; got ${from_ms} and ${to_ms}`);
  }
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new EvenkeelError("invalid", `limit must be a whole number from 1 to ${MAX_LIMIT}; got ${limit}`);
  }
}
