import { AxeBuilder } from "@axe-core/playwright";
import { QUIET_S, report } from "./reports.ts";
import { expect, figure, openLive, panel, SOON, test } from "./test.ts";

const WORKERS = [
  { id: "gpu-1", type: "gpu", metrics: { cpu_utilization: 20 } },
  { id: "gpu-2", type: "gpu", metrics: { cpu_utilization: 30 } },
  { id: "cpu-1", type: "<b>cpu</b>", metrics: { cpu_utilization: 40 } },
];

function tasks(now_ms: number) {
  return [
    {
      id: "t1",
      type: "vision",
      model_id: "vit-b",
      status: "running",
      worker_id: "gpu-1",
      started_at: now_ms,
    },
    { id: "t2", type: "text", model_id: "bert", status: "running", worker_id: "cpu-1", started_at: now_ms },
    { id: "t3", type: "text", model_id: "bert", status: "queued", queued_at: now_ms },
  ] as const;
}

async function fleet(url: string): Promise<void> {
  await report(url, {
    source: "balancer",
    interval_s: QUIET_S,
    workers: WORKERS,
    tasks: [...tasks(Date.now())],
  });
}

test("a filter is chosen, holds live on every panel, and is taken away by its chip", async ({
  page,
  serve,
}) => {
  const { url } = await serve();
  await fleet(url);
  await openLive(page, url);
  await expect(figure(page, "Workers active")).toContainText("3 of 3", SOON);
  // The menu offers what there was when the page was loaded.
  await openLive(page, url);
  await page.getByText("Filter", { exact: true }).click();
  await page.getByLabel("Worker type").selectOption("gpu");
  await page.getByRole("button", { name: "Apply" }).click();
  await expect(page).toHaveURL(/[?&]worker_type=gpu/);
  await expect(figure(page, "Workers active")).toContainText("2 of 2");
  await expect(figure(page, "Tasks running")).toContainText("1");
  await expect(panel(page, "Workers").getByRole("listitem")).toHaveCount(2);
  // What comes now is of the part that is shown, too.
  await report(url, {
    source: "balancer",
    workers: [
      { id: "gpu-3", type: "gpu" },
      { id: "cpu-2", type: "cpu" },
    ],
  });
  await expect(panel(page, "Workers").getByRole("listitem")).toHaveCount(3, SOON);
  await page.getByRole("link", { name: "Worker type: gpu" }).click();
  await expect(figure(page, "Workers active")).toContainText("5 of 5", SOON);
});

test("filters stay on the way to other pages, as far as those know them", async ({ page, serve }) => {
  const { url } = await serve();
  await fleet(url);
  await openLive(page, `${url}?task_type=text&theme=dark`);
  await expect(page.getByRole("link", { name: "History" })).toHaveAttribute(
    "href",
    "history?task_type=text&theme=dark",
  );
  await page.goto(`${url}?task_type=text&q=bert`);
  await expect(page.getByRole("link", { name: "History" })).toHaveAttribute("href", "history");
  await expect(panel(page, "Performance")).toContainText("whole fleet");
  await expect(panel(page, "Workers").getByRole("listitem")).toHaveCount(1);
});

test("a panel's other forms have its filters", async ({ page, serve }) => {
  const { url } = await serve();
  await fleet(url);
  await openLive(page, `${url}?worker_type=gpu`);
  await panel(page, "Workers").getByLabel("Workers as data").first().click();
  await panel(page, "Workers").getByRole("link", { name: "CSV" }).click();
  await expect(page)
    .toHaveURL(/\/api\/metrics\/workers\?worker_type=gpu&format=csv$/)
    .catch(async () => {
      // A browser may offer the table as a download instead of showing it.
      const csv = await (await fetch(`${url}api/metrics/workers?worker_type=gpu&format=csv`)).text();
      expect(csv.trim().split("\n")).toHaveLength(3);
    });
});

test("a name with markup is a name, in the menu and on its chip, and both meet WCAG 2.2 AA", async ({
  page,
  serve,
}) => {
  const { url } = await serve();
  await fleet(url);
  for (const theme of ["light", "dark"]) {
    await openLive(page, `${url}?theme=${theme}&worker_type=${encodeURIComponent("<b>cpu</b>")}`);
    await expect(page.getByRole("link", { name: "Worker type: <b>cpu</b>" })).toBeVisible();
    await page.getByText("Filter", { exact: true }).click();
    await page.getByText("View", { exact: true }).click();
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ help, nodes }) => `${help}: ${nodes[0]?.html}`)).toEqual([]);
  }
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("filters are chosen and taken away all the same", async ({ page, serve }) => {
    const { url } = await serve();
    await fleet(url);
    await expect(async () => {
      await page.goto(url);
      await expect(figure(page, "Workers active")).toContainText("3 of 3", { timeout: 500 });
    }).toPass(SOON);
    await page.getByText("Filter", { exact: true }).click();
    await page.getByRole("textbox", { name: "Text" }).fill("VIT");
    await page.getByRole("button", { name: "Apply" }).click();
    await expect(figure(page, "Workers active")).toContainText("1 of 1");
    await expect(panel(page, "Workers")).toContainText("gpu-1");
    await page.getByRole("link", { name: "Text: VIT" }).click();
    await expect(figure(page, "Workers active")).toContainText("3 of 3");
  });
});
