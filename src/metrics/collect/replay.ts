import { EvenkeelError } from "../../errors.ts";
import type { Clock } from "../clock.ts";
import { type Delivery, deliver, realSleep, type Send, type Sleep } from "./sender.ts";
import { instantOf, isObject, type Json, readTrace, type TraceLine } from "./trace.ts";

export interface ReplayOptions {
  /** A trace: reports, one JSON object a line, in time order; plain or gzipped. */
  file: string;
  send: Send;
  clock: Clock;
  /**
   * How many times faster than recorded; 1 by default. Infinity is as fast as the server takes it, with the
   * times squeezed so that all of the trace lies in the last ten minutes before now.
   */
  speed?: number | undefined;
  /** False: the times are mapped by `speed` so that the last is now, and nothing waits for its time. */
  paced?: boolean | undefined;
  /** Start over at the end, with new task ids and the same workers. */
  loop?: boolean | undefined;
  /** What a report that names no source counts as; "replay" by default. */
  source?: string | undefined;
  /** Ends the replay; what was sent until then stands. */
  signal?: AbortSignal | undefined;
  sleep?: Sleep | undefined;
  onProgress?: ((progress: ReplayProgress) => void) | undefined;
}

export interface ReplayProgress {
  sent: number;
  accepted: number;
  rejected: number;
  /** The first reports that were rejected, each with its line in the file. */
  errors: readonly string[];
  /** How far the trace is played, in its own time, Unix milliseconds; null before its first report. */
  trace_at_ms: number | null;
  /** Of the file's bytes, in this round. */
  percent: number;
  /** Estimated seconds until the end of this round; null while nothing can be said. */
  left_s: number | null;
  /** 1 the first time through. */
  round: number;
  /** True once the whole file was played; stays false where the signal ended it. */
  done: boolean;
}

const MAX_BODY_REPORTS = 500;
const MAX_BODY_BYTES = 2 ** 20;
const MAX_ERRORS_KEPT = 5;
/** A long wait is taken in pieces, so that the progress keeps moving. */
const MAX_WAIT_MS = 1000;
/** A server refuses what is older than its grace period, 15 minutes or more; the rest is for sending it. */
const SQUEEZED_MS = 10 * 60_000;
const TASK_INSTANTS = ["queued_at", "assigned_at", "started_at", "ended_at"] as const;

/** Plays a trace into a server. Every instant t becomes start + (t − t₀) ÷ speed, t₀ being the first report's `at`. */
export async function replay(options: ReplayOptions): Promise<ReplayProgress> {
  const { clock, loop = false, signal } = options;
  const player = await createPlayer(options);
  let start_ms = clock.now();
  do {
    const last_ms = await player.playRound(start_ms);
    start_ms = Math.max(clock.now(), last_ms + 1);
  } while (loop && !signal?.aborted);
  return player.progress();
}

async function createPlayer(options: ReplayOptions): Promise<Player> {
  const { file, speed = 1, paced = Number.isFinite(speed), loop = false } = options;
  if (!(speed > 0)) throw new EvenkeelError("invalid", `the speed must be a number above 0; got ${speed}`);
  if (paced) {
    if (!Number.isFinite(speed))
      throw new EvenkeelError("invalid", "a paced replay needs a speed that is a number");
    return new Player(options, speed, 0);
  }
  if (loop) throw new EvenkeelError("invalid", "a replay that is not paced plays once: it can't loop");
  const span_ms = await spanOf(file);
  const factor = Number.isFinite(speed) ? speed : Math.max(1, span_ms / SQUEEZED_MS);
  return new Player({ ...options, paced: false }, factor, span_ms / factor);
}

/** Milliseconds from the first report to the last instant of the trace. Reads it all, and so checks it too. */
async function spanOf(file: string): Promise<number> {
  let first_ms: number | null = null;
  let last_ms = Number.NEGATIVE_INFINITY;
  for await (const line of readTrace(file)) {
    first_ms ??= line.at_ms;
    last_ms = Math.max(last_ms, line.at_ms);
    mapInstants(line, (at_ms) => {
      last_ms = Math.max(last_ms, at_ms);
      return at_ms;
    });
  }
  return last_ms - (first_ms ?? last_ms);
}

/** Sends the rounds of one replay and counts what came of them. */
class Player {
  readonly #options: ReplayOptions;
  readonly #speed: number;
  readonly #paced: boolean;
  /** The trace's time 0 lies this long before the start of a round. */
  readonly #ahead_ms: number;
  readonly #sleep: Sleep;
  readonly #errors: string[] = [];
  #batch: { text: string; number: number }[] = [];
  #batch_bytes = 0;
  #count = { sent: 0, accepted: 0, rejected: 0 };
  #round = 0;
  #trace_at_ms: number | null = null;
  #left_s: number | null = null;
  #fraction = 0;
  #done = false;

  constructor(options: ReplayOptions, speed: number, ahead_ms: number) {
    this.#options = options;
    this.#speed = speed;
    this.#paced = options.paced ?? true;
    this.#ahead_ms = ahead_ms;
    this.#sleep = options.sleep ?? realSleep;
  }

  progress(): ReplayProgress {
    return {
      ...this.#count,
      errors: [...this.#errors],
      trace_at_ms: this.#trace_at_ms,
      percent: 100 * this.#fraction,
      left_s: this.#left_s,
      round: this.#round,
      done: this.#done,
    };
  }

  /** Plays the file once; returns the moment of its last report in the server's time. */
  async playRound(start_ms: number): Promise<number> {
    this.#round++;
    let last_ms: number;
    try {
      last_ms = await this.#playLines(start_ms);
    } finally {
      // Of a file with a bad line, what stands before it is played.
      await this.#flush();
    }
    if (this.#options.signal?.aborted) return last_ms;
    this.#fraction = 1;
    this.#left_s = 0;
    this.#done = true;
    this.#show();
    return last_ms;
  }

  async #playLines(start_ms: number): Promise<number> {
    const { file, clock, signal } = this.#options;
    const began_ms = clock.now();
    let first_ms: number | null = null;
    let due_ms = start_ms;
    for await (const line of readTrace(file)) {
      first_ms ??= line.at_ms;
      const origin_ms = first_ms;
      const map = (at_ms: number) =>
        Math.round(start_ms - this.#ahead_ms + (at_ms - origin_ms) / this.#speed);
      due_ms = Math.max(due_ms, map(line.at_ms));
      if (this.#paced) await this.#waitFor(due_ms);
      if (signal?.aborted) return due_ms;
      await this.#add(JSON.stringify(this.#rewrite(line, map)), line.number);
      this.#trace_at_ms = line.at_ms;
      this.#fraction = Math.min(line.fraction, 0.999);
      this.#left_s = this.#estimateLeft(line, origin_ms, clock.now() - began_ms);
    }
    return due_ms;
  }

  /** Sends what has gathered before it waits, so that nothing is late for being in a batch. */
  async #waitFor(due_ms: number): Promise<void> {
    const { clock, signal } = this.#options;
    if (clock.now() < due_ms) await this.#flush();
    for (let left_ms = due_ms - clock.now(); left_ms > 0; left_ms = due_ms - clock.now()) {
      if (signal?.aborted) return;
      await this.#sleep(Math.min(left_ms, MAX_WAIT_MS), signal);
      this.#show();
    }
  }

  #rewrite(line: TraceLine, map: (at_ms: number) => number): Json {
    const report: Json = { ...mapInstants(line, map), at: map(line.at_ms) };
    report.source ??= this.#options.source ?? "replay";
    report.interval_s = this.#faster(report.interval_s);
    if (Array.isArray(report.workers)) {
      report.workers = report.workers.map((worker: unknown) =>
        isObject(worker) && "interval_s" in worker
          ? { ...worker, interval_s: this.#faster(worker.interval_s) }
          : worker,
      );
    }
    if (this.#round > 1 && Array.isArray(report.tasks)) {
      report.tasks = report.tasks.map((task: unknown) =>
        isObject(task) && "id" in task ? { ...task, id: `${task.id}~${this.#round}` } : task,
      );
    }
    return report;
  }

  #faster(interval_s: unknown): unknown {
    return typeof interval_s === "number" ? interval_s / this.#speed : interval_s;
  }

  async #add(text: string, number: number): Promise<void> {
    const bytes = Buffer.byteLength(text) + 1;
    if (this.#batch.length === MAX_BODY_REPORTS || this.#batch_bytes + bytes > MAX_BODY_BYTES)
      await this.#flush();
    this.#batch.push({ text, number });
    this.#batch_bytes += bytes;
  }

  async #flush(): Promise<void> {
    const batch = this.#batch;
    const { send, signal } = this.#options;
    if (batch.length === 0 || signal?.aborted) return;
    this.#batch = [];
    this.#batch_bytes = 0;
    const texts = batch.map(({ text }) => text);
    const delivery = await deliver(send, texts, { sleep: this.#sleep, signal });
    this.#record(delivery, batch);
    this.#show();
  }

  #record({ accepted, rejected, errors }: Delivery, batch: readonly { number: number }[]): void {
    this.#count.sent += accepted + rejected;
    this.#count.accepted += accepted;
    this.#count.rejected += rejected;
    for (const { index, message } of errors.slice(0, MAX_ERRORS_KEPT - this.#errors.length)) {
      this.#errors.push(`${this.#options.file}, line ${batch[index]?.number ?? "?"}: ${message}`);
    }
  }

  /** By the trace's own time where it sets the pace, else by the time that the bytes so far took. */
  #estimateLeft(line: TraceLine, origin_ms: number, spent_ms: number): number | null {
    if (line.fraction <= 0) return null;
    const so_far_ms = this.#paced ? (line.at_ms - origin_ms) / this.#speed : spent_ms;
    return (so_far_ms / line.fraction - so_far_ms) / 1000;
  }

  #show(): void {
    this.#options.onProgress?.(this.progress());
  }
}

/** The report's tasks with each of their instants mapped; a null instant and what is no task stay as they are. */
function mapInstants({ report, file, number }: TraceLine, map: (at_ms: number) => number): Json {
  if (!Array.isArray(report.tasks)) return { ...report };
  const tasks = report.tasks.map((task: unknown, index) => {
    if (!isObject(task)) return task;
    const mapped = { ...task };
    for (const name of TASK_INSTANTS) {
      const value = task[name];
      if (value === undefined || value === null) continue;
      mapped[name] = map(instantOf(value, `tasks[${index}].${name}`, file, number));
    }
    return mapped;
  });
  return { ...report, tasks };
}
