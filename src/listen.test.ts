import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { makeCertificate } from "./certificate-fixture.ts";
import { loadSettings, type SettingTexts } from "./config.ts";
import { type Listener, listen, type Patience } from "./listen.ts";
import { world } from "./routes/fixture.tsx";
import { type RunningServer, startServer } from "./server.ts";

let folder: string;
const ends: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-listen-"));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true });
});

/** A whole server, and what it logs. */
async function serve(flags: SettingTexts): Promise<RunningServer & { said: string[] }> {
  const said: string[] = [];
  const base = { db: join(folder, "fleet.db"), port: "0", demo: "off" };
  const { settings } = loadSettings({ flags: { ...base, ...flags }, env: {}, readFile: () => "" });
  const server = await startServer(settings, (level, message) => said.push(`${level} ${message}`));
  ends.push(() => server.stop());
  return Object.assign(server, { said });
}

/** Only the listening part, which answers every request once its body has come. */
async function listener(patience: Partial<Patience>, more: { max_connections?: number } = {}) {
  const fetch = async (request: Request) => new Response(`got ${(await request.text()).length}`);
  const options = { host: "127.0.0.1", port: 0, base_path: "/", tls_cert: "", tls_key: "" };
  const listening = await listen(fetch, { ...options, max_connections: 100, ...more, patience }, () => {});
  ends.push(() => listening.close());
  return listening;
}

async function open({ url }: Listener): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {});
  ends.push(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** What comes until the far end closes. */
async function rest(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
  });
  if (!socket.closed) await once(socket, "close");
  return text;
}

function http2(url: string): ClientHttp2Session {
  const session = connectHttp2(url, { rejectUnauthorized: false });
  ends.push(() => session.close());
  return session;
}

async function get2(session: ClientHttp2Session, path: string): Promise<{ status: number; text: string }> {
  const stream = session.request({ ":path": path });
  stream.setEncoding("utf8");
  const [headers] = await once(stream, "response");
  let text = "";
  for await (const chunk of stream) text += chunk;
  return { status: Number(headers[":status"]), text };
}

/** The common name of the certificate that a new connection is shown. */
async function shown(url: string): Promise<string> {
  const socket = connectTls({
    port: Number(new URL(url).port),
    host: "127.0.0.1",
    rejectUnauthorized: false,
  });
  await once(socket, "secureConnect");
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

describe("with a certificate", () => {
  test("pages come over HTTP/2 and over HTTP/1.1, and nothing comes without TLS", async () => {
    const { url } = await serve(makeCertificate(folder, "one"));
    expect(url).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/$/);
    const page = await get2(http2(url), "/");
    expect(page.status).toBe(200);
    expect(page.text).toContain("<!doctype html>");
    const request = httpsRequest(url, { rejectUnauthorized: false }).end();
    const [answer] = await once(request, "response");
    expect(answer.statusCode).toBe(200);
    expect(answer.httpVersion).toBe("1.1");
    answer.resume();
    await expect(fetch(url.replace("https:", "http:"))).rejects.toThrow();
  });

  test("a form of our own page is taken, and one of another scheme or host is not", async () => {
    const { url } = await serve(makeCertificate(folder, "one"));
    const session = http2(url);
    const post = async (origin: string) => {
      const stream = session.request({
        ":method": "POST",
        ":path": "/api/marks",
        origin,
        "content-type": "application/json",
      });
      stream.end('{"text": "deployed"}');
      const [headers] = await once(stream, "response");
      stream.resume();
      return headers[":status"];
    };
    expect(await post(new URL(url).origin)).toBe(201);
    expect(await post(new URL(url).origin.replace("https", "http"))).toBe(403);
    expect(await post("https://evil.example")).toBe(403);
  });

  test.each(["identity", "gzip"])(
    "many streams of one connection bring every tick, as %s",
    async (encoding) => {
      const { url } = await serve({ ...makeCertificate(folder, "one"), tick_ms: "1000" });
      const session = http2(url);
      const streams = Array.from({ length: 40 }, () =>
        session.request({ ":path": "/stream?panels=overview&format=json", "accept-encoding": encoding }),
      );
      const ticks = await Promise.all(
        streams.map(async (stream) => {
          const got: Buffer[] = [];
          const lines = () => {
            const bytes = Buffer.concat(got);
            const text = encoding === "gzip" ? gunzipSync(bytes, { finishFlush: 2 }) : bytes;
            return text.toString().split("\n").slice(0, -1);
          };
          for await (const chunk of stream) {
            got.push(chunk);
            if (lines().length >= 3) break;
          }
          return lines().map((line) => JSON.parse(line).tick as number);
        }),
      );
      for (const [first, ...others] of ticks) {
        expect(others).toEqual(others.map((_, index) => first! + index + 1));
      }
    },
  );

  test("a WebSocket is opened from a page of the same origin, and from no other", async () => {
    const { url } = await serve(makeCertificate(folder, "one"));
    const open = async (origin: string) => {
      const socket = new WebSocket(`${url.replace("https:", "wss:")}ws`, {
        origin,
        rejectUnauthorized: false,
      });
      ends.push(() => socket.terminate());
      const answered = once(socket, "message").then(([text]) => JSON.parse(String(text)) as object);
      const refused = once(socket, "unexpected-response").then(([, answer]) => answer.statusCode as number);
      socket.on("open", () => socket.send('{"action": "ping"}')).on("error", () => {});
      return Promise.race([answered, refused]);
    };
    expect(await open(new URL(url).origin)).toEqual(expect.any(Object));
    expect(await open("https://evil.example")).toBe(403);
  });

  test("a wish for another protocol is passed over", async () => {
    const { url } = await serve(makeCertificate(folder, "one"));
    const headers = { Connection: "Upgrade, HTTP2-Settings", Upgrade: "h2c", "HTTP2-Settings": "" };
    const request = httpsRequest(`${url}healthz`, { headers, rejectUnauthorized: false, agent: false }).end();
    const [answer] = await once(request, "response");
    expect(answer.statusCode).toBe(200);
    answer.resume();
  });

  test("a client that goes takes its streams with it, and the end of the server takes the rest", async () => {
    const server = await serve({ ...makeCertificate(folder, "one"), tick_ms: "1000" });
    const [stays, goes] = [http2(server.url), http2(server.url)];
    const viewers = async () => JSON.parse((await get2(stays, "/api/status")).text).viewers;
    const opened = [stays, goes].map((session) => session.request({ ":path": "/stream?panels=none" }));
    await Promise.all(opened.map((stream) => once(stream, "data")));
    await expect.poll(viewers, { timeout: 10_000 }).toBe(2);
    goes.destroy();
    await expect.poll(viewers, { timeout: 10_000 }).toBe(1);
    const closed = once(stays, "close");
    await server.stop();
    await closed;
  });

  test("a stream that is never read is dropped, and others of its connection go on", async () => {
    const w = world({ limits: { stuck_ms: 3000 } });
    const options = { host: "127.0.0.1", port: 0, base_path: "/", max_connections: 9 };
    const listening = await listen(w.app.fetch, { ...options, ...makeCertificate(folder, "one") }, () => {});
    ends.push(
      () => listening.close(),
      () => w.hub.close(),
    );
    w.board.rows.set("a", "more than fits into a window ".repeat(10_000));
    const session = http2(listening.url);
    const [unread, read] = ["board", "none"].map((panels) =>
      session.request({ ":path": `/stream?panels=${panels}` }),
    );
    let events = 0;
    read!.setEncoding("utf8").on("data", (text: string) => {
      events += text.match(/event: tick/g)?.length ?? 0;
    });
    await once(unread!, "response");
    await expect.poll(() => events, { timeout: 10_000 }).toBe(1);
    const cut = once(unread!, "close");
    for (let tick = 2; tick <= 6; tick++) {
      await w.tick();
      await expect.poll(() => events, { timeout: 10_000 }).toBe(tick);
    }
    expect(w.hub.health()).toMatchObject({ viewers: 1, viewers_dropped: 1 });
    unread!.on("error", () => {}).resume();
    await cut;
  });

  test("a renewed one is shown to new connections; a bad one never, and the log says why", async () => {
    const first = makeCertificate(folder, "one");
    const second = makeCertificate(folder, "two");
    const server = await serve(first);
    const open = http2(server.url);
    expect(await shown(server.url)).toBe("one");
    copyFileSync(second.tls_cert, first.tls_cert);
    server.reload();
    expect(server.said.at(-1)).toMatch(
      /^error the former certificate holds: tls_key: .*must be the private key/,
    );
    expect(await shown(server.url)).toBe("one");
    copyFileSync(second.tls_key, first.tls_key);
    server.reload();
    expect(server.said.at(-1)).toBe("info the certificate is read again");
    expect(await shown(server.url)).toBe("two");
    expect((await get2(open, "/healthz")).status).toBe(200);
    writeFileSync(first.tls_cert, "");
    server.reload();
    expect(server.said.at(-1)).toMatch(
      /^error the former certificate holds: tls_cert: .*must be a certificate/,
    );
    expect(await shown(server.url)).toBe("two");
  });

  test("a renewal is seen without being told of it", async () => {
    const [first, second] = [makeCertificate(folder, "one"), makeCertificate(folder, "second")];
    const fetch = () => new Response("");
    const options = { host: "127.0.0.1", port: 0, base_path: "/", ...first, max_connections: 100 };
    const listening = await listen(fetch, { ...options, patience: { renewal_ms: 5 } }, () => {});
    ends.push(() => listening.close());
    expect(await shown(listening.url)).toBe("one");
    copyFileSync(second.tls_key, first.tls_key);
    copyFileSync(second.tls_cert, first.tls_cert);
    await expect.poll(() => shown(listening.url), { timeout: 10_000 }).toBe("second");
  });

  test.each([
    ["tls_cert", "", /^tls_cert: .*one\.crt must be a certificate in PEM/],
    ["tls_key", "nonsense", /^tls_key: .*one\.key must be a private key in PEM without a passphrase/],
    ["tls_key", null, /^tls_key: .*one\.key can't be read: ENOENT/],
  ] as const)("whose %s is no good the start is refused", async (setting, text, message) => {
    const files = makeCertificate(folder, "one");
    if (text === null) rmSync(files[setting]);
    else writeFileSync(files[setting], text);
    await expect(serve(files)).rejects.toThrow(message);
  });
});

describe("who is slow or says nothing", () => {
  const soon = { head_ms: 100, request_ms: 200, check_ms: 20 };

  test("is cut off, having said nothing at all, half a head, or half a body; others are answered", async () => {
    const listening = await listener(soon);
    const [silent, head, body] = [await open(listening), await open(listening), await open(listening)];
    head.write("GET / HTTP/1.1\r\nHost: ");
    body.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345");
    expect(await (await fetch(listening.url, { method: "POST", body: "123" })).text()).toBe("got 3");
    for (const socket of [silent, head, body]) expect(await rest(socket)).toMatch(/^$|^HTTP\/1.1 408 /);
  });

  test("is cut off where an answer is never read", async () => {
    const listening = await listen(
      () => new Response("x".repeat(50_000_000)),
      {
        host: "127.0.0.1",
        port: 0,
        base_path: "/",
        tls_cert: "",
        tls_key: "",
        max_connections: 9,
        patience: { idle_ms: 100 },
      },
      () => {},
    );
    ends.push(() => listening.close());
    const socket = await open(listening);
    socket.pause();
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    // Nothing is read here, so that the end shows in what can still be written.
    const gone = once(socket, "error").catch(() => {});
    const timer = setInterval(() => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 20);
    await gone;
    clearInterval(timer);
  });

  test("is told how long its next request is waited for", async () => {
    for (const [patience, told] of [
      [{}, "timeout=75"],
      [{ next_ms: 7000 }, "timeout=7"],
    ] as const) {
      const socket = await open(await listener(patience));
      socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      expect(String(await once(socket, "data"))).toContain(`\r\nKeep-Alive: ${told}\r\n`);
    }
  });

  test("beyond the connections that may be open is closed at once, and counted", async () => {
    const listening = await listener({}, { max_connections: 3 });
    const kept = [await open(listening), await open(listening), await open(listening)];
    const refused = await open(listening);
    expect(await rest(refused)).toBe("");
    expect(listening.refused).toBe(1);
    kept[0]!.destroy();
    const { port } = new URL(listening.url);
    const ask = () =>
      new Promise((resolve) =>
        httpRequest({ port, host: "127.0.0.1", method: "POST", agent: false }, (answer) =>
          resolve(answer.resume().statusCode),
        )
          .on("error", () => resolve(null))
          .end("12"),
      );
    await expect.poll(ask, { timeout: 10_000 }).toBe(200);
  });
});
