import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "./clock.ts";
import type { Silence } from "./model.ts";
import type { Pipeline } from "./pipeline.ts";
import { pipelineWith } from "./pipeline-fixture.ts";
import type { MetricStore } from "./store/contract.ts";
import { openStore } from "./store/sqlite.ts";

const ID = "worker_overload:W3";

let folder: string;
let clock: ManualClock;
let store: MetricStore;
let pipeline: Pipeline;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  clock = new ManualClock(Date.parse("2026-11-23T18:30:00Z"));
  store = openStore(join(folder, "evenkeel.db"));
  pipeline = pipelineWith(store, clock);
  await run(6, 97);
});

afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

/** Seconds in which one worker uses so much of its CPU. */
async function run(seconds: number, cpu_utilization: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    clock.advance(1000);
    const report = { interval_s: 1, workers: [{ id: "W3", type: "gpu", metrics: { cpu_utilization } }] };
    await pipeline.collector.accept(new TextEncoder().encode(JSON.stringify(report)), "json");
    pipeline.tick(clock.now());
  }
}

const silence = (given: Partial<Silence> = {}): Silence => ({
  id: "s1",
  matchers: [{ label: "worker", pattern: "W*", not: false }],
  starts_ms: clock.now(),
  ends_ms: clock.now() + 3_600_000,
  by: "Ada",
  note: "",
  ...given,
});

const shown = () => pipeline.read().alerts.map(({ id }) => id);
const alert = () =>
  pipeline
    .read()
    .allAlerts()
    .find(({ id }) => id === ID)!;

describe("what somebody does about an alert", () => {
  it("shows at once, without a tick", () => {
    const { tick } = pipeline.read();
    pipeline.acknowledge(ID, "Ada", "adding a worker", clock.now());
    expect(pipeline.read().alerts[0]).toMatchObject({
      id: ID,
      acknowledged: { by: "Ada", note: "adding a worker" },
    });
    pipeline.unacknowledge(ID, "Bob", clock.now());
    expect(alert().acknowledged).toBeNull();
    expect(alert().steps.slice(-2)).toMatchObject([
      { what: "acknowledged", by: "Ada" },
      { what: "unacknowledged", by: "Bob" },
    ]);
    pipeline.silence(silence(), clock.now());
    expect(shown()).toEqual([]);
    expect(alert().silenced_by).toBe("s1");
    expect(pipeline.read().status.level).toBe("healthy");
    pipeline.endSilence("s1", clock.now());
    expect(shown()).toEqual([ID]);
    expect(pipeline.read().silences()).toMatchObject([{ id: "s1", ends_ms: clock.now() }]);
    expect(pipeline.read().tick).toBe(tick);
  });

  it("changes no snapshot that somebody still holds", () => {
    const before = pipeline.read();
    pipeline.silence(silence(), clock.now());
    expect(before.alerts).toHaveLength(1);
    expect(before.silences()).toEqual([]);
  });

  it("is told of the past as it was then", async () => {
    const [fired_ms, moments] = [alert().fired_ms!, [] as number[]];
    const step = async (act: () => void) => {
      moments.push(clock.now());
      await run(1, 97);
      act();
      await run(1, 97);
    };
    await step(() => pipeline.acknowledge(ID, "Ada", "", clock.now()));
    await step(() => pipeline.silence(silence(), clock.now()));
    moments.push(clock.now());
    await run(10, 20);
    expect(pipeline.read().allAlerts()).toEqual([]);
    const then = await Promise.all(
      moments.map(async (at_ms) => (await pipeline.readAt(at_ms)).allAlerts()[0]),
    );
    expect(then).toMatchObject([
      { state: "firing", ended_ms: null, acknowledged: null, silenced_by: null },
      { state: "firing", ended_ms: null, acknowledged: { by: "Ada" }, silenced_by: null },
      { state: "firing", ended_ms: null, acknowledged: { by: "Ada" }, silenced_by: "s1" },
    ]);
    expect((await pipeline.readAt(moments[2]!)).alerts).toEqual([]);
    expect((await pipeline.readAt(moments[0]!)).alertsOf(ID, 5)).toMatchObject([
      { state: "firing", fired_ms },
    ]);
    expect((await pipeline.readAt(fired_ms - 1000)).alertsOf(ID, 5)).toEqual([]);
  });
});

describe("news of alerts", () => {
  const news = () => pipeline.read().alert_news.map(({ kind, alert }) => `${kind} ${alert.id}`);

  it("lasts for ten seconds, or until there is other news", async () => {
    expect(news()).toEqual([`firing ${ID}`]);
    await run(7, 97);
    expect(news()).toEqual([`firing ${ID}`]);
    await run(4, 97);
    expect(news()).toEqual([]);
    await run(6, 20);
    expect(news()).toEqual([`resolved ${ID}`]);
  });

  it("has nothing of what is silenced, and it once the silence ends", async () => {
    await run(20, 20);
    pipeline.silence(silence(), clock.now());
    await run(6, 97);
    expect(news()).toEqual([]);
    pipeline.endSilence("s1", clock.now());
    await run(1, 97);
    expect(news()).toEqual([`firing ${ID}`]);
  });
});
