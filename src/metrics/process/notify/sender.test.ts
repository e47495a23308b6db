import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "../../clock.ts";
import { NOTHING } from "../../store/conformance.ts";
import type { MetricStore } from "../../store/contract.ts";
import { openStore } from "../../store/sqlite.ts";
import { createDeliver, type Deliver, type Delivery } from "./deliver.ts";
import type { ToldEvent } from "./event.ts";
import { keysOf, toDocument } from "./message.ts";
import { ends, fires, messageOf, overload, type Receiving, receiving, T0 } from "./notify-fixture.ts";
import type { Receiver } from "./secrets.ts";
import { MAX_WAITING, Sender } from "./sender.ts";

const S = 1000;
const MINUTE = 60 * S;
const DAY = 24 * 60 * MINUTE;

let folder: string;
let path: string;
let store: MetricStore;
let clock: ManualClock;
let sender: Sender;
let logged: string[];
let next_id: number;
const receivers: Receiving[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-sender-"));
  path = join(folder, "fleet.db");
  store = openStore(path, { housekeeping: "inline" });
  clock = new ManualClock(T0);
  logged = [];
  next_id = 1;
});
afterEach(async () => {
  await sender.close();
  await store.close();
  for (const receiver of receivers.splice(0)) await receiver.close();
  rmSync(folder, { recursive: true });
});

const FAILED: Delivery = { outcome: "failed", error: "answered 500", retry_after_ms: 0 };
const TAKEN: Delivery = { outcome: "delivered", answer: "answered 200" };

function named(...names: string[]): Receiver[] {
  return names.map((name) => ({ name, kind: "webhook", url: "http://x.example/", headers: {} }));
}

function start(deliver: Deliver, to = named("pager")): void {
  const log = (message: string) => void logged.push(message);
  sender = new Sender({ outbox: store, receivers: to, deliver, clock, random: () => 0.5, log });
  sender.start();
}

/** Makes it durable and hands it over, as a tick does. */
function tell(events: ToldEvent[], receiver = "pager", group = "0 {}"): void {
  const id = next_id++;
  const told = messageOf(events, { group });
  const message = { id, receiver, created_ms: clock.now(), document: toDocument(told), keys: keysOf(told) };
  store.append({ ...NOTHING, at_ms: clock.now(), messages: [message] });
  sender.add([message]);
}

async function waitFor(ms: number, step_ms = S): Promise<void> {
  for (let passed = 0; passed < ms; passed += step_ms) {
    clock.advance(step_ms);
    sender.wake();
    await sender.settled();
  }
}

async function restart(deliver: Deliver, to = named("pager")): Promise<void> {
  await sender.close();
  await store.close();
  store = openStore(path, { housekeeping: "inline" });
  start(deliver, to);
}

/** "W1" as it fires, "-W1" as it ended, in the order of telling. */
function recorder(answer: (events: string[], count: number) => Delivery | Promise<Delivery> = () => TAKEN) {
  const tried: string[] = [];
  const taken: string[] = [];
  const deliver: Deliver = async (receiver, { events }) => {
    const words = events.map(({ kind, alert }) => `${kind === "firing" ? "" : "-"}${alert.subject.id}`);
    tried.push(`${receiver.name} ${words.join(" ")}`);
    const delivery = await answer(words, tried.length);
    if (delivery.outcome === "delivered") taken.push(`${receiver.name} ${words.join(" ")}`);
    return delivery;
  };
  return { deliver, tried, taken };
}

describe("a message", () => {
  test("goes out in the moment in which it is handed over", async () => {
    const { deliver, tried } = recorder();
    start(deliver);
    tell([fires(overload("W1"))]);
    expect(tried).toEqual(["pager W1"]);
    await sender.settled();
    expect(store.waitingMessages(0, 10)).toEqual([]);
    expect(store.endedMessages(10)).toMatchObject([{ outcome: "delivered", attempts: 1, error: null }]);
    expect(sender.status()).toMatchObject([
      { name: "pager", waiting: 0, delivered_ms: T0, failing_since_ms: null },
    ]);
  });

  test("that is not taken is tried again after longer and longer pauses, up to a minute", async () => {
    const { deliver } = recorder(() => FAILED);
    start(deliver);
    tell([fires(overload("W1"))]);
    await sender.settled();
    const pauses: number[] = [];
    for (let attempts = 1; attempts < 10; attempts++) {
      const [record] = store.waitingMessages(0, 10);
      expect(record).toMatchObject({ attempts, error: "answered 500", outcome: null });
      pauses.push(record!.next_ms! - record!.tried_ms!);
      clock.set(record!.next_ms! - 1);
      sender.wake();
      await sender.settled();
      expect(store.waitingMessages(0, 10)[0]!.attempts).toBe(attempts);
      await waitFor(1, 1);
    }
    expect(pauses).toEqual([750, 1500, 3000, 6000, 12_000, 24_000, 45_000, 45_000, 45_000]);
    expect(sender.status()).toMatchObject([{ waiting: 1, failing_since_ms: T0, last_error: "answered 500" }]);
  });

  test("waits no shorter than its receiver asks", async () => {
    const { deliver } = recorder(() => ({ ...FAILED, retry_after_ms: 90 * S }) as Delivery);
    start(deliver);
    tell([fires(overload("W1"))]);
    await sender.settled();
    expect(store.waitingMessages(0, 1)[0]!.next_ms).toBe(T0 + 90 * S);
  });

  test("that is refused for good is kept and shown, and holds up nothing", async () => {
    const { deliver, taken } = recorder((events) =>
      events[0] === "W1" ? { outcome: "refused", error: "answered 404: no such hook" } : TAKEN,
    );
    start(deliver);
    tell([fires(overload("W1"))]);
    tell([ends(overload("W1"), T0, T0 + 1)]);
    await sender.settled();
    expect(taken).toEqual(["pager -W1"]);
    expect(store.endedMessages(10)).toMatchObject([
      { id: 2, outcome: "delivered" },
      { id: 1, outcome: "refused", attempts: 1, error: "answered 404: no such hook", next_ms: null },
    ]);
  });

  test("that nobody took for days is given up, kept and shown", async () => {
    const { deliver } = recorder(() => FAILED);
    start(deliver);
    tell([fires(overload("W1"))]);
    await sender.settled();
    await waitFor(3 * DAY, DAY);
    expect(store.waitingMessages(0, 1)).toHaveLength(1);
    await waitFor(MINUTE);
    expect(store.endedMessages(1)).toMatchObject([
      { outcome: "given_up", error: "nobody took it within 3 days; the last error: answered 500" },
    ]);
  });

  test("for a receiver that the file no longer names is given up", async () => {
    const { deliver } = recorder(() => FAILED);
    start(deliver);
    tell([fires(overload("W1"))]);
    await sender.settled();
    await restart(deliver, named("chat"));
    expect(store.endedMessages(1)).toMatchObject([
      { outcome: "given_up", error: "the alerts file names no such receiver any more" },
    ]);
  });
});

describe("in order", () => {
  test("of an alert and of a group one message is told after the other, others go past", async () => {
    let broken = true;
    const { deliver, taken } = recorder((events) => (broken && events.includes("W1") ? FAILED : TAKEN));
    start(deliver);
    tell([fires(overload("W1"))], "pager", "a");
    tell([fires(overload("W2"))], "pager", "a");
    tell([ends(overload("W1"), T0, T0 + 1), fires(overload("W3"))], "pager", "b");
    tell([fires(overload("W3"))], "pager", "c");
    tell([fires(overload("W4"))], "pager", "d");
    await sender.settled();
    await waitFor(5 * S);
    // W2 is of W1's group, the next of W1 itself, and what follows that is of W3.
    expect(taken).toEqual(["pager W4"]);
    broken = false;
    await waitFor(2 * MINUTE);
    expect(taken).toEqual(["pager W4", "pager W1", "pager W2", "pager -W1 W3", "pager W3"]);
  });

  test("a message that its receiver never takes holds up only its own group", async () => {
    const { deliver, taken, tried } = recorder((events) => (events.includes("W1") ? FAILED : TAKEN));
    start(deliver);
    tell([fires(overload("W1"))], "pager", "poison");
    for (let i = 2; i < 50; i++) {
      tell([fires(overload(`W${i}`))], "pager", `group ${i}`);
      await waitFor(S);
    }
    await waitFor(2 * S);
    expect(taken).toHaveLength(48);
    expect(tried.length).toBeLessThan(60);
  });
});

describe("a receiver", () => {
  test("that is down for ten minutes gets everything in order, with a restart in between", async () => {
    const up_ms = T0 + 10 * MINUTE;
    const pager = await receiving(() => (clock.now() < up_ms ? 500 : 200));
    receivers.push(pager);
    const to: Receiver[] = [{ name: "pager", kind: "webhook", url: pager.url, headers: {} }];
    const network = { allow_private: false, follow_redirects: false };
    const deliver = createDeliver({ network, base_url: () => "http://x/" });
    start(deliver, to);
    const told: string[] = [];
    for (let minute = 0; minute < 10; minute++) {
      const alert = overload(`W${minute % 3}`);
      told.push(`${minute % 2 ? "resolved" : "firing"} ${alert.id}`);
      tell([minute % 2 ? ends(alert, clock.now(), clock.now()) : fires(alert)], "pager", `${minute % 3}`);
      await waitFor(MINUTE, 2 * S);
      if (minute === 5) await restart(deliver, to);
    }
    expect(store.endedMessages(10)).toEqual([]);
    const before = pager.got.length;
    expect(before).toBeLessThan(100);
    await waitFor(2 * MINUTE);
    const got = pager.got.slice(before).map(({ body }) => {
      const [alert] = (body as { alerts: { id: string; status: string }[] }).alerts;
      return `${alert!.status} ${alert!.id}`;
    });
    for (const id of ["W0", "W1", "W2"])
      expect(got.filter((one) => one.endsWith(id))).toEqual(told.filter((one) => one.endsWith(id)));
    expect(got).toHaveLength(10);
    expect(store.waitingMessages(0, 1)).toEqual([]);
  });

  test("that hangs delays no other one, and is asked for no more than two messages at once", async () => {
    const hung: (() => void)[] = [];
    const { deliver, taken, tried } = recorder();
    start(
      (receiver, message, signal) => {
        if (receiver.name === "chat") return deliver(receiver, message, signal);
        return new Promise((resolve) => {
          hung.push(() => resolve(FAILED));
          signal.addEventListener("abort", () => resolve(FAILED));
        });
      },
      named("pager", "chat"),
    );
    for (let i = 0; i < 10; i++) {
      tell([fires(overload(`W${i}`))], "pager", `${i}`);
      tell([fires(overload(`W${i}`))], "chat", `${i}`);
    }
    while (taken.length < 10) await new Promise(setImmediate);
    expect(hung).toHaveLength(2);
    expect(tried).toHaveLength(10);
  });

  test("that comes back is tried with one message first", async () => {
    let down = true;
    let at_once = 0;
    let most = 0;
    start(async () => {
      at_once += 1;
      most = Math.max(most, at_once);
      await new Promise(setImmediate);
      at_once -= 1;
      return down ? FAILED : TAKEN;
    });
    for (let i = 0; i < 20; i++) tell([fires(overload(`W${i}`))], "pager", `${i}`);
    await sender.settled();
    most = 0;
    await waitFor(5 * MINUTE);
    expect(most).toBe(1);
    down = false;
    await waitFor(2 * MINUTE);
    expect(most).toBe(2);
    expect(store.waitingMessages(0, 1)).toEqual([]);
  });

  test("for which too many wait loses the oldest, and each is shown as given up", async () => {
    start(async () => FAILED);
    const told = messageOf([fires(overload("W1"))]);
    const messages = Array.from({ length: MAX_WAITING + 3 }, (_, i) => ({
      id: i + 1,
      receiver: "pager",
      created_ms: T0,
      document: toDocument(told),
      keys: keysOf(told),
    }));
    store.append({ ...NOTHING, at_ms: T0, messages });
    sender.add(messages);
    await sender.settled();
    expect(sender.status()).toMatchObject([{ waiting: MAX_WAITING }]);
    expect(store.endedMessages(10)).toMatchObject([3, 2, 1].map((id) => ({ id, outcome: "given_up" })));
  });
});

describe("an outbox that can't be written", () => {
  test("holds the next messages back, so that none is told again and again", async () => {
    const { deliver, tried } = recorder();
    start(deliver);
    const shell = new Database(path);
    shell.exec("CREATE TRIGGER full BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'disk is full'); END");
    tell([fires(overload("W1"))]);
    await sender.settled();
    tell([fires(overload("W2"))], "pager", "other");
    await waitFor(10 * S);
    expect(tried).toEqual(["pager W1"]);
    expect(logged[0]).toContain("the outbox can't be written");
    shell.exec("DROP TRIGGER full");
    shell.close();
    await waitFor(2 * S);
    expect(tried).toEqual(["pager W1", "pager W2"]);
    expect(store.endedMessages(10)).toMatchObject([{ attempts: 1 }, { attempts: 1 }]);
  });
});

test("what is under way as it stops is told after the next start", async () => {
  let resolveLate = () => {};
  start(
    (_, __, signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve(FAILED));
        resolveLate = () => resolve(TAKEN);
      }),
  );
  tell([fires(overload("W1"))]);
  const { deliver, taken } = recorder();
  await restart(deliver);
  resolveLate();
  await sender.settled();
  expect(taken).toEqual(["pager W1"]);
  expect(store.endedMessages(1)).toMatchObject([{ attempts: 1 }]);
});
