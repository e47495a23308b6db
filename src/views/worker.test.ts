import { describe, expect, test } from "vitest";
import { EvenkeelError } from "../errors.ts";
import type { Alert, Worker } from "../metrics/model.ts";
import type { LifeState, Read } from "../metrics/read.ts";
import { alertWith } from "./alert-fixture.ts";
import { drawn, fixtureRead, HOSTILE, NOW_MS, withWorker } from "./fixture.ts";
import { renderChart } from "./frame.tsx";
import { idFromSegment } from "./identity.ts";
import type { Panel } from "./panel.ts";
import { findPage, findPanel } from "./registry.ts";

const PAGE = findPage("/workers/:worker_id")!;
const render = (id: string, read: Read, worker_id: string, more: object = {}) => {
  const panel = findPanel(id)!;
  return drawn(panel, panel.params.parse({ worker_id, ...more }), read);
};
/** What a reader sees: the markup without its tags. */
const words = (html: string) => html.replace(/<[^>]*>/g, "\u0020").replace(/[\s\u00a0]+/g, " ");
const wordsOf = (id: string, read: Read, worker_id: string) => words(render(id, read, worker_id).html);
/** Where a panel's body leads; every panel leads to its own other forms. */
const hrefsOf = (html: string) =>
  [...html.replace(/<div class="forms">.*?<\/nav>/s, "").matchAll(/ href="([^"]*)"/g)].map(([, href]) =>
    href!.replaceAll("&#39;", "'").replaceAll("&amp;", "&"),
  );

/** The same fleet, in which that worker was forgotten two minutes ago. */
function without(read: Read, id: string): Read {
  const worker = { ...read.worker(id)!, state: "lost", presence: "lost" } as Worker;
  const gone_ms = NOW_MS - 120_000;
  return {
    ...read,
    worker: (wanted) => (wanted === id ? undefined : read.worker(wanted)),
    scores: (wanted) => (wanted === id ? undefined : read.scores(wanted)),
    gone: (wanted) => (wanted === id ? { worker, gone_ms } : undefined),
    life: (wanted, limit) =>
      [{ at_ms: gone_ms, state: "gone" } as LifeState, ...read.life(wanted, limit)].slice(0, limit),
  };
}

test("a worker that drains and is overloaded says both, on its page and in the fleet's grid", () => {
  const fleet = fixtureRead();
  const read = withWorker(fleet, "W3", { state: "overloaded", status: "draining" });
  expect(render(PAGE.panels[0]!.id, read, "W3").html).toContain("Overloaded while draining");
  expect(render(PAGE.panels[0]!.id, fleet, "W3").html).not.toContain("while draining");
  const grid = findPanel("worker-grid")!;
  const { html } = drawn(grid, grid.params.parse({}), read);
  expect(html).toContain("W3: overloaded while draining");
});

describe.each(PAGE.panels.map((panel) => [panel.id, panel] as const))("panel %s", (id, panel) => {
  test("of a worker that nothing is kept of is not found, and says so", () => {
    const failed = () => render(id, fixtureRead(), "W99");
    expect(failed).toThrow(EvenkeelError);
    expect(failed).toThrow('No worker "W99" was known at 2026-11-23 19:42:06\u00a0UTC');
  });

  test("shows a worker that is gone as it last was", () => {
    expect(render(id, without(fixtureRead(), "W3"), "W3").data).toMatchObject({ worker_id: "W3" });
  });

  test.each(HOSTILE)(
    "leads of a worker named %j nowhere but to its own pages and where the settings lead",
    (worker_id) => {
      const fleet = fixtureRead({ workers: 20, hostile: true });
      const { html } = render(
        id,
        withWorker(fleet, worker_id, { running_tasks: 9, queued_tasks: 3 }),
        worker_id,
      );
      expect(html).not.toMatch(/<(script|img|style)|javascript:|[\u202a-\u202e]/i);
      for (const href of hrefsOf(html))
        expect(href).toMatch(
          /^(workers\?|workers\/|tasks\/|alerts\/|history\?|\.\/\?at=|https:\/\/logs\.example\/\?worker=[\w%!'()*~.-]+&to=\d+$)/,
        );
    },
  );

  test("takes any past", () => expect((panel as Panel).past).toBe(true));
});

describe("worker", () => {
  test("says how it is, since when and why, what it has and what it can do", () => {
    const text = wordsOf("worker", fixtureRead(), "W3");
    expect(text).toContain("Overloaded since 19:39:56 UTC CPU 95 %, beyond 90 %");
    expect(text).toContain("Tasks 8 running, 5 pending");
    expect(text).toContain("Type gpu Host host-3.lab Reported by coordinator-1");
    expect(text).toContain("First seen 2026-11-23 09:42:06 UTC");
    expect(text).toContain("CPU cores 16 Memory 64.0 GiB Backends cpu, cuda");
    expect(text).toContain("Tags cuda");
  });

  test("says that its version is another than its peers', and how many of them have which", () => {
    const told = (version: string | null, more: object = {}) => ({ capabilities: { version, ...more } });
    const fleet = ["W1", "W2", "W5", "W6"].reduce(
      (read, id) => withWorker(read, id, told("1.5.0")),
      withWorker(withWorker(fixtureRead(), "W3", told("1.4.2")), "W4", told("0.9")),
    );
    expect(render(PAGE.panels[0]!.id, fleet, "W3").data).toMatchObject({
      version_drift: { what: "version", version: "1.4.2", usual: "1.5.0", workers: 4, of: 5 },
    });
    expect(wordsOf("worker", fleet, "W3")).toContain("Version 1.4.2 · 4 of 5 gpu workers have 1.5.0");
    // The only one of its type that tells is as usual, and so is whoever has what most have or tells none.
    for (const id of ["W1", "W4", "W7"])
      expect(render("worker", fleet, id).data).toMatchObject({ version_drift: null });
    // Of two that differ neither is the usual one.
    const two = withWorker(withWorker(fixtureRead(), "W1", told("1")), "W2", told("2"));
    expect(render("worker", two, "W1").data).toMatchObject({ version_drift: null });

    const list = findPanel("worker-list")!;
    const rows = (read: Read) => {
      const { data, html } = drawn(list, list.params.parse({}), read);
      const { workers } = data as { workers: Record<string, unknown>[] };
      return { W3: workers.find(({ id }) => id === "W3"), text: words(html) };
    };
    expect(rows(fleet).W3).toMatchObject({
      version: "1.4.2",
      usual_version: "1.5.0",
      usual_agent_version: null,
    });
    expect(rows(fleet).text).toContain("W3 version 1.4.2 gpu");
    expect(rows(fleet).text).toContain("W1 gpu");
    const agents = ["W1", "W2"].reduce(
      (read, id) => withWorker(read, id, told("3", { agent_version: "0.2" })),
      withWorker(fixtureRead(), "W3", told("3", { agent_version: "0.1" })),
    );
    expect(wordsOf("worker", agents, "W3")).toContain("Agent version 0.1 · 2 of 3 gpu workers have 0.2");
    expect(rows(agents).W3).toMatchObject({ usual_version: null, usual_agent_version: "0.2" });
    expect(rows(agents).text).toContain("W3 agent 0.1 gpu");
  });

  test("says which of its GPUs are slowed down", () => {
    const gpus = [
      { index: 0, utilization: 50, throttled: true },
      { index: 1, utilization: 50, throttled: false },
    ];
    const text = wordsOf("worker", withWorker(fixtureRead(), "W1", { gpus }), "W1");
    expect(text).toContain("GPU 0 throttled");
    expect(text).toContain("2 devices, none beyond 95 % · 1 throttled");
    expect(text.match(/throttled/g)).toHaveLength(2);
  });

  test("shows what health and load are made of", () => {
    const text = wordsOf("worker", fixtureRead(), "W3");
    expect(text).toMatch(/Health freshness × pressure × success 73 of 100/);
    expect(text).toContain("Pressure 74.0 % CPU 95 %, threshold 90 %");
    expect(text).toContain("Success 98.1 % 49 of the last 50 tasks completed");
    expect(text).toMatch(
      /Load the sum of weight × use \d+ % CPU 95 % weight 33\.4 % Memory \d+ % weight 33\.3 %/,
    );
  });

  test("marks the one of eight devices that is saturated, and counts it", () => {
    const { html } = render("worker", fixtureRead(), "W3");
    expect(words(html)).toContain("GPUs 8 devices, 1 beyond 95 %");
    const [hot, ...others] = [...html.matchAll(/<tr id="wk-gpu-(\d)" class="hot">.*?<\/tr>/g)];
    expect(others).toEqual([]);
    expect(hot![1]).toBe("2");
    expect(words(hot![0])).toContain("GPU 2 saturated");
  });

  test("keeps the busiest of very many devices", () => {
    const gpus = Array.from({ length: 40 }, (_, index) => ({ index, utilization: index === 39 ? 97 : 50 }));
    const text = wordsOf("worker", withWorker(fixtureRead(), "W1", { gpus }), "W1");
    expect(text).toContain("GPU 39 saturated");
    expect(text).toContain("and 24 more devices, none of them busier");
  });

  test("says dashes and words where nothing is known", () => {
    const bare = { metrics: new Map(), gpus: [], capabilities: {}, tags: [], load: null, type: null };
    const read = { ...withWorker(fixtureRead(), "W1", bare), scores: () => undefined };
    const text = wordsOf("worker", read, "W1");
    for (const said of [
      "Type not reported",
      "Capabilities None reported",
      "Tags None",
      "No resource is reported",
    ])
      expect(text).toContain(said);
    expect(text).toContain("GPUs None reported");
    expect(text).toContain("Health freshness × pressure × success – not known");
    expect(text).toContain("Only the score is kept, not its parts");
  });

  test("of one that is lost or stale are its last figures shown as such, and none as of now", () => {
    for (const id of ["W11", "W7"]) {
      const { html } = render("worker", fixtureRead(), id);
      expect(html).toContain('class="worker-parts silent"');
      expect(words(html)).toMatch(/Load last report, silent since 19:4\d:\d\d UTC \d+ %/);
      expect(words(html)).toMatch(/GPUs last report, silent since 19:4\d:\d\d UTC/);
      expect(words(html)).toContain("last: no resource beyond its threshold");
      const { data } = render("worker-resources", fixtureRead(), id);
      const { metrics } = data as { metrics: Record<string, { now: number | null }> };
      expect(Object.values(metrics).map(({ now }) => now)).toEqual(Object.keys(metrics).map(() => null));
    }
    expect(wordsOf("worker", fixtureRead(), "W3")).not.toContain("last report, silent");
  });

  test("marks no device of a silent worker as saturated", () => {
    const silent = withWorker(fixtureRead(), "W3", { presence: "lost", state: "lost" });
    expect(wordsOf("worker", silent, "W3")).not.toContain("saturated");
  });

  test("of one that is gone says so, and how it was before", () => {
    const { html, data } = render("worker", without(fixtureRead(), "W3"), "W3");
    expect(words(html)).toContain("Gone since 2026-11-23 19:40:06 UTC it was lost before");
    expect(words(html)).toContain("gone: as of its last report");
    expect(data).toMatchObject({ gone_ms: NOW_MS - 120_000, health_parts: null });
  });

  test("sends three small parts when it is heard of again, and nothing when nothing changed", () => {
    const read = fixtureRead();
    const heard = withWorker(read, "W1", { last_report_ms: NOW_MS });
    const [before, after] = [render("worker", read, "W1"), render("worker", heard, "W1")];
    expect(after.skeleton).toBe(before.skeleton);
    expect([...after.parts].filter(([id, html]) => before.parts.get(id) !== html).map(([id]) => id)).toEqual([
      "wk-heard",
    ]);
  });
});

describe("current tasks", () => {
  test("say how long they run, what is usual, and which of them are beyond it", () => {
    const { html, data } = render("worker-tasks", fixtureRead(), "W3");
    const text = words(html);
    expect(text).toContain("8 running · 5 assigned");
    expect(text).toMatch(
      /bert-large t-running-1 text 40 % since 19:41:00 UTC usually ≤ 34.0 s beyond what is usual bert-large t-running-2/,
    );
    expect(text).toContain("bert-large t-assigned-1 text waits since 19:40:56 UTC");
    expect(text).toContain("and 1 more");
    expect(html).toContain('<a href="tasks/t-running-1"');
    expect(html.match(/class="late"/g)).toHaveLength(1);
    const { running } = data as { running: { id: string; beyond_usual: boolean }[] };
    expect(running.map(({ beyond_usual }) => beyond_usual)).toEqual([true, ...Array(7).fill(false)]);
  });

  test("are the orphaned ones of a worker that is lost", () => {
    const text = wordsOf("worker-tasks", fixtureRead(), "W11");
    expect(text).toContain("Orphaned left behind, unfinished bert-large t-orphaned-1 text queued since");
  });

  test("are none, and what the worker itself counts is told", () => {
    expect(wordsOf("worker-tasks", withWorker(fixtureRead(), "W1", { running_tasks: 0 }), "W1")).toContain(
      "Nothing runs on it",
    );
    const read = withWorker(fixtureRead(), "W1", {
      queued_tasks: 3,
      metrics: new Map([["queued_tasks", 3]]),
    });
    const text = wordsOf("worker-tasks", { ...read, tasksOf: () => [] }, "W1");
    expect(text).toContain("it counts 3 assigned itself");
    expect(text).not.toContain("Nothing is assigned to it");
  });

  test("keep their places as they come and go", () => {
    const [few, many] = [1, 7].map((running_tasks) =>
      render("worker-tasks", withWorker(fixtureRead(), "W1", { running_tasks }), "W1"),
    );
    expect(many!.skeleton).toBe(few!.skeleton);
  });
});

describe("historical performance", () => {
  test("says the counts with their windows, and draws the minutes asked for", () => {
    const { html, data } = render("worker-performance", fixtureRead(), "W1", { minutes: "120" });
    const text = words(html);
    expect(text).toContain("Last hour: 40 completed, 1 attempt failed");
    expect(text).toContain("Last 50 tasks: 98.0 % completed, mean 14.2 s");
    expect(text).toContain("last 120 min, a point each 60 s");
    expect((data as { times_ms: number[] }).times_ms).toHaveLength(120);
    expect(hrefsOf(html)[0]).toBe("history?workers=W1&worker_metrics=tasks_per_hour&duration=120m");
  });

  test.each([4, 361, "x"])("refuses %s minutes", (minutes) => {
    const { params } = findPanel("worker-performance")!;
    expect(params.safeParse({ worker_id: "W1", minutes }).success).toBe(false);
  });
});

describe("resource trends", () => {
  test("draw the busiest device beside the mean where there are several", () => {
    expect(wordsOf("worker-resources", fixtureRead(), "W3")).toContain("mean busiest");
    expect(wordsOf("worker-resources", fixtureRead(), "W1")).not.toContain("busiest");
  });

  test("change once in five seconds but for the figures", () => {
    const at = (tick: number) => render("worker-resources", fixtureRead({ tick }), "W1");
    const plots = (one: number, other: number) =>
      [...at(other).parts].filter(([id, html]) => !id.endsWith("-now") && at(one).parts.get(id) !== html);
    expect([plots(1, 2).length, plots(1, 6).length]).toEqual([0, 4]);
  });

  test("are a drawing as a file, and lead nowhere where a comma is in the id", () => {
    const panel = findPanel("worker-resources")!;
    const params = panel.params.parse({ worker_id: "W1" });
    expect(renderChart(panel, params, fixtureRead())).toMatch(/^<svg xmlns=/);
    const read = fixtureRead();
    const named = { ...read, worker: () => ({ ...read.worker("W1")!, id: "a,b" }) };
    expect(hrefsOf(render("worker-resources", named, "a,b").html)).toEqual([]);
  });
});

test("compatibility shows each modality with what it is made of, and what is not known", () => {
  const text = wordsOf("worker-compatibility", fixtureRead(), "W1");
  expect(text).toContain("vision 95 % hardware 90.0 % · 97.5 % of 41 tasks completed · speed 92.0 %");
  expect(text).toContain("text 75 % hardware 75.0 % · no task of it in 24 h");
  expect(text).toContain("audio 61 % hardware not known · 97.5 % of 41 tasks completed");
  expect(text).toContain("multimodal – not known hardware not known · no task of it in 24 h");
  expect(wordsOf("worker-compatibility", without(fixtureRead(), "W1"), "W1")).toContain("Not kept");
});

test("alerts are those about the worker and its tasks", () => {
  const about = (kind: Alert["subject"]["kind"], id: string): Alert =>
    alertWith({ id: `${kind}:${id}`, title: `${kind} ${id}`, since_ms: NOW_MS, subject: { kind, id } });
  const alerts = [
    about("worker", "W3"),
    about("worker", "W4"),
    about("task", "t-1"),
    about("source", "coordinator-1"),
    about("system", "W3"),
  ];
  const read = fixtureRead({ alerts });
  const [task] = read.tasksOf("W3");
  const { html } = render("worker-alerts", { ...read, task: () => task }, "W3");
  expect(words(html)).toContain("3 warnings");
  expect(hrefsOf(html)).toEqual([
    `alerts/source%3Acoordinator-1?fired=${NOW_MS}`,
    "status",
    `alerts/task%3At-1?fired=${NOW_MS}`,
    "tasks/t-1",
    `alerts/worker%3AW3?fired=${NOW_MS}`,
    "workers/W3",
  ]);
  expect(wordsOf("worker-alerts", fixtureRead({ alerts: [] }), "W3")).toContain("No alert is about it");
});

describe("life", () => {
  test("tells what happened, when and for how long, newest first", () => {
    const { html } = render("worker-life", fixtureRead(), "W3");
    expect(words(html)).toContain(
      "overloaded 2026-11-23 19:39:56 UTC since 19:39:56 UTC back 2026-11-23 15:42:06 UTC for 3 h 57 m " +
        "lost 2026-11-23 14:42:06 UTC for 1 h 0 m stale 2026-11-23 14:41:06 UTC for 1 m 0 s " +
        "joined 2026-11-23 09:42:06 UTC for 4 h 59 m",
    );
    expect(hrefsOf(html)[0]).toBe(`./?at=${NOW_MS - 130_000}`);
    expect(words(html)).toContain("5 changes in 24 h");
  });

  test("has a legend of every state that its band or its list shows", () => {
    const life: LifeState[] = [
      { at_ms: NOW_MS - 10_000, state: "lost" },
      { at_ms: NOW_MS - 67_000, state: "stale" },
      { at_ms: NOW_MS - 3_600_000, state: "active" },
    ];
    const { html } = render("worker-life", { ...fixtureRead(), life: () => life }, "W11");
    expect(words(/<p class="legend">.*?<\/p>/s.exec(html)![0])).toBe(" lost stale active ");
  });

  const eventsOf = (...states: LifeState["state"][]) => {
    const life = states.map((state, index): LifeState => ({ at_ms: NOW_MS - index * 1000, state }));
    const { data } = render("worker-life", { ...fixtureRead(), life: () => life }, "W1");
    return (data as { changes: { event: string }[] }).changes.map(({ event }) => event);
  };

  test("names each change by what came before", () => {
    expect(eventsOf("active", "overloaded", "active", "draining", "active", "gone", "offline")).toEqual([
      "no longer overloaded",
      "overloaded",
      "takes tasks again",
      "draining",
      "joined",
      "gone",
      "offline",
    ]);
  });

  const stripOf = (...life: readonly (readonly [ago_s: number, state: LifeState["state"]])[]) => {
    const states = life.map(([ago_s, state]): LifeState => ({ at_ms: NOW_MS - ago_s * 1000, state }));
    const { data } = render("worker-life", { ...fixtureRead(), life: () => states }, "W1");
    return (data as { strip: { states: (string | null)[] } }).strip.states;
  };

  test("shows of each five minutes the worst state, and nothing before any is known", () => {
    const strip = stripOf([10, "active"], [20, "overloaded"], [3600, "active"]);
    expect(strip).toHaveLength(288);
    expect(strip.at(-1)).toBe("overloaded");
    expect(new Set(strip.slice(-13, -1))).toEqual(new Set(["active"]));
    expect(new Set(strip.slice(0, -13))).toEqual(new Set([null]));
  });

  test("shows the state that began before the 24 hours, and none that ended before them", () => {
    const strip = stripOf([40 * 3600, "lost"], [50 * 3600, "active"]);
    expect(new Set(strip)).toEqual(new Set(["lost"]));
  });

  test("changes with a state or each five minutes, not with the second", () => {
    const at = (tick: number) => render("worker-life", fixtureRead({ tick }), "W1");
    expect(at(1).html).toBe(at(2).html);
  });
});

describe("workers' names lead to their pages", () => {
  test.each([15, 24, 100, 200, 700])("in the grid of %i workers, each", (workers) => {
    const read = fixtureRead({ workers, hostile: true });
    const panel = findPanel("worker-grid")!;
    const all = hrefsOf(drawn(panel, {}, read).html);
    const hrefs = all.filter((href) => !/^workers(\?|$)/.test(href));
    const ids = hrefs.map((href) => idFromSegment(decodeURIComponent(href.replace(/^workers\//, ""))));
    expect(new Set(ids)).toEqual(new Set(read.workers().map(({ id }) => id)));
    for (const href of hrefs) expect(href).toMatch(/^workers\/[^/?#]+$/);
  });

  test.each([
    ["task-distribution", "workers/W3"],
    ["resources", "workers/W3"],
    ["alerts", "workers/W3"],
  ])("in the panel %s", (id, href) => {
    expect(hrefsOf(drawn(findPanel(id)!, {}, fixtureRead()).html)).toContain(href);
  });
});
