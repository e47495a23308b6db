import type { Database } from "better-sqlite3";
import { EvenkeelError } from "../../errors.ts";
import type { Scope } from "../catalogue.ts";
import { readHeadRow } from "./head.ts";
import { type OpenHour, SAVED_ROW } from "./housekeeper.ts";
import { columnAt, noteNewest, type Registry, type Series } from "./registry.ts";
import { SLOTS } from "./values.ts";

interface SeriesRow {
  id: number;
  scope: Scope;
  entity: string;
  metric: string;
  sealed_second: number | null;
  sealed_value: number | null;
  sealed_row: number | null;
}

interface SavedRow extends Omit<OpenHour, "hour" | "series" | "exact"> {
  k: number;
  exact: number;
}

interface HeadEntry {
  id: number;
  at_ms: number;
  samples: string;
}

/** Rows of the log that are read at once: a few hundred KB of JSON. */
const HEAD_PAGE = 64;

/**
 * Fills the registry with the series of the file, and their columns with what was saved of them and what the
 * log holds beyond that.
 *
 * @returns the head row that the next append writes
 */
export function restore(db: Database, registry: Registry): number {
  const sealed_rows = restoreSeries(db, registry);
  const noted = db.prepare("SELECT value FROM facts WHERE name = ?").pluck().get(SAVED_ROW);
  const saved_row = restoreSaved(db, registry) ? Number(noted ?? 0) : 0;
  const page = db.prepare<[number], HeadEntry>(
    `SELECT id, at_ms, samples FROM head WHERE id >= ? ORDER BY id LIMIT ${HEAD_PAGE}`,
  );
  let next_unread = saved_row + 1;
  for (let rows = page.all(next_unread); rows.length > 0; rows = page.all(next_unread)) {
    for (const { id, at_ms, samples } of rows) {
      visitRow(id, at_ms, samples, (handle, second, value) => {
        const series = registry.get(handle);
        if (!series || isKept(series, second, id, sealed_rows.get(handle))) return;
        registry.remember(series, second, value, id);
      });
      next_unread = id + 1;
    }
  }
  let next_row = next_unread;
  for (const row of sealed_rows.values()) next_row = Math.max(next_row, row + 1);
  return next_row;
}

function visitRow(id: number, ...row: Parameters<typeof readHeadRow>): void {
  try {
    readHeadRow(...row);
  } catch (error) {
    throw new EvenkeelError(
      "unavailable",
      `The store's log is damaged (row ${id}: ${(error as Error).message}); it was left as it is: restore a backup`,
    );
  }
}

/** Whether that row's sample is in a chunk or in a saved column already. */
function isKept(series: Series, second: number, row: number, sealed_row: number | undefined): boolean {
  const hour = Math.floor(second / SLOTS);
  if (sealed_row !== undefined && row <= sealed_row && hour === series.sealed_hour) return true;
  const saved_row = columnAt(series, hour)?.saved_row;
  return saved_row !== undefined && row <= saved_row;
}

/** @returns false where hours were saved by a program that knew another precision: the log has them all the same */
function restoreSaved(db: Database, registry: Registry): boolean {
  const rows = db.prepare<[], SavedRow>("SELECT *, samples AS bytes FROM saved_hour ORDER BY k").all();
  for (const { k, exact, newest_second, newest_value, ...saved } of rows) {
    const series = registry.get(k % 2 ** 32);
    if (!series) continue;
    if (series.precision !== saved.precision) return false;
    const hour = Math.floor(k / 2 ** 32);
    const newest = { second: newest_second, value: newest_value };
    registry.restore(series, { ...saved, hour, exact: exact === 1 }, saved.row, newest);
  }
  return true;
}

/** @returns of each series that has a chunk, the row up to which its newest sealed hour is sealed */
function restoreSeries(db: Database, registry: Registry): Map<number, number> {
  const sealed_rows = new Map<number, number>();
  const oldest_k = db.prepare<[], number | null>("SELECT min(k) FROM chunk").pluck().get() ?? null;
  const oldest_hour = oldest_k === null ? Number.POSITIVE_INFINITY : Math.floor(oldest_k / 2 ** 32);
  registry.noteChunkHour(oldest_hour);
  for (const row of db.prepare<[], SeriesRow>("SELECT * FROM series ORDER BY id").all()) {
    const series = registry.add(row.id, row);
    series.stored = true;
    if (row.sealed_row !== null) sealed_rows.set(row.id, row.sealed_row);
    if (row.sealed_second === null || row.sealed_second < oldest_hour * SLOTS) continue;
    series.sealed_hour = Math.floor(row.sealed_second / SLOTS);
    noteNewest(series, row.sealed_second, row.sealed_value!);
  }
  return sealed_rows;
}
