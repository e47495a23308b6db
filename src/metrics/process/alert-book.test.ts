import { describe, expect, test } from "vitest";
import { RuleFleet, rulesOf } from "./rules/rules-fixture.ts";
import { parseMatchers } from "./rules/silences.ts";
import { worker } from "./scene.ts";

const HOT = {
  name: "hot",
  each: "worker",
  when: "cpu_utilization > 90",
  severity: "warning",
  summary: "{{worker}} is hot",
};
const hot = (id: string, type = "gpu") => worker(id, { type, metrics: { cpu_utilization: 95 } });

describe("an acknowledgement", () => {
  test("stays with the firing, is among its steps, and puts it after the others", () => {
    const fleet = new RuleFleet(rulesOf(HOT)).report({ workers: [hot("W1"), hot("W2")] }).later(0);
    fleet.book.takeChanges();
    fleet.book.acknowledge("hot:W1", { name: "ann", note: "on it" }, "ann", fleet.now_ms);
    fleet.report({ workers: [hot("W1"), hot("W2")] }).later(1000);
    expect(fleet.ids).toEqual(["hot:W2", "hot:W1"]);
    const [kept, ...others] = fleet.book.takeChanges().alerts;
    expect(others).toEqual([]);
    expect(kept).toMatchObject({ id: "hot:W1", acknowledged: { by: "ann", note: "on it" } });
    expect(kept!.steps.map(({ what, by }) => [what, by])).toEqual([
      ["firing", ""],
      ["acknowledged", "ann"],
    ]);
    fleet.book.acknowledge("hot:W1", null, "bob", fleet.now_ms);
    expect(fleet.book.firing.map(({ acknowledged }) => acknowledged)).toEqual([null, null]);
  });

  test("is for what fires, and for this firing alone", () => {
    const fleet = new RuleFleet(rulesOf({ ...HOT, for: "5s" })).report({ workers: [hot("W1")] }).later(0);
    const acknowledge = () =>
      fleet.book.acknowledge("hot:W1", { name: "ann", note: "" }, "ann", fleet.now_ms);
    expect(acknowledge).toThrow('No alert "hot:W1" fires now');
    fleet.report({ workers: [hot("W1")] }).later(5000);
    acknowledge();
    fleet.report({ workers: [worker("W1", { metrics: { cpu_utilization: 1 } })] }).later(1000);
    fleet.seconds(6, (scene) => scene.report({ workers: [hot("W1")] }));
    expect(fleet.book.firing).toMatchObject([{ acknowledged: null }]);
  });
});

describe("a silence", () => {
  test("hides what matches until its end, and then it is told", () => {
    const fleet = new RuleFleet(rulesOf(HOT));
    fleet.silence({
      matchers: parseMatchers("worker_type=gpu*, worker!=W3"),
      ends_ms: fleet.now_ms + 10_000,
    });
    const report = (scene: RuleFleet) => scene.report({ workers: [hot("W1"), hot("W2", "cpu"), hot("W3")] });
    fleet.seconds(1, report);
    expect(fleet.ids).toEqual(["hot:W2", "hot:W3"]);
    expect(fleet.book.all.find(({ id }) => id === "hot:W1")).toMatchObject({
      state: "firing",
      silenced_by: "s1",
    });
    fleet.seconds(8, report);
    expect(fleet.events).toHaveLength(2);
    fleet.seconds(1, report);
    expect(fleet.ids).toEqual(["hot:W1", "hot:W2", "hot:W3"]);
    expect(fleet.events.at(-1)).toMatchObject({ kind: "firing", alert: { id: "hot:W1" } });
  });

  test("over all of an alert's life leaves nothing to tell", () => {
    const fleet = new RuleFleet(rulesOf(HOT));
    fleet.silence({ matchers: parseMatchers("rule=hot") });
    fleet.report({ workers: [hot("W1")] }).later(1000);
    fleet.report({ workers: [worker("W1", { metrics: { cpu_utilization: 1 } })] }).later(1000);
    expect(fleet.events).toEqual([]);
  });

  test("of what was told already does not keep its end secret", () => {
    const fleet = new RuleFleet(rulesOf(HOT)).report({ workers: [hot("W1")] }).later(0);
    fleet.silence({ matchers: parseMatchers("rule=hot") });
    fleet.report({ workers: [hot("W1")] }).later(1000);
    fleet.report({ workers: [worker("W1", { metrics: { cpu_utilization: 1 } })] }).later(1000);
    expect(fleet.events.map(({ kind }) => kind)).toEqual(["firing", "resolved"]);
  });

  test("that is ended holds no more", () => {
    const fleet = new RuleFleet(rulesOf(HOT)).report({ workers: [hot("W1")] });
    fleet.silence({ matchers: parseMatchers("rule=hot") });
    fleet.later(1000);
    fleet.book.endSilence("s1", fleet.now_ms);
    fleet.report({ workers: [hot("W1")] }).later(1000);
    expect(fleet.ids).toEqual(["hot:W1"]);
    expect(() => fleet.book.endSilence("s1", fleet.now_ms)).toThrow('No silence "s1" holds');
    expect(fleet.book.takeChanges().silences).toMatchObject([
      { id: "s1" },
      { id: "s1", ends_ms: fleet.now_ms - 1000 },
    ]);
  });

  test.each([
    ["", "matchers must be 1 to 20 of label=value; got 0"],
    ["colour=red", "matchers must be label=value or label!=value with one of rule, severity,"],
    ["worker", 'got "worker"'],
    ["worker=", 'matchers must have a value of 1 to 256 characters; got "worker="'],
  ])("by %j is refused", (text, problem) => {
    expect(() => parseMatchers(text)).toThrow(problem);
  });
});

describe("what follows from another alert", () => {
  const LOST = {
    name: "lost",
    each: "worker",
    when: "lost == 1",
    severity: "critical",
    summary: "{{worker}} is lost",
  };
  const ORPHAN = {
    name: "orphan",
    each: "task",
    when: "orphaned == 1",
    severity: "warning",
    summary: "{{task}}",
    unless: ["lost"],
  };

  test("is held back while that fires, for the same worker alone", () => {
    const fleet = new RuleFleet(rulesOf(LOST, ORPHAN));
    const tasks = [
      { id: "a", worker_id: "W1" },
      { id: "b", worker_id: "W2" },
    ].map(({ id, worker_id }) => ({
      id,
      type: undefined,
      model_family: undefined,
      model_id: undefined,
      priority: undefined,
      modality: undefined,
      requirements: undefined,
      metrics: {},
      transitions: [
        {
          attempt: 1,
          status: "running" as const,
          times: {},
          worker_id,
          progress: undefined,
          error: undefined,
        },
      ],
    }));
    fleet.report({ workers: [worker("W1"), worker("W2")], tasks }).later(0);
    fleet.seconds(62, (scene) => scene.report({ workers: [worker("W2")] }));
    expect(fleet.ids).toEqual(["lost:W1"]);
    expect(fleet.book.all.find(({ id }) => id === "orphan:a")).toMatchObject({ inhibited_by: "lost:W1" });
    expect(fleet.events.map(({ alert }) => alert.id)).toEqual(["lost:W1"]);
    // Back with what it had: nothing of it was ever told.
    fleet.report({ workers: [worker("W1"), worker("W2")], tasks }).later(1000);
    expect(fleet.ids).toEqual([]);
    expect(fleet.events.map(({ kind, alert }) => `${kind} ${alert.id}`)).toEqual([
      "firing lost:W1",
      "resolved lost:W1",
    ]);
  });

  test("of the whole fleet is held back by any part of it", () => {
    const BUSY = {
      name: "busy",
      each: "system",
      when: "overloaded_workers >= 0",
      severity: "notice",
      summary: "busy",
      unless: ["hot"],
    };
    const fleet = new RuleFleet(rulesOf(HOT, BUSY)).report({ workers: [hot("W1")] }).later(0);
    expect(fleet.ids).toEqual(["hot:W1"]);
    expect(fleet.book.all.find(({ id }) => id === "busy")).toMatchObject({ inhibited_by: "hot:W1" });
  });

  test("of what is itself held back names the first cause", () => {
    const rules = rulesOf(
      { ...HOT, name: "a", summary: "a" },
      { ...HOT, name: "b", summary: "b", unless: ["a"] },
      { ...HOT, name: "c", summary: "c", unless: ["b"] },
    );
    const fleet = new RuleFleet(rules).report({ workers: [hot("W1")] }).later(0);
    expect(fleet.ids).toEqual(["a:W1"]);
    expect(fleet.book.all.map(({ id, inhibited_by }) => [id, inhibited_by])).toEqual([
      ["a:W1", null],
      ["b:W1", "a:W1"],
      ["c:W1", "a:W1"],
    ]);
  });
});
