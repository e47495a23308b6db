import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ManualClock } from "./clock.ts";
import { AlertAccount } from "./collect/demo/alert-account.ts";
import { createDemo } from "./collect/demo/demo.ts";
import { FAULT_KINDS } from "./collect/demo/faults.ts";
import { impliedAlerts } from "./collect/demo/implied.ts";
import { pipelineWith } from "./pipeline-fixture.ts";
import { DEFAULT_RULES } from "./process/rules/default-rules.ts";
import { openStore } from "./store/sqlite.ts";

const START_MS = Date.UTC(2026, 10, 23, 18);
/** By then a worker was overloaded, a task stalled, a worker drained, and one died and came back. */
const END_MS = START_MS + 500_000;

test("the script of faults implies alerts of rules that hold from the start", () => {
  const names = new Set(DEFAULT_RULES.map(({ name }) => name));
  for (const kind of FAULT_KINDS) {
    const of = { worker_id: "W", model_id: "M", task_id: "t", held_since_ms: START_MS };
    const implied = impliedAlerts({ kind, from_ms: START_MS, until_ms: START_MS + 100_000, ...of });
    expect(implied.map(({ rule }) => rule).filter((rule) => !names.has(rule))).toEqual([]);
    expect(implied.length).toBeGreaterThan(0);
  }
});

test("the demo's faults bring about the alerts that they imply, and no others", {
  timeout: 60_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  const store = openStore(join(folder, "evenkeel.db"));
  const clock = new ManualClock(START_MS);
  const pipeline = pipelineWith(store, clock);
  const demo = createDemo({ start_ms: START_MS });
  const account = new AlertAccount(START_MS);
  for (; clock.now() < END_MS; clock.advance(1000)) {
    const now_ms = clock.now();
    for (const report of demo.reportsUntil(now_ms))
      await pipeline.collector.accept(Buffer.from(JSON.stringify(report)), "json");
    pipeline.tick(now_ms);
    account.tick(demo.faultsAt(now_ms), pipeline.read().allAlerts(), now_ms);
  }
  await store.close();
  rmSync(folder, { recursive: true });
  // Of the overload, the stall, and in two steps of the death.
  expect(account.counts).toMatchObject({ certain: 4, missing: 0, others: 0, examples: [] });
});
