import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { keepReporting, QUIET_S, quietFleet, type Report, report } from "./reports.ts";
import { expect, openLive, SOON, test } from "./test.ts";

const WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const HOSTILE = [
  "<script>alert(1)</script>",
  "x".repeat(256),
  "\u202eright to left\u202c مرحبا",
  "👩‍🚀🚀 w\u0301",
];

/** A hundred workers and as many tasks, one of them of each state. */
function fleet(): Report {
  const { workers = [] } = quietFleet(100);
  const states = ["completed", "failed", "running", "assigned"] as const;
  return {
    source: "balancer",
    interval_s: QUIET_S,
    workers: workers.map((worker, index) => ({ ...worker, tags: index % 10 === 0 ? ["cuda"] : [] })),
    tasks: [
      ...states.map((status, index) => ({
        id: `t-${status}`,
        type: "vision",
        model_id: "vit-base",
        status,
        worker_id: workers[index]!.id,
      })),
      ...Array.from({ length: 96 }, (_, index) => ({
        id: `q-${index + 1}`,
        type: "text",
        priority: 1 + (index % 4),
        status: "queued" as const,
      })),
    ],
  };
}

function rows(page: Page) {
  return page.locator("table.list tbody tr");
}

/** Waits until the fleet is known. */
async function open(page: Page, url: string, path: string, count: number): Promise<void> {
  await expect(async () => {
    await page.goto(url + path);
    await expect(rows(page)).toHaveCount(count, { timeout: 1000 });
  }).toPass(SOON);
}

async function violations(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(WCAG_22_AA).analyze();
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message}`).join("; ")}`,
  );
}

async function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

test("a list is sorted by its heads, narrowed by its form, and paged", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, fleet());
  await open(page, url, "workers", 50);
  await expect(page.getByText("1–50 of 100 workers")).toBeVisible();
  await page.getByRole("link", { name: "CPU", exact: true }).click();
  await expect(page.locator("th.c-cpu")).toHaveAttribute("aria-sort", "descending");
  await expect(rows(page).first()).toContainText("89 %");
  await page.getByRole("link", { name: "Next" }).click();
  await expect(page.getByText("51–100 of 100 workers")).toBeVisible();
  await page.getByLabel("Worker type").last().selectOption("gpu");
  await page.getByLabel("Tag").fill("cuda");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await expect(page.getByText("1–4 of 4 workers")).toBeVisible();
  await page.getByRole("link", { name: "Tag: cuda" }).click();
  await expect(page.getByText("1–34 of 34 workers")).toBeVisible();
  await expect(page.locator("th.c-cpu")).toHaveAttribute("aria-sort", "descending");
});

test("rows change in place, and change places only when that is asked for", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, fleet());
  await open(page, url, "workers?sort=-cpu&limit=10", 10);
  await openLive(page, `${url}workers?sort=-cpu&limit=10`);
  const names = rows(page).locator("th a");
  const before = await names.allInnerTexts();
  const typed = page.getByPlaceholder("id, host, tag, model");
  await typed.fill("half a wo");
  const stop = keepReporting(url, (turn) => ({
    interval_s: QUIET_S,
    workers: [{ id: before[0]!, interval_s: QUIET_S, metrics: { cpu_utilization: 1 + (turn % 2) } }],
  }));
  await expect(rows(page).first().locator(".c-cpu")).toHaveText(/^[12] %$/, SOON);
  await expect(page.getByText("The order has changed since")).toBeVisible(SOON);
  expect(await names.allInnerTexts()).toEqual(before);
  await expect(typed).toHaveValue("half a wo");
  await page.getByRole("link", { name: "sort again" }).click();
  await expect(names.first()).not.toHaveText(before[0]!);
  await stop();
});

test("tasks that ended are found by their state and how long ago, and rows that no longer match say so", async ({
  page,
  serve,
}) => {
  const { url } = await serve();
  await report(url, fleet());
  await open(page, url, "tasks?status=failed", 1);
  await expect(page.getByText("1 ended task: all that is kept")).toBeVisible();
  await expect(page.locator("select[name=ended]")).toHaveValue("");
  await page.getByRole("checkbox", { name: "failed" }).uncheck();
  await page.locator("select[name=ended]").selectOption("24h");
  await page.getByLabel("Task type").last().selectOption("vision");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await expect(rows(page).locator("th")).toHaveText(["t-failed", "t-running", "t-assigned", "t-completed"]);
  await expect(page).toHaveURL(/ended=24h/);
  await page.getByRole("link", { name: "Ended: 24h" }).click();
  await expect(page).not.toHaveURL(/ended=/);

  await openLive(page, `${url}tasks?status=running`);
  await report(url, { source: "balancer", tasks: [{ id: "t-running", status: "completed" }] });
  await expect(page.getByText("1 row no longer matches")).toBeVisible(SOON);
  await expect(rows(page).first()).toContainText("completed (no longer matches the filter)");
  await page.getByRole("link", { name: "sort again" }).click();
  await expect(page.getByText("No task matches")).toBeVisible();
});

test("a search leads to what has exactly that id, and else lists what matches", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, fleet());
  await open(page, url, "tasks", 50);
  await page.keyboard.press("/");
  const box = page.getByRole("searchbox", { name: "Search" });
  await expect(box).toBeFocused();
  await box.fill("worker-00");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/search\?q=worker-00/);
  await expect(page.locator(".hits a").first()).toHaveText("worker-001");
  await expect(page.getByRole("heading", { name: "Workers 9 workers" })).toBeVisible();
});

test("keys lead to pages, are listed, rest while somebody types, and can be switched off", async ({
  page,
  serve,
}) => {
  const { url } = await serve();
  await report(url, fleet());
  await open(page, url, "workers?task_type=vision", 2);
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await expect(page).toHaveURL(`${url}tasks?task_type=vision`);
  await page.getByRole("searchbox").first().fill("");
  await page.keyboard.type("gw?");
  await expect(page.getByRole("searchbox").first()).toHaveValue("gw?");
  await page.locator("h2").first().click();
  await page.keyboard.press("?");
  const dialog = page.getByRole("dialog", { name: "Keys" });
  await expect(dialog).toContainText("Workers");
  expect(await violations(page)).toEqual([]);
  await dialog.getByRole("button", { name: "Switch keys off" }).click();
  await expect(dialog.getByRole("button", { name: "Switch keys on" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();
  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox").first()).not.toBeFocused();
  await page.keyboard.press("?");
  await expect(dialog).toBeHidden();
  await page.getByRole("link", { name: "Keys", exact: true }).click();
  await page.getByRole("button", { name: "Switch keys on" }).click();
  await page.keyboard.press("g");
  await page.keyboard.press("o");
  await expect(page).toHaveURL(url);
});

test("lists, search and keys meet WCAG 2.2 AA in light and in dark", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, fleet());
  await open(page, url, "tasks", 50);
  for (const theme of ["light", "dark"]) {
    for (const path of [
      "workers?status=active",
      "tasks?sort=-queue_time",
      "tasks?q=nobody",
      "search?q=t",
      "keys",
    ]) {
      await openLive(page, `${url}${path}${path.includes("?") ? "&" : "?"}theme=${theme}`);
      expect(await violations(page), path).toEqual([]);
    }
  }
});

test("hostile names stay names, and nothing is wider than a phone", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, {
    interval_s: QUIET_S,
    workers: HOSTILE.map((id) => ({ id, type: id, hostname: id, tags: [id], interval_s: QUIET_S })),
    tasks: HOSTILE.map((id) => ({ id, type: id, model_id: id, status: "running" as const, worker_id: id })),
  });
  await page.setViewportSize({ width: 390, height: 844 });
  for (const path of ["workers", "tasks"]) {
    await open(page, url, path, HOSTILE.length);
    await expect(rows(page).getByText("<script>alert(1)</script>").first()).toBeVisible();
    expect(await overflow(page)).toBe(0);
  }
  for (const name of HOSTILE) {
    await page.goto(`${url}search?q=${encodeURIComponent(name.slice(0, 9))}`);
    expect(await overflow(page)).toBe(0);
  }
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("lists are narrowed, sorted and paged, a search finds, and keys are listed", async ({
    page,
    serve,
  }) => {
    const { url } = await serve();
    await report(url, fleet());
    await open(page, url, "tasks", 50);
    await page.getByRole("checkbox", { name: "failed" }).check();
    await page.getByRole("checkbox", { name: "running" }).check();
    await page.getByLabel("Sort by").selectOption({ label: "Task, A to Z" });
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await expect(rows(page).locator("th")).toHaveText(["t-failed", "t-running"]);
    await page.getByRole("link", { name: "State: failed, running" }).click();
    await expect(page.getByText("1–50 of 100 tasks")).toBeVisible();
    await page.getByRole("link", { name: "Last" }).click();
    await expect(page.getByText("51–100 of 100 tasks")).toBeVisible();
    await page.getByRole("searchbox", { name: "Search" }).fill("vit");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { name: "Models 1 model" })).toBeVisible();
    await page.getByRole("link", { name: "Keys", exact: true }).click();
    await expect(page.locator("dl.keys")).toContainText("Search");
    await expect(page.getByRole("button", { name: "Switch keys off" })).toBeHidden();
  });
});
