import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadSettings } from "./config.ts";
import { EvenkeelError } from "./errors.ts";
import { ManualClock, systemClock } from "./metrics/clock.ts";
import { runAgent } from "./metrics/collect/agent/agent.ts";
import { machineOf } from "./metrics/collect/agent/machine.ts";
import { httpSend } from "./metrics/collect/sender.ts";
import { startServer } from "./server.ts";

/** Far beyond what it takes: a busy machine is no failure. */
const SOON = { timeout: 15_000 };

test("what an agent measured while its server was away is in the history once it is back", async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-agent-"));
  const flags = { db: join(folder, "fleet.db"), port: "0", host: "127.0.0.1", demo: "off", tick_ms: "250" };
  const { settings } = loadSettings({ flags, env: {}, readFile: () => "" });
  const server = await startServer(settings, () => {});
  const began_ms = Math.floor(systemClock.now() / 1000) * 1000 - 600_000;
  const clock = new ManualClock(began_ms);
  const abort = new AbortController();
  const send = httpSend(server.url);
  const sent: string[] = [];
  let measured = 0;
  const agent = runAgent({
    machine: machineOf(process.platform, { elapsed_ms: () => clock.now() }),
    gpus: () => [],
    worker: { id: "machine-1", hostname: "host-1", type: "gpu", tags: ["cuda"], version: "1.2.3" },
    interval_ms: 1000,
    send: async (body, type) => {
      if (measured < 20) throw new EvenkeelError("unavailable", "the server is away");
      const answer = await send(body, type);
      sent.push(body);
      return answer;
    },
    clock,
    elapsed_ms: () => clock.now(),
    random: () => 0.9,
    sleep: async (ms, signal) => {
      await new Promise((resolve) => setImmediate(resolve));
      const measuring = ms === 1000;
      // It measures for twenty seconds, ten minutes ago, and then waits for its end.
      if (measuring && measured++ === 20)
        await new Promise((resolve) => signal?.addEventListener("abort", resolve));
      if (measuring) clock.advance(ms);
    },
    signal: abort.signal,
    say: () => {},
  });
  await expect.poll(() => sent.join("").trim().split("\n").length, SOON).toBe(20);
  abort.abort();
  await agent;

  const query = `metrics=memory_utilization&from=${began_ms}&to=${began_ms + 25_000}&step=1s`;
  await expect
    .poll(async () => {
      const answer = await fetch(`${server.url}api/metrics/workers/machine-1/history?${query}`);
      const { series } = (await answer.json()) as { series?: { mean: (number | null)[] }[] };
      return series?.[0]?.mean.filter((value) => value !== null).length;
    }, SOON)
    .toBe(20);
  const worker = await (await fetch(`${server.url}api/metrics/workers/machine-1`)).json();
  expect(worker).toMatchObject({
    type: "gpu",
    tags: ["cuda"],
    source: "agent-machine-1",
    capabilities: { agent_version: "1.2.3", memory_bytes: expect.any(Number) },
  });
  await server.stop();
  rmSync(folder, { recursive: true });
});
