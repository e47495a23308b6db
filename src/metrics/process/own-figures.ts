/** What Evenkeel counts of itself since its start, and how its store stands. */
export interface OwnCounts {
  readonly ticks_late: number;
  readonly reports_rejected: number;
  readonly store_bytes: number;
  readonly store_limit_bytes: number | null;
  readonly disk_free_bytes: number | null;
  readonly store_error: string | null;
  readonly rules_error: string | null;
  /** Connectors that fail and of whose source nothing is known. */
  readonly connectors_unheard: number;
}

const MINUTE_MS = 60_000;

/** How Evenkeel itself is doing, for rules: what it counts becomes what came in the last minute. */
export class OwnFigures {
  /** As of the ticks of the last minute, oldest first. */
  #counts: { at_ms: number; ticks_late: number; reports_rejected: number }[] = [];

  figures(own: OwnCounts, now_ms: number): Map<string, number> {
    const { ticks_late, reports_rejected } = own;
    this.#counts = this.#counts.filter(({ at_ms }) => at_ms > now_ms - MINUTE_MS && at_ms < now_ms);
    this.#counts.push({ at_ms: now_ms, ticks_late, reports_rejected });
    const before = this.#counts[0]!;
    const figures = new Map([
      ["store_bytes", own.store_bytes],
      ["store_failing", own.store_error === null ? 0 : 1],
      ["rules_failing", own.rules_error === null ? 0 : 1],
      ["connectors_unheard", own.connectors_unheard],
      ["ticks_late_per_minute", ticks_late - before.ticks_late],
      ["reports_rejected_per_minute", reports_rejected - before.reports_rejected],
    ]);
    if (own.store_limit_bytes !== null) figures.set("store_limit_bytes", own.store_limit_bytes);
    if (own.disk_free_bytes !== null) figures.set("disk_free_bytes", own.disk_free_bytes);
    return figures;
  }
}
