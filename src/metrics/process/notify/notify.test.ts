import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { ManualClock } from "../../clock.ts";
import { NOTHING } from "../../store/conformance.ts";
import { openStore } from "../../store/sqlite.ts";
import { Notify, type NotifyPlan } from "./notify.ts";
import { configOf, ends, fires, overload, receiving, T0 } from "./notify-fixture.ts";
import { reachable } from "./secrets.ts";

const NOW = { isQuiet: () => false, alertOf: () => undefined, loud: () => [] };

function planOf(url: string): NotifyPlan {
  const config = configOf({
    receivers: url === "" ? [] : [{ name: "pager", kind: "webhook", url }],
  });
  const found = reachable(config, { env: {}, readFile: () => "" });
  if ("problems" in found) throw new Error(found.problems.join("\n"));
  return { config, reachable: found };
}

function notifyTo(url: string, store: ReturnType<typeof openStore>, clock: ManualClock): Notify {
  const rest = { base_url: () => "https://fleet.example/", clock, random: () => 0, log: () => {} };
  const notify = new Notify(planOf(url), rest, store);
  notify.start();
  return notify;
}

test("an alert of a tick arrives at its receiver, and its end after a restart", async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-notify-"));
  const path = join(folder, "fleet.db");
  const clock = new ManualClock(T0);
  const pager = await receiving(() => 200);
  for (const event of [fires(overload("W1")), ends(overload("W1"), T0, T0 + 20_000)]) {
    clock.set(event.at_ms);
    const store = openStore(path, { housekeeping: "inline" });
    const notify = notifyTo(pager.url, store, clock);
    const step = notify.step([event], clock.now(), NOW);
    store.append({ ...NOTHING, at_ms: clock.now(), ...step });
    notify.written(step.messages);
    while (store.waitingMessages(0, 1).length > 0) await new Promise(setImmediate);
    expect(notify.telling(1)).toMatchObject({
      receivers: [{ name: "pager", waiting: 0, delivered_ms: clock.now() }],
      waiting: [],
      ended: [{ title: "Worker W1 is overloaded", what: event.kind, outcome: "delivered" }],
    });
    await notify.close();
    await store.close();
  }
  expect(pager.got.map(({ body }) => body)).toMatchObject([
    { id: 1, status: "firing", alerts: [{ id: "worker_overload:W1" }] },
    { id: 2, status: "resolved", alerts: [{ id: "worker_overload:W1" }] },
  ]);
  await pager.close();
  rmSync(folder, { recursive: true });
});

test("other receivers take over what waits, once and in order", async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-notify-"));
  const store = openStore(join(folder, "fleet.db"), { housekeeping: "inline" });
  const clock = new ManualClock(T0);
  const hanging = await receiving(() => null);
  const pager = await receiving(() => 200);
  const notify = notifyTo(hanging.url, store, clock);
  const tell = (at_ms: number, ...events: Parameters<Notify["step"]>[0]) => {
    const step = notify.step(events, at_ms, NOW);
    store.append({ ...NOTHING, at_ms, ...step });
    notify.written(step.messages);
  };
  tell(T0, fires(overload("W1")));
  while (hanging.got.length === 0) await new Promise(setImmediate);
  const replaced = notify.replace(planOf(pager.url));
  tell(T0 + 20_000, ends(overload("W1"), T0, T0 + 20_000), fires(overload("W2")));
  await replaced;
  while (store.waitingMessages(0, 1).length > 0) await new Promise(setImmediate);
  expect(pager.got.map(({ body }) => (body as { status: string }).status)).toEqual(["firing", "firing"]);
  expect(pager.got[1]!.body).toMatchObject({ alerts: [{ status: "resolved" }, { status: "firing" }] });
  await notify.close();
  await store.close();
  for (const receiver of [hanging, pager]) await receiver.close();
  rmSync(folder, { recursive: true });
});

test("what waits of an earlier run is sent once it is known where links lead", async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-notify-"));
  const store = openStore(join(folder, "fleet.db"), { housekeeping: "inline" });
  const pager = await receiving(() => 200);
  let base_url = "";
  const options = { base_url: () => base_url, clock: new ManualClock(T0), random: () => 0, log: () => {} };
  const earlier = new Notify(planOf(pager.url), options, store);
  store.append({ ...NOTHING, at_ms: T0, ...earlier.step([fires(overload("W1"))], T0, NOW) });
  await earlier.close();
  const notify = new Notify(planOf(pager.url), options, store);
  await notify.replace(planOf(pager.url));
  await notify.test("pager");
  expect(pager.got.map(({ body }) => body)).toMatchObject([{ test: true }]);
  base_url = "http://127.0.0.1:8080/";
  notify.start();
  while (store.waitingMessages(0, 1).length > 0) await new Promise(setImmediate);
  expect(pager.got[1]!.body).toMatchObject({ test: false, url: "http://127.0.0.1:8080/alerts" });
  await notify.close();
  await store.close();
  await pager.close();
  rmSync(folder, { recursive: true });
});

test("without a receiver nothing is kept and nothing is sent", async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-notify-"));
  const store = openStore(join(folder, "fleet.db"), { housekeeping: "inline" });
  const notify = notifyTo("", store, new ManualClock(T0));
  expect(notify.step([fires(overload("W1"))], T0, NOW)).toEqual({ messages: [], facts: {} });
  await notify.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

test("a test is labelled as one, and tells what the receiver answered", async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-notify-"));
  const store = openStore(join(folder, "fleet.db"), { housekeeping: "inline" });
  const pager = await receiving(() => [404, {}, "no such hook"]);
  const notify = notifyTo(pager.url, store, new ManualClock(T0));
  const refused = { at_ms: T0, ok: false, detail: "did not take it, 0 ms: answered 404: no such hook" };
  expect(await notify.test("pager")).toEqual(refused);
  expect(notify.telling(1).receivers).toMatchObject([{ name: "pager", test: refused }]);
  expect(pager.got[0]!.body).toMatchObject({
    test: true,
    title: "Test of Evenkeel: this receiver is reached",
    alerts: [{ severity: "notice" }],
  });
  await expect(notify.test("nobody")).rejects.toMatchObject({
    kind: "not_found",
    message: 'The file of alerts names no receiver "nobody"; there are pager',
  });
  // Whoever asks while one is under way is told of the same.
  await Promise.all([notify.test("pager"), notify.test("pager")]);
  expect(pager.got).toHaveLength(2);
  await notify.replace(planOf(""));
  await expect(notify.test("pager")).rejects.toThrow("it names none");
  expect(store.waitingMessages(0, 1)).toEqual([]);
  await notify.close();
  await store.close();
  await pager.close();
  rmSync(folder, { recursive: true });
});

test("what waits and what ended is read from the store every few seconds, however often it is looked at", async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-notify-"));
  const store = openStore(join(folder, "fleet.db"), { housekeeping: "inline" });
  const clock = new ManualClock(T0);
  const notify = notifyTo("", store, clock);
  const reads = vi.spyOn(store, "endedMessages");
  for (let tick = 0; tick < 7; tick += 1) {
    notify.telling(10);
    clock.advance(1000);
  }
  expect(reads).toHaveBeenCalledTimes(3);
  // A clock that was set back is no reason to show what is old.
  clock.set(T0);
  notify.telling(10);
  expect(reads).toHaveBeenCalledTimes(4);
  await notify.close();
  await store.close();
  rmSync(folder, { recursive: true });
});
