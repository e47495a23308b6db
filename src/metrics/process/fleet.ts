import type {
  Attempt,
  Metrics,
  Presence,
  Report,
  Source,
  TaskState,
  TaskUpdate,
  WorkerState,
  WorkerUpdate,
} from "../model.ts";
import { runOf } from "../runs.ts";
import { AssignmentJudge } from "./assignment-judge.ts";
import { Channel, FreshValues } from "./channel.ts";
import { Ledger } from "./ledger.ts";
import { ClockOffset, Hearing } from "./presence.ts";
import { QueueBook } from "./queue-book.ts";
import type { SourceClock, Stamp } from "./register.ts";
import { RunLog } from "./run-log.ts";
import { finish, type Steps } from "./steps.ts";
import { type OrphanCause, type TaskDocument, TaskEntry } from "./task.ts";
import { type AskStore, Tombstones } from "./tombstones.ts";
import { type WorkerDocument, WorkerEntry } from "./worker.ts";

export interface FleetOptions {
  /** A lost worker is forgotten after this long. */
  worker_ttl_ms: number;
  /** An unfinished task that nobody mentions becomes orphaned after this long. */
  task_ttl_ms: number;
  /** How long an ended task is remembered, so that late reports of it change nothing. */
  grace_ms: number;
}

/** Workers or tasks that one step works off; of those that it merely looks at, twenty times as many. */
const STEP_ITEMS = 250;
/** Ended tasks held in full; older ones leave a tombstone until the grace period is over. */
const MAX_ENDED_HELD = 5000;
/** Sources told apart; what comes beyond is taken as one. */
const MAX_SOURCES = 1000;
/** Tasks age by hours: they need no look each second. */
const AGE_EVERY_MS = 10_000;
const AWAY: ReadonlySet<StateChange["state"]> = new Set(["stale", "lost", "offline", "gone"]);
const OVERFLOW_SOURCE = "(more sources)";

/** A worker came into another state, or was forgotten. */
export interface StateChange {
  worker_id: string;
  at_ms: number;
  state: WorkerState | "gone";
  last_report_ms: number;
}

/** How a source is kept in the store: what its silence is measured by. */
export interface SourceDocument {
  id: string;
  last_ms: number;
  interval_ms: number;
  stated_ms: number | null;
  reports: number;
  presence?: Presence;
}

class SourceEntry implements SourceClock {
  readonly id: string;
  offset_ms = 0;
  readonly hearing: Hearing;
  readonly clock = new ClockOffset();
  presence: Presence = "fresh";
  reports = 0;
  complete_at_ms = Number.NEGATIVE_INFINITY;

  constructor(id: string, now_ms: number) {
    this.id = id;
    this.hearing = new Hearing(now_ms);
  }
}

/** The newest value of everything that was reported, whatever the order in which it came. */
export class Fleet {
  readonly workers = new Map<string, WorkerEntry>();
  /** Every task that is remembered, ended ones for the grace period. */
  readonly tasks = new Map<string, TaskEntry>();
  /** The unfinished ones of them, and those of these that wait. */
  readonly live = new Map<string, TaskEntry>();
  readonly queues = new QueueBook((limit) => this.reached(limit));
  readonly ledger: Ledger;
  /** What ran where until lately. */
  readonly runs: RunLog;
  readonly #assignments = new AssignmentJudge(this);
  /** Counts up when a worker joins or leaves. */
  membership = 0;
  readonly system = new Map<string, number>();
  /** Bounds that were reached since the start: their name and how often. */
  readonly limits_reached: Record<string, number> = {};
  /** What changed since the last `takeChanges`. */
  #changed_workers = new Set<string>();
  #changed_tasks = new Map<string, TaskEntry>();
  #gone_workers = new Set<string>();
  #gone_tasks = new Set<string>();
  #states: StateChange[] = [];
  #fresh = new FreshValues();
  /** Those that were taken last. */
  #taken = new FreshValues();
  readonly #system_channels = new Map<string, Channel>();
  readonly #sources = new Map<string, SourceEntry>();
  readonly #tombstones: Tombstones;
  /** Ended tasks in the order in which they were seen to end. */
  readonly #ended = new Map<string, number>();
  /** Counts of workers that tasks name and nobody reported yet. */
  readonly #strangers = new Map<string, Pick<WorkerEntry, "counts" | "running_by_type">>();
  /** When the tasks' age was last looked at. */
  #aged_ms = 0;
  readonly #options: FleetOptions;
  /** Since when we hear everybody: the start, or the end of a sleep. */
  #hearing_since_ms: number;

  constructor(options: FleetOptions, started_ms: number, askStore: AskStore = () => undefined) {
    this.#options = options;
    this.#tombstones = new Tombstones(options.grace_ms, started_ms, askStore);
    this.#hearing_since_ms = started_ms;
    this.runs = new RunLog(started_ms);
    this.ledger = new Ledger(
      {
        workerType: (worker_id) => this.workers.get(worker_id)?.type ?? null,
        liveChanged: (worker_id, state, type, delta) => this.#recount(worker_id, state, type, delta),
        assigned: (task, worker_id) => this.#assignments.add(task, worker_id),
        ended: (task, attempt) => {
          const run = runOf(task, attempt);
          if (run) this.runs.add(run);
          this.#bookOutcome(task, attempt, this.ledger.now_ms);
        },
        reached: (limit) => this.reached(limit),
      },
      started_ms,
    );
  }

  apply(report: Report): void {
    finish(this.applying(report));
  }

  /** Takes a report in, in steps. */
  *applying(report: Report): Steps {
    const source = this.#source(report.source, report.received_ms);
    source.reports += 1;
    source.hearing.hear(report.received_ms);
    if (report.interval_s !== null) source.hearing.stated_ms = report.interval_s * 1000;
    if (report.at_ms !== null) {
      source.offset_ms = source.clock.observe(report.at_ms, report.received_ms, source.offset_ms);
    }
    const stamp: Stamp = { at_ms: report.at_ms ?? report.received_ms - source.offset_ms, source };
    let items = 0;
    for (const worker of report.workers) {
      if (++items % STEP_ITEMS === 0) yield;
      this.#applyWorker(worker, stamp, report.received_ms, source);
    }
    for (const task of report.tasks) {
      if (++items % STEP_ITEMS === 0) yield;
      this.#applyTask(task, stamp, report);
    }
    this.#applySystem(report.system, stamp, report.received_ms);
    if (report.complete) this.#applyWhole(report, source, stamp);
  }

  #source(id: string, now_ms: number): SourceEntry {
    const known = this.#sources.get(id);
    if (known) return known;
    if (this.#sources.size >= MAX_SOURCES && id !== OVERFLOW_SOURCE) {
      this.reached("sources");
      return this.#source(OVERFLOW_SOURCE, now_ms);
    }
    const entry = new SourceEntry(id, now_ms);
    this.#sources.set(id, entry);
    return entry;
  }

  #applyWorker(change: WorkerUpdate, stamp: Stamp, received_ms: number, { hearing }: SourceEntry): void {
    let worker = this.workers.get(change.id);
    if (!worker) {
      const heard_ms = heardOf(change, stamp, received_ms);
      if (superseded(stamp) || received_ms - heard_ms > this.#options.worker_ttl_ms) return;
      worker = new WorkerEntry(change.id, heard_ms);
      // Somebody listened to it before our start: its silence is no sleep of ours.
      worker.hearing.was = worker.hearing.presence(received_ms, heard_ms);
      this.workers.set(change.id, worker);
      this.membership += 1;
      this.#gone_workers.delete(change.id);
      this.#adopt(worker);
      this.#changed_workers.add(worker.id);
    }
    worker.hearing.source_stated_ms = hearing.stated_ms;
    if (worker.apply(change, stamp, received_ms, this.#fresh)) {
      this.#changed_workers.add(worker.id);
      this.#assignments.offerChanged(worker.id);
    }
  }

  /** Tasks that named this worker before it was known are its own. */
  #adopt(worker: WorkerEntry): void {
    const early = this.#strangers.get(worker.id);
    if (!early) return;
    this.#strangers.delete(worker.id);
    worker.counts.assigned += early.counts.assigned;
    worker.counts.running += early.counts.running;
    worker.counts.orphaned += early.counts.orphaned;
    for (const [type, running] of early.running_by_type) worker.running_by_type.set(type, running);
  }

  #recount(worker_id: string, state: TaskState, type: string | null, delta: 1 | -1): void {
    if (state !== "assigned" && state !== "running" && state !== "orphaned") return;
    let holder: Pick<WorkerEntry, "counts" | "running_by_type"> | undefined = this.workers.get(worker_id);
    if (!holder) {
      holder = this.#strangers.get(worker_id) ?? {
        counts: { assigned: 0, running: 0, orphaned: 0 },
        running_by_type: new Map(),
      };
      this.#strangers.set(worker_id, holder);
    }
    holder.counts[state] += delta;
    if (state === "running") {
      const running = (holder.running_by_type.get(type ?? "") ?? 0) + delta;
      if (running === 0) holder.running_by_type.delete(type ?? "");
      else holder.running_by_type.set(type ?? "", running);
    }
    const { assigned, running, orphaned } = holder.counts;
    if (assigned + running + orphaned === 0) this.#strangers.delete(worker_id);
  }

  #applyTask(change: TaskUpdate, stamp: Stamp, report: Report): void {
    const tombstone = this.tasks.has(change.id)
      ? undefined
      : this.#tombstones.of(change.id, report.received_ms);
    if (tombstone) {
      if (change.transitions.every((t) => t.attempt <= tombstone.attempt)) return;
      this.#tombstones.delete(change.id);
    }
    let task = this.tasks.get(change.id);
    const unknown = task === undefined;
    task ??= new TaskEntry(change.id, report.received_ms);
    this.tasks.set(change.id, task);
    this.#gone_tasks.delete(change.id);
    const keep = task.apply(change, stamp, report.received_ms, report.at_ms !== null);
    if (unknown && superseded(stamp) && !task.ended) task.orphaned = "unmentioned";
    this.#settle(task, keep);
  }

  /** Brings the books up to date with a task that changed. */
  #settle(task: TaskEntry, keep = true): void {
    this.ledger.count(task);
    if (keep) this.#changed_tasks.set(task.id, task);
    this.#file(task);
  }

  /** Puts a task into the lists that it belongs in. */
  #file(task: TaskEntry): void {
    if (task.ended) {
      this.live.delete(task.id);
      if (!this.#ended.has(task.id)) this.#ended.set(task.id, task.mentioned_ms);
    } else {
      this.live.set(task.id, task);
      this.#ended.delete(task.id);
    }
    if (task.state === "queued") this.queues.put(task);
    else this.queues.remove(task.id);
  }

  #applySystem(metrics: Metrics, stamp: Stamp, received_ms: number): void {
    for (const name in metrics) {
      const value = metrics[name]!;
      const channel = this.#system_channels.get(name) ?? new Channel(null, name);
      this.#system_channels.set(name, channel);
      channel.say(value, stamp, this.system);
      const at_ms = Math.min(stamp.at_ms + stamp.source.offset_ms, received_ms);
      if (value !== null) this.#fresh.push(channel, at_ms, value);
    }
  }

  /** A whole picture: what this source named before and does not name now has left or is orphaned. */
  #applyWhole(report: Report, source: SourceEntry, stamp: Stamp): void {
    if (stamp.at_ms < source.complete_at_ms) return;
    source.complete_at_ms = stamp.at_ms;
    const workers = new Set(report.workers.map((w) => w.id));
    for (const worker of this.workers.values()) {
      const named_ms = worker.sources.get(source.id);
      if (named_ms === undefined || named_ms > stamp.at_ms || workers.has(worker.id)) continue;
      worker.sources.delete(source.id);
      if (worker.sources.size === 0) this.#dropWorker(worker, report.received_ms);
    }
    const tasks = new Set(report.tasks.map((t) => t.id));
    for (const task of this.live.values()) {
      if (task.orphaned !== null || !task.mentioned_by.has(source.id) || tasks.has(task.id)) continue;
      this.#orphan(task, "unmentioned");
    }
  }

  #dropWorker(worker: WorkerEntry, now_ms: number): void {
    this.#noteState(worker, "gone", now_ms);
    this.workers.delete(worker.id);
    this.membership += 1;
    this.#changed_workers.delete(worker.id);
    this.#gone_workers.add(worker.id);
    const { counts, running_by_type } = worker;
    if (counts.assigned + counts.running + counts.orphaned > 0) {
      this.#strangers.set(worker.id, { counts: { ...counts }, running_by_type: new Map(running_by_type) });
    }
  }

  #noteState(worker: WorkerEntry, state: StateChange["state"], now_ms: number): void {
    if (AWAY.has(state) && worker.noted_state !== null && !AWAY.has(worker.noted_state))
      worker.departed(now_ms);
    worker.noted_state = state;
    this.#states.push({ worker_id: worker.id, at_ms: now_ms, state, last_report_ms: worker.last_report_ms });
  }

  advance(now_ms: number): void {
    finish(this.advancing(now_ms));
  }

  /** Judges silence, pressure and age as of now, and forgets what is over, in steps. */
  *advancing(now_ms: number): Steps {
    this.ledger.advance(now_ms);
    for (const source of this.#sources.values()) {
      source.presence = source.hearing.presence(now_ms, this.#hearing_since_ms);
      if (this.#silence_ms(source.hearing.last_ms, now_ms) > this.#options.worker_ttl_ms)
        this.#sources.delete(source.id);
    }
    const lost = new Set<string>();
    const back = new Set<string>();
    let looked = 0;
    for (const worker of this.workers.values()) {
      if (++looked % STEP_ITEMS === 0) yield;
      const before = worker.presence;
      worker.judge(now_ms, this.#hearing_since_ms);
      for (const metric of worker.assess(now_ms)) worker.tell(metric, now_ms, this.#fresh);
      if (worker.standing.isRecordDue(worker.record, now_ms)) this.#changed_workers.add(worker.id);
      if (worker.presence !== before) this.#changed_workers.add(worker.id);
      if (worker.state !== worker.noted_state) this.#noteState(worker, worker.state, now_ms);
      if (worker.presence === "lost") {
        if (worker.counts.assigned + worker.counts.running > 0) lost.add(worker.id);
        if (this.#silence_ms(worker.last_report_ms, now_ms) > this.#options.worker_ttl_ms)
          this.#dropWorker(worker, now_ms);
      } else if (before === "lost") {
        back.add(worker.id);
      }
    }
    yield* this.#judgingTasks(now_ms, lost, back);
    this.#forgetEnded(now_ms);
    this.runs.advance(now_ms);
  }

  judgeAssignments(now_ms: number): void {
    finish(this.judgingAssignments(now_ms));
  }

  /** Compares what was assigned since the last call with the best matches that there were, in steps. */
  judgingAssignments(now_ms: number): Steps {
    return this.#assignments.judging(now_ms);
  }

  /** What is silence of theirs, and not a sleep of ours. */
  #silence_ms(last_ms: number, now_ms: number): number {
    return now_ms - Math.max(last_ms, this.#hearing_since_ms);
  }

  /**
   * Goes on after the clock jumped or the process slept: nobody is missed before a full threshold has passed,
   * and nobody was heard in the future.
   */
  resume(now_ms: number): void {
    this.#hearing_since_ms = now_ms;
    this.#aged_ms = Math.min(this.#aged_ms, now_ms);
    for (const { hearing, presence } of [...this.#sources.values(), ...this.workers.values()]) {
      hearing.last_ms = Math.min(hearing.last_ms, now_ms);
      hearing.was = presence;
    }
    this.ledger.resume(now_ms);
  }

  *#judgingTasks(now_ms: number, lost: Set<string>, back: Set<string>): Steps {
    const aged = now_ms - this.#aged_ms >= AGE_EVERY_MS;
    if (lost.size === 0 && back.size === 0 && !aged) return;
    if (aged) this.#aged_ms = now_ms;
    const forgotten_ms = now_ms - this.#options.task_ttl_ms;
    let looked = 0;
    for (const task of this.live.values()) {
      if (++looked % (20 * STEP_ITEMS) === 0) yield;
      const worker_id = task.worker_id;
      if (task.orphaned !== null) {
        // The worker was only out of hearing: its tasks are what they were last said to be.
        if (task.orphaned === "worker_lost" && back.has(worker_id ?? "")) this.#orphan(task, null);
        if (task.mentioned_ms < forgotten_ms - this.#options.task_ttl_ms) this.#dropTask(task);
      } else if (worker_id !== null && lost.has(worker_id)) {
        this.#orphan(task, "worker_lost");
      } else if (task.mentioned_ms < forgotten_ms) {
        this.#orphan(task, "unmentioned");
      }
    }
  }

  #dropTask(task: TaskEntry): void {
    this.tasks.delete(task.id);
    this.live.delete(task.id);
    this.queues.remove(task.id);
    this.ledger.forget(task.id);
    this.#changed_tasks.delete(task.id);
    this.#gone_tasks.add(task.id);
  }

  #orphan(task: TaskEntry, orphaned: OrphanCause | null): void {
    task.orphaned = orphaned;
    this.#settle(task);
  }

  #forgetEnded(now_ms: number): void {
    for (const [id, ended_ms] of this.#ended) {
      const until_ms = ended_ms + this.#options.grace_ms;
      if (this.#ended.size <= MAX_ENDED_HELD && until_ms > now_ms) break;
      const task = this.tasks.get(id);
      this.#ended.delete(id);
      if (!task) continue;
      this.tasks.delete(id);
      this.ledger.forget(id);
      if (until_ms > now_ms) this.#tombstones.set(id, task.attempt, until_ms);
    }
    this.#tombstones.advance(now_ms);
  }

  /** A worker's track record grows by an attempt that completed or failed on it. */
  #bookOutcome(
    task: TaskEntry,
    { status, worker_id, started_at_ms, ended_at_ms }: Attempt,
    now_ms: number,
  ): void {
    const worker = worker_id === null ? undefined : this.workers.get(worker_id);
    if (!worker || ended_at_ms === null || status === "cancelled") return;
    const { modality, model_family, model_id } = task;
    const completed = status === "completed";
    const processing_s = started_at_ms === null ? null : Math.max(0, ended_at_ms - started_at_ms) / 1000;
    const end = { completed, ended_at_ms, processing_s, modality, model_family, model_id };
    if (!worker.record.add(end, now_ms)) this.reached("models told apart on a worker");
    if (model_family !== null) this.#assignments.performanceChanged(worker.id, model_family);
  }

  /** Notes that a bound was reached. */
  reached(limit: string): void {
    this.limits_reached[limit] = (this.limits_reached[limit] ?? 0) + 1;
  }

  sources(): Source[] {
    const workers = new Map<string, number>();
    for (const worker of this.workers.values()) {
      for (const id of worker.sources.keys()) workers.set(id, (workers.get(id) ?? 0) + 1);
    }
    return [...this.#sources.values()].map((source) => ({
      id: source.id,
      presence: source.presence,
      last_report_ms: source.hearing.last_ms,
      interval_ms: source.hearing.interval_ms,
      reports: source.reports,
      clock_offset_ms: source.offset_ms,
      workers: workers.get(source.id) ?? 0,
    }));
  }

  /** What is known of a source: when it was heard last, and its tasks that have not ended; null for a stranger. */
  knownOf(id: string) {
    const source = this.#sources.get(id);
    if (!source) return null;
    const unfinished = [...this.live.values()]
      .filter((task) => task.mentioned_by.has(id))
      .map(({ id, attempt, status }) => ({ id, attempt, status }));
    return { last_report_ms: source.hearing.last_ms, unfinished };
  }

  sourcePresence(id: string): Presence | undefined {
    return this.#sources.get(id)?.presence;
  }

  /** What reports brought since the last `takeChanges`, and what follows of it. */
  get fresh(): FreshValues {
    return this.#fresh;
  }

  /** What changed since the last call, for the store; the values are there until the next one. */
  takeChanges() {
    const changes = {
      workers: [...this.#changed_workers].flatMap((id) => this.workers.get(id) ?? []),
      // Those that ended and are held no more among them.
      tasks: [...this.#changed_tasks.values()],
      gone_workers: [...this.#gone_workers],
      gone_tasks: [...this.#gone_tasks],
      states: this.#states,
      values: this.#fresh,
    };
    this.#changed_workers = new Set();
    this.#changed_tasks = new Map();
    this.#gone_workers = new Set();
    this.#gone_tasks = new Set();
    this.#states = [];
    this.#fresh = this.#taken;
    this.#fresh.clear();
    this.#taken = changes.values;
    return changes;
  }

  sourceDocuments(): SourceDocument[] {
    return [...this.#sources.values()].map(({ id, hearing, reports, presence }) => {
      const { last_ms, interval_ms, stated_ms } = hearing;
      return { id, last_ms, interval_ms, stated_ms, reports, presence };
    });
  }

  restoreSource({ id, last_ms, interval_ms, stated_ms, reports, presence }: SourceDocument): void {
    const source = this.#source(id, last_ms);
    source.hearing.assume(interval_ms);
    source.hearing.stated_ms = stated_ms;
    source.reports = reports;
    source.presence = presence ?? "fresh";
    source.hearing.was = source.presence;
  }

  /** @param state the one that was noted last, where one was */
  restoreWorker(id: string, document: WorkerDocument, state: WorkerState | null): void {
    const clock = (source: string) => this.#source(source, document.last_report_ms);
    const worker = WorkerEntry.fromDocument(id, document, clock);
    worker.noted_state = state;
    if (state === "lost" || state === "stale") {
      worker.presence = state;
      worker.hearing.was = state;
    }
    this.workers.set(id, worker);
    this.membership += 1;
    for (const [source] of document.sources) {
      const { hearing } = this.#source(source, document.last_report_ms);
      hearing.last_ms = Math.max(hearing.last_ms, document.last_report_ms);
    }
  }

  restoreMetric(worker_id: string, metric: string, value: number, at_ms: number): void {
    const worker = this.workers.get(worker_id);
    if (worker) worker.restoreMetric(metric, value, at_ms, this.#source(worker.source, at_ms));
  }

  restoreTask(id: string, document: TaskDocument): void {
    const task = TaskEntry.fromDocument(id, document, (source) =>
      this.#source(source, document.mentioned_ms),
    );
    this.tasks.set(id, task);
    this.ledger.restore(task);
    this.#file(task);
  }

  /** Track records go on with the tasks read back from the store that ended since they were kept. */
  restoreRecords(now_ms: number): void {
    const kept_ms = new Map([...this.workers.values()].map(({ id, record }) => [id, record.newest_ms]));
    const ends = [...this.tasks.values()].flatMap((task) =>
      task
        .attempts()
        .filter(({ status, worker_id, ended_at_ms }) => {
          const after_ms = kept_ms.get(worker_id ?? "") ?? Infinity;
          return (status === "completed" || status === "failed") && (ended_at_ms ?? 0) > after_ms;
        })
        .map((attempt) => ({ task, attempt })),
    );
    ends.sort((a, b) => a.attempt.ended_at_ms! - b.attempt.ended_at_ms!);
    for (const { task, attempt } of ends) this.#bookOutcome(task, attempt, now_ms);
  }
}

/** When a worker was last heard of, as a report has it, Unix milliseconds of ours. */
function heardOf({ heard_at_ms }: WorkerUpdate, { source }: Stamp, received_ms: number): number {
  return Math.min(received_ms, (heard_at_ms ?? received_ms) + source.offset_ms);
}

/** True for a report older than its source's last whole picture, which did not name what it names. */
function superseded(stamp: Stamp): boolean {
  return stamp.at_ms < stamp.source.complete_at_ms;
}
