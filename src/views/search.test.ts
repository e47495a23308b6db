import { describe, expect, test } from "vitest";
import { fixtureRead, HOSTILE } from "./fixture.ts";
import { renderPanel } from "./frame.tsx";
import { pageOfId } from "./panels/search.tsx";
import { findPanel, PAGES } from "./registry.ts";

const search = findPanel("search")!;
const read = fixtureRead({ workers: 40 });
type Found = { groups: { kind: string; total: number; hits: { name: string; href: string }[] }[] };
const find = (q: string, at = read) => (search.load(at, search.params.parse({ q })) as Found).groups;
const names = (q: string, kind: string) =>
  find(q)
    .find((group) => group.kind === kind)
    ?.hits.map(({ name }) => name);

describe("a search", () => {
  test("finds workers by id, host and tag, the best first, and bounds them", () => {
    expect(names("worker-gpu-01", "worker")).toEqual(["worker-gpu-01"]);
    expect(names("HOST-4", "worker")).toEqual(["worker-cpu-04", "worker-cpu-40"]);
    expect(find("cuda").find(({ kind }) => kind === "worker")).toMatchObject({ total: 40 });
    expect(names("cuda", "worker")).toHaveLength(20);
    expect(names("gpu-0", "worker")?.[0]).toBe("worker-gpu-01");
  });

  test("finds tasks, models, families, types and pages", () => {
    expect(names("t-17", "task")).toEqual(["t-17"]);
    expect(names("bert", "model")).toEqual(["bert-large"]);
    expect(names("vis", "task_type")).toEqual(["vision"]);
    expect(names("vis", "model_family")).toEqual(["vision"]);
    expect(names("hist", "page")).toEqual(["History"]);
  });

  test("puts what is it before what begins so, and that before what has it in it", () => {
    const workers = ["a-x", "x", "X-1", "x-2"].map((id) => ({
      ...read.workers()[0]!,
      id,
      hostname: null,
      tags: [],
    }));
    const few = {
      ...read,
      workers: () => workers,
      worker: (id: string) => workers.find((one) => one.id === id),
    };
    const [group] = find("x", few).filter(({ kind }) => kind === "worker");
    expect(group?.hits.map(({ name }) => name)).toEqual(["x", "X-1", "x-2", "a-x"]);
  });

  test("of nothing, or without any match, says what to do", () => {
    const html = (q?: string) =>
      renderPanel(search, search.params.parse(q === undefined ? {} : { q }), read).html;
    expect(html()).toContain("is shown at once");
    expect(html("no such thing")).toContain("Nothing matches");
  });

  test.each(HOSTILE)("shows a hostile name as a name: %s", (q) => {
    const hostile = fixtureRead({ workers: 20, hostile: true });
    const { html } = renderPanel(search, { q }, hostile);
    expect(html).not.toMatch(/<script|<img|<b>marker/);
    expect(html).not.toMatch(/[\u0000-\u0008\u202a-\u202e]/);
  });
});

describe("the page that an id leads to", () => {
  test.each([
    ["worker-gpu-01", "workers/worker-gpu-01"],
    ["t-17", "tasks/t-17"],
    ["worker-gpu", undefined],
    [undefined, undefined],
  ])("of %s is %s", (q, href) => {
    expect(pageOfId(read, { q })).toBe(href);
  });

  test("is none where several things have that name", () => {
    // The fixture's types are its families too.
    expect(pageOfId(read, { q: "vision" })).toBeUndefined();
  });
});

test("keys lead to pages, each to one, and are listed", () => {
  const keys = PAGES.flatMap(({ key }) => key ?? []);
  expect(new Set(keys).size).toBe(keys.length);
  const panel = findPanel("keys")!;
  const { html } = renderPanel(panel, {}, read);
  for (const key of keys) expect(html).toContain(`<kbd>g</kbd> then <kbd>${key}</kbd>`);
});
