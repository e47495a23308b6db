import { EvenkeelError } from "../../errors.ts";
import { findMetric, type Scope } from "../catalogue.ts";
import type { Clock } from "../clock.ts";
import type { Metrics, Report } from "../model.ts";
import { shown } from "../must-be.ts";
import type { Rejection } from "../read.ts";
import { isTurnOver, turn } from "../turn.ts";
import { type CheckedReport, checkReport } from "./check-report.ts";
import { ExtentReader } from "./extent.ts";
import { type ReportLimits, type ReportSchema, reportSchema } from "./report.ts";
import { inSlices, Outline } from "./report-text.ts";

export interface CollectorLimits extends ReportLimits {
  max_reports_per_body: number;
  /** Reports that may wait for the next tick; beyond it bodies are refused whole. */
  max_buffered_reports: number;
  /** A report older than this is refused. */
  grace_ms: number;
}

export interface LineError {
  /** 1 for the first line; of a single report always 1. */
  line: number;
  /** The field, such as `workers[0].metrics.cpu_utilization`; empty for the report as a whole. */
  path: string;
  message: string;
}

export interface IngestAnswer {
  accepted: number;
  rejected: number;
  /** At most MAX_ERRORS; `rejected` counts them all. */
  errors: LineError[];
}

/** What the fleet holds already, so that a report that would take it over a limit is refused whole. */
export interface Held {
  readonly workers: number;
  readonly live_tasks: number;
  hasWorker(id: string): boolean;
  hasTask(id: string): boolean;
}

/** A report that was taken: as it came, and as it is applied. */
export interface TakenReport {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly report: Report;
}

/** A report as it came: a text, or an object already. */
type Given = { readonly line: number } & ({ readonly text: string } | { readonly object: object });

type ReportError = Omit<LineError, "line">;

/** A report that was not taken. */
interface Refused {
  /** Who sent it, where it says so. */
  readonly source: string | null;
  readonly errors: ReportError[];
}

/** A report dated further ahead than this is refused: its clock is not off but wrong. */
const MAX_AHEAD_MS = 10 * 60_000;
const MAX_ERRORS = 100;
const MAX_ERRORS_PER_REPORT = 10;
const MAX_UNKNOWN_NAMES = 8;
/** Characters of each part of the last rejection. */
const MAX_TOLD = 256;
/** Sources that may bring metric names of their own. */
const MAX_INVENTIVE_SOURCES = 1000;
/** How many times as many reports as a body may hold are counted. */
const COUNTED_BEYOND = 10;
/** Lists and objects that one report may have in it: so many a worker or task that is held, and so many beside. */
const PARTS_EACH = 8;
const PARTS_BESIDE = 50_000;
/** A text of so many characters becomes nothing large, and is not looked at before it is read. */
const ALWAYS_READ = 16_384;
/** Lists and objects in each other, and fields of one object, also of those that are ignored. */
const MAX_DEPTH = 64;
const MAX_FIELDS = 1000;
/** Characters of a text that are looked through at once: a millisecond or two. */
const SLICE_TEXT = 262_144;

/**
 * Takes report bodies in, checks them against the catalogue and the limits, and holds them for the next
 * tick. A report is taken whole or not at all; a body is refused whole when the buffer has no room for it.
 */
export class Collector {
  readonly counts = { accepted: 0, rejected: 0, unknown_fields: 0, unknown_names: new Set<string>() };
  readonly limits_reached: Record<string, number> = {};
  /** Told of the reports of each body that was taken; null while nobody listens. */
  onTaken: ((taken: readonly TakenReport[]) => void) | null = null;
  last_rejection: Rejection | null = null;
  readonly #limits: CollectorLimits;
  readonly #clock: Clock;
  readonly #schema: ReportSchema;
  /** Of what a connector read from elsewhere: nobody there can be told to write less. */
  readonly #mending: ReportSchema;
  readonly #held: Held;
  #buffer: Report[] = [];
  /** Where the first of them is that was not handed out. */
  #first = 0;
  /** Metric names beyond the catalogue, by source. */
  readonly #made_up = new Map<string, Set<string>>();
  /** Ids that wait in the buffer and that the fleet does not know yet. */
  #new_workers = new Set<string>();
  #new_tasks = new Set<string>();
  /** Reports of bodies that are still being validated; room is kept for them. */
  #reserved = 0;

  constructor(limits: CollectorLimits, clock: Clock, held: Held) {
    this.#limits = limits;
    this.#clock = clock;
    this.#held = held;
    this.#schema = reportSchema(limits, "refused");
    this.#mending = reportSchema(limits, "mended");
  }

  /** Counts from nothing again. */
  resetCounts(): void {
    Object.assign(this.counts, { accepted: 0, rejected: 0, unknown_fields: 0 });
    this.counts.unknown_names.clear();
    this.last_rejection = null;
  }

  get buffered(): number {
    return this.#buffer.length - this.#first;
  }

  /** What was taken, in order of receipt: whoever stops leaves the rest for the next time. */
  *drain(): Generator<Report, void> {
    try {
      while (this.#first < this.#buffer.length) {
        const report = this.#buffer[this.#first]!;
        this.#first += 1;
        for (const { id } of report.workers) this.#new_workers.delete(id);
        for (const { id } of report.tasks) this.#new_tasks.delete(id);
        yield report;
      }
    } finally {
      this.#buffer.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /**
   * @param body UTF-8 JSON: one report, or with `ndjson` one a line
   * @param sources whose reports are taken; null for anybody's
   * @throws EvenkeelError invalid when nothing can be read, too_large and too_many by the limits,
   *   unprocessable when every report was rejected
   */
  async accept(
    body: Uint8Array,
    kind: "json" | "ndjson",
    sources: readonly string[] | null = null,
  ): Promise<IngestAnswer> {
    // To gather its bytes, to decode them and to read them take some of a turn each.
    const is_long = body.length > SLICE_TEXT;
    if (is_long) await turn();
    const lines = this.#lines(body, kind);
    if (is_long) await turn();
    const answer = await this.#take(lines, this.#schema, sources);
    if (answer.accepted === 0) this.#refuse(answer, kind);
    return answer;
  }

  /**
   * Takes reports that are objects already, by the same rules, but for texts and lists of tags that are
   * too long or can't be printed: these are mended.
   *
   * @throws EvenkeelError too_many while the buffer has no room for all of them
   */
  async take(reports: readonly object[]): Promise<IngestAnswer> {
    return this.#take(
      reports.map((object, index) => ({ line: index + 1, object })),
      this.#mending,
    );
  }

  async #take(
    given: readonly Given[],
    schema: ReportSchema,
    sources: readonly string[] | null = null,
  ): Promise<IngestAnswer> {
    this.#reserve(given.length);
    const answer: IngestAnswer = { accepted: 0, rejected: 0, errors: [] };
    const received_ms = this.#clock.now();
    try {
      const taken: Report[] = [];
      // What nobody listens for is not kept beside what it was read into.
      const heard: TakenReport[] | null = this.onTaken === null ? null : [];
      for (const one of given) {
        const result = await this.#read(one, schema, received_ms, sources);
        if ("errors" in result) {
          reject(answer, one.line, result.errors);
          this.last_rejection = rejectionOf(result, received_ms);
        } else {
          taken.push(result.report);
          if (result.raw) heard?.push({ raw: result.raw, report: result.report });
        }
        if (one !== given.at(-1) && isTurnOver()) await turn();
      }
      this.#buffer.push(...taken);
      if (heard !== null && heard.length > 0) this.onTaken?.(heard);
      answer.accepted = taken.length;
    } finally {
      this.#reserved -= given.length;
    }
    this.counts.accepted += answer.accepted;
    this.counts.rejected += answer.rejected;
    return answer;
  }

  #refuse(answer: IngestAnswer, kind: "json" | "ndjson"): never {
    const first = answer.errors[0];
    const unreadable = answer.errors.every((e) => e.path === "" && e.message.startsWith("not JSON"));
    const where = first && kind === "ndjson" ? `line ${first.line}: ` : "";
    const what = first ? `${where}${first.path ? `${first.path} ` : ""}${first.message}` : "";
    throw new EvenkeelError(
      unreadable ? "invalid" : "unprocessable",
      unreadable ? `nothing in the body could be read: ${what}` : `every report was rejected; ${what}`,
      { details: { ...answer } },
    );
  }

  #lines(body: Uint8Array, kind: "json" | "ndjson"): { line: number; text: string }[] {
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    } catch {
      throw new EvenkeelError("invalid", "the body must be UTF-8 text; some bytes of it are not");
    }
    const max = this.#limits.max_reports_per_body;
    const filled: { line: number; text: string }[] = [];
    let reports = 0;
    for (const one of kind === "json" ? [{ line: 1, text }] : linesOf(text)) {
      if (one.text.trim() === "") continue;
      reports += 1;
      if (reports <= max) filled.push(one);
      // Nobody needs to know by how many millions.
      if (reports > COUNTED_BEYOND * max) break;
    }
    if (reports === 0) throw new EvenkeelError("invalid", "the body is empty; send at least one report");
    if (reports > max) {
      this.#reached("max_reports_per_body");
      throw new EvenkeelError(
        "too_large",
        `a body may hold at most ${max} reports (max_reports_per_body); got ${reports > COUNTED_BEYOND * max ? `more than ${reports - 1}` : reports}`,
      );
    }
    return filled;
  }

  #reserve(reports: number): void {
    const max = this.#limits.max_buffered_reports;
    if (this.buffered + this.#reserved + reports > max) {
      this.#reached("max_buffered_reports");
      throw new EvenkeelError(
        "too_many",
        `the buffer of ${max} reports (max_buffered_reports) is full; nothing was taken, send it again`,
        { retry_after_s: 1 },
      );
    }
    this.#reserved += reports;
  }

  async #read(
    given: Given,
    schema: ReportSchema,
    received_ms: number,
    sources: readonly string[] | null,
  ): Promise<CheckedReport | Refused> {
    const outline = "text" in given ? new Outline(given.text) : null;
    const oversized = "text" in given ? await this.#oversized(given.text, outline!) : null;
    if (oversized !== null) {
      this.#reached("max_parts");
      return refused(null, { path: "", message: `must have at most ${oversized}; got more` });
    }
    const { max_workers, max_live_tasks } = this.#limits;
    const max = { workers: max_workers, tasks: max_live_tasks };
    let head: unknown;
    let result: Awaited<ReturnType<typeof checkReport>>;
    try {
      const report =
        outline?.read(max) ?? inSlices("text" in given ? JSON.parse(given.text) : given.object, max);
      head = report.head;
      result = await checkReport(report, schema, received_ms, this.onTaken !== null);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return refused(null, { path: "", message: `not JSON: ${error.message}` });
    }
    if ("issues" in result) {
      for (const issue of result.issues) {
        const limit = /\((max_\w+)\)/.exec(issue.message)?.[1];
        if (limit) this.#reached(limit);
      }
      const errors = result.issues.map(({ path, message }) => ({ path: pathText(path), message }));
      return refused(head, ...errors.slice(0, MAX_ERRORS_PER_REPORT));
    }
    const { report, unknown } = result;
    const wrong =
      strangeSource(report, sources) ??
      this.#untimely(report) ??
      this.#tooManyNames(report) ??
      this.#takeRoom(report);
    if (wrong) return refused(head, wrong);
    this.#countUnknown(unknown);
    return result;
  }

  /** Which bound a report passes that would become far more than its text is; null where it passes none. */
  async #oversized(text: string, outline: Outline): Promise<string | null> {
    if (text.length <= ALWAYS_READ) return null;
    const { max_workers, max_live_tasks } = this.#limits;
    const max_parts = PARTS_BESIDE + PARTS_EACH * (max_workers + max_live_tasks);
    const limits = { depth: MAX_DEPTH, parts: max_parts, fields: MAX_FIELDS };
    const reader = new ExtentReader(text, limits, (at) => outline.see(at));
    while (reader.read(SLICE_TEXT)) if (isTurnOver()) await turn();
    const { depth, parts, fields } = reader.extent;
    if (depth > MAX_DEPTH) return `${MAX_DEPTH} lists and objects in each other`;
    if (fields > MAX_FIELDS) return `${MAX_FIELDS} fields in one object`;
    if (parts > max_parts)
      return `${max_parts} lists and objects in it (${PARTS_EACH} each for max_workers and max_live_tasks)`;
    return null;
  }

  /** Counts the names that a source made up; one over the limit refuses the report. */
  #tooManyNames(report: Report): ReportError | null {
    const made_up = this.#made_up.get(report.source) ?? new Set<string>();
    const added = new Set<string>();
    const note = (scope: Scope, metrics: Metrics) => {
      for (const name in metrics) if (!findMetric(scope, name) && !made_up.has(name)) added.add(name);
    };
    for (const { metrics } of report.workers) note("worker", metrics);
    for (const { metrics } of report.tasks) note("task", metrics);
    note("system", report.system);
    if (added.size === 0) return null;
    const max = this.#limits.max_metric_names_per_source;
    if (made_up.size + added.size > max || this.#made_up.size >= MAX_INVENTIVE_SOURCES) {
      this.#reached("max_metric_names_per_source");
      const names = made_up.size + added.size;
      const message = `must bring at most ${max} metric names beyond the catalogue from one source (max_metric_names_per_source); got ${names} with ${shown([...added][0])}`;
      return { path: "workers", message };
    }
    for (const name of added) made_up.add(name);
    this.#made_up.set(report.source, made_up);
    return null;
  }

  /** Keeps room for the ids that are new, or says which limit has none left. */
  #takeRoom({ workers, tasks }: Report): ReportError | null {
    const { max_workers, max_live_tasks } = this.#limits;
    const strangers = workers.filter(({ id }) => !this.#held.hasWorker(id) && !this.#new_workers.has(id));
    const arrivals = tasks.filter(({ id }) => !this.#held.hasTask(id) && !this.#new_tasks.has(id));
    const all_workers = this.#held.workers + this.#new_workers.size + strangers.length;
    const all_tasks = this.#held.live_tasks + this.#new_tasks.size + arrivals.length;
    if (strangers.length > 0 && all_workers > max_workers) {
      this.#reached("max_workers");
      const message = `must leave at most ${max_workers} workers known (max_workers); got ${all_workers} with these`;
      return { path: "workers", message };
    }
    if (arrivals.length > 0 && all_tasks > max_live_tasks) {
      this.#reached("max_live_tasks");
      const message = `must leave at most ${max_live_tasks} tasks held live (max_live_tasks); got ${all_tasks} with these`;
      return { path: "tasks", message };
    }
    for (const { id } of strangers) this.#new_workers.add(id);
    for (const { id } of arrivals) this.#new_tasks.add(id);
    return null;
  }

  #untimely({ at_ms, received_ms }: Report): ReportError | null {
    if (at_ms === null) return null;
    const shownAt = shown(new Date(at_ms).toISOString());
    const { grace_ms } = this.#limits;
    if (at_ms > received_ms + MAX_AHEAD_MS) {
      return {
        path: "at",
        message: `must be at most ${MAX_AHEAD_MS / 60_000} minutes ahead of the server's clock (${new Date(received_ms).toISOString()}); got ${shownAt}`,
      };
    }
    if (at_ms < received_ms - grace_ms) {
      return {
        path: "at",
        message: `must not be older than the grace period of ${grace_ms / 1000} s (grace) at ${new Date(received_ms).toISOString()}; got ${shownAt}`,
      };
    }
    return null;
  }

  #countUnknown(names: readonly string[]): void {
    const { counts } = this;
    for (const name of names) {
      counts.unknown_fields += 1;
      if (counts.unknown_names.size < MAX_UNKNOWN_NAMES) counts.unknown_names.add(name.slice(0, 80));
    }
  }

  #reached(limit: string): void {
    this.limits_reached[limit] = (this.limits_reached[limit] ?? 0) + 1;
  }
}

const LINE_FEED = 0x0a;
const SPACE = 0x20;

/** The lines that have something in them, one after the other: a body of line breaks alone makes no list of them. */
function* linesOf(text: string): Generator<{ line: number; text: string }> {
  let [line, from, at] = [1, 0, 0];
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code > SPACE) {
      const end = text.indexOf("\n", at);
      at = end === -1 ? text.length : end;
      yield { line, text: text.slice(from, at) };
    } else {
      at += 1;
      if (code !== LINE_FEED) continue;
      line += 1;
      from = at;
    }
  }
}

function reject(answer: IngestAnswer, line: number, errors: ReportError[]): void {
  answer.rejected += 1;
  for (const error of errors) if (answer.errors.length < MAX_ERRORS) answer.errors.push({ line, ...error });
}

/** @param errors at least one: the first is told */
function rejectionOf({ source, errors }: Refused, at_ms: number): Rejection {
  const { path, message } = errors[0]!;
  return { at_ms, source, path: path.slice(0, MAX_TOLD), message: message.slice(0, MAX_TOLD) };
}

function refused(raw: unknown, ...errors: ReportError[]): Refused {
  const { source } = (raw ?? {}) as { source?: unknown };
  const told = typeof source === "string" && source !== "" ? source.slice(0, MAX_TOLD) : null;
  return { source: told, errors };
}

function strangeSource({ source }: Report, sources: readonly string[] | null): ReportError | null {
  if (sources === null || sources.includes(source)) return null;
  const known = sources.map((one) => shown(one)).join(", ");
  const message = `must be one that this token may report as: ${known}; got ${shown(source)}`;
  return { path: "source", message };
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? String(step) : `${text}.${String(step)}`;
  }, "");
}
