import { raw } from "hono/html";
import type { Unit } from "../metrics/catalogue.ts";
import { clean, clockDay, clockMinute, count, iso, measure } from "../metrics/format.ts";
import { coordinate } from "./components.tsx";
import { Part } from "./part.tsx";
import type { SeriesNumber } from "./series.ts";

export interface ChartSeries {
  readonly name: string;
  readonly series: SeriesNumber;
  readonly values: readonly (number | null)[];
  /** The value now, which is newer than the last closed step. */
  readonly now: number | null;
  /** The smallest and largest value of each step, drawn as a band. */
  readonly min?: readonly (number | null)[];
  readonly max?: readonly (number | null)[];
  /** What it is compared with, drawn dashed. */
  readonly before?: readonly (number | null)[];
}

export interface Chart {
  readonly title: string;
  readonly unit: Unit;
  /** Start of each step, Unix milliseconds, evenly spaced. */
  readonly times_ms: readonly number[];
  readonly step_ms: number;
  readonly lines: readonly ChartSeries[];
  /** The top of the axis, where it is known beforehand. */
  readonly top?: number;
  /** Where its title leads, relative to the base. */
  readonly href?: string;
  /** Instants that an upright line stands at, Unix milliseconds. */
  readonly marks_ms?: readonly number[];
  /** Instants that a short line at the upper edge stands at: of these there may be many. */
  readonly alerts_ms?: readonly number[];
  /** Of the lines' place, CSS pixels; left out, HEIGHT. */
  readonly height?: number;
}

/** Figures alone don't tell which way a text runs. As a reference: beyond Latin 1 a text takes twice the memory. */
const LEFT_TO_RIGHT = "&lrm;";
/** The lines' own measure; it is stretched to its place, their strokes are not. */
const WIDTH = 1000;
const HEIGHT = 78;
/** Room above for half a letter, below for the times, at the right for the numbers of the axis. */
const HEADROOM = 6;
const TEXT_HEIGHT = 16;
const PLOT_WIDTH = "92%";

/** Whole height of a chart's drawing, CSS pixels. */
function drawingHeight({ height = HEIGHT }: Chart): number {
  return HEADROOM + height + TEXT_HEIGHT;
}

/** What the axis counts in: a unit that keeps its numbers short. */
interface Axis {
  readonly unit: string;
  /** Zero, the middle and the top, in that unit. */
  readonly ticks: readonly number[];
  /** The top, in the unit of the values. */
  readonly top: number;
}

/** A chart that is drawn once: each series with its name and its last value in words. */
export function HistoryChart({ chart }: { chart: Chart }) {
  return (
    <figure class="chart">
      <figcaption>
        <span data-title={NAMED_BY_TICKS.has(chart.unit) ? chart.title : undefined}>{titleOf(chart)}</span>
        <span class="legend">
          {chart.lines.map((line) => (
            <span>
              <LineSwatch series={line.series} />
              {chart.lines.length === 1 ? null : `${clean(line.name)} `}
              <b>{measure(line.now, chart.unit)}</b>
            </span>
          ))}
        </span>
      </figcaption>
      <Drawing chart={chart} />
    </figure>
  );
}

function LineSwatch({ series }: { series: SeriesNumber }) {
  return (
    <svg class="swatch" viewBox="0 0 8 8" width="8" height="8" aria-hidden="true">
      <rect class={`s${series}`} y="3" width="8" height="2" />
    </svg>
  );
}

/** A chart with its name and its value now in words: one changes with each closed step, the other each second. */
export function LineChart({ id, chart }: { id: string; chart: Chart }) {
  return (
    <figure class="chart">
      <figcaption>
        <span>{chart.href === undefined ? titleOf(chart) : <a href={chart.href}>{titleOf(chart)}</a>}</span>
        {chart.lines.length < 2 ? null : (
          <span class="legend">
            {chart.lines.map((line) => (
              <span>
                <LineSwatch series={line.series} />
                {line.name}
              </span>
            ))}
          </span>
        )}
        <Part as="b" id={`${id}-now`}>
          {raw(LEFT_TO_RIGHT)}
          {valuesNow(chart)}
        </Part>
      </figcaption>
      <Part id={id}>
        <Drawing chart={chart} />
      </Part>
    </figure>
  );
}

const LIGHT = ["#2563c9", "#c2660c", "#0f8a7e", "#8250c4", "#6b7686"];
const DARK = ["#6ea8ff", "#ffab5e", "#46cabb", "#c29bff", "#8592a5"];

/** Colours for a file that no stylesheet reaches; dark where the viewer's system is. */
const STANDALONE_STYLE = `svg{color-scheme:light dark;font:11px system-ui,sans-serif}
.name{font-size:13px;font-weight:600}.line{stroke-width:1.5}.line.before{stroke-dasharray:5 4;opacity:.7}.marks{stroke:#6b7686;stroke-dasharray:3 3}.alert-marks{stroke:#c9302c;stroke-width:2}.area{opacity:.12}.band{opacity:.18}
text{fill:#5a6778}.name{fill:#17202c}.grid{stroke:#dfe4ea}.paper{fill:#fff}${seriesStyle(LIGHT)}
@media(prefers-color-scheme:dark){text{fill:#93a1b5}.name{fill:#e5ebf3}.grid{stroke:#263142}.paper{fill:#151c26}${seriesStyle(DARK)}}`;

function seriesStyle(colours: readonly string[]): string {
  return colours
    .map((colour, index) => `.s${index + 1}{fill:${colour}}.line.s${index + 1}{fill:none;stroke:${colour}}`)
    .join("");
}

const SHEET_WIDTH = 640;
const SHEET_PADDING = 12;
const SHEET_CAPTION = 22;

/** Charts below each other as one SVG file that needs nothing else. */
export function ChartSheet({ charts }: { charts: readonly Chart[] }) {
  const tops: number[] = [];
  let height = SHEET_PADDING;
  for (const chart of charts) {
    tops.push(height);
    height += SHEET_CAPTION + drawingHeight(chart) + SHEET_PADDING;
  }
  const inner = SHEET_WIDTH - 2 * SHEET_PADDING;
  return (
    <svg
      xmlns="http://www.w3.org/2000/svg"
      width={SHEET_WIDTH}
      height={height}
      viewBox={`0 0 ${SHEET_WIDTH} ${height}`}
      role="img"
    >
      <title>{charts.map((chart) => chart.title).join(", ")}</title>
      <style>{raw(STANDALONE_STYLE)}</style>
      <rect class="paper" width="100%" height="100%" />
      {charts.map((chart, index) => (
        <svg
          x={SHEET_PADDING}
          y={tops[index]}
          width={inner}
          height={SHEET_CAPTION + drawingHeight(chart)}
          aria-hidden="true"
        >
          <text class="name" y="13">
            {titleOf(chart)}
          </text>
          <text class="name" x="100%" y="13" text-anchor="end">
            {chart.lines.length < 2
              ? valuesNow(chart)
              : chart.lines.map((line, place) => (
                  <>
                    {place === 0 ? "" : " · "}
                    <tspan class={`s${line.series}`}>{line.name}</tspan> {measure(line.now, chart.unit)}
                  </>
                ))}
          </text>
          <svg y={SHEET_CAPTION} width="100%" height={drawingHeight(chart)} aria-hidden="true">
            <Drawing chart={chart} />
          </svg>
        </svg>
      ))}
    </svg>
  );
}

/**
 * Lines over time. Letters are placed by percentages of the outer drawing; the lines lie in an inner one
 * that is stretched, so that both stay sharp at any width.
 */
function Drawing({ chart }: { chart: Chart }) {
  const { ticks, top } = axisOf(chart);
  const { height = HEIGHT } = chart;
  const whole = drawingHeight(chart);
  const y = (value: number) => height - (Math.min(value, top) / top) * height;
  const tickY = (index: number) => coordinate(height - (index / (ticks.length - 1)) * height);
  const [from_ms, to_ms] = [chart.times_ms[0], chart.times_ms[chart.times_ms.length - 1]];
  return (
    <svg class="drawing" width="100%" height={whole} role="img" aria-label={inWords(chart)}>
      <svg
        y={HEADROOM}
        width={PLOT_WIDTH}
        height={height}
        viewBox={`0 0 ${WIDTH} ${height}`}
        preserveAspectRatio="none"
        aria-hidden="true"
      >
        <path
          class="grid"
          vector-effect="non-scaling-stroke"
          d={ticks.map((_, index) => `M0 ${tickY(index)}H${WIDTH}`).join("")}
        />
        <Marks chart={chart} height={height} />
        {chart.lines.map((line) => (
          <Line line={line} y={y} floor={height} single={chart.lines.length === 1} />
        ))}
      </svg>
      {ticks.map((tick, index) => (
        <text x="100%" y={HEADROOM + tickY(index) + 4} text-anchor="end">
          {tickLabel(tick)}
        </text>
      ))}
      {from_ms === undefined || to_ms === undefined ? (
        <text x="46%" y={HEADROOM + height / 2 - 6} text-anchor="middle">
          No data in this window yet
        </text>
      ) : (
        <>
          <AxisTime chart={chart} at_ms={from_ms} x="0" y={whole - 2} />
          <AxisTime chart={chart} at_ms={to_ms + chart.step_ms} x={PLOT_WIDTH} y={whole - 2} />
        </>
      )}
    </svg>
  );
}

/** Of the lines' place, CSS pixels. */
const ALERT_MARK_LENGTH = 7;

function Marks({ chart, height }: { chart: Chart; height: number }) {
  const [from_ms, to_ms] = [chart.times_ms[0], chart.times_ms[chart.times_ms.length - 1]];
  if (from_ms === undefined || to_ms === undefined || to_ms === from_ms) return null;
  const x = (at_ms: number) => coordinate((WIDTH * (Math.min(at_ms, to_ms) - from_ms)) / (to_ms - from_ms));
  const upright = (name: string, times_ms: readonly number[] = [], length: number) => {
    // What happened within the last step stands at its start.
    const shown = times_ms.filter((at_ms) => at_ms >= from_ms && at_ms < to_ms + chart.step_ms);
    const d = shown.map((at_ms) => `M${x(at_ms)} 0V${length}`).join("");
    return d === "" ? null : <path class={name} vector-effect="non-scaling-stroke" d={d} />;
  };
  return (
    <>
      {upright("marks", chart.marks_ms, height)}
      {upright("alert-marks", chart.alerts_ms, ALERT_MARK_LENGTH)}
    </>
  );
}

/** From this length on the axis shows days too. */
const DAYS_FROM_MS = 20 * 3_600_000;

function AxisTime({ chart, at_ms, x, y }: { chart: Chart; at_ms: number; x: string; y: number }) {
  const days = chart.times_ms.length * chart.step_ms >= DAYS_FROM_MS;
  return (
    <text
      class="t"
      x={x}
      y={y}
      text-anchor={x === "0" ? undefined : "end"}
      data-t={at_ms}
      data-days={days ? "" : undefined}
    >
      {days ? clockDay(at_ms) : clockMinute(at_ms)}
    </text>
  );
}

interface LineProps {
  line: ChartSeries;
  y: (value: number) => number;
  floor: number;
  single: boolean;
}

function Line({ line, y, floor, single }: LineProps) {
  const x = positions(line.values.length);
  const runs = knownRuns(line.values);
  const point = (index: number, values: readonly (number | null)[]) =>
    `${coordinate(x(index))} ${coordinate(y(values[index] ?? 0))}`;
  const along = (run: Run, values: readonly (number | null)[]) =>
    range(run)
      .map((index) => point(index, values))
      .join("L");
  const path = (of: readonly Run[], values: readonly (number | null)[]) =>
    of.map((run) => `M${along(run, values)}${run.from === run.to ? "h.1" : ""}`).join("");
  return (
    <>
      {line.min === undefined || line.max === undefined ? null : (
        <path class={`band s${line.series}`} d={bandPath(knownRuns(line.min), line.min, line.max, point)} />
      )}
      {single ? (
        <path
          class={`area s${line.series}`}
          d={runs
            .map((run) => `M${coordinate(x(run.from))} ${floor}L${along(run, line.values)}V${floor}z`)
            .join("")}
        />
      ) : null}
      {line.before === undefined ? null : (
        <path
          class={`line before s${line.series}`}
          vector-effect="non-scaling-stroke"
          d={path(knownRuns(line.before), line.before)}
        />
      )}
      <path
        class={`line s${line.series}`}
        vector-effect="non-scaling-stroke"
        stroke-linecap="round"
        stroke-linejoin="round"
        d={path(runs, line.values)}
      />
    </>
  );
}

function bandPath(
  runs: readonly Run[],
  min: readonly (number | null)[],
  max: readonly (number | null)[],
  point: (index: number, values: readonly (number | null)[]) => string,
): string {
  return runs
    .map((run) => {
      const forth = range(run).map((index) => point(index, max));
      const back = range(run)
        .map((index) => point(index, min))
        .reverse();
      return `M${[...forth, ...back].join("L")}z`;
    })
    .join("");
}

function positions(length: number): (index: number) => number {
  const step = length > 1 ? WIDTH / (length - 1) : 0;
  return (index) => index * step;
}

interface Run {
  readonly from: number;
  readonly to: number;
}

/** The stretches without a gap, both ends included. */
export function knownRuns(values: readonly (number | null)[]): Run[] {
  const runs: Run[] = [];
  let from: number | null = null;
  values.forEach((value, index) => {
    if (value !== null && from === null) from = index;
    if (value === null && from !== null) {
      runs.push({ from, to: index - 1 });
      from = null;
    }
  });
  if (from !== null) runs.push({ from, to: values.length - 1 });
  return runs;
}

function range({ from, to }: Run): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function largestOf(chart: Chart): number {
  let largest = 0;
  for (const line of chart.lines) {
    for (const value of line.values) if (value !== null && value > largest) largest = value;
    for (const value of [...(line.max ?? []), ...(line.before ?? [])])
      if (value !== null && value > largest) largest = value;
  }
  return largest;
}

type Step = readonly [unit: string, size: number];

/** The ticks of an axis that the page's script draws name these units themselves. */
const NAMED_BY_TICKS: ReadonlySet<Unit> = new Set(["seconds", "bytes", "bytes_per_second"]);

/** Larger units of an axis, largest first; the last is the unit of the values. */
const AXIS_UNITS: Partial<Record<Unit, readonly Step[]>> = {
  percent: [["%", 1]],
  ratio: [["%", 0.01]],
  per_minute: [["/min", 1]],
  per_hour: [["/h", 1]],
  seconds: [
    ["h", 3600],
    ["min", 60],
    ["s", 1],
    ["ms", 0.001],
  ],
  bytes: binarySteps("B"),
  bytes_per_second: binarySteps("B/s"),
  celsius: [["°C", 1]],
  watts: [["W", 1]],
};

function binarySteps(unit: string): Step[] {
  return [
    ...["Ti", "Gi", "Mi", "Ki"].map((prefix, index): Step => [prefix + unit, 1024 ** (4 - index)]),
    [unit, 1],
  ];
}

function axisOf(chart: Chart): Axis {
  const largest = chart.top ?? largestOf(chart);
  const steps = AXIS_UNITS[chart.unit] ?? [["", 1]];
  // A unit is taken once the axis reaches two of it, so that its middle is one.
  const [unit, size] = steps.find(([, size]) => (largest > 0 ? largest >= 2 * size : size === 1)) ??
    steps[steps.length - 1] ?? ["", 1];
  const ticks = axisTicks(largest / size);
  return { unit, ticks, top: (ticks[2] ?? 1) * size };
}

/** Zero, the middle and the top of an axis that holds `largest`, all of them round numbers. */
export function axisTicks(largest: number): readonly [number, number, number] {
  if (!(largest > 0) || !Number.isFinite(largest)) return [0, 1, 2];
  const magnitude = 10 ** Math.floor(Math.log10(largest / 2));
  const step =
    [1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10].find((candidate) => candidate * magnitude * 2 >= largest) ?? 10;
  return [0, step * magnitude, step * magnitude * 2];
}

/** As short as the room beside a drawing is: thousands from five digits on. */
export function tickLabel(tick: number): string {
  return tick < 10_000 ? count(tick) : `${count(tick / 1000)}\u00a0k`;
}

function titleOf(chart: Chart): string {
  const { unit } = axisOf(chart);
  return unit === "" ? chart.title : `${chart.title}, ${unit}`;
}

function valuesNow(chart: Chart): string {
  return chart.lines.map((line) => measure(line.now, chart.unit)).join(" · ");
}

/** What the drawing shows, for who can't see it. */
function inWords(chart: Chart): string {
  const [from_ms, to_ms] = [chart.times_ms[0], chart.times_ms[chart.times_ms.length - 1]];
  if (from_ms === undefined || to_ms === undefined) return `${chart.title}: no data in this window yet.`;
  const lines = chart.lines.map((line) => {
    const known = line.values.filter((value) => value !== null);
    const name = chart.lines.length === 1 ? "" : `${line.name}: `;
    if (known.length === 0) return `${name}not known`;
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const last = measure(line.values[line.values.length - 1] ?? null, chart.unit);
    return `${name}${last} at the end, lowest ${measure(low, chart.unit)}, highest ${measure(high, chart.unit)}`;
  });
  const [from, to] = [iso(from_ms)?.slice(11, 16), iso(to_ms + chart.step_ms)?.slice(11, 16)];
  return `${chart.title}, from ${from} to ${to} UTC. ${lines.join(". ")}.`;
}
