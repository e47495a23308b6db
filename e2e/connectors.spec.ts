import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ADMIN_KEY,
  FakeCoordinator,
} from "../src/metrics/collect/connect/coordinator/coordinator-fixture.ts";
import { runEvenkeel } from "./server.ts";
import { test as base, expect, openLive, panel, SOON } from "./test.ts";

const KEY = { LAB_KEY: ADMIN_KEY };
/** The coordinator calls a worker offline for 15 s before it counts. */
const AWAY = { timeout: 40_000 };

const test = base.extend<{ coordinator: FakeCoordinator; config: string }>({
  // biome-ignore lint/correctness/noEmptyPattern: playwright reads the names of what a fixture needs
  coordinator: async ({}, use) => {
    const coordinator = await new FakeCoordinator(Date.now).listen();
    coordinator.addWorker("rack-1");
    coordinator.addWorker("rack-2");
    const beat = setInterval(() => coordinator.beat(), 1000);
    await use(coordinator);
    clearInterval(beat);
    await coordinator.close();
  },
  /** A file with this coordinator as its only connector. */
  config: async ({ coordinator, folder }, use) => {
    const file = join(folder, "evenkeel.yaml");
    const lab = `kind: coordinator\n    name: lab\n    url: ${coordinator.url}\n    api_key_env: LAB_KEY`;
    writeFileSync(file, `retention: 3d\nconnectors:\n  - ${lab}\n`);
    await use(file);
  },
});

test("a coordinator's workers and tasks are on the dashboard, and what becomes of them", async ({
  page,
  serve,
  coordinator,
  config,
}) => {
  coordinator.submit("bench-1");
  coordinator.start("bench-1", "rack-1");
  coordinator.submit("bench-2", { config: { model: "vit-base" } });
  // The demo fleet would be shown, were there no connector.
  const { url } = await serve({ args: ["--config", config], env: { ...KEY, EVENKEEL_DEMO: "auto" } });

  await openLive(page, url);
  const workers = panel(page, "Workers");
  await expect(workers.getByRole("link", { name: /^rack-1: active · gpu/ })).toBeVisible(SOON);
  await expect(workers.getByRole("link", { name: /^rack-2: active · gpu/ })).toBeVisible();
  const distribution = panel(page, "Task distribution");
  await expect(distribution).toContainText("1 queued · 1 running", SOON);
  await expect(distribution.getByRole("listitem", { name: "rack-1: benchmark 1" })).toBeVisible();

  await openLive(page, `${url}tasks/bench-1`);
  const task = panel(page, "Task");
  await expect(task.getByText("running", { exact: true }).first()).toBeVisible(SOON);
  await expect(task.getByText("rack-1").first()).toBeVisible();
  coordinator.fail("bench-1", "CUDA out of memory");
  await expect(task.getByText("failed", { exact: true }).first()).toBeVisible(SOON);
  await expect(task.getByText("CUDA out of memory").first()).toBeVisible();

  await openLive(page, `${url}workers/rack-2`);
  const worker = panel(page, "Worker state");
  await expect(worker.getByText("Active", { exact: true })).toBeVisible(SOON);
  coordinator.workers[1]!.status = "offline";
  await expect(worker.getByText("Stale", { exact: true })).toBeVisible(AWAY);
  await expect(panel(page, "Alerts of this worker").getByText("Worker rack-2 is stale")).toBeVisible(SOON);
  coordinator.workers[1]!.status = "active";
  await expect(worker.getByText("Active", { exact: true })).toBeVisible(SOON);
});

test.describe("how a connector is doing", () => {
  test("shows on the status page: what was there, what is wrong, and that it is well again", async ({
    page,
    serve,
    coordinator,
    config,
  }) => {
    const { url } = await serve({ args: ["--config", config], env: KEY });
    await openLive(page, `${url}status`);
    const connectors = panel(page, "Connectors");
    const row = connectors.getByRole("row", { name: /^lab/ });
    await expect(row).toContainText("2 workers, 0 unfinished tasks", SOON);
    await expect(row).toContainText(coordinator.url);
    coordinator.instead = (_, response) => {
      response
        .writeHead(500, { "Content-Type": "application/json" })
        .end('{"error":"<b>database</b> is locked"}');
      return true;
    };
    await expect(row).toContainText("answered 500: <b>database</b> is locked", SOON);
    await expect(row).toContainText("failing");
    await expect(connectors.getByText("1 failing")).toBeVisible();
    coordinator.instead = () => false;
    await expect(row).toContainText("ok", SOON);
    await expect(connectors.getByText("1 failing")).toBeHidden();
  });

  test("without any, says in a sentence where they are named", async ({ page, serve }) => {
    const { url } = await serve();
    await openLive(page, `${url}status`);
    await expect(panel(page, "Connectors")).toContainText("where the config file names it under connectors");
  });
});

test.describe("check-config --connect", () => {
  const asked = (config: string, env: Record<string, string>) =>
    runEvenkeel(["check-config", "--connect", "--config", config], env);

  test("prints a line for each connector: what was there and how long it took", async ({
    config,
    coordinator,
  }) => {
    const { code, stdout, stderr } = await asked(config, KEY);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(
      /^lab \(coordinator\): ok after \d+ ms, http:\/\/\S+\/: 2 workers, 0 unfinished tasks\n$/,
    );
    expect(stdout).toContain(coordinator.url);
  });

  test("ends with 1 where one fails, and says why without the key", async ({ config }) => {
    const { code, stdout, stderr } = await asked(config, { LAB_KEY: "secret-of-nobody" });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(
      /^lab \(coordinator\): \S+ answered 401: Unauthorized \(api_key_env or api_key_file/,
    );
    expect(stderr).not.toContain("secret-of-nobody");
    expect((await asked(config, {})).stderr).toContain(
      "api_key_env names the variable LAB_KEY, which is not set",
    );
  });

  test("says that there is none where there is none", async ({ folder }) => {
    const file = join(folder, "evenkeel.yaml");
    writeFileSync(file, "retention: 3d\n");
    const { code, stderr } = await asked(file, {});
    expect(code).toBe(1);
    expect(stderr).toContain("no connector is configured: the config file names them under connectors");
  });

  test("names what is wrong in the file by field and line", async ({ config }) => {
    writeFileSync(config, "connectors:\n  - kind: coordinator\n    name: lab\n    url: lab.example\n");
    const { code, stderr } = await asked(config, KEY);
    expect(code).toBe(1);
    expect(stderr).toMatch(/connectors\[0\]\.url must be an address .*; got "lab\.example", line 4/);
  });
});
