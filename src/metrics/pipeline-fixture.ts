import type { Clock } from "./clock.ts";
import { NO_LINKS } from "./links-out.ts";
import { Pipeline, type PipelineOptions } from "./pipeline.ts";
import { DEFAULT_RULES } from "./process/rules/default-rules.ts";
import type { MetricStore } from "./store/contract.ts";

/** A pipeline as a server has it, with limits that tests stay below. */
export function pipelineWith(
  store: MetricStore,
  clock: Clock,
  notify: PipelineOptions["notify"] = null,
  demo = false,
): Pipeline {
  const started_at_ms = clock.now();
  const options: PipelineOptions = {
    clock,
    store,
    limits: {
      max_workers: 1000,
      max_live_tasks: 20_000,
      max_metric_names_per_source: 64,
      max_tags: 64,
      max_string_length: 1024,
      max_reports_per_body: 100,
      max_buffered_reports: 100,
      grace_ms: 900_000,
    },
    fleet: { worker_ttl_ms: 3_600_000, task_ttl_ms: 86_400_000 },
    rules: DEFAULT_RULES,
    notify,
    demo,
    tick_ms: 1000,
    self: () => ({
      version: "test",
      url: "http://127.0.0.1:8080/",
      store_limit_bytes: null,
      token_needed: false,
      alerts_file: true,
      links: NO_LINKS,
      started_at_ms,
      connectors: [],
      viewers: 0,
      viewers_dropped: 0,
      ticks_skipped: 0,
      memory_bytes: 0,
      disk_free_bytes: null,
      limits_reached: {},
    }),
  };
  return new Pipeline(options);
}
