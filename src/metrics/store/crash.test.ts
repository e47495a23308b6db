import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkDatabase } from "./check.ts";
import { openStore } from "./sqlite.ts";

/** Each tick is half a minute of the fleet's time, so that hours close and are sealed while it runs. */
const TICK_MS = 30_000;
const T0 = Date.UTC(2026, 0, 1, 12);
const WORKERS = 20;
/** Tasks that end in each tick: after an hour they are packed. */
const TASKS = 8;

/** Appends as fast as it can, tells each tick that was answered, and seals in the thread meanwhile. */
const CHILD = `
  import { openStore } from ${JSON.stringify(new URL("./sqlite.ts", import.meta.url).href)};
  const store = openStore(process.argv[1]);
  const series = Array.from({ length: ${WORKERS} }, (_, i) => store.series("worker", "W" + i, "cpu_utilization"));
  let compacting = false;
  for (let tick = Number(process.argv[2]); ; tick++) {
    const at_ms = ${T0} + tick * ${TICK_MS};
    const samples = { series, at_ms: series.map(() => at_ms), values: series.map((_, i) => (tick + i) % 100) };
    const workers = [{ id: "W1", document: String(tick) }];
    const tasks = Array.from({ length: ${TASKS} }, (_, i) => ({
      id: tick + "-" + i, status: "completed", type: null, model_family: null, worker_id: "W" + i, attempt: 1,
      queued_at_ms: at_ms, ended_at_ms: at_ms + i, document: "{}",
    }));
    store.append({ at_ms, samples, workers, workers_gone: [], worker_states: [], tasks, tasks_gone: [], histograms: [], marks: [], alerts: [], documents: [], messages: [{ id: tick + 1, receiver: "ops", created_ms: at_ms, document: "{}" }], facts: {} });
    process.stdout.write(tick + "\\n");
    if (!compacting) {
      compacting = true;
      store.compact(at_ms).finally(() => { compacting = false; });
    }
    await new Promise(setImmediate);
  }
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-crash-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Lets a child append from `first_tick` on, kills it after `ticks` of them, and gives the last one it told. */
async function killAfter(ticks: number, path: string, first_tick: number): Promise<number> {
  const child = spawn(
    process.execPath,
    ["--import", import.meta.resolve("tsx"), "--input-type=module", "-e", CHILD, path, String(first_tick)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let last = first_tick - 1;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    if (last === first_tick + ticks) child.kill("SIGKILL");
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return last;
}

test("kill -9 loses no batch whose append had returned, and leaves a sound file", async () => {
  const path = join(folder, "fleet.db");
  let next = 0;
  for (const ticks of [50, 400, 333]) {
    const last = await killAfter(ticks, path, next);
    expect(last).toBeGreaterThanOrEqual(next + ticks);
    const store = openStore(path, { housekeeping: "inline" });
    expectTicks(store, last);
    await store.compact(T0 + last * TICK_MS);
    expectTicks(store, last);
    expectTasks(store, last);
    const waiting = store.waitingMessages(0, 10_000).map(({ id }) => id);
    expect(new Set(waiting).size).toBe(waiting.length);
    expect(waiting).toContain(last + 1);
    expect(waiting.length).toBeGreaterThanOrEqual(last - 1);
    expect(Number(store.workers()[0]!.document)).toBeGreaterThanOrEqual(last);
    await store.close();
    expect(checkDatabase(path).problems).toEqual([]);
    next = last + 2;
  }
  expect(checkDatabase(path).counts.task_pack).toBeGreaterThan(3);
}, 60_000);

function expectTicks(store: ReturnType<typeof openStore>, last: number): void {
  const { columns } = store.range({
    series: [0, 7, WORKERS - 1].map((i) => ({ scope: "worker", entity: `W${i}`, metric: "cpu_utilization" })),
    from_ms: T0,
    to_ms: T0 + (last + 1) * TICK_MS,
    step_ms: TICK_MS,
  });
  const expected = [0, 7, WORKERS - 1].map((i) =>
    Array.from({ length: last + 1 }, (_, tick) => (tick + i) % 100),
  );
  // Between two runs one tick may be missing: its append had not returned.
  columns.forEach(({ mean }, i) => {
    expect(mean.map((value, tick) => value ?? expected[i]![tick])).toEqual(expected[i]);
    expect(mean.filter((value) => value === null).length).toBeLessThanOrEqual(2);
  });
}

/** Each task is there once, whether it was packed when the process died or not. */
function expectTasks(store: ReturnType<typeof openStore>, last: number): void {
  const ids: string[] = [];
  // One query looks through so many packs; the next goes on before them.
  for (let to_ms = T0 + (last + 1) * TICK_MS; to_ms > T0; ) {
    const { tasks, searched_from_ms } = store.endedTasks({ from_ms: T0, to_ms, limit: 10_000 });
    ids.push(...tasks.map(({ id }) => id));
    to_ms = searched_from_ms;
  }
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.length).toBeGreaterThanOrEqual(TASKS * (last - 1));
  for (const tick of [0, 1, last - 1, last]) expect(store.task(`${tick}-7`)?.id).toBe(`${tick}-7`);
}
