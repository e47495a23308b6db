import { readFileSync } from "node:fs";
import { join } from "node:path";

// The Numenta Anomaly Benchmark's data and the scores of its standard profile, after Lavin and Ahmad, Evaluating
// Real-time Anomaly Detection Algorithms (2015).

/** A labelled series; rows are counted from 0. */
export interface LabelledSeries {
  readonly name: string;
  readonly at_ms: readonly number[];
  readonly values: readonly number[];
  /** First and last row of each stretch in which an anomaly lies, in their order. */
  readonly windows: readonly (readonly [first: number, last: number])[];
}

/** What the detections in one or more series are worth. */
export interface Worth {
  /** Found windows count up to 1, missed ones −1, false alarms up to −0.11. */
  readonly points: number;
  readonly windows: number;
  readonly found: number;
  readonly false_alarms: number;
}

const FALSE_ALARM_COST = 0.11;
const WARM_UP_SHARE = 0.15;
const WARM_UP_MOST = 750;

/** Of a window of one row beside a false alarm far away: the curve has long ended there. */
const FAR = 3;

/** @param folder with windows.json and the files that it names */
export function readNab(folder: string): LabelledSeries[] {
  const windows: Record<string, [string, string][]> = JSON.parse(
    readFileSync(join(folder, "windows.json"), "utf8"),
  );
  return Object.entries(windows).map(([name, labels]) => {
    const [, ...lines] = readFileSync(join(folder, name), "utf8").trim().split(/\r?\n/);
    const rows = lines.map((line) => line.split(","));
    const at_ms = rows.map(([at]) => instant_ms(at!));
    return {
      name,
      at_ms,
      values: rows.map(([, value]) => Number(value)),
      windows: labels.map(([from, to]) => [
        at_ms.findIndex((at) => at >= instant_ms(from)),
        at_ms.findLastIndex((at) => at <= instant_ms(to)),
      ]),
    };
  });
}

/** The files' times have no zone: UTC is as good as any. */
function instant_ms(text: string): number {
  return Date.parse(`${text.slice(0, 19).replace(" ", "T")}Z`);
}

/** @param detections rows, in their order */
export function worthOf(series: LabelledSeries, detections: readonly number[]): Worth {
  const { windows, values } = series;
  const warm_up = Math.min(WARM_UP_MOST, Math.floor(WARM_UP_SHARE * values.length));
  const gains = new Map<number, number>();
  let points = 0;
  let false_alarms = 0;
  for (const row of detections) {
    if (row < warm_up) continue;
    const inside = windows.findIndex(([first, last]) => row >= first && row <= last);
    if (inside === -1) {
      false_alarms += 1;
      points += FALSE_ALARM_COST * afterWindow(windows, row);
    } else if (!gains.has(inside)) {
      gains.set(inside, withinWindow(windows[inside]!, row));
    }
  }
  for (const gain of gains.values()) points += gain;
  points -= windows.length - gains.size;
  return { points, windows: windows.length, found: gains.size, false_alarms };
}

/** From 1 on a window's first row to almost 0 on its last. */
function withinWindow([first, last]: readonly [number, number], row: number): number {
  return curve(-(last - row + 1) / (last - first + 1)) / curve(-1);
}

/** From 0 right behind the nearest window before, to −1. */
function afterWindow(windows: LabelledSeries["windows"], row: number): number {
  const before = windows.findLast(([, last]) => last < row);
  if (!before) return -1;
  const [first, last] = before;
  return curve(last > first ? (row - last) / (last - first) : FAR);
}

function curve(y: number): number {
  return y > FAR ? -1 : 2 / (1 + Math.exp(5 * y)) - 1;
}

export function sum(worths: readonly Worth[]): Worth {
  return worths.reduce(
    (all, one) => ({
      points: all.points + one.points,
      windows: all.windows + one.windows,
      found: all.found + one.found,
      false_alarms: all.false_alarms + one.false_alarms,
    }),
    { points: 0, windows: 0, found: 0, false_alarms: 0 },
  );
}

/** 0 for detecting nothing, 100 for the first row of every window and nothing else. */
export function scoreOf({ points, windows }: Worth): number {
  return (100 * (points + windows)) / (2 * windows);
}
