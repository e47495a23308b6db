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
  times: Partial<Record<Step, Instant>>;
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

const NOTHING_YET: AttemptEntry = {
  attempt: 1,
  status: "queued",
  end: undefined,
  times: {},
  worker: undefined,
  progress: undefined,
  error: undefined,
};

/** A task as the fleet holds it: every report of it merged, in whatever order they came. */
export class TaskEntry implements Task {
  readonly id: string;
  orphaned: OrphanCause | null = null;
  /** Time of receipt of the last report that names the task. */
  mentioned_ms: number;
  /** The sources that named it. */
  readonly mentioned_by = new Set<string>();
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
  readonly #fields = new Map<string, Register<unknown>>();

  constructor(id: string, now_ms: number) {
    this.id = id;
    this.mentioned_ms = now_ms;
  }

  /** @returns true when the store is to keep it again; a gauge that merely moved on is kept now and then */
  apply(change: TaskUpdate, stamp: Stamp, received_ms: number, at_given: boolean): boolean {
    this.#to_keep = this.orphaned !== null || !this.mentioned_by.has(stamp.source.id);
    this.mentioned_ms = Math.max(this.mentioned_ms, received_ms);
    this.mentioned_by.add(stamp.source.id);
    this.orphaned = null;
    this.#field("type", change.type, stamp);
    this.#field("model_family", change.model_family, stamp);
    this.#field("model_id", change.model_id, stamp);
    this.#field("priority", change.priority, stamp);
    this.#field("modality", change.modality, stamp);
    this.#field("requirements", change.requirements, stamp);
    this.#metrics(change.metrics, stamp);
    for (const transition of change.transitions) this.#step(transition, stamp, at_given);
    this.#spread();
    const keep = this.#to_keep || received_ms - this.#kept_ms >= KEEP_GAUGES_MS;
    if (keep) this.#kept_ms = received_ms;
    return keep;
  }

  /** Brings the plain fields up to date. */
  #spread(): void {
    const { attempt, status, worker, progress, times } = this.#current;
    this.attempt = attempt;
    this.status = status;
    this.worker_id = worker?.value ?? null;
    this.progress = progress?.value ?? null;
    this.queued_at_ms = times.queued?.at_ms ?? null;
    this.started_at_ms = times.started?.at_ms ?? null;
    this.ended_at_ms = times.ended?.at_ms ?? null;
    this.type = this.#value("type");
    this.model_family = this.#value("model_family");
    this.model_id = this.#value("model_id");
    this.priority = this.#value("priority");
  }

  #field(name: string, value: unknown, stamp: Stamp): void {
    const held = this.#fields.get(name);
    const register = this.#keepField(held, value as object | null | undefined, stamp);
    if (register) this.#fields.set(name, register);
  }

  #metrics(metrics: Metrics, stamp: Stamp): void {
    for (const name in metrics) {
      const register = update(this.#fields.get(`metrics.${name}`), metrics[name], stamp);
      if (register) this.#fields.set(`metrics.${name}`, register);
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
    const held = entry.times[step];
    if (held !== undefined && compareInstants(came, held) >= 0) return;
    entry.times[step] = came;
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
    const entry: AttemptEntry = {
      attempt,
      status: "queued",
      end: undefined,
      times: {},
      worker: undefined,
      progress: undefined,
      error: undefined,
    };
    this.#attempts.push(entry);
    this.#to_keep = true;
    this.#attempts.sort((a, b) => a.attempt - b.attempt);
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
    const known = this.#attempts.flatMap(({ times }) => Object.values(times).map(({ at_ms }) => at_ms));
    return known.length === 0 ? null : Math.min(...known);
  }
  get assigned_at_ms(): number | null {
    return this.#current.times.assigned?.at_ms ?? null;
  }
  get modality(): Modality | null {
    return this.#value("modality") ?? modalityOf(this.model_id, this.type);
  }
  get requirements(): Requirements | null {
    return this.#value("requirements");
  }

  #value<T>(name: string): T | null {
    return (this.#fields.get(name)?.value as T | undefined) ?? null;
  }

  get metrics(): ReadonlyMap<string, number> {
    const metrics = new Map<string, number>();
    for (const [name, { value }] of this.#fields) {
      if (name.startsWith("metrics.") && typeof value === "number") metrics.set(name.slice(8), value);
    }
    return metrics;
  }

  /** Every attempt that is kept, oldest first. */
  attempts(): Attempt[] {
    return this.#attempts.map((a) => ({
      attempt: a.attempt,
      status: a.status,
      worker_id: a.worker?.value ?? null,
      queued_at_ms: a.times.queued?.at_ms ?? null,
      assigned_at_ms: a.times.assigned?.at_ms ?? null,
      started_at_ms: a.times.started?.at_ms ?? null,
      ended_at_ms: a.times.ended?.at_ms ?? null,
      error: a.error?.value ?? null,
    }));
  }

  toDocument(): TaskDocument {
    const registers = new RegisterWriter(this.mentioned_ms);
    const document: TaskDocument = {
      mentioned_ms: this.mentioned_ms,
      mentioned_by: [...this.mentioned_by],
      sources: registers.sources,
      fields: registers.writeAll(this.#fields),
      attempts: this.#attempts.map((attempt) => storedAttempt(attempt, this.mentioned_ms, registers)),
    };
    if (this.orphaned) document.orphaned = this.orphaned;
    return document;
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
    for (const source of mentioned_by) entry.mentioned_by.add(source);
    for (const [name, register] of Object.entries(fields)) entry.#fields.set(name, registers.read(register));
    entry.#attempts = attempts.map(({ attempt, status, end, times, worker, progress, error }) => ({
      attempt,
      status,
      end: end && instant(end),
      times: Object.fromEntries(Object.entries(times).map(([step, at]) => [step, instant(at)])),
      worker: worker && registers.read<string>(worker),
      progress: progress && registers.read<number>(progress),
      error: error && registers.read<string>(error),
    }));
    entry.#spread();
    return entry;
  }
}

function storedAttempt(
  { attempt, status, end, times, worker, progress, error }: AttemptEntry,
  base_ms: number,
  registers: RegisterWriter,
): TaskDocument["attempts"][number] {
  const instant = ({ at_ms, given }: Instant): StoredInstant =>
    given ? [at_ms - base_ms] : [at_ms - base_ms, 1];
  const stored: TaskDocument["attempts"][number] = { attempt, status, times: {} };
  for (const step of STEPS) if (times[step]) stored.times[step] = instant(times[step]);
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
