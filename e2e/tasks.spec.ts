import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { QUIET_S, type Report, report, type TaskReport } from "./reports.ts";
import { expect, openLive, panel, SOON, test } from "./test.ts";

const WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const WIDTHS = [1440, 390];

const HOSTILE = [
  "<script>alert(1)</script>",
  "\u202eright to left\u202c مرحبا",
  "👩‍🚀🚀 w\u0301",
  "x".repeat(256),
  "..",
  "a/b?c=d&e#f%20",
];

/** A worker that works, one that rests, and tasks in every state. */
function fleet(now_ms: number): Report {
  const ago = (s: number) => now_ms - s * 1000;
  const vit = { type: "vision", model_id: "vit-base-patch16" };
  return {
    interval_s: QUIET_S,
    workers: [
      {
        id: "busy",
        type: "gpu",
        interval_s: QUIET_S,
        metrics: { cpu_utilization: 60, memory_utilization: 50 },
      },
      {
        id: "calm",
        type: "cpu",
        interval_s: QUIET_S,
        metrics: { cpu_utilization: 10, memory_utilization: 10 },
      },
    ],
    tasks: [
      {
        id: "runs",
        ...vit,
        status: "running",
        worker_id: "busy",
        queued_at: ago(50),
        started_at: ago(40),
        priority: 2,
      },
      {
        id: "fails",
        type: "text",
        status: "failed",
        worker_id: "busy",
        queued_at: ago(100),
        started_at: ago(90),
        ended_at: ago(60),
        error: `Traceback: ${"CUDA out of memory <b>now</b> ".repeat(30)}`,
      },
      { id: "done", ...vit, status: "completed", worker_id: "calm", started_at: ago(80), ended_at: ago(70) },
      { id: "urgent", ...vit, status: "queued", priority: 1, queued_at: ago(20) },
      { id: "waits", ...vit, status: "queued", priority: 3, queued_at: ago(30) },
      {
        id: "stuck",
        ...vit,
        status: "queued",
        priority: 4,
        queued_at: ago(10),
        requirements: { tags: ["rare"] },
      },
    ] satisfies TaskReport[],
  };
}

/** Reports, and waits until the report is shown. */
async function shown(url: string, first: Report): Promise<void> {
  await report(url, first);
  const [task] = first.tasks!;
  const answer = () => fetch(`${url}api/metrics/tasks/${encodeURIComponent(task!.id)}`);
  await expect.poll(async () => (await answer()).status, SOON).toBe(200);
}

async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).withTags(WCAG_22_AA).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("; ")}`)).toEqual([]);
}

async function expectNoSidewaysScroll(page: Page): Promise<void> {
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
}

test("from the stream to a task, and on to its end", async ({ page, serve }) => {
  const { url } = await serve();
  await shown(url, fleet(Date.now()));
  await openLive(page, `${url}assignments`);
  await expect(page.getByRole("link", { name: "Assignments" })).toHaveAttribute("aria-current", "page");
  const stream = panel(page, "Assignments");
  await expect(stream.locator("title").filter({ hasText: "fails" })).toHaveText(
    /^fails · text · failed after 30\.0\ss$/,
    SOON,
  );
  await expect(stream.locator("title").filter({ hasText: "runs" })).toHaveText(
    "runs · vision, vit-base-patch16 · running",
  );
  await stream.getByText("As a table").click();
  await stream.getByRole("link", { name: "runs", exact: true }).click();

  await expect(page).toHaveURL(`${url}tasks/runs`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Task runs");
  const task = panel(page, "Task");
  await expect(task).toContainText("running");
  await expect(task.getByRole("link", { name: "busy" })).toHaveAttribute("href", "workers/busy");
  const line = panel(page, "Time line");
  await expect(line.getByRole("img")).toHaveAttribute("aria-label", /waits 10\.0\ss, runs still, running/);
  const matches = panel(page, "Who could run it");
  await expect(matches.getByRole("row").nth(1)).toContainText("calm");
  await expect(matches.getByRole("row").filter({ hasText: "has it" })).toContainText("busy");

  await report(url, {
    tasks: [{ id: "runs", status: "failed", worker_id: "busy", ended_at: Date.now(), error: "it fell over" }],
  });
  await expect(task.locator(".state")).toContainText("failed", SOON);
  await expect(task).toContainText("it fell over");
  await expect(line).toContainText("it fell over");
});

test("a task that waits says why, and so does its group", async ({ page, serve }) => {
  const { url } = await serve();
  await shown(url, fleet(Date.now()));
  await openLive(page, `${url}tasks/stuck`);
  const why = panel(page, "Who could run it");
  await expect(why).toContainText("Why it waits: No worker that takes tasks has tag rare.", SOON);
  await expect(why).toContainText("2 of 2 lack it");
  await page.goto(`${url}tasks/waits`);
  await expect(why).toContainText(
    "Why it waits: 1 more urgent task goes first; 1 worker that suits it is idle.",
  );

  await page.goto(`${url}assignments`);
  const rows = panel(page, "Queued tasks").getByRole("row");
  await expect(rows.nth(1)).toContainText("No worker that takes tasks has tag rare");
  await expect(rows.nth(2)).toContainText("It goes next: 1 worker that suits it is idle");
  await rows.nth(1).getByRole("cell").nth(3).getByRole("link").click();
  await expect(page).toHaveURL(`${url}tasks/stuck`);
});

test("the stream is narrowed by filters, ordered and made longer", async ({ page, serve }) => {
  const { url } = await serve();
  await shown(url, fleet(Date.now()));
  await openLive(page, `${url}assignments?worker_type=gpu`);
  const stream = panel(page, "Assignments");
  const lanes = stream.locator(".lanes .name");
  await expect(lanes).toHaveText(["busy"], SOON);
  await stream.getByRole("link", { name: "15 min" }).click();
  await expect(page).toHaveURL(`${url}assignments?worker_type=gpu&minutes=15`);
  await expect(lanes).toHaveText(["busy"]);
  await stream.getByRole("link", { name: "by worker type" }).click();
  await expect(stream.getByRole("heading", { level: 3 })).toHaveText(["gpu"]);
  await page.goto(`${url}assignments`);
  await expect(lanes).toHaveText(["busy", "calm"]);
});

test("a hostile name is a name on each of these pages", async ({ page, serve }) => {
  const { url } = await serve();
  const now_ms = Date.now();
  await shown(url, {
    interval_s: QUIET_S,
    workers: HOSTILE.map((id) => ({ id, type: id, interval_s: QUIET_S, metrics: { cpu_utilization: 20 } })),
    tasks: HOSTILE.flatMap((id, index): TaskReport[] => [
      { id, type: id, model_id: id, status: "running", worker_id: id, started_at: now_ms - 30_000 - index },
      {
        id: `q${id}`.slice(0, 256),
        type: id,
        model_id: id,
        status: "queued",
        queued_at: now_ms - 30_000,
        requirements: { tags: [id] },
      },
    ]),
  });
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    await openLive(page, `${url}assignments`);
    await expect(panel(page, "Assignments").locator("svg.lane rect")).not.toHaveCount(0, SOON);
    await expectNoSidewaysScroll(page);
    for (const id of HOSTILE) {
      const hrefs = await page
        .locator("svg.lane a")
        .evaluateAll((links) => links.map((link) => link.getAttribute("href")!));
      const segment = id === ".." ? "~.." : encodeURIComponent(id);
      expect(hrefs).toContain(`tasks/${segment}`);
      const answer = await page.goto(`${url}tasks/${segment}`);
      expect(answer!.status()).toBe(200);
      await expect(panel(page, "Task")).toContainText("running");
      await expectNoSidewaysScroll(page);
      await page.goto(`${url}assignments`);
    }
  }
});

test.describe("a task that nobody reported", () => {
  test.use({ tolerated: /404 \(Not Found\)/ });

  test("is not found, in words", async ({ page, serve }) => {
    const { url } = await serve();
    expect((await page.goto(`${url}tasks/nobody`))!.status()).toBe(404);
    await expect(page.getByRole("main")).toContainText('No task "nobody" is kept: nobody reported it');
    const answer = await fetch(`${url}api/metrics/tasks/nobody`);
    expect([answer.status, answer.headers.get("content-type")]).toEqual([404, "application/problem+json"]);
  });
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("the pages are complete", async ({ page, serve }) => {
    const { url } = await serve();
    await shown(url, fleet(Date.now()));
    await expect
      .poll(async () => {
        await page.goto(`${url}assignments`);
        return panel(page, "Assignments").locator("svg.lane rect").count();
      }, SOON)
      .toBeGreaterThan(2);
    await expect(panel(page, "Queued tasks").getByRole("row").nth(1)).toContainText("rare");
    await page.goto(`${url}tasks/fails`);
    await expect(panel(page, "Task")).toContainText("failed");
    await expect(panel(page, "Task").locator("pre")).toContainText("CUDA out of memory <b>now</b>");
    await expect(panel(page, "Time line").getByRole("table")).toContainText("UTC");
  });
});

for (const theme of ["light", "dark"]) {
  test(`the pages meet WCAG 2.2 AA in ${theme}, on a desk and on a phone`, async ({ page, serve }) => {
    const { url } = await serve();
    await shown(url, fleet(Date.now()));
    await openLive(page, `${url}tasks/runs`);
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      for (const path of [
        "assignments",
        "tasks/fails",
        "tasks/runs",
        "tasks/stuck",
        "embed/task-timeline?task_id=runs",
      ]) {
        await openLive(page, `${url}${path}${path.includes("?") ? "&" : "?"}theme=${theme}`);
        await expectNoSidewaysScroll(page);
        await expectAccessible(page);
      }
    }
  });
}
