import { afterEach, expect, test } from "vitest";
import { Heartbeat } from "./heartbeat.ts";
import { type Receiving, receiving, T0 } from "./notify-fixture.ts";

const S = 1000;
const STRICT = { allow_private: false, follow_redirects: false };

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function listening(...[answer]: Parameters<typeof receiving>): Promise<Receiving> {
  const receiver = await receiving(answer);
  open.push(receiver);
  return receiver;
}

function beating(url: string, interval_ms = 60 * S): Heartbeat {
  const heartbeat = new Heartbeat(url, interval_ms, STRICT);
  open.push(heartbeat);
  return heartbeat;
}

async function ticks(heartbeat: Heartbeat, from_s: number, to_s: number): Promise<void> {
  for (let s = from_s; s <= to_s; s++) {
    heartbeat.tick(T0 + s * S);
    await heartbeat.settled();
  }
}

test("a beat goes out at the first tick and then once an interval", async () => {
  const { url, got } = await listening(() => 200);
  const heartbeat = beating(`${url}ping/1`);
  await ticks(heartbeat, 0, 59);
  expect(got.map((one) => one.url)).toEqual(["/ping/1"]);
  await ticks(heartbeat, 60, 179);
  expect(got).toHaveLength(3);
  expect(heartbeat.status()).toEqual({ arrived_ms: T0 + 120 * S, last_error: null });
});

test("no tick, no beat", async () => {
  const { url, got } = await listening(() => 200);
  beating(url, S);
  await new Promise(setImmediate);
  expect(got).toEqual([]);
});

test("a beat that did not arrive is tried again after ten seconds, and says why", async () => {
  const { url, got } = await listening((_, count) => (count === 1 ? [503, {}, "busy"] : 200));
  const heartbeat = beating(url);
  await ticks(heartbeat, 0, 9);
  expect(heartbeat.status()).toEqual({ arrived_ms: null, last_error: "answered 503: busy" });
  await ticks(heartbeat, 10, 69);
  expect(got).toHaveLength(2);
  expect(heartbeat.status()).toEqual({ arrived_ms: T0 + 10 * S, last_error: null });
});

test("a beat that hangs holds up no tick, and is the only one on its way", async () => {
  const { url, got } = await listening(() => null);
  const heartbeat = beating(url, S);
  for (let s = 0; s < 5; s++) heartbeat.tick(T0 + s * S);
  while (got.length === 0) await new Promise(setImmediate);
  expect(got).toHaveLength(1);
  await heartbeat.close();
  heartbeat.tick(T0 + 60 * S);
  expect(got).toHaveLength(1);
});

test("a clock that was set back does not silence it", async () => {
  const { url, got } = await listening(() => 200);
  const heartbeat = beating(url);
  await ticks(heartbeat, 7200, 7200);
  await ticks(heartbeat, 0, 60);
  expect(got).toHaveLength(3);
});
