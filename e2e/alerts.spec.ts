import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import type { BrowserContext, Page } from "@playwright/test";
import { type Receiver, receiver } from "./receiver.ts";
import { QUIET_S, report } from "./reports.ts";
import { expect, live, openLive, panel, SOON, test } from "./test.ts";

/** A worker that is beyond its threshold, and one that is not. */
const fleet = (cpu_utilization: number, id = "W3") => ({
  interval_s: QUIET_S,
  workers: [
    { id, type: "gpu", interval_s: QUIET_S, metrics: { cpu_utilization, memory_utilization: 40 } },
    { id: "W4", type: "gpu", interval_s: QUIET_S, metrics: { cpu_utilization: 20 } },
  ],
});

/** Waits until the API counts so many alerts that nobody acknowledged. */
const counted = (url: string, critical: number) =>
  expect
    .poll(async () => (await (await fetch(`${url}api/alert-counts`)).json()).critical, SOON)
    .toBe(critical);

const icon = (page: Page) => page.locator("link[rel=icon]").getAttribute("href");

test("an alert is seen, acknowledged, silenced, told again and resolved, all without a reload", async ({
  page,
  serve,
}) => {
  const { url } = await serve();
  await report(url, fleet(20));
  await openLive(page, url);
  await expect(page).toHaveTitle("Overview · Evenkeel dashboard");
  await expect(page.locator("#alert-count")).toHaveText("no alert");
  const calm = await icon(page);

  await report(url, fleet(97));
  await expect(page).toHaveTitle("(1) Overview · Evenkeel dashboard", SOON);
  await expect(page.locator("#alert-news")).toHaveText("critical: Worker W3 is overloaded.");
  await expect.poll(() => icon(page)).not.toBe(calm);
  await expect(page.getByRole("link", { name: "Alerts: 1 critical, 0 warnings" })).toBeVisible();
  await expect(panel(page, "Alerts")).toContainText("97 % CPU");

  await panel(page, "Alerts").getByRole("link", { name: "Worker W3 is overloaded" }).click();
  await expect(page).toHaveURL(/\/alerts\/worker_overload%3AW3\?fired=\d+$/);
  await live(page);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Alert Worker W3 is overloaded");
  await expect(panel(page, "Alert")).toContainText("worker_overload:W3");
  await expect(panel(page, "What became of it")).toContainText("It began to fire");
  await expect(panel(page, "Its course").locator("svg").first()).toBeVisible();
  const acknowledge = page.locator("form", { hasText: "you have seen it" });
  await acknowledge.getByLabel("Your name").fill("Ada L");
  await acknowledge.getByLabel("Note").fill("adding a worker");
  await acknowledge.getByRole("button", { name: "Acknowledge" }).click();
  await expect(panel(page, "What became of it")).toContainText("Acknowledged by Ada L: adding a worker");
  await expect(page).toHaveTitle("Alert Worker W3 is overloaded · Evenkeel dashboard");
  await live(page);
  await expect(page).toHaveTitle("Alert Worker W3 is overloaded · Evenkeel dashboard");
  expect(await icon(page)).toBe(calm);

  // The name is offered the next time.
  const back = page.locator("form", { hasText: "Take the acknowledgement back" });
  await expect(back.getByLabel("Your name")).toHaveValue("Ada L");
  await back.getByRole("button").click();
  await expect(panel(page, "What became of it")).toContainText("Ada L took the acknowledgement back");
  await expect(page).toHaveTitle(/^\(1\) Alert/);

  await page.getByRole("button", { name: "Preview the silence" }).click();
  await expect(page.getByRole("heading", { name: "It matches 1 alert now" })).toBeVisible();
  await page.getByRole("button", { name: "Set this silence" }).click();
  await expect(page).toHaveURL(/\/alerts#p-silences$/);
  await expect(page.locator(".silences")).toContainText("rule=worker_overload, worker=W3");
  await expect(page.locator(".silences")).toContainText("holds 1 alert · ends in 1 h 0 m");
  await expect(page.locator(".alerts-list")).toContainText("silenced");
  await expect(page).toHaveTitle("Alerts · Evenkeel dashboard");
  await counted(url, 0);

  await page.getByRole("button", { name: "End the silence" }).click();
  await expect(page).toHaveTitle("(1) Alerts · Evenkeel dashboard");
  await live(page);
  await report(url, fleet(20));
  await expect(page.locator("#alert-news")).toHaveText("Resolved: Worker W3 is overloaded.", SOON);
  await expect(page).toHaveTitle("Alerts · Evenkeel dashboard");
  await page.goto(`${url}alerts/worker_overload:W3`);
  await expect(panel(page, "What became of it")).toContainText("Resolved");
  await expect(panel(page, "Deal with it")).toContainText("there is nothing to acknowledge");
});

test("without JavaScript an alert is dealt with just so", async ({ browser, serve }) => {
  const { url } = await serve();
  await report(url, fleet(97));
  await counted(url, 1);
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(url);
  await expect(page).toHaveTitle("(1) Overview · Evenkeel dashboard");
  await panel(page, "Alerts").getByRole("link", { name: "Worker W3 is overloaded" }).click();
  await expect(page.locator("meta[http-equiv=refresh]")).toHaveCount(0);
  const acknowledge = page.locator("form", { hasText: "you have seen it" });
  await acknowledge.getByLabel("Your name").fill("Ada");
  await acknowledge.getByRole("button", { name: "Acknowledge" }).click();
  await expect(page).toHaveTitle(/^Alert/);
  await expect(panel(page, "Alert acknowledged")).toContainText("firing, acknowledged by Ada");

  const silence = page.locator("form", { hasText: "for a while" });
  await silence.getByLabel("What it matches").fill("rule=worker_*, worker_type!=cpu");
  await silence.locator("select[name=duration]").selectOption("15m");
  await silence.getByRole("button").click();
  await expect(page.getByText("It matches 1 alert now")).toBeVisible();
  await expect(page.getByLabel("Your name")).toHaveValue("Ada");
  await page.getByRole("button", { name: "Set this silence" }).click();
  await expect(page.locator(".silences")).toContainText("rule=worker_*, worker_type!=cpu");
  await page.getByRole("button", { name: "End the silence" }).click();
  await expect(page.locator(".silences")).toContainText("ended at");

  // What is wrong is said where it was filled in, and nothing of it is lost.
  await page.goto(`${url}silences/new?matchers=colour%3Dred&duration=90d&by=Ada`);
  await expect(page.getByRole("alert")).toContainText("matchers must be label=value");
  await expect(page.getByLabel("What it matches")).toHaveValue("colour=red");
  await context.close();
});

test("twenty workers in trouble are one line, which opens", async ({ page, serve }) => {
  const { url } = await serve();
  const workers = Array.from({ length: 22 }, (_, index) => ({
    id: `gpu-${index + 1}`,
    type: "gpu",
    interval_s: QUIET_S,
    metrics: { cpu_utilization: 97 },
  }));
  await report(url, { interval_s: QUIET_S, workers });
  await counted(url, 22);
  await openLive(page, url);
  const group = panel(page, "Alerts").locator(".group summary");
  await expect(group).toContainText("22 gpu workers are overloaded");
  await group.click();
  await expect(
    panel(page, "Alerts").getByRole("link", { name: /^Worker gpu-\d+ is overloaded/ }),
  ).toHaveCount(20);
  await panel(page, "Alerts").getByRole("link", { name: "and 2 more" }).click();
  await expect(page).toHaveURL(/\/alerts\?rule=worker_overload&status=firing&worker_type=gpu$/);
  await expect(page.locator(".pager")).toContainText("1–22 of 22 alerts");
});

test("a page in the background counts on in its title", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, fleet(20));
  await openLive(page, url);
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await report(url, fleet(97));
  await expect(page).toHaveTitle("(1) Overview · Evenkeel dashboard", { timeout: 40_000 });
});

test.describe("receivers", () => {
  let pager: Receiver;
  let alerts: string;

  test.beforeEach(async ({ folder }) => {
    pager = await receiver();
    alerts = join(folder, "alerts.yaml");
    writeFileSync(alerts, `receivers:\n  - {name: pager, kind: webhook, url: "${pager.url}"}\n`);
  });
  test.afterEach(() => pager.close());

  test("one that answers 500 fails and what waits for it is shown; once it answers 200 it delivers", async ({
    page,
    serve,
  }) => {
    const { url } = await serve({ env: { EVENKEEL_ALERTS: alerts } });
    await report(url, fleet(20));
    await openLive(page, `${url}alerts`);
    const own = panel(page, "Receivers");
    await expect(own).toContainText("nothing sent yet");

    pager.status = 500;
    await report(url, fleet(97));
    await expect(own.getByRole("row", { name: "pager" })).toContainText(/failing.*answered 500/, SOON);
    await expect(own).toContainText("firing: Worker W3 is overloaded to pager", SOON);
    await own.getByRole("button", { name: "Test pager" }).click();
    await expect(page).toHaveURL(/\/alerts#p-receivers$/);
    await expect(own).toContainText(/did not take it, \d+ ms: answered 500/);

    pager.status = 200;
    await live(page);
    await expect(own.getByRole("row", { name: "pager" })).toContainText("delivers", SOON);
    await expect(own).not.toContainText("Not told yet", SOON);
    await own.getByText("What was told, refused or given up last").click();
    await expect(own).toContainText(/delivered .* after \d+\sattempts/);
    await own.getByRole("button", { name: "Test pager" }).click();
    await expect(own).toContainText(/took it in \d+ ms: answered 200/);
  });

  for (const EVENKEEL_DEMO of ["auto", "on"]) {
    test(`are tested without JavaScript too, and of a demo fleet (${EVENKEEL_DEMO}) told nothing else`, async ({
      browser,
      serve,
    }) => {
      const small = { EVENKEEL_DEMO_WORKERS: "1", EVENKEEL_DEMO_TASKS: "3" };
      const { url } = await serve({ env: { EVENKEEL_ALERTS: alerts, EVENKEEL_DEMO, ...small } });
      const context = await browser.newContext({ javaScriptEnabled: false });
      const page = await context.newPage();
      await page.goto(`${url}status`);
      await expect(panel(page, "Receivers")).toContainText("Nobody is told of the demo fleet");
      await panel(page, "Receivers").getByRole("button", { name: "Test pager" }).click();
      await expect(panel(page, "Receivers")).toContainText(/took it in \d+ ms: answered 200/);
      await context.close();
      expect(pager.told).toEqual(["Test of Evenkeel: this receiver is reached"]);
    });
  }
});

test.describe("a name from outside stays a name", () => {
  for (const id of [
    "<script>alert(1)</script>",
    "x".repeat(256),
    "\u202eright to left, مرحبا",
    "a/b,c=*?#&",
  ]) {
    test(JSON.stringify(id.slice(0, 20)), async ({ page, serve }) => {
      const { url } = await serve();
      await report(url, fleet(97, id));
      await counted(url, 1);
      await openLive(page, `${url}alerts`);
      await page.locator(".alerts-list tbody th a").first().click();
      await live(page);
      await expect(panel(page, "Alert firing")).toContainText("is overloaded");
      await page.getByLabel("Your name").last().fill(id.slice(0, 90));
      await page.getByRole("button", { name: "Preview the silence" }).click();
      await expect(page.getByRole("heading", { name: "It matches 1 alert now" })).toBeVisible();
      await page.getByRole("button", { name: "Set this silence" }).click();
      await counted(url, 0);
      expect(
        await page.evaluate(() => document.documentElement.scrollWidth - innerWidth),
      ).toBeLessThanOrEqual(0);
    });
  }
});

test("the pages of alerts meet WCAG 2.2 AA in light and in dark, by the mouse's and a phone's measure", async ({
  page,
  folder,
  serve,
}) => {
  const alerts = join(folder, "alerts.yaml");
  writeFileSync(alerts, 'receivers: [{name: pager, kind: webhook, url: "http://127.0.0.1:9/"}]');
  const { url } = await serve({ env: { EVENKEEL_ALERTS: alerts } });
  await report(url, fleet(97));
  await counted(url, 1);
  expect((await fetch(`${url}api/receivers/pager/test`, { method: "POST" })).status).toBe(200);
  const body = JSON.stringify({ matchers: "rule=task_*", duration: "1h", by: "Ada", note: "known" });
  const headers = { "Content-Type": "application/json" };
  expect((await fetch(`${url}api/silences`, { method: "POST", headers, body })).status).toBe(201);
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 844 });
    for (const theme of ["light", "dark"]) {
      for (const path of [
        "alerts",
        "alerts/worker_overload:W3",
        "silences/new?matchers=rule%3D*&by=Ada&duration=1h",
      ]) {
        await openLive(page, `${url}${path}${path.includes("?") ? "&" : "?"}theme=${theme}`);
        const { violations } = await new AxeBuilder({ page })
          .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
          .analyze();
        expect(
          violations.map(({ help, nodes }) => `${help}: ${nodes.map(({ html }) => html).join("; ")}`),
        ).toEqual([]);
      }
    }
  }
});

test("whoever asks for notifications gets them of what is critical, and their click leads there", async ({
  page,
  context,
  serve,
}) => {
  const { url } = await serve();
  await report(url, fleet(20));
  await notificationsOf(context);
  await openLive(page, `${url}settings`);
  await page.getByRole("button", { name: "Notify me" }).click();
  await expect(page.getByRole("button", { name: "Notify me no more" })).toBeVisible();
  await openLive(page, url);
  await report(url, fleet(97));
  await expect
    .poll(() => page.evaluate(() => (window as unknown as Told).told.map(({ title }) => title)), SOON)
    .toEqual(["Worker W3 is overloaded"]);
  await page.evaluate(() => (window as unknown as Told).told[0]!.onclick());
  await expect(page).toHaveURL(/\/alerts\/worker_overload%3AW3\?fired=\d+$/);
});

interface Told {
  told: { title: string; onclick(): void }[];
}

/** A browser without a window shows no notification: what a page asks of it is noted instead. */
async function notificationsOf(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    const told: object[] = [];
    class Noted {
      static permission = localStorage.getItem("allowed") ?? "default";
      static async requestPermission() {
        localStorage.setItem("allowed", "granted");
        Noted.permission = "granted";
        return "granted";
      }
      onclick = () => {};
      constructor(readonly title: string) {
        told.push(this);
      }
    }
    Object.assign(window, { told, Notification: Noted });
  });
}
