import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Tape } from "./stream-tape.ts";

/** Stands before a server and answers all as it does, but for the stream: that one comes from a tape, when it is told to. */
export class TapeProxy {
  /** Ends with a slash. */
  readonly url: string;
  /** Streams that were ever asked for. */
  streams = 0;
  readonly #server: Server;
  readonly #tape: Tape;
  #stream: ServerResponse | null = null;
  #next = 0;

  private constructor(server: Server, tape: Tape) {
    this.#server = server;
    this.#tape = tape;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }

  static async start(upstream: string, tape: Tape): Promise<TapeProxy> {
    const server = createServer((incoming, outgoing) => {
      if (incoming.url?.startsWith("/stream")) proxy.#open(outgoing);
      else forward(upstream, incoming, outgoing);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new TapeProxy(server, tape);
    return proxy;
  }

  /** A page that connects is told all of it at once. */
  #open(outgoing: ServerResponse): void {
    this.streams++;
    this.#stream = outgoing;
    outgoing.writeHead(200, {
      "Content-Type": "text/event-stream; charset=utf-8",
      "Cache-Control": "no-cache",
    });
    this.#next = Math.ceil(this.#next / this.#tape.ticks) * this.#tape.ticks;
    this.send(1);
  }

  /** Ticks that were sent. */
  get sent(): number {
    return this.#next;
  }

  send(ticks: number): void {
    for (let i = 0; i < ticks; i++) this.#stream?.write(this.#tape.tick(this.#next++));
  }

  connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function forward(upstream: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const url = new URL(incoming.url!, upstream);
  const { method, headers } = incoming;
  const forwarded = request(url, { method, headers: { ...headers, host: url.host } }, (answer) => {
    outgoing.writeHead(answer.statusCode!, answer.headers);
    answer.pipe(outgoing);
  });
  forwarded.once("error", () => outgoing.destroy());
  incoming.pipe(forwarded);
}
