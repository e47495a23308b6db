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
/** One that failed is looked up once more after this long: it may have waited, run and ended between two polls. */
const LOOK_AGAIN_MS = 10_000;

/** Where new tasks begin in the list of all of them, which grows at its end. */
interface Cursor {
  readonly total: number;
  /** Of the last task before. */
  readonly last_id: string | null;
}

/** A task that has not ended. */
interface Followed extends TaskProgress {
  /** What was told of it last; null where that is not known. */
  readonly told: string | null;
}

/** A task that failed lately. */
interface Failed extends TaskProgress {
  readonly told: string;
  /** When it is looked up once more, Unix milliseconds; null once it was. */
  readonly again_ms: number | null;
}

/** What the list of all tasks has that is new. */
interface Added {
  readonly records: readonly TaskRecord[];
  readonly left_out: number;
  readonly cursor: Cursor;
}

interface Memory {
  readonly cursor: Cursor | null;
  /** When its tasks were last told of, Unix milliseconds; null where they never were. */
  readonly told_ms: number | null;
  readonly unfinished: ReadonlyMap<string, Followed>;
  readonly failed: ReadonlyMap<string, Failed>;
}

export interface TasksPolled {
  readonly entries: readonly Readonly<Record<string, unknown>>[];
  readonly unfinished: number;
  /** Ends that are told. */
  readonly ended: number;
  /** Records that could not be read. */
  readonly left_out: number;
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
      .map(
        ({ id, attempt, status }) => [id.slice(id_prefix.length), { attempt, status, told: null }] as const,
      );
    this.#memory = { ...this.#memory, told_ms: last_report_ms, unfinished: new Map(known) };
  }

  async poll(api: CoordinatorApi, now_ms: number): Promise<TasksPolled> {
    const { unfinished: before, failed } = this.#memory;
    const seen = new Map<string, Seen>();
    const see = (record: TaskRecord) => {
      const { task_id } = record;
      const known = seen.get(task_id) ?? before.get(task_id);
      const told = changeable(record);
      const progress = known ?? failed.get(task_id);
      if (progress?.told !== told)
        seen.set(task_id, { ...mapTask(record, progress, this.#options, now_ms), told });
      else if (known && !seen.has(task_id))
        seen.set(task_id, unchanged(task_id, { ...known, told }, this.#options));
    };
    const added = await this.#added(api, now_ms);
    let { left_out } = added;
    const look = (raws: readonly Raw[]) => {
      const records = read(raws);
      left_out += raws.length - records.length;
      for (const record of records) see(record);
    };
    for (const record of added.records) see(record);
    for (const status of UNFINISHED) {
      for await (const page of api.tasks(status, MAX_UNFINISHED)) look(page);
    }
    const missing = [...before.keys()].filter((id) => !seen.has(id));
    const again = [...failed].filter(
      ([id, { again_ms }]) => (again_ms ?? Infinity) <= now_ms && !seen.has(id),
    );
    const asked = [...missing, ...again.map(([id]) => id)].slice(0, MAX_LOOKUPS);
    look(await lookUp(api, asked));
    const polled = this.#polled(seen, missing.slice(MAX_LOOKUPS), new Set(asked), added.cursor, now_ms);
    return { ...polled, left_out };
  }

  /**
   * @param waiting ids of tasks that are still to be looked up
   * @param asked those that were
   */
  #polled(
    seen: ReadonlyMap<string, Seen>,
    waiting: readonly string[],
    asked: ReadonlySet<string>,
    cursor: Cursor,
    now_ms: number,
  ): Omit<TasksPolled, "left_out"> {
    const { unfinished: before } = this.#memory;
    // Who waits for its turn comes before who has joined since.
    const unfinished = new Map<string, Followed>(waiting.map((id) => [id, before.get(id)!] as const));
    const failed = new Map(
      [...this.#memory.failed].map(
        ([id, one]) => [id, asked.has(id) ? { ...one, again_ms: null } : one] as const,
      ),
    );
    const entries: Readonly<Record<string, unknown>>[] = [];
    for (const { id, ended, attempt, status, told, entries: own } of seen.values()) {
      entries.push(...own);
      failed.delete(id);
      if (!ended) unfinished.set(id, { attempt, status, told });
      else if (status === "failed")
        failed.set(id, { attempt, status, told, again_ms: now_ms + LOOK_AGAIN_MS });
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
  async #added(api: CoordinatorApi, now_ms: number): Promise<Added> {
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
      const fresh = cursor.last_id === null ? raws : raws.slice(1);
      const known = read(fresh);
      return {
        records: known,
        left_out: fresh.length - known.length,
        cursor: { total: offset, last_id: idOf(raws.at(-1)) },
      };
    }
  }

  /** From the end of the list back to what was created before. */
  async #back(api: CoordinatorApi, now_ms: number): Promise<Added> {
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
    return { records: news, left_out: 0, cursor: { total: first.total, last_id } };
  }
}

/** What a poll saw of a task. */
type Seen = Omit<TaskSeen, "ended_ms"> & { readonly told: string };

/** All that may change of a task, as one text; what was submitted stays as it is. */
function changeable(record: TaskRecord): string {
  const { status, attempts, worker_id, started, ended, failed_time, cancelled, progress, error } = record;
  return [status, attempts, worker_id, started, ended, failed_time, cancelled, progress, error].join("\n");
}

/** One that is as it was told: it is only named. */
function unchanged(
  id: string,
  followed: TaskProgress & { readonly told: string },
  options: TasksOptions,
): Seen {
  return { ...followed, id, ended: false, entries: [mention(id, followed, options)] };
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
