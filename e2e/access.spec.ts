import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { QUIET_S, quietFleet, type Report, report } from "./reports.ts";
import { CONNECTION_LOST, expect, live, openLive, panel, SOON, test } from "./test.ts";

const WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const THEMES = ["light", "dark"] as const;

test.use({ tolerated: /404 \(Not Found\)/ });

/** What breaks WCAG 2.2 AA, each with the elements that do. */
async function violations(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(WCAG_22_AA).analyze();
  return violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message}`).join("; ")}`,
  );
}

for (const { size, what } of [
  { size: 0, what: "an empty fleet" },
  { size: 15, what: "15 workers" },
  { size: 100, what: "100 workers" },
  { size: 150, what: "150 workers" },
]) {
  test(`the dashboard of ${what} meets WCAG 2.2 AA in light and in dark`, async ({ page, serve }) => {
    const { url } = await serve();
    if (size > 0) {
      await report(url, troubled(size));
      await page.goto(url);
      await expect(panel(page, "Alerts")).toContainText("is stale", SOON);
      await expect(panel(page, "Alerts")).toContainText("is overloaded", SOON);
    }
    for (const theme of THEMES) {
      await openLive(page, `${url}?theme=${theme}`);
      expect(await violations(page)).toEqual([]);
    }
  });
}

test("status page, embedded panels and error page meet WCAG 2.2 AA in light and in dark", async ({
  page,
  serve,
}) => {
  const { url } = await serve();
  await report(url, troubled(15));
  for (const theme of THEMES) {
    for (const path of ["status", "history", "embed/worker-grid", "embed/performance", "embed/history"]) {
      await openLive(page, `${url}${path}?theme=${theme}`);
      expect(await violations(page)).toEqual([]);
    }
    await page.goto(`${url}no/such/page?theme=${theme}`);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Not Found");
    expect(await violations(page)).toEqual([]);
  }
});

test.describe("a page that went stale", () => {
  test.use({ tolerated: CONNECTION_LOST });

  test("meets WCAG 2.2 AA too", async ({ page, serve }) => {
    const server = await serve();
    await report(server.url, troubled(15));
    await openLive(page, server.url);
    await server.kill();
    await expect(page.getByRole("alert")).toBeVisible(SOON);
    expect(await violations(page)).toEqual([]);
  });
});

test("the keyboard reaches everything, the way past the header first, and shows where it is", async ({
  page,
  serve,
}) => {
  const { url } = await serve();
  await report(url, quietFleet(15));
  await openLive(page, url);

  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Skip to the panels" });
  await expect(skip).toBeFocused();
  await expect(skip).toBeInViewport();
  expect(await skip.evaluate((link) => getComputedStyle(link).clipPath)).toBe("none");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
  await expect(page).toHaveURL(`${url}#main`);
  await live(page);

  // What waits for the first report can be focused too.
  await expect(panel(page, "Workers").getByRole("listitem")).toHaveCount(15, SOON);
  await page.reload();
  await live(page);
  const reached = page.locator("header :is(a, button, input):visible");
  for (const one of await reached.all()) {
    await page.keyboard.press("Tab");
    await expect(one).toBeFocused();
    const outline = await one.evaluate((link) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(link);
      return { outlineStyle, outlineWidth };
    });
    expect(outline).toEqual({ outlineStyle: "solid", outlineWidth: "2px" });
  }
  await page.getByRole("button", { name: "View", exact: true }).press("Enter");
  await page.getByRole("link", { name: "light", exact: true }).focus();
  await page.keyboard.press("Enter");
  await expect(page.locator("html")).toHaveAttribute("data-theme", "light");
});

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    test.use({ javaScriptEnabled });

    test("Escape closes a menu and gives the focus back to its button", async ({ page, serve }) => {
      const { url } = await serve();
      await page.goto(`${url}?refresh=off`);
      for (const name of ["Filter", "View", "Alerts as data"]) {
        const button = page.getByRole("button", { name, exact: true });
        await button.press("Enter");
        await expect(page.locator(":popover-open")).toHaveCount(1);
        await page.keyboard.press("Tab");
        await expect(page.locator(":popover-open :focus")).toHaveCount(1);
        await page.keyboard.press("Escape");
        await expect(page.locator(":popover-open")).toHaveCount(0);
        await expect(button).toBeFocused();
      }
    });
  });
}

test("the heat map is no way of a thousand stops: its types lead to lists", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, quietFleet(300));
  await openLive(page, url);
  await expect(panel(page, "Workers").locator(".q[id]")).toHaveCount(300, SOON);
  const stops = panel(page, "Workers").locator(".body a:not([tabindex])");
  for (const stop of await stops.all()) await expect(stop).toHaveAttribute("href", /^workers/);
  expect(await stops.count()).toBeLessThan(10);
  const { violations } = await new AxeBuilder({ page }).include(".panel-worker-grid").analyze();
  expect(violations.map(({ help, nodes }) => `${help}: ${nodes[0]?.html}`)).toEqual([]);
});

test("who asks for less motion sees none", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, quietFleet(15));
  await page.emulateMedia({ reducedMotion: "reduce" });
  await openLive(page, url);
  const moving = await page.evaluate(() => {
    const lasts = (text: string) => text.split(",").some((one) => Number.parseFloat(one) > 0);
    const styles = [...document.querySelectorAll("*")].map((element) => getComputedStyle(element));
    return {
      animations: document.getAnimations().length,
      styles: styles.filter((style) => lasts(style.transitionDuration) || style.animationName !== "none")
        .length,
    };
  });
  expect(moving).toEqual({ animations: 0, styles: 0 });
});

/** A fleet with every state and every kind of alert that can be had in a few seconds, and tasks of many types. */
function troubled(size: number): Report {
  const { workers = [] } = quietFleet(size);
  const states = [
    { metrics: { cpu_utilization: 97 } },
    { interval_s: 1 },
    { status: "draining" as const },
    { status: "offline" as const },
  ];
  const types = ["vision", "text", "audio", "speech", "video", "tabular"];
  return {
    source: "balancer",
    interval_s: QUIET_S,
    workers: workers.map((worker, index) => ({ ...worker, ...states[index] })),
    tasks: types.flatMap((type, index) => [
      { id: `q-${type}`, type, priority: index + 1, status: "queued" as const },
      { id: `r-${type}`, type, status: "running" as const, worker_id: workers[index]!.id },
      { id: `c-${type}`, type, status: "completed" as const, worker_id: workers[index]!.id },
      { id: `f-${type}`, type, status: "failed" as const, worker_id: workers[index]!.id },
    ]),
  };
}
