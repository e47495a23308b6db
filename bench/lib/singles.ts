import { once } from "node:events";
import { connect, type Socket } from "node:net";

// Single reports as fast as asked for, on raw sockets: a client in node:http would need more of the machine
// than the server that is measured.

const CONNECTIONS = 64;
const EVERY_MS = 10;

export interface SinglesResult {
  readonly sent: number;
  readonly answered_202: number;
  readonly answered_otherwise: number;
  readonly elapsed_s: number;
  /** From sending a request to its answer, of those that were answered. */
  readonly took_ms: readonly number[];
}

/** One keep-alive connection, one request at a time. */
class Connection {
  readonly #socket: Socket;
  #done: (status: string) => void = () => {};

  constructor(url: URL) {
    this.#socket = connect(Number(url.port), url.hostname);
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (bytes) => this.#read(bytes));
    this.#socket.on("error", () => this.#done("error"));
  }

  /** The answer is small: its head and its body come together, and nothing else is on its way. */
  #read(bytes: Buffer): void {
    const text = bytes.toString("latin1");
    if (text.startsWith("HTTP/1.1 ")) this.#done(text.slice(9, 12));
  }

  send(request: Buffer, done: (status: string) => void): void {
    this.#done = done;
    this.#socket.write(request);
  }

  close(): void {
    this.#socket.destroy();
  }
}

/**
 * Sends each worker's report by itself, `rate` a second spread evenly, one worker after the other; an infinite
 * rate sends as soon as answers come.
 *
 * @param until milliseconds, or a signal that ends it
 */
export async function sendSingles(
  url: string,
  workers: number,
  rate: number,
  until: number | AbortSignal,
): Promise<SinglesResult> {
  const target = new URL("api/ingest", url);
  const requests = Array.from({ length: workers }, (_, index) => requestOf(target, index));
  // Opened when one is needed: a server closes those that say nothing for some seconds.
  const free: Connection[] = [];
  const all: Connection[] = [];
  const freeOne = () => {
    const found = free.pop();
    if (found || all.length === CONNECTIONS) return found;
    const opened = new Connection(target);
    all.push(opened);
    return opened;
  };
  const result = { sent: 0, answered_202: 0, answered_otherwise: 0 };
  const took_ms: number[] = [];
  const started_ms = performance.now();
  let ended = false;
  const fill = () => {
    const due = Math.min(Number.MAX_SAFE_INTEGER, (rate * (performance.now() - started_ms)) / 1000);
    while (!ended && result.sent < due) {
      const connection = freeOne();
      if (connection === undefined) return;
      const request = requests[result.sent++ % workers]!;
      const sent_ms = performance.now();
      connection.send(request, (status) => {
        took_ms.push(performance.now() - sent_ms);
        if (status === "202") result.answered_202++;
        else result.answered_otherwise++;
        free.push(connection);
        if (rate === Number.POSITIVE_INFINITY) fill();
      });
    }
  };
  const timer = setInterval(fill, EVERY_MS);
  await (typeof until === "number"
    ? new Promise((resolve) => setTimeout(resolve, until))
    : once(until, "abort"));
  ended = true;
  clearInterval(timer);
  const elapsed_s = (performance.now() - started_ms) / 1000;
  // What is still on its way is answered before the connections close.
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const connection of all) connection.close();
  return { ...result, elapsed_s, took_ms };
}

function requestOf(url: URL, index: number): Buffer {
  const body = JSON.stringify({
    source: "bench",
    workers: [
      {
        id: `worker-${index}`,
        type: "gpu",
        metrics: {
          cpu_utilization: (index * 7) % 80,
          gpu_utilization: (index * 13) % 80,
          memory_utilization: (index * 3) % 80,
          network_utilization: (index * 5) % 80,
          queued_tasks: index % 4,
        },
      },
    ],
  });
  return Buffer.from(
    `POST ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
