import { describe, expect, test } from "vitest";
import type { Filters, Read } from "../metrics/read.ts";
import { filterWords, partOf as partOfRead, uncounted } from "./filters.ts";
import { fixtureRead } from "./fixture.ts";
import { renderPanel } from "./frame.tsx";
import { overview } from "./panels/overview.tsx";
import { performance } from "./panels/performance.tsx";
import { taskDistribution } from "./panels/task-distribution.tsx";
import { waiting } from "./panels/waiting.tsx";
import { workerGrid } from "./panels/worker-grid.tsx";
import { findPage } from "./registry.ts";

/** A part of the fleet of which only its workers are counted. */
function partOf(filters: Filters, change: Partial<Read> = {}): Read {
  const read = fixtureRead();
  const gone = /queued|throughput|success|_time_|completed|failed|cancelled/;
  return {
    ...read,
    filters,
    system: new Map([...read.system].filter(([name]) => !gone.test(name))),
    queue: null,
    ended_by_type: null,
    oldestQueued: () => undefined,
    tasks: () => [],
    ...change,
  };
}

const htmlOf = (panel: Parameters<typeof renderPanel>[0], read: Read) => renderPanel(panel, {}, read).html;

describe("what a filter leaves uncounted is a dash with its reason", () => {
  const gpu = partOf({ worker_type: "gpu" });

  test("in the overview: what waits has no worker yet, what ended is not counted by worker type", () => {
    const html = htmlOf(overview, gpu);
    expect(html).toContain("– queued tasks have no worker yet");
    expect(html).toContain("queued tasks have no worker yet");
    expect(html).not.toContain("nothing waits");
    const dash = '<span aria-hidden="true" title="not counted by worker type">–</span>';
    expect(html.split(dash)).toHaveLength(4);
    expect(html).toContain('<span class="vh">not counted by worker type</span>');
  });

  test("in the task distribution and among what waits", () => {
    const html = htmlOf(taskDistribution, gpu);
    expect(html).toContain("– queued tasks have no worker yet");
    expect(html).toContain('<td class="queued" title="queued tasks have no worker yet">');
    expect(html).not.toContain("Nothing waits");
    expect(taskDistribution.load(gpu, {})).toMatchObject({
      queue: null,
      types: [{ queued: null }, {}, {}, {}],
    });
    expect(htmlOf(waiting, gpu)).toContain("queued tasks have no worker yet");
    expect(waiting.load(gpu, {})).toMatchObject({ waiting: null, stuck: null });
  });

  test("and none is where all is counted", () => {
    expect(uncounted({ filters: {} })).toEqual({ queued: null, ended: null });
    expect(uncounted({ filters: { task_type: "vision" } })).toEqual({ queued: null, ended: null });
    expect(uncounted({ filters: { task_type: "vision", q: "x" } })).toEqual({
      queued: null,
      ended: "not counted by these filters together",
    });
  });
});

test("where no worker matches, it is said which were looked for, with the way back to all", () => {
  const read = partOf({ worker_type: "nope\u0001" }, { workers: () => [] });
  const html = htmlOf(workerGrid, read);
  expect(html).toContain("No worker of type nope</b>");
  expect(html).toContain("none of type nope");
  expect(html).toContain('<a href="./?all">clear all filters</a>');
  expect(html).not.toContain("none yet");
  expect(filterWords({ filters: { task_type: "a", q: "b" } })).toBe("with tasks of type a, with the text b");
});

test("charts of the whole fleet, where no history is kept by a filter, have its values of now too", () => {
  const whole = fixtureRead();
  const part = partOf({ q: "x" }, { filtered: () => whole, system: new Map([["cpu_utilization_mean", 1]]) });
  const { whole_fleet, metrics } = performance.load(part, { minutes: 15 });
  expect(whole_fleet).toBe(true);
  expect(metrics).toEqual(performance.load(whole, { minutes: 15 }).metrics);
  expect(metrics).toMatchObject({ cpu_utilization_mean: { now: whole.system.get("cpu_utilization_mean") } });
  const chartsOf = (read: Read) =>
    renderPanel(performance, { minutes: 15 }, read).html.match(/<figure.*<\/figure>/s)?.[0];
  expect(chartsOf(part)).toBe(chartsOf(whole));
  expect(/182\s\/min<\/b>/.test(chartsOf(part) ?? "")).toBe(true);
});

describe("a part of the fleet", () => {
  test("is looked for once for all panels of a page, and for each of many filters", () => {
    const looked_for: Filters[] = [];
    const whole = fixtureRead();
    const read = {
      ...whole,
      filtered: (filters: Filters) => {
        looked_for.push(filters);
        return { ...whole, filters };
      },
    };
    const pageOf = (q: string) => {
      for (const panel of findPage("/")!.panels) renderPanel(panel, panel.params.parse({ q }), read);
    };
    const all = Array.from({ length: 50 }, (_, index) => `w${index}`);
    for (const q of all) pageOf(q);
    expect(looked_for).toEqual(all.map((q) => ({ q })));
  });

  test("is the same however its filters are ordered, and another one at another tick", () => {
    const [read, next] = [fixtureRead(), fixtureRead({ tick: 1 })];
    const part = partOfRead(read, { q: "gpu", worker_type: "gpu" });
    expect(partOfRead(read, { worker_type: "gpu", q: "gpu" })).toBe(part);
    expect(partOfRead(next, { q: "gpu", worker_type: "gpu" })).not.toBe(part);
    expect(partOfRead(read, {})).toBe(read);
  });
});
