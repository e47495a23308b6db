import { describe, expect, test } from "vitest";
import { START_MS, task, worker } from "../scene.ts";
import { DEFAULT_RULES } from "./default-rules.ts";
import { defaultRule, RuleFleet } from "./rules-fixture.ts";

const plain = (text: string) => text.replaceAll("\u00a0", " ");
const told = ({ alerts }: RuleFleet) =>
  alerts.map(({ id, title, detail }) => [id, plain(title), plain(detail)]);

describe("a worker", () => {
  const busy = worker("W3", { type: "gpu", metrics: { cpu_utilization: 95, queued_tasks: 5 } });

  test("is overloaded once that has lasted 3 s, in the words of an operator", () => {
    const fleet = new RuleFleet().report({ workers: [busy] }).later(0);
    fleet.report({ workers: [busy] }).later(2999);
    expect(fleet.ids).toEqual([]);
    fleet.report({ workers: [busy] }).later(1);
    expect(told(fleet)).toEqual([
      ["worker_overload:W3", "Worker W3 is overloaded", "95 % CPU, 5 pending tasks"],
    ]);
    expect(fleet.alerts).toMatchObject([
      { severity: "critical", since_ms: START_MS, subject: { kind: "worker", id: "W3" } },
    ]);
    expect(fleet.status).toEqual({ level: "degraded", reasons: ["Worker W3 is overloaded"] });
  });

  test("is one of many: their status is one reason", () => {
    const workers = ["W1", "W2", "W3"].map((id) => ({ ...busy, id }));
    const fleet = new RuleFleet().seconds(5, (scene) => scene.report({ workers }));
    expect(fleet.status.reasons).toEqual(["3 gpu workers are overloaded"]);
  });

  test("with more than ten tasks assigned has a long queue", () => {
    const queue = (queued_tasks: number) =>
      new RuleFleet().seconds(5, (scene) =>
        scene.report({ workers: [worker("W1", { metrics: { queued_tasks } })] }),
      );
    expect(queue(10).ids).toEqual([]);
    expect(queue(11).ids).toEqual(["worker_queue_depth:W1"]);
  });

  test("that falls silent is stale, then lost, and what follows of that is not told apart", () => {
    const fleet = new RuleFleet().report({
      workers: [worker("W1"), worker("W2")],
      tasks: [task("t", "running", { worker_id: "W1" })],
    });
    const others = (scene: RuleFleet) => scene.report({ workers: [worker("W2")] });
    fleet.seconds(6, others);
    expect(told(fleet)).toEqual([
      ["worker_stale:W1", "Worker W1 is stale", "report overdue, 1 unfinished task"],
    ]);
    fleet.seconds(78, others);
    expect(told(fleet)).toEqual([
      [
        "worker_lost:W1",
        "Worker W1 is lost",
        "no report for 1 m 24 s, 1 task orphaned: does its host answer?",
      ],
    ]);
    expect(fleet.book.all.find(({ rule }) => rule === "task_orphaned")).toMatchObject({
      inhibited_by: "worker_lost:W1",
    });
  });

  test("that was stale or lost stays so while its source pauses, and nothing is told of that", () => {
    const fleet = new RuleFleet().report({
      workers: [worker("W1"), worker("W2"), worker("W3")],
      tasks: [task("t", "running", { worker_id: "W1" })],
    });
    fleet.seconds(62, (scene) => scene.report({ workers: [worker("W2"), worker("W3")] }));
    fleet.seconds(6, (scene) => scene.report({ workers: [worker("W2")] }));
    expect(fleet.ids).toEqual(["worker_lost:W1", "worker_stale:W3"]);
    const told = fleet.events.length;
    fleet.seconds(8);
    expect(fleet.ids).toEqual(["worker_lost:W1", "source_stale:a", "worker_stale:W3"]);
    fleet.seconds(3, (scene) => scene.report({ workers: [worker("W2")] }));
    expect(fleet.ids).toEqual(["worker_lost:W1", "worker_stale:W3"]);
    expect(fleet.events.slice(told).map(({ kind, alert }) => `${kind} ${alert.id}`)).toEqual([
      "firing source_stale:a",
      "resolved source_stale:a",
    ]);
  });

  test("whose source is silent too is no alert of its own", () => {
    const fleet = new RuleFleet().report({ workers: [worker("W1"), worker("W2")] }).later(61_000);
    expect(told(fleet)).toEqual([
      [
        "source_lost:a",
        "Source a is lost",
        "silent for 1 m 1 s, 2 workers out of sight: is it running, does it reach us?",
      ],
    ]);
    expect(fleet.status).toMatchObject({ level: "critical" });
  });

  test("that was taken out on purpose raises nothing", () => {
    const workers = [worker("W1", { status: "offline" }), worker("W2")];
    const fleet = new RuleFleet().report({ workers });
    fleet.seconds(100, (scene) => scene.report({ workers: [worker("W2")] }));
    expect(fleet.ids).toEqual([]);
    expect(fleet.status).toEqual({ level: "healthy", reasons: [] });
  });

  test("that comes and goes is told as that", () => {
    const fleet = new RuleFleet([defaultRule("worker_flapping")]);
    for (let times = 0; times < 4; times += 1) {
      fleet.seconds(10, (scene) => scene.report({ workers: [worker("W1", { status: "active" })] }));
      expect(fleet.ids).toEqual([]);
      fleet.seconds(10, (scene) => scene.report({ workers: [worker("W1", { status: "offline" })] }));
    }
    expect(fleet.ids).toEqual(["worker_flapping:W1"]);
  });
});

test("a source that dies is one alert, however much it reported, and as long as it is gone", () => {
  const models = Array.from({ length: 30 }, (_, i) =>
    task(`t${i}`, "running", { worker_id: `W${i}`, model_id: "vit" }),
  );
  const workers = models.map((_, i) => worker(`W${i}`));
  const fleet = new RuleFleet();
  // Its tasks take a second as a rule, so that those that go on would soon count as stalled.
  for (let i = 0; i < 25; i += 1) {
    fleet
      .report({ tasks: [task(`quick${i}`, "running", { worker_id: "W0", model_id: "vit" })], workers })
      .later(1000);
    fleet.report({ tasks: [task(`quick${i}`, "completed", { worker_id: "W0", model_id: "vit" })], workers });
  }
  fleet.report({ workers, tasks: models }).later(1000);
  fleet.seconds(30, (scene) => scene.report({ workers }));
  fleet.seconds(600);
  expect(fleet.ids).toEqual(["source_lost:a"]);
  expect(fleet.events.map(({ kind, alert }) => `${kind} ${alert.id}`)).toEqual([
    "firing source_stale:a",
    "firing source_lost:a",
  ]);
});

test("a source that reported once and has no worker promised nothing", () => {
  const once = new RuleFleet().report({ source: "a", tasks: [task("t", "completed")] });
  expect(once.later(300_000).ids).toEqual([]);
  const twice = new RuleFleet().report({ source: "a" }).later(1000).report({ source: "a" });
  expect(twice.later(61_000).ids).toEqual(["source_lost:a"]);
});

test("a source's clock that is off is a notice", () => {
  const fleet = new RuleFleet([defaultRule("source_clock")]);
  fleet.seconds(100, (scene) => scene.report({ at_ms: scene.now_ms - 30_000, workers: [worker("W1")] }));
  expect(told(fleet)).toEqual([
    ["source_clock:a", "The clock of source a is off", expect.stringContaining("by 30.0 s")],
  ]);
});

describe("a task", () => {
  test("has stalled after 30 minutes, and not before", () => {
    const report = (scene: RuleFleet) =>
      scene.report({
        interval_s: 86_400,
        workers: [worker("W1", { interval_s: 86_400 })],
        tasks: [task("t", "running", { worker_id: "W1", model_id: "vit" })],
      });
    const fleet = report(new RuleFleet()).later(0).later(1_800_000);
    expect(fleet.ids).toEqual([]);
    expect(told(fleet.later(1000))).toEqual([
      ["task_stalled:t", "Task t has stalled", "vit on W1, far longer than usual"],
    ]);
  });

  test("has stalled when it takes five times what is usual for its model, but never within a minute", () => {
    const fleet = new RuleFleet([defaultRule("task_stalled")]);
    for (let i = 0; i < 20; i += 1) {
      fleet.report({ tasks: [task(`t${i}`, "running", { worker_id: "W1", model_id: "vit" })] }).later(20_000);
      fleet.report({
        workers: [worker("W1")],
        tasks: [task(`t${i}`, "completed", { worker_id: "W1", model_id: "vit" })],
      });
    }
    fleet.report({ tasks: [task("slow", "running", { worker_id: "W1", model_id: "vit" })] });
    const alive = (scene: RuleFleet) => scene.report({ workers: [worker("W1")] });
    expect(fleet.seconds(95, alive).ids).toEqual([]);
    expect(fleet.seconds(10, alive).ids).toEqual(["task_stalled:slow"]);
  });

  test("that nobody mentions any more is orphaned", () => {
    const whole = { complete: true, workers: [worker("W1")] };
    const fleet = new RuleFleet()
      .report({ ...whole, tasks: [task("t", "running", { worker_id: "W1" })] })
      .later(0);
    fleet.seconds(12, (scene) => scene.report(whole));
    expect(fleet.ids).toEqual(["task_orphaned:t"]);
  });
});

describe("a queue", () => {
  const waited = (waited_s: number, model_id: string) => (scene: RuleFleet, second: number) =>
    scene.report({
      workers: [worker("W1")],
      tasks: [
        task(`${model_id}-${scene.now_ms}-${second}`, "running", {
          worker_id: "W1",
          model_id,
          times: { queued: scene.now_ms - waited_s * 1000, started: scene.now_ms },
        }),
      ],
    });

  test("of a model that waits long is its own alert, and the fleet's follows from it", () => {
    const fleet = new RuleFleet().seconds(5, waited(45, "bert-large"));
    expect(told(fleet)).toEqual([
      [
        "model_queue_time:bert-large",
        "Model bert-large has high queue time",
        "45.0 s on average, 0 tasks waiting",
      ],
    ]);
    expect(fleet.book.all.find(({ id }) => id === "system_high_queue_time")).toMatchObject({
      inhibited_by: "model_queue_time:bert-large",
    });
    expect(new RuleFleet().seconds(5, waited(30, "bert-large")).ids).toEqual([]);
  });

  test("whose oldest task starves is told although the mean is fine", () => {
    const fleet = new RuleFleet().report({
      workers: [worker("W1", { interval_s: 600 })],
      interval_s: 600,
      tasks: [
        task("old", "queued", { model_id: "bert", priority: 3, times: { queued: START_MS - 299_000 } }),
      ],
    });
    expect(fleet.later(1000).ids).toEqual([]);
    expect(told(fleet.later(1000))).toEqual([
      [
        "queue_starvation:3 bert",
        "Tasks of bert at priority 3 starve",
        "the oldest of 1 has waited 5 m 1 s: old",
      ],
    ]);
  });

  test("of which nothing completes while more than five wait is critical after a minute", () => {
    const waiting = (count: number) =>
      new RuleFleet().seconds(61, (scene) =>
        scene.report({
          workers: [worker("W1")],
          tasks: Array.from({ length: count }, (_, i) => task(`t${i}`, "queued")),
        }),
      );
    expect(waiting(5).ids).toEqual([]);
    const fleet = waiting(6);
    expect(fleet.ids).toEqual(["system_low_throughput"]);
    expect(fleet.status.level).toBe("critical");
  });

  test("that grows faster than it drains says when a new task will wait for ten minutes", () => {
    const fleet = new RuleFleet([defaultRule("queue_growing")]);
    fleet.seconds(190, ({ system }, second) => {
      system.set("queued_tasks", 60 + second);
      system.set("throughput_per_minute", 60);
    });
    const [[, , detail]] = told(fleet) as [[string, string, string]];
    expect(detail).toBe(
      "60 /min more wait; a new task waits about 4 m 9 s by now, and 10 minutes in about 5 m 51 s",
    );
  });
});

test("of a model whose tasks fail is an alert from ten ended ones on", () => {
  const ended = (failed: number, completed: number) => {
    const state = (i: number) => (i < failed ? ("failed" as const) : ("completed" as const));
    const tasks = Array.from({ length: failed + completed }, (_, i) =>
      task(`t${i}`, state(i), { worker_id: "W1", model_id: "clip" }),
    );
    return new RuleFleet().report({ tasks }).seconds(7, (scene) => scene.report({ workers: [worker("W1")] }));
  };
  expect(told(ended(3, 7))).toEqual([
    ["model_failures:clip", "Tasks of model clip fail", "3 of 10 in the last hour: look at their errors"],
  ]);
  expect(ended(2, 8).ids).toEqual([]);
  expect(ended(9, 0).ids).toEqual([]);
});

test("workers of a type that have hardly anything left are one alert", () => {
  const workers = ["W1", "W2"].map((id) => worker(id, { type: "gpu", metrics: { gpu_utilization: 93 } }));
  const fleet = new RuleFleet([defaultRule("capacity")]).seconds(62, (scene) => scene.report({ workers }));
  expect(fleet.ids).toEqual(["capacity:gpu"]);
});

test.each([
  ["store_failing", { store_failing: 1 }],
  ["disk_limit", { store_bytes: 96, store_limit_bytes: 100 }],
  ["disk_full", { disk_free_bytes: 2 ** 30 - 1 }],
  ["collection_late", { ticks_late_per_minute: 6 }],
  ["reports_rejected", { reports_rejected_per_minute: 11 }],
  ["connector_unheard", { connectors_unheard: 1 }],
  ["rules_failing", { rules_failing: 1 }],
])("Evenkeel itself: %s", (rule, own) => {
  const fleet = new RuleFleet().report({ workers: [worker("W1", { interval_s: 3600 })], interval_s: 3600 });
  for (const [name, value] of Object.entries(own)) fleet.own.set(name, value);
  expect(fleet.seconds(12).ids).toEqual([rule]);
});

test("a metric that leaves what is usual for it is a notice, and says what is usual", () => {
  const fleet = new RuleFleet([defaultRule("anomaly")]);
  const level = (value: number) => (scene: RuleFleet, second: number) =>
    scene.report({ workers: [worker("W1", { metrics: { io_utilization: value + (second % 7) / 10 } })] });
  // Half an hour tells what is usual.
  fleet.seconds(1900, level(20));
  expect(fleet.ids).toEqual([]);
  fleet.seconds(10, level(80));
  expect(told(fleet).filter(([id]) => id === "anomaly:io_utilization:W1")).toEqual([
    [
      "anomaly:io_utilization:W1",
      "Disk I/O of W1 is unusual",
      expect.stringMatching(/80 %.*, usually 1\d % to 2\d %/),
    ],
  ]);
});

test("every default rule says what it is for", () => {
  expect(DEFAULT_RULES.filter(({ help }) => help === "").map(({ name }) => name)).toEqual([]);
});
