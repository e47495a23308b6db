import type { Page } from "@playwright/test";
import { QUIET_S, type Report, report } from "./reports.ts";
import { runEvenkeel } from "./server.ts";
import { expect, openLive, panel, SOON, test } from "./test.ts";

const MINUTE_MS = 60_000;
const CPU = 40;
const PEAK = 90;

/** A worker's last ten minutes, second by second, with one second of a peak in their middle. */
function tenMinutes(now_ms: number): Report[] {
  return Array.from({ length: 600 }, (_, second) => ({
    at: now_ms - (600 - second) * 1000,
    source: "balancer",
    workers: [{ id: "W/1", metrics: { cpu_utilization: second === 300 ? PEAK : CPU } }],
  }));
}

/** The place of the numbers at a chart's right edge, CSS pixels. */
const AXIS_WIDTH = 52;
const minute = (at_ms: number) => Math.floor(at_ms / MINUTE_MS) * MINUTE_MS;

const charts = (page: Page) => panel(page, "History").locator(".plot canvas");
const legend = (page: Page) => panel(page, "History").locator(".legend");

test("a worker's history is drawn, and a drag asks for the finer data and says so in the address", async ({
  page,
  serve,
}) => {
  const { url } = await serve();
  const now_ms = Math.floor(Date.now() / 1000) * 1000;
  await report(url, ...tenMinutes(now_ms));
  const query = `workers=W/1&worker_metrics=cpu_utilization&from=${now_ms - 10 * MINUTE_MS}&to=${now_ms}&points=10`;
  await expect(async () => {
    await openLive(page, `${url}history?${query}`);
    await expect(legend(page)).toContainText(`${CPU} %`, { timeout: 1000 });
  }).toPass(SOON);
  await expect(charts(page)).toHaveCount(1);
  const box = (await charts(page).boundingBox())!;
  const [first_ms, end_ms] = [minute(now_ms - 10 * MINUTE_MS), minute(now_ms + MINUTE_MS - 1)];
  const at = (time_ms: number) =>
    box.x + ((box.width - AXIS_WIDTH) * (time_ms - first_ms)) / (end_ms - first_ms);
  // A minute's point stands at its start; of the one that has the peak the pointer reads the mean.
  const peak_ms = minute(now_ms - 300_000);
  await page.mouse.move(at(peak_ms), box.y + 40);
  await expect(legend(page)).toContainText("40.8 %");

  const answered = page.waitForResponse(
    (response) =>
      /\/api\/.*\/history\?/.test(response.url()) &&
      !response.url().includes(`from=${now_ms - 10 * MINUTE_MS}`),
  );
  await page.mouse.move(at(peak_ms - MINUTE_MS), box.y + 40);
  await page.mouse.down();
  await page.mouse.move(at(peak_ms + 2 * MINUTE_MS), box.y + 40, { steps: 5 });
  await page.mouse.up();
  const finer = await (await answered).json();
  expect(finer.step_s).toBeLessThan(60);
  expect(Math.max(...finer.series[0].max)).toBe(PEAK);
  await expect(page).toHaveURL(/from=\d+&to=\d+/);
  expect(new URL(page.url()).searchParams.get("from")).not.toBe(String(now_ms - 10 * MINUTE_MS));
  await expect(charts(page)).toHaveCount(1);
  // All of the page is of that window, not the charts alone.
  const from = new URL(page.url()).searchParams.get("from");
  await expect(page.getByRole("textbox", { name: "From" })).not.toHaveValue("");
  await page.getByRole("link", { name: "Zoom out" }).click();
  await expect.poll(() => Number(new URL(page.url()).searchParams.get("from"))).toBeLessThan(Number(from));

  await page.goBack();
  await page.goBack();
  await expect(page).toHaveURL(new RegExp(`from=${now_ms - 10 * MINUTE_MS}`));
});

test("a sample that stands alone between gaps is drawn", async ({ page, serve }) => {
  const { url } = await serve();
  const now_ms = Math.floor(Date.now() / 1000) * 1000;
  await report(url, ...tenMinutes(now_ms).slice(0, 1));
  const query = "workers=W/1&worker_metrics=cpu_utilization&duration=7d";
  const blue = () =>
    charts(page).evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
      let pixels = 0;
      for (let i = 0; i < data.length; i += 4) {
        // Of the colour of the first series; axes, grid and words are grey, and an alert's mark is red.
        if (data[i + 3]! > 200 && data[i + 2]! - data[i]! > 80) pixels += 1;
      }
      return pixels;
    });
  await expect(async () => {
    await openLive(page, `${url}history?${query}`);
    await expect(charts(page)).toHaveCount(1, { timeout: 1000 });
    expect(await blue()).toBeGreaterThan(3);
  }).toPass(SOON);
});

test("what comes in is appended while the page is open", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, { tasks: [{ id: "t1", status: "queued" }] });
  await openLive(page, `${url}history?metrics=queued_tasks&duration=5m`);
  await expect(legend(page)).toContainText("1", SOON);
  await report(url, {
    tasks: [
      { id: "t2", status: "queued" },
      { id: "t3", status: "queued" },
    ],
  });
  await expect(legend(page)).toContainText("3", SOON);
});

test("history is cut by a task type, and by no two things at once", async ({ page, serve, request }) => {
  const { url } = await serve();
  const now_ms = Date.now();
  const ended = (id: string, type: string, took_s: number) => ({
    id,
    type,
    status: "completed" as const,
    queued_at: now_ms - took_s * 1000,
    started_at: now_ms - took_s * 500,
    ended_at: now_ms,
  });
  await report(url, { tasks: [ended("a", "vision", 10), ended("b", "vision", 10), ended("c", "text", 40)] });
  const took = panel(page, "How long tasks took");
  const vision = took.getByRole("img", { name: /^Latency.* of 2 tasks.*p95 (9\.[5-9]|10\.[0-5])\ss/ });
  await expect(async () => {
    await openLive(page, `${url}history?task_type=vision&metrics=completed_tasks&duration=5m`);
    await expect(vision).toBeVisible({ timeout: 500 });
  }).toPass(SOON);
  await expect(legend(page)).toContainText("2");
  await page.getByTitle("Show the whole fleet again").click();
  await expect(took.getByRole("img", { name: /^Latency.* of 3 tasks.*p99 (39|40|41)\.\d\ss/ })).toBeVisible();
  const both = await request.get(`${url}api/metrics/system/history?task_type=vision&worker_type=gpu`);
  expect(both.status()).toBe(400);
  expect((await both.json()).detail).toContain("got worker_type and task_type");
});

test("a mark that was set stands below the charts in words", async ({ page, serve, request }) => {
  const { url } = await serve();
  await report(url, { workers: [{ id: "W1" }] });
  const text = "<b>model server</b> 2.4";
  const { code } = await runEvenkeel(["mark", text, "--kind", "deploy", "--url", url]);
  expect(code).toBe(0);
  await expect(async () => {
    await openLive(page, `${url}history?metrics=total_workers&duration=5m`);
    const marks = page.getByRole("region", { name: "Marks" });
    await expect(marks).toContainText(`deploy ${text}`, { timeout: 500 });
    await expect(marks).toContainText("restart Evenkeel started");
  }).toPass(SOON);
  const data = await (await request.get(`${url}api/metrics/system/history?duration=5m`)).json();
  expect(data.marks).toContainEqual({ at_ms: expect.any(Number), kind: "deploy", text });
});

test("where an alert began to fire stands a mark", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, { interval_s: QUIET_S, workers: [{ id: "W<1>", metrics: { cpu_utilization: 99 } }] });
  await expect(async () => {
    await page.goto(`${url}history?metrics=total_workers&duration=5m`);
    const marks = page.getByRole("region", { name: "Marks" });
    await expect(marks).toContainText("alert Worker W<1> is overloaded", { timeout: 500 });
  }).toPass(SOON);
  const svg = await (
    await fetch(`${url}api/metrics/system/history?metrics=total_workers&duration=5m&format=svg`)
  ).text();
  expect(svg).toMatch(/<path class="alert-marks"[^>]* d="M[\d.]+ 0V7"/);
});

test("a window is put beside an earlier one, and look and zone are kept meanwhile", async ({
  page,
  serve,
}) => {
  const { url } = await serve();
  await openLive(page, `${url}history?metrics=total_workers&duration=5m&theme=dark&tz=Asia/Tokyo`);
  await page.getByLabel("beside").selectOption("the day before");
  await page.getByRole("button", { name: "Show" }).click();
  await expect(page).toHaveURL(/compare=24h/);
  await expect(panel(page, "History")).toContainText("no data for the window 24h before");
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.getByRole("link", { name: "15m", exact: true }).click();
  await expect(page).toHaveURL(/compare=24h&tz=Asia%2FTokyo&theme=dark/);
  await expect(page.locator("#live-state")).toContainText("UTC+9", SOON);
});

test("a chart keeps its size when the colours change", async ({ page, serve }) => {
  const { url } = await serve();
  await page.emulateMedia({ colorScheme: "light" });
  await openLive(page, `${url}history?metrics=total_workers&duration=5m`);
  await expect(charts(page)).toHaveCount(1);
  const { height } = (await charts(page).boundingBox())!;
  const light = await charts(page).elementHandle();
  await page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(() => light!.evaluate((canvas) => canvas.isConnected)).toBe(false);
  expect((await charts(page).boundingBox())!.height).toBe(height);
  expect(height).toBeGreaterThan(100);
});

test("what is kept can be read as a table, and fetched as CSV", async ({ page, serve, request }) => {
  const { url } = await serve();
  await report(url, { workers: [{ id: "W1" }] });
  await openLive(page, `${url}history?metrics=total_workers&duration=5m`);
  const data = panel(page, "History").locator("details.data");
  await data.locator("summary").focus();
  await page.keyboard.press("Enter");
  await expect(data.getByRole("row")).toHaveCount(31);
  const csv = await request.get(
    new URL((await data.getByRole("link", { name: "CSV" }).getAttribute("href"))!, url).href,
  );
  expect(csv.headers()["content-type"]).toBe("text/csv; charset=utf-8");
  expect((await csv.text()).split("\r\n")[0]).toBe("time,total_workers");
});

test("the range and the metrics are chosen on the page", async ({ page, serve }) => {
  const { url } = await serve();
  await openLive(page, `${url}history`);
  await page.getByRole("navigation", { name: "Range" }).getByRole("link", { name: "6h" }).click();
  await expect(page).toHaveURL(/history\?duration=6h$/);
  await page.getByText("Metrics, filters, workers, time zone").click();
  const fleet = page.getByRole("group", { name: "The whole fleet" });
  const checked = fleet.getByRole("checkbox", { checked: true });
  for (let left = await checked.count(); left > 0; left--) await checked.first().uncheck();
  await fleet.getByRole("checkbox", { name: "Success ratio" }).check();
  await page.getByRole("button", { name: "Show" }).click();
  await expect(page).toHaveURL(/metrics=success_ratio/);
  await expect(panel(page, "History").locator(".chart-place")).toHaveCount(1);
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("history is drawn by the server and its ranges are links", async ({ page, serve }) => {
    const { url } = await serve();
    await report(url, { workers: [{ id: "W1", metrics: { cpu_utilization: 40 } }] });
    await page.goto(`${url}history`);
    await expect(panel(page, "History").locator("svg.drawing")).not.toHaveCount(0);
    await page.getByRole("navigation", { name: "Range" }).getByRole("link", { name: "15m" }).click();
    await expect(panel(page, "History").getByText("a point each 5s")).toBeVisible();
    await expect(page.locator("canvas")).toHaveCount(0);
  });
});
