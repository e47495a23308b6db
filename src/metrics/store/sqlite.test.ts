import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStore } from "./sqlite.ts";

const T0 = 1_700_000_000_000;
test("what was appended is there after opening again", async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  const path = join(folder, "deep", "a.db");
  const store = openStore(path);
  const cpu = store.series("worker", "W1", "cpu_utilization");
  const odd = store.series("worker", "W1", "made_up");
  const batch = {
    at_ms: T0 + 500,
    samples: [
      { series: cpu, at_ms: T0, value: 12.34 },
      { series: odd, at_ms: T0 - 1000, value: Math.PI },
    ],
    workers: [{ id: "W1", document: "{}" }],
    workers_gone: [],
    tasks: [],
    tasks_gone: [],
    facts: { first: "1" },
  };
  store.append(batch);
  expect(() => openStore(path)).toThrow(/in use by process/);
  const query = {
    series: [
      { scope: "worker" as const, entity: "W1", metric: "cpu_utilization" },
      { scope: "worker" as const, entity: "W1", metric: "made_up" },
    ],
    from_ms: T0 - 2000,
    to_ms: T0 + 1000,
    step_ms: 1000,
  };
  const before = store.range(query);
  expect(before.columns.map((c) => c.mean)).toEqual([
    [null, null, 12.3],
    [null, Math.PI, null],
  ]);
  await store.close();
  const again = openStore(path);
  expect(again.range(query)).toEqual(before);
  expect(again.latest(T0)).toEqual([
    { scope: "worker", entity: "W1", metric: "cpu_utilization", at_ms: T0, value: 12.3 },
  ]);
  expect(again.workers()).toEqual(batch.workers);
  expect(again.fact("first")).toBe("1");
  await again.close();
  rmSync(folder, { recursive: true });
});
