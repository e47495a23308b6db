import { QUIET_S, quietFleet, report } from "./reports.ts";
import { expect, figure, panel, test } from "./test.ts";

/** The page asks for itself again every five seconds; the rest is for a slow machine. */
const REFRESHED = { timeout: 25_000 };

test.use({ javaScriptEnabled: false });

test("without JavaScript every panel has its content, and charts are drawings", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, quietFleet(15), {
    source: "balancer",
    interval_s: QUIET_S,
    tasks: [
      { id: "t1", type: "vision", priority: 1, status: "queued" },
      { id: "t2", type: "text", status: "running", worker_id: "worker-003" },
    ],
  });
  await expect(async () => {
    await page.goto(url);
    await expect(figure(page, "Workers active")).toContainText("15 of 15");
  }).toPass(REFRESHED);
  await expect(panel(page, "System overview")).toContainText("Healthy");
  await expect(panel(page, "Workers").getByRole("listitem")).toHaveCount(15);
  await expect(panel(page, "Task distribution").getByTitle("worker-003: text 1")).toBeVisible();
  await expect(panel(page, "Alerts")).toContainText("Nothing needs attention");
  await expect(panel(page, "Resource utilisation").locator("svg.histogram").first()).toBeVisible();
  const charts = panel(page, "Performance").getByRole("img");
  await expect(charts).toHaveCount(3);
  await expect(charts.locator("path.line").first()).toBeAttached();
  await expect(page.locator("canvas")).toHaveCount(0);
  // It can't know that ticks stopped, so it says when it was made and does not claim to be live.
  await expect(page.locator("#live-state")).toHaveText(/^as of \d\d:\d\d:\d\d\sUTC\s*(hold still)?$/);
  await expect(page.getByText("Updates have stopped")).toBeHidden();
});

test("without JavaScript the page refreshes itself", async ({ page, serve }) => {
  const { url } = await serve();
  await page.goto(url);
  await expect(panel(page, "Workers")).toContainText("No worker has reported yet");
  await report(url, quietFleet(3));
  await expect(panel(page, "Workers").getByRole("listitem")).toHaveCount(3, REFRESHED);
});

test("without JavaScript the theme's links work, and last through a refresh", async ({ page, serve }) => {
  const { url } = await serve();
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto(url);
  const choose = async (name: string) => {
    await page.getByText("View", { exact: true }).click();
    await page.getByRole("navigation", { name: "Theme" }).getByRole("link", { name }).click();
  };
  await choose("dark");
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.waitForEvent("load", REFRESHED);
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await choose("auto");
  await expect(page.locator("html")).not.toHaveAttribute("data-theme");
});

test("without JavaScript the page holds still for whoever fills in a form", async ({ page, serve }) => {
  const { url } = await serve();
  await page.goto(url);
  await page.getByRole("link", { name: "hold still" }).click();
  await expect(page).toHaveURL(/refresh=off/);
  await expect(page.locator("meta[http-equiv=refresh]")).toHaveCount(0);
  await page.getByText("Filter", { exact: true }).click();
  await page.getByRole("textbox", { name: "Text" }).fill("x");
  await page.getByRole("button", { name: "Apply" }).click();
  await expect(page).toHaveURL(/q=x&refresh=off/);
  await page.getByRole("link", { name: "go on" }).click();
  await expect(page.locator("meta[http-equiv=refresh]")).toHaveCount(1);
});

test("without JavaScript the status page and an embedded panel are complete too", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, quietFleet(3), { source: "balancer", interval_s: QUIET_S });
  await page.goto(`${url}embed/worker-grid`);
  await expect(panel(page, "Workers").getByRole("listitem")).toHaveCount(3, REFRESHED);
  await page.goto(`${url}status`);
  await expect(page.getByRole("main")).toContainText("balancer", REFRESHED);
});

test("without JavaScript an instant stands on one line, and how long an alert has lasted is not cut", async ({
  page,
  serve,
}) => {
  const { url } = await serve();
  await report(url, {
    interval_s: QUIET_S,
    workers: [{ id: "W3", type: "gpu", interval_s: QUIET_S, metrics: { cpu_utilization: 97 } }],
  });
  await page.setViewportSize({ width: 1440, height: 900 });
  const counts = async () => (await (await fetch(`${url}api/alert-counts`)).json()).critical;
  await expect.poll(counts, REFRESHED).toBe(1);
  await page.goto(`${url}alerts/worker_overload%3AW3?refresh=off`);
  const times = page.locator(".alert-steps time");
  const lines = await times.evaluateAll((all) => all.map((time) => time.getClientRects().length));
  expect(lines.length).toBeGreaterThan(2);
  expect(new Set(lines)).toEqual(new Set([1]));
  await page.goto(`${url}alerts`);
  const lasted = panel(page, "Alert list").locator("td.c-lasted");
  await expect(lasted).toHaveText(/^since \d\d:\d\d:\d\d\sUTC$/);
  expect(await lasted.evaluate((cell) => cell.scrollWidth <= cell.clientWidth)).toBe(true);
});
