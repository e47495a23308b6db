import { createDemo } from "../../src/metrics/collect/demo/demo.ts";
import type { MetricStore } from "../../src/metrics/store/contract.ts";
import { benchPipeline } from "./bench-pipeline.ts";
import { bodiesOf, SEED_FLEET } from "./feed.ts";

interface Past {
  readonly minutes: number;
  readonly end_ms: number;
  /** Whether the store is compacted each minute, as a server does it. */
  readonly compacts: boolean;
}

/** Lives a fleet's last minutes in one go, through the product's own tick. */
export async function liveThrough(store: MetricStore, { minutes, end_ms, compacts }: Past): Promise<void> {
  let now_ms = end_ms - minutes * 60_000;
  const demo = createDemo({ ...SEED_FLEET, seed: 7, start_ms: now_ms });
  const pipeline = benchPipeline(store, { now: () => now_ms });
  for (; now_ms <= end_ms; now_ms += 1000) {
    for (const body of bodiesOf(demo.reportsUntil(now_ms), Number.POSITIVE_INFINITY))
      await pipeline.collector.accept(Buffer.from(body), "json");
    pipeline.tick(now_ms);
    if (compacts && now_ms % 60_000 === 0) await store.compact(now_ms);
  }
}
