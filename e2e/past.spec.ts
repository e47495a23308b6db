import { AxeBuilder } from "@axe-core/playwright";
import { quietFleet, report } from "./reports.ts";
import { expect, figure, openLive, panel, SOON, test } from "./test.ts";

/** A fleet of three of which one is overloaded from the second tick on; the moments before and after. */
async function overloadedSince(url: string): Promise<{ before_ms: number; after_ms: number }> {
  await report(url, quietFleet(3));
  const before_ms = await ticks(url, 2);
  await report(url, {
    source: "balancer",
    interval_s: 600,
    workers: [{ id: "worker-002", metrics: { cpu_utilization: 99 } }],
  });
  await expect
    .poll(async () => (await (await fetch(`${url}api/alerts`)).json()).alerts.length, SOON)
    .toBeGreaterThan(0);
  return { before_ms, after_ms: await ticks(url, 2) };
}

/** Waits for so many more ticks; the time of the last. */
async function ticks(url: string, count: number): Promise<number> {
  const now = async () => (await (await fetch(`${url}index.json`)).json()) as { tick: number; at_ms: number };
  const { tick } = await now();
  let last = await now();
  await expect(async () => {
    last = await now();
    expect(last.tick).toBeGreaterThanOrEqual(tick + count);
  }).toPass(SOON);
  return last.at_ms;
}

test.describe("with JavaScript", () => {
  test("the dashboard is shown as it was, stands still, and leads back to the present", async ({
    page,
    serve,
  }) => {
    const { url } = await serve();
    const { before_ms, after_ms } = await overloadedSince(url);
    await page.goto(`${url}?at=${before_ms}&tz=Asia/Tokyo`);
    await expect(page.locator("#past")).toContainText(/As it was at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\+9/);
    await expect(panel(page, "Alerts")).toContainText("Nothing needs attention");
    await expect(panel(page, "Workers").getByRole("listitem")).toHaveCount(3);
    const shown = await page.locator("main").innerHTML();
    await ticks(url, 3);
    expect(await page.locator("main").innerHTML()).toBe(shown);

    await page.goto(`${url}?at=${after_ms}`);
    await expect(panel(page, "Alerts")).toContainText("Worker worker-002 is overloaded");
    // An age is that of the moment, not of now.
    const age = panel(page, "Alerts").locator("time.ago");
    await expect(age).toHaveText(/^for \d+ s$/);
    const then = await age.textContent();
    await ticks(url, 2);
    await expect(age).toHaveText(then!);

    await page.getByRole("link", { name: "Back to live" }).click();
    await expect(page.locator("#live-state")).toHaveAttribute("data-state", "live", SOON);
    await expect(page.locator("#past")).toHaveCount(0);
    // So far there are no five minutes to go back.
    await page.getByRole("link", { name: "Rewind to the start" }).click();
    await expect(page).toHaveURL(/[?&]at=\d+/);
    await expect(page.locator("#past").getByText("−10 s")).not.toHaveAttribute("href", /./);
    await page.goto(`${url}?at=-5m`);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Not Found");
    await expect(page.locator("main")).toContainText("Nothing is kept of");
    await page
      .getByRole("link", { name: /^\d{4}-\d\d-\d\d/ })
      .first()
      .click();
    await expect(page.locator("#past")).toBeVisible();
    await expect(page.locator("#past").getByText("−10 s")).not.toHaveAttribute("href", /./);
    await page.goto(`${url}?at=${after_ms}`);
    await page.getByRole("link", { name: "Workers", exact: true }).click();
    await expect(page).toHaveURL(`${url}workers?at=${after_ms}`);
    await page.getByRole("link", { name: "worker-001" }).click();
    await expect(page).toHaveURL(`${url}workers/worker-001?at=${after_ms}`);
    await page.getByRole("link", { name: "Back to live" }).click();
    await expect(page).toHaveURL(`${url}workers/worker-001`);
  });

  test.use({ tolerated: /404 \(Not Found\)/ });

  test("a row of history leads to the dashboard of its moment", async ({ page, serve }) => {
    const { url } = await serve();
    const { before_ms } = await overloadedSince(url);
    const query = `metrics=overloaded_workers&from=${before_ms - 1000}&to=${before_ms + 1000}&step=1s`;
    await openLive(page, `${url}history?${query}`);
    const table = panel(page, "History").locator("details.data");
    await table.locator("summary").click();
    await table.getByRole("row").nth(1).getByRole("link").click();
    await expect(page.locator("#past")).toBeVisible();
    await expect(figure(page, "Workers active")).toContainText("3 of 3");
  });

  test("meets WCAG 2.2 AA in light and in dark", async ({ page, serve }) => {
    const { url } = await serve();
    const { after_ms } = await overloadedSince(url);
    for (const theme of ["light", "dark"]) {
      await page.goto(`${url}?theme=${theme}&at=${after_ms}`);
      await expect(page.locator("#past")).toBeVisible();
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map(({ help, nodes }) => `${help}: ${nodes[0]?.html}`)).toEqual([]);
    }
  });
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("any moment can be asked for, from the one shown", async ({ page, serve }) => {
    const { url } = await serve();
    const { before_ms, after_ms } = await overloadedSince(url);
    await page.goto(`${url}?at=${after_ms}`);
    await expect(panel(page, "Alerts")).toContainText("Worker worker-002 is overloaded");
    await page.getByLabel("Another moment").fill(new Date(before_ms).toISOString());
    await page.getByRole("button", { name: "Show" }).click();
    await expect(panel(page, "Alerts")).toContainText("Nothing needs attention");
    await expect(page.locator("#past")).toContainText("UTC");
  });
});
