import { isTurnOver, turn } from "../turn.ts";
import type { Column } from "./column.ts";
import type { Housekeeping } from "./housekeeper.ts";
import type { Registry, Series } from "./registry.ts";

/** How late a sample may come and still be sealed with its hour; later ones cost a second sealing. */
const GRACE_MS = 15 * 60_000;
/** Series are sealed in the order of their handles over this long, so that no moment has all the work. */
const STAGGER_MS = 10 * 60_000;

/** A start has this much of the log to read, and what came in while the last copies were made. */
const SAVE_EVERY_MS = 5 * 60_000;

const HOUR_MS = 3_600_000;
/** A day of durations by the minute, whatever a chart's window is widened to. */
const MINUTES_KEPT_MS = 26 * HOUR_MS;
const DAY_MS = 24 * HOUR_MS;
const DOUBTFUL_RUNS = 60;
const SERIES_A_SLICE = 16;
/** Series that are looked through before it is asked whether others are to have their turn. */
const SERIES_A_LOOK = 1000;
const FORGOTTEN_A_SLICE = 200;

export interface CompactionOptions {
  registry: Registry;
  housekeeping: Housekeeping;
  retention_ms: number;
  summary_retention_ms: number;
  task_retention_ms: number;
  pack_after_ms: number;
  max_bytes: number | null;
  /** The head row that the next append writes. */
  nextRow(): number;
  /** Takes those series out of file and memory that no record keeps in mind. */
  forget(series: readonly Series[]): void;
}

/** Moves what is old enough from the log into chunks, and what is too old out of the file. */
export class Compaction {
  readonly #options: CompactionOptions;
  #stopped = false;
  #retained_hour = 0;
  #saved_ms = 0;
  #ran_ms: number | null = null;
  #doubtful_runs = 0;

  constructor(options: CompactionOptions) {
    this.#options = options;
  }

  /** Ends a run under way after its present slice. */
  stop(): void {
    this.#stopped = true;
  }

  async run(now_ms: number): Promise<void> {
    const { registry, housekeeping, retention_ms, summary_retention_ms, max_bytes } = this.#options;
    const { task_retention_ms, pack_after_ms } = this.#options;
    const due = await this.#dueHours(now_ms);
    for (let i = 0; i < due.length && !this.#stopped; i += SERIES_A_SLICE) {
      await this.#seal(due.slice(i, i + SERIES_A_SLICE));
    }
    if (this.#stopped || this.#isDoubtful(now_ms)) return;
    const summary_hour = Math.floor((now_ms - retention_ms) / HOUR_MS);
    const chunk_hour = Math.min(summary_hour, Math.floor((now_ms - summary_retention_ms) / HOUR_MS));
    const head_row = await this.#oldestNeededRow();
    if (this.#stopped) return;
    const task_ended_ms = now_ms - task_retention_ms;
    const task_packed_ms = now_ms - pack_after_ms;
    await housekeeping.trim({
      head_row,
      chunk_hour,
      summary_hour,
      task_ended_ms,
      task_packed_ms,
      histogram_merged_ms: now_ms - MINUTES_KEPT_MS,
      max_bytes,
    });
    if (chunk_hour > this.#retained_hour) await this.#retainFrom(chunk_hour);
    if (Math.abs(now_ms - this.#saved_ms) >= SAVE_EVERY_MS) await this.#save(now_ms);
  }

  async #seal(hours: readonly OpenHour[]): Promise<void> {
    const { registry, housekeeping, nextRow } = this.#options;
    const row = nextRow() - 1;
    const entries = hours.map(({ column }) => column.entries);
    await housekeeping.seal(
      hours.map(({ series, column }) => ({
        ...column.snapshot(),
        series: series.id,
        hour: column.hour,
        precision: series.precision,
        row,
      })),
    );
    hours.forEach(({ series, column }, i) => {
      // What came in meanwhile is not in the chunk: the column stays, to be sealed into it next time.
      registry.noteSealed(series, column, column.entries === entries[i]);
    });
  }

  /**
   * A clock that jumped ahead by more than a day may be set back again: what the jump alone makes old is kept
   * until it has held for an hour of runs.
   */
  #isDoubtful(now_ms: number): boolean {
    const before_ms = this.#ran_ms ?? newestSample_ms(this.#options.registry) ?? now_ms;
    const jumped = Math.abs(now_ms - before_ms) > DAY_MS;
    this.#ran_ms = now_ms;
    if (jumped) this.#doubtful_runs = DOUBTFUL_RUNS;
    else if (this.#doubtful_runs > 0) this.#doubtful_runs -= 1;
    return this.#doubtful_runs > 0;
  }

  /** Copies the open hours that grew since their last copy. */
  async #save(now_ms: number): Promise<void> {
    const { housekeeping, nextRow } = this.#options;
    const saved_row = nextRow() - 1;
    const grown = await this.#openHours((_, { entries, saved_entries }) => entries !== saved_entries);
    for (let i = 0; i < grown.length; i += SERIES_A_SLICE) {
      if (this.#stopped) return;
      const row = nextRow() - 1;
      const hours = grown.slice(i, i + SERIES_A_SLICE).map(({ series, column }) => ({
        ...column.snapshot(),
        series: series.id,
        row,
        newest_second: series.newest_second!,
        newest_value: series.newest_value,
        precision: series.precision,
      }));
      await housekeeping.save(hours);
      hours.forEach(({ entries }, n) => {
        const { column } = grown[i + n]!;
        column.saved_entries = entries;
        column.saved_row = row;
      });
    }
    await housekeeping.noteSaved(saved_row);
    this.#saved_ms = now_ms;
  }

  /** A head row is needed until each series' hour that has a sample in it is sealed. */
  async #oldestNeededRow(): Promise<number> {
    let oldest = this.#options.nextRow();
    await this.#eachSeries(({ columns }) => {
      for (const { first_row } of columns) oldest = Math.min(oldest, first_row);
    });
    return oldest;
  }

  async #openHours(isWanted: (series: Series, column: Column) => boolean): Promise<OpenHour[]> {
    const open: OpenHour[] = [];
    await this.#eachSeries((series) => {
      for (const column of series.columns) if (isWanted(series, column)) open.push({ series, column });
    });
    return open;
  }

  /** The hours that are to be sealed by now, in the order of their chunks' keys. */
  async #dueHours(now_ms: number): Promise<OpenHour[]> {
    const { registry } = this.#options;
    const due = await this.#openHours(({ id }, { hour }) =>
      isDue(hour, STAGGER_MS * registry.rank(id), now_ms),
    );
    return due.sort((a, b) => a.column.hour - b.column.hour || a.series.id - b.series.id);
  }

  /** There may be a hundred thousand: others have their turn in between, and may add some. */
  async #eachSeries(see: (series: Series) => void): Promise<void> {
    let seen = 0;
    for (const series of this.#options.registry.all()) {
      see(series);
      seen += 1;
      if (seen % SERIES_A_LOOK === 0 && isTurnOver()) await turn();
    }
  }

  async #retainFrom(hour: number): Promise<void> {
    const { registry, forget } = this.#options;
    const empty = registry.retainFrom(hour);
    for (let i = 0; i < empty.length && !this.#stopped; i += FORGOTTEN_A_SLICE) {
      forget(empty.slice(i, i + FORGOTTEN_A_SLICE));
      await turn();
    }
    if (!this.#stopped) this.#retained_hour = hour;
  }
}

function newestSample_ms(registry: Registry): number | null {
  let newest: number | null = null;
  for (const series of registry.all()) {
    if (series.newest_second !== null) newest = Math.max(newest ?? 0, series.newest_second * 1000);
  }
  return newest;
}

interface OpenHour {
  series: Series;
  column: Column;
}

function isDue(hour: number, stagger_ms: number, now_ms: number): boolean {
  const closed = now_ms >= (hour + 1) * HOUR_MS + GRACE_MS + stagger_ms;
  // A source whose clock runs ahead must not keep the log from being trimmed.
  const ahead = now_ms < (hour - 1) * HOUR_MS;
  return closed || ahead;
}
