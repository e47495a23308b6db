import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { loadSettings } from "./config.ts";
import { type RunningServer, startServer } from "./server.ts";

/** What clients of a coordinator ask of a dashboard, of a server that has just begun. */
let server: RunningServer;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-clients-"));
  const flags = { db: join(folder, "fleet.db"), port: "0", host: "127.0.0.1", demo: "off" };
  server = await startServer(loadSettings({ flags, env: {}, readFile: () => "" }).settings, () => {});
  const at = Date.now();
  const report = {
    at,
    source: "coordinator",
    workers: [{ id: "W1", type: "gpu", metrics: { cpu_utilization: 95, memory_utilization: 60 } }],
    tasks: [
      { id: "t-1", type: "vision", status: "running", worker_id: "W1", metrics: { memory_bytes: 4096 } },
      { id: "t-2", type: "text", status: "queued" },
    ],
  };
  const body = JSON.stringify(report);
  const headers = { "Content-Type": "application/json" };
  await fetch(`${server.url}api/ingest`, { method: "POST", body, headers });
  await vi.waitUntil(
    async () => "W1" in ((await json("api/metrics/workers")) as { workers: object }).workers,
    {
      timeout: 10_000,
    },
  );
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

async function json(path: string): Promise<unknown> {
  const answer = await fetch(server.url + path);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("Content-Type")).toBe("application/json");
  return answer.json();
}

const anyNumber = expect.any(Number);
const pairs = expect.arrayContaining([[anyNumber, anyNumber]]);

describe("a client of a coordinator finds", () => {
  test.each([
    ["api/status", { success: true, version: expect.any(String) }],
    [
      "api/metrics/system",
      {
        success: true,
        metrics: { total_workers: 1, active_workers: 1, queued_tasks: 1, running_tasks: 1 },
      },
    ],
    ["api/metrics/workers", { success: true, workers: { W1: { status: "active", cpu_utilization: 95 } } }],
    [
      "api/metrics/history/system?metrics=queued_tasks,running_tasks,active_workers&interval=1s&duration=10s",
      { success: true, metrics: { queued_tasks: pairs, running_tasks: pairs, active_workers: pairs } },
    ],
    [
      "api/metrics/load_balancer",
      {
        success: true,
        metrics: {
          worker_utilization: { W1: anyNumber },
          assignment_efficiency: expect.toSatisfy((ratio) => ratio === null || (ratio > 0 && ratio <= 1)),
          task_assignments: { W1: 1 },
        },
      },
    ],
    ["api/workers", { success: true, workers: [{ worker_id: "W1" }] }],
    [
      "api/workers/performance",
      {
        success: true,
        workers: [
          {
            worker_id: "W1",
            performance_score: expect.toSatisfy((score) => score >= 0 && score <= 100),
          },
        ],
      },
    ],
    ["api/tasks", { success: true, tasks: [{ task_id: "t-1" }, { task_id: "t-2" }] }],
    [
      "api/tasks/t-1",
      { success: true, task: { task_id: "t-1", status: "running", metrics: { memory_bytes: 4096 } } },
    ],
  ])("/%s", async (path, expected) => {
    await expect.poll(() => json(path), { timeout: 5_000 }).toMatchObject(expected);
  });

  test("/api/anomalies, each of a type", async () => {
    await expect
      .poll(() => json("api/anomalies"), { timeout: 10_000 })
      .toMatchObject({ success: true, anomalies: [{ type: "worker_overload" }] });
  }, 15_000);

  test("/, which names what it shows", async () => {
    const answer = await fetch(server.url);
    expect(answer.headers.get("Content-Type")).toContain("text/html");
    const source = (await answer.text()).toLowerCase();
    for (const word of ["dashboard", "metrics", "workers", "tasks"]) expect(source).toContain(word);
  });

  test("the system's metrics in the first frame of /ws", async () => {
    const socket = new WebSocket(`${server.url.replace("http", "ws")}ws`);
    await once(socket, "open");
    const first = once(socket, "message");
    socket.send(JSON.stringify({ action: "subscribe", channel: "system_metrics" }));
    expect(JSON.parse(String((await first)[0]))).toMatchObject({
      channel: "system_metrics",
      data: {
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        metrics: { total_workers: 1, queued_tasks: 1 },
      },
    });
    const next = once(socket, "message");
    expect(JSON.parse(String((await next)[0]))).toMatchObject({ channel: "system_metrics" });
    socket.terminate();
  });
});

test("a server that stops tells its WebSockets so", async () => {
  const other = join(folder, "other.db");
  const flags = { db: other, port: "0", host: "127.0.0.1", demo: "off", "base-path": "/fleet/" };
  const { settings } = loadSettings({ flags, env: {}, readFile: () => "" });
  const stopping = await startServer(settings, () => {});
  const socket = new WebSocket(`${stopping.url.replace("http", "ws")}ws/metrics?channel=system_metrics`);
  await once(socket, "message");
  const closed = once(socket, "close");
  await stopping.stop();
  expect((await closed)[0]).toBe(1001);
});
