import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { keepReporting, QUIET_S, quietFleet, type Report, report } from "./reports.ts";
import { CONNECTION_LOST, expect, figure, live, openLive, panel, SOON, test } from "./test.ts";

interface Tick {
  tick: number;
  at_ms: number;
}

interface Watched {
  ticks: Tick[];
  shift: number;
  moved: string[];
}

declare global {
  interface Window {
    watched: Watched;
    mutated: string[];
    marker: string;
  }
}

/** Notes each tick that arrives and each shift of the layout, from the first moment of every document. */
async function watch(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const watched: Watched = { ticks: [], shift: 0, moved: [] };
    window.watched = watched;
    document.addEventListener("tick", (event) =>
      watched.ticks.push(JSON.parse((event as CustomEvent<{ data: string }>).detail.data)),
    );
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as LayoutShift[]) {
        watched.shift += entry.value;
        for (const { node, previousRect: from, currentRect: to } of entry.sources) {
          // Figures are flush right: one with more digits begins further left and moves nothing.
          if (Math.abs(from.right - to.right) < 2 && from.y === to.y && from.height === to.height) continue;
          const element = node instanceof Element ? node : node?.parentElement;
          const part = element?.closest("[id]")?.id;
          const rects = JSON.stringify({ from, to });
          watched.moved.push(`${element?.localName} "${element?.textContent}" of ${part}: ${rects}`);
        }
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
}

interface LayoutShift extends PerformanceEntry {
  readonly value: number;
  readonly sources: readonly {
    node: Node | null;
    previousRect: DOMRectReadOnly;
    currentRect: DOMRectReadOnly;
  }[];
}

/** Waits until so many more ticks have arrived. */
async function ticks(page: Page, count: number): Promise<void> {
  const heard = () => page.evaluate(() => window.watched.ticks.length);
  const before = await heard();
  await expect.poll(heard, { timeout: 20_000 + count * 2000 }).toBeGreaterThanOrEqual(before + count);
}

test.beforeEach(({ page }) => watch(page));

test("values change by themselves, and the page is never loaded again", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, quietFleet(3));
  await openLive(page, url);
  await page.evaluate(() => {
    window.marker = "the same document";
  });
  const mean = panel(page, "Resource utilisation").locator(".meter").first();
  for (const cpu_utilization of [12, 56, 7]) {
    await report(url, {
      workers: ["worker-001", "worker-002", "worker-003"].map((id) => ({ id, metrics: { cpu_utilization } })),
    });
    await expect(mean).toContainText(new RegExp(`\\b${cpu_utilization}\\s%`), SOON);
  }
  await report(url, { workers: [{ id: "worker-004", interval_s: QUIET_S }] });
  await expect(panel(page, "Workers").getByRole("listitem")).toHaveCount(4, SOON);
  expect(await page.evaluate(() => window.marker)).toBe("the same document");
});

test("the server speaks each second, even when nothing changes", async ({ page, serve }) => {
  const { url } = await serve();
  await openLive(page, url);
  await ticks(page, 6);
  const heard = await page.evaluate(() => window.watched.ticks);
  const [first] = heard;
  expect(heard.map(({ tick }) => tick)).toEqual(heard.map((_, index) => first!.tick + index));
  const lasted_s = (heard.at(-1)!.at_ms - first!.at_ms) / 1000;
  expect(lasted_s / (heard.length - 1)).toBeCloseTo(1, 0);
  await expect(page.locator("#live-state")).toHaveText(/^live( · \d s ago)? · UTC/);
});

test.describe("while everything around it changes", () => {
  test("focus, typed text, caret, scroll, selection and open details stay as they are", async ({
    page,
    serve,
  }) => {
    const { url } = await serve();
    await page.setViewportSize({ width: 900, height: 500 });
    await report(url, restless(0));
    await openLive(page, url);
    // No view has a form yet: what later ones bring stands beside live panels, as here.
    await page.locator("main").evaluate((main) => {
      main.insertAdjacentHTML(
        "afterbegin",
        `<div class="panel"><input aria-label="Note"><details><summary>More</summary>open</details></div>`,
      );
    });
    await page.getByText("More").click();
    const note = page.getByLabel("Note");
    await note.pressSequentially("half a sentence");
    await note.press("ArrowLeft");
    await panel(page, "Task distribution").scrollIntoViewIfNeeded();
    await page.evaluate(() => scrollTo(0, 400));
    const before = await stateOf(page);
    expect(before).toMatchObject({
      scroll: 400,
      focused: "Note",
      typed: "half a sentence",
      caret: 14,
      open: true,
    });

    const stop = keepReporting(url, restless);
    await ticks(page, 4);
    expect(await stateOf(page)).toEqual(before);

    // A selection of text inside of a panel that changes.
    const heading = panel(page, "Workers").getByRole("heading", { level: 2 });
    await heading.selectText();
    const selected = await page.evaluate(() => String(getSelection()));
    expect(selected).toContain("Workers");
    await ticks(page, 3);
    expect(await page.evaluate(() => String(getSelection()))).toBe(selected);

    await page.getByText("View", { exact: true }).click();
    const link = page.getByRole("navigation", { name: "Theme" }).getByRole("link", { name: "dark" });
    await link.focus();
    await ticks(page, 3);
    await expect(link).toBeFocused();
    await stop();
  });

  test("nothing moves: the layout does not shift in six ticks", async ({ page, serve }) => {
    const { url } = await serve();
    const stop = keepReporting(url, restless);
    await openLive(page, url);
    await ticks(page, 2);
    await page.evaluate(() => Object.assign(window.watched, { shift: 0, moved: [] }));
    await ticks(page, 6);
    const { shift, moved } = await page.evaluate(() => window.watched);
    expect(moved).toEqual([]);
    expect(shift).toBeLessThan(0.005);
    await stop();
  });

  test("only what changed is touched", async ({ page, serve }) => {
    const { url } = await serve();
    await report(url, quietFleet(20), {
      interval_s: QUIET_S,
      tasks: [{ id: "waits", type: "vision", priority: 1, status: "queued" }],
    });
    await openLive(page, url);
    await ticks(page, 2);
    await page.evaluate(() => {
      window.mutated = [];
      const note = (records: MutationRecord[]) => {
        for (const { target } of records) {
          const element = target instanceof Element ? target : target.parentElement;
          // Elapsed times count on in the page itself.
          if (element?.closest("time")) continue;
          const part = element?.closest("main [id]") ?? element;
          window.mutated.push(part?.id ?? "");
        }
      };
      new MutationObserver(note).observe(document.querySelector("main")!, {
        subtree: true,
        childList: true,
        characterData: true,
        attributes: true,
      });
    });
    for (const cpu_utilization of [11, 22, 33, 44]) {
      await report(url, {
        interval_s: QUIET_S,
        workers: [{ id: "worker-007", metrics: { cpu_utilization } }],
      });
      await expect(panel(page, "Workers").getByTitle("worker-007")).toHaveAttribute(
        "title",
        new RegExp(`CPU ${cpu_utilization}\\s%`),
        SOON,
      );
    }
    const touched = new Set(await page.evaluate(() => window.mutated));
    const own = await panel(page, "Workers").getByTitle("worker-007").getAttribute("id");
    expect(touched).toContain(own);
    const others = await panel(page, "Workers")
      .getByRole("listitem")
      .evaluateAll((cards) => cards.map(({ id }) => id));
    for (const id of others) if (id !== own) expect(touched).not.toContain(id);
    for (const id of touched) {
      const within = await page.locator(`#${id}`).evaluate((one) => one.closest(".panel")?.id);
      expect(["p-worker-grid", "p-resources", "p-performance"]).toContain(within);
    }
  });
});

test.describe("when the server dies", () => {
  test.use({ tolerated: CONNECTION_LOST });

  test("the page says so within three seconds, and recovers by itself with the same fleet", async ({
    page,
    serve,
    folder,
  }) => {
    const db = join(folder, "evenkeel.db");
    const first = await serve({ db });
    await report(first.url, quietFleet(12), {
      interval_s: QUIET_S,
      tasks: [
        { id: "t1", type: "vision", status: "running", worker_id: "worker-001" },
        { id: "t2", type: "vision", status: "completed", worker_id: "worker-002" },
      ],
    });
    await openLive(page, first.url);
    await expect(figure(page, "Workers active")).toContainText("12 of 12", SOON);
    await expect(figure(page, "Success ratio")).toContainText("1 completed", SOON);
    await ticks(page, 1);
    const titles = await titlesOfWorkers(page);
    await page.evaluate(() => {
      window.marker = "the same document";
    });

    const stale_ms = page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          const root = document.documentElement;
          let heard = performance.now();
          document.addEventListener("tick", () => {
            heard = performance.now();
          });
          new MutationObserver(() => {
            if (root.classList.contains("stale")) resolve(performance.now() - heard);
          }).observe(root, { attributeFilter: ["class"] });
        }),
    );
    await first.kill();
    await expect(page.getByRole("alert")).toContainText("Updates have stopped", SOON);
    await expect(page.locator("#live-state")).toHaveText(/^No update for \d+ s — reconnecting/);
    // Three seconds are promised; the rest is for a busy machine.
    expect(await stale_ms).toBeLessThan(4500);
    expect(await titlesOfWorkers(page)).toEqual(titles);

    const second = await serve({ db, port: first.port });
    await live(page);
    await expect(page.getByRole("alert")).toBeHidden();
    await expect(page.locator("html")).not.toHaveClass(/stale/);
    expect(await titlesOfWorkers(page)).toEqual(titles);
    await expect(figure(page, "Success ratio")).toContainText("1 completed");
    await report(second.url, { workers: [{ id: "worker-013", interval_s: QUIET_S }] });
    await expect(figure(page, "Workers active")).toContainText("13 of 13", SOON);
    expect(await page.evaluate(() => window.marker)).toBe("the same document");
  });

  test("a page whose first connection fails becomes live once there is one", async ({ page, serve }) => {
    const { url } = await serve();
    await page.route("**/stream?*", (route) => route.abort("connectionrefused"), { times: 2 });
    await page.goto(url);
    await expect(page.getByRole("alert")).toContainText("Updates have stopped", SOON);
    await live(page);
    await expect(page.getByRole("alert")).toBeHidden();
    await report(url, quietFleet(2));
    await expect(panel(page, "Workers").getByRole("listitem")).toHaveCount(2, SOON);
  });
});

test("a first load takes at most five requests, all of them to the same host", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, quietFleet(100));
  const requests: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  await openLive(page, url);
  await ticks(page, 2);
  // Not every browser tells of the icon that it loads.
  const icon = await page.locator("link[rel=icon]").evaluate((link) => (link as HTMLLinkElement).href);
  const addresses = new Set([...requests, icon]);
  expect([...addresses].filter((address) => !address.startsWith(url))).toEqual([]);
  expect(requests.length - requests.filter((address) => address === icon).length + 1).toBeLessThanOrEqual(5);
});

test.describe("in a frame of another origin", () => {
  test.use({ tolerated: /frame-ancestors/ });

  test("a panel is refused unless the settings name the origin", async ({ page, serve }) => {
    let embed = "";
    const wiki = createServer((_, response) => {
      response.setHeader("Content-Type", "text/html");
      response.end(`<!doctype html><title>Wiki</title><iframe src="${embed}" title="Panel"></iframe>`);
    });
    await new Promise<void>((resolve) => wiki.listen(0, "127.0.0.1", resolve));
    const origin = `http://127.0.0.1:${(wiki.address() as AddressInfo).port}`;
    const frame = page.frameLocator("iframe");
    try {
      const closed = await serve();
      embed = `${closed.url}embed/overview`;
      const refused = page.waitForEvent("console", (message) => /frame-ancestors/.test(message.text()));
      await page.goto(origin);
      await refused;
      await expect(frame.getByRole("heading", { name: "System overview" })).toHaveCount(0);

      const open = await serve({ env: { EVENKEEL_FRAME_ANCESTORS: `self, ${origin}` } });
      await report(open.url, quietFleet(4));
      embed = `${open.url}embed/overview`;
      await page.goto(origin);
      await expect(frame.locator("#live-state")).toHaveAttribute("data-state", "polling", SOON);
      await expect(frame.getByText("4 of 4")).toBeVisible(SOON);
      await report(open.url, { workers: [{ id: "worker-005", interval_s: QUIET_S }] });
      await expect(frame.getByText("5 of 5")).toBeVisible(SOON);

      // What is no embed stays ours, whatever the settings say.
      embed = open.url;
      const own = page.waitForEvent("console", (message) => /frame-ancestors/.test(message.text()));
      await page.goto(origin);
      await own;
    } finally {
      wiki.close();
      wiki.closeAllConnections();
    }
  });
});

/** A fleet whose every value moves with the turn, and whose tasks come and go. */
function restless(turn: number): Report {
  const now_ms = Date.now();
  const wave = (phase: number) => 45 + 40 * Math.sin(turn / 3 + phase);
  return {
    source: "restless",
    interval_s: QUIET_S,
    workers: Array.from({ length: 15 }, (_, index) => ({
      id: `worker-${index + 1}`,
      type: index % 2 ? "gpu" : "cpu",
      interval_s: QUIET_S,
      metrics: {
        cpu_utilization: wave(index),
        gpu_utilization: wave(2 * index),
        memory_utilization: wave(3 * index),
        network_utilization: wave(4 * index),
      },
    })),
    tasks: [
      ...["vision", "text"].map((type, index) => ({
        id: `${type}-${turn}`,
        type,
        priority: 1 + (turn % 3),
        status: "running" as const,
        worker_id: `worker-${1 + ((turn + index) % 15)}`,
        queued_at: now_ms - 2000,
        started_at: now_ms - 500,
      })),
      { id: `text-${turn - 3}`, type: "text", status: turn % 5 ? "completed" : "failed" },
      { id: `vision-${turn - 4}`, type: "vision", status: "completed" },
      { id: `queued-${turn % 4}`, type: "text", priority: 1 + (turn % 3), status: "queued" },
    ],
  };
}

/** What a person at the page would lose. */
function stateOf(page: Page) {
  return page.evaluate(() => {
    const focused = document.activeElement as HTMLInputElement;
    return {
      scroll: scrollY,
      focused: focused.getAttribute("aria-label"),
      typed: focused.value,
      caret: focused.selectionStart,
      open: document.querySelector<HTMLDetailsElement>("main details:not(.forms)")?.open,
    };
  });
}

function titlesOfWorkers(page: Page): Promise<(string | null)[]> {
  return panel(page, "Workers")
    .getByRole("listitem")
    .evaluateAll((cards) => cards.map((card) => card.getAttribute("title")));
}
