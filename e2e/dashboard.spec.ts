import { execFileSync } from "node:child_process";
import type { Locator, Page } from "@playwright/test";
import { QUIET_S, quietFleet, report } from "./reports.ts";
import { expect, figure, live, openLive, panel, SOON, test } from "./test.ts";

const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

test.describe("the six panels", () => {
  test("show the numbers that were reported", async ({ page, serve }) => {
    const { url } = await serve();
    await report(url, smallFleet(Date.now()));
    await openLive(page, url);

    await expect(figure(page, "Workers active")).toContainText("3 of 3");
    const running = figure(page, "Tasks running");
    await expect(running.locator(".v")).toHaveText("1");
    await expect(running).toContainText("2 queued");
    await expect(figure(page, "Throughput")).toContainText("3.0 /min");
    await expect(figure(page, "Queue time, mean")).toContainText("2.0 s");
    const success = figure(page, "Success ratio");
    await expect(success).toContainText("75.0 %");
    await expect(success).toContainText("3 completed");
    await expect(success).toContainText("1 failed");

    const workers = panel(page, "Workers");
    await expect(workers.getByRole("listitem")).toHaveCount(3);
    await expect(workers.getByTitle("alpha: active")).toHaveAttribute(
      "title",
      /CPU 40\s%, GPU 70\s%, memory 30\s%, network 12\s%\s·\s1 running/,
    );

    const tasks = panel(page, "Task distribution");
    await expect(tasks.getByRole("row", { name: "vision" }).getByRole("cell")).toHaveText([
      "2",
      "1",
      "0",
      "0",
      "–",
    ]);
    await expect(tasks.getByRole("row", { name: "text" }).getByRole("cell")).toHaveText([
      "0",
      "0",
      "3",
      "1",
      /75\.0\s%/,
    ]);
    await expect(tasks.getByTitle("vision 2")).toContainText("priority 1");
    await expect(tasks.getByTitle("alpha: vision 1")).toContainText("alpha");

    const resources = panel(page, "Resource utilisation");
    await expect(resources.getByText(/CPU/).first()).toBeVisible();
    // (40 + 20 + 60) ÷ 3, and (70 + 50) ÷ 2: who does not report a resource does not count.
    await expect(meter(resources, "CPU")).toContainText(/40\s%/);
    await expect(meter(resources, "CPU")).toContainText("gamma");
    await expect(meter(resources, "GPU")).toContainText(/60\s%/);
    await expect(meter(resources, "GPU")).toContainText("alpha");

    const performance = panel(page, "Performance");
    await expect(performance.getByRole("img")).toHaveCount(3);
    // Charts show closed steps, so the figure of the report comes with the next one.
    await expect(performance.getByRole("figure").filter({ hasText: "Utilisation" })).toContainText(
      /40\s% · 60\s%/,
      SOON,
    );

    await expect(panel(page, "Alerts")).toContainText("Nothing needs attention");
    await expect(panel(page, "System overview")).toContainText("Healthy");
  });

  test("show an overloaded and a stale worker by a mark and by a word", async ({ page, serve }) => {
    const { url } = await serve();
    // The source itself is not missed: only one of its workers is.
    await report(url, {
      interval_s: QUIET_S,
      workers: [
        { id: "calm", interval_s: QUIET_S, metrics: { cpu_utilization: 30 } },
        { id: "hot", interval_s: QUIET_S, metrics: { cpu_utilization: 97 } },
        { id: "silent", interval_s: 1, metrics: { cpu_utilization: 30 } },
      ],
    });
    await openLive(page, url);
    const workers = panel(page, "Workers");
    const card = (id: string) => workers.getByRole("listitem").filter({ hasText: id });

    await expect(card("hot")).toContainText("hot: overloaded", SOON);
    await expect(card("hot").locator(".mark.critical")).toBeVisible();
    await expect(card("hot")).toContainText(/CPU 97\s%/);
    await expect(card("silent")).toContainText("stale", SOON);
    await expect(card("silent").getByText("stale", { exact: true })).toBeVisible();
    await expect(card("silent").locator(".mark.warning")).toBeVisible();
    await expect(card("calm").locator(".mark")).toHaveCount(0);

    await expect(figure(page, "Workers active")).toContainText("1 overloaded · 1 stale");
    const alerts = panel(page, "Alerts").getByRole("listitem");
    await expect(alerts.nth(0)).toContainText("critical: Worker hot is overloaded");
    await expect(alerts.nth(0)).toContainText("97 % CPU");
    await expect(alerts.nth(1)).toContainText("warning: Worker silent is stale");
    await expect(panel(page, "System overview")).toContainText("Degraded");
    await expect(panel(page, "System overview")).toContainText("Worker hot is overloaded");
  });
});

test.describe("on a desktop", () => {
  test.use({ viewport: DESKTOP });

  test("a hundred workers are seen without scrolling", async ({ page, serve }) => {
    const { url } = await serve();
    await report(url, quietFleet(100));
    await openLive(page, url);
    const workers = panel(page, "Workers");
    const cells = workers.getByRole("listitem");
    await expect(cells).toHaveCount(100);
    const panelBox = await boxOf(workers);
    expect(panelBox.bottom).toBeLessThanOrEqual(DESKTOP.height);
    const boxes = await boxesOf(cells);
    for (const box of boxes) {
      expect(box.right - box.left).toBeGreaterThanOrEqual(24);
      expect(box.bottom - box.top).toBeGreaterThanOrEqual(24);
      expect(inside(box, panelBox)).toBe(true);
    }
    expect(overlaps(boxes)).toBe(0);
    await expectNoSidewaysScroll(page);
  });

  test("fifteen workers are read at a glance: names, tasks and values in full", async ({ page, serve }) => {
    const { url } = await serve();
    await report(url, quietFleet(15));
    await openLive(page, url);
    const cards = panel(page, "Workers").getByRole("listitem");
    await expect(cards).toHaveCount(15);
    await expect(cards.first()).toContainText("001");
    const cut = await cards
      .locator("p, b, p > span")
      .evaluateAll((elements) =>
        elements
          .filter((one) => one.scrollWidth > one.clientWidth && one.clientWidth > 0)
          .map((one) => one.textContent),
      );
    expect(cut).toEqual([]);
    const smallest_px = await cards
      .locator("p")
      .evaluateAll((lines) =>
        Math.min(...lines.map((line) => Number.parseFloat(getComputedStyle(line).fontSize))),
      );
    expect(smallest_px).toBeGreaterThanOrEqual(10.5);
    for (const box of await boxesOf(cards)) expect(box.bottom).toBeLessThanOrEqual(DESKTOP.height);
  });

  test("a worker's name has its room beside a long type, which is shortened", async ({ page, serve }) => {
    const { url } = await serve();
    const fleet = quietFleet(19);
    const workers = fleet.workers!.map((worker) => ({ ...worker, type: "inference-large" }));
    await report(url, { ...fleet, workers });
    await openLive(page, url);
    const cards = panel(page, "Workers").getByRole("listitem");
    await expect(cards).toHaveCount(19);
    for (const card of await cards.all()) {
      const name = card.locator(".n b");
      expect(await name.evaluate((it) => [it.clientWidth > 20, it.scrollWidth <= it.clientWidth])).toEqual([
        true,
        true,
      ]);
      await expect(card.getByRole("link", { name: "inference-large" })).toBeAttached();
    }
  });
});

test("an empty fleet shows a command that sends the first report, and it works", async ({ page, serve }) => {
  const { url } = await serve();
  await openLive(page, url);
  const workers = panel(page, "Workers");
  await expect(workers).toContainText("No worker has reported yet");
  const command = await workers.locator("code").innerText();
  expect(command).toContain(`curl ${url}api/ingest`);
  execFileSync("sh", ["-c", command], { stdio: "pipe" });
  await expect(workers.getByRole("listitem")).toContainText("worker-01", SOON);
  await expect(figure(page, "Workers active")).toContainText("1 of 1", SOON);
});

test.describe("names from outside", () => {
  const hostile = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    `"><svg onload=alert(3)>`,
    `' " & </li></ul></section> <!--`,
    "javascript:alert(4)",
    "{{7*7}} <%= 7 %> \\u003cb>",
    "عامل-\u202eevil-\u202c١",
    "🛠️👩🏽‍🔧-worker",
    "__proto__",
    "W".repeat(256),
  ];

  for (const { size, grain } of [
    { size: 10, grain: "cards" },
    { size: 60, grain: "cells" },
    { size: 140, grain: "squares" },
  ]) {
    test(`are text and nothing else among ${size} workers (${grain})`, async ({ page, serve }) => {
      const { url } = await serve();
      await report(url, hostileFleet(hostile, size));
      await page.setViewportSize(DESKTOP);
      await openLive(page, url);
      await expect(panel(page, "Workers").locator(".w, .q[id]")).toHaveCount(size);
      expect(await titlesOf(page)).toContain(hostile[0]);
      expect(await titlesOf(page)).toContain(hostile[3]);
      await expect(panel(page, "Alerts")).toContainText(
        "Worker <script>alert(1)</script> is overloaded",
        SOON,
      );
      // Whatever was smuggled in would be an element that no view of ours makes.
      await expect(
        page.locator("main :is(script, img, iframe, form, [onerror], [onload], a[href*=':'])"),
      ).toHaveCount(0);
      await expect(page.locator("body > header, body > main, body > #live")).toHaveCount(3);
      await expectNoSidewaysScroll(page);
      await page.setViewportSize(PHONE);
      await expectNoSidewaysScroll(page);
      for (const box of await boxesOf(page.locator(".panel")))
        expect(box.right).toBeLessThanOrEqual(PHONE.width);
    });
  }
});

test.describe("on a phone", () => {
  test.use({ viewport: PHONE, hasTouch: true, isMobile: true });

  for (const size of [0, 15, 100, 300]) {
    test(`${size} workers need no sideways scroll`, async ({ page, serve }) => {
      const { url } = await serve();
      if (size > 0) await report(url, quietFleet(size), smallFleet(Date.now()));
      for (const path of ["", "status", "embed/worker-grid", "no/such/page"]) {
        await page.goto(url + path);
        await expectNoSidewaysScroll(page);
      }
    });
  }

  test.use({ tolerated: /404/ });
});

test.describe("the theme", () => {
  const background = (page: Page) =>
    page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);

  test("follows the system, and a link overrules it", async ({ page, serve }) => {
    const { url } = await serve();
    await page.emulateMedia({ colorScheme: "dark" });
    await openLive(page, url);
    const dark = await background(page);
    await page.emulateMedia({ colorScheme: "light" });
    const light = await background(page);
    expect(luminance(dark)).toBeLessThan(0.1);
    expect(luminance(light)).toBeGreaterThan(0.8);

    const themes = page.getByRole("navigation", { name: "Theme" });
    const choose = async (name: string) => {
      await page.getByText("View", { exact: true }).click();
      await themes.getByRole("link", { name }).click();
      await live(page);
    };
    await choose("dark");
    await expect(page).toHaveURL(/[?&]theme=dark/);
    expect(await background(page)).toBe(dark);
    await expect(page.locator('[aria-label="Theme"] [aria-current]')).toHaveText("dark");

    await page.emulateMedia({ colorScheme: "dark" });
    await choose("light");
    expect(await background(page)).toBe(light);
    await choose("auto");
    expect(await background(page)).toBe(dark);
  });
});

test("the demo fleet is marked on every page, and goes by itself when the first real report comes", async ({
  page,
  serve,
}) => {
  const { url } = await serve({ env: { EVENKEEL_DEMO: "auto" } });
  for (const path of ["embed/overview", "status", ""]) {
    await openLive(page, url + path);
    await expect(page.getByText("DEMO FLEET")).toBeVisible();
  }
  const cards = panel(page, "Workers").getByRole("listitem");
  await expect(cards).toHaveCount(15);

  await report(url, quietFleet(2, "real-"));
  await expect(page.getByText("DEMO FLEET")).toHaveCount(0, SOON);
  await expect(cards).toHaveCount(2, SOON);
  await live(page);
  await expect(panel(page, "Workers")).toContainText("real-001");
});

/** Two workers with a GPU and one without; tasks of two types in every state that has a figure. */
function smallFleet(now_ms: number) {
  const done = { type: "text", priority: 2, worker_id: "beta" } as const;
  const times = { queued_at: now_ms - 6000, started_at: now_ms - 4000, ended_at: now_ms - 1000 };
  return {
    at: now_ms,
    interval_s: QUIET_S,
    workers: [
      {
        id: "alpha",
        type: "gpu",
        interval_s: QUIET_S,
        metrics: {
          cpu_utilization: 40,
          gpu_utilization: 70,
          memory_utilization: 30,
          network_utilization: 12,
        },
      },
      {
        id: "beta",
        type: "cpu",
        interval_s: QUIET_S,
        metrics: { cpu_utilization: 20, memory_utilization: 50 },
      },
      {
        id: "gamma",
        type: "gpu",
        interval_s: QUIET_S,
        metrics: { cpu_utilization: 60, gpu_utilization: 50 },
      },
    ],
    tasks: [
      { id: "q1", type: "vision", priority: 1, status: "queued" as const },
      { id: "q2", type: "vision", priority: 1, status: "queued" as const },
      {
        id: "r1",
        type: "vision",
        priority: 1,
        status: "running" as const,
        worker_id: "alpha",
        ...started(now_ms),
      },
      ...["d1", "d2", "d3"].map((id) => ({ id, ...done, status: "completed" as const, ...times })),
      { id: "f1", ...done, status: "failed" as const, ...times },
    ],
  };
}

function started(now_ms: number) {
  return { queued_at: now_ms - 3000, started_at: now_ms - 1000 };
}

/** Every hostile text as id, type, hostname, tag and model at once, all overloaded; then harmless ones. */
function hostileFleet(texts: readonly string[], size: number) {
  const { workers = [] } = quietFleet(size - texts.length);
  return {
    source: texts[0]!,
    interval_s: QUIET_S,
    workers: [
      ...texts.map((text) => ({
        id: text,
        type: text,
        interval_s: QUIET_S,
        hostname: text,
        tags: [text],
        metrics: { cpu_utilization: 99 },
      })),
      ...workers,
    ],
    tasks: texts.flatMap((text) => [
      { id: text, type: text, model_id: text, status: "running" as const, worker_id: text },
      { id: `queued ${text.slice(0, 200)}`, type: text, priority: 1, status: "queued" as const },
    ]),
  };
}

/** The ids that the workers' titles begin with. */
async function titlesOf(page: Page): Promise<string[]> {
  const titles = await panel(page, "Workers")
    .locator("[title]")
    .evaluateAll((elements) => elements.map((one) => one.getAttribute("title") ?? ""));
  return titles.map((title) => title.replace(/: (active|overloaded|stale)\b.*$/s, ""));
}

function meter(resources: Locator, name: string): Locator {
  return resources.locator(".meter").filter({ has: resources.page().getByRole("heading", { name }) });
}

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

function boxesOf(locator: Locator): Promise<Box[]> {
  return locator.evaluateAll((elements) =>
    elements.map((element) => {
      const { left, top, right, bottom } = element.getBoundingClientRect();
      return { left, top, right, bottom };
    }),
  );
}

async function boxOf(locator: Locator): Promise<Box> {
  const [box] = await boxesOf(locator);
  return box!;
}

function inside(inner: Box, outer: Box): boolean {
  return (
    inner.left >= outer.left &&
    inner.right <= outer.right &&
    inner.top >= outer.top &&
    inner.bottom <= outer.bottom
  );
}

/** How many pairs of boxes cover each other by more than a rounding. */
function overlaps(boxes: readonly Box[]): number {
  const covers = (a: Box, b: Box) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;
  return boxes.flatMap((box, index) => boxes.slice(index + 1).filter((other) => covers(box, other))).length;
}

async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const beyond_px = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth - clientWidth;
  });
  expect(beyond_px).toBeLessThanOrEqual(0);
}

/** Relative luminance of a CSS colour as `getComputedStyle` writes it. WCAG 2.2. */
function luminance(color: string): number {
  const [r = 0, g = 0, b = 0] = (color.match(/[\d.]+/g) ?? []).map((text) => {
    const channel = Number(text) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
