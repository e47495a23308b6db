import { createServer, type Server } from "node:http";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { CertificateFiles } from "./certificate.ts";
import { EvenkeelError } from "./errors.ts";
import type { Log } from "./log.ts";
import type { App } from "./routes/app.ts";
import { takeUpgrades } from "./routes/upgrade.ts";

export interface ListenOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly base_path: string;
  /** PEM files; both empty for plain HTTP. */
  readonly tls_cert: string;
  readonly tls_key: string;
  /** Connections open at once; further ones are closed. */
  readonly max_connections: number;
  readonly patience?: Partial<Patience>;
}

/** How long clients are waited for, milliseconds. */
export interface Patience {
  /** For the first byte of a connection to the last of a request's head; also for the handshake of TLS. */
  readonly head_ms: number;
  /** For a whole request. Bodies that are read are refused, with an answer, before this ends the connection. */
  readonly request_ms: number;
  /** For a client to take or send anything at all; longer than any tick. */
  readonly idle_ms: number;
  /** For the next request of a connection: whoever reports once a minute finds it open. */
  readonly next_ms: number;
  /** Between two looks at which requests are late: often, so that few are cut off at one go. */
  readonly check_ms: number;
  /** Between two looks at whether the certificate was renewed. */
  readonly renewal_ms: number;
}

const PATIENCE: Patience = {
  head_ms: 10_000,
  request_ms: 60_000,
  idle_ms: 120_000,
  next_ms: 75_000,
  check_ms: 250,
  renewal_ms: 10_000,
};

/** Requests that one connection of HTTP/2 may have open: as many streams as any page of frames needs. */
const MAX_CONCURRENT_STREAMS = 128;

/** Connections that wait to be accepted: with fewer, a burst of them makes others try again after a second. */
const BACKLOG = 4096;

export interface Listener {
  /** Ends with the base path. */
  readonly url: string;
  /** Connections that were closed at once, since as many as may be were open. */
  readonly refused: number;
  /** Reads the certificate again; where that fails the former one holds, and the log says why. */
  renewCertificate(): void;
  /** Cuts every connection. */
  close(): Promise<void>;
}

/**
 * Listens with HTTP/1.1, or with TLS and HTTP/2 beside it where there is a certificate.
 * @throws EvenkeelError where the certificate is no good or the port is taken
 */
export async function listen(fetch: App["fetch"], options: ListenOptions, log: Log): Promise<Listener> {
  const { host, port, base_path, tls_cert, tls_key, max_connections } = options;
  const patience = { ...PATIENCE, ...options.patience };
  const files = tls_cert === "" ? null : new CertificateFiles(tls_cert, tls_key);
  const server = createServerFor(fetch, files, patience);
  server.maxConnections = max_connections;
  takeUpgrades(server, fetch);
  const sockets = new Set<Socket>();
  let refused = 0;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("drop", () => refused++);
  const { address, family, port: taken } = await listening(server, host, port);
  const name = family === "IPv6" ? `[${address}]` : address;
  const renewCertificate = () => renew(server, files, log);
  const timer = setInterval(() => files?.changed() && renewCertificate(), patience.renewal_ms).unref();
  return {
    url: `${files ? "https" : "http"}://${name}:${taken}${base_path}`,
    get refused() {
      return refused;
    },
    renewCertificate,
    close: () => {
      clearInterval(timer);
      return new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      });
    },
  };
}

type AnyServer = Server | Http2SecureServer;

function createServerFor(fetch: App["fetch"], files: CertificateFiles | null, patience: Patience): AnyServer {
  const { head_ms, request_ms, idle_ms, next_ms, check_ms } = patience;
  const common = { connectionsCheckingInterval: check_ms };
  const server = files
    ? createAdaptorServer({
        fetch,
        createServer: createSecureServer,
        serverOptions: {
          ...common,
          ...files.read(),
          allowHTTP1: true,
          handshakeTimeout: head_ms,
          settings: { maxConcurrentStreams: MAX_CONCURRENT_STREAMS },
        },
      })
    : createAdaptorServer({ fetch, createServer, serverOptions: common });
  return Object.assign(server as AnyServer, {
    headersTimeout: head_ms,
    requestTimeout: request_ms,
    timeout: idle_ms,
    keepAliveTimeout: next_ms,
  });
}

function listening(server: AnyServer, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "EADDRINUSE"
          ? new EvenkeelError("unavailable", `port ${port} of ${host} is taken; choose another with --port`)
          : error,
      );
    });
    server.listen({ port, host, backlog: BACKLOG }, () => resolve(server.address() as AddressInfo));
  });
}

function renew(server: AnyServer, files: CertificateFiles | null, log: Log): void {
  if (files === null || !("setSecureContext" in server)) return;
  try {
    server.setSecureContext(files.read());
    log("info", "the certificate is read again");
  } catch (error) {
    log("error", `the former certificate holds: ${(error as Error).message}`);
  }
}
