import type { KnownBefore } from "../connector.ts";
import type { CoordinatorApi, Raw } from "./api.ts";
import { readTask, type TaskRecord } from "./record.ts";
import { mapTask, mention, type TaskProgress, type TaskSeen, type TasksOptions } from "./tasks.ts";

/** A task that fails may wait again: read first what waits, then what runs, so that what is taken up is not missed. */
const UNFINISHED = ["pending", "running", "cancelling"] as const;
const MAX_UNFINISHED = 1_000_000;
/** Tasks asked for one by one in a poll, to learn how they ended, and so many of them at once; the others wait. */
const MAX_LOOKUPS = 200;
const LOOKUPS_AT_ONCE = 8;
/** How far back it is told of tasks that nobody watched. */
const LOOK_BACK_MS = 3_600_000;
/** What came just before the last report is told again, so that nothing falls between. */
const OVERLAP_MS = 10_000;
/** Pages that are read to look back. */
const MAX_PAGES_BACK = 40;
/** Tasks that failed lately: each may be taken up again. */
const MAX_FAILED = 10_000;

/** Where new tasks begin in the list of all of them, which grows at its end. */
interface Cursor {
  readonly total: number;
  /** Of the last task before. */
  readonly last_id: string | null;
}

interface Memory {
  readonly cursor: Cursor | null;
  /** When its tasks were last told of, Unix milliseconds; null where they never were. */
  readonly told_ms: number | null;
  readonly unfinished: ReadonlyMap<string, TaskProgress>;
  readonly failed: ReadonlyMap<string, TaskProgress>;
}

export interface TasksPolled {
  readonly entries: readonly Readonly<Record<string, unknown>>[];
  readonly unfinished: number;
  /** Ends that are told. */
  readonly ended: number;
  taken(): void;
}

/**
 * Follows tasks at the cost of those that live: what is unfinished is read, what was created since the last poll, and
 * each task once that is unfinished no more. What ended is never read again.
 */
export class TaskWatch {
  readonly #options: TasksOptions;
  #memory: Memory = { cursor: null, told_ms: null, unfinished: new Map(), failed: new Map() };

  constructor(options: TasksOptions) {
    this.#options = options;
  }

  resume({ last_report_ms, unfinished }: KnownBefore): void {
    const { id_prefix } = this.#options;
    const known = unfinished
      .filter(({ id }) => id.startsWith(id_prefix))
      .map(({ id, attempt, status }) => [id.slice(id_prefix.length), { attempt, status }] as const);
    this.#memory = { ...this.#memory, told_ms: last_report_ms, unfinished: new Map(known) };
  }

  async poll(api: CoordinatorApi, now_ms: number): Promise<TasksPolled> {
    const { unfinished: before, failed } = this.#memory;
    const seen = new Map<string, TaskSeen>();
    const see = (record: TaskRecord) => {
      const { task_id } = record;
      const progress = seen.get(task_id) ?? before.get(task_id) ?? failed.get(task_id);
      seen.set(task_id, mapTask(record, progress, this.#options, now_ms));
    };
    const added = await this.#added(api, now_ms);
    for (const record of added.records) see(record);
    for (const status of UNFINISHED) {
      for await (const page of api.tasks(status, MAX_UNFINISHED))
        for (const record of read(page)) see(record);
    }
    const missing = [...before.keys()].filter((id) => !seen.has(id));
    const asked = missing.slice(0, MAX_LOOKUPS);
    for (const raw of await lookUp(api, asked)) for (const record of read([raw])) see(record);
    return this.#polled(seen, missing.slice(MAX_LOOKUPS), added.cursor, now_ms);
  }

  /** @param waiting ids of tasks that are still to be looked up */
  #polled(
    seen: ReadonlyMap<string, TaskSeen>,
    waiting: readonly string[],
    cursor: Cursor,
    now_ms: number,
  ): TasksPolled {
    const { unfinished: before } = this.#memory;
    // Who waits for its turn comes before who has joined since.
    const unfinished = new Map<string, TaskProgress>(waiting.map((id) => [id, before.get(id)!] as const));
    const failed = new Map(this.#memory.failed);
    const entries: Readonly<Record<string, unknown>>[] = [];
    for (const { id, ended, attempt, status, entries: own } of seen.values()) {
      entries.push(...own);
      failed.delete(id);
      if (!ended) unfinished.set(id, { attempt, status });
      else if (status === "failed") failed.set(id, { attempt, status });
    }
    for (const id of waiting) entries.push(mention(id, before.get(id)!, this.#options));
    const ended = seen.size + waiting.length - unfinished.size;
    for (const id of failed.keys()) {
      if (failed.size <= MAX_FAILED) break;
      failed.delete(id);
    }
    const taken = () => {
      this.#memory = { cursor, told_ms: now_ms, unfinished, failed };
    };
    return { entries, unfinished: unfinished.size, ended, taken };
  }

  /**
   * Of what was created a while ago: what has not ended, and what nobody has told of. A task that was created before
   * the last report and not unfinished then had ended.
   */
  #isNews(record: TaskRecord, now_ms: number): boolean {
    const { told_ms, unfinished } = this.#memory;
    const { ended, ended_ms = now_ms } = mapTask(record, undefined, this.#options, now_ms);
    if (!ended || unfinished.has(record.task_id)) return true;
    if (told_ms === null) return ended_ms >= this.#from(now_ms);
    const created_ms = this.#options.time.instant(record.created, now_ms);
    return created_ms !== undefined && created_ms >= this.#from(now_ms);
  }

  #from(now_ms: number): number {
    return Math.max((this.#memory.told_ms ?? 0) - OVERLAP_MS, now_ms - LOOK_BACK_MS);
  }

  /** The tasks created since the last poll; those of a while back where the list is not the one that it was. */
  async #added(api: CoordinatorApi, now_ms: number): Promise<{ records: TaskRecord[]; cursor: Cursor }> {
    const { cursor } = this.#memory;
    if (cursor === null) return this.#back(api, now_ms);
    const raws: Raw[] = [];
    // The last one that is known comes first: that it is the same shows that the list only grew.
    let offset = Math.max(0, cursor.total - 1);
    for (;;) {
      const { total, records } = await api.tasksFrom(offset);
      const expected = raws.length > 0 || cursor.last_id === null || records[0]?.task_id === cursor.last_id;
      if (!expected) return this.#back(api, now_ms);
      raws.push(...records);
      offset += records.length;
      if (records.length > 0 && offset < total) continue;
      const records_added = read(cursor.last_id === null ? raws : raws.slice(1));
      return { records: records_added, cursor: { total: offset, last_id: idOf(raws.at(-1)) } };
    }
  }

  /** From the end of the list back to what was created before. */
  async #back(api: CoordinatorApi, now_ms: number): Promise<{ records: TaskRecord[]; cursor: Cursor }> {
    const from_ms = this.#from(now_ms);
    const first = await api.tasksFrom(0);
    const { length: page_size } = first.records;
    const records: TaskRecord[] = [];
    let end = first.total;
    let last_id = idOf(first.records.at(-1));
    for (let pages = 0; pages < MAX_PAGES_BACK && end > 0; pages += 1) {
      const offset = Math.max(0, end - page_size);
      const page = offset === 0 ? first : await api.tasksFrom(offset);
      const raws = page.records.slice(0, end - offset);
      if (pages === 0) last_id = idOf(raws.at(-1));
      records.unshift(...read(raws));
      end = offset;
      const oldest_ms = this.#options.time.instant(raws[0]?.created, now_ms);
      if (oldest_ms !== undefined && oldest_ms < from_ms) break;
    }
    const news = records.filter((record) => this.#isNews(record, now_ms));
    return { records: news, cursor: { total: first.total, last_id } };
  }
}

function read(raws: readonly Raw[]): TaskRecord[] {
  return raws.flatMap((raw) => readTask(raw) ?? []);
}

function idOf(raw: Raw | undefined): string | null {
  return typeof raw?.task_id === "string" ? raw.task_id : null;
}

/** The tasks of these ids that there are. */
async function lookUp(api: CoordinatorApi, ids: readonly string[]): Promise<Raw[]> {
  const found: Raw[] = [];
  const queue = [...ids];
  const worker = async () => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
      const raw = await api.task(id);
      if (raw !== null) found.push(raw);
    }
  };
  await Promise.all(Array.from({ length: Math.min(LOOKUPS_AT_ONCE, ids.length) }, worker));
  return found;
}
