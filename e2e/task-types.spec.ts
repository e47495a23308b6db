import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { QUIET_S, type Report, report, type TaskReport } from "./reports.ts";
import { expect, openLive, panel, SOON, test } from "./test.ts";

const WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const PHONE = { width: 390, height: 844 };

/** Names as they may come: markup, right to left, pictures, dots, and as long as they may be. */
const HOSTILE = [
  "<script>alert(1)</script>",
  "مرحبا \u202eabc",
  "👩‍🚀 / ? & # %",
  "..",
  "x".repeat(256),
] as const;

interface Ended {
  readonly model_id: string;
  readonly model_family: string;
  readonly worker_id: string;
  readonly completed: number;
  readonly failed?: number;
  readonly took_s: number;
}

function endedTasks(of: readonly Ended[], type: string): TaskReport[] {
  const now = Date.now();
  return of.flatMap(({ completed, failed = 0, took_s, ...own }, kind) =>
    Array.from({ length: completed + failed }, (_, index) => ({
      id: `${type.slice(0, 100)} ${kind} ${index}`,
      type,
      ...own,
      status: index < completed ? ("completed" as const) : ("failed" as const),
      queued_at: now - took_s * 1000 - 2000,
      started_at: now - took_s * 1000,
      ended_at: now,
    })),
  );
}

/** Vision tasks of three models: one is slow on CPUs, one fails often; and one more that waits. */
function fleet(type = "vision", family = "vit"): Report {
  const ended: Ended[] = [
    { model_id: "vit-base", model_family: family, worker_id: "gpu-1", completed: 30, took_s: 4 },
    { model_id: "vit-base", model_family: family, worker_id: "cpu-1", completed: 8, took_s: 12 },
    { model_id: "clip-base", model_family: "clip", worker_id: "gpu-2", completed: 15, failed: 5, took_s: 6 },
    { model_id: "detr-base", model_family: "detr", worker_id: "gpu-1", completed: 2, took_s: 5 },
  ];
  return {
    source: "balancer",
    interval_s: QUIET_S,
    workers: ["gpu-1", "gpu-2", "cpu-1"].map((id) => ({ id, type: id.slice(0, 3), interval_s: QUIET_S })),
    tasks: [
      ...endedTasks(ended, type),
      { id: "runs", type, model_family: family, model_id: "vit-base", status: "running", worker_id: "gpu-1" },
      { id: "waits", type, model_family: family, model_id: "vit-base", status: "queued", priority: 2 },
    ],
  };
}

/** Waits until the fleet's figures are out, and opens the page. */
async function openPage(page: Page, url: string, path: string): Promise<void> {
  await expect.poll(async () => (await fetch(`${url}${path}?format=json`)).status, SOON).toBe(200);
  await openLive(page, url + path);
}

async function expectTaskType(page: Page): Promise<void> {
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Task type vision");
  const figures = panel(page, "Overview").locator(".kpi .v");
  await expect(figures).toHaveText(["1", "1", "55", "5", /\d/, /91\.6\s%/]);

  const models = panel(page, "Distribution");
  const family = models.getByRole("link", { name: "vit" });
  await expect(family).toHaveAttribute("href", "model-families/vit");
  await expect(models.getByTitle(/vit-base: 40\stasks, 2 of them unfinished/)).toBeVisible();

  const rates = panel(page, "Completion rate").getByRole("listitem");
  await expect(rates.first()).toContainText(/low: clip-base\s*75\.0\s%\s*of 20/);
  await expect(rates.first().locator(".mark.warning")).toBeVisible();
  await expect(rates.nth(1)).toContainText(/vit-base\s*100\s%\s*of 38/);

  const assigned = panel(page, "Worker assignment");
  await expect(assigned.getByRole("link", { name: "gpu", exact: true })).toHaveAttribute(
    "href",
    "workers?worker_type=gpu",
  );
  await expect(assigned.getByRole("link", { name: "gpu-1" })).toHaveAttribute("href", "workers/gpu-1");

  await expect(
    panel(page, "Throughput comparison").getByTitle(/vit-base: 38\stasks completed/),
  ).toBeVisible();

  const slow = panel(page, "Which models are slow where").getByRole("row", { name: "vit-base" });
  await expect(slow.getByRole("cell")).toHaveText([
    /4\.0\ss.*38/,
    /slow:.*12\.0\ss.*8 · 3\.0 ×/,
    /4\.0\ss.*30 · 1\.0 ×/,
  ]);
  const other = panel(page, "Which models are slow where").getByRole("row", { name: "clip-base" });
  await expect(other.getByRole("cell").nth(1)).toContainText("none completed here");

  const scheduling = panel(page, "Scheduling efficiency");
  await expect(scheduling.locator(".kpi").first()).toContainText(/Average queue time\s*2\.0 s/);
  await expect(scheduling.getByRole("link", { name: /oldest/ })).toHaveAttribute("href", "tasks/waits");
  const trends = panel(page, "Trends");
  await expect(trends.getByRole("img")).toHaveCount(4);
  await expect(trends.getByRole("link", { name: "Throughput" })).toHaveAttribute(
    "href",
    "history?task_type=vision&metrics=throughput_per_minute&duration=15m",
  );
}

test("a task type's page shows what its tasks come to, and follows them", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, fleet());
  await openPage(page, url, "task-types/vision");
  await expectTaskType(page);
  await report(url, { source: "balancer", tasks: [{ id: "waits", status: "running", worker_id: "cpu-1" }] });
  const figures = panel(page, "Overview").locator(".kpi .v");
  await expect(figures.first()).toHaveText("2", SOON);
  await expect(panel(page, "Worker assignment").getByRole("link", { name: "cpu-1" })).toBeVisible(SOON);
  await expect(panel(page, "Scheduling efficiency")).toContainText("nothing waits");
});

test("names lead from the dashboard to the type, to its family, and back", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, fleet());
  await openPage(page, url, "task-types/vision");
  await page.getByRole("link", { name: "Overview" }).click();
  await panel(page, "Task distribution").getByRole("link", { name: "vision" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Task type vision");
  await panel(page, "Distribution").getByRole("link", { name: "clip" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Model family clip");
  await expect(panel(page, "Overview").locator(".kpi .v").nth(3)).toHaveText("5");
  await panel(page, "Distribution").getByRole("link", { name: "vision" }).click();
  await expect(page).toHaveURL(`${url}task-types/vision`);
  await panel(page, "Trends").getByRole("link", { name: "Tasks" }).click();
  await expect(page).toHaveURL(/history\?task_type=vision&metrics=queued_tasks,running_tasks&duration=15m/);
  await expect(panel(page, "History").getByRole("img").first()).toBeVisible();
});

test.describe("an unknown type or family", () => {
  test.use({ tolerated: /404 \(Not Found\)/ });

  test("is not found, in words", async ({ page, serve }) => {
    const { url } = await serve();
    await report(url, fleet());
    for (const [path, words] of [
      ["task-types/visoin", 'No task of the task type "visoin" is known, and nothing is kept of it'],
      ["model-families/bert", 'No task of the model family "bert" is known, and nothing is kept of it'],
    ] as const) {
      const answer = await page.goto(url + path);
      expect(answer!.status()).toBe(404);
      await expect(page.getByRole("main")).toContainText(words);
    }
  });
});

test("a moment of the past shows what is kept, and says what is not", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, fleet());
  await openPage(page, url, "task-types/vision");
  const { at_ms } = await (await fetch(`${url}task-types/vision?format=json`)).json();
  await page.goto(`${url}task-types/vision?at=${at_ms}`);
  await expect(page.locator("#past")).toContainText("As it was");
  await expect(panel(page, "Overview").locator(".kpi .v").nth(2)).toHaveText("55");
  await expect(panel(page, "Completion rate")).toContainText("not counted by model in the past");
  await expect(
    panel(page, "Distribution").getByTitle(/vit-base: 2\stasks, 2 of them unfinished/),
  ).toBeVisible();
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("a task type's page has all of it", async ({ page, serve }) => {
    const { url } = await serve();
    await report(url, fleet());
    await expect.poll(async () => (await fetch(`${url}task-types/vision`)).status, SOON).toBe(200);
    await page.goto(`${url}task-types/vision`);
    await expectTaskType(page);
  });
});

for (const name of HOSTILE) {
  test(`a type and a family named ${JSON.stringify(name.slice(0, 30))} are names, and led to`, async ({
    page,
    serve,
  }) => {
    const { url } = await serve();
    await report(url, fleet(name, name));
    await expect
      .poll(async () => (await (await fetch(`${url}api/metrics/tasks/stats`)).json()).types.length, SOON)
      .toBe(1);
    await page.setViewportSize(PHONE);
    await openLive(page, url);
    await panel(page, "Task distribution").locator("th a").click();
    await expect(page.getByRole("heading", { level: 1 })).toContainText("Task type");
    await expect(panel(page, "Overview").locator(".kpi .v").nth(2)).toHaveText("55");
    // The most tasks are of this family.
    await panel(page, "Distribution").getByRole("link").first().click();
    await expect(page.getByRole("heading", { level: 1 })).toContainText("Model family");
    await expect(panel(page, "Overview").locator(".kpi .v").nth(2)).toHaveText("38");
    const beyond_px = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(beyond_px).toBeLessThanOrEqual(0);
    expect(await page.locator("main script").count()).toBe(0);
  });
}

test("both pages meet WCAG 2.2 AA in light and in dark, on a desktop and on a phone", async ({
  page,
  serve,
}) => {
  const { url } = await serve();
  await report(url, fleet());
  await openPage(page, url, "task-types/vision");
  for (const viewport of [{ width: 1440, height: 900 }, PHONE]) {
    await page.setViewportSize(viewport);
    for (const theme of ["light", "dark"]) {
      for (const path of ["task-types/vision", "model-families/vit"]) {
        await openLive(page, `${url}${path}?theme=${theme}`);
        const { violations } = await new AxeBuilder({ page }).withTags(WCAG_22_AA).analyze();
        expect(
          violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("; ")}`),
        ).toEqual([]);
      }
    }
  }
});
