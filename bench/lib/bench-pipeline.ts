import { loadSettings } from "../../src/config.ts";
import type { Clock } from "../../src/metrics/clock.ts";
import { NO_LINKS } from "../../src/metrics/links-out.ts";
import { Pipeline } from "../../src/metrics/pipeline.ts";
import { DEFAULT_RULES } from "../../src/metrics/process/rules/default-rules.ts";
import type { MetricStore } from "../../src/metrics/store/contract.ts";

/** A server's pipeline with the settings and rules that hold from the start, and nobody to tell. */
export function benchPipeline(store: MetricStore, clock: Clock): Pipeline {
  const { settings } = loadSettings({ flags: {}, env: {}, readFile: () => "" });
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
