import { describe, expect, test } from "vitest";
import { fixtureRead } from "./fixture.ts";
import { renderPanel } from "./frame.tsx";
import { type FrameLink, linksInFrame } from "./frame-links.ts";
import { findPanel, PAGES } from "./registry.ts";

const LINK: FrameLink = {
  text: "a.b-c.d",
  opens: (params) => (params.get("metrics") ?? "queued_tasks") === "queued_tasks",
};

function inFrame(markup: string, id: string, link: FrameLink | null) {
  return linksInFrame(markup, findPanel(id)!, PAGES, link);
}

describe("in a frame", () => {
  test("what leads to the panel itself stays there, for who sees every page", () => {
    expect(inFrame('<a href="history?duration=6h&amp;theme=dark">6 h</a>', "history", null)).toBe(
      '<a href="embed/history?duration=6h&amp;theme=dark" target="_self">6 h</a>',
    );
    expect(inFrame('<form class="x" method="get" action="history">', "history", null)).toBe(
      '<form class="x" method="get" action="embed/history" target="_self">',
    );
  });

  test.each([
    '<a href="workers/w1">w1</a>',
    '<a href="./?at=1">then</a>',
    '<a href="#p-history">here</a>',
    '<a href="https://logs.example/history">logs</a>',
    '<form method="post" action="history">',
    '<form method="get" action="search">',
  ])("what leads elsewhere is left to the page: %s", (markup) => {
    expect(inFrame(markup, "history", null)).toBe(markup);
    expect(inFrame(markup, "history", LINK)).toBe(markup);
  });

  test("a link is carried to what it opens, and to nothing else", () => {
    const range = '<a href="history?metrics=queued_tasks&amp;duration=6h">6 h</a>';
    expect(inFrame(range, "history", LINK)).toBe(
      '<a href="embed/history?metrics=queued_tasks&amp;duration=6h&amp;link=a.b-c.d" target="_self">6 h</a>',
    );
    expect(inFrame('<a href="api/metrics/system/history?format=csv">CSV</a>', "history", LINK)).toBe(
      '<a href="api/metrics/system/history?format=csv&amp;link=a.b-c.d">CSV</a>',
    );
    const other = '<a href="history?metrics=running_tasks">another</a>';
    expect(inFrame(other, "history", LINK)).toBe(other);
    const form = '<form class="x" method="get" action="history">';
    expect(inFrame(form, "history", LINK)).toBe(form);
  });

  test("no text of the address becomes markup", () => {
    const link = { text: '"><script>', opens: () => true };
    expect(inFrame('<a href="history?q=%22%3E%3Cb&amp;x=&quot;">x</a>', "history", link)).not.toMatch(
      /"><[sb]/,
    );
  });

  test("a panel that is live is left as it is: it is sent to all alike", () => {
    const panel = findPanel("worker-list")!;
    const { html } = renderPanel(panel, panel.params.parse({}), fixtureRead());
    expect(linksInFrame(html, panel, PAGES, LINK)).toBe(html);
  });

  test("the panel of history leads to its ranges inside", () => {
    const panel = findPanel("history")!;
    const { html } = renderPanel(panel, panel.params.parse({ metrics: "queued_tasks" }), fixtureRead());
    const inside = linksInFrame(html, panel, PAGES, LINK);
    expect(inside).toMatch(/href="embed\/history\?[^"]*duration=6h[^"]*&amp;link=a\.b-c\.d" target="_self"/);
    expect(inside.match(/href="history[^"]*"/g)).toBeNull();
  });
});
