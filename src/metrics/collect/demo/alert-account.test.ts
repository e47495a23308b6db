import { beforeEach, describe, expect, it } from "vitest";
import { AlertAccount } from "./alert-account.ts";
import type { ActiveFault } from "./demo.ts";

const START_MS = Date.UTC(2026, 10, 23, 18);
/** A fleet's first hour is over. */
const NOW_MS = START_MS + 3_600_000;

const NOTHING = { worker_id: null, model_id: null, task_id: null, held_since_ms: null };
const DEATH: ActiveFault = {
  ...NOTHING,
  kind: "death",
  from_ms: NOW_MS,
  until_ms: NOW_MS + 175_000,
  worker_id: "W1",
};
const STALL: ActiveFault = { ...DEATH, kind: "stall", until_ms: NOW_MS + 120_000 };

type Told = Parameters<AlertAccount["tick"]>[1][number];

function alert(rule: string, labels: Told["labels"], change: Partial<Told> = {}): Told {
  const id = `${rule}:${Object.values(labels).join()}`;
  const told = { id, rule, labels, state: "firing", inhibited_by: null, series: [], title: "T", detail: "d" };
  return { ...told, ...change } as Told;
}

function seriesOf(metric: string): Told["series"] {
  return [{ scope: "worker", entity: "W2", metric }];
}

const STALE = alert("worker_stale", { worker: "W1", worker_type: "gpu" });
const LOST = alert("worker_lost", { worker: "W1" });

let account: AlertAccount;
beforeEach(() => {
  account = new AlertAccount(START_MS);
});

/** So many seconds in which a fault lasts as long as it does and these alerts fire, each from its second on. */
function pass(
  fault: ActiveFault,
  seconds: number,
  alerts: readonly (readonly [from_s: number, alert: Told])[],
) {
  for (let second = 0; second <= seconds; second++) {
    const now_ms = NOW_MS + second * 1000;
    const firing = alerts.filter(([from_s]) => from_s <= second).map(([, alert]) => alert);
    account.tick(now_ms < fault.until_ms ? [fault] : [], firing, now_ms);
  }
}

describe("the account of alerts", () => {
  it("counts each alert that a fault implies once, however long both last", () => {
    pass(DEATH, 600, [
      [5, STALE],
      [60, LOST],
    ]);
    expect(account.counts).toEqual({ certain: 2, missing: 0, possible: 0, others: 0, examples: [] });
  });

  it("misses what does not fire, is of somebody else, or is held back", () => {
    pass(DEATH, 600, [
      [5, { ...STALE, inhibited_by: "source_lost:demo" }],
      [60, alert("worker_lost", { worker: "W2" })],
    ]);
    expect(account.counts).toMatchObject({ certain: 2, missing: 2, others: 1 });
    expect(account.counts.examples).toContain('2026-11-23T19:00:00 death: no worker_stale {"worker":"W1"}');
  });

  it("takes what comes too late for missing, and for one that no fault explains", () => {
    pass(DEATH, 600, [
      [9, STALE],
      [60, LOST],
    ]);
    expect(account.counts).toMatchObject({ certain: 2, missing: 1, others: 1 });
  });

  it("lets all queues and the struck worker's metrics be unusual, and nothing else", () => {
    pass(DEATH, 600, [
      [5, STALE],
      [60, LOST],
      [100, alert("anomaly", { worker: "W1" })],
      [100, alert("anomaly", {})],
      [100, alert("model_queue_time", { model: "m" })],
      [100, alert("anomaly", { worker: "W2" }, { id: "queue", series: seriesOf("queued_tasks") })],
      [100, alert("anomaly", { worker: "W2" }, { series: seriesOf("cpu_percent") })],
    ]);
    expect(account.counts).toMatchObject({ missing: 0, possible: 4, others: 1 });
    expect(account.counts.examples).toEqual(["2026-11-23T19:01:40 anomaly:W2: T, d"]);
  });

  it("counts an alert again that fires again", () => {
    const now_ms = NOW_MS;
    for (const alerts of [[LOST], [], [LOST]]) account.tick([], alerts, now_ms);
    expect(account.counts.others).toBe(2);
  });

  it("expects a stall to be told of the task that it holds, where it holds it for long enough", () => {
    const held = { ...STALL, task_id: "t", held_since_ms: NOW_MS + 2000 };
    pass(held, 300, [[70, alert("task_stalled", { task: "t", model: "m" })]]);
    expect(account.counts).toMatchObject({ certain: 1, missing: 0, others: 0 });
    const late = { ...held, held_since_ms: NOW_MS + 60_000 };
    account = new AlertAccount(START_MS);
    pass(late, 300, []);
    expect(account.counts).toMatchObject({ certain: 0, missing: 0 });
  });

  it("lets a new fleet's metrics be unusual", () => {
    account.tick([], [alert("anomaly", { worker: "W2" })], START_MS + 900_000);
    expect(account.counts).toMatchObject({ possible: 1, others: 0 });
  });
});
