import { describe, expect, it } from "vitest";
import type { Run } from "../runs.ts";
import { RunLog } from "./run-log.ts";
import { Scene, START_MS, task, worker } from "./scene.ts";

const run = (id: string, ended_at_ms: number, worker_id = "W1"): Run => ({
  id,
  type: "vision",
  model_family: null,
  model_id: null,
  worker_id,
  attempt: 1,
  status: "completed",
  started_at_ms: ended_at_ms - 1000,
  ended_at_ms,
});
const ids = (log: RunLog, worker_id = "W1") => log.of(worker_id).map(({ id }) => id);

describe("the runs of the last hour", () => {
  it("are a worker's own, oldest first", () => {
    const log = new RunLog(START_MS);
    log.add(run("a", START_MS + 1));
    log.add(run("b", START_MS + 2, "W2"));
    log.add(run("c", START_MS + 3));
    expect([ids(log), ids(log, "W2"), ids(log, "W3")]).toEqual([["a", "c"], ["b"], []]);
    expect(log.complete_from_ms).toBe(START_MS);
  });

  it("are forgotten after an hour, and that is said", () => {
    const log = new RunLog(START_MS);
    log.add(run("a", START_MS + 1));
    log.add(run("b", START_MS + 2));
    log.advance(START_MS + 3_600_001);
    expect([ids(log), log.complete_from_ms]).toEqual([["a", "b"], START_MS]);
    log.advance(START_MS + 3_600_002);
    expect([ids(log), log.complete_from_ms]).toEqual([["b"], START_MS + 2]);
  });

  it("are bounded: the oldest give way", () => {
    const log = new RunLog(START_MS);
    for (let i = 0; i < 30_002; i += 1) log.add(run(String(i), START_MS + i));
    expect([log.of("W1").length, log.room, log.complete_from_ms]).toEqual([30_000, 0, START_MS + 2]);
    expect(ids(log)[0]).toBe("2");
  });

  it("take in older ones, and then know of all since an earlier instant", () => {
    const log = new RunLog(START_MS);
    log.add(run("c", START_MS + 5));
    log.addOlder(
      [run("a", START_MS - 20), run("b", START_MS - 10), run("twice", START_MS + 5)],
      START_MS - 15,
    );
    expect([ids(log), log.complete_from_ms]).toEqual([["a", "b", "c"], START_MS - 15]);
    log.addOlder([], START_MS);
    expect(log.complete_from_ms).toBe(START_MS - 15);
  });

  it("are told once, though one was told late and is read back too", () => {
    const log = new RunLog(START_MS);
    log.add(run("late", START_MS - 5));
    log.addOlder([run("a", START_MS - 10), run("late", START_MS - 5)], START_MS - 10);
    expect(ids(log)).toEqual(["a", "late"]);
  });
});

describe("the fleet", () => {
  it("tells what ran where, of each attempt once, with how it ended", () => {
    const at = (started: number, ended: number) => ({ started: START_MS + started, ended: START_MS + ended });
    const scene = new Scene()
      .report({
        workers: [worker("W1"), worker("W2")],
        tasks: [
          task("t", "failed", { worker_id: "W1", times: at(10, 20) }),
          task("u", "cancelled", { worker_id: "W2", times: at(10, 30) }),
          task("waits", "queued"),
        ],
      })
      .later(1000);
    scene.report({ tasks: [task("t", "failed", { worker_id: "W1", times: at(10, 20) })] });
    scene.report({ tasks: [task("t", "completed", { attempt: 2, worker_id: "W2", times: at(40, 900) })] });
    const told = (id: string) =>
      scene.fleet.runs.of(id).map(({ id, attempt, status }) => [id, attempt, status]);
    expect(told("W1")).toEqual([["t", 1, "failed"]]);
    expect(told("W2")).toEqual([
      ["u", 1, "cancelled"],
      ["t", 2, "completed"],
    ]);
  });
});
