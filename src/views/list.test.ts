import { describe, expect, test } from "vitest";
import type { Task } from "../metrics/model.ts";
import type { Read } from "../metrics/read.ts";
import { fixtureRead, NOW_MS, withWorker } from "./fixture.ts";
import { renderPanel } from "./frame.tsx";
import type { Panel, Table } from "./panel.ts";
import { taskList } from "./panels/task-list.tsx";
import { workerList } from "./panels/worker-list.tsx";
import { endedIn, taskOf } from "./task-fixture.ts";

type Given = Record<string, string | string[]>;
const rowsOf = (panel: Panel, read: Read, given: Given = {}) => {
  const data = panel.load(read, panel.params.parse(given)) as Record<string, unknown>;
  return (data.workers ?? data.tasks) as { id: string }[];
};
const idsOf = (panel: Panel, read: Read, given?: Given) => rowsOf(panel, read, given).map(({ id }) => id);
const factsOf = (panel: Panel, read: Read, given: Given) => panel.load(read, panel.params.parse(given));
const htmlOf = (panel: Panel, read: Read, given: Given = {}) =>
  renderPanel(panel, panel.params.parse(given), read).html;
const later = (read: Read, ms: number): Read => ({ ...read, now_ms: read.now_ms + ms });

const TASKS: readonly Partial<Task>[] = [
  { id: "q-1", state: "queued", queued_at_ms: NOW_MS - 5_000, priority: 2 },
  {
    id: "q-2",
    state: "queued",
    queued_at_ms: NOW_MS - 50_000,
    priority: 1,
    requirements: { tags: ["CUDA"] },
  },
  { id: "r-10", state: "running", worker_id: "W1", started_at_ms: NOW_MS - 9_000, progress: 30 },
  { id: "r-9", state: "running", worker_id: "W10", started_at_ms: NOW_MS - 90_000, type: "vision" },
  {
    id: "f-1",
    state: "failed",
    worker_id: "W1",
    started_at_ms: NOW_MS - 90_000,
    ended_at_ms: NOW_MS - 60_000,
  },
  { id: "o-1", state: "orphaned", worker_id: "W11", attempt: 2 },
];

function withTasks(tasks: readonly Partial<Task>[] = TASKS): Read {
  const read = fixtureRead();
  const whole = tasks.map((task) => ({ ...read.oldestQueued()!, queued_at_ms: null, ...task }));
  const find = (id: string) => whole.find((task) => task.id === id);
  return { ...read, tasks: () => whole, task: find, liveTask: find, ended: endedIn(whole) };
}

describe("the order of a list", () => {
  test("is the worst first, where nothing else is asked for", () => {
    expect(idsOf(taskList, withTasks())).toEqual(["o-1", "f-1", "r-10", "r-9", "q-1", "q-2"]);
    expect(idsOf(workerList, fixtureRead()).slice(0, 4)).toEqual(["W3", "W11", "W7", "W14"]);
  });

  test("has of the workers of a state the least healthy first, then the most loaded, then by name", () => {
    const values: Readonly<Record<string, [health: number | null, load: number | null]>> = {
      W1: [90, 20],
      W2: [90, 60],
      W10: [40, 5],
      W4: [null, 99],
      W9: [90, 60],
    };
    let read = fixtureRead();
    const active = read.workers().filter(({ state }) => state === "active");
    for (const { id, metrics } of active) {
      const [health, load] = values[id] ?? [100, 1];
      const changed = new Map([...metrics].filter(([name]) => name !== "health"));
      if (health !== null) changed.set("health", health);
      read = withWorker(read, id, { metrics: changed, load });
    }
    const ids = idsOf(workerList, read, { status: "active" });
    expect([...ids.slice(0, 4), ids.at(-1)]).toEqual(["W10", "W2", "W9", "W1", "W4"]);
    expect(htmlOf(workerList, read)).toContain(
      "State, worst first, then the least healthy, then the most loaded",
    );
  });

  test.each([
    ["id", ["f-1", "o-1", "q-1", "q-2", "r-9", "r-10"]],
    ["-id", ["r-10", "r-9", "q-2", "q-1", "o-1", "f-1"]],
    ["worker", ["r-10", "f-1", "r-9", "o-1", "q-1", "q-2"]],
    ["-queue_time", ["q-2", "q-1", "r-10", "r-9", "f-1", "o-1"]],
    ["queue_time", ["q-1", "q-2", "r-10", "r-9", "f-1", "o-1"]],
    ["-processing_time", ["r-9", "f-1", "r-10", "q-1", "q-2", "o-1"]],
    ["-attempt", ["o-1", "q-1", "q-2", "r-10", "r-9", "f-1"]],
  ])("by %s has what is not known at its end", (sort, ids) => {
    expect(idsOf(taskList, withTasks(), { sort })).toEqual(ids);
  });

  test("may be by any column of workers, in both directions", () => {
    const read = fixtureRead({ workers: 40 });
    for (const { name } of columnsOf(workerList)) {
      const up = rowsOf(workerList, read, { sort: name });
      const down = rowsOf(workerList, read, { sort: `-${name}` });
      expect(new Set(down.map(({ id }) => id))).toEqual(new Set(up.map(({ id }) => id)));
    }
    const rows = rowsOf(workerList, read, { sort: "-load" }) as { load?: number; presence?: string }[];
    const loads = rows.filter(({ presence }) => presence === "fresh").map(({ load }) => load!);
    expect(loads).toEqual([...loads].sort((a, b) => b - a));
  });

  test("has silent workers behind all whose load is known now, and says that theirs is the last one", () => {
    const read = fixtureRead();
    for (const sort of ["load", "-load", "cpu", "-memory"])
      expect(idsOf(workerList, read, { sort }).slice(-2)).toEqual(["W11", "W7"]);
    const row = /<tr id="[^"]*" class="lost silent">.*?<\/tr>/s.exec(htmlOf(workerList, read))![0];
    expect(row).toMatch(/<small>last<\/small>.*<span class="vh">last <\/span>/s);
    expect(htmlOf(workerList, read).match(/ silent"/g)).toHaveLength(2);
  });

  test("by no column that there is not", () => {
    expect(workerList.params.safeParse({ sort: "colour" }).success).toBe(false);
  });
});

/** The columns as the heads name them. */
function columnsOf(panel: Panel): { name: string; sort: string | undefined }[] {
  const heads = htmlOf(panel, fixtureRead()).matchAll(
    /<th scope="col" class="c-(\w+)"(?: aria-sort="(\w+)")?>/g,
  );
  return [...heads].map(([, name, sort]) => ({ name: name!, sort }));
}

describe("a filter of a list", () => {
  test.each<[string, Given, string[]]>([
    ["state", { status: "running,failed" }, ["f-1", "r-10", "r-9"]],
    ["state, given twice", { status: ["running", "orphaned"] }, ["o-1", "r-10", "r-9"]],
    ["worker, by its whole id", { worker: "W1" }, ["f-1", "r-10"]],
    ["tag that a task requires, in any case", { tag: "cuda" }, ["q-2"]],
  ])("leaves the tasks of a %s", (_, given, ids) => {
    expect(idsOf(taskList, withTasks(), given)).toEqual(ids);
    expect(factsOf(taskList, withTasks(), given)).toMatchObject({ total: ids.length, filtered: true });
  });

  test("leaves the workers of a state and of a tag", () => {
    expect(idsOf(workerList, fixtureRead(), { status: "lost,stale" })).toEqual(["W11", "W7"]);
    expect(idsOf(workerList, fixtureRead(), { tag: "CUDA" })).toHaveLength(15);
    expect(idsOf(workerList, fixtureRead(), { tag: "tpu" })).toEqual([]);
  });

  test("of a state that there is not is refused with those that there are", () => {
    const { error } = taskList.params.safeParse({ status: "running,sleeping" });
    expect(error?.issues[0]?.message).toBe(
      "must be of orphaned, failed, running, assigned, queued, cancelled, completed, separated by commas",
    );
  });

  test("that nothing passes says so", () => {
    expect(htmlOf(taskList, withTasks(), { worker: "nobody" })).toContain("No task matches");
    expect(htmlOf(workerList, fixtureRead({ workers: 0 }))).toContain("No worker has reported yet");
  });
});

describe("a page of a list", () => {
  const read = fixtureRead({ workers: 95 });

  test("is a part of all that match, and says which", () => {
    const given = { limit: "10", page: "3", sort: "id" };
    expect(idsOf(workerList, read, given)).toEqual(
      idsOf(workerList, read, { sort: "id", limit: "500" }).slice(20, 30),
    );
    expect(factsOf(workerList, read, given)).toMatchObject({ total: 95, page: 3, pages: 10 });
    expect(htmlOf(workerList, read, given)).toContain("21–30 of 95 workers");
  });

  test("beyond the last is the last", () => {
    const given = { limit: "10", page: "77" };
    expect(factsOf(workerList, read, given)).toMatchObject({ page: 10 });
    expect(htmlOf(workerList, read, given)).toContain("91–95 of 95 workers");
  });

  test("leads to the others with all that holds, and a head back to the first", () => {
    const html = htmlOf(workerList, read, { limit: "10", page: "2", status: "active", theme: "dark" });
    expect(html).toContain(
      '<a href="workers?limit=10&amp;theme=dark&amp;status=active" rel="prev">Previous</a>',
    );
    expect(html).toMatch(/<a href="workers\?[^"]*page=3[^"]*" rel="next">Next<\/a>/);
    expect(html).toContain('<a href="workers?sort=-load&amp;limit=10&amp;theme=dark&amp;status=active"');
  });

  test("says by which column it is sorted, and its head turns the order round", () => {
    const html = htmlOf(workerList, read, { sort: "-cpu" });
    expect(html).toMatch(/class="c-cpu" aria-sort="descending"><a href="workers\?sort=cpu"/);
    expect(html.match(/aria-sort/g)).toHaveLength(1);
  });

  test.each(["0", "501", "many"])("has no %s rows", (limit) => {
    expect(workerList.params.safeParse({ limit }).success).toBe(false);
  });
});

describe("a page that somebody looks at", () => {
  const given = { sort: "-load", limit: "10", as_of: String(NOW_MS) };

  test("keeps its rows in their places while their values change", () => {
    const read = fixtureRead({ workers: 30 });
    const before = idsOf(workerList, read, given);
    const idle = later(withWorker(read, before[0]!, { load: 0 }), 1000);
    expect(idsOf(workerList, idle, given)).toEqual(before);
    expect(rowsOf(workerList, idle, given)[0]).toMatchObject({ load: 0 });
    expect(idsOf(workerList, idle, { sort: "-load", limit: "10" })).not.toEqual(before);
  });

  test("sends the changed row alone", () => {
    const read = fixtureRead({ workers: 30 });
    const [first] = idsOf(workerList, read, given);
    const params = workerList.params.parse(given);
    const [before, after] = [read, later(withWorker(read, first!, { load: 0 }), 1000)].map((at) =>
      renderPanel(workerList, params, at),
    );
    expect(after!.skeleton).toBe(before!.skeleton);
    expect([...after!.parts].filter(([id, html]) => before!.parts.get(id) !== html)).toHaveLength(1);
  });

  test("says within seconds that the order has changed, and of when it is", () => {
    const read = fixtureRead({ workers: 30 });
    const [first] = idsOf(workerList, read, given);
    const changed = withWorker(read, first!, { load: 0 });
    expect(htmlOf(workerList, later(changed, 9000), given)).toContain("In the order of ");
    expect(htmlOf(workerList, later(changed, 10_000), given)).toContain("The order has changed since ");
    expect(factsOf(workerList, later(changed, 14_000), given)).toMatchObject({
      sorted_ms: NOW_MS,
      changed: true,
    });
  });

  test("shows a task that is known no more by its id, and in its place", () => {
    const read = withTasks();
    const asked = { as_of: String(NOW_MS) };
    const before = idsOf(taskList, read, asked);
    const gone = later({ ...read, tasks: () => [], task: () => undefined }, 1000);
    expect(idsOf(taskList, gone, asked)).toEqual(before);
    expect(rowsOf(taskList, gone, asked)[0]).toMatchObject({ id: "o-1", state: null, worker_id: null });
  });

  test("whose order nobody asked for in a while gets a new one", () => {
    const read = fixtureRead({ workers: 30 });
    const [first] = idsOf(workerList, read, given);
    const changed = withWorker(read, first!, { load: 0 });
    for (let ms = 1000; ms < 90_000; ms += 1000)
      idsOf(workerList, later(changed, ms), { ...given, as_of: "1" });
    expect(idsOf(workerList, later(changed, 90_000), given)[0]).not.toBe(first);
  });
});

/** So many tasks that ended, one a second, of which every tenth failed; the last ended just now. */
function endedTasks(size: number): Task[] {
  return Array.from({ length: size }, (_, index) => {
    const state = index % 10 === 0 ? ("failed" as const) : ("completed" as const);
    return taskOf({
      id: `e-${index}`,
      state,
      status: state,
      worker_id: "W1",
      ended_at_ms: NOW_MS - 1000 * index,
    });
  });
}

/** A fleet that no longer holds what ended: it is in the store alone, and `searches` counts how often that is asked. */
function withKept(kept: readonly Task[], a_step?: number) {
  const counts = { searches: 0 };
  const search = endedIn(kept, a_step);
  const read: Read = {
    ...withTasks([{ id: "r-1", state: "running", worker_id: "W1", started_at_ms: NOW_MS }]),
    ended: (query) => {
      counts.searches += 1;
      return search(query);
    },
  };
  return { read, counts };
}

function prepared(panel: Panel, read: Read, given: Given): Read {
  for (const _ of panel.prepare!(read, panel.params.parse(given)));
  return read;
}

describe("tasks that ended long ago", () => {
  test("are listed with the unfinished where a state of theirs or a time is asked for, the newest end first", () => {
    const { read } = withKept(endedTasks(30));
    expect(idsOf(taskList, read)).toEqual(["r-1"]);
    for (const given of [{ status: "failed" }, { status: "failed,running" }])
      expect(idsOf(taskList, prepared(taskList, read, given), given).slice(-3)).toEqual(
        given.status === "failed" ? ["e-0", "e-10", "e-20"] : ["e-10", "e-20", "r-1"],
      );
    const lately = { ended: "15s", sort: "-ended" };
    expect(idsOf(taskList, prepared(taskList, read, lately), lately)).toHaveLength(17);
    expect(factsOf(taskList, read, lately)).toMatchObject({
      total: 17,
      ended: { count: 16, from_ms: NOW_MS - 15_000, searched_from_ms: null },
    });
  });

  test("are sorted by any column, and paged", () => {
    const { read } = withKept(endedTasks(120));
    const given = { status: "completed,failed", sort: "-id", limit: "10", page: "2" };
    expect(idsOf(taskList, prepared(taskList, read, given), given)[0]).toBe("e-109");
    expect(htmlOf(taskList, read, given)).toContain("11–20 of 120 tasks");
    expect(htmlOf(taskList, read, given)).toMatch(/120.ended tasks: all that is kept/);
  });

  test("beyond the newest thousand are said to be at least so many, with the way to those before", () => {
    const { read } = withKept(endedTasks(2500));
    const given = { status: "completed,failed", sort: "-ended" };
    const html = htmlOf(taskList, prepared(taskList, read, given), given);
    expect(html).toMatch(/1–50 of at least 1.?000 tasks/);
    const before = NOW_MS - 1_000_000 + 1;
    expect(html).toContain(`before=${before}`);
    const older = { ...given, before: String(before) };
    expect(idsOf(taskList, prepared(taskList, read, older), older)[0]).toBe("e-1000");
    const { ended } = factsOf(taskList, read, given) as { ended: unknown };
    expect(ended).toEqual({ count: 1000, from_ms: null, searched_from_ms: before });
  });

  test("are looked for so long and no longer, and it is said how far back", () => {
    const { read } = withKept(endedTasks(1000), 20);
    const given = { status: "completed,failed" };
    expect(factsOf(taskList, prepared(taskList, read, given), given)).toMatchObject({
      total: 199,
      ended: { count: 199, searched_from_ms: NOW_MS - 199_000 + 1 },
    });
  });

  test("are looked for once, and not again while somebody looks", () => {
    const { read, counts } = withKept(endedTasks(30));
    const given = { status: "failed", as_of: String(NOW_MS) };
    prepared(taskList, read, given);
    const ids = idsOf(taskList, read, given);
    for (let second = 1; second < 120; second += 1) {
      expect(idsOf(taskList, later(read, 1000 * second), given)).toEqual(ids);
      prepared(taskList, later(read, 1000 * second), given);
    }
    expect(counts.searches).toBe(1);
    expect(rowsOf(taskList, read, given)[0]).toMatchObject({ id: "e-0", state: "failed", fits: true });
  });

  test("come last in the whole list as a table, all of them", () => {
    const { read } = withKept(endedTasks(2500));
    const slices = [...taskList.slices!(read, taskList.params.parse({ ended: "7d" }))];
    const ids = slices.flatMap(({ rows }) => rows.map(([id]) => id));
    expect([ids.length, ids[0], ids[1], ids.at(-1)]).toEqual([2501, "r-1", "e-0", "e-2499"]);
  });

  test.each([
    ["ended", "yesterday"],
    ["before", "noon"],
  ])("by %s=%s are refused", (name, value) => {
    expect(taskList.params.safeParse({ [name]: value }).success).toBe(false);
  });
});

test("a row that no longer matches stays, is marked, and is counted", () => {
  const read = withTasks();
  const given = { status: "running", as_of: String(NOW_MS) };
  expect(idsOf(taskList, read, given)).toEqual(["r-10", "r-9"]);
  const task = (id: string) => ({ ...read.task(id)!, ...(id === "r-9" && { state: "completed" as const }) });
  const html = htmlOf(taskList, later({ ...read, task }, 1000), given);
  expect(html).toContain('class="completed unfit"');
  expect(html).toContain("no longer matches the filter");
  expect(html).toMatch(/1.row no longer matches/);
});

describe("the whole list as a table", () => {
  const tableOf = (panel: Panel, read: Read, given: Given = {}) => {
    const slices: Table[] = [...panel.slices!(read, panel.params.parse(given))];
    return { slices, rows: slices.flatMap(({ rows }) => rows) };
  };

  test("has every row once, in order, whichever page is asked for", () => {
    const read = fixtureRead({ workers: 1200 });
    const { slices, rows } = tableOf(workerList, read, { sort: "-load", page: "3", limit: "10" });
    expect(rows).toHaveLength(1200);
    const [load, presence] = ["load", "presence"].map((name) => slices[0]!.columns.indexOf(name));
    const known = rows.filter((row) => row[presence!] === "fresh");
    expect(rows.slice(0, known.length)).toEqual(known);
    const loads = known.map((row) => row[load!] as number);
    expect(loads).toEqual([...loads].sort((a, b) => b - a));
    expect(Math.max(...slices.map((slice) => slice.rows.length))).toBeLessThanOrEqual(500);
  });

  test("has only what matches", () => {
    expect(tableOf(taskList, withTasks(), { status: "failed" }).rows.map(([id]) => id)).toEqual(["f-1"]);
  });
});

test("a task's row leads to the task, its worker, its type and its family", () => {
  const html = htmlOf(taskList, withTasks(), { status: "running" });
  for (const href of ["tasks/r-9", "workers/W10", "task-types/vision", "model-families/bert"])
    expect(html).toContain(`<a href="${href}">`);
  expect(html).toContain(`data-since="${NOW_MS - 90_000}"`);
});
