import { expect, test } from "vitest";
import { fixtureRead } from "./fixture.ts";
import { renderPanel } from "./frame.tsx";
import { type FrameLink, withFrameLink } from "./frame-links.ts";
import { findPanel } from "./registry.ts";

const LINK: FrameLink = { text: "a.b-c.d", opens: (params) => params.get("metrics") !== "running_tasks" };

const inFrame = (markup: string, id: string, link = LINK) => withFrameLink(markup, findPanel(id)!, link);

test("in a frame that is seen by a link the panel's data is had by it too", () => {
  expect(inFrame('<a href="api/metrics/system/history?a=1&amp;format=csv">CSV</a>', "history")).toBe(
    '<a href="api/metrics/system/history?a=1&amp;format=csv&amp;link=a.b-c.d">CSV</a>',
  );
  expect(inFrame('<a href="api/metrics/workers/w%2F1/life">JSON</a>', "worker-life")).toBe(
    '<a href="api/metrics/workers/w%2F1/life?link=a.b-c.d">JSON</a>',
  );
});

test.each([
  '<a href="api/metrics/system/history?metrics=running_tasks">what it does not open</a>',
  '<a href="api/metrics/system">other data</a>',
  '<a href="workers/w1">a page</a>',
  '<a href="https://logs.example/api/metrics/system/history">elsewhere</a>',
])("nothing else carries the link: %s", (markup) => {
  expect(inFrame(markup, "history")).toBe(markup);
});

test("no text of the address becomes markup", () => {
  const link = { text: '"><script>', opens: () => true };
  const markup = '<a href="api/metrics/system/history?q=%22%3E%3Cb&amp;x=&quot;">x</a>';
  expect(inFrame(markup, "history", link)).not.toMatch(/"><[sb]/);
});

test("a list leads to its data by the link", () => {
  const panel = findPanel("worker-list")!;
  const { html } = renderPanel(panel, panel.params.parse({}), fixtureRead());
  const links = withFrameLink(html, panel, LINK).match(/ href="api\/workers[^"]*"/g)!;
  expect(links.length).toBeGreaterThan(2);
  for (const href of links) expect(href).toContain("link=a.b-c.d");
});
