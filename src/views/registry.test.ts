import { describe, expect, test } from "vitest";
import type { z } from "zod";
import type { Alert } from "../metrics/model.ts";
import type { Read } from "../metrics/read.ts";
import { alertWith } from "./alert-fixture.ts";
import { toCsv } from "./csv.ts";
import { drawn, fixtureRead, HOSTILE, NOW_MS, withWorker } from "./fixture.ts";
import { renderChart } from "./frame.tsx";
import type { Panel } from "./panel.ts";
import { findPage, findPanel, PAGES, PANELS } from "./registry.ts";
import { toText } from "./text.ts";

const SIZES = [0, 15, 100, 500] as const;
/** A panel about one thing of the fleet is about the worst there is. */
const paramsOf = (panel: Panel, read = fixtureRead()) => {
  const [worst] = read.workers();
  const subject = "worker_id" in panel.params.shape && worst ? { worker_id: worst.id } : {};
  // A page keeps the order that it was loaded in.
  const order = "as_of" in panel.params.shape ? { as_of: NOW_MS } : {};
  return panel.params.parse({ ...panel.example, ...subject, ...order });
};
const render = (panel: Panel, read: Read) => drawn(panel, paramsOf(panel, read), read);
const panelOf = (id: string) => findPanel(id)!;
/** What a reader sees: the markup without its tags. */
const words = (html: string) => html.replace(/<[^>]*>/g, "\u0020").replace(/[\s\u00a0]+/g, " ");

describe.each(PANELS.map((panel) => [panel.id, panel] as const))("panel %s", (_, panel) => {
  // A panel about one thing of the fleet needs a fleet that has it.
  const sizes = panel.example ? SIZES.filter((size) => size > 0) : SIZES;

  test.each(sizes)("gives data as its schema says, with %i workers", (workers) => {
    const read = fixtureRead({ workers });
    const data = panel.load(read, paramsOf(panel, read));
    const parsed = (panel.data as z.ZodObject).strict().parse(data);
    expect(Object.keys(parsed)).toEqual(expect.arrayContaining(Object.keys(panel.data.shape)));
    expect(JSON.parse(JSON.stringify(data))).toEqual(JSON.parse(JSON.stringify(parsed)));
  });

  test("describes every field", () => {
    expect(undescribed(panel.data)).toEqual([]);
    expect(undescribed(panel.params)).toEqual([]);
  });

  test.each(sizes)("renders the same bytes for the same read, with %i workers", (workers) => {
    const [one, other] = [render(panel, fixtureRead({ workers })), render(panel, fixtureRead({ workers }))];
    expect(other).toEqual(one);
  });

  test("has a frame that its heading names", () => {
    const { html } = render(panel, fixtureRead());
    if (panel.bare) return expect(html).toMatch(new RegExp(`^<div id="p-${panel.id}" class="${panel.id}">`));
    expect(html).toMatch(
      new RegExp(
        `^<section id="p-${panel.id}" class="panel panel-${panel.id}" aria-labelledby="p-${panel.id}-h">`,
      ),
    );
    expect(html).toContain(`<h2 id="p-${panel.id}-h">${panel.title}`);
  });

  test.each([20, 100, 300])("lets no hostile name become markup, with %i workers", (workers) => {
    expectSafe(render(panel, fixtureRead({ workers, hostile: true })).html);
  });

  if (panel.live !== false) {
    test("keeps its skeleton from tick to tick while only values change", () => {
      const { orders } = fixtureRead();
      const [before, after] = [0, 1].map((tick) =>
        render(panel, { ...fixtureRead({ workers: 100, tick }), orders }),
      );
      expect(after!.skeleton).toBe(before!.skeleton);
    });
  }

  test("has no id twice", () => {
    const { html } = render(panel, fixtureRead({ workers: 100, hostile: true }));
    const ids = [...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("is a table with as many values in each row as columns", () => {
    const read = fixtureRead({ workers: 20, hostile: true });
    const table = panel.table!(panel.load(read, paramsOf(panel, read)), paramsOf(panel, read));
    for (const row of table.rows) expect(row).toHaveLength(table.columns.length);
    expect(toCsv(table)).not.toMatch(/(^|,|\r\n)"?[=@+]/);
    expect(toText(table).split("\n")).toHaveLength(table.rows.length + 3);
  });
});

/** Paths of a schema's fields that have no description. */
function undescribed(schema: z.ZodObject, path = ""): string[] {
  return Object.entries(schema.shape).flatMap(([name, field]) => {
    const inner = objectWithin(field as z.ZodType);
    const below = inner === undefined ? [] : undescribed(inner, `${path}${name}.`);
    return (field as z.ZodType).description === undefined ? [path + name, ...below] : below;
  });
}

function objectWithin(schema: z.ZodType): z.ZodObject | undefined {
  const def = schema.def as {
    type: string;
    element?: z.ZodType;
    valueType?: z.ZodType;
    innerType?: z.ZodType;
  };
  if (def.type === "object") return schema as z.ZodObject;
  const inner = def.element ?? def.valueType ?? def.innerType;
  return inner === undefined ? undefined : objectWithin(inner);
}

function expectSafe(html: string) {
  // Whatever a name holds, only these elements and no attribute that could run or style anything.
  const elements = new Set([...html.matchAll(/<([a-z][\w-]*)/gi)].map(([, name]) => name));
  for (const element of ["script", "img", "style", "iframe"]) expect(elements).not.toContain(element);
  for (const [tag] of html.matchAll(/<[a-z][^>]*>/gi)) {
    const names = [...tag.replace(/"[^"]*"/g, '""').matchAll(/\s([^\s=/>]+)/g)].map(([, name]) => name);
    for (const name of names) expect(name).toMatch(/^(?!on|style$)[a-z][\w:-]*$/i);
  }
  expect(html).not.toMatch(/[\u0000-\u0008\u202a-\u202e]/);
  expect(html).not.toMatch(/(href|src)="\//);
}

test("every panel and page has an id, an API path and a path of its own", () => {
  expect(new Set(PANELS.map((panel) => panel.id)).size).toBe(PANELS.length);
  expect(new Set(PANELS.map((panel) => panel.api)).size).toBe(PANELS.length);
  expect(PAGES.map((page) => page.path)).toEqual([
    "/",
    "/workers",
    "/workers/:worker_id",
    "/tasks",
    "/assignments",
    "/tasks/:task_id",
    "/task-types/:task_type",
    "/model-families/:model_family",
    "/alerts",
    "/alerts/:alert_id",
    "/silences/new",
    "/history",
    "/status",
    "/search",
    "/keys",
  ]);
  expect(findPage("/")!.panels.map((panel) => panel.id)).toEqual([
    "overview",
    "worker-grid",
    "task-distribution",
    "performance",
    "resources",
    "alerts",
  ]);
  expect(findPanel("nothing")).toBeUndefined();
});

const GLANCED = PANELS.filter(({ glance }) => glance !== undefined);

describe.each(GLANCED.map((panel) => [panel.id, panel] as const))("a glance at panel %s", (_, panel) => {
  test.each([0, 15, 300, 2500])("draws the same as all of its data, with %i workers", (workers) => {
    const { glance: _, ...whole } = panel;
    expect(render(panel, fixtureRead({ workers })).html).toBe(render(whole, fixtureRead({ workers })).html);
  });

  test("is as its schema says, and less than all of a large fleet", () => {
    const read = fixtureRead({ workers: 2500 });
    const glanced = (panel.data as z.ZodObject).strict().parse(panel.glance!(read, paramsOf(panel, read)));
    const size = (data: unknown) => JSON.stringify(data).length;
    expect(size(glanced)).toBeLessThan(size(panel.load(read, paramsOf(panel, read))));
  });
});

describe("system overview", () => {
  test("says how the fleet is, why, and its key figures", () => {
    const text = words(render(panelOf("overview"), fixtureRead()).html);
    expect(text).toContain("Degraded");
    expect(text).toContain("Worker W3 is overloaded; Model bert-large has a high queue time · and 1 more");
    expect(text).toContain("Workers active 12 of 15 1 overloaded · 1 lost · 1 stale · 1 draining");
    expect(text).toContain("Throughput 182 /min");
    expect(text).toContain("Queue time, mean 12.4 s p95 41.0 s, last 5 min oldest since 19:40:54 UTC");
    expect(text).toContain("Success ratio 99.0 %");
  });

  test("shows a dash, and says what it means, where nothing was measured", () => {
    const text = words(render(panelOf("overview"), fixtureRead({ workers: 0 })).html);
    expect(text).toContain("Throughput – not known");
    expect(text).toContain("nothing waits");
  });

  test("gives every metric of the catalogue by name, null where not known", () => {
    const { data } = render(panelOf("overview"), fixtureRead());
    expect(data).toMatchObject({ metrics: { total_workers: 15, queue_depth: null }, status: "degraded" });
  });
});

describe("worker grid", () => {
  const grid = panelOf("worker-grid");

  test("gives each worker by its id, whatever the id", () => {
    const data = grid.load(fixtureRead({ workers: 20, hostile: true }), {}) as {
      workers: Record<string, unknown>;
    };
    expect(Object.keys(data.workers)).toHaveLength(20);
    expect(JSON.parse(JSON.stringify(data)).workers).toHaveProperty(["__proto__"]);
    expect(data.workers["<script>alert(1)</script>"]).toMatchObject({
      status: "active",
      load: expect.any(Number),
    });
  });

  test.each([
    [15, "workers cards wide"],
    [16, "workers cards"],
    [24, "workers cards"],
    [25, "workers cells"],
    [120, "workers cells"],
    [121, "squares large"],
    [241, "squares"],
    [700, "squares fine"],
  ])("with %i workers shows %s", (workers, grain) => {
    const { html, parts } = render(grid, fixtureRead({ workers }));
    expect(html).toContain(`<ul class="${grain}"`);
    const heads = html.match(/ id="wg-h-/g)?.length ?? 0;
    expect(parts.size).toBe(workers + heads + 1);
  });

  test("of more than it has cells for is no way of a thousand stops: each type leads to its list", () => {
    const { html } = render(grid, fixtureRead({ workers: 300 }));
    const squares = [...html.matchAll(/<li id="wg-\d+-\d+"[^>]*><a [^>]*>/g)];
    expect(squares).toHaveLength(300);
    for (const [square] of squares) expect(square).toContain('tabindex="-1"');
    expect(html.match(/<ul class="squares" aria-hidden="true">/g)).toHaveLength(2);
    expect(html).toContain('<a href="workers?worker_type=gpu" title="The list of them">');
    expect(words(html)).toContain("gpu 225 · 8 overloaded, 8 lost, 8 stale, 8 draining, 7 offline");
  });

  test("sends one part when one worker changes", () => {
    for (const workers of [15, 100, 500]) {
      const read = fixtureRead({ workers });
      const changed = read.workers().find((worker) => worker.state === "active")!;
      const [before, after] = [read, withWorker(read, changed.id, { running_tasks: 77, load: 3 })].map((at) =>
        render(grid, at),
      );
      expect(after!.skeleton).toBe(before!.skeleton);
      expect(differing(before!.parts, after!.parts)).toHaveLength(1);
    }
  });

  test("moves no element when a worker's state changes its place: the places keep their elements", () => {
    const read = fixtureRead();
    const [before, after] = [read, withWorker(read, "W9", { state: "lost", presence: "lost" })].map((at) =>
      render(grid, at),
    );
    expect(after!.skeleton).toBe(before!.skeleton);
    expect([...after!.parts.keys()]).toEqual([...before!.parts.keys()]);
    expect(differing(before!.parts, after!.parts).length).toBeGreaterThan(1);
  });

  test("orders by state and then by name, not by the load of the second", () => {
    const text = words(render(grid, fixtureRead()).html);
    const order = [...text.matchAll(/ (W\d+): /g)].map(([, id]) => id);
    expect(order.slice(0, 7)).toEqual(["W3", "W11", "W7", "W14", "W1", "W2", "W4"]);
  });

  test("says everything about a worker in words", () => {
    const text = words(render(grid, fixtureRead()).html);
    expect(text).toMatch(
      /W3: overloaded · gpu · CPU beyond 90 % since 19:39:56 UTC · CPU 95 %, GPU \d+ %, memory \d+ %/,
    );
    expect(text).toContain("W11: lost · gpu · last report 19:40:22 UTC · 0 running, 0 assigned · 2 orphaned");
  });

  test("draws no bar for what was not reported", () => {
    const [alone] = [fixtureRead({ workers: 1 })];
    const silent = withWorker(alone!, "W1", { metrics: new Map(), load: null });
    const { html } = render(grid, silent);
    expect(html).toContain('<path class="track" d=""/></svg>');
    expect(html).toContain("load –");
  });

  test("of an empty fleet shows the line that fills it", () => {
    const { html } = render(grid, fixtureRead({ workers: 0 }));
    expect(html).toContain("No worker has reported yet");
    expect(html).toContain("curl http://127.0.0.1:8080/api/ingest");
  });

  test("of a huge fleet draws the worst of each type by its share, and counts all of them", () => {
    const read = fixtureRead({ workers: 4000 });
    const workers = read.workers();
    const { html, parts, data } = render(grid, read);
    const squares = [...parts.keys()].filter((id) => /^wg-\d/.test(id));
    const types = (data as { types: { type: string; workers: number; states: Record<string, number> }[] })
      .types;
    expect(types.length).toBeGreaterThan(1);
    types.forEach(({ type, workers: size, states }, place) => {
      const half = Math.floor(size / 2);
      expect(squares.filter((id) => id.startsWith(`wg-${place}-`))).toHaveLength(half);
      const of_it = workers.filter((worker) => worker.type === type);
      expect(size).toBe(of_it.length);
      for (const [state, number] of Object.entries(states))
        expect(of_it.filter((worker) => worker.state === state)).toHaveLength(number);
      expect(words(html)).toContain(`the worst ${half} of them drawn`);
    });
    expect(words(html)).toMatch(/ \d+ overloaded,/);
  });

  test("of a huge fleet with one worker of a rare type draws it", () => {
    const all = fixtureRead({ workers: 4000 });
    const { id } = all.workers().at(-1)!;
    expect(render(grid, all).html).not.toContain(`${id}: `);
    expect(render(grid, withWorker(all, id, { type: "tpu" })).html).toContain(`${id}: `);
  });
});

test("a worker has the same label in every panel", () => {
  const read = fixtureRead({ workers: 20 });
  const of = (id: string) => render(panelOf(id), read).data as never;
  const { assignments } = of("task-distribution") as { assignments: { worker_id: string; label: string }[] };
  const { lanes } = of("assignments") as { lanes: { worker_id: string; label: string }[] };
  const { resources } = of("resources") as {
    resources: Record<string, { worst: { worker_id: string; label: string } }>;
  };
  const told = [...assignments, ...lanes, ...Object.values(resources).map(({ worst }) => worst)];
  const labels = new Map(told.map(({ worker_id, label }) => [worker_id, label]));
  for (const { worker_id, label } of told) expect(labels.get(worker_id)).toBe(label);
  const cards = words(render(panelOf("worker-grid"), read).html);
  for (const label of labels.values()) expect(cards).toContain(` ${label} `);
});

describe("task distribution", () => {
  const tasks = panelOf("task-distribution");

  test("shows the counts of each type, the queue by priority and who runs what", () => {
    const text = words(render(tasks, fixtureRead()).html);
    expect(text).toContain("vision 20 8 402 0 100 %");
    expect(text).toContain("priority 3 26 vision 9, text 8, audio 5, multimodal 4");
    expect(text).toContain("W3 overloaded 8 +5 assigned");
    expect(text).toContain("and 6 more workers with 7 running tasks");
  });

  test("gives a modality its own colour and other types the free ones", () => {
    const { html } = render(tasks, fixtureRead({ types: ["txt_2_img", "audio", "img_2_img"] }));
    const colours = [...html.matchAll(/<rect class="s(\d)"[^>]*><\/rect><\/svg><a [^>]*><bdi>(\w+)/g)].map(
      ([, n, type]) => [type, n],
    );
    expect(Object.fromEntries(colours)).toEqual({ img_2_img: "1", txt_2_img: "2", audio: "3" });
  });

  test("sums up what has no row of its own", () => {
    const types = Array.from({ length: 9 }, (_, index) => `type${index}`);
    const text = words(render(tasks, fixtureRead({ types })).html);
    expect(text).toContain("5 other types");
  });

  test("keeps a row for each usual priority, and only those that come of an unusual scale", () => {
    const waiting = (...priorities: (number | null)[]) => ({
      ...fixtureRead(),
      queue: priorities.map((priority) => ({ priority, type: "vision", queued: 2 })),
    });
    const labels = (read: Read) =>
      [...render(tasks, read).html.matchAll(/<span class="name">([^<]*)</g)]
        .map(([, name]) => name)
        .filter(Boolean);
    expect(labels(waiting(3))).toEqual(["priority 1", "priority 2", "priority 3", "priority 4"]);
    expect(labels(waiting())).toHaveLength(4);
    expect(labels(waiting(null))).toEqual([
      "priority 1",
      "priority 2",
      "priority 3",
      "priority 4",
      "none given",
    ]);
    expect(labels(waiting(10, 50))).toEqual(["priority 10", "priority 50"]);
    expect(labels(waiting(1, 2, 3, 4, 5, 6, null))).toEqual([
      "priority 1",
      "priority 2",
      "priority 3",
      "priority 4",
      "less urgent",
    ]);
  });

  test("keeps its skeleton while workers come to have tasks and lose them", () => {
    const read = fixtureRead();
    const one = read
      .workers()
      .map((worker, index) => ({ ...worker, running_tasks: index === 0 ? 1 : 0, queued_tasks: 0 }));
    expect(render(tasks, { ...read, workers: () => one }).skeleton).toBe(render(tasks, read).skeleton);
  });

  test("of an idle fleet says so", () => {
    const text = words(render(tasks, fixtureRead({ workers: 0 })).html);
    for (const said of [
      "No task waits, runs or ended in the last hour",
      "Nothing waits",
      "No worker has a task",
    ])
      expect(text).toContain(said);
  });
});

describe("how long tasks took", () => {
  const durations = panelOf("durations");
  const load = (given: object) =>
    durations.load(fixtureRead(), durations.params.parse(given)) as {
      from_ms: number;
      to_ms: number;
      tier_s: number;
    };
  const at = (time: string) => Date.parse(time);

  test("is told of whole minutes, and beyond a day of whole quarters of an hour, and says so", () => {
    expect(load({ from: String(NOW_MS - 90_500), to: String(NOW_MS) })).toMatchObject({
      from_ms: Math.floor((NOW_MS - 90_500) / 60_000) * 60_000,
      tier_s: 60,
    });
    const old = { from: "2026-11-01T12:07:30Z", to: "2026-11-01T12:31:00Z" };
    expect(load(old)).toMatchObject({
      from_ms: at("2026-11-01T12:00:00Z"),
      to_ms: at("2026-11-01T12:45:00Z"),
      tier_s: 900,
    });
    const { html } = drawn(durations, durations.params.parse(old), fixtureRead());
    expect(words(html)).toContain("in whole quarters of an hour beyond a day");
    const recent = drawn(durations, durations.params.parse({}), fixtureRead());
    expect(words(recent.html)).not.toContain("quarters");
  });

  test.each([
    ["of the last hour in minutes is over all tasks of each", { duration: "1h", step: "1m" }, "exact"],
    ["in half minutes is a mean of samples", { duration: "1h", step: "30s" }, "mean"],
    ["of older days in quarters of an hour is over all tasks", { duration: "48h", step: "15m" }, "exact"],
    ["of older days in hours is over all tasks", { duration: "48h", step: "1h" }, "exact"],
    ["of older days in ten minutes is a mean of samples", { duration: "48h", step: "10m" }, "mean"],
  ])("%s", (_, window, statistic) => {
    const history = panelOf("history");
    const params = history.params.parse({ metrics: "total_time_p95_s,queued_tasks", ...window });
    const { series } = history.load(fixtureRead(), params) as { series: { statistic: string }[] };
    expect(series.map((one) => one.statistic)).toEqual([statistic, "mean"]);
    const told = words(drawn(history, params, fixtureRead()).html);
    expect(told.includes("durations as means of samples")).toBe(window.step === "10m");
  });
});

describe("performance", () => {
  const performance = panelOf("performance");

  test.each([4, 61, 7.5, "x"])("refuses %s minutes", (minutes) => {
    expect(performance.params.safeParse({ minutes }).success).toBe(false);
  });

  test("draws the minutes that were asked for in closed steps", () => {
    const data = performance.load(fixtureRead(), performance.params.parse({ minutes: "60" })) as {
      times_ms: number[];
    };
    expect(data.times_ms).toHaveLength(720);
    expect(data.times_ms.at(-1)! + 5000).toBeLessThanOrEqual(NOW_MS);
  });

  test("changes only when a step closes", () => {
    const at = (tick: number) => render(performance, fixtureRead({ tick }));
    expect(at(1).skeleton).toBe(at(6).skeleton);
    const plots = (ids: string[]) => ids.filter((id) => !id.endsWith("-now"));
    expect(plots(differing(at(1).parts, at(2).parts))).toEqual([]);
    expect(plots(differing(at(1).parts, at(6).parts))).toHaveLength(3);
  });

  test("is a chart as a file", () => {
    const svg = renderChart(performance, performance.params.parse({}), fixtureRead())!;
    expect(svg).toMatch(/^<svg xmlns=.*<\/svg>$/s);
    expect(renderChart(panelOf("alerts"), {}, fixtureRead())).toBeUndefined();
  });
});

describe("resource utilisation", () => {
  test("gives the mean, the worst worker and the spread of the reporting workers", () => {
    const { data, html } = render(panelOf("resources"), fixtureRead());
    expect(data).toMatchObject({
      resources: { cpu: { worst: { worker_id: "W3", value: 95.2 }, reporting: 13, beyond: 1 } },
    });
    const { histogram } = (data as { resources: Record<string, { histogram: number[] }> }).resources["cpu"]!;
    expect(histogram.reduce((sum, size) => sum + size, 0)).toBe(13);
    expect(html).toContain('class="hot"');
    expect(words(html)).toContain("worst 95 % W3");
  });

  test("puts the edges into the first and the last bin", () => {
    const read = fixtureRead({ workers: 2 });
    const edges = [0, 100].map((value, index) => ({
      ...read.workers()[index]!,
      metrics: new Map([["cpu_utilization", value]]),
    }));
    const { data } = render(panelOf("resources"), { ...read, workers: () => edges });
    const { histogram } = (data as { resources: Record<string, { histogram: number[] }> }).resources["cpu"]!;
    expect([histogram[0], histogram[19]]).toEqual([1, 1]);
  });
});

describe("alerts", () => {
  const alerts = panelOf("alerts");
  const alert = (id: string, severity: Alert["severity"], since_ms: number): Alert =>
    alertWith({ id, severity, title: `Title ${id}`, since_ms, subject: { kind: "worker", id } });

  test("come worst first, then newest first", () => {
    const given = [
      alert("a", "notice", 9),
      alert("b", "critical", 1),
      alert("c", "warning", 5),
      alert("d", "critical", 2),
    ];
    const text = words(render(alerts, fixtureRead({ alerts: given })).html);
    expect([...text.matchAll(/Title (\w)/g)].map(([, id]) => id)).toEqual(["d", "b", "c", "a"]);
    expect(text).toContain("2 critical · 1 warning · 1 notice");
    expect(text).toContain("critical: Title d");
  });

  test("are fifty at most, and how many more is said", () => {
    const many = Array.from({ length: 53 }, (_, index) => alert(`w${index}`, "warning", index));
    const { html, parts, data } = render(alerts, fixtureRead({ alerts: many }));
    expect(parts.size).toBe(51);
    expect(html).toContain("and 3 more");
    expect((data as { alerts: unknown[] }).alerts).toHaveLength(53);
  });

  test("are none in a healthy fleet, and that is said", () => {
    expect(render(alerts, fixtureRead({ alerts: [] })).html).toContain("Nothing needs attention");
  });
});

test("the health page shows hostile texts as text", () => {
  const text = words(render(panelOf("status-self"), fixtureRead({ hostile: true })).html);
  expect(text).toContain("&lt;script&gt;alert(1)&lt;/script&gt;: 2 ×");
  expect(HOSTILE.length).toBeGreaterThan(5);
});

function differing(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...after].filter(([id, html]) => before.get(id) !== html).map(([id]) => id);
}
