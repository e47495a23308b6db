import { describe, expect, test } from "vitest";
import type { Alert, AlertEvent } from "../metrics/model.ts";
import type { Telling } from "../metrics/outbox.ts";
import type { Read } from "../metrics/read.ts";
import { alertWith, endedAlert, messageWith, receiverWith, ruleWith, silenceWith } from "./alert-fixture.ts";
import { SEVERITY_TONE } from "./components.tsx";
import { drawn, fixtureRead, HOSTILE, NOW_MS } from "./fixture.ts";
import { findPanel } from "./registry.ts";
import { matchersOf } from "./silence-form.ts";

const words = (html: string) => html.replace(/<[^>]*>/g, "\u0020").replace(/[\s\u00a0]+/g, " ");
const readWith = (alerts: readonly Alert[], more: Partial<Read> = {}): Read => ({
  ...fixtureRead({ alerts }),
  alertsBetween: () => [],
  ...more,
});
const show = (id: string, read: Read, params: Record<string, unknown> = {}) => {
  const panel = findPanel(id)!;
  return drawn(panel, panel.params.parse(params), read);
};
const text = (id: string, read: Read, params: Record<string, unknown> = {}) =>
  words(show(id, read, params).html);

const worker = (index: number, given: Partial<Alert> = {}): Alert => {
  const id = `gpu-${index}`;
  return alertWith({
    id: `worker_overload:${id}`,
    severity: "critical",
    title: `Worker ${id} is overloaded`,
    detail: `${90 + index} % CPU`,
    since_ms: NOW_MS - index * 1000,
    subject: { kind: "worker", id },
    labels: { rule: "worker_overload", severity: "critical", kind: "worker", worker: id, worker_type: "gpu" },
    many: "{{count}} gpu workers are overloaded",
    ...given,
  });
};
const workers = (size: number) => Array.from({ length: size }, (_, index) => worker(index + 1));
const by = { at_ms: NOW_MS, by: "Ada", note: "" };

describe("alerts on the overview", () => {
  test("up to three of a kind are told one by one, four are one line that opens", () => {
    expect(text("alerts", readWith(workers(3)))).not.toContain("3 gpu workers");
    const { html } = show("alerts", readWith(workers(4)));
    expect(words(html)).toContain("critical: 4 gpu workers are overloaded");
    expect(html.match(/<details><summary>/g)).toHaveLength(1);
    // Since the oldest of them.
    expect(html).toMatch(new RegExp(`<summary>.*data-since="${NOW_MS - 4000}".*</summary>`));
    for (const index of [1, 2, 3, 4])
      expect(html).toContain(`href="alerts/worker_overload%3Agpu-${index}?fired=`);
  });

  test("a group shows twenty of its members and leads to all of them", () => {
    const { html } = show("alerts", readWith(workers(30)));
    expect(html.match(/href="workers\/gpu-/g)).toHaveLength(20);
    expect(html).toContain(
      '<a href="alerts?rule=worker_overload&amp;status=firing&amp;worker_type=gpu">and 10 more</a>',
    );
  });

  test("what somebody takes care of is told apart from the rest, behind it, and by whom", () => {
    const some = workers(5).map((alert, index) => (index === 0 ? { ...alert, acknowledged: by } : alert));
    const seen = text("alerts", readWith(some));
    expect(seen).toContain("4 gpu workers are overloaded");
    expect(seen.indexOf("acknowledged by Ada")).toBeGreaterThan(seen.indexOf("4 gpu workers"));
  });

  test("what comes and goes says how often", () => {
    expect(text("alerts", readWith([worker(1, { flaps: 4 })]))).toContain("came and went 4 times in 15 min");
  });

  test.each([
    [{ kind: "worker", id: "a/b" }, "workers/a%2Fb"],
    [{ kind: "task", id: "t?" }, "tasks/t%3F"],
    [{ kind: "model", id: "bert & co" }, "tasks?q=bert%20%26%20co"],
    [{ kind: "model_family", id: "bert" }, "model-families/bert"],
    [{ kind: "task_type", id: "vision" }, "task-types/vision"],
    [{ kind: "worker_type", id: "gpu" }, "workers?worker_type=gpu"],
    [{ kind: "source", id: "coordinator-1" }, "status"],
  ] as const)("one about %j leads to %s", (subject, href) => {
    const { html } = show("alerts", readWith([worker(1, { subject })]));
    expect(html).toContain(`<a class="about" href="${href}"`);
  });
});

describe("the count in the header", () => {
  const event = (kind: AlertEvent["kind"], alert: Alert): AlertEvent => ({
    kind,
    at_ms: NOW_MS,
    fired_ms: NOW_MS,
    ended_ms: null,
    alert,
  });

  test("is of what is critical or a warning and nobody acknowledged", () => {
    const alerts = [
      worker(1),
      worker(2, { acknowledged: by }),
      worker(3, { severity: "warning" }),
      worker(4, { severity: "notice" }),
    ];
    const { html, data } = show("alert-counts", readWith(alerts));
    expect(data).toMatchObject({ critical: 1, warning: 1 });
    expect(html).toContain('data-critical="1" data-count="2"');
    expect(words(html)).toContain("Alerts: 1 critical, 1 warning");
    expect(text("alert-counts", readWith([]))).toContain("no alert");
  });

  test("says in one sentence each what began and what ended, however much it is", () => {
    const alert_news = [
      event("firing", worker(1, { severity: "warning", title: "Worker gpu-1 is stale" })),
      ...workers(13).map((alert) => event("firing", alert)),
      event("resolved", worker(20)),
    ];
    const { html, data } = show("alert-counts", readWith([], { alert_news }));
    expect(data).toMatchObject({
      news: "critical: Worker gpu-1 is overloaded, and 13 more. Resolved: Worker gpu-20 is overloaded.",
    });
    expect(html).toContain('<p id="alert-news" class="vh" role="status">critical: Worker gpu-1');
    expect((data as { told: unknown[] }).told).toHaveLength(3);
  });
});

describe("what fires and is silenced", () => {
  const silenced = [worker(1, { silenced_by: "s1" }), worker(2, { silenced_by: "s1" })];
  const read = readWith([], { allAlerts: () => silenced });
  const link = '<a href="alerts?status=silenced">2 silenced</a>';

  test("is counted wherever it is said that nothing fires, with a way to it", () => {
    for (const id of ["overview", "alerts"]) {
      const { html } = show(id, read);
      expect(html).toContain(link);
      expect(words(html)).not.toMatch(/no alert fires|Nothing needs attention/);
    }
    expect(show("alerts", read).html).toMatch(/<h2.*2 silenced.*<\/h2>/s);
    const { html } = show("alert-counts", read);
    expect(html).toMatch(/id="alert-count" href="alerts\?status=silenced" title="2 silenced"/);
    expect(words(html)).toContain("2 silenced");
    expect(html).toContain('data-count="0"');
  });

  test("is counted beside what fires and is not", () => {
    const both = readWith([worker(3)], { allAlerts: () => [worker(3), ...silenced] });
    for (const id of ["overview", "alerts"]) expect(show(id, both).html).toContain(link);
    expect(text("alert-counts", both)).toContain("Alerts: 1 critical, 0 warnings, 2 silenced");
  });

  test("is of the part of the fleet that is shown", () => {
    expect(text("alerts", read, { worker_type: "nothing-like-it" })).not.toContain("silenced");
  });

  test.each([
    ["rule=*", [], true],
    ["rule=*", workers(2), true],
    ["worker_type=gpu", workers(2), true],
    ["worker=gpu-1", workers(2), false],
    ["worker=gpu-1", workers(1), false],
  ])("a silence of %s warns where it matches all", (matchers, firing, everything) => {
    const asked = { matchers, duration: "1h", by: "Ada" };
    const { html, data } = show("silence-new", readWith(firing), asked);
    expect(data).toMatchObject({ everything });
    expect(html.includes("It matches everything that fires")).toBe(everything);
  });
});

describe("the list of alerts", () => {
  const held = [
    worker(1),
    worker(2, { acknowledged: by }),
    worker(3, { state: "pending", fired_ms: null }),
    worker(4, { silenced_by: "s1" }),
    worker(5, { inhibited_by: "source_lost:s", severity: "warning" }),
    alertWith({ id: "source_lost:s", severity: "critical", title: "Source s is lost", since_ms: NOW_MS }),
  ];
  const read = readWith(held, {
    alertsBetween: () => [endedAlert("worker_overload:W9", NOW_MS, "W9"), worker(1)],
  });
  const standings = (params: Record<string, unknown> = {}) =>
    (show("alert-list", read, params).data as { alerts: { standing: string }[] }).alerts.map(
      ({ standing }) => standing,
    );

  test("has all that is pending, fires or is held, and what ended, the most pressing first", () => {
    expect(standings()).toEqual([
      "firing",
      "firing",
      "acknowledged",
      "pending",
      "silenced",
      "inhibited",
      "resolved",
    ]);
  });

  test("says who or what holds an alert, and leads to it", () => {
    const { html } = show("alert-list", read);
    expect(words(html)).toContain("by Ada");
    expect(html).toContain('<a href="alerts#p-silences">silenced</a> by <bdi>Ada</bdi> until');
    expect(html).toContain('follows from <a href="alerts/source_lost%3As"><bdi>Source s is lost</bdi></a>');
    expect(html).toContain(`href="alerts/worker_overload%3AW9?fired=${NOW_MS - 600_000}"`);
  });

  test.each([
    [{ status: "silenced,inhibited" }, ["silenced", "inhibited"]],
    [{ severity: "warning" }, ["inhibited"]],
    [{ rule: "source_lost" }, ["firing"]],
    [{ worker: "gpu-3" }, ["pending"]],
    [{ worker: "gpu-*", status: "pending,silenced" }, ["pending", "silenced"]],
    [{ worker: "*-3" }, ["pending"]],
    [{ worker: "gpu" }, []],
    [{ rule: "source_*" }, ["firing"]],
    [{ worker_type: "cpu" }, []],
    [{ q: "W9 WAS" }, ["resolved"]],
  ])("is narrowed by %j", (params, expected) => {
    expect(standings(params)).toEqual(expected);
  });

  describe("of what ended and was held back all its time", () => {
    const ended = (id: string, given: Partial<Alert> = {}) => ({
      ...endedAlert(id, NOW_MS, id),
      title: `${id} ended`,
      ...given,
    });
    const read = readWith([], {
      alertsBetween: () => [
        ended("told", { inhibited_by: "worker_lost:W3" }),
        ended("held", { told: false, inhibited_by: "worker_lost:W3" }),
        ended("quiet", { told: false, silenced_by: "s1" }),
      ],
    });
    const titles = (params: Record<string, unknown> = {}) =>
      (show("alert-list", read, params).data as { alerts: { title: string }[] }).alerts.map(
        ({ title }) => title.split(" ")[0],
      );

    test.each([
      [{}, ["told"]],
      [{ status: "resolved" }, ["told"]],
      [{ status: "inhibited" }, ["held"]],
      [{ status: "silenced" }, ["quiet"]],
      [{ status: "resolved,silenced,inhibited" }, ["quiet", "held", "told"]],
    ])("%j shows %j", (params, expected) => {
      expect(titles(params).sort()).toEqual([...expected].sort());
    });

    test("the heading says that it is left out, and its row that it was held back", () => {
      expect(text("alert-list", read)).toContain("ended in the last 24h, unless held back or silenced");
      const asked = text("alert-list", read, { status: "silenced,inhibited" });
      expect(asked).not.toContain("unless held back");
      expect(asked).toContain("resolved, held back");
      expect(asked).toContain("resolved, silenced");
    });
  });

  test("asks for as much of the past as its window says", () => {
    const asked: number[] = [];
    const alertsBetween: Read["alertsBetween"] = (from_ms) => {
      asked.push(NOW_MS - from_ms);
      return [];
    };
    for (const window of ["1h", "24h", "7d"]) show("alert-list", readWith([], { alertsBetween }), { window });
    expect(asked).toEqual([3_600_000, 86_400_000, 604_800_000]);
  });
});

test("who takes care of an alert is told under a silence and behind a cause too", () => {
  const held = [
    worker(1, { acknowledged: by, silenced_by: "s1" }),
    worker(2, { acknowledged: by, inhibited_by: "x" }),
  ];
  const silences = () => [silenceWith({ id: "s1", by: "Bob", ends_ms: NOW_MS + 60_000 })];
  const read = readWith(held, { silences });
  const one = (index: number) => text("alert", read, { alert_id: `worker_overload:gpu-${index}` });
  expect(one(1)).toMatch(/State acknowledged by Ada at [^·]+ · silenced by Bob until 20/);
  expect(one(2)).toMatch(/State acknowledged by Ada at [^·]+ · held back: it follows from x/);
  const list = text("alert-list", read);
  expect(list).toMatch(/acknowledged by Ada · silenced by Bob until 20/);
  expect(list).toContain("acknowledged by Ada · follows from x");
});

describe("the page of an alert", () => {
  const read = readWith([worker(1)], {
    alertsOf: (id) => [endedAlert(id, NOW_MS, "W3")],
    rules: () => [ruleWith({})],
  });
  const ended = { alert_id: "worker_overload:W3" };

  test("tells what is wrong, since when, and by which rule", () => {
    const seen = text("alert", read, { alert_id: "worker_overload:gpu-1" });
    expect(seen).toContain("critical: Worker gpu-1 is overloaded 91 % CPU");
    expect(seen).toContain("A resource is in use beyond its threshold. overloaded == 1 for 3.0 s");
    expect(seen).toContain("worker_type=");
  });

  test.each([
    ["warning", "warning"],
    ["notice", "notice"],
    ["critical", "critical"],
  ] as const)("marks of a %s where it fired by that", (severity, tone) => {
    const fires = worker(1, { severity, steps: [{ at_ms: NOW_MS, what: "firing", by: "", note: "" }] });
    const one = readWith([fires], { alertsOf: () => [fires] });
    for (const id of ["alert-steps", "alert-firings"]) {
      const { html } = show(id, one, { alert_id: fires.id });
      const marks = [...html.matchAll(/class="mark ([a-z]+)"/g)].map(([, mark]) => mark);
      expect(marks).toEqual([SEVERITY_TONE[tone]]);
    }
  });

  test("tells of one that ended all that became of it", () => {
    const seen = text("alert-steps", read, ended);
    for (const step of [
      "Its condition began to hold",
      "It began to fire",
      "Acknowledged by W3 : W3",
      "W3 took the acknowledgement back",
      "Silenced",
      "Held back: it follows from worker_lost:W3",
      "Held back no more",
      "Resolved",
    ])
      expect(seen).toContain(step);
    expect(text("alert-firings", read, ended)).toContain("for 2 m 0 s");
    expect(text("alert-actions", read, ended)).toContain("It is over");
  });

  test("draws its metric from well before it fired until well after it ended, with both marked", () => {
    const { data, html } = show("alert-chart", read, ended);
    const fired_ms = NOW_MS - 600_000;
    const history = data as { from_ms: number; to_ms: number; marks: { kind: string; at_ms: number }[] };
    expect(history.from_ms).toBeLessThan(fired_ms - 890_000);
    expect(history.to_ms).toBeGreaterThan(NOW_MS - 10_000);
    expect(history.marks.map(({ kind }) => kind)).toEqual(["fired", "resolved"]);
    expect(html).toContain("workers=W3&amp;worker_metrics=cpu_utilization");
  });

  test("is found by which firing too, and an unknown one is not", () => {
    const fired = NOW_MS - 600_000;
    expect(show("alert", read, { ...ended, fired }).data).toMatchObject({ fired_ms: fired });
    expect(() => show("alert", read, { ...ended, fired: 7 })).toThrow(
      'No alert "worker_overload:W3" that began to fire at 7 is pending or fires',
    );
  });

  test("offers a silence of it and of nothing else, whatever its name is made of", () => {
    expect(matchersOf(worker(1))).toBe("rule=worker_overload, worker=gpu-1");
    for (const name of [...HOSTILE, " a,b\nc ", "x".repeat(400)]) {
      const labels = { rule: "r", worker: name };
      const matchers = matchersOf({ rule: "r", subject: { kind: "worker", id: name }, labels });
      const would = show("silence-new", readWith([worker(1, { rule: "r", labels }), worker(2)]), {
        matchers,
        duration: "1h",
        by: "Ada",
      });
      expect(would.data).toMatchObject({ problem: null, alerts: [{ id: "worker_overload:gpu-1" }] });
    }
  });
});

describe("receivers", () => {
  const told = (
    receivers: readonly Partial<Parameters<typeof receiverWith>[0]>[],
    more: Partial<Telling> = {},
  ) =>
    readWith([], {
      telling: () => ({ receivers: receivers.map(receiverWith), waiting: [], ended: [], ...more }),
    });

  test.each([
    [{}, "unsent", "nothing sent yet"],
    [{ delivered_ms: NOW_MS - 5000 }, "delivers", "delivers"],
    [{ failing_since_ms: NOW_MS - 5000, last_error: "answered 500", waiting: 1 }, "failing", "failing since"],
    [{ delivered_ms: NOW_MS - 5000, last_error: "answered 404" }, "refusing", "refused the last"],
  ])("%j is %s", (status, state, said) => {
    const { data, html } = show("receivers", told([status]));
    expect(data).toMatchObject({ receivers: [{ name: "pager", state }] });
    expect(words(html)).toContain(`pager webhook ${said}`);
    if ("last_error" in status) expect(words(html)).toContain(status.last_error);
  });

  test("say what waits for them and why, and what ended and how", () => {
    const read = told([{ waiting: 14 }, { name: "chat", last_error: "x" }], {
      waiting: Array.from({ length: 12 }, (_, index) =>
        messageWith({
          id: index + 1,
          created_ms: NOW_MS,
          attempts: 3,
          error: "answered 500",
          next_ms: NOW_MS,
        }),
      ),
      ended: [
        messageWith({ id: 90, outcome: "given_up", ended_ms: NOW_MS, attempts: 7, error: "nobody took it" }),
        messageWith({ id: 91, outcome: "delivered", ended_ms: NOW_MS, attempts: 1, what: "resolved" }),
      ],
    });
    const seen = text("receivers", read);
    expect(seen).toContain("Receivers 2 receivers · 1 in trouble");
    expect(seen).toMatch(
      /firing: Worker W3 is overloaded to pager since \S+ \S+ UTC · 3 attempts, next at \S+ UTC : answered 500/,
    );
    expect(seen).toContain("and 4 more");
    expect(seen).toMatch(/given up \S+ \S+ UTC after 7 attempts: nobody took it/);
    expect(seen).toMatch(/resolved: Worker W3 is overloaded to pager delivered \S+ \S+ UTC after 1 attempt /);
  });

  test("that pause hold all that waits for them back", () => {
    const read = told([{ waiting: 3, next_ms: NOW_MS + 30_000 }], {
      waiting: [NOW_MS - 5000, null, NOW_MS + 60_000].map((next_ms, id) => messageWith({ id, next_ms })),
    });
    const { waiting } = show("receivers", read).data as { waiting: { next_ms: number }[] };
    expect(waiting.map(({ next_ms }) => next_ms - NOW_MS)).toEqual([30_000, 30_000, 60_000]);
  });

  test("can each be tested, and say what came of it", () => {
    const test = { at_ms: NOW_MS, ok: true, detail: "took it in 35 ms: answered 204" };
    const { html } = show("receivers", told([{ name: "a/b" }, { test }]));
    expect(html).toContain('action="alerts/receivers/a%2Fb/test"');
    expect(words(html)).toContain("took it in 35 ms: answered 204");
  });

  test("of whom there are none are named in the file of alerts, which is said", () => {
    expect(text("receivers", told([]))).toMatch(/Nobody is told .*EVENKEEL_ALERTS/);
  });

  test("of the demo fleet are told nothing, which is said", () => {
    const read = { ...told([{}]), demo: true };
    expect(text("receivers", read)).toContain("Nobody is told of the demo fleet");
  });

  test("of the past are not kept", () => {
    const { data, html } = show("receivers", readWith([], { telling: () => null }));
    expect(data).toMatchObject({ receivers: null, waiting: [], ended: [] });
    expect(html).not.toContain("<form");
  });
});

describe("rules and silences", () => {
  test("what is wrong with the file of alerts stands above the rules that hold", () => {
    const { html } = show("alert-rules", readWith([worker(1)], { rules_error: "line 3: <b>\nline 4: x" }));
    expect(html).toMatch(/<div class="problem" role="alert">.*line 3: &lt;b&gt;.*line 4: x/s);
    expect(html).toContain('status=firing,acknowledged">1</a>');
    expect(html).toContain("Read the file of alerts again");
  });

  test("a rule counts what is shown as firing, and beside it what is held back or silenced", () => {
    const alerts = [
      worker(1),
      worker(2, { acknowledged: by }),
      worker(3, { silenced_by: "s1" }),
      worker(4, { inhibited_by: "x" }),
      worker(5, { state: "pending", fired_ms: null }),
    ];
    const { html, data } = show("alert-rules", readWith(alerts));
    expect(data).toMatchObject({
      rules: [
        { firing: 2, held: 2 },
        { firing: 0, held: 0 },
      ],
    });
    expect(html).toContain(
      '<a href="alerts?rule=worker_overload&amp;status=silenced,inhibited">+2 held back</a>',
    );
  });

  test("a silence says how many it holds and when it ends; one that is over can't be ended", () => {
    const matchers = [{ label: "worker", pattern: "gpu-*", not: false }] as const;
    const silences = () => [
      silenceWith({ id: "on", matchers, ends_ms: NOW_MS + 3_599_000 }),
      silenceWith({ id: "off", matchers, ends_ms: NOW_MS - 1 }),
    ];
    const { html } = show("silences", readWith(workers(3), { silences }));
    expect(words(html)).toContain("holds 3 alerts · ends in 1 h 0 m");
    expect(words(html)).toContain("1 in force");
    expect(html).toContain('action="silences/on/end"');
    expect(html).not.toContain('action="silences/off/end"');
  });

  test("an alert is found by the search", () => {
    const { data } = show("search", readWith([worker(1, { state: "firing" })]), { q: "is overloaded" });
    expect(data).toMatchObject({
      groups: [
        { kind: "alert", hits: [{ name: "Worker gpu-1 is overloaded", note: "critical\u00a0· firing" }] },
      ],
    });
  });
});

test("what is unusual is told with what is usual, beside what else fires", () => {
  const unusual = {
    scope: "worker" as const,
    entity: "<b>W3</b>",
    metric: "io_utilization",
    score: 8.2,
    value: 80,
    low: 18,
    high: 22,
    words: "80 %, usually 18 % to 22 %",
    since_ms: NOW_MS - 60_000,
  };
  const anomalies = () => [
    unusual,
    { ...unusual, scope: "system" as const, entity: "", metric: "queued_tasks", score: 4.5 },
  ];
  const firing = [
    worker(1),
    alertWith({ id: "anomaly:io_utilization:W3", rule: "anomaly", severity: "notice" }),
  ];
  const { html, data } = show("anomalies", readWith(firing, { anomalies }));
  expect(words(html)).toContain(
    "Disk I/O <b>W3</b> 80 %, usually 18 % to 22 % 8".replace("<b>W3</b>", "&lt;b&gt;W3&lt;/b&gt;"),
  );
  expect(words(html)).toContain("Queued tasks the fleet 80 %");
  expect(html).toContain(
    'href="history?workers=%3Cb%3EW3%3C%2Fb%3E&amp;worker_metrics=io_utilization&amp;duration=1h"',
  );
  const { anomalies: rows } = data as {
    anomalies: { type: string; metric: string | null; low: number | null }[];
  };
  expect(rows.map(({ type, metric, low }) => [type, metric, low])).toEqual([
    ["worker_overload", null, null],
    ["anomaly", "io_utilization", 18],
    ["anomaly", "queued_tasks", 18],
  ]);
  expect(text("anomalies", readWith([]))).toContain("Nothing is unusual");
});
