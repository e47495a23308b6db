import { clean, seconds, shorten } from "../metrics/format.ts";
import type { Run } from "../metrics/runs.ts";
import { taskHref } from "./links.ts";
import { NO_TYPE, type SeriesNumber } from "./series.ts";

// A worker's tasks in time, drawn as text: thousands of bars are made at once, which elements would take thrice as long for.

/** What a bar shows: a task from its start to its end, or to the end of the time shown. */
export interface Bar
  extends Pick<Run, "id" | "type" | "model_family" | "model_id" | "attempt" | "worker_id"> {
  readonly status: "running" | "orphaned" | Run["status"];
  readonly started_at_ms: number;
  /** Null while it had not. */
  readonly ended_at_ms: number | null;
}

/** The time that a lane shows. */
export interface Span {
  readonly from_ms: number;
  readonly to_ms: number;
  /** What ended before is not all known. */
  readonly known_from_ms: number;
}

/** The lane's own measure; it is stretched to its place. */
const WIDTH = 1000;
const LANE_HEIGHT = 24;
/** Rows of tasks at once that are told apart, and those that a lane is divided into at least. */
const MAX_ROWS = 12;
const MIN_ROWS = 2;
/** Of so many bars of all lanes, the newest, a pointer is told what they are; the older ones of a colour are one line. */
const TOLD_BARS = 1000;
const NAME_LENGTH = 48;

/** Lanes whose bars are kept from tick to tick. */
const MAX_KEPT = 400;

interface Kept {
  readonly bars: readonly Bar[];
  readonly busy_ratio: number | null;
}

interface KeptWith extends Kept {
  readonly span: Span;
  readonly over: readonly Run[];
  readonly open: readonly Bar[];
}

const kept = new Map<string, KeptWith>();
const drawn = new WeakMap<readonly Bar[], { key: string; svg: string }>();

/**
 * A worker's bars by their start, and the share of the time in which it had one; the same objects again while
 * nothing changed, so that a lane is drawn once a step and not once a tick.
 *
 * @param over what was over by the end of the span, in an order that stays
 * @param open what was not
 */
export function keepLane(key: string, span: Span, over: readonly Run[], open: readonly Bar[]): Kept {
  const known = kept.get(key);
  const by_start = [...open].sort(byStart);
  if (known && sameSpan(known.span, span) && same(known.over, over) && same(known.open, by_start, sameOpen))
    return known;
  if (kept.size >= MAX_KEPT) kept.clear();
  const bars = [...over, ...open].sort(byStart);
  const fresh = { span, over, open: by_start, bars, busy_ratio: busyRatio(bars, span) };
  kept.set(key, fresh);
  return fresh;
}

function sameSpan(a: Span, b: Span): boolean {
  return a.from_ms === b.from_ms && a.to_ms === b.to_ms && a.known_from_ms === b.known_from_ms;
}

/** What is over does not change: it is the same object each tick. */
function same<T>(a: readonly T[], b: readonly T[], equal: (a: T, b: T) => boolean = Object.is): boolean {
  return a.length === b.length && a.every((one, index) => equal(one, b[index]!));
}

function sameOpen(a: Bar, b: Bar): boolean {
  return (
    a.id === b.id &&
    a.started_at_ms === b.started_at_ms &&
    a.status === b.status &&
    a.type === b.type &&
    a.model_id === b.model_id
  );
}

interface Drawing {
  readonly span: Span;
  /** The colour of each type. */
  readonly places: ReadonlyMap<string, SeriesNumber>;
  /** Lanes that are drawn together. */
  readonly lanes: number;
}

/** The drawing of the bars of a lane, by their start. */
export function drawLane(bars: readonly Bar[], { span, places, lanes }: Drawing): string {
  const told_bars = Math.floor(TOLD_BARS / lanes);
  const key = [span.from_ms, span.to_ms, span.known_from_ms, told_bars, ...places].join();
  const known = drawn.get(bars);
  if (known?.key === key) return known.svg;
  const svg = drawing(bars, span, told_bars, (type) => places.get(type ?? NO_TYPE) ?? 5);
  drawn.set(bars, { key, svg });
  return svg;
}

function drawing(
  shown: readonly Bar[],
  span: Span,
  told_bars: number,
  series: (type: string | null) => SeriesNumber,
): string {
  const rows = rowsOf(shown);
  const divided = Math.min(MAX_ROWS, Math.max(MIN_ROWS, 1 + Math.max(-1, ...rows)));
  const scale = WIDTH / (span.to_ms - span.from_ms);
  const row_height = LANE_HEIGHT / divided;
  const height = Math.round((row_height - (row_height > 3 ? 1 : 0.4)) * 10) / 10;
  const untold = shown.length - told_bars;
  const older = new Map<string, string>();
  let told = "";
  let ends = "";
  shown.forEach((bar, index) => {
    const x = Math.max(0, Math.round((bar.started_at_ms - span.from_ms) * scale));
    // What still ran then is open to the right.
    const right = bar.ended_at_ms === null ? WIDTH + 2 : Math.round((bar.ended_at_ms - span.from_ms) * scale);
    const width = Math.max(2, right - x);
    const y = Math.round((rows[index]! % divided) * row_height * 10) / 10;
    const plain = bar.status === "completed" || bar.status === "running";
    const kind = plain ? `s${series(bar.type)}` : bar.status;
    if (kind === "failed") ends += `M${x + width} 0v${LANE_HEIGHT}`;
    if (plain && index < untold) {
      older.set(kind, `${older.get(kind) ?? ""}M${x} ${Math.round((y + height / 2) * 10) / 10}h${width}`);
      return;
    }
    told +=
      `<a href="${escaped(taskHref(bar.id))}" tabindex="-1"><rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${height}">` +
      `<title>${escaped(titleOf(bar))}</title></rect></a>`;
  });
  const unknown = Math.min(WIDTH, Math.round((span.known_from_ms - span.from_ms) * scale));
  return (
    `<svg class="lane" viewBox="0 0 ${WIDTH} ${LANE_HEIGHT}" height="${LANE_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">` +
    (unknown > 0 ? `<rect class="unknown" width="${unknown}" height="${LANE_HEIGHT}"/>` : "") +
    [...older].map(([kind, d]) => `<path class="${kind}" stroke-width="${height}" d="${d}"/>`).join("") +
    told +
    (ends === "" ? "" : `<path class="ends" d="${ends}"/>`) +
    "</svg>"
  );
}

/** A total order, so that a task keeps its place when it ends. */
function byStart(a: Bar, b: Bar): number {
  return a.started_at_ms - b.started_at_ms || (a.id < b.id ? -1 : 1);
}

/** For each bar, by its start, the first row that is free then. */
function rowsOf(bars: readonly Bar[]): number[] {
  const free_from_ms: number[] = [];
  return bars.map((bar) => {
    let row = free_from_ms.findIndex((free_ms) => free_ms <= bar.started_at_ms);
    if (row === -1) row = free_from_ms.length;
    free_from_ms[row] = bar.ended_at_ms ?? Number.POSITIVE_INFINITY;
    return row;
  });
}

/** "t-17 · vision, vit-base · failed after 12.3 s". */
function titleOf({ id, type, model_id, status, started_at_ms, ended_at_ms }: Bar): string {
  const what = model_id === null ? short(type ?? NO_TYPE) : `${short(type ?? NO_TYPE)}, ${short(model_id)}`;
  const after =
    ended_at_ms === null ? "" : ` after ${seconds(Math.max(0, ended_at_ms - started_at_ms) / 1000)}`;
  return `${short(id)} · ${what} · ${status}${after}`;
}

function short(text: string): string {
  return clean(shorten(text, NAME_LENGTH));
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character]!);
}

/** The share of the time in which a worker had at least one of these tasks. @param bars by their start */
function busyRatio(bars: readonly Bar[], span: Span): number | null {
  const from_ms = Math.max(span.from_ms, span.known_from_ms);
  if (from_ms >= span.to_ms) return null;
  let busy_ms = 0;
  let until_ms = from_ms;
  for (const bar of bars) {
    const end_ms = bar.ended_at_ms ?? span.to_ms;
    if (end_ms <= until_ms) continue;
    busy_ms += end_ms - Math.max(until_ms, bar.started_at_ms);
    until_ms = end_ms;
  }
  return busy_ms / (span.to_ms - from_ms);
}
