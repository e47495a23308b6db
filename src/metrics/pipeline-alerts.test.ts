import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ManualClock } from "./clock.ts";
import { TELLS_NOBODY } from "./outbox.ts";
import type { Pipeline } from "./pipeline.ts";
import { pipelineWith } from "./pipeline-fixture.ts";
import { rulesOf } from "./process/rules/rules-fixture.ts";
import { parseMatchers } from "./process/rules/silences.ts";
import type { MetricStore } from "./store/contract.ts";
import { openStore } from "./store/sqlite.ts";

const START_MS = Date.parse("2026-11-23T18:24:16Z");

let folder: string;
let clock: ManualClock;
let store: MetricStore;
let pipeline: Pipeline;
let told: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  clock = new ManualClock(START_MS);
  told = [];
  start();
});

afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

function start(): void {
  store = openStore(join(folder, "evenkeel.db"));
  pipeline = pipelineWith(store, clock, {
    step(events) {
      told.push(...events.map(({ kind, alert }) => `${kind} ${alert.id}`));
      return { messages: [], facts: {} };
    },
    written() {},
    telling: () => TELLS_NOBODY,
  });
}

/** What there was to tell since the last call. */
function takeTold(): string[] {
  return told.splice(0).sort();
}

async function restart(after_s: number): Promise<void> {
  await store.close();
  clock.advance(after_s * 1000);
  start();
}

/** So many ticks, before each of which the workers report. */
async function seconds(count: number, ...workers: object[]): Promise<void> {
  for (let second = 0; second < count; second += 1) {
    clock.advance(1000);
    const body = JSON.stringify({ source: "a", interval_s: 1, workers });
    await pipeline.collector.accept(new TextEncoder().encode(body), "json");
    pipeline.tick(clock.now());
  }
}

const hot = (id: string) => ({ id, type: "gpu", metrics: { cpu_utilization: 97 } });
const cool = (id: string) => ({ id, type: "gpu", metrics: { cpu_utilization: 10 } });
const ids = () => pipeline.read().alerts.map(({ id }) => id);

test("an alert, its acknowledgement and a silence outlive a restart, and nothing is told twice", async () => {
  await seconds(5, hot("W1"), hot("W2"));
  expect(takeTold()).toEqual(["firing worker_overload:W1", "firing worker_overload:W2"]);
  pipeline.acknowledge("worker_overload:W1", "ann", "on it", clock.now());
  const silence = { starts_ms: clock.now(), ends_ms: clock.now() + 600_000, by: "ann", note: "" };
  pipeline.silence({ id: "s1", matchers: parseMatchers("worker=W2"), ...silence }, clock.now());
  await seconds(1, hot("W1"), hot("W2"));
  const before = pipeline
    .read()
    .allAlerts()
    .map(({ fired_ms, since_ms, steps }) => ({ fired_ms, since_ms, steps }));
  await restart(3);
  expect(ids()).toEqual(["worker_overload:W1"]);
  await seconds(5, hot("W1"), hot("W2"));
  expect(ids()).toEqual(["worker_overload:W1"]);
  expect(pipeline.read().alerts[0]).toMatchObject({ acknowledged: { by: "ann", note: "on it" } });
  expect(pipeline.read().silences()).toMatchObject([{ id: "s1", by: "ann" }]);
  expect(
    pipeline
      .read()
      .allAlerts()
      .map(({ fired_ms, since_ms, steps }) => ({ fired_ms, since_ms, steps })),
  ).toEqual(before);
  expect(takeTold()).toEqual([]);
  await seconds(6, cool("W1"), cool("W2"));
  expect(takeTold()).toEqual(["resolved worker_overload:W1", "resolved worker_overload:W2"]);
});

test("what is pending goes on from where it began", async () => {
  await seconds(2, hot("W1"));
  expect(pipeline.read().allAlerts()).toMatchObject([{ state: "pending" }]);
  const { since_ms } = pipeline.read().allAlerts()[0]!;
  await restart(0);
  await seconds(2, hot("W1"));
  expect(pipeline.read().alerts).toMatchObject([
    { id: "worker_overload:W1", since_ms, fired_ms: since_ms + 3000 },
  ]);
});

test("every firing of an alert is kept with what became of it", async () => {
  await seconds(5, hot("W1"));
  await seconds(6, cool("W1"));
  await seconds(5, hot("W1"));
  pipeline.acknowledge("worker_overload:W1", "ann", "again", clock.now());
  await seconds(1, hot("W1"));
  const [now, before, ...others] = pipeline.read().alertsOf("worker_overload:W1", 10);
  expect(others).toEqual([]);
  expect(before).toMatchObject({ state: "resolved", acknowledged: null });
  expect(before!.steps.map(({ what }) => what)).toEqual(["firing", "resolved"]);
  expect(now!.steps.map(({ what }) => what)).toEqual(["firing", "acknowledged"]);
  const between = pipeline.read().alertsBetween(START_MS, before!.ended_ms!, 10);
  expect(between.map(({ fired_ms }) => fired_ms)).toEqual([before!.fired_ms]);
});

test("other rules hold from the next tick on; a file that is wrong leaves the former and is an alert", async () => {
  await seconds(5, hot("W1"));
  pipeline.setRules(null, "alerts.yaml: rules must be a list of rules; got 3, line 1");
  await seconds(1, hot("W1"));
  expect(ids()).toEqual(["worker_overload:W1", "rules_failing"]);
  expect(pipeline.read().rules_error).toContain("line 1");
  const rules = rulesOf({
    name: "hot",
    each: "worker",
    when: "cpu_utilization > 90",
    severity: "notice",
    summary: "x",
  });
  pipeline.setRules(rules, null);
  await seconds(1, hot("W1"));
  expect(ids()).toEqual(["hot:W1"]);
  expect(pipeline.read().rules_error).toBeNull();
  expect(
    pipeline
      .read()
      .rules()
      .map(({ name }) => name),
  ).toEqual(["hot"]);
});

test("what a detector learnt outlives a restart", async () => {
  const steady = (second: number) => ({ id: "W1", metrics: { io_utilization: 20 + (second % 5) / 10 } });
  for (let second = 0; second < 2000; second += 1) await seconds(1, steady(second));
  pipeline.keepAll();
  await seconds(1, steady(0));
  await restart(1);
  await seconds(10, { id: "W1", metrics: { io_utilization: 90 } });
  expect(ids()).toEqual(["anomaly:io_utilization:W1"]);
}, 30_000);

test("a clock that is set ahead makes nothing fire that did not hold", async () => {
  await seconds(2, hot("W1"));
  clock.advance(3_600_000);
  await seconds(1, hot("W1"));
  expect(ids()).toEqual([]);
  await seconds(4, hot("W1"));
  expect(ids()).toEqual(["worker_overload:W1"]);
});

test("a worker and a source that were lost are lost after a restart, and nothing is told of it", async () => {
  const other = { source: "b", interval_s: 1, workers: [{ id: "B1" }] };
  await pipeline.collector.accept(new TextEncoder().encode(JSON.stringify(other)), "json");
  await seconds(1, cool("W1"), cool("W2"));
  await seconds(70, cool("W2"));
  const lost = ["source_lost:b", "worker_lost:W1"];
  expect(ids().sort()).toEqual(lost);
  const told = alertsTold();
  await restart(5);
  expect(pipeline.read().worker("W1")).toMatchObject({ presence: "lost" });
  await seconds(20, cool("W2"));
  expect([ids().sort(), alertsTold()]).toEqual([lost, told]);
  expect(
    pipeline
      .read()
      .life("W1", 10)
      .map(({ state }) => state),
  ).toEqual(["lost", "stale", "active"]);
  await seconds(1, cool("W1"), cool("W2"));
  expect(ids()).toEqual(["source_lost:b"]);
});

/** Of every alert whether it was told. */
function alertsTold(): unknown {
  return pipeline
    .read()
    .allAlerts()
    .map(({ id, told, steps }) => [id, told, steps])
    .sort();
}

test("an alert that was silenced when it fired is no mark on the charts until somebody is shown it", async () => {
  const silence = { starts_ms: START_MS, ends_ms: START_MS + 10_000, by: "ann", note: "" };
  pipeline.silence({ id: "s1", matchers: parseMatchers("worker=W2"), ...silence }, clock.now());
  await seconds(6, hot("W1"), hot("W2"));
  const marked = () =>
    pipeline
      .read()
      .marks(START_MS, clock.now() + 1)
      .filter(({ kind }) => kind === "alert")
      .map(({ text }) => text);
  expect(marked()).toEqual(["Worker W1 is overloaded"]);
  await seconds(6, hot("W1"), hot("W2"));
  expect(marked()).toEqual(["Worker W1 is overloaded", "Worker W2 is overloaded"]);
});
