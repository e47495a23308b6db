import { connect } from "node:net";
import { hostileText } from "./hostile.ts";
import type { Random } from "./random.ts";
import type { Answered } from "./verdict.ts";

/** How long a raw connection is listened to. */
const LISTEN_MS = 1_500;

/** Bytes that no client library would send, as the first and only ones of a connection. */
function rawBytes(random: Random, host: string): Buffer {
  const text = hostileText(random);
  const request = (line: string, ...headers: string[]) =>
    Buffer.from([line, `Host: ${host}`, ...headers, "Connection: close", "", ""].join("\r\n"), "latin1");
  return random.pick<() => Buffer>([
    () => random.bytes(random.below(500)),
    () => request(`GET /${text} HTTP/1.1`),
    () => request(`GET //evil.example/${text} HTTP/1.1`),
    () => request("GET http://evil.example/ HTTP/1.1"),
    () => request("GET /\\evil.example HTTP/1.1"),
    () => request("GET /?q=<evk-raw> HTTP/1.1"),
    () => request("GET /workers/<evk-raw> HTTP/1.1", "Accept: text/html"),
    () => request("OPTIONS * HTTP/1.1"),
    () => request("CONNECT evil.example:443 HTTP/1.1"),
    () => request("TRACE / HTTP/1.1", "Max-Forwards: 0"),
    () => request("GET / HTTP/1.0"),
    () => request("GET / HTTP/9.9"),
    () => request("GET / HTTP/1.1", `X-Odd: ${text}`),
    () => request("GET / HTTP/1.1", `Host: <evk-host>.example"`),
    () => request("GET / HTTP/1.1", `Cookie: ${"c=1; ".repeat(5_000)}`),
    () => request("GET / HTTP/1.1", ...Array.from({ length: 3_000 }, (_, i) => `X-${i}: 1`)),
    () => request(`GET /?${"a=b&".repeat(20_000)} HTTP/1.1`),
    () => request("GET /stream?panels=overview HTTP/1.1", "Accept-Encoding: gzip"),
    () =>
      request("GET /ws HTTP/1.1", "Upgrade: websocket", "Sec-WebSocket-Version: 99", "Sec-WebSocket-Key: x"),
    () => request("GET / HTTP/1.1", "Upgrade: h2c", "HTTP2-Settings: AAAA"),
    () => request("POST /api/ingest HTTP/1.1", "Content-Type: application/json", "Content-Length: -1"),
    () =>
      request(
        "POST /api/ingest HTTP/1.1",
        "Content-Type: application/json",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
      ),
    () =>
      Buffer.concat([
        request("POST /api/ingest HTTP/1.1", "Content-Type: application/json", "Transfer-Encoding: chunked"),
        Buffer.from(
          random.pick([
            "zz\r\n{}\r\n0\r\n\r\n",
            "2\r\n{}\r\n0\r\n\r\n",
            "ffffffffff\r\n{",
            "2;a=b\r\n{}\r\n0\r\nX: y\r\n\r\n",
          ]),
        ),
      ]),
    () =>
      Buffer.concat([
        request("GET /healthz HTTP/1.1").subarray(0, -2 - "Connection: close\r\n".length),
        Buffer.from("\r\n"),
        request("GET /keys HTTP/1.1"),
      ]),
    () => Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    () => Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
  ])();
}

/** What came back over one connection, as far as it is HTTP; null where nothing did. */
export async function rawExchange(
  random: Random,
  port: number,
): Promise<{ sent: Buffer; answer: Answered | null }> {
  const sent = rawBytes(random, `127.0.0.1:${port}`);
  const received = await exchange(port, sent);
  return { sent, answer: parsed(received) };
}

function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    const done = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(chunks));
    };
    const timer = setTimeout(done, LISTEN_MS);
    socket.on("data", (chunk: Buffer) => chunks.push(chunk)).once("close", done);
    // The server may close while it is still being written to.
    socket.on("error", () => {});
  });
}

/** The first answer of a connection; a body that is chunked or compressed is left out. */
function parsed(received: Buffer): Answered | null {
  const [head = "", ...rest] = received.toString("latin1").split("\r\n\r\n");
  const [first = "", ...lines] = head.split("\r\n");
  const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(first) ?? [];
  if (status === undefined) return null;
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const plain =
    headers.some(([name]) => name === "content-length") &&
    !headers.some(([name]) => name === "content-encoding");
  const length = Number(headers.find(([name]) => name === "content-length")?.[1] ?? 0);
  const text = plain ? Buffer.from(rest.join("\r\n\r\n"), "latin1").subarray(0, length).toString() : "";
  return { status: Number(status), headers, text };
}

/** Connections that send a byte now and then and never end what they began. */
export class SlowSenders {
  readonly #sockets = new Set<ReturnType<typeof connect>>();
  readonly #timer: NodeJS.Timeout;

  constructor(port: number, count: number) {
    const open = () => {
      const socket = connect(port, "127.0.0.1", () =>
        socket.write(
          "POST /api/ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n",
        ),
      );
      this.#sockets.add(socket);
      socket.on("error", () => {}).on("close", () => this.#sockets.delete(socket));
      socket.resume();
    };
    this.#timer = setInterval(() => {
      for (const socket of this.#sockets) socket.write(" ");
      if (this.#sockets.size < count) open();
    }, 250);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
  }
}
