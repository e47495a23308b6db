import { loadSettings, type Settings } from "../../src/config.ts";
import type { Clock } from "../../src/metrics/clock.ts";
import { createDemo } from "../../src/metrics/collect/demo/demo.ts";
import { NO_LINKS } from "../../src/metrics/links-out.ts";
import { Pipeline } from "../../src/metrics/pipeline.ts";
import { DEFAULT_RULES } from "../../src/metrics/process/rules/default-rules.ts";
import type { MetricStore } from "../../src/metrics/store/contract.ts";
import { bodiesOf, SEED_FLEET } from "./feed.ts";

interface Past {
  readonly minutes: number;
  readonly end_ms: number;
  /** Whether the store is compacted each minute, as a server does it. */
  readonly compacts: boolean;
}

/** Lives a fleet's last minutes in one go, through the product's own tick. */
export async function liveThrough(store: MetricStore, { minutes, end_ms, compacts }: Past): Promise<void> {
  const { settings } = loadSettings({ flags: {}, env: {}, readFile: () => "" });
  let now_ms = end_ms - minutes * 60_000;
  const demo = createDemo({ ...SEED_FLEET, seed: 7, start_ms: now_ms });
  const pipeline = pipelineOn(store, { now: () => now_ms }, settings);
  for (; now_ms <= end_ms; now_ms += 1000) {
    for (const body of bodiesOf(demo.reportsUntil(now_ms), Number.POSITIVE_INFINITY))
      await pipeline.collector.accept(Buffer.from(body), "json");
    pipeline.tick(now_ms);
    if (compacts && now_ms % 60_000 === 0) await store.compact(now_ms);
  }
}

/** A pipeline as a server has it, that tells nobody. */
export function pipelineOn(store: MetricStore, clock: Clock, settings: Settings): Pipeline {
  const started_at_ms = clock.now();
  return new Pipeline({
    clock,
    store,
    demo: false,
    tick_ms: settings.tick_ms,
    limits: settings,
    fleet: settings,
    rules: DEFAULT_RULES,
    notify: null,
    self: () => ({
      version: "bench",
      url: "",
      store_limit_bytes: null,
      token_needed: false,
      alerts_file: false,
      links: NO_LINKS,
      started_at_ms,
      connectors: [],
      memory_bytes: 0,
      disk_free_bytes: null,
      viewers: 0,
      viewers_dropped: 0,
      ticks_skipped: 0,
      limits_reached: {},
    }),
  });
}
