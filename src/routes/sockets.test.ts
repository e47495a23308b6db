import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { EvenkeelError } from "../errors.ts";
import { listen, START_MS, type World, type WorldOptions, world } from "./fixture.tsx";

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Frame = Record<string, unknown>;

/** A client that keeps what came. */
class Client {
  readonly socket: WebSocket;
  readonly frames: string[] = [];
  readonly closed: Promise<[number, Buffer]>;
  #arrived: (() => void) | null = null;

  constructor(url: string, options: { origin?: string } = {}) {
    this.socket = new WebSocket(url, options);
    this.closed = once(this.socket, "close") as Promise<[number, Buffer]>;
    this.closed.catch(() => {});
    this.socket.on("message", (data) => {
      this.frames.push(String(data));
      this.#arrived?.();
    });
    closers.push(() => this.socket.terminate());
  }

  /** Resolves with the frames once there are so many. */
  async got(count: number): Promise<Frame[]> {
    while (this.frames.length < count) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
    return this.frames.map((text) => JSON.parse(text));
  }

  async say(message: unknown): Promise<void> {
    if (this.socket.readyState !== WebSocket.OPEN) await once(this.socket, "open");
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }
}

async function serve(options: WorldOptions = {}): Promise<{ w: World; at: string; port: number }> {
  const w = world(options);
  const { origin, close } = await listen(w.app);
  closers.push(close, () => w.hub.close());
  return { w, at: origin.replace("http", "ws"), port: Number(new URL(origin).port) };
}

const subscribe = (channel: string, params?: Frame) => ({ action: "subscribe", channel, params });

/** All that a server says to what is written to it. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  closers.push(() => void socket.destroy());
  socket.end(text);
  let said = "";
  for await (const chunk of socket) said += chunk;
  return said;
}

describe("a subscription", () => {
  it("is answered by a frame at once, and by one each tick", async () => {
    const { w, at } = await serve();
    const client = new Client(`${at}/ws`);
    await client.say(subscribe("board", { only: "a" }));
    const [first] = await client.got(1);
    expect(first).toEqual({
      channel: "board",
      params: { only: "a" },
      tick: 1,
      data: {
        timestamp: new Date(START_MS).toISOString(),
        title: "First",
        rows: [{ id: "a", text: "one" }],
      },
    });
    w.board.rows.set("a", "three");
    await w.tick();
    const [, second] = await client.got(2);
    expect(second).toMatchObject({ tick: 2, data: { rows: [{ id: "a", text: "three" }] } });
  });

  it("can be asked for by the address, below any base path", async () => {
    const { at } = await serve({ settings: { base_path: "/fleet/" } });
    const client = new Client(`${at}/fleet/ws/metrics?channel=board,other&only=b`);
    const frames = await client.got(2);
    expect(frames.map(({ channel, data }) => [channel, (data as Frame).rows])).toEqual([
      ["board", [{ id: "b", text: "two" }]],
      ["other", [{ id: "b", text: "two" }]],
    ]);
  });

  it("is loaded once a tick, whoever watches, and by nobody once they have left", async () => {
    const { w, at } = await serve();
    const clients = Array.from({ length: 5 }, () => new Client(`${at}/ws?channel=board`));
    for (const client of clients) await client.got(1);
    const loads = w.board.loads;
    await w.tick();
    for (const client of clients) await client.got(2);
    expect(w.board.loads).toBe(loads + 1);
    expect(new Set(clients.map(({ frames }) => frames[1])).size).toBe(1);
    expect(w.hub.health().viewers).toBe(5);
    for (const { socket } of clients) socket.close();
    await Promise.all(clients.map(({ closed }) => closed));
    await expect.poll(() => w.hub.health().viewers).toBe(0);
    await w.tick();
    expect(w.board.loads).toBe(loads + 1);
  });

  it("ends when it is taken back, and a ping is answered", async () => {
    const { w, at } = await serve();
    const client = new Client(`${at}/ws?channel=board`);
    await client.say({ action: "unsubscribe", channel: "board" });
    await client.say({ action: "ping" });
    expect((await client.got(3)).slice(1)).toEqual([
      { action: "unsubscribed", channel: "board" },
      { action: "pong", at_ms: START_MS },
    ]);
    await w.tick();
    await client.say({ action: "ping" });
    expect((await client.got(4))[3]).toMatchObject({ action: "pong" });
  });

  it("tells why it has nothing to show, and goes on when it has", async () => {
    const { w, at } = await serve();
    const client = new Client(`${at}/ws?channel=board`);
    await client.got(1);
    w.board.error = new EvenkeelError("not_found", "It is gone");
    await w.tick();
    w.board.error = null;
    await w.tick();
    const [, broken, whole] = await client.got(3);
    expect(broken).toMatchObject({ channel: "board", error: { status: 404, detail: "It is gone" } });
    expect(whole).toMatchObject({ channel: "board", data: { title: "First" } });
  });
});

describe("what a client gets wrong", () => {
  it.each([
    ["}", "", "A message must be a JSON object"],
    ["[]", "", "A message must be a JSON object with an action; got []"],
    ['{"action":"start"}', "action", 'must be one of subscribe, unsubscribe, ping; got "start"'],
    ['{"action":"ping","x":1}', "", 'has no field "x"'],
    ['{"action":"subscribe"}', "channel", "must be one of board, other, thing; it is missing"],
    ['{"action":"subscribe","channel":7}', "channel", "must be the name of a channel; got 7"],
    ['{"action":"subscribe","channel":"bord"}', "channel", 'got "bord"; did you mean board?'],
    ['{"action":"subscribe","channel":"board","params":[]}', "params", "must be an object"],
    ['{"action":"subscribe","channel":"board","params":{"onyl":"a"}}', "params", "did you mean only?"],
    ['{"action":"unsubscribe","channel":"board"}', "channel", "must be one that this connection is"],
  ])("%s is named in a frame, and the connection goes on", async (message, field, words) => {
    const { at } = await serve();
    const client = new Client(`${at}/ws`);
    await client.say(message);
    await client.say({ action: "ping" });
    const [{ error } = {}, pong] = await client.got(2);
    expect(error).toMatchObject({ type: "about:blank", field, detail: expect.stringContaining(words) });
    expect(pong).toMatchObject({ action: "pong" });
  });

  it("is named by its parameter, as everywhere", async () => {
    const { at } = await serve();
    const client = new Client(`${at}/ws`);
    await client.say(subscribe("board", { limit: 1000 }));
    expect((await client.got(1))[0]).toMatchObject({
      error: { status: 400, parameter: "limit", detail: expect.stringMatching(/got "1000"$/) },
    });
  });

  it("in the address ends the connection after the frame that says so", async () => {
    const { at } = await serve();
    const client = new Client(`${at}/ws?channel=nothing`);
    expect((await client.got(1))[0]).toMatchObject({ error: { status: 404, field: "channel" } });
    expect((await client.closed)[0]).toBe(1008);
  });

  it("as bytes, too long, or too much at once is refused", async () => {
    const { w, at } = await serve();
    const bytes = new Client(`${at}/ws`);
    await once(bytes.socket, "open");
    bytes.socket.send(Buffer.from([1, 2]));
    expect((await bytes.got(1))[0]).toMatchObject({ error: { detail: "A message must be text; got bytes" } });
    const long = new Client(`${at}/ws`);
    await long.say("x".repeat(10_000));
    expect((await long.closed)[0]).toBe(1009);
    const flood = new Client(`${at}/ws`);
    for (let i = 0; i < 101; i++) await flood.say({ action: "ping" });
    expect(await flood.closed).toEqual([1008, Buffer.from("at most 100 messages a tick")]);
    expect(w.hub.health().limits_reached).toEqual({ max_messages_a_tick: 1 });
  });
});

describe("a limit", () => {
  it("of viewers counts streams and WebSockets together, and is told before the upgrade", async () => {
    const { w, at, port } = await serve({ limits: { max_viewers: 1 } });
    await new Client(`${at}/ws?channel=board`).got(1);
    const refused = await raw(
      port,
      "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    expect(refused).toMatch(/^HTTP\/1.1 503 Service Unavailable\r\n/);
    expect(refused.toLowerCase()).toContain("\r\nretry-after: 5\r\n");
    expect(refused).toContain("max_viewers: at most 1 viewers at once");
    expect(w.hub.health().limits_reached).toEqual({ max_viewers: 1 });
  });

  it("of subscriptions names itself", async () => {
    const { w, at } = await serve({ limits: { max_panels: 1, max_channels: 1 } });
    const client = new Client(`${at}/ws?channel=board`);
    await client.say(subscribe("other"));
    expect((await client.got(2))[1]).toMatchObject({
      channel: "other",
      error: { status: 429, limit: "max_subscriptions", value: 1 },
    });
    const second = new Client(`${at}/ws`);
    await second.say(subscribe("other"));
    expect((await second.got(1))[0]).toMatchObject({ error: { limit: "max_channels", value: 1 } });
    await second.say(subscribe("board"));
    expect((await second.got(2))[1]).toMatchObject({ channel: "board", data: {} });
    expect(w.hub.health().limits_reached).toEqual({ max_subscriptions: 1, max_channels: 1 });
  });

  it("of patience: nothing is queued for a client that does not read, and it is dropped", async () => {
    const { w, at } = await serve({ limits: { stuck_ms: 3_000 } });
    const client = new Client(`${at}/ws?channel=board`);
    await client.got(1);
    client.socket.pause();
    for (let tick = 0; tick < 1_000 && w.hub.health().viewers > 0; tick++) {
      w.board.rows.set("a", String(tick).padEnd(1_000_000, "x"));
      await w.tick();
      await new Promise((turn) => setImmediate(turn));
    }
    expect(w.hub.health()).toMatchObject({ viewers: 0, viewers_dropped: 1 });
    expect(w.hub.health().ticks_skipped).toBeGreaterThanOrEqual(3);
  });

  it("of silence: one that answers no ping is dropped, one that does is kept", async () => {
    const { w, at } = await serve();
    const [alive, dead] = [new Client(`${at}/ws`), new Client(`${at}/ws`)];
    for (const { socket } of [alive, dead]) await once(socket, "open");
    await expect.poll(() => w.hub.health().viewers).toBe(2);
    // As a host that has lost its power: no more of it comes, and no end either.
    (dead.socket as unknown as { pong(): void }).pong = () => {};
    dead.socket.pause();
    const ping = once(alive.socket, "ping");
    await w.tick({ now_ms: START_MS + 30_000 });
    await ping;
    await alive.say({ action: "ping" });
    await alive.got(1);
    await w.tick({ now_ms: START_MS + 60_000 });
    await expect.poll(() => w.hub.health()).toMatchObject({ viewers: 1, viewers_dropped: 1 });
  });
});

describe("the end", () => {
  it("of the server is told as such", async () => {
    const { w, at } = await serve();
    const client = new Client(`${at}/ws?channel=board`);
    await client.got(1);
    await w.hub.close();
    expect(await client.closed).toEqual([1001, Buffer.from("Evenkeel is stopping")]);
    const late = new Client(`${at}/ws`);
    expect((await late.closed)[0]).toBe(1013);
  });

  it("comes for those too that do not answer", async () => {
    const { w, at } = await serve();
    const client = new Client(`${at}/ws?channel=board`);
    await client.got(1);
    client.socket.pause();
    await w.hub.close();
    expect(w.hub.health().viewers).toBe(0);
  });
});

describe("a request for an upgrade", () => {
  const ASK =
    "Host: x\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

  it("of a page of another host is refused, one of ours is not", async () => {
    const { w, at } = await serve();
    const foreign = new Client(`${at}/ws?channel=board`, { origin: "http://evil.example" });
    const [error] = (await once(foreign.socket, "error")) as [Error];
    expect(error.message).toBe("Unexpected server response: 403");
    expect(w.board.loads).toBe(0);
    await new Client(`${at}/ws?channel=board`, { origin: at.replace("ws", "http") }).got(1);
  });

  it("takes no moment of the past", async () => {
    const { port } = await serve();
    expect(await raw(port, `GET /ws?at=-1m HTTP/1.1\r\nUpgrade: websocket\r\n${ASK}\r\n`)).toMatch(
      /^HTTP\/1.1 400 Bad Request\r\n[\s\S]*"parameter":"at"/,
    );
  });

  it("is missed where there is none", async () => {
    const { app } = world();
    const answer = await app.request("/ws");
    expect([answer.status, answer.headers.get("Upgrade")]).toEqual([426, "websocket"]);
    expect(await answer.json()).toMatchObject({ detail: expect.stringContaining("/ws is a WebSocket") });
  });

  it("elsewhere is answered as if it had not been made", async () => {
    const { port } = await serve();
    const page = await raw(port, `GET /healthz HTTP/1.1\r\nUpgrade: websocket\r\n${ASK}\r\n`);
    expect(page).toMatch(/^HTTP\/1.1 200 OK\r\n[\s\S]*\{"status":"ok"\}\n$/);
    const nothing = await raw(port, `GET /nothing HTTP/1.1\r\nUpgrade: websocket\r\n${ASK}\r\n`);
    expect(nothing).toMatch(/^HTTP\/1.1 404 Not Found\r\n[\s\S]*"detail":"There is nothing at/);
  });

  it("for another protocol is answered as if it had not been made, with its body", async () => {
    const bodies: string[] = [];
    const { port } = await serve({
      ingest: async (body) => {
        bodies.push(Buffer.from(body).toString());
        return { accepted: 1, rejected: 0, errors: [] };
      },
    });
    const h2c =
      "Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    expect(await raw(port, `GET /healthz HTTP/1.1\r\n${h2c}\r\n`)).toContain('{"status":"ok"}');
    const posted = `POST /api/ingest HTTP/1.1\r\n${h2c}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
    expect(await raw(port, posted)).toMatch(/^HTTP\/1.1 202 Accepted\r\n/);
    expect(bodies).toEqual(["{}"]);
  });

  it("that is malformed does no harm", async () => {
    const { port, at } = await serve();
    expect(
      await raw(port, "GET /ws HTTP/1.1\r\nHost: a b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    ).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
    expect(
      await raw(port, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    ).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
    await new Client(`${at}/ws?channel=board`).got(1);
  });
});
