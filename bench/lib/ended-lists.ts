import { mkdtempSync, rmSync } from "node:fs";
import { Agent } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../../src/metrics/store/sqlite.ts";
import { sleep } from "./bench.ts";
import { type Budget, type Figures, median, percentile } from "./figures.ts";
import { timedGet } from "./http.ts";
import { liveThrough } from "./live-through.ts";
import { addLookedAt } from "./lookers.ts";
import { Server } from "./server.ts";

// Lists of tasks that ended long ago: any filter, as a page and as data, all of them as a file, and what it costs
// each second that somebody looks. Half of them are packed, the others still a row each.

/** Twice: some 65 tasks end each second, so that 100,000 and some more do. */
const MINUTES = 14;
/** How long ago: tasks are packed an hour after their end, and none of these is while it is measured. */
const ENDED_MIN = [106, 26] as const;
const ANSWERED_MS: Budget = { limit: 200 };
const BLOCKED_MS: Budget = { limit: 50, rule: "at most" };

const LISTS = [
  ["that ended, newest first", "status=completed,failed,cancelled&sort=-ended"],
  ["that ended, by id", "status=completed,failed,cancelled&sort=id&page=9"],
  ["within a day, with the unfinished", "ended=24h"],
  ["that failed", "status=failed"],
  ["that were cancelled, of a type", "status=cancelled&task_type=vision"],
  ["of a worker", "status=completed,failed&worker=worker-gpu-07"],
  ["of a worker type and family", "status=completed&worker_type=gpu&model_family=vit"],
  ["of a model, by text", "status=completed&q=vit-large"],
  ["with a text that none has", "status=completed,failed&q=nobody-has-this"],
  ["of a worker that there is not", "status=completed&worker=nobody"],
  ["with a tag, from the middle", "status=completed&tag=cuda&before=MIDDLE"],
] as const;

export async function benchEndedLists(build: string, rounds: number, figures: Figures): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-ended-"));
  const agent = new Agent({ keepAlive: true });
  try {
    const db = join(folder, "ended.db");
    const now_ms = Date.now();
    const store = openStore(db, { housekeeping: "inline" });
    for (const ago of ENDED_MIN)
      await liveThrough(store, { minutes: MINUTES, end_ms: now_ms - ago * 60_000, compacts: false });
    await store.compact(now_ms);
    await store.close();
    const middle_ms = now_ms - 60 * 60_000;
    const queryOf = (query: string) => query.replace("MIDDLE", String(middle_ms));
    const server = await Server.start({ build, db });
    try {
      await sleep(3000);
      const held: number[] = [];
      for (const [what, query] of LISTS) {
        const took: number[] = [];
        server.loop.reset();
        for (const [address, accept] of [
          ["tasks", "text/html"],
          ["api/metrics/tasks", "application/json"],
        ] as const) {
          for (let round = 0; round < rounds; round++) {
            const url = `${server.url}${address}?${queryOf(query)}&limit=${50 + round}`;
            took.push((await timedGet(agent, url, accept)).elapsed_ms);
          }
        }
        held.push((await server.loop.read()).max_ms);
        figures.add({
          name: `tasks ${what}, p95`,
          value: percentile(took, 0.95),
          unit: "ms",
          budget: ANSWERED_MS,
          note: `page and JSON; p50 ${median(took).toFixed(0)} ms`,
        });
      }
      figures.add({
        name: "event loop's longest hold while they are asked for",
        value: median(held),
        unit: "ms",
        digits: 1,
        budget: BLOCKED_MS,
        note: `median of the ${held.length} lists, worst ${Math.max(...held).toFixed(0)} ms`,
      });
      server.loop.reset();
      const csv = `${server.url}api/metrics/tasks?status=completed,failed,cancelled&format=csv`;
      const { elapsed_ms, bytes } = await timedGet(agent, csv, "*/*");
      figures.add({
        name: "all of them as CSV",
        value: elapsed_ms,
        unit: "ms",
        note: `${(bytes / 1e6).toFixed(1)} MB`,
      });
      figures.add({
        name: "event loop's longest hold meanwhile, of all that ended",
        value: (await server.loop.read()).max_ms,
        unit: "ms",
        digits: 1,
        budget: BLOCKED_MS,
      });
      const name = `the loop's time a second for ${LISTS.length} of these lists that are looked at`;
      const lookers = LISTS.map(([, query], index) => `panels=task-list&${queryOf(query)}&as_of=${index}`);
      await addLookedAt(server, name, lookers, 3, figures);
    } finally {
      await server.stop();
    }
  } finally {
    agent.destroy();
    rmSync(folder, { recursive: true });
  }
  figures.print(`Tasks that ended in twice ${MINUTES} minutes, some 100,000, half of them packed`);
}
