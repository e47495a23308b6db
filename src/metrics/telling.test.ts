import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ManualClock } from "./clock.ts";
import type { Pipeline } from "./pipeline.ts";
import { pipelineWith } from "./pipeline-fixture.ts";
import { Notify } from "./process/notify/notify.ts";
import { configOf, type Receiving, receiving, T0 } from "./process/notify/notify-fixture.ts";
import type { MetricStore } from "./store/contract.ts";
import { openStore } from "./store/sqlite.ts";

let folder: string;
let path: string;
let clock: ManualClock;
let pager: Receiving;
let store: MetricStore;
let notify: Notify;
let pipeline: Pipeline;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-telling-"));
  path = join(folder, "fleet.db");
  clock = new ManualClock(T0);
  pager = await receiving(() => 200);
  open();
});
afterEach(async () => {
  await close();
  await pager.close();
  rmSync(folder, { recursive: true });
});

function open(): void {
  store = openStore(path, { housekeeping: "inline" });
  const config = configOf({
    receivers: [{ name: "pager", kind: "webhook", url: pager.url }],
    routes: [{ receivers: ["pager"], repeat_interval: "5m" }],
  });
  const receivers = [{ name: "pager", kind: "webhook" as const, url: pager.url, headers: {} }];
  const options = { base_url: () => "https://fleet.example/", clock, random: () => 0, log: () => {} };
  notify = new Notify({ config, reachable: { receivers, heartbeat: null } }, options, store);
  notify.start();
  pipeline = pipelineWith(store, clock, notify);
}

async function close(): Promise<void> {
  await notify.close();
  await store.close();
}

/** So many ticks of a second, with a worker that reports this much in each. */
async function ticks(seconds: number, cpu_utilization: number): Promise<void> {
  for (let s = 0; s < seconds; s++) {
    clock.advance(1000);
    const report = { interval_s: 1, workers: [{ id: "W1", type: "gpu", metrics: { cpu_utilization } }] };
    await pipeline.collector.accept(new TextEncoder().encode(JSON.stringify(report)), "json");
    pipeline.tick(clock.now());
  }
}

/** Waits until nothing is on its way. */
async function told(): Promise<string[]> {
  while (store.waitingMessages(0, 1).length > 0) await new Promise(setImmediate);
  return pager.got.map(({ body }) => {
    const { status, repeat, title } = body as { status: string; repeat: boolean; title: string };
    return `${status}${repeat ? " still" : ""}: ${title}`;
  });
}

const FIRING = "firing: Worker W1 is overloaded";

test("a worker that is overloaded is told to the receiver in the tick of its alert, and its end after it", async () => {
  await ticks(10, 50);
  await ticks(10, 99);
  expect(await told()).toEqual([FIRING]);
  const [alert] = pipeline.read().alerts;
  expect(pager.got[0]!.body).toMatchObject({
    at: new Date(alert!.fired_ms!).toISOString().replace(".000", ""),
    alerts: [{ id: alert!.id, url: `https://fleet.example/alerts/${encodeURIComponent(alert!.id)}` }],
  });
  await ticks(30, 50);
  expect(await told()).toEqual([FIRING, "resolved: Worker W1 is overloaded"]);
  expect(pipeline.read().telling(10)).toMatchObject({
    receivers: [{ name: "pager", waiting: 0, failing_since_ms: null }],
    waiting: [],
    ended: [{ what: "resolved" }, { what: "firing", title: "Worker W1 is overloaded" }],
  });
});

test("of a moment of the past it is not kept who was told", async () => {
  await ticks(10, 99);
  expect((await pipeline.readAt(clock.now() - 1000)).telling(10)).toBeNull();
});

test("of a fleet that is made up nobody is told, and its receivers are tested all the same", async () => {
  pipeline = pipelineWith(store, clock, notify, true);
  await ticks(20, 99);
  expect(pipeline.read().alerts).toHaveLength(1);
  expect([await told(), store.endedMessages(1)]).toEqual([[], []]);
  expect(await notify.test("pager")).toMatchObject({ ok: true });
  const before = pipeline.read();
  pipeline.lookAgain();
  expect(pipeline.read()).not.toBe(before);
  expect(pipeline.read().telling(1)!.receivers).toMatchObject([{ name: "pager", test: { ok: true } }]);
});

test("a restart tells nothing twice and forgets no end", async () => {
  await ticks(10, 99);
  expect(await told()).toEqual([FIRING]);
  await close();
  open();
  await ticks(10, 99);
  expect(await told()).toEqual([FIRING]);
  await ticks(90, 50);
  expect(await told()).toEqual([FIRING, "resolved: Worker W1 is overloaded"]);
});

test("a receiver that is new is told of what fires already", async () => {
  const other = await receiving(() => 200);
  await ticks(10, 99);
  expect(await told()).toEqual([FIRING]);
  const url = other.url;
  const config = configOf({ receivers: [{ name: "chat", kind: "webhook", url }] });
  const receivers = [{ name: "chat", kind: "webhook" as const, url, headers: {} }];
  await notify.replace({ config, reachable: { receivers, heartbeat: null } });
  await ticks(1, 99);
  await ticks(30, 50);
  expect(await told()).toEqual([FIRING]);
  expect(other.got.map(({ body }) => (body as { status: string }).status)).toEqual(["firing", "resolved"]);
  await other.close();
});

test("an alert that goes on is told again, but not once somebody acknowledged it", async () => {
  await ticks(310, 99);
  expect(await told()).toEqual([FIRING, "firing still: Worker W1 is overloaded"]);
  pipeline.acknowledge(pipeline.read().alerts[0]!.id, "ops", "", clock.now());
  await ticks(310, 99);
  expect(await told()).toHaveLength(2);
});

test("what could not be written is told once it is", async () => {
  const shell = new Database(path);
  shell.exec("CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'disk is full'); END");
  await ticks(10, 99);
  expect(pipeline.read().self.store_error).toContain("disk is full");
  expect(await told()).toEqual([]);
  shell.exec("DROP TRIGGER full");
  shell.close();
  await ticks(1, 99);
  // That it could not be written is one of them.
  expect(await told()).toEqual([FIRING, "firing: The store can't write"]);
});
