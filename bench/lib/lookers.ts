import { get, type IncomingMessage } from "node:http";
import { sleep } from "./bench.ts";
import { type Budget, type Figures, median } from "./figures.ts";
import type { Server } from "./server.ts";

// What it costs each second that lists are looked at.

const LOOKED_AT_MS: Budget = { limit: 100 };
const WINDOW_MS = 12_000;

/**
 * Adds what streams take of the server's event loop while they are open, milliseconds a second.
 *
 * @param queries each of a stream of its own, such as `panels=task-list&sort=id`
 */
export async function addLookedAt(
  server: Server,
  name: string,
  queries: readonly string[],
  rounds: number,
  figures: Figures,
): Promise<void> {
  // In turns, since what the fleet itself costs is not the same from one time to the next.
  const [alone, more] = [[] as number[], [] as number[]];
  for (let round = 0; round < rounds; round++) {
    const alone_ms = await busyMs(server);
    const streams = await Promise.all(queries.map((query) => open(`${server.url}stream?${query}`)));
    // Their first pages are no part of what looking on costs.
    await sleep(1500);
    alone.push(alone_ms);
    more.push((await busyMs(server)) - alone_ms);
    for (const stream of streams) stream.destroy();
  }
  figures.add({
    name,
    value: median(more),
    unit: "ms",
    budget: LOOKED_AT_MS,
    note: `median of ${more.map((ms) => ms.toFixed(0)).join(", ")}; without them ${median(alone).toFixed(0)} ms`,
  });
}

/** Of the loop's time, milliseconds a second. */
async function busyMs({ loop }: Server): Promise<number> {
  loop.reset();
  const started_ms = performance.now();
  await sleep(WINDOW_MS);
  return ((await loop.read()).active_ms * 1000) / (performance.now() - started_ms);
}

function open(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, (answer) => resolve(answer.resume())).once("error", reject);
  });
}
