import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { task, worker } from "../scene.ts";
import { ExpressionError, parseExpression } from "./expression.ts";
import { RuleFleet, rulesOf } from "./rules-fixture.ts";

/** Whether a condition of a worker holds, given its metrics; null while that can't be told. */
function holds(when: string, metrics: Record<string, number> = {}, type?: string): boolean {
  const rules = rulesOf({ name: "r", each: "worker", when, severity: "notice", summary: "x" });
  const fleet = new RuleFleet(rules).report({ workers: [worker("W1", { metrics, type })] });
  return fleet.later(0).ids.length === 1;
}

const problemOf = (when: string, each = "worker"): string => {
  try {
    rulesOf({ name: "r", each, when, severity: "notice", summary: "x" });
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`${when} is no problem`);
};

describe("a condition", () => {
  const metrics = { cpu_utilization: 95, memory_utilization: 40 };

  test.each<[string, boolean]>([
    ["cpu_utilization > 90", true],
    ["cpu_utilization > 95", false],
    ["cpu_utilization >= 95", true],
    ["cpu_utilization == 95 and memory_utilization != 41", true],
    ["cpu_utilization < 90 or memory_utilization <= 40", true],
    ["not cpu_utilization > 90", false],
    ["not (cpu_utilization > 90 and memory_utilization > 90)", true],
    ["memory_utilization < 50 and cpu_utilization > 90 or cpu_utilization > 100", true],
    ["cpu_utilization > 100 or cpu_utilization > 90 and memory_utilization < 50", true],
    ["cpu_utilization - memory_utilization * 2 == 15", true],
    ["(cpu_utilization - memory_utilization) * 2 == 110", true],
    ["cpu_utilization / 5 - 4 - 5 == 10", true],
    ["-cpu_utilization < 0 - 94", true],
    ["abs(memory_utilization - cpu_utilization) == 55", true],
    ["silence_s < 1m", true],
    ["silence_s + 2h > 7199s", true],
    ["1.5GiB == 1536MiB", true],
    ["pending_tasks == 0", true],
    ["cpu_utilization > pending_tasks", true],
    ["cpu_utilization * 1m > 90", true],
    ["silence_s < 90", true],
  ])("%s holds: %s", (when, expected) => {
    expect(holds(when, metrics)).toBe(expected);
  });

  test.each([
    // A GPU was not reported: nothing can be said of it, and not the opposite either.
    ["gpu_utilization > 90", false],
    ["gpu_utilization <= 90", false],
    ["not gpu_utilization > 90", false],
    ["gpu_utilization != 90", false],
    ["gpu_utilization > 90 or cpu_utilization > 90", true],
    ["cpu_utilization > 90 and not gpu_utilization > 90", false],
    ["cpu_utilization > 99 and gpu_utilization > 90", false],
    ["gpu_utilization - gpu_utilization == 0", false],
    ["cpu_utilization / (memory_utilization - 40) > 0", false],
    ["absent(gpu_utilization)", true],
    ["absent(cpu_utilization)", false],
    ["absent(gpu_utilization, 30s)", true],
  ])("with what is not known: %s holds: %s", (when, expected) => {
    expect(holds(when, metrics)).toBe(expected);
  });

  test.each([
    ['worker_type == "gpu-a100"', true],
    ['worker_type == "gpu-*"', true],
    ['worker_type == "*a1*0"', true],
    ['worker_type == "*-"', false],
    ['worker_type != "cpu*"', true],
    ['hostname == "*"', false],
    ['hostname != "h"', false],
  ])("of texts: %s holds: %s", (when, expected) => {
    expect(holds(when, metrics, "gpu-a100")).toBe(expected);
  });

  test("of a metric that a source made up names it as that", () => {
    expect(holds("custom(spool_depth) > 3", { spool_depth: 4 })).toBe(true);
    expect(holds("custom(spool_depth) > 3")).toBe(false);
    expect(holds("custom(spool_wait) > 1m", { spool_wait: 61 })).toBe(true);
    expect(problemOf("spool_depth > 3")).toContain("has the unknown name spool_depth");
  });

  test.each([
    [
      "cpu_utlization > 90",
      "when has the unknown name cpu_utlization; did you mean cpu_utilization? (at character 1)",
    ],
    [
      "cpu_utilization",
      "when must have a condition, such as queued_tasks > 10, here, not a figure (at character 1)",
    ],
    ["cpu_utilization > 90 or 3", "not a figure (at character 25)"],
    ["cpu_utilization > ", "must have a value where it has its end (at character 19)"],
    ["1 < cpu_utilization < 3", "must go on with an operator, not with < (at character 21)"],
    ["cpu_utilization > 90%", 'has a character that means nothing: "%" (at character 21)'],
    [
      "silence_s > 3weeks",
      "has a number with an unknown unit: 3weeks (ms, s, m, h, d, KiB, MiB, GiB, TiB are known) (at character 13)",
    ],
    ['worker_type > "gpu"', "must compare a text by == or !=, not by > (at character 13)"],
    ['cpu_utilization == "gpu"', "must have a text here, not a figure (at character 1)"],
    ["worker_type > 3", "must have a figure here, not a text (at character 1)"],
    ["rat(cpu_utilization, 5m) > 0", "has the unknown function rat; did you mean rate? (at character 1)"],
    [
      "rate(cpu_utilization) > 0",
      "must give rate a figure and a time of up to 3h, such as 5m (at character 1)",
    ],
    [
      "rate(cpu_utilization, 4h) > 0",
      "must give rate a figure and a time of up to 3h, such as 5m (at character 1)",
    ],
    ["(cpu_utilization > 3", "must have ) where it has its end (at character 21)"],
    [`${"(".repeat(60)}1`, "must not be nested deeper than 50"],
    ["absent(3)", "must give absent a metric"],
    ["cpu_utilization > 90m", "when compares percent with seconds (at character 17)"],
    ["5GiB < silence_s", "compares bytes with seconds"],
    ["pending_tasks == 1m + 30s", "compares count with seconds"],
    ["silence_s + 3MiB > 1", "adds bytes to seconds"],
    ["cpu_utilization - 2s > 1", "takes seconds from percent"],
    ["abs(cpu_utilization) > -5m", "compares percent with seconds"],
    ["absent(cpu_utilization, 5MiB)", "must give absent a metric"],
    ["rate(cpu_utilization, 5KiB) > 0", "must give rate a figure and a time"],
  ])("%s is refused", (when, problem) => {
    expect(problemOf(when)).toContain(problem);
  });

  test("asks of a kind only what it can tell", () => {
    expect(problemOf("anomaly(waiting_tasks) > 0", "model")).toContain(
      "can ask anomaly only of the system and of workers",
    );
    expect(problemOf("absent(running_s, 30s)", "task")).toContain(
      "must give absent no time but for a worker",
    );
    expect(problemOf("custom(x) > 0", "model_family")).toContain("can ask custom only of");
  });

  test("is an expression or a clear error, whatever is written", () => {
    const words = fc.constantFrom(
      "cpu",
      "not",
      "and",
      "or",
      "(",
      ")",
      "1",
      "5m",
      "+",
      "-",
      "*",
      "/",
      "<",
      ">=",
      ",",
      '"a"',
      "rate",
      " ",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words).map((parts) => parts.join(" ")),
        ),
        (text) => {
          try {
            parseExpression(text);
          } catch (error) {
            expect(error).toBeInstanceOf(ExpressionError);
            expect((error as ExpressionError).offset).toBeLessThanOrEqual(text.length);
          }
        },
      ),
    );
  });
});

describe("over a window", () => {
  const queue = (when: string) =>
    new RuleFleet(
      rulesOf({ name: "r", each: "system", when, severity: "notice", summary: "{{queue_depth}}" }),
    );
  const depth = (value: number) => (scene: RuleFleet) => scene.report({ system: { queue_depth: value } });

  test("a rate is the change a second, known once half the window is", () => {
    const fleet = queue("rate(queue_depth, 1m) >= 2");
    const growing = (scene: RuleFleet, second: number) =>
      scene.report({ system: { queue_depth: 2 * second } });
    fleet.seconds(30, growing);
    expect(fleet.ids).toEqual([]);
    fleet.seconds(1, (scene) => scene.report({ system: { queue_depth: 60 } }));
    expect(fleet.ids).toEqual(["r"]);
    fleet.seconds(5, depth(60));
    expect(fleet.ids).toEqual([]);
  });

  test("mean, least and most are of the window alone", () => {
    const fleet = queue(
      "mean(queue_depth, 10s) > 5 and min(queue_depth, 10s) == 0 and max(queue_depth, 10s) == 10",
    );
    fleet.seconds(6, depth(0)).seconds(5, depth(10));
    expect(fleet.ids).toEqual([]);
    fleet.seconds(1, depth(10));
    expect(fleet.ids).toEqual(["r"]);
    fleet.seconds(6, depth(10));
    expect(fleet.ids).toEqual([]);
  });

  test("a counter's rate goes on through a restart of its source", () => {
    const rules = rulesOf({
      name: "r",
      each: "worker",
      when: "rate(completed_tasks, 10s) == 3",
      severity: "notice",
      summary: "x",
    });
    const fleet = new RuleFleet(rules);
    for (const count of [100, 103, 106, 109, 3, 6, 9]) {
      fleet.report({ workers: [worker("W1", { metrics: { completed_tasks: count } })] }).later(1000);
    }
    expect(fleet.ids).toEqual(["r:W1"]);
  });

  test("of tasks each is looked at by itself", () => {
    const rules = rulesOf({
      name: "r",
      each: "task",
      when: "rate(progress, 10s) == 0",
      severity: "notice",
      summary: "{{task}}",
    });
    const fleet = new RuleFleet(rules).seconds(8, (scene, second) =>
      scene.report({
        workers: [worker("W1")],
        tasks: [
          task("moves", "running", { worker_id: "W1", progress: second }),
          task("stands", "running", { worker_id: "W1", progress: 5 }),
        ],
      }),
    );
    expect(fleet.ids).toEqual(["r:stands"]);
  });
});
