import { setTimeout as pause } from "node:timers/promises";
import { getHeapStatistics } from "node:v8";
import { AlertAccount, type AlertCounts } from "../../src/metrics/collect/demo/alert-account.ts";
import { createDemo } from "../../src/metrics/collect/demo/demo.ts";
import { openStore } from "../../src/metrics/store/sqlite.ts";
import { benchPipeline } from "./bench-pipeline.ts";
import type { FleetSize } from "./feed.ts";
import { median } from "./figures.ts";
import { rss_bytes } from "./processes.ts";

// A process that lives a demo fleet's days as fast as it goes, and nothing else: its memory is the server's.

/** What to live. */
export interface Life extends FleetSize {
  readonly db: string;
  readonly start_ms: number;
  /** How many periods, and how long each is. */
  readonly periods: number;
  readonly period_s: number;
  /** How long everything is kept: every second, every hour's summary, ended tasks. */
  readonly retention_ms: number;
}

/** What a period was like: what comes and goes is the median of its minutes, the rest is as of its end. */
export interface Period {
  /** Database and log, which grows for an hour before it is sealed; a median. */
  readonly disk_bytes: number;
  /** JavaScript's heap and buffers, after collection. */
  readonly heap_bytes: number;
  /** Heaps of all threads with their garbage, buffers, SQLite's caches and what allocators keep; a median. */
  readonly rss_bytes: number;
  readonly series: number;
  /** Tasks held, ended ones among them. */
  readonly known_tasks: number;
  readonly alerts: AlertCounts;
}

export type News = { readonly lived_s: number } | { readonly period: Period };

const SEED = 1;
const PROGRESS_EVERY_S = 3600;
const COMPACT_EVERY_S = 60;
const SETTLE_MS = 300;
/** Ticks on end that may not be written: more is a fault. */
const MOST_UNWRITTEN = 10;

async function live(life: Life): Promise<void> {
  const { db, start_ms, periods, period_s, retention_ms } = life;
  let now_ms = start_ms;
  const store = openStore(db, {
    retention_ms,
    summary_retention_ms: retention_ms,
    task_retention_ms: retention_ms,
  });
  const demo = createDemo({ workers: life.workers, tasks: life.tasks, seed: SEED, start_ms });
  const pipeline = benchPipeline(store, { now: () => now_ms });
  const account = new AlertAccount(start_ms);
  let unwritten = 0;
  let compacting: Promise<void> = Promise.resolve();
  let minutes: { disk_bytes: number; rss_bytes: number }[] = [];
  for (let lived_s = 1; lived_s <= periods * period_s; lived_s++, now_ms += 1000) {
    for (const report of demo.reportsUntil(now_ms)) {
      const { rejected } = await pipeline.collector.accept(Buffer.from(JSON.stringify(report)), "json");
      if (rejected > 0) throw new Error(`a report of the demo was refused, ${lived_s} s after the start`);
    }
    pipeline.tick(now_ms);
    const read = pipeline.read();
    if (read.self.store_error === null) unwritten = 0;
    else if (++unwritten > MOST_UNWRITTEN) throw new Error(read.self.store_error);
    // Housekeeping holds the file: a tick is written with the next one, before which a real second passes in a server.
    else await pause(1000);
    account.tick(demo.faultsAt(now_ms), read.allAlerts(), now_ms);
    if (lived_s % COMPACT_EVERY_S === 0) {
      // Beside the ticks, as in a server; the one before is done, as it is there after a minute.
      await compacting;
      compacting = store.compact(now_ms);
      minutes.push({ disk_bytes: store.stats().bytes, rss_bytes: rss_bytes(process.pid) });
    }
    if (lived_s % PROGRESS_EVERY_S === 0) tell({ lived_s });
    if (lived_s % period_s !== 0) continue;
    await compacting;
    tell({ period: await stateOf() });
    minutes = [];
  }
  await store.close();

  async function stateOf(): Promise<Period> {
    await collectGarbage();
    const { used_heap_size, external_memory } = getHeapStatistics();
    return {
      disk_bytes: median(minutes.map(({ disk_bytes }) => disk_bytes)),
      heap_bytes: used_heap_size + external_memory,
      rss_bytes: median(minutes.map(({ rss_bytes }) => rss_bytes)),
      series: store.stats().series,
      known_tasks: pipeline.fleet.tasks.size,
      alerts: account.counts,
    };
  }
}

async function collectGarbage(): Promise<void> {
  if (globalThis.gc === undefined) throw new Error("the process needs node's flag --expose-gc");
  // What finalizers let go of in one round is collected in the next.
  for (let round = 0; round < 2; round++) {
    globalThis.gc();
    await pause(SETTLE_MS);
  }
}

function tell(news: News): void {
  process.send?.(news);
}

process.on("disconnect", () => process.exit());
process.once("message", async (life: Life) => {
  await live(life);
  process.disconnect();
});
