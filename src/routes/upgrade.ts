import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Server } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { WebSocket, WebSocketServer } from "ws";
import { json } from "./answers.ts";
import type { Bindings, Upgrade } from "./route.ts";

/** Longest message of a client, bytes: a longer one ends its connection with 1009. */
const MAX_MESSAGE_BYTES = 8_192;

type Fetch = (request: Request, env: Bindings) => Response | Promise<Response>;

/**
 * Lets routes turn a request into a WebSocket, by `upgrade` in its bindings. They are checked and refused as any
 * other request, with a body that says why.
 *
 * The way of @hono/node-server itself answers refusals without their body, leaves requests for other protocols (as
 * curl's --http2 makes them) without any answer, and wants `ws` loaded before anybody asks for it.
 */
export function takeUpgrades(server: Server, fetch: Fetch): void {
  let opening: Promise<WebSocketServer> | undefined;
  const webSockets = () => {
    opening ??= openWebSockets();
    return opening;
  };
  server.on("upgrade", (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (incoming.method !== "GET" || incoming.headers.upgrade?.toLowerCase() !== "websocket") {
      asPlain(server, incoming, socket, head);
      return;
    }
    take(incoming, socket, head, fetch, webSockets).catch((error: unknown) => {
      console.error(error);
      socket.destroy();
    });
  });
}

/** Loaded when somebody first connects: a server that nobody asks for it starts without. */
async function openWebSockets(): Promise<WebSocketServer> {
  const { WebSocketServer } = await import("ws");
  return new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: MAX_MESSAGE_BYTES });
}

async function take(
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  fetch: Fetch,
  webSockets: () => Promise<WebSocketServer>,
): Promise<void> {
  const ignore = () => {};
  socket.on("error", ignore);
  let opened: Parameters<Upgrade>[0] | undefined;
  const request = requestOf(incoming);
  const response =
    request === null
      ? json({ type: "about:blank", title: "Bad Request", status: 400, detail: "Host must be a host" }, 400)
      : await fetch(request, {
          incoming,
          upgrade: (whenOpen) => {
            opened = whenOpen;
          },
        });
  if (socket.destroyed) return;
  if (opened === undefined) {
    await refuse(socket, response);
    return;
  }
  const whenOpen = opened;
  const server = await webSockets();
  server.handleUpgrade(incoming, socket, head, (webSocket: WebSocket) => {
    socket.off("error", ignore);
    whenOpen(webSocket);
  });
}

function requestOf({ url = "/", headers, socket }: IncomingMessage): Request | null {
  try {
    const flat = Object.entries(headers).map(([name, value]) => [name, String(value)] as [string, string]);
    const scheme = socket instanceof TLSSocket ? "https" : "http";
    return new Request(new URL(url, `${scheme}://${headers.host ?? "localhost"}`), { headers: flat });
  } catch {
    return null;
  }
}

async function refuse(socket: Duplex, response: Response): Promise<void> {
  const body = Buffer.from(await response.arrayBuffer());
  const { status, headers } = response;
  headers.set("Connection", "close");
  headers.set("Content-Length", String(body.length));
  const lines = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.end(
    Buffer.concat([Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines}\r\n`), body]),
  );
}

/** Hop-by-hop fields of an upgrade that is not made. */
const UPGRADE_FIELDS = ["upgrade", "connection", "http2-settings"];

/**
 * A server may ignore that a client would like another protocol (RFC 9110, 7.8): the request is read once more,
 * without that wish.
 */
function asPlain(server: Server, { method, url, rawHeaders }: IncomingMessage, socket: Duplex, head: Buffer) {
  let lines = `${method} ${url} HTTP/1.1\r\n`;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (UPGRADE_FIELDS.includes(rawHeaders[i]!.toLowerCase())) continue;
    lines += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines}\r\n`, "latin1"), head]));
  server.emit(socket instanceof TLSSocket ? "secureConnection" : "connection", socket);
}
