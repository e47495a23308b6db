import { fromRfc3339 } from "../../../instant.ts";

const LOCAL = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?)$/;
const DAY_MS = 86_400_000;
/** A zone's offset does not change within a quarter of an hour. */
const QUARTER_MS = 900_000;
const MAX_OFFSETS = 4096;
/** Clocks of two machines agree to this, more or less. */
const TOLERANCE_MS = 60_000;

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Reads times that are written as a clock on a wall of some zone shows them, without an offset. */
export class LocalTime {
  readonly #format: Intl.DateTimeFormat;
  /** By quarter of an hour since the epoch, milliseconds. */
  readonly #offsets = new Map<number, number>();

  /** @param time_zone an IANA name, such as Europe/Berlin */
  constructor(time_zone: string) {
    const two = "2-digit";
    const parts = { month: two, day: two, hour: two, minute: two, second: two } as const;
    this.#format = new Intl.DateTimeFormat("en-US", {
      timeZone: time_zone,
      hourCycle: "h23",
      year: "numeric",
      ...parts,
    });
  }

  /**
   * Unix milliseconds; undefined for what is no time. An hour that the clock shows twice is the later one as soon as
   * `now_ms` has come to it; one that it skips is taken as if it had not been set yet.
   */
  instant(text: unknown, now_ms: number): number | undefined {
    if (typeof text !== "string") return undefined;
    const [, date, time] = LOCAL.exec(text) ?? [];
    if (date === undefined) {
      const at_ms = fromRfc3339(text);
      return Number.isNaN(at_ms) ? undefined : at_ms;
    }
    const wall_ms = Date.parse(`${date}T${time}Z`);
    if (Number.isNaN(wall_ms)) return undefined;
    const before_ms = this.#offset(wall_ms - DAY_MS);
    const after_ms = this.#offset(wall_ms + DAY_MS);
    const candidates = [wall_ms - before_ms, wall_ms - after_ms].filter(
      (at_ms) => at_ms + this.#offset(at_ms) === wall_ms,
    );
    const earlier_ms = candidates.length === 0 ? wall_ms - before_ms : Math.min(...candidates);
    const later_ms = candidates.length === 0 ? earlier_ms : Math.max(...candidates);
    return later_ms <= now_ms + TOLERANCE_MS ? later_ms : earlier_ms;
  }

  /** What the clock on the wall is ahead of UTC, milliseconds. */
  #offset(at_ms: number): number {
    const quarter = Math.floor(at_ms / QUARTER_MS);
    const known = this.#offsets.get(quarter);
    if (known !== undefined) return known;
    const begin_ms = quarter * QUARTER_MS;
    const parts = Object.fromEntries(
      this.#format.formatToParts(begin_ms).map(({ type, value }) => [type, Number(value)]),
    ) as Record<"year" | "month" | "day" | "hour" | "minute" | "second", number>;
    const { year, month, day, hour, minute, second } = parts;
    const offset_ms = Date.UTC(year, month - 1, day, hour, minute, second) - begin_ms;
    if (this.#offsets.size >= MAX_OFFSETS) this.#offsets.clear();
    this.#offsets.set(quarter, offset_ms);
    return offset_ms;
  }
}
