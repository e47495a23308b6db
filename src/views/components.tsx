import { raw } from "hono/html";
import type { Child } from "hono/jsx";
import {
  clean,
  clock,
  clockMinute,
  count,
  instant,
  iso,
  NONE,
  type Quantity,
  quantity,
  widthLacking,
} from "../metrics/format.ts";
import type { Severity, TaskState, WorkerState } from "../metrics/model.ts";
import type { SystemStatus } from "../metrics/read.ts";
import type { Markup } from "./panel.ts";
import { Part } from "./part.tsx";
import type { SeriesNumber } from "./series.ts";

/** What a colour of state says; each has a shape of its own beside it. */
export type Tone = "ok" | "planned" | "warning" | "critical" | "gone";

/** Drawn on 10 × 10, so that no font decides what a state looks like. */
const SHAPES: Record<Tone, string> = {
  ok: "M1.5 5.4 4 8l4.6-6",
  planned: "M5 1a4 4 0 1 0 0 8z",
  warning: "M5 .4 9.6 5 5 9.6.4 5z",
  critical: "M5 .7 9.7 9.3H.3z",
  gone: "M5 1.2a3.8 3.8 0 1 0 .01 0z",
};

/** The shape of a state. Say the state in words beside it. */
export function Mark({ tone }: { tone: Tone }) {
  return (
    <svg class={`mark ${tone}`} viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
      <path d={SHAPES[tone]} />
    </svg>
  );
}

export const WORKER_TONE: Record<WorkerState, Tone> = {
  overloaded: "critical",
  lost: "gone",
  stale: "warning",
  draining: "planned",
  offline: "gone",
  active: "ok",
};

export const TASK_TONE: Record<TaskState, Tone> = {
  orphaned: "warning",
  failed: "critical",
  running: "planned",
  assigned: "planned",
  queued: "planned",
  cancelled: "gone",
  completed: "ok",
};

/** A notice is what the fleet can live with, such as a worker that is gone. */
export const SEVERITY_TONE: Record<Severity, Tone> = {
  critical: "critical",
  warning: "warning",
  notice: "gone",
};

export const STATUS_TONE: Record<SystemStatus["level"], Tone> = {
  healthy: "ok",
  degraded: "warning",
  critical: "critical",
};

/** Text for a screen reader alone. */
function Hidden({ children }: { children?: Child }) {
  return <span class="vh">{children}</span>;
}

/** A state as shape and, for who can't see it, as a word. */
export function StateMark({ tone, word }: { tone: Tone; word: string }) {
  return (
    <>
      <Mark tone={tone} />
      <Hidden>{word}</Hidden>
    </>
  );
}

/** A name from outside: isolated, so that one written right to left leaves its surroundings alone. */
export function Name({ children }: { children: string }) {
  return <bdi>{clean(children)}</bdi>;
}

/** A figure and its unit; a dash that says so where the value is not known, and why where that is given. */
export function Figure({ value, why = null }: { value: Quantity; why?: string | null }) {
  if (value.value === NONE) {
    return (
      <>
        <span aria-hidden="true" title={why ?? undefined}>
          {NONE}
        </span>
        <Hidden>{why ?? "not known"}</Hidden>
      </>
    );
  }
  return (
    <>
      {value.value}
      {value.unit === "" ? null : <small>{` ${value.unit}`}</small>}
    </>
  );
}

/** An instant. The page's script shows it in the viewer's zone. */
export function Time({ at_ms, full = false }: { at_ms: number; full?: boolean }) {
  const datetime = iso(at_ms);
  if (datetime === null) return <Figure value={quantity(null, "count")} />;
  return (
    <time datetime={datetime} data-t={at_ms} data-full={full ? "" : undefined}>
      {full ? instant(at_ms) : clock(at_ms)}
    </time>
  );
}

/**
 * How long ago something began. The page's script turns it into "1 m 44 s" and counts on; rendered here it
 * would change every second. `short` is for where only five letters fit: the script writes "1 m". `lasting` is
 * for what still goes on: the script writes "for 1 m 44 s".
 */
interface AgoProps {
  since_ms: number;
  short?: boolean;
  lasting?: boolean;
}

export function Ago({ since_ms, short = false, lasting = false }: AgoProps) {
  const datetime = iso(since_ms);
  if (datetime === null) return <Figure value={quantity(null, "count")} />;
  return (
    <time
      class={short ? "ago short" : "ago"}
      datetime={datetime}
      data-since={since_ms}
      data-lasting={lasting ? "" : undefined}
    >
      {short ? clockMinute(since_ms).slice(0, 5) : `since ${clock(since_ms)}`}
    </time>
  );
}

interface KpiProps {
  id: string;
  label: string;
  value: Quantity;
  /** Why it is a dash, where it is one. */
  why?: string | null;
  /** Beside the figure: of how many. */
  of?: string | undefined;
  /** What exactly is counted, for a pointer that rests on the label. */
  help?: string | undefined;
  /** What makes the figure mean something: two lines, or a text that breaks into two. */
  lines: readonly Child[] | string;
}

export function Kpi({ id, label, value, why = null, of, help, lines }: KpiProps) {
  const gap = of === undefined ? "" : widthLacking(value.value, of);
  return (
    <Part id={id} class="kpi">
      <h3 title={help}>{label}</h3>
      <p class="v">
        <Figure value={value} why={why} />
        {of === undefined ? null : (
          <>
            {gap}
            <small>{`${gap === "" ? " " : ""}of ${of}`}</small>
          </>
        )}
      </p>
      {typeof lines === "string" ? (
        <p class="sub two" title={lines}>
          {lines}
        </p>
      ) : (
        lines.map((line) => (
          <p class="sub" title={typeof line === "string" ? line : undefined}>
            {line}
          </p>
        ))
      )}
    </Part>
  );
}

/** A coordinate or length in a drawing: one decimal at most. */
export function coordinate(value: number): number {
  return Math.round(value * 10) / 10;
}

/**
 * Bars one above the other, 0 to 100 % each; a value that is not known has no track either. It is drawn for
 * every worker each second, and numbers need no escaping: text is made in a third of the time of elements.
 */
export function Bars({ values }: { values: readonly (readonly [SeriesNumber, number | null])[] }): Markup {
  let tracks = "";
  let bars = "";
  let y = 0;
  for (const [series, value] of values) {
    if (value === null) continue;
    const width = coordinate(Math.min(100, Math.max(0, value)));
    tracks += `M0 ${y}h100v4H0z`;
    bars += `<rect class="s${series}" y="${y}" width="${width}" height="4"/>`;
    y += BAR_STEP;
  }
  const height = values.length * BAR_STEP - 3;
  return raw(
    `<svg class="bars" viewBox="0 0 100 ${height}" height="${height}" preserveAspectRatio="none" aria-hidden="true">` +
      `<path class="track" d="${tracks}"/>${bars}</svg>`,
  );
}

/** From one bar to the next: four for the bar, three between. */
const BAR_STEP = 7;

export interface Segment {
  readonly series: SeriesNumber;
  readonly value: number;
}

/** Segments after each other on a track that is `full` long. */
export function StackedBar({ segments, full }: { segments: readonly Segment[]; full: number }) {
  let start = 0;
  const scale = full > 0 ? 100 / full : 0;
  return (
    <svg class="stack" viewBox="0 0 100 10" height="10" preserveAspectRatio="none" aria-hidden="true">
      {segments.map(({ series, value }) => {
        const x = start * scale;
        start += value;
        if (value <= 0) return null;
        return (
          <rect
            class={`s${series}`}
            x={coordinate(x)}
            width={coordinate(Math.max(value * scale - 0.4, 0.4))}
            height="10"
          />
        );
      })}
    </svg>
  );
}

/** The swatch of a series, to stand before its name. */
export function Swatch({ series }: { series: SeriesNumber }) {
  return (
    <svg class="swatch" viewBox="0 0 8 8" width="8" height="8" aria-hidden="true">
      <rect class={`s${series}`} width="8" height="8" rx="2" />
    </svg>
  );
}

export function Legend({ entries }: { entries: readonly { series: SeriesNumber; name: string }[] }) {
  return (
    <span class="legend">
      {entries.map(({ series, name }) => (
        <span>
          <Swatch series={series} />
          {clean(name)}
        </span>
      ))}
    </span>
  );
}

interface HistogramProps {
  /** How many in each bin, lowest bin first. */
  bins: readonly number[];
  /** From this bin on a value is beyond its threshold. */
  hot: number;
  /** The drawing in words. */
  label: string;
  /** CSS pixels. */
  tall?: number;
}

export function Histogram({ bins, hot, label, tall = 32 }: HistogramProps) {
  const largest = Math.max(1, ...bins);
  const step = 100 / bins.length;
  const width = coordinate(step - 0.6);
  // As text: eighty elements of each of fifty filters a second are a fifth of what is drawn.
  const bar = (size: number, index: number) => {
    const height = size === 0 ? 1 : Math.max(3, (size / largest) * tall);
    const name = size === 0 ? "none" : index >= hot ? "hot" : "s1";
    const [x, y] = [coordinate(index * step), coordinate(tall - height)];
    return `<rect class="${name}" x="${x}" y="${y}" width="${width}" height="${coordinate(height)}"></rect>`;
  };
  return (
    <svg
      class="histogram"
      viewBox={`0 0 100 ${tall}`}
      height={tall}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {raw(bins.map(bar).join(""))}
    </svg>
  );
}

export function EmptyState({ title, children }: { title: string; children?: Child }) {
  return (
    <div class="empty">
      <p>
        <b>{title}</b>
      </p>
      {children}
    </div>
  );
}

/** `a · b · c` of those that there are. */
export function joined(parts: readonly (string | false | null | undefined)[]): string {
  return parts.filter((part) => typeof part === "string" && part !== "").join("\u00a0· ");
}

/** "and 12 more", or nothing. */
export function more(hidden: number, what = "more"): string {
  return hidden > 0 ? `and ${count(hidden)} ${what}` : "";
}
