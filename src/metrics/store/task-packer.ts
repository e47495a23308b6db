import type { Database, Statement } from "better-sqlite3";
import type { TaskRecord } from "./contract.ts";
import { TaskIndexer } from "./task-index.ts";
import { PACK_TASKS, packTasks, type TaskPack } from "./task-pack.ts";

/** Packs, some 18 KiB each, that one transaction deletes. */
const DROPPED_PACKS = 20;

/** Moves ended tasks into packs and, later, packs out of the file; each call is one transaction. */
export class TaskPacker {
  readonly #oldest: Statement<[number], TaskRecord>;
  readonly #packs: Statement<[], { first: number | null; last: number | null }>;
  readonly #put: Statement<[TaskPack & { k: number }]>;
  readonly #drop_task: Statement<[string]>;
  readonly #drop_packs: Statement<[number]>;
  readonly #indexer: TaskIndexer;
  readonly #pack: ((before_ms: number) => boolean) & { immediate(before_ms: number): boolean };

  constructor(db: Database) {
    this.#indexer = new TaskIndexer(db);
    this.#oldest = db.prepare(
      `SELECT * FROM tasks WHERE ended_at_ms < ? ORDER BY ended_at_ms LIMIT ${PACK_TASKS}`,
    );
    this.#packs = db.prepare(
      `SELECT (SELECT min(k) FROM task_pack) AS first,
              coalesce((SELECT max(k) FROM pack_hashes), (SELECT max(k) FROM task_pack)) AS last`,
    );
    this.#put = db.prepare(
      "INSERT INTO task_pack VALUES (@k, @from_ms, @to_ms, @began_ms, @columns, @records)",
    );
    this.#drop_task = db.prepare("DELETE FROM tasks WHERE id = ?");
    this.#drop_packs = db.prepare(
      `DELETE FROM task_pack WHERE to_ms < ? ORDER BY to_ms LIMIT ${DROPPED_PACKS}`,
    );
    this.#pack = db.transaction((before_ms: number) => this.#packOldest(before_ms));
  }

  /** Packs the tasks that ended first; false where fewer than a pack of them ended before that instant. */
  packOldest(before_ms: number): boolean {
    try {
      // It takes the file's lock only once the pack is made, unless somebody wrote meanwhile.
      return this.#pack(before_ms);
    } catch (error) {
      if (!String((error as { code?: unknown }).code).startsWith("SQLITE_BUSY")) throw error;
      return this.#pack.immediate(before_ms);
    }
  }

  #packOldest(before_ms: number): boolean {
    const tasks = this.#oldest.all(before_ms);
    if (tasks.length < PACK_TASKS) return false;
    const pack = packTasks(tasks);
    const k = this.#nextPack();
    this.#put.run({ k, ...pack });
    const ids = tasks.map(({ id }) => id);
    this.#indexer.add(k, ids);
    for (const id of ids) this.#drop_task.run(id);
    return true;
  }

  /** Never a number again that the index has, even where retention left no pack. */
  #nextPack(): number {
    return 1 + Math.max(this.#packs.get()!.last ?? -1, this.#indexer.newestSorted());
  }

  /** The transactions that the index needs next, in their order; none where it is as it should be. */
  indexSlices(): (() => void)[] {
    const slices = this.#indexer.sortSegment();
    if (slices.length > 0) return slices;
    return this.#indexer.dropSegment(this.#packs.get()!.first ?? this.#nextPack());
  }

  /** Deletes packs of which every task ended before that instant; false where none is left. */
  dropOldest(before_ms: number): boolean {
    return this.#drop_packs.run(before_ms).changes === DROPPED_PACKS;
  }
}
