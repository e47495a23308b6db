import { describe, expect, test } from "vitest";
import type { Around } from "./around.ts";
import { fixtureRead } from "./fixture.ts";
import { renderPanel } from "./frame.tsx";
import { renderEmbed, renderError, renderPage } from "./layout.tsx";
import { findPage, findPanel } from "./registry.ts";

const around = (more: Partial<Around> = {}): Around => ({
  read: fixtureRead(),
  base: "/keel/",
  theme: "auto",
  density: "comfortable",
  tz: "",
  reload: true,
  kiosk: false,
  views: [],
  user: null,
  shared_views: [],
  may_operate: true,
  viewer: "",
  header: null,
  stream: "stream?page=%2F",
  rewind: true,
  first_ms: null,
  newest_ms: fixtureRead().now_ms,
  subject: null,
  filters: {},
  assets: {
    style: "assets/app.css?v=1",
    script: "assets/live.js?v=2",
    charts: "/assets/charts.js",
    icon: "assets/icon.svg?v=3",
    alarm: "assets/alarm.svg?v=4",
  },
  url: "/",
  ...more,
});
const page = (more: Partial<Around> = {}, path = "/") =>
  renderPage(findPage(path)!, ["<section>P</section>"], around(more));

describe("a page of the past", () => {
  const past = (more: Partial<Around> = {}) => page({ stream: null, url: "?theme=dark&at=-5m", ...more });
  const { now_ms } = fixtureRead();

  test("says which moment it shows, stands still, and is never loaded again by itself", () => {
    expect(past()).toContain(`data-at="${now_ms}"`);
    expect(past()).toMatch(/<b>As it was<\/b> at <time [^>]*data-full/);
    for (const live of ['id="live"', 'id="live-state"', "http-equiv"]) {
      expect(past()).not.toContain(live);
      expect(page()).toContain(live);
    }
  });

  test("leads to other moments and back to the present, all else kept", () => {
    expect(past()).toContain(`<a href="./?theme=dark&amp;at=${now_ms - 60_000}">−1 min</a>`);
    expect(past()).toContain('<input type="hidden" name="theme" value="dark"/>');
    expect(past()).toMatch(/<a class="live" href="\.\/\?theme=dark">Back to live<\/a>/);
    expect(past({ url: "?at=1" })).toMatch(/<a class="live" href="\.\/">/);
    expect(page({ stream: null, url: "/workers?at=1" }, "/workers")).toMatch(
      /<a class="live" href="workers">/,
    );
  });

  test("leads to no moment that is yet to come, and to none before the first that is kept", () => {
    expect(past({ newest_ms: now_ms + 60_000 })).toMatch(/<a [^>]*>\+1 min<\/a><span>\+5 min<\/span>/);
    expect(past({ first_ms: now_ms - 60_000 })).toMatch(/<span>−5 min<\/span><a [^>]*>−1 min<\/a>/);
  });

  test("leads to pages and panels of the same moment, where they have a past", () => {
    const panel =
      '<a href="workers/W%201">W 1</a><a href="tasks?status=failed&amp;page=2#x">f</a><a href="./">o</a>' +
      '<a href="tasks/t-1">t</a><a href="history?duration=1h">h</a><a href="api/metrics/workers?format=csv">csv</a>' +
      '<a href="./?at=5">then</a><form class="list-form" method="get" action="tasks"><input name="q"/></form>';
    const html = renderPage(findPage("/")!, [panel], around({ stream: null, url: "?at=1" }));
    for (const link of [
      `href="workers/W%201?at=${now_ms}"`,
      `href="tasks?status=failed&amp;page=2&amp;at=${now_ms}#x"`,
      `href="./?at=${now_ms}"`,
      'href="tasks/t-1"',
      'href="history?duration=1h"',
      `href="api/metrics/workers?format=csv&amp;at=${now_ms}"`,
      'href="./?at=5"',
      `action="tasks"><input type="hidden" name="at" value="${now_ms}"/>`,
      '<a href="workers?at=1"',
      '<a href="status"',
    ])
      expect(html).toContain(link);
    expect(renderPage(findPage("/")!, [panel], around())).not.toContain(`at=${now_ms}`);
  });

  test("that is before the first moment says which is the first, and leads there and back to live", () => {
    const { read: _, ...look } = around({ url: "/?theme=dark&at=5" });
    const details = { parameter: "at", first_ms: now_ms, before_ms: null };
    const html = renderError({ status: 404, title: "Not Found", detail: "Nothing is kept", details }, look);
    expect(html).toMatch(/There is data from <a href="\.\/\?theme=dark&amp;at=1795462926000"><time/);
    expect(html).toContain('<a href="./?theme=dark">Show the page live</a>');
  });

  test("is offered where every panel has a past", () => {
    const first_ms = now_ms - 300_000;
    expect(page({ first_ms })).toContain('<a class="rewind" href="./?at=-5m"');
    expect(page({ first_ms, rewind: false })).not.toContain("rewind");
    expect(past({ first_ms })).not.toContain("rewind");
  });

  test("is the first one where there are no five minutes of data, and is not offered where there are none", () => {
    const first_ms = now_ms - 299_999;
    expect(page({ first_ms })).toMatch(
      new RegExp(`<a class="rewind" href="\\./\\?at=${first_ms}"[^>]*>Rewind to the start</a>`),
    );
    expect(page({ first_ms: now_ms })).not.toContain("rewind");
    expect(page({ first_ms: null })).not.toContain("rewind");
  });
});

describe("a page", () => {
  test("is a whole document with its panels as they came", () => {
    expect(page()).toMatch(/^<!doctype html>\n<html lang="en"><head><meta charset="utf-8"\/>/);
    expect(page()).toContain("<section>P</section>");
  });

  test("names dashboard, metrics, workers and tasks in its source", () => {
    for (const word of ["dashboard", "metrics", "workers", "tasks"]) expect(page()).toContain(word);
  });

  test("resolves every address against the base path", () => {
    expect(page()).toContain('<base href="/keel/"/>');
    const addresses = [...page().matchAll(/(?:href|src|connect)="([^"]*)"/g)].map(([, address]) => address!);
    expect(addresses.length).toBeGreaterThan(8);
    for (const address of addresses.filter((address) => address !== "/keel/"))
      expect(address).not.toMatch(/^(\/|#|[a-z]+:)/);
  });

  test("marks its own place among the pages that there are", () => {
    expect(page()).toContain(
      '<a href="./" aria-current="page" data-key="o">Overview</a><a href="workers" data-key="w">Workers</a>',
    );
    expect(page({ url: "/status" }, "/status")).toContain(
      '<a href="status" aria-current="page" data-key="s">Status</a>',
    );
  });

  test("leads to the other pages in the same theme and time zone", () => {
    const html = page({ url: "/?minutes=30&theme=dark&tz=Asia%2FTokyo" });
    expect(html).toContain('<a href="status?theme=dark&amp;tz=Asia%2FTokyo" data-key="s">Status</a>');
    expect(html).toContain('<a class="brand" href="./?theme=dark&amp;tz=Asia%2FTokyo">');
  });

  test("skips to its panels without leaving the page", () => {
    expect(page({ url: "/status?theme=dark" }, "/status")).toContain(
      'class="skip" href="status?theme=dark#main"',
    );
    expect(page()).toContain('class="skip" href="./#main"');
  });

  test("switches the theme and keeps what else the address says", () => {
    const html = page({ url: "/?minutes=30&theme=dark", theme: "dark" });
    expect(html).toContain('<html lang="en" data-theme="dark">');
    expect(html).toContain('<a href="./?minutes=30&amp;theme=light">light</a>');
    expect(html).toContain('<a href="./?minutes=30&amp;theme=dark" aria-current="true">dark</a>');
    expect(html).toContain('href="./?minutes=30&amp;theme=dark&amp;format=json"');
  });

  test("has a menu of filters that says of when it is, and none beside a list's own form", () => {
    const menu = /<div id="filter-menu" popover="auto">.*?<\/form>/s;
    expect(menu.exec(page())![0]).toMatch(/The types and families of <time /);
    for (const path of ["/workers", "/tasks"]) expect(page({}, path)).not.toContain("filter-menu");
  });

  test("holds the one connection outside of every panel", () => {
    expect(page()).toContain(
      '<div id="live" hx-sse:connect="stream?page=%2F" hx-swap="none" hx-trigger="load, every 5s" hx-sync="this:drop"></div>',
    );
    expect(page()).toContain("&quot;extensions&quot;:&quot;sse&quot;");
  });

  test("says as of when it is, and has its stale state ready but hidden", () => {
    expect(page()).toMatch(
      /<div id="live-state" role="status">as of <time datetime="2026-11-23T19:42:06.000Z" data-t="1795462926000">/,
    );
    expect(page()).toMatch(/<div id="stale" role="alert" hidden="">/);
  });

  test("without JavaScript loads itself again", () => {
    expect(page()).toContain('<noscript><meta http-equiv="refresh" content="5"/></noscript>');
  });

  test("marks the demo fleet, and only that", () => {
    expect(page()).not.toContain("DEMO FLEET");
    expect(page({ read: fixtureRead({ demo: true }) })).toContain("DEMO FLEET");
  });

  test("has no inline style or script, and no hostile address becomes markup", () => {
    const html = page({ url: '/?q="><script>x</script>' });
    expect(html).not.toMatch(/ style=| on\w+=|<script>/);
    expect(html.match(/<script/g)).toHaveLength(1);
  });
});

describe("an embedded panel", () => {
  test("stands alone with a way to the dashboard", () => {
    const panel = findPanel("alerts")!;
    const read = fixtureRead({ demo: true });
    const html = renderEmbed(
      panel,
      renderPanel(panel, {}, read).html,
      around({ read, url: "/embed/alerts" }),
    );
    expect(html).toContain('<section id="p-alerts"');
    expect(html).toContain('<a href="./" target="_top">Evenkeel</a>');
    expect(html).toContain("DEMO FLEET");
    expect(html).toContain('href="api/alerts"');
    expect(html).not.toContain("<header");
  });
});

describe("an error page", () => {
  test("says what is wrong and what to do, and connects to nothing", () => {
    const html = renderError(
      { status: 404, title: "No such worker", detail: 'There is no worker "<b>".' },
      around(),
    );
    expect(html).toContain("<h1>No such worker</h1><p>There is no worker &quot;&lt;b&gt;&quot;.</p>");
    expect(html).toContain('<a href="./">Go to the overview</a>');
    expect(html).not.toContain('id="live"');
    expect(html).not.toContain("<script");
  });

  test.each([
    [500, "Load the page again in a moment."],
    [400, "Correct what is wrong"],
    [403, "Whoever runs this Evenkeel can let you in."],
  ])("%i points to the next step", (status, step) => {
    expect(renderError({ status, title: "t", detail: "d" }, around())).toContain(step);
  });
});
