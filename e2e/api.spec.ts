import { AxeBuilder } from "@axe-core/playwright";
import { quietFleet, report } from "./reports.ts";
import { expect, openLive, panel, test } from "./test.ts";

const WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

// Beside data a browser looks for an icon.
test.use({ tolerated: /404 \(Not Found\)/ });

test("g and p lead to the API, whose links open what they say", async ({ page, serve }) => {
  const { url } = await serve({ env: { EVENKEEL_BASE_PATH: "/fleet/" } });
  await report(url, quietFleet(3));
  await openLive(page, url);
  await page.keyboard.press("g");
  await page.keyboard.press("p");
  await expect(page).toHaveURL(`${url}api`);
  await expect(panel(page, "What can be asked")).toContainText("openapi.json");
  await panel(page, "What can be asked").getByRole("link", { name: "Workers", exact: true }).click();
  await expect(page).toHaveURL(`${url}api#api-workers`);
  const workers = panel(page, "Workers").locator("#get-api-workers");
  await workers.getByText("/api/workers", { exact: true }).click();
  await expect(workers.locator("pre")).toHaveText(`curl -s '${url}api/workers'`);
  await workers.getByRole("link", { name: "Open it" }).click();
  await expect(page).toHaveURL(`${url}api/workers`);
  await expect(page.locator("body")).toContainText('"worker_id":"worker-001"');
});

test("what is looked for is shown in full, as an address says", async ({ page, serve }) => {
  const { url } = await serve();
  await openLive(page, `${url}api?theme=dark`);
  await panel(page, "What can be asked").getByRole("searchbox").fill("history/system");
  await panel(page, "What can be asked").getByRole("button", { name: "Search" }).click();
  await expect(page).toHaveURL(`${url}api?q=history%2Fsystem&theme=dark`);
  await expect(page.locator("details.data")).toHaveCount(1);
  await expect(page.getByText("Another name of step")).toBeVisible();
  await openLive(page, `${url}api?q=nothing+is+called+so`);
  await expect(page.locator("main")).toContainText("Nothing matches");
  await openLive(page, `${url}search?q=api`);
  await expect(page.locator("main").getByRole("link", { name: "API", exact: true })).toBeVisible();
});

test("it meets WCAG 2.2 AA in light and dark, and is as wide as a phone", async ({ page, serve }) => {
  const { url } = await serve();
  await page.setViewportSize({ width: 360, height: 740 });
  for (const theme of ["light", "dark"]) {
    await openLive(page, `${url}api?theme=${theme}&q=marks`);
    const { violations } = await new AxeBuilder({ page }).withTags(WCAG_22_AA).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`)).toEqual([]);
  }
  await openLive(page, `${url}api`);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
});

test("a page of the dashboard's own host may open its WebSocket", async ({ page, serve }) => {
  const { url } = await serve({ env: { EVENKEEL_BASE_PATH: "/fleet/" } });
  await report(url, quietFleet(3));
  await openLive(page, url);
  const frames = await page.evaluate(
    (address) =>
      new Promise<{ channel: string; data: { metrics: { total_workers: number } } }[]>((resolve) => {
        const got: never[] = [];
        const socket = new WebSocket(address);
        socket.onopen = () => socket.send(JSON.stringify({ action: "subscribe", channel: "system_metrics" }));
        socket.onmessage = ({ data }) => {
          got.push(JSON.parse(data) as never);
          if (got.length < 3) return;
          socket.close();
          resolve(got);
        };
      }),
    `${url.replace("http", "ws")}ws/metrics`,
  );
  expect(frames.map(({ channel }) => channel)).toEqual(Array(3).fill("system_metrics"));
  expect(frames[2]!.data.metrics.total_workers).toBe(3);
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("the API can be searched and read", async ({ page, serve }) => {
    const { url } = await serve();
    await page.goto(`${url}api`);
    await panel(page, "What can be asked").getByRole("searchbox").fill("ingest");
    await panel(page, "What can be asked").getByRole("button", { name: "Search" }).click();
    await expect(page.getByText("workers[].gpus[].index")).toBeVisible();
  });
});
