import { EventEmitter, once } from "node:events";
import { get as httpGet, type IncomingMessage, type ServerResponse } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import type { Readable } from "node:stream";
import { constants, createGunzip, createInflateRaw } from "node:zlib";
import { createAdaptorServer } from "@hono/node-server";
import fc from "fast-check";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { EvenkeelError } from "../errors.ts";
import { renderPanel } from "../views/frame.tsx";
import { listen, START_MS, type World, world } from "./fixture.tsx";
import { Frame, GZIP_HEADER, type StreamFormat } from "./frames.ts";
import { Hub, type Outgoing } from "./hub.ts";
import { panelRequest } from "./params.ts";

/** A client of the hub without a socket: it takes what is written, or does not. */
class Client extends EventEmitter implements Outgoing {
  readonly chunks: Buffer[] = [];
  writableLength = 0;
  destroyed = false;
  ended = false;
  /** While it does not read, what is written waits. */
  reading = true;

  write(chunk: Uint8Array): boolean {
    this.chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    if (!this.reading) this.writableLength += chunk.length;
    return this.reading;
  }

  read(): void {
    this.setReading(true);
  }

  setReading(reading: boolean): void {
    this.reading = reading;
    if (reading) this.writableLength = 0;
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }

  /** What came since the last time. */
  take(): string {
    const { text } = this;
    this.chunks.length = 0;
    return text;
  }
}

interface JoinOptions {
  ids?: string[];
  format?: StreamFormat;
  gzip?: boolean;
  params?: Record<string, string>;
}

function join(
  w: World,
  { ids = ["board"], format = "html", gzip = false, params = {} }: JoinOptions = {},
): Client {
  const client = new Client();
  const requests = ids.map((id) =>
    panelRequest(w.site.panels.find((panel) => panel.id === id)!, new Map(Object.entries(params))),
  );
  w.hub.join(requests, format, gzip, () => client);
  return client;
}

const partialOf = (id: string, markup: string) =>
  `<hx-partial hx-target="#${id}" hx-swap="outerMorph">${markup}</hx-partial>`;
const tickOf = (tick: number) =>
  `event: tick\nid: ${tick}\ndata: {"tick":${tick},"at_ms":${START_MS + (tick - 1) * 1_000},"demo":false,"version":"1.2.3","tick_ms":1000}\n\n`;

describe("a stream", () => {
  it("begins with all its panels and when to come back", () => {
    const text = join(world(), { ids: ["board", "other"] }).text;
    expect(text).toContain(
      `retry: 1000\n${tickOf(1)}data: <hx-partial hx-target="#p-board" hx-swap="outerMorph"><section`,
    );
    expect(text).toContain('data: <hx-partial hx-target="#p-other" hx-swap="outerMorph"><section');
    expect(text.endsWith("</section></hx-partial>\n\n")).toBe(true);
  });

  it("says every tick that all is well, even where nothing has changed", async () => {
    const w = world();
    const client = join(w);
    client.take();
    await w.tick();
    expect(client.take()).toBe(tickOf(2));
    await w.tick();
    expect(client.take()).toBe(tickOf(3));
  });

  it("sends only the parts that changed", async () => {
    const w = world();
    w.board.rows.set("c", "x".repeat(200));
    const client = join(w);
    client.take();
    w.board.rows.set("a", "1 < 2");
    await w.tick();
    expect(client.take()).toBe(
      `${tickOf(2)}data: ${partialOf("board-a", '<p id="board-a">1 &lt; 2</p>')}\n\n`,
    );
  });

  it("sends the whole panel where more than its parts changed", async () => {
    const w = world();
    const client = join(w, { ids: ["board", "other"] });
    client.take();
    w.board.title = "Second";
    await w.tick();
    const text = client.take();
    expect(text.match(/<hx-partial hx-target="#p-(board|other)"/g)).toHaveLength(2);
    expect(text).not.toContain('hx-target="#board-a"');
    w.board.rows.set("new", "row");
    await w.tick();
    expect(client.take()).toContain('hx-target="#p-board"');
  });

  it("keeps markup of several lines in one message", async () => {
    const w = world();
    w.board.rows.set("a", "one\ntwo\r\nthree\rfour");
    const messages = join(w)
      .text.split("\n\n")
      .filter((message) => message !== "");
    expect(messages).toHaveLength(2);
    expect(messages[1]!.split("\n").every((line) => line.startsWith("data: "))).toBe(true);
  });

  it("gives the same bytes to all its viewers and renders once for them", async () => {
    const w = world();
    const clients = Array.from({ length: 5 }, () => join(w));
    w.board.rows.set("a", "new");
    await w.tick();
    expect(new Set(clients.map((client) => client.text)).size).toBe(1);
    expect(clients.map((client) => client.chunks[1]!.buffer)).toEqual(
      clients.map(() => clients[0]!.chunks[1]!.buffer),
    );
    expect(w.board.loads).toBe(2);
    expect(w.hub.health()).toMatchObject({ viewers: 5, channels: 1, loads: 2, renders: 2 });
  });

  it("shares what it renders with other streams and with pages", async () => {
    const w = world();
    join(w, { ids: ["board"] });
    join(w, { ids: ["board", "other"] });
    join(w, { ids: ["board"], format: "json" });
    await w.app.request("/");
    expect(w.board.loads).toBe(2);
    expect(w.hub.health().channels).toBe(3);
  });

  it("loads nothing while nobody watches", async () => {
    const w = world();
    await w.tick();
    expect(w.board.loads).toBe(0);
    const client = join(w);
    await w.tick();
    expect(w.board.loads).toBe(2);
    client.destroy();
    await w.tick();
    expect(w.board.loads).toBe(2);
    expect(w.hub.health()).toMatchObject({ viewers: 0, channels: 0 });
  });

  it("gives who joins between a tick and its publishing that tick once, and others what changed", async () => {
    const w = world();
    const early = join(w);
    early.take();
    w.board.rows.set("a", "new");
    w.now.read = { ...w.now.read, tick: 2, now_ms: START_MS + 1_000 };
    const late = join(w);
    expect(late.take()).toContain("new");
    await w.hub.publish();
    expect(late.take()).toBe("");
    expect(early.take()).toContain("new");
    await w.tick();
    expect([early.take(), late.take()]).toEqual([tickOf(3), tickOf(3)]);
  });

  it("serves a tick that comes while the one before is still being sent", async () => {
    const w = world({ limits: { clients_a_turn: 2 } });
    const clients = Array.from({ length: 7 }, () => join(w));
    const first = w.tick();
    w.board.rows.set("a", "second");
    const second = w.tick();
    await Promise.all([first, second]);
    for (const client of clients) expect(client.text).toContain("second");
  });

  it("starts over where the real fleet takes the demo's place, whatever their ticks", async () => {
    const w = world();
    w.now.read = { ...w.now.read, demo: true };
    const client = join(w);
    client.take();
    w.board.rows.set("a", "real");
    w.now.read = { ...w.now.read, demo: false };
    await w.hub.publish();
    expect(client.take()).toMatch(/"demo":false.*real/s);
  });

  it("goes on where a panel fails, with what the panel showed", async () => {
    const w = world();
    const client = join(w);
    client.take();
    w.board.error = new Error("broken");
    await w.tick();
    expect(client.take()).toBe(tickOf(2));
    expect(w.hub.health().errors).toBe(1);
    w.board.error = null;
    w.board.rows.set("a", "back");
    await w.tick();
    expect(client.take()).toContain("back");
  });

  it("is refused where a panel has nothing to show from the start", () => {
    const w = world();
    w.board.error = new EvenkeelError("not_found", "There is no worker w9");
    expect(() => join(w)).toThrow("There is no worker w9");
    expect(w.hub.health()).toMatchObject({ viewers: 0, channels: 0 });
  });
});

describe("rendering that takes long", () => {
  /** A hub whose panels take 20 ms each, and what happened in which order. */
  function slowHub(ticking?: () => Promise<void> | null) {
    const w = world();
    const happened: string[] = [];
    let elapsed_ms = performance.now();
    const now = vi.spyOn(performance, "now").mockImplementation(() => elapsed_ms);
    onTestFinished(() => now.mockRestore());
    let whenRendered = () => {};
    const hub = new Hub({
      read: () => w.now.read,
      ...(ticking && { ticking }),
      renderPanel: (panel, params, read) => {
        elapsed_ms += 20;
        happened.push(`${panel.id} of ${read.tick}`);
        whenRendered();
        return renderPanel(panel, params, read);
      },
    });
    const requests = ["board", "other"].map((id) =>
      panelRequest(w.site.panels.find((panel) => panel.id === id)!, new Map()),
    );
    const client = new Client();
    hub.join(requests, "html", false, () => client);
    happened.length = 0;
    client.take();
    const next = () => {
      w.now.read = { ...w.now.read, tick: w.now.read.tick + 1, now_ms: w.now.read.now_ms + 1_000 };
    };
    return {
      hub,
      requests,
      client,
      happened,
      next,
      onRendered: (then: () => void) => {
        whenRendered = then;
      },
    };
  }

  it("lets others have their turn between panels, of a tick and of who joins", async () => {
    const { hub, requests, happened, next } = slowHub();
    let left = 0;
    const others = () => {
      happened.push("others");
      left -= 1;
      if (left > 0) setImmediate(others);
    };
    const othersComeIn = (times: number) => {
      left = times;
      setImmediate(others);
    };
    next();
    othersComeIn(2);
    await hub.publish();
    expect(happened).toEqual(["others", "board of 2", "others", "other of 2"]);
    next();
    happened.length = 0;
    othersComeIn(2);
    await hub.prepared(requests, "html");
    expect(happened).toEqual(["others", "board of 3", "others", "other of 3"]);
  });

  it("shows nothing of a tick that is half done", async () => {
    let done = () => {};
    let ticking: Promise<void> | null = null;
    const { hub, client, happened, next } = slowHub(() => ticking);
    next();
    ticking = new Promise((resolve) => {
      done = resolve;
    });
    const published = hub.publish();
    await new Promise((resolve) => setImmediate(resolve));
    expect([happened, client.take()]).toEqual([[], ""]);
    next();
    ticking = null;
    done();
    await published;
    expect(happened).toEqual(["board of 3", "other of 3"]);
    expect(client.take()).toBe(tickOf(3));
  });

  it("gets there although each tick overtakes it", async () => {
    const { hub, client, next, happened, onRendered } = slowHub();
    let ticks = 4;
    onRendered(() => {
      if (ticks-- > 0) next();
    });
    next();
    await hub.publish();
    expect(client.take()).toContain("event: tick");
    expect(happened.length).toBeLessThan(10);
  });
});

describe("other formats of a stream", () => {
  it("are one line of JSON a tick", async () => {
    const w = world();
    const client = join(w, { format: "json", ids: ["board", "other"], params: { only: "a" } });
    await w.tick();
    const lines = client.text.split("\n").filter((line) => line !== "");
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { tick: 1, at_ms: START_MS, panels: { board: { rows: [{ id: "a", text: "one" }] }, other: {} } },
      { tick: 2, at_ms: START_MS + 1_000 },
    ]);
  });

  it("are text that reads well", async () => {
    const w = world();
    const client = join(w, { format: "text" });
    expect(client.text).toBe(
      "2026-11-23T18:24:16.000Z  tick 1\n\nBoard board\nid  text\n--  ----\na   one\nb   two\n\n",
    );
  });
});

describe("a client that does not read", () => {
  it("skips ticks and then gets all of it, and only it does", async () => {
    const w = world();
    const [slow, quick] = [join(w), join(w)];
    slow.take();
    quick.take();
    slow.reading = false;
    await w.tick();
    expect(slow.take()).toBe(tickOf(2));
    for (const text of ["x", "y", "z"]) {
      w.board.rows.set("a", text);
      await w.tick();
    }
    expect(slow.take()).toBe("");
    expect(w.hub.health()).toMatchObject({ ticks_skipped: 3, viewers: 2 });
    slow.read();
    await w.tick();
    const caught_up = slow.take();
    expect(caught_up).toContain(tickOf(6));
    expect(caught_up).toContain('hx-target="#p-board"');
    expect(caught_up).toContain(">z<");
    await w.tick();
    expect(slow.take()).toBe(tickOf(7));
    expect(quick.take().match(/event: tick/g)).toHaveLength(6);
  });

  it("gets the tick that comes right behind its first picture, and then none until it reads", async () => {
    const w = world();
    const client = join(w);
    client.writableLength = client.take().length;
    await w.tick();
    expect(client.take()).toBe(tickOf(2));
    await w.tick();
    expect(client.take()).toBe("");
    client.read();
    await w.tick();
    expect(client.take()).toContain(tickOf(4));
    expect(w.hub.health()).toMatchObject({ ticks_skipped: 1 });
  });

  it("is dropped once it took nothing for 30 s by the ticks", async () => {
    const w = world();
    const client = join(w);
    client.reading = false;
    await w.tick();
    for (let second = 0; second < 30; second++) await w.tick();
    expect(client.destroyed).toBe(false);
    await w.tick();
    expect(client.destroyed).toBe(true);
    expect(w.hub.health()).toMatchObject({ viewers: 0, channels: 0, viewers_dropped: 1 });
  });

  it("is forgiven once it reads again", async () => {
    const w = world();
    const client = join(w);
    for (let round = 0; round < 4; round++) {
      client.reading = false;
      for (let second = 0; second < 20; second++) await w.tick();
      client.read();
      await w.tick();
    }
    expect(client.destroyed).toBe(false);
  });
});

describe("the hub's limits", () => {
  const kinds = (make: () => unknown) => {
    try {
      make();
      return "fine";
    } catch (error) {
      return (error as Error).message.split(":")[0];
    }
  };

  it("are refused by name and counted", () => {
    const w = world({ limits: { max_viewers: 3, max_channels: 2, max_topics: 2 } });
    join(w);
    join(w, { ids: ["board", "other"] });
    expect(kinds(() => join(w, { ids: ["other"] }))).toBe("max_channels");
    expect(kinds(() => join(w))).toBe("fine");
    expect(kinds(() => join(w))).toBe("max_viewers");
    expect(w.hub.health().limits_reached).toEqual({ max_channels: 1, max_viewers: 1 });
  });

  it("bound the distinct panels watched", () => {
    const w = world({ limits: { max_topics: 2 } });
    join(w, { ids: ["board", "other"] });
    expect(kinds(() => join(w, { params: { limit: "3" } }))).toBe("max_topics");
    expect(kinds(() => join(w, { ids: ["other", "board"] }))).toBe("fine");
  });

  it("are answered with 503 and the panels of one stream with 400", async () => {
    const w = world({ limits: { max_viewers: 0, max_panels: 1 } });
    const { origin, close } = await listen(w.app);
    const full = await fetch(`${origin}/stream?panels=board`);
    expect([full.status, full.headers.get("retry-after")]).toEqual([503, "5"]);
    expect(await full.json()).toMatchObject({
      detail: expect.stringContaining("max_viewers: at most 0 viewers"),
    });
    expect((await fetch(`${origin}/stream?panels=board,other`)).status).toBe(400);
    await close();
  });
});

describe("frames", () => {
  it("decode in any sequence after one header, each without those before it", async () => {
    const texts = ["a".repeat(500), "", "b <p>ä</p>".repeat(90), "a".repeat(500)];
    const frames = texts.map((text) => new Frame(text));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: texts.length - 1 }), { maxLength: 12 }), async (order) => {
        const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH });
        gunzip.end(Buffer.concat([GZIP_HEADER, ...order.map((index) => frames[index]!.deflated)]));
        const chunks: Buffer[] = [];
        for await (const chunk of gunzip) chunks.push(chunk);
        expect(Buffer.concat(chunks).toString()).toBe(order.map((index) => texts[index]).join(""));
      }),
    );
    const alone = createInflateRaw({ finishFlush: constants.Z_SYNC_FLUSH });
    alone.end(frames[2]!.deflated);
    const chunks: Buffer[] = [];
    for await (const chunk of alone) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe(texts[2]);
  });
});

describe("applying a stream to the page that it began with", () => {
  /** Element id → markup: what the browser's morphs leave. Whole panels replace their parts. */
  class PageModel {
    readonly panels = new Map<string, string>();

    apply(stream: string): void {
      for (const [, id, markup] of stream.matchAll(
        /<hx-partial hx-target="#([\w-]+)"[^>]*>(.*?)<\/hx-partial>/gs,
      )) {
        if (id!.startsWith("p-")) this.panels.set(id!, markup!);
        else {
          for (const [panel, html] of this.panels) {
            this.panels.set(
              panel,
              html.replace(new RegExp(`<p id="${id}">.*?</p>`, "s"), () => markup!),
            );
          }
        }
      }
    }
  }

  const change = fc.oneof(
    fc.record({ row: fc.constantFrom("a", "b", "c", "d"), text: fc.option(fc.string({ maxLength: 8 })) }),
    fc.record({ title: fc.constantFrom("First", "Second") }),
    fc.record({ reading: fc.boolean() }),
  );

  it("gives the page that a fresh request gets, also after skipped ticks", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 12 }), async (ticks) => {
        const w = world();
        const client = join(w, { ids: ["board", "other"] });
        const page = new PageModel();
        page.apply(client.take());
        for (const changes of ticks) {
          for (const one of changes) {
            if ("title" in one) w.board.title = one.title;
            else if ("reading" in one) client.setReading(one.reading);
            else if (one.text === null) w.board.rows.delete(one.row);
            else w.board.rows.set(one.row, one.text);
          }
          await w.tick();
          page.apply(client.take());
        }
        client.read();
        await w.tick();
        page.apply(client.take());
        for (const id of ["board", "other"]) {
          const fresh = await (await w.app.request(`/panels/${id}`)).text();
          // The stream's lines cannot hold a carriage return; a browser reads it as a line feed anyway.
          const lines = (text: string) => text.replace(/\r\n?/g, "\n");
          expect(lines(page.panels.get(`p-${id}`)!).replaceAll("\ndata: ", "\n")).toBe(lines(fresh));
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe("a stream over a real connection", () => {
  const closers: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function serve(w: World) {
    const { origin, server, close } = await listen(w.app);
    closers.push(close, () => w.hub.close());
    return { origin, server };
  }

  /** Reads a response up to where `until` stands in it. */
  async function readTo(stream: Readable, until: string): Promise<string> {
    let text = "";
    for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      text += chunk.toString();
      if (text.includes(until)) return text;
    }
    throw new Error(`the stream ended before ${until}: ${text}`);
  }

  function open(url: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const outgoing = httpGet(url, { headers, agent: false }, resolve);
      outgoing.on("error", reject);
      closers.push(() => void outgoing.destroy());
    });
  }

  it("of HTTP/1.0 is not in chunks, and one behind another of its connection waits for its turn", async () => {
    const w = world();
    const { origin } = await serve(w);
    const { hostname, port } = new URL(origin);
    const ask = (text: string) => {
      const socket = connect(Number(port), hostname);
      closers.push(() => void socket.destroy());
      socket.write(text);
      return socket;
    };
    const stream = "GET /stream?panels=board HTTP";
    const old = await readTo(ask(`${stream}/1.0\r\nHost: a\r\n\r\n`), "</hx-partial>\n\n");
    expect(old).toMatch(/^HTTP\/1\.1 200 /);
    expect(old).toMatch(/\r\n\r\nretry|\r\n\r\nid: |\r\n\r\nevent: /);
    const behind = ask(`GET /panels/board HTTP/1.1\r\nHost: a\r\n\r\n${stream}/1.1\r\nHost: a\r\n\r\n`);
    const both = await readTo(behind, "</hx-partial>\n\n");
    expect(both.match(/HTTP\/1\.1 200 /g)).toHaveLength(2);
    expect(both).toContain("text/event-stream");
  });

  it("arrives as events, and is negotiated", async () => {
    const w = world();
    const { origin } = await serve(w);
    const url = `${origin}/stream?panels=board`;
    const htmx = await open(url, { accept: "text/html, text/event-stream" });
    expect(htmx.headers).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store, no-transform",
      "x-accel-buffering": "no",
      "x-content-type-options": "nosniff",
      vary: "Accept, Accept-Encoding",
    });
    expect(await readTo(htmx, "</hx-partial>\n\n")).toContain("event: tick");
    for (const [headers, query, type] of [
      [{}, "", "text/event-stream; charset=utf-8"],
      [{ accept: "*/*" }, "", "text/event-stream; charset=utf-8"],
      [{ accept: "application/x-ndjson" }, "", "application/x-ndjson"],
      [{}, "&format=json", "application/x-ndjson"],
      [{ accept: "text/plain" }, "", "text/plain; charset=utf-8"],
      [{}, "&format=text", "text/plain; charset=utf-8"],
    ] as const) {
      const response = await open(url + query, headers);
      expect(response.headers["content-type"]).toBe(type);
      expect(response.headers["content-encoding"]).toBeUndefined();
    }
    expect((await open(`${origin}/stream?panels=thing&id=x&format=text`)).statusCode).toBe(406);
    expect((await open(`${url}&format=pdf`)).statusCode).toBe(406);
    expect((await open(`${url}&format=hasOwnProperty`)).statusCode).toBe(406);
    expect((await open(`${origin}/stream?panels=nope`)).statusCode).toBe(404);
    expect((await open(`${origin}/stream`)).statusCode).toBe(400);
    expect((await open(`${url}&limit=0`)).statusCode).toBe(400);
  });

  it("is compressed once for all, and whoever joins in the middle can read it", async () => {
    const w = world();
    const { origin } = await serve(w);
    const gunzipped = async () => {
      const response = await open(`${origin}/stream?panels=board`, { "accept-encoding": "gzip" });
      expect(response.headers["content-encoding"]).toBe("gzip");
      return response.pipe(createGunzip());
    };
    const first = await gunzipped();
    await readTo(first, "</hx-partial>\n\n");
    w.board.rows.set("a", "changed");
    await w.tick();
    expect(await readTo(first, "</hx-partial>\n\n")).toContain("changed");
    const second = await gunzipped();
    expect(await readTo(second, "</hx-partial>\n\n")).toContain(`retry: 1000\n${tickOf(2)}`);
    await w.tick();
    expect([await readTo(first, "\n\n"), await readTo(second, "\n\n")]).toEqual([tickOf(3), tickOf(3)]);
  });

  it("decodes in fetch", async () => {
    const w = world();
    const { origin } = await serve(w);
    const response = await fetch(`${origin}/stream?panels=board`, { headers: { "accept-encoding": "gzip" } });
    const reader = response.body!.getReader();
    let text = "";
    while (!text.includes("</hx-partial>\n\n")) text += Buffer.from((await reader.read()).value!).toString();
    await w.tick();
    while (!text.includes(tickOf(2))) text += Buffer.from((await reader.read()).value!).toString();
    await reader.cancel();
  });

  it("works over HTTP/2 as well", async () => {
    const w = world();
    const server = createAdaptorServer({ fetch: w.app.fetch, createServer: createHttp2Server });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    closers.push(
      () => void server.close(),
      () => session.destroy(),
    );
    const stream = session.request({ ":path": "/stream?panels=board", "accept-encoding": "gzip" });
    const [headers] = await once(stream, "response");
    expect(headers).toMatchObject({ ":status": 200, "content-encoding": "gzip" });
    expect(headers).not.toHaveProperty("transfer-encoding");
    const decoded = stream.pipe(createGunzip());
    // A stream that is cut has no end of its gzip either.
    decoded.on("error", () => {});
    await readTo(decoded, "</hx-partial>\n\n");
    await w.tick();
    expect(await readTo(decoded, "\n\n")).toBe(tickOf(2));
    session.destroy();
    await once(session, "close");
    while (w.hub.health().viewers > 0) await new Promise((resolve) => setImmediate(resolve));
    await w.tick();
    expect(w.board.loads).toBe(2);
  });

  it("forgets a client that leaves", async () => {
    const w = world();
    const { origin, server } = await serve(w);
    const left = new Promise((resolve) => server.on("connection", (socket) => socket.on("close", resolve)));
    const response = await open(`${origin}/stream?panels=board`);
    expect(w.hub.health().viewers).toBe(1);
    response.destroy();
    await left;
    expect(w.hub.health()).toMatchObject({ viewers: 0, channels: 0 });
  });

  it("queues little for a client that never reads, and drops it", async () => {
    const w = world({ limits: { stuck_ms: 100_000 } });
    const { origin, server } = await serve(w);
    const joined = new Promise<ServerResponse>((resolve) =>
      server.on("request", (_: unknown, response: ServerResponse) => resolve(response)),
    );
    const socket = connect(Number(new URL(origin).port), "127.0.0.1");
    closers.push(() => void socket.destroy());
    socket.pause();
    socket.write("GET /stream?panels=board HTTP/1.1\r\nHost: x\r\n\r\n");
    const response = await joined;
    while (w.hub.health().viewers === 0) await new Promise((resolve) => setImmediate(resolve));
    const frame_bytes = 1_000_000;
    let queued_bytes = 0;
    for (let tick = 0; tick < 40; tick++) {
      w.board.rows.set("a", String(tick).padEnd(frame_bytes, "x"));
      await w.tick();
      queued_bytes = Math.max(queued_bytes, response.writableLength);
    }
    expect(w.hub.health().ticks_skipped).toBeGreaterThan(20);
    expect(queued_bytes).toBeGreaterThan(0);
    expect(queued_bytes).toBeLessThan(frame_bytes * 1.1);
    const closed = once(response, "close");
    // The kernel may take a little more for a while; what it takes is bounded too.
    for (let second = 0; second < 1_000 && w.hub.health().viewers > 0; second++) await w.tick();
    await closed;
    expect(w.hub.health()).toMatchObject({ viewers: 0, viewers_dropped: 1 });
  });

  it("ends at once when the hub closes, and no new one begins", async () => {
    const w = world();
    const { origin } = await serve(w);
    const responses = await Promise.all([1, 2, 3].map(() => open(`${origin}/stream?panels=board`)));
    const ends = responses.map((response) => once(response.resume(), "end"));
    w.hub.close();
    await Promise.all(ends);
    expect((await open(`${origin}/stream?panels=board`)).statusCode).toBe(503);
    await w.tick();
    expect(w.hub.health()).toMatchObject({ viewers: 0, channels: 0 });
  });
});
