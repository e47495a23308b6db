import { describe, expect, test } from "vitest";
import { axisTicks, type Chart, ChartSheet, knownRuns, LineChart, tickLabel } from "./chart.tsx";
import { flatten } from "./frame.tsx";
import { Split } from "./part.tsx";

const chart = (values: (number | null)[], more: Partial<Chart> = {}): Chart => ({
  title: "Throughput",
  unit: "per_minute",
  times_ms: values.map((_, index) => index * 5000),
  step_ms: 5000,
  lines: [{ name: "throughput", series: 1, values, now: values.at(-1) ?? null }],
  ...more,
});
const draw = (given: Chart) =>
  new Split(flatten(<LineChart id="c" chart={given} />)).html.replaceAll("\u00a0", " ");
const path = (html: string) => /class="line s1"[^>]* d="([^"]*)"/.exec(html)?.[1];

test.each([
  [0, [0, 1, 2]],
  [Number.NaN, [0, 1, 2]],
  [1.9, [0, 1, 2]],
  [201, [0, 150, 300]],
  [300, [0, 150, 300]],
  [45, [0, 25, 50]],
  [0.03, [0, 0.015, 0.03]],
])("an axis that holds %s has the round ticks %j", (largest, ticks) => {
  axisTicks(largest).forEach((tick, index) => {
    expect(tick).toBeCloseTo(ticks[index]!, 10);
  });
});

test.each([
  [0, "0"],
  [7500, "7500"],
  [12_500, "12.5\u00a0k"],
  [20_000, "20\u00a0k"],
])("the number %s stands beside an axis as %s", (tick, label) => expect(tickLabel(tick)).toBe(label));

test("runs are the stretches without a gap", () => {
  expect(knownRuns([null, 1, 2, null, 3])).toEqual([
    { from: 1, to: 2 },
    { from: 4, to: 4 },
  ]);
  expect(knownRuns([])).toEqual([]);
});

describe("a line chart", () => {
  test("leaves a gap open and shows a lone value as a dot", () => {
    expect(path(draw(chart([0, 2, null, 2, null])))).toBe("M0 78L250 0M750 0h.1");
  });

  test("has an upright line where something was set, and a short one where an alert began, within its window", () => {
    const html = draw(chart([1, 1, 1], { marks_ms: [-1, 5000], alerts_ms: [0, 14_999, 15_000] }));
    expect(html).toMatch(/class="marks"[^>]* d="M500 0V78"/);
    expect(html).toMatch(/class="alert-marks"[^>]* d="M0 0V7M1000 0V7"/);
    expect(draw(chart([1, 1, 1]))).not.toContain("marks");
  });

  test("says its name with its unit, and its last value", () => {
    const html = draw(chart([100, 182]));
    expect(html).toContain("Throughput, /min");
    expect(html).toContain(">&lrm;182 /min</b>");
  });

  test("has its extremes in words", () => {
    expect(draw(chart([100, 201, 182]))).toContain(
      "Throughput, from 00:00 to 00:00 UTC. 182 /min at the end, lowest 100 /min, highest 201 /min.",
    );
  });

  test("gives the ends of its time in UTC, for the script to show in the viewer's zone", () => {
    const html = draw(chart(Array.from({ length: 180 }, () => 1)));
    expect(html).toContain('data-t="0">00:00 UTC</text>');
    expect(html).toContain('data-t="900000">00:15 UTC</text>');
  });

  test("counts long durations in minutes", () => {
    const html = draw(chart([300, 540], { title: "Latency", unit: "seconds" }));
    expect(html).toContain("Latency, min");
    expect(html).toMatch(/text-anchor="end">10<\/text>/);
  });

  test("without data says so", () => {
    expect(draw(chart([]))).toContain("No data in this window yet");
    expect(draw(chart([]))).toContain(">&lrm;–</b>");
  });

  test("keeps a value beyond the axis on it, and a name as text", () => {
    const html = draw(chart([250, 50], { unit: "percent", top: 100, title: "<b>" }));
    expect(path(html)).toBe("M0 0L1000 39");
    expect(html).toContain("&lt;b&gt;");
  });
});

test("a sheet of charts is one SVG with its own colours", () => {
  const svg = flatten(<ChartSheet charts={[chart([1, 2]), chart([3])]} />);
  expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  expect(svg).toContain("<style>");
  expect(svg.match(/class="drawing"/g)).toHaveLength(2);
});
