import { EvenkeelError } from "../errors.ts";
import type { TakenReport } from "../metrics/collect/collector.ts";
import { fromRfc3339 } from "../metrics/instant.ts";
import type { Outgoing } from "./hub.ts";

interface FeedLimits {
  /** Recordings at once. */
  readonly max_recorders: number;
  /** What may wait for one recorder to take it, bytes; one that is further behind is told so and dropped. */
  readonly max_backlog_bytes: number;
  /** A recorder that was told to go and takes not even that is cut off after so long, milliseconds. */
  readonly farewell_ms: number;
}

const FEED_LIMITS: FeedLimits = {
  max_recorders: 8,
  max_backlog_bytes: 32 * 2 ** 20,
  farewell_ms: 30_000,
};

/** A blank line after so much silence, so that no proxy takes the connection for dead; traces may hold them. */
const HEARTBEAT_MS = 15_000;
/** Of what was measured before the recording began only the newest belongs to it. */
const EARLIER_MS = 5000;
/** A source whose first report is further ahead than this has a clock that is off. */
const AHEAD_MS = 2000;
/** Sources whose clocks are corrected at most. */
const MAX_SOURCES = 10_000;
const BLANK_LINE = Buffer.from("\n");
const TASK_INSTANTS = ["queued_at", "assigned_at", "started_at", "ended_at"] as const;

interface Recorder {
  readonly outgoing: Outgoing;
  readonly from_ms: number;
  written_ms: number;
  /** Since when it was told that it is dropped; null while it is not. */
  dropped_ms: number | null;
}

interface Line {
  readonly at_ms: number;
  readonly text: string;
}

/** What the feed needs to know of the moment. */
export interface FeedMoment {
  readonly now_ms: number;
  readonly sources: readonly { readonly id: string; readonly clock_offset_ms: number }[];
}

/**
 * Sends what is reported, as a trace, to those who record it. Reports of one tick go out together in the order of
 * their times; times are the server's, so that sources whose clocks differ stay beside each other in a replay.
 */
export class ReportFeed {
  readonly limits: FeedLimits;
  readonly limits_reached: Record<string, number> = {};
  readonly #now: () => FeedMoment;
  readonly #onListening: (listening: boolean) => void;
  readonly #recorders = new Set<Recorder>();
  /** What each source's times are corrected by: one figure as long as anybody records, so that they never jump. */
  readonly #offsets = new Map<string, number>();
  #taken: TakenReport[] = [];
  #closed = false;

  /** @param onListening told when the first recorder comes and when the last one has gone */
  constructor(now: () => FeedMoment, onListening: (on: boolean) => void, limits: Partial<FeedLimits> = {}) {
    this.limits = { ...FEED_LIMITS, ...limits };
    this.#now = now;
    this.#onListening = onListening;
  }

  /**
   * Adds a recorder, which gets what is reported from now on. `open` writes the head of the response; it is only
   * called once nothing can be refused any more.
   *
   * @throws EvenkeelError "unavailable"
   */
  join(open: () => Outgoing): void {
    if (this.#closed) throw new EvenkeelError("unavailable", "Evenkeel is stopping", { retry_after_s: 2 });
    const { max_recorders } = this.limits;
    if (this.#recorders.size >= max_recorders) {
      this.#reached("max_recorders");
      throw new EvenkeelError(
        "unavailable",
        `At most ${max_recorders} recordings at once (max_recorders); try again when others have ended`,
        { retry_after_s: 5 },
      );
    }
    const { now_ms } = this.#now();
    const outgoing = open();
    const recorder: Recorder = { outgoing, from_ms: now_ms, written_ms: now_ms, dropped_ms: null };
    this.#recorders.add(recorder);
    if (this.#recorders.size === 1) this.#onListening(true);
    outgoing.on("error", () => {});
    outgoing.on("close", () => this.#leave(recorder));
    // The head of an answer is only sent with its body.
    outgoing.write(BLANK_LINE);
    // The client may have gone while its head was written; then no event will tell.
    if (outgoing.destroyed) this.#leave(recorder);
  }

  /** What a body brought; it is sent with the next tick. */
  take(taken: readonly TakenReport[]): void {
    if (this.#recorders.size > 0) for (const one of taken) this.#taken.push(one);
  }

  /** Called after each tick, which has applied what was taken. */
  publish(): void {
    if (this.#recorders.size === 0) return;
    const moment = this.#now();
    const lines = this.#lines(moment);
    const all = bytesOf(lines);
    for (const recorder of this.#recorders) {
      const { from_ms } = recorder;
      const own = lines.filter(({ at_ms }) => at_ms >= from_ms - EARLIER_MS);
      this.#send(recorder, own.length === lines.length ? all : bytesOf(own), moment.now_ms);
    }
  }

  /** Ends every recording with what was taken so far. */
  close(): void {
    this.publish();
    this.#closed = true;
    for (const { outgoing, dropped_ms } of this.#recorders) if (dropped_ms === null) outgoing.end();
  }

  #lines({ sources }: FeedMoment): Line[] {
    const taken = this.#taken;
    this.#taken = [];
    if (taken.length === 0) return [];
    const known = new Map(sources.map(({ id, clock_offset_ms }) => [id, clock_offset_ms]));
    const lines = taken.map((one) => lineOf(one, this.#offsetOf(one, known)));
    return lines.sort((a, b) => a.at_ms - b.at_ms);
  }

  #offsetOf({ report }: TakenReport, known: ReadonlyMap<string, number>): number {
    const { source, at_ms, received_ms } = report;
    const held = this.#offsets.get(source);
    if (held !== undefined) return held;
    const ahead_ms = at_ms === null ? 0 : at_ms - received_ms;
    // What the fleet has found out; of a new source only a clock that is ahead shows at once.
    const offset_ms = known.get(source) || (ahead_ms > AHEAD_MS ? -ahead_ms : 0);
    if (this.#offsets.size < MAX_SOURCES) this.#offsets.set(source, offset_ms);
    return offset_ms;
  }

  #send(recorder: Recorder, bytes: Buffer, now_ms: number): void {
    const { outgoing, dropped_ms } = recorder;
    if (dropped_ms !== null) {
      if (now_ms - dropped_ms >= this.limits.farewell_ms) outgoing.destroy();
      return;
    }
    if (outgoing.writableLength > this.limits.max_backlog_bytes) {
      this.#drop(recorder, now_ms);
      return;
    }
    if (bytes.length === 0 && now_ms - recorder.written_ms < HEARTBEAT_MS) return;
    recorder.written_ms = now_ms;
    outgoing.write(bytes.length === 0 ? BLANK_LINE : bytes);
  }

  #drop(recorder: Recorder, now_ms: number): void {
    this.#reached("max_backlog_bytes");
    recorder.dropped_ms = now_ms;
    const end = `this recorder did not keep up: more than ${this.limits.max_backlog_bytes} bytes waited for it (max_backlog_bytes)`;
    recorder.outgoing.write(Buffer.from(`${JSON.stringify({ end })}\n`));
    recorder.outgoing.end();
  }

  #leave(recorder: Recorder): void {
    if (!this.#recorders.delete(recorder) || this.#recorders.size > 0) return;
    this.#taken = [];
    this.#offsets.clear();
    this.#onListening(false);
  }

  #reached(limit: string): void {
    this.limits_reached[limit] = (this.limits_reached[limit] ?? 0) + 1;
  }
}

function bytesOf(lines: readonly Line[]): Buffer {
  return Buffer.from(lines.map(({ text }) => text).join(""));
}

/** A report as a trace has it: with its time, which comes first, and its source. */
function lineOf({ raw, report }: TakenReport, offset_ms: number): Line {
  const { at: _, source: __, ...rest } = raw;
  const at_ms = report.at_ms === null ? report.received_ms : report.at_ms + offset_ms;
  const shifted = offset_ms === 0 ? rest : { ...rest, ...shiftedTasks(rest.tasks, offset_ms) };
  return { at_ms, text: `${JSON.stringify({ at: at_ms, source: report.source, ...shifted })}\n` };
}

function shiftedTasks(tasks: unknown, offset_ms: number): { tasks?: unknown } {
  if (!Array.isArray(tasks)) return {};
  return {
    tasks: tasks.map((task: Record<string, unknown>) => {
      const shifted = { ...task };
      for (const name of TASK_INSTANTS) {
        const value = task[name];
        const at_ms = typeof value === "string" ? fromRfc3339(value) : value;
        if (typeof at_ms === "number") shifted[name] = Math.floor(at_ms) + offset_ms;
      }
      return shifted;
    }),
  };
}
