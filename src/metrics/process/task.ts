import {
  type Attempt,
  type Metrics,
  type Modality,
  type Requirements,
  STEPS,
  type Step,
  type Task,
  type TaskState,
  type TaskStatus,
  type TaskUpdate,
  type Transition,
} from "../model.ts";
import { modalityOf } from "./modality.ts";
import {
  type Register,
  RegisterReader,
  RegisterWriter,
  type SourceClock,
  type Stamp,
  type StoredRegister,
  update,
} from "./register.ts";

/** Attempts of one task that are kept, the newest ones. */
const MAX_ATTEMPTS = 8;

/** A task's gauges (its progress, its metrics) move each second and are kept this often: the next report has them again. */
const KEEP_GAUGES_MS = 30_000;

const STEP_OF: Record<TaskStatus, Step> = {
  queued: "queued",
  assigned: "assigned",
  running: "started",
  completed: "ended",
  failed: "ended",
  cancelled: "ended",
};
const RANK: Record<TaskStatus, number> = {
  queued: 0,
  assigned: 1,
  running: 2,
  completed: 3,
  failed: 3,
  cancelled: 3,
};
const ENDED = RANK.completed;
/** Which of two ends stands when their times do not tell: the first of these. */
const ENDS: readonly TaskStatus[] = ["completed", "failed", "cancelled"];

/** Why an unfinished task counts as orphaned: its worker is lost, or nobody mentions it any more. */
export type OrphanCause = "worker_lost" | "unmentioned";

/** An instant of ours, Unix milliseconds; `given` where the source told it, else it is a time of receipt. */
interface Instant {
  at_ms: number;
  given: boolean;
}

/** What is known of one attempt. Each field only ever moves one way, so that order never matters. */
interface AttemptEntry {
  attempt: number;
  status: TaskStatus;
  /** The own time of the status that ended the attempt. */
  end: Instant | undefined;
  queued: Instant | undefined;
  assigned: Instant | undefined;
  started: Instant | undefined;
  ended: Instant | undefined;
  worker: Register<string> | undefined;
  progress: Register<number> | undefined;
  error: Register<string> | undefined;
}

/** An instant as the store keeps it: after the document's base, milliseconds, and 1 where it was not given. */
type StoredInstant = [after_base_ms: number, not_given?: 1];

/** How a task is kept in the store. A quiet week has millions of them, so what is common is written once. */
export interface TaskDocument {
  mentioned_ms: number;
  mentioned_by: string[];
  orphaned?: OrphanCause;
  sources: string[];
  fields: Record<string, StoredRegister>;
  attempts: {
    attempt: number;
    status: TaskStatus;
    end?: StoredInstant;
    times: Partial<Record<Step, StoredInstant>>;
    worker?: StoredRegister;
    progress?: StoredRegister;
    error?: StoredRegister;
  }[];
}

/** Nothing is known of it yet. */
function attemptEntry(attempt: number): AttemptEntry {
  return {
    attempt,
    status: "queued",
    end: undefined,
    queued: undefined,
    assigned: undefined,
    started: undefined,
    ended: undefined,
    worker: undefined,
    progress: undefined,
    error: undefined,
  };
}

const NOTHING_YET: Readonly<AttemptEntry> = attemptEntry(1);

/** What is said of a task as a whole. */
type Field = "type" | "model_family" | "model_id" | "priority" | "modality" | "requirements";
const METRIC = "metrics.";

const NOBODY: ReadonlySet<string> = new Set();
const ONLY = new WeakMap<SourceClock, ReadonlySet<string>>();

function noFields(): Record<Field, Register<unknown> | undefined> {
  return {
    type: undefined,
    model_family: undefined,
    model_id: undefined,
    priority: undefined,
    modality: undefined,
    requirements: undefined,
  };
}

const FIELDS = Object.keys(noFields()) as Field[];

/** A set with this source alone: most tasks are named by one, and share it. */
function only(source: SourceClock): ReadonlySet<string> {
  let set = ONLY.get(source);
  if (set === undefined) {
    set = new Set([source.id]);
    ONLY.set(source, set);
  }
  return set;
}

/** A task as the fleet holds it: every report of it merged, in whatever order they came. */
export class TaskEntry implements Task {
  readonly id: string;
  orphaned: OrphanCause | null = null;
  /** Time of receipt of the last report that names the task. */
  mentioned_ms: number;
  /** The sources that named it. */
  mentioned_by = NOBODY;
  // What the newest attempt and the registers say, as plain fields: a list looks at a hundred thousand tasks.
  attempt = NOTHING_YET.attempt;
  status: TaskStatus = NOTHING_YET.status;
  worker_id: string | null = null;
  progress: number | null = null;
  queued_at_ms: number | null = null;
  started_at_ms: number | null = null;
  ended_at_ms: number | null = null;
  type: string | null = null;
  model_family: string | null = null;
  model_id: string | null = null;
  priority: number | null = null;
  #to_keep = true;
  /** When the store was last to keep it, time of receipt. */
  #kept_ms = 0;
  #attempts: AttemptEntry[] = [];
  // A hundred thousand tasks: a map of each would be most of what they take.
  readonly #fields = noFields();
  #metric_registers: Map<string, Register<number>> | undefined;

  constructor(id: string, now_ms: number) {
    this.id = id;
    this.mentioned_ms = now_ms;
  }

  /** @returns true when the store is to keep it again; a gauge that merely moved on is kept now and then */
  apply(change: TaskUpdate, stamp: Stamp, received_ms: number, at_given: boolean): boolean {
    this.#to_keep = this.orphaned !== null || !this.mentioned_by.has(stamp.source.id);
    this.mentioned_ms = Math.max(this.mentioned_ms, received_ms);
    this.#mention(stamp.source);
    this.orphaned = null;
    for (const name of FIELDS) this.#field(name, change[name], stamp);
    this.#metrics(change.metrics, stamp);
    for (const transition of change.transitions) this.#step(transition, stamp, at_given);
    this.#spread();
    const keep = this.#to_keep || received_ms - this.#kept_ms >= KEEP_GAUGES_MS;
    if (keep) this.#kept_ms = received_ms;
    return keep;
  }

  #mention(source: SourceClock): void {
    if (this.mentioned_by.size === 0) this.mentioned_by = only(source);
    else if (!this.mentioned_by.has(source.id)) {
      this.mentioned_by = new Set([...this.mentioned_by, source.id]);
    }
  }

  /** Brings the plain fields up to date. */
  #spread(): void {
    const { attempt, status, worker, progress, queued, started, ended } = this.#current;
    this.attempt = attempt;
    this.status = status;
    this.worker_id = worker?.value ?? null;
    this.progress = progress?.value ?? null;
    this.queued_at_ms = queued?.at_ms ?? null;
    this.started_at_ms = started?.at_ms ?? null;
    this.ended_at_ms = ended?.at_ms ?? null;
    this.type = this.#value("type");
    this.model_family = this.#value("model_family");
    this.model_id = this.#value("model_id");
    this.priority = this.#value("priority");
  }

  #field(name: Field, value: unknown, stamp: Stamp): void {
    this.#fields[name] = this.#keepField(this.#fields[name], value as object | null | undefined, stamp);
  }

  #metrics(metrics: Metrics, stamp: Stamp): void {
    for (const name in metrics) {
      const register = update(this.#metric_registers?.get(name), metrics[name], stamp);
      if (register === undefined) continue;
      this.#metric_registers ??= new Map();
      this.#metric_registers.set(name, register);
    }
  }

  /** Updates a register whose change the store is to keep; one that only got younger is none. */
  #keepField<T>(
    held: Register<T> | undefined,
    value: T | null | undefined,
    stamp: Stamp,
  ): Register<T> | undefined {
    const register = update(held, value, stamp);
    if (register !== held) this.#to_keep = true;
    return register;
  }

  #step(transition: Transition, stamp: Stamp, at_given: boolean): void {
    const entry = this.#attempt(transition.attempt);
    if (!entry) return;
    const { offset_ms } = stamp.source;
    for (const step of STEPS) {
      const at_ms = transition.times[step];
      if (at_ms !== undefined) this.#reachedAt(entry, step, { at_ms: at_ms + offset_ms, given: true });
    }
    const { status } = transition;
    if (status !== undefined) {
      const step = STEP_OF[status];
      const own_ms = transition.times[step];
      const own =
        own_ms === undefined
          ? { at_ms: stamp.at_ms + offset_ms, given: at_given }
          : { at_ms: own_ms + offset_ms, given: true };
      this.#reach(entry, status, own);
      this.#reachedAt(entry, step, own);
    }
    entry.worker = this.#keepField(entry.worker, transition.worker_id, stamp);
    entry.progress = update(entry.progress, transition.progress, stamp);
    entry.error = this.#keepField(entry.error, transition.error, stamp);
  }

  #reachedAt(entry: AttemptEntry, step: Step, came: Instant): void {
    const held = entry[step];
    if (held !== undefined && compareInstants(came, held) >= 0) return;
    entry[step] = came;
    this.#to_keep = true;
  }

  /** Within an attempt a status never goes back; of several ends the one with the earliest time stands. */
  #reach(entry: AttemptEntry, status: TaskStatus, own: Instant): void {
    const rank = RANK[status];
    if (rank < RANK[entry.status] || (rank < ENDED && rank === RANK[entry.status])) return;
    if (rank < ENDED || RANK[entry.status] < ENDED) {
      this.#to_keep = true;
      entry.status = status;
      if (rank === ENDED) entry.end = own;
      return;
    }
    const order = entry.end === undefined ? -1 : compareInstants(own, entry.end);
    if (order < 0 || (order === 0 && ENDS.indexOf(status) < ENDS.indexOf(entry.status))) {
      this.#to_keep = true;
      entry.status = status;
      entry.end = own;
    }
  }

  #attempt(attempt: number): AttemptEntry | undefined {
    const found = this.#attempts.find((a) => a.attempt === attempt);
    if (found) return found;
    const entry = attemptEntry(attempt);
    this.#to_keep = true;
    // A list that is pushed to has room for many more.
    this.#attempts = this.#attempts.concat(entry).sort((a, b) => a.attempt - b.attempt);
    if (this.#attempts.length > MAX_ATTEMPTS) this.#attempts.shift();
    return this.#attempts.includes(entry) ? entry : undefined;
  }

  get #current(): AttemptEntry {
    return this.#attempts.at(-1) ?? NOTHING_YET;
  }

  get ended(): boolean {
    return RANK[this.status] === ENDED;
  }
  get state(): TaskState {
    return this.orphaned !== null && !this.ended ? "orphaned" : this.status;
  }
  get error(): string | null {
    return this.#current.error?.value ?? null;
  }
  /** The first that is known of it, of whichever attempt; null where no instant is. */
  get began_ms(): number | null {
    const known = this.#attempts.flatMap((attempt) => STEPS.flatMap((step) => attempt[step]?.at_ms ?? []));
    return known.length === 0 ? null : Math.min(...known);
  }
  get assigned_at_ms(): number | null {
    return this.#current.assigned?.at_ms ?? null;
  }
  get modality(): Modality | null {
    return this.#value("modality") ?? modalityOf(this.model_id, this.type);
  }
  get requirements(): Requirements | null {
    return this.#value("requirements");
  }

  #value<T>(name: Field): T | null {
    return (this.#fields[name]?.value as T | undefined) ?? null;
  }

  get metrics(): ReadonlyMap<string, number> {
    const metrics = new Map<string, number>();
    for (const [name, { value }] of this.#metric_registers ?? []) {
      if (value !== null) metrics.set(name, value);
    }
    return metrics;
  }

  /** Every attempt that is kept, oldest first. */
  attempts(): Attempt[] {
    return this.#attempts.map((a) => ({
      attempt: a.attempt,
      status: a.status,
      worker_id: a.worker?.value ?? null,
      queued_at_ms: a.queued?.at_ms ?? null,
      assigned_at_ms: a.assigned?.at_ms ?? null,
      started_at_ms: a.started?.at_ms ?? null,
      ended_at_ms: a.ended?.at_ms ?? null,
      error: a.error?.value ?? null,
    }));
  }

  toDocument(): TaskDocument {
    const registers = new RegisterWriter(this.mentioned_ms);
    const document: TaskDocument = {
      mentioned_ms: this.mentioned_ms,
      mentioned_by: [...this.mentioned_by],
      sources: registers.sources,
      fields: registers.writeAll(this.#registers()),
      attempts: this.#attempts.map((attempt) => storedAttempt(attempt, this.mentioned_ms, registers)),
    };
    if (this.orphaned) document.orphaned = this.orphaned;
    return document;
  }

  *#registers(): Iterable<[name: string, register: Register<unknown>]> {
    for (const name of FIELDS) if (this.#fields[name]) yield [name, this.#fields[name]];
    for (const [name, register] of this.#metric_registers ?? []) yield [METRIC + name, register];
  }

  static fromDocument(id: string, document: TaskDocument, clock: (source: string) => SourceClock): TaskEntry {
    const { mentioned_ms: base_ms, mentioned_by, orphaned, sources, fields, attempts } = document;
    const entry = new TaskEntry(id, base_ms);
    const registers = new RegisterReader(base_ms, sources, clock);
    const instant = ([after_base_ms, not_given]: StoredInstant): Instant => ({
      at_ms: after_base_ms + base_ms,
      given: not_given === undefined,
    });
    entry.orphaned = orphaned ?? null;
    for (const source of mentioned_by) entry.#mention(clock(source));
    for (const [name, stored] of Object.entries(fields)) {
      if (!name.startsWith(METRIC)) entry.#fields[name as Field] = registers.read(stored);
      else {
        entry.#metric_registers ??= new Map();
        entry.#metric_registers.set(name.slice(METRIC.length), registers.read<number>(stored));
      }
    }
    entry.#attempts = attempts.map(({ attempt, status, end, times, worker, progress, error }) => ({
      attempt,
      status,
      end: end && instant(end),
      queued: times.queued && instant(times.queued),
      assigned: times.assigned && instant(times.assigned),
      started: times.started && instant(times.started),
      ended: times.ended && instant(times.ended),
      worker: worker && registers.read<string>(worker),
      progress: progress && registers.read<number>(progress),
      error: error && registers.read<string>(error),
    }));
    entry.#spread();
    return entry;
  }
}

function storedAttempt(
  entry: AttemptEntry,
  base_ms: number,
  registers: RegisterWriter,
): TaskDocument["attempts"][number] {
  const instant = ({ at_ms, given }: Instant): StoredInstant =>
    given ? [at_ms - base_ms] : [at_ms - base_ms, 1];
  const { attempt, status, end, worker, progress, error } = entry;
  const stored: TaskDocument["attempts"][number] = { attempt, status, times: {} };
  for (const step of STEPS) if (entry[step]) stored.times[step] = instant(entry[step]);
  if (end) stored.end = instant(end);
  if (worker) stored.worker = registers.write(worker);
  if (progress) stored.progress = registers.write(progress);
  if (error) stored.error = registers.write(error);
  return stored;
}

/** The earliest time given stands; a time of receipt stands only until one is given. */
function compareInstants(a: Instant, b: Instant): number {
  if (a.given !== b.given) return a.given ? -1 : 1;
  return a.given ? a.at_ms - b.at_ms : 0;
}
