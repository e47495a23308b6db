// Loaded into a measured process by `node --expose-gc --import`: answers over IPC what it holds after a collection.
import { setTimeout as pause } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";

/** Pages go back to the system beside the collection. */
const SETTLE_MS = 300;

if (isMainThread && process.send) {
  process.on("message", async (message) => {
    if (message !== "heap read") return;
    for (let round = 0; round < 3; round++) {
      globalThis.gc();
      await pause(SETTLE_MS);
    }
    const { heapUsed, external, rss } = process.memoryUsage();
    process.send({ heap_bytes: heapUsed + external, rss_bytes: rss });
  });
  // Being measured is no reason to stay.
  process.channel?.unref();
}
