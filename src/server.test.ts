import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { loadSettings } from "./config.ts";
import { FakeCoordinator, WORKER_KEY } from "./metrics/collect/connect/coordinator/coordinator-fixture.ts";
import { readConnectors } from "./metrics/collect/connect/file.ts";
import { type RunningServer, startServer } from "./server.ts";

test("without a file of alerts, whoever wants it read again is told that none is named", async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-server-"));
  const flags = { db: join(folder, "fleet.db"), port: "0", host: "127.0.0.1", demo: "off" };
  const { settings } = loadSettings({ flags, env: {}, readFile: () => "" });
  const said: string[] = [];
  const server = await startServer(settings, (level, message) => said.push(`${level} ${message}`));
  const answer = await fetch(`${server.url}alerts/reload`, { method: "POST" });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({
    detail: expect.stringContaining("no file of alerts is named"),
  });
  const page = await fetch(`${server.url}alerts`);
  expect(await page.text()).not.toContain("Read the file of alerts again");
  expect(said).toEqual([]);
  server.reload();
  expect(said).toEqual([expect.stringMatching(/^warn no file of alerts is named/)]);
  await server.stop();
  rmSync(folder, { recursive: true });
});

test("what is over a limit is refused by its name and shown on /status, and the rest is served", async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-server-"));
  const limits = { max_workers: "3", max_live_tasks: "2" };
  const flags = { db: join(folder, "fleet.db"), port: "0", host: "127.0.0.1", demo: "off", ...limits };
  const { settings } = loadSettings({ flags, env: {}, readFile: () => "" });
  const server = await startServer(settings, () => {});
  const post = async (report: object) => {
    const body = JSON.stringify({ source: "lab", ...report });
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(`${server.url}api/ingest`, { method: "POST", body, headers });
    return { status: answer.status, text: await answer.text() };
  };
  const some = (kind: string, count: number) =>
    Array.from({ length: count }, (_, index) => ({ id: `${kind}-${index}` }));

  expect(await post({ workers: some("w", 3), tasks: some("t", 2) })).toMatchObject({ status: 202 });
  const workers = await post({ workers: [{ id: "stranger" }] });
  expect(workers.status).toBe(422);
  expect(workers.text).toContain("must leave at most 3 workers known (max_workers); got 4 with these");
  const tasks = await post({ tasks: [{ id: "stranger" }] });
  expect(tasks.status).toBe(422);
  expect(tasks.text).toContain("must leave at most 2 tasks held live (max_live_tasks); got 3 with these");
  // Who is known is served as before.
  expect(await post({ workers: [{ id: "w-0", metrics: { cpu_utilization: 42 } }] })).toMatchObject({
    status: 202,
  });
  await vi.waitFor(async () => {
    const page = await (await fetch(`${server.url}status`)).text();
    expect(page).toContain("max_workers: 1 ×");
    expect(page).toContain("max_live_tasks: 1 ×");
    expect(await (await fetch(`${server.url}api/metrics/workers`)).json()).toMatchObject({
      workers: { "w-0": { cpu_utilization: 42 }, "w-1": {}, "w-2": {} },
    });
  }, 5000);
  await server.stop();
  rmSync(folder, { recursive: true });
});

describe("with connectors", () => {
  let folder: string;
  let coordinator: FakeCoordinator;
  let server: RunningServer;
  let said: string[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "evenkeel-server-"));
    coordinator = await new FakeCoordinator(Date.now).listen();
    coordinator.addWorker("w1");
    writeFileSync(join(folder, "key"), WORKER_KEY);
    said = [];
  });
  afterEach(async () => {
    await server.stop();
    await coordinator.close();
    rmSync(folder, { recursive: true });
  });

  async function serve(more: object = {}, url = coordinator.url): Promise<void> {
    const flags = { db: join(folder, "fleet.db"), port: "0", host: "127.0.0.1", ...more };
    const { settings } = loadSettings({ flags, env: {}, readFile: () => "" });
    const lab = `{ kind: coordinator, name: lab, url: "${url}", api_key_file: "${join(folder, "key")}" }`;
    const read = readConnectors(`connectors: [${lab}]`, "config.yaml");
    if ("problems" in read) throw new Error(read.problems.join("\n"));
    server = await startServer(
      settings,
      (level, message) => said.push(`${level} ${message}`),
      read.connectors,
    );
  }

  const json = async (path: string) => (await fetch(`${server.url}${path}`)).json();

  test("no demo fleet is shown, but what they report; and their state", async () => {
    await serve();
    expect(server.describe()).toMatch(/^Fleet kept in /);
    await vi.waitFor(
      async () => expect(await json("api/workers")).toMatchObject({ workers: [{ id: "w1" }] }),
      5000,
    );
    expect(await json("api/connectors")).toMatchObject({
      connectors: [{ name: "lab", address: coordinator.url, state: "ok", last_error: null }],
    });
    expect(await json("api/sources")).toMatchObject({
      sources: [{ id: "lab", interval_ms: 1000, workers: 1 }],
    });
    expect(await json("api/status")).not.toHaveProperty("connectors");
  });

  test("one that was never answered is shown with what is wrong, and raises an alert", async () => {
    const alerts = join(folder, "alerts.yaml");
    writeFileSync(alerts, "rules: [{ name: connector_unheard, for: 0s }]");
    coordinator.instead = (_, response) => {
      response.writeHead(503).end("busy");
      return true;
    };
    await serve({ alerts });
    await vi.waitFor(async () => {
      expect(await json("api/alerts")).toMatchObject({ alerts: [{ rule: "connector_unheard" }] });
    }, 5000);
    expect(await json("api/connectors")).toMatchObject({
      connectors: [
        { state: "failing", last_error: expect.stringContaining("answered 503: busy"), success_ms: null },
      ],
    });
    // The last tick was on time all along: nothing waits for who does not answer.
    expect(said).toEqual([]);
  });

  test("one that hangs delays neither a tick nor the end", async () => {
    coordinator.instead = () => true;
    await serve();
    await vi.waitFor(() => expect(coordinator.asked.length).toBe(1), 5000);
    const ticks = async () => ((await json("api/status")) as { ticks: number }).ticks;
    const before = await ticks();
    await vi.waitFor(async () => expect(await ticks()).toBeGreaterThan(before), 5000);
    expect(await json("api/connectors")).toMatchObject({ connectors: [{ state: "waiting" }] });
  });

  test("none is asked where the demo fleet is to be shown", async () => {
    await serve({ demo: "on", demo_workers: "1", demo_tasks: "1" });
    expect(said).toEqual(["warn no connector is asked while the demo fleet is shown (demo on)"]);
    expect(coordinator.asked).toEqual([]);
    expect(await json("api/connectors")).toMatchObject({ connectors: [] });
  });
});
