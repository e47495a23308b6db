import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Alert, TaskStatus } from "../../model.ts";
import { task, worker } from "../scene.ts";
import { MAX_ALERTS } from "./engine.ts";
import { RuleFleet, rulesOf } from "./rules-fixture.ts";

const HOT = {
  name: "hot",
  each: "worker",
  when: "cpu_utilization > 90",
  severity: "warning",
  summary: "{{worker}}",
};

const cpu =
  (value: number | null, id = "W1") =>
  (scene: RuleFleet) =>
    scene.report({ workers: [worker(id, { metrics: { cpu_utilization: value } })] });

const stateOf = (fleet: RuleFleet) => fleet.book.all.map(({ state }) => state).join() || "inactive";

describe("an alert", () => {
  test("is pending until its condition has held for its time, and not a moment longer", () => {
    const fleet = new RuleFleet(rulesOf({ ...HOT, for: "3s" })).seconds(1, cpu(91));
    const since_ms = fleet.now_ms;
    fleet.seconds(2, cpu(91));
    expect(stateOf(fleet)).toBe("pending");
    expect(fleet.events).toEqual([]);
    fleet.seconds(1, cpu(91));
    expect(fleet.alerts).toMatchObject([
      { state: "firing", since_ms, fired_ms: since_ms + 3000, title: "W1" },
    ]);
    expect(fleet.events.map(({ kind, at_ms }) => [kind, at_ms])).toEqual([["firing", since_ms + 3000]]);
  });

  test("that did not hold for long enough was none", () => {
    const fleet = new RuleFleet(rulesOf({ ...HOT, for: "3s" }))
      .seconds(3, cpu(91))
      .seconds(1, cpu(90))
      .seconds(3, cpu(91));
    expect(stateOf(fleet)).toBe("pending");
    expect(fleet.events).toEqual([]);
  });

  test("without a time to hold fires at once, and ends at once", () => {
    const fleet = new RuleFleet(rulesOf(HOT)).seconds(1, cpu(91));
    expect(stateOf(fleet)).toBe("firing");
    fleet.seconds(1, cpu(90));
    expect(stateOf(fleet)).toBe("inactive");
    expect(fleet.events.map(({ kind }) => kind)).toEqual(["firing", "resolved"]);
    expect(fleet.events[1]!.alert).toMatchObject({ state: "resolved", ended_ms: fleet.now_ms });
  });

  test("goes on firing for its time after the condition is over, and that begins anew with it", () => {
    const fleet = new RuleFleet(rulesOf({ ...HOT, keep_firing_for: "5s" }))
      .seconds(1, cpu(91))
      .seconds(5, cpu(90));
    expect(stateOf(fleet)).toBe("firing");
    fleet.seconds(1, cpu(91)).seconds(5, cpu(90));
    expect(stateOf(fleet)).toBe("firing");
    fleet.seconds(1, cpu(90));
    expect(stateOf(fleet)).toBe("inactive");
  });

  test("with a condition of its own to clear ends by that", () => {
    const fleet = new RuleFleet(rulesOf({ ...HOT, clear: "cpu_utilization < 70" }))
      .seconds(1, cpu(91))
      .seconds(100, cpu(70));
    expect(stateOf(fleet)).toBe("firing");
    fleet.seconds(1, cpu(69));
    expect(stateOf(fleet)).toBe("inactive");
    // What is not reported any more can't be waited for without end.
    fleet.seconds(1, cpu(91)).seconds(90, cpu(null));
    expect(stateOf(fleet)).toBe("firing");
    fleet.seconds(1, cpu(null));
    expect(stateOf(fleet)).toBe("inactive");
  });

  test("says how it is while the condition holds, and how it last was afterwards", () => {
    const rules = rulesOf({ ...HOT, keep_firing_for: "5s", summary: "{{worker}} at {{cpu_utilization}}" });
    const fleet = new RuleFleet(rules).seconds(1, cpu(91)).seconds(1, cpu(96)).seconds(6, cpu(10));
    expect(fleet.events.map(({ alert }) => alert.title)).toEqual(["W1 at 91\u00a0%", "W1 at 96\u00a0%"]);
  });

  test("that its worker is gone of is over", () => {
    const fleet = new RuleFleet(rulesOf({ ...HOT, keep_firing_for: "1h" })).seconds(1, cpu(91));
    fleet.report({ complete: true, workers: [worker("W2")] }).later(1000);
    expect(stateOf(fleet)).toBe("inactive");
  });

  test("of a worker that was taken out on purpose is none, but where a rule looks at those too", () => {
    const out = worker("W1", { status: "draining", metrics: { cpu_utilization: 99 } });
    expect(new RuleFleet(rulesOf(HOT)).report({ workers: [out] }).later(0).ids).toEqual([]);
    expect(new RuleFleet(rulesOf({ ...HOT, planned: true })).report({ workers: [out] }).later(0).ids).toEqual(
      ["hot:W1"],
    );
  });

  test("that comes and goes goes on firing until it was quiet for five minutes", () => {
    const fleet = new RuleFleet(rulesOf(HOT));
    const blink = () => fleet.seconds(1, cpu(91)).seconds(10, cpu(10));
    blink();
    blink();
    expect(fleet.events).toHaveLength(4);
    blink();
    expect(fleet.alerts).toMatchObject([{ flaps: 3 }]);
    for (let times = 0; times < 10; times += 1) blink();
    expect(fleet.events).toHaveLength(5);
    fleet.seconds(290, cpu(10));
    expect(stateOf(fleet)).toBe("firing");
    fleet.seconds(1, cpu(10));
    expect(stateOf(fleet)).toBe("inactive");
    expect(fleet.events).toHaveLength(6);
  });

  test("beyond the bound is not told of, and the bound is named", () => {
    const workers = Array.from({ length: MAX_ALERTS + 5 }, (_, i) =>
      worker(`W${i}`, { metrics: { cpu_utilization: 99 } }),
    );
    const fleet = new RuleFleet(rulesOf(HOT)).report({ workers }).later(0);
    expect(fleet.ids).toHaveLength(MAX_ALERTS);
    expect(fleet.reached).toContain("alerts");
  });
});

describe("over a restart", () => {
  /** The same fleet in another process: what was kept of the alerts is taken back. */
  const restarted = (before: RuleFleet, ...rules: object[]): RuleFleet => {
    const after = new RuleFleet(rulesOf(...rules));
    after.now_ms = before.now_ms;
    const kept = JSON.parse(
      JSON.stringify(before.book.all.map((alert) => (alert as never as { snapshot(): Alert }).snapshot())),
    );
    after.book.restore(kept, []);
    return after;
  };

  test("what was pending goes on from where it began, and what fired is not told again", () => {
    const rule = { ...HOT, for: "10s" };
    let fleet = new RuleFleet(rulesOf(rule)).seconds(8, cpu(91));
    fleet = restarted(fleet, rule).seconds(3, cpu(91));
    expect(stateOf(fleet)).toBe("firing");
    expect(fleet.events).toHaveLength(1);
    fleet = restarted(fleet, rule).seconds(5, cpu(91));
    expect(fleet.events).toEqual([]);
    fleet.seconds(1, cpu(1));
    expect(fleet.events.map(({ kind }) => kind)).toEqual(["resolved"]);
  });

  test("what can't be told yet goes on for a minute", () => {
    const before = new RuleFleet(rulesOf(HOT)).seconds(1, cpu(91));
    const fleet = restarted(before, HOT).seconds(58, (scene) => scene.report({ workers: [worker("W2")] }));
    expect(fleet.ids).toEqual(["hot:W1"]);
    fleet.seconds(3, (scene) => scene.report({ workers: [worker("W2")] }));
    expect(fleet.ids).toEqual([]);
  });

  test("what no rule is for any more is over", () => {
    const before = new RuleFleet(rulesOf(HOT)).seconds(1, cpu(91));
    const fleet = restarted(before, { ...HOT, name: "other" }).seconds(1, cpu(91));
    expect(fleet.ids).toEqual(["other:W1"]);
    expect(fleet.events.map(({ kind, alert }) => [kind, alert.rule])).toEqual([
      ["resolved", "hot"],
      ["firing", "other"],
    ]);
  });
});

test("two fleets have what they remember apart, whatever rules they share", () => {
  const rules = rulesOf({
    name: "r",
    each: "system",
    when: "rate(queue_depth, 10s) > 5",
    severity: "notice",
    summary: "x",
  });
  const [demo, real] = [new RuleFleet(rules), new RuleFleet(rules)];
  demo.seconds(8, (scene) => scene.report({ system: { queue_depth: 10 } }));
  real.now_ms = demo.now_ms;
  real.seconds(2, (scene) => scene.report({ system: { queue_depth: 1000 } }));
  expect(real.ids).toEqual([]);
});

test("other rules take the place of the former, and what both have goes on", () => {
  const fleet = new RuleFleet(rulesOf(HOT, { ...HOT, name: "old" })).seconds(1, cpu(95));
  const { fired_ms } = fleet.alerts[0]!;
  fleet.book.replaceRules(
    rulesOf({ ...HOT, when: "cpu_utilization > 94" }, { ...HOT, name: "new" }),
    fleet.now_ms,
  );
  fleet.seconds(1, cpu(95));
  expect(fleet.alerts.map(({ id, fired_ms: at_ms }) => [id, at_ms])).toEqual([
    ["new:W1", fleet.now_ms],
    ["hot:W1", fired_ms],
  ]);
  expect(fleet.events.at(-2)).toMatchObject({ kind: "resolved", alert: { rule: "old" } });
});

test("whatever comes, each alert fires and ends in turn, never sooner than its times say", () => {
  const steps = fc.array(fc.tuple(fc.constantFrom(50, 95, null), fc.integer({ min: 1, max: 6 })), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(
      steps,
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 0, max: 4 }),
      (given, hold_s, keep_s) => {
        const fleet = new RuleFleet(rulesOf({ ...HOT, for: `${hold_s}s`, keep_firing_for: `${keep_s}s` }));
        for (const [value, seconds] of given) fleet.seconds(seconds, cpu(value));
        const open = new Map<string, number>();
        for (const { kind, at_ms, alert } of fleet.events) {
          if (kind === "firing") {
            expect(open.has(alert.id)).toBe(false);
            expect(at_ms - alert.since_ms).toBeGreaterThanOrEqual(hold_s * 1000);
            open.set(alert.id, at_ms);
          } else {
            expect(at_ms - open.get(alert.id)!).toBeGreaterThan(keep_s * 1000);
            open.delete(alert.id);
          }
        }
        expect([...open.keys()]).toEqual(fleet.ids);
      },
    ),
    { numRuns: 60 },
  );
});

test("tasks in whose state a rule cannot hold need not be asked, and nobody can tell", () => {
  const figure = fc.constantFrom("running_s", "waiting_s", "orphaned", "attempt", "usual_s", "progress", "1");
  const comparison = fc
    .tuple(figure, fc.constantFrom(">", "<", "==", "!=", ">="), figure, fc.constantFrom("+", "-", "*", "/"))
    .map(([a, compare, b, by]) => `${a} ${compare} ${b} ${by} 2`);
  const condition = fc.letrec<{ any: string }>((tie) => ({
    any: fc.oneof(
      { depthSize: "small" },
      comparison,
      tie("any").map((a) => `not (${a})`),
      fc
        .tuple(tie("any"), fc.constantFrom("and", "or"), tie("any"))
        .map(([a, how, b]) => `(${a}) ${how} (${b})`),
    ),
  })).any;
  // What a task is then in is drawn anew each second; "lost" leaves all out of a whole picture.
  const told = fc.constantFrom<TaskStatus | "lost">("queued", "assigned", "running", "completed", "lost");
  const rule = { name: "quick", each: "task", severity: "notice", summary: "x" };
  fc.assert(
    fc.property(condition, fc.array(told, { minLength: 1, maxLength: 12 }), (when, seconds) => {
      // Of a progress that is reported or not it depends on the task alone: this one is always asked.
      const asked = `${when} or (absent(progress) and not absent(progress))`;
      const fleet = new RuleFleet(rulesOf({ ...rule, when }, { ...rule, name: "asked", when: asked }));
      const attempts = { next: 1 };
      for (const status of seconds) {
        fleet.seconds(1, (scene) => {
          if (status === "lost") return scene.report({ complete: true });
          const tasks = ["T1", "T2"].map((id) => task(id, status, { attempt: attempts.next }));
          if (status === "completed") attempts.next += 1;
          return scene.report({ tasks });
        });
        const alertsOf = (name: string) =>
          fleet.book.all
            .filter(({ rule }) => rule === name)
            .map(({ id, fired_ms }) => [id.slice(name.length), fired_ms]);
        expect(alertsOf("quick")).toEqual(alertsOf("asked"));
      }
    }),
    { numRuns: 300 },
  );
});
