import { once } from "node:events";
import { type Agent, get } from "node:http";
import { createServer } from "node:net";
import { sleep } from "./bench.ts";

const POLL_MS = 5;
/** Where the wait itself is not measured. */
const ANSWERING_POLL_MS = 100;
const DEADLINE_MS = 20_000;

/** Milliseconds from now to the first page that is answered 200. */
export async function firstPage(url: string): Promise<number> {
  const started_ms = performance.now();
  while (performance.now() - started_ms < DEADLINE_MS) {
    try {
      const answer = await fetch(url);
      await answer.arrayBuffer();
      if (answer.status === 200) return performance.now() - started_ms;
    } catch {
      // It does not listen yet.
    }
    await sleep(POLL_MS);
  }
  throw new Error(`no page from ${url} within ${DEADLINE_MS} ms`);
}

/** A port of this machine's own address that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Resolves once the address is answered with success; `stillRuns` throws where waiting is of no use any more. */
export async function answering(url: string, stillRuns: () => void = () => {}): Promise<void> {
  const started_ms = performance.now();
  while (performance.now() - started_ms < DEADLINE_MS) {
    stillRuns();
    try {
      const answer = await fetch(url);
      await answer.arrayBuffer();
      if (answer.ok) return;
    } catch {
      // It does not listen yet.
    }
    await sleep(ANSWERING_POLL_MS);
  }
  throw new Error(`nobody answers at ${url} within ${DEADLINE_MS} ms`);
}

/** An answer of 200, read to its end. */
export interface Answer {
  readonly elapsed_ms: number;
  readonly bytes: number;
}

/** Over a connection that stays open, through node:http: `fetch` takes a millisecond of its own. */
export function timedGet(agent: Agent, url: string, accept: string): Promise<Answer> {
  const started_ms = performance.now();
  return new Promise((resolve, reject) => {
    get(url, { agent, headers: { Accept: accept } }, (answer) => {
      let bytes = 0;
      answer.on("data", (part: Buffer) => {
        bytes += part.length;
      });
      answer.once("error", reject);
      answer.once("end", () => {
        const elapsed_ms = performance.now() - started_ms;
        if (answer.statusCode === 200) resolve({ elapsed_ms, bytes });
        else reject(new Error(`${url} was answered ${answer.statusCode}`));
      });
    }).once("error", reject);
  });
}
