import { describe, expect, it, vi } from "vitest";
import { fixtureRead, NOW_MS, withWorker } from "../views/fixture.ts";
import { endedIn, taskOf } from "../views/task-fixture.ts";
import { type World, world } from "./fixture.tsx";
import { SITE } from "./site.ts";

const BROWSER = { headers: { Accept: "text/html" } };

function lists(workers = 40): World {
  const w = world({ site: SITE });
  w.now.read = fixtureRead({ workers });
  return w;
}

async function get(w: World, path: string, init: RequestInit = {}) {
  const response = await w.app.request(path, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** The address of the stream of a page. */
function streamOf(html: string): string {
  return /hx-sse:connect="([^"]*)"/.exec(html)![1]!.replaceAll("&amp;", "&");
}

/** Ids of the workers of a page, from the top. */
function idsOf(html: string): string[] {
  return [...html.matchAll(/<a href="workers\/([^"]+)">/g)].map(([, id]) => id!);
}

describe("the page of a list", () => {
  it("is streamed in the order that it was loaded with", async () => {
    const w = lists();
    const { text } = await get(w, "/workers?sort=-load&limit=10", BROWSER);
    expect(streamOf(text)).toBe(`stream?panels=worker-list,alert-counts&sort=-load&limit=10&as_of=${NOW_MS}`);
    const [first] = idsOf(text);
    const { workers, worker } = withWorker(w.now.read, first!, { load: 0 });
    await w.tick({ workers, worker });
    const fragment = `/panels/worker-list?sort=-load&limit=10`;
    expect(idsOf((await get(w, `${fragment}&as_of=${NOW_MS}`)).text)).toEqual(idsOf(text));
    expect(idsOf((await get(w, fragment)).text)).not.toEqual(idsOf(text));
    expect(idsOf((await get(w, "/workers?sort=-load&limit=10", BROWSER)).text)).not.toEqual(idsOf(text));
  });

  it("is not loaded again by itself where there is no JavaScript: its rows would move, its form be emptied", async () => {
    const w = lists();
    expect((await get(w, "/workers", BROWSER)).text).not.toContain("http-equiv");
    expect((await get(w, "/", BROWSER)).text).toContain("http-equiv");
  });

  it("names the filters that hold, each with the way back to its first page without it", async () => {
    const { text } = await get(
      lists(),
      "/tasks?status=failed,running&tag=cuda&q=t-1&page=3&sort=id",
      BROWSER,
    );
    expect(text).toContain('href="tasks?tag=cuda&amp;q=t-1&amp;sort=id" title="Take away: State"');
    expect(text).toContain("State: <bdi>failed, running</bdi>");
    expect(text).toContain('<a href="tasks?sort=id">Clear all</a>');
  });

  it("keeps its filters on the way to pages that know them", async () => {
    const { text } = await get(lists(), "/workers?task_type=vision&tag=cuda&sort=id", BROWSER);
    expect(text).toContain('<a href="tasks?task_type=vision"');
    expect(text).toContain('<a href="./?task_type=vision"');
  });
});

describe("a page of tasks that ended long ago", () => {
  const kept = Array.from({ length: 700 }, (_, index) =>
    taskOf({ id: `e-${index}`, state: "failed", status: "failed", ended_at_ms: NOW_MS - 1000 * index }),
  );
  /** `steps` counts how often the store is asked. */
  function withKept() {
    const w = lists();
    const counts = { steps: 0 };
    const search = endedIn(kept, 300);
    w.now.read = {
      ...w.now.read,
      *ended(query) {
        for (const step of search(query)) {
          counts.steps += 1;
          yield step;
        }
      },
    };
    return { w, counts };
  }
  const tasksOf = (html: string) => [...html.matchAll(/<a href="tasks\/([^"]+)">/g)].map(([, id]) => id!);

  it("searches when it is loaded, and not again for its stream", async () => {
    const { w, counts } = withKept();
    const { text } = await get(w, "/tasks?status=failed&limit=10", BROWSER);
    expect(tasksOf(text)).toEqual(kept.slice(0, 10).map(({ id }) => id));
    expect(text).toMatch(/1–10 of 700 tasks/);
    expect(counts.steps).toBe(3);
    const fragment = streamOf(text).replace("stream?panels=task-list,alert-counts&", "/panels/task-list?");
    for (let tick = 0; tick < 3; tick += 1) {
      await w.tick();
      expect(tasksOf((await get(w, fragment)).text)).toEqual(tasksOf(text));
    }
    expect(counts.steps).toBe(3);
  });

  it("as data is searched for each time, and as a file has all of them", async () => {
    const { w, counts } = withKept();
    for (const total of [700, 700]) {
      expect(JSON.parse((await get(w, "/api/metrics/tasks?status=failed")).text)).toMatchObject({
        total,
        ended: { count: 700, searched_from_ms: null },
      });
      await w.tick();
    }
    expect(counts.steps).toBe(6);
    const csv = (await get(w, "/api/metrics/tasks?status=failed&format=csv")).text.trim().split("\r\n");
    expect(csv).toHaveLength(701);
    const lines = (await get(w, "/api/metrics/tasks?status=failed&format=ndjson")).text.trim().split("\n");
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ id: "e-699", state: "failed" });
  });

  it("is searched for by sixteen at once; whoever comes then is told when to ask again", async () => {
    const { w } = withKept();
    const search = () => get(w, "/api/metrics/tasks?status=failed");
    const answers = await Promise.all(Array.from({ length: 18 }, search));
    expect(answers.map(({ status }) => status)).toEqual([...Array(16).fill(200), 429, 429]);
    expect(answers.at(-1)!.headers.get("Retry-After")).toBe("1");
    expect(answers.at(-1)!.text).toContain("At most 16 searches of what ended run at once");
    // What needs no search is shown meanwhile, and the next one finds room again.
    const all = [...Array.from({ length: 16 }, search), get(w, "/api/metrics/tasks?status=queued")];
    expect((await Promise.all(all)).map(({ status }) => status)).toEqual(Array(17).fill(200));
  });

  it("that could not be read makes room again", async () => {
    const { w } = withKept();
    const { ended } = w.now.read;
    const broken = () => {
      throw new Error("disk I/O error");
    };
    w.now.read = { ...w.now.read, ended: broken };
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    for (let turn = 0; turn < 20; turn += 1)
      expect((await get(w, "/api/metrics/tasks?status=failed")).status).toBe(500);
    log.mockRestore();
    w.now.read = { ...w.now.read, ended };
    expect((await get(w, "/api/metrics/tasks?status=failed")).status).toBe(200);
  });
});

describe("the data of a list", () => {
  it("is a page as JSON and all of it as CSV and NDJSON", async () => {
    const w = lists();
    const data = JSON.parse((await get(w, "/api/workers?limit=10&page=2")).text);
    expect(data).toMatchObject({ success: true, total: 40, page: 2, pages: 4, changed: false });
    expect(data.workers).toHaveLength(10);
    const csv = (await get(w, "/api/workers?limit=10&format=csv")).text.trim().split("\r\n");
    expect(csv).toHaveLength(41);
    expect(csv[0]).toMatch(/^id,state,type,hostname,tags,load,/);
    expect((await get(w, "/api/workers?limit=10&format=ndjson")).text.trim().split("\n")).toHaveLength(40);
  });

  it("of tasks is at the path of old", async () => {
    const { tasks } = JSON.parse((await get(lists(), "/api/metrics/tasks?status=queued")).text);
    expect(tasks[0]).toMatchObject({ id: "t-17", queue_time_s: 72, processing_time_s: null });
    expect(new Set(tasks.map(({ state }: { state: string }) => state))).toEqual(new Set(["queued"]));
  });

  it.each([
    ["/api/workers?sort=colour", "Parameter sort"],
    ["/api/workers?status=tired", "Parameter status: must be of overloaded, lost"],
    ["/api/metrics/tasks?limit=9", "Parameter limit"],
  ])("%s is refused with what there is", async (path, words) => {
    const { status, text } = await get(lists(), path);
    expect(status).toBe(400);
    expect(JSON.parse(text).detail).toContain(words);
  });
});

describe("a search", () => {
  it.each([
    ["worker-gpu-01", "/workers/worker-gpu-01"],
    ["t-17&theme=dark", "/tasks/t-17?theme=dark"],
  ])("for the id %s leads straight to its page", async (q, location) => {
    const { status, headers } = await get(lists(), `/search?q=${q}`, BROWSER);
    expect([status, headers.get("location")]).toEqual([302, location]);
  });

  it("for anything else, or as data, is answered with what matches", async () => {
    const w = lists();
    expect((await get(w, "/search?q=worker-gpu", BROWSER)).text).toContain(
      '<a href="workers/worker-gpu-01">',
    );
    expect(JSON.parse((await get(w, "/api/search?q=worker-gpu-01")).text).groups[0]).toMatchObject({
      kind: "worker",
      total: 1,
    });
  });

  it("narrows no other page", async () => {
    const { text } = await get(lists(), "/search?q=vision2&theme=dark", BROWSER);
    expect(text).toContain('<a href="./?theme=dark" data-key="o">Overview</a>');
    expect(text).toContain('<input type="search" name="q" value="vision2"');
  });
});
