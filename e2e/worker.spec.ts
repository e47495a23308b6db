import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { keepReporting, QUIET_S, quietFleet, type Report, report } from "./reports.ts";
import { expect, live, openLive, panel, SOON, test } from "./test.ts";

const WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

const HOSTILE = [
  "x".repeat(256),
  "<script>alert(1)</script>",
  "مرحبا بالعالم",
  "👩‍🚀 gpu/1?a=b#c",
  "..",
  "history",
];

/** A worker with a saturated GPU of eight and a task of every kind, beside one that is idle. */
function fleet(id: string, now_ms: number): Report {
  const task = { type: "vision", worker_id: id };
  const gpus = Array.from({ length: 8 }, (_, index) => ({
    index,
    utilization: index === 5 ? 99 : 40,
    memory_utilization: 50,
    temperature_celsius: 60 + index,
  }));
  return {
    source: "balancer",
    interval_s: QUIET_S,
    workers: [
      {
        ...{ id, interval_s: QUIET_S, type: "gpu", hostname: "rack-1", tags: ["cuda", "large"] },
        ...{ capabilities: { cpu_cores: 16, memory_bytes: 64 * 2 ** 30, backends: ["cpu", "cuda"] }, gpus },
        metrics: { cpu_utilization: 40, memory_utilization: 60, network_utilization: 10 },
      },
      { id: "idle", interval_s: QUIET_S, metrics: { cpu_utilization: 5 } },
    ],
    tasks: [
      { ...task, id: "runs", model_id: "vit-large", status: "running", started_at: now_ms - 45_000 },
      { ...task, id: "waits", model_id: "clip-b32", status: "assigned", queued_at: now_ms - 9000 },
      ...Array.from({ length: 3 }, (_, index) => ({
        ...{ ...task, id: `done-${index}`, model_id: "vit-large", status: "completed" as const },
        ...{ queued_at: now_ms - 30_000, started_at: now_ms - 20_000, ended_at: now_ms - 10_000 },
      })),
      { ...task, id: "bad", model_id: "vit-large", status: "failed", ended_at: now_ms - 5000 },
    ],
  } as Report;
}

/** Waits for the tick that makes a worker known. */
async function known(url: string, path: string): Promise<void> {
  await expect.poll(async () => (await fetch(`${url}${path}`)).status, SOON).toBe(200);
}

async function violations(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(WCAG_22_AA).analyze();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("; ")}`);
}

const sideways = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

test("a worker's card leads to its page, which says all there is of it and moves on by itself", async ({
  page,
  serve,
}) => {
  const { url } = await serve();
  await report(url, fleet("W3", Date.now()));
  await openLive(page, url);
  await panel(page, "Workers").getByRole("link", { name: /^W3: / }).click();
  await expect(page).toHaveURL(`${url}workers/W3`);
  await live(page);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Worker W3");

  const state = panel(page, "Worker state");
  await expect(state).toContainText("1 running, 1 pending");
  await expect(state).toContainText("rack-1");
  await expect(state).toContainText("64.0 GiB");
  await expect(state.getByRole("row", { name: /GPU 5 saturated/ })).toContainText(/99\s%/);
  await expect(state).toContainText("8 devices, 1 beyond 95");
  await expect(state).toContainText("3 of the last 4 tasks completed");
  await expect(state.locator("#wk-state")).toContainText("Overloaded", SOON);
  await expect(state).toContainText(/Busiest GPU 99\s%, threshold 95\s%/);

  const tasks = panel(page, "Current tasks");
  await expect(tasks.getByRole("link", { name: /vit-large/ })).toHaveAttribute("href", "tasks/runs");
  await expect(tasks.getByRole("listitem").filter({ hasText: "runs" })).toContainText("usual time not known");
  await expect(tasks.getByRole("listitem").filter({ hasText: "clip-b32" })).toContainText(/waits \d+ s/);
  const performance = panel(page, "Historical performance");
  await expect(performance).toContainText(/Last hour: 3 completed, 1\sattempt failed/);
  await expect(performance).toContainText(/75\.0\s% completed, mean 10\.0\s/);
  await expect(panel(page, "Resource trends").getByRole("img")).toHaveCount(4);
  await expect(panel(page, "Compatibility")).toContainText(/75\.0\s% of 4\stasks completed/);
  await expect(panel(page, "Alerts of this worker")).toContainText("Worker W3 is overloaded");
  const life = panel(page, "Life").getByRole("listitem");
  await expect(life.nth(0)).toContainText("overloaded");
  await expect(life.nth(1)).toContainText("joined");

  await report(url, { tasks: [{ id: "waits", status: "running", worker_id: "W3" }] });
  await expect(state).toContainText("2 running, 0 pending", SOON);
  await expect(tasks).toContainText("2 running");

  await panel(page, "Resource trends").getByRole("link", { name: "CPU" }).click();
  await expect(page).toHaveURL(/history\?workers=W3&worker_metrics=cpu_utilization&duration=15m/);
  await expect(panel(page, "History").getByRole("figure")).toHaveCount(1);
});

test("workers are reached by keyboard in the grid, whatever its grain", async ({ page, serve }) => {
  const { url } = await serve();
  for (const size of [15, 100]) {
    await report(url, quietFleet(size));
    await openLive(page, url);
    const links = panel(page, "Workers").getByRole("link");
    await expect(links).toHaveCount(size, SOON);
    const link = panel(page, "Workers").getByRole("link", { name: /^worker-007: / });
    await link.focus();
    await expect(link).toBeFocused();
    const box = (await link.boundingBox())!;
    expect(Math.min(box.width, box.height)).toBeGreaterThanOrEqual(20);
    await page.keyboard.press("Enter");
    await expect(page).toHaveURL(`${url}workers/worker-007`);
  }
  // Squares are for a pointer: their type's name leads to the same workers by name.
  await report(url, quietFleet(150));
  await openLive(page, url);
  await expect(panel(page, "Workers").locator(".q[id]")).toHaveCount(150, SOON);
  await panel(page, "Workers").locator(".group h3 a").first().press("Enter");
  await expect(page).toHaveURL(/\/workers(\?|$)/);
  await page.locator(".workers-list tbody th a").first().press("Enter");
  await expect(page).toHaveURL(/\/workers\/worker-\d+$/);
});

test("the page meets WCAG 2.2 AA in light and in dark, on a desktop and on a phone, and fits", async ({
  page,
  serve,
}) => {
  const { url } = await serve();
  await report(url, fleet("W3", Date.now()));
  await known(url, "workers/W3");
  for (const size of [DESKTOP, PHONE]) {
    await page.setViewportSize(size);
    for (const theme of ["light", "dark"]) {
      await openLive(page, `${url}workers/W3?theme=${theme}`);
      await expect(page.locator("#wk-state")).toContainText("Overloaded", SOON);
      expect(await violations(page)).toEqual([]);
      expect(await sideways(page)).toBe(0);
    }
  }
});

test("a worker of any name has its page, and its name stays a name", async ({ page, serve }) => {
  const { url } = await serve();
  const workers = HOSTILE.map((id) => ({ id, interval_s: QUIET_S, type: id, hostname: id, tags: [id] }));
  const tasks = HOSTILE.map((id) => ({
    id,
    model_id: id,
    type: id,
    status: "running" as const,
    worker_id: id,
  }));
  await report(url, { source: "balancer", interval_s: QUIET_S, workers, tasks });
  for (const size of [DESKTOP, PHONE]) {
    await page.setViewportSize(size);
    for (const [index, id] of HOSTILE.entries()) {
      await openLive(page, url);
      await panel(page, "Workers")
        .getByRole("listitem")
        .filter({ hasText: id.slice(0, 60) })
        .first()
        .getByRole("link")
        .click();
      await live(page);
      await expect(page.getByRole("heading", { level: 1 })).toContainText(id.slice(0, 60));
      await expect(panel(page, "Current tasks").getByRole("link")).toHaveCount(1);
      expect(await sideways(page), `${index}`).toBe(0);
      const data = await fetch(page.url().replace("/workers/", "/api/metrics/workers/"));
      expect(await data.json()).toMatchObject({ success: true, worker_id: id, type: id });
    }
  }
});

test.describe("of one that is not known", () => {
  test.use({ tolerated: /404 \(Not Found\)/ });

  test("says that there is none, and a name of ours is none", async ({ page, serve }) => {
    const { url } = await serve();
    await report(url, fleet("W3", Date.now()));
    for (const path of ["workers/W99", "workers/history", "workers/W3?at=1700000000000"]) {
      await page.goto(url + path);
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("Not Found");
    }
    const answer = await fetch(`${url}api/metrics/workers/history`);
    expect([answer.status, (await answer.json()).detail]).toEqual([
      404,
      "There is nothing at history; what is itself named so is at ~history",
    ]);
  });
});

test("nothing jumps while its figures change each second", async ({ page, serve }) => {
  const { url } = await serve();
  const stop = keepReporting(url, (turn) => {
    const { workers = [], tasks = [], ...rest } = fleet("W3", Date.now());
    const [first, ...others] = workers;
    const metrics = {
      cpu_utilization: 9 + (turn % 60),
      memory_utilization: 60,
      network_utilization: 7 + turn,
    };
    return {
      ...rest,
      workers: [{ ...first!, metrics }, ...others],
      tasks: [...tasks, { id: `more-${turn % 9}`, status: "running", worker_id: "W3", model_id: "bert" }],
    };
  });
  await page.addInitScript(() => {
    const seen = { shift: 0 };
    Object.assign(window, { seen });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) seen.shift += (entry as unknown as { value: number }).value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  await known(url, "workers/W3");
  await openLive(page, `${url}workers/W3`);
  await expect(page.locator("#wk-state")).toContainText("Overloaded", SOON);
  await expect(panel(page, "Current tasks")).toContainText("10 running", SOON);
  // From here on only figures change.
  await page.evaluate(() => {
    (window as unknown as { seen: { shift: number } }).seen.shift = 0;
  });
  const heard = page.locator("#wr-0-now");
  for (let change = 0; change < 5; change += 1) {
    const before = (await heard.textContent())!;
    await expect(heard).not.toHaveText(before, SOON);
  }
  const shift = await page.evaluate(() => (window as unknown as { seen: { shift: number } }).seen.shift);
  expect(shift).toBeLessThan(0.001);
  await stop();
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("the page is complete, and so is that of a worker that is gone, and of the past", async ({
    page,
    serve,
  }) => {
    const { url } = await serve();
    await report(url, { ...fleet("W3", Date.now()), complete: true } as Report);
    await known(url, "workers/W3");
    await page.goto(`${url}workers/W3`);
    await expect(page.locator("#wk-state")).toContainText("UTC");
    for (const title of ["Worker state", "Current tasks", "Historical performance", "Resource trends"])
      await expect(panel(page, title)).toBeVisible();
    await expect(panel(page, "Current tasks")).toContainText(/since \d\d:\d\d:\d\d\sUTC/);
    const { at_ms } = await (await fetch(`${url}api/metrics/workers/W3`)).json();

    // The source's next whole picture names it no more.
    const rest: Report = { source: "balancer", interval_s: QUIET_S, workers: [{ id: "idle" }] };
    await report(url, { ...rest, complete: true } as Report);
    await expect
      .poll(async () => (await (await fetch(`${url}api/metrics/workers/W3`)).json()).gone_ms, SOON)
      .not.toBeNull();
    await page.goto(`${url}workers/W3`);
    await expect(page.locator("#wk-state")).toContainText("Gone");
    await expect(panel(page, "Worker state")).toContainText("rack-1");
    await expect(panel(page, "Current tasks")).toContainText("Orphaned");
    await expect(panel(page, "Life").getByRole("listitem").first()).toContainText("gone");

    await page.goto(`${url}workers/W3?at=${at_ms}`);
    await expect(page.locator("#past")).toContainText("As it was");
    await expect(page.locator("#wk-state")).not.toContainText("Gone");
    await expect(panel(page, "Worker state")).toContainText("Only the score is kept");
    await expect(panel(page, "Current tasks")).toContainText("1 running");
    await panel(page, "Life").getByRole("link").first().click();
    await expect(page).toHaveURL(/\?at=\d+$/);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Overview");
  });
});
