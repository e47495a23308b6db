import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { quietFleet, report } from "./reports.ts";
import { expect, live, openLive, panel, SOON, test } from "./test.ts";

/** The overview's panels by their headings, in the order of the page. */
const headings = (page: Page) =>
  page.locator("main > section > h2").evaluateAll((all) => all.map((h) => h.firstChild?.textContent?.trim()));

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    test.use({ javaScriptEnabled });

    test("what a viewer chooses holds for that browser alone", async ({ page, serve, browser }) => {
      const { url } = await serve();
      await report(url, quietFleet(3));
      await page.goto(`${url}settings`);
      await page.getByLabel("dark").check();
      await page.getByLabel("compact").check();
      await page.getByLabel("Time zone").fill("Asia/Tokyo");
      await page.getByLabel("Text of the overview").fill("worker-002");
      await page.getByRole("button", { name: "Save", exact: true }).first().click();
      await expect(page.getByRole("status").filter({ hasText: "Saved." })).toBeVisible();
      await page.getByRole("link", { name: "Evenkeel" }).click();
      await expect(page).toHaveURL(/\?q=worker-002$/);
      await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
      await expect(page.locator("html")).toHaveClass("compact");
      await expect(page.locator("html")).toHaveAttribute("data-tz", "Asia/Tokyo");
      const other = await browser.newPage();
      await other.goto(url);
      await expect(other).toHaveURL(url);
      await expect(other.locator("html")).not.toHaveAttribute("data-theme", /./);
      await other.close();
      await page.goto(`${url}settings`);
      await page.getByRole("button", { name: "Forget my choices" }).click();
      await page.goto(url);
      await expect(page).toHaveURL(url);
    });

    test("the overview's panels are moved and hidden by the keyboard", async ({ page, serve }) => {
      const { url } = await serve();
      await page.goto(`${url}settings`);
      await page.getByRole("button", { name: "Move Alerts up" }).focus();
      await page.keyboard.press("Enter");
      await page.getByLabel("Performance", { exact: true }).uncheck();
      await page.getByRole("button", { name: "Save", exact: true }).nth(1).click();
      await page.goto(url);
      await expect
        .poll(() => headings(page))
        .toEqual(["System overview", "Workers", "Task distribution", "Alerts", "Resource utilisation"]);
    });

    test("a view is saved under a name, and leads back", async ({ page, serve }) => {
      const { url } = await serve();
      await page.goto(`${url}?q=nobody`);
      await page.getByText("View", { exact: true }).click();
      await page.getByLabel("Save this view as").fill("<i>nobody</i>");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await expect(page).toHaveURL(/\?q=nobody$/);
      await page.goto(`${url}status`);
      await page.getByText("View", { exact: true }).click();
      await page.getByRole("link", { name: "<i>nobody</i>" }).click();
      await expect(panel(page, "Workers")).toContainText("No worker with the text nobody");
    });
  });
}

test("times are shown in the zone that was chosen, live", async ({ page, serve }) => {
  const { url } = await serve();
  await page.goto(`${url}settings`);
  await page.getByLabel("Time zone").fill("Asia/Tokyo");
  await page.getByRole("button", { name: "Save", exact: true }).first().click();
  await live(page);
  await expect(page.locator("#live-state")).toContainText("UTC+9", SOON);
});

test("a kiosk has no menus and is live", async ({ page, serve }) => {
  const { url } = await serve();
  await openLive(page, `${url}?kiosk`);
  await expect(page.getByText("View", { exact: true })).toBeHidden();
  await expect(page.getByRole("navigation", { name: "Pages" })).toBeHidden();
  await expect(panel(page, "Workers")).toBeVisible();
});

test("the settings meet WCAG 2.2 AA in light and in dark", async ({ page, serve }) => {
  const { url } = await serve();
  for (const theme of ["light", "dark"]) {
    await openLive(page, `${url}settings?theme=${theme}`);
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ help, nodes }) => `${help}: ${nodes[0]?.html}`)).toEqual([]);
  }
});
