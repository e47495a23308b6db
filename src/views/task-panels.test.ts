import { describe, expect, test } from "vitest";
import type { Attempt, Task, Worker } from "../metrics/model.ts";
import type { Read } from "../metrics/read.ts";
import { runsByWorker } from "../metrics/runs.ts";
import type { Waiting } from "../metrics/scores.ts";
import { alertWith } from "./alert-fixture.ts";
import { drawn, fixtureRead, NOW_MS } from "./fixture.ts";
import { findPanel } from "./registry.ts";
import { taskOf } from "./task-fixture.ts";
import { waitingWords } from "./task-words.ts";

/** What a reader sees: the markup without its tags. */
const words = (html: string) => html.replace(/<[^>]*>/g, "\u0020").replace(/[\s\u00a0]+/g, " ");

function show(id: string, read: Read, given: Record<string, string> = {}) {
  const panel = findPanel(id)!;
  const { html, parts, data } = drawn(panel, panel.params.parse(given), read);
  return { html, parts, text: words(html), data: data as Record<string, unknown> };
}

function withTasks(tasks: readonly Task[], change: Partial<Read> = {}): Read {
  return {
    ...fixtureRead(),
    tasks: () => tasks,
    task: (id) => tasks.find((task) => task.id === id),
    ...change,
  };
}

const attempt = (change: Partial<Attempt>): Attempt => ({
  attempt: 1,
  status: "failed",
  worker_id: "W1",
  queued_at_ms: NOW_MS - 100_000,
  assigned_at_ms: NOW_MS - 90_000,
  started_at_ms: NOW_MS - 88_000,
  ended_at_ms: NOW_MS - 60_000,
  error: "out of memory",
  ...change,
});

describe("a task", () => {
  const running = taskOf({
    id: "t-1",
    status: "running",
    state: "running",
    worker_id: "W9",
    queued_at_ms: NOW_MS - 50_000,
    assigned_at_ms: NOW_MS - 42_000,
    started_at_ms: NOW_MS - 40_000,
    progress: 40,
    requirements: { backends: ["cuda"], gpu_memory_bytes: 24 * 2 ** 30 },
    metrics: new Map([["gpu_utilization", 71]]),
  });

  test("says what it is, who has it, how long it takes and what is usual", () => {
    const { text, html, data } = show("task", withTasks([running]), { task_id: "t-1" });
    expect(text).toContain("running since 19:41:26 UTC 40 % done");
    expect(text).toContain("Worker W9 Type text Model bert-large Model family bert Modality text Priority 4");
    expect(text).toContain("Requires backend cuda , 24.0 GiB of GPU memory");
    expect(text).toContain(
      "Queue time 10.0 s Processing time since 19:41:26 UTC longer than usual Usual for its model up to 34.0 s",
    );
    expect(text).toContain("GPU 71 %");
    for (const href of ["workers/W9", "task-types/text", "model-families/bert"])
      expect(html).toContain(`href="${href}"`);
    expect(data).toMatchObject({
      queue_time_s: 10,
      processing_time_s: 40,
      total_time_s: 50,
      usual_processing_s: 34,
    });
  });

  test("that ended stands still", () => {
    const ended = {
      ended_at_ms: NOW_MS - 10_000,
      status: "failed",
      state: "failed",
      error: "<b>no</b>",
    } as const;
    const read = withTasks([taskOf({ ...running, ...ended })]);
    const { text, html } = show("task", read, { task_id: "t-1" });
    expect(text).toContain("Processing time 30.0 s Usual");
    expect(text).toContain("Total time 40.0 s");
    expect(html).toContain('<pre class="message" tabindex="0">&lt;b&gt;no&lt;/b&gt;</pre>');
    const later = show("task", { ...read, now_ms: NOW_MS + 5000 }, { task_id: "t-1" });
    expect(later.html).toBe(html);
  });

  test.each(["task", "task-timeline", "task-matches"])(
    "that is not kept is not found by %s, in words",
    (id) => {
      expect(() => show(id, withTasks([]), { task_id: "gone" })).toThrow(
        'No task "gone" is kept: nobody reported it, or it ended longer ago than ended tasks are kept',
      );
    },
  );
});

describe("the time line", () => {
  const retried = taskOf(
    {
      id: "t-1",
      status: "running",
      state: "running",
      worker_id: "W2",
      queued_at_ms: NOW_MS - 60_000,
      started_at_ms: NOW_MS - 20_000,
    },
    [attempt({})],
  );

  test("has each attempt with its steps, where it ran and how it ended", () => {
    const { text, data, html } = show("task-timeline", withTasks([retried]), { task_id: "t-1" });
    expect(data["attempts"]).toMatchObject([
      {
        attempt: 1,
        status: "failed",
        steps: [
          { step: "queued", from_ms: NOW_MS - 100_000, to_ms: NOW_MS - 90_000 },
          { step: "assigned", from_ms: NOW_MS - 90_000, to_ms: NOW_MS - 88_000 },
          { step: "running", from_ms: NOW_MS - 88_000, to_ms: NOW_MS - 60_000 },
        ],
      },
      { attempt: 2, steps: [{ step: "queued" }, { step: "running", from_ms: NOW_MS - 20_000, to_ms: null }] },
    ]);
    expect(html).toContain(
      'aria-label="Attempt 1: waits 10.0\u00a0s, is assigned 2.0\u00a0s, runs 28.0\u00a0s, failed"',
    );
    expect(html).toContain('aria-label="Attempt 2: waits 40.0\u00a0s, runs still, running"');
    expect(text).toContain("19:41:06 UTC after 28.0 s failed out of memory");
    expect(text).toContain("since 19:41:46 UTC");
  });

  test("of an attempt whose end nobody told ends where the next begins", () => {
    const lost = attempt({ status: "running", ended_at_ms: null });
    const { data } = show(
      "task-timeline",
      withTasks([taskOf({ id: "t-1", queued_at_ms: NOW_MS - 30_000 }, [lost])]),
      {
        task_id: "t-1",
      },
    );
    const [first] = data["attempts"] as { steps: { to_ms: number }[]; ended_at_ms: number | null }[];
    expect([first!.steps.at(-1)!.to_ms, first!.ended_at_ms]).toEqual([NOW_MS - 30_000, null]);
  });

  test("of a task that runs is sent anew when a step closes, and not each second", () => {
    const changed = [0, 1, 2, 3, 4, 5].map((s) => {
      const at = (offset_s: number) =>
        show(
          "task-timeline",
          { ...withTasks([retried]), now_ms: NOW_MS + offset_s * 1000 },
          { task_id: "t-1" },
        ).html;
      return at(s) === at(s + 1);
    });
    expect(changed.filter((same) => !same)).toHaveLength(1);
  });

  test("of a task of which no instant is known says so", () => {
    expect(show("task-timeline", withTasks([taskOf({ id: "t-1" })]), { task_id: "t-1" }).text).toContain(
      "No instant of it was reported",
    );
  });
});

describe("who could run a task", () => {
  test("has the best matches, the requirements, and why it waits", () => {
    const { text, html } = show("task-matches", fixtureRead(), { task_id: "t-17" });
    expect(text).toContain("12 of 15 available workers could, as of now");
    expect(text).toContain(
      "Why it waits: All 12 workers that suit it have tasks, and 3 more urgent tasks go first .",
    );
    expect(text).toContain("backend cuda 3 of 15 lack it");
    expect(html.match(/<tr>/g)).toHaveLength(9);
    expect(text).toContain("and 4 more that could");
  });

  test("marks the worker that has it, and adds it where it is not among the best", () => {
    const read = fixtureRead();
    const matches = read.matches("t-17")!;
    const last = matches.best.at(-1)!;
    const { text, html } = show(
      "task-matches",
      { ...read, matches: () => ({ ...matches, assigned: last, assigned_rank: 12 }), waiting: () => null },
      { task_id: "t-17" },
    );
    expect(text).toContain(`12 ${last.worker_id} has it`);
    expect(html.match(/<tr class="has">/g)).toHaveLength(1);
    expect(text).toContain("and 3 more that could");
    expect(text).not.toContain("Why it waits");
  });
});

const waiting = (change: Partial<Waiting>): Waiting => ({
  reason: "busy",
  available: 15,
  suitable: 12,
  idle: 0,
  unmet: [],
  ahead: 0,
  ...change,
});

test.each([
  [waiting({ reason: "no_worker", available: 0 }), "No worker takes tasks now"],
  [
    waiting({
      reason: "lacking",
      suitable: 0,
      unmet: [
        { kind: "backend", wanted: "xla" },
        { kind: "tag", wanted: "a" },
      ],
    }),
    "No worker that takes tasks has backend xla or tag a",
  ],
  [waiting({ reason: "lacking", suitable: 0 }), "None of the 15 workers that take tasks has all it requires"],
  [waiting({}), "All 12 workers that suit it have tasks"],
  [
    waiting({ suitable: 1, ahead: 1 }),
    "The one worker that suits it has tasks, and 1 more urgent task goes first",
  ],
  [
    waiting({ reason: "behind", idle: 2, ahead: 14 }),
    "14 more urgent tasks go first; 2 workers that suit it are idle",
  ],
  [waiting({ reason: "next", idle: 1 }), "It goes next: 1 worker that suits it is idle"],
])("why a task waits is said in words: %#", (why, said) => {
  expect(waitingWords(why).replace(/\u00a0/g, " ")).toBe(said);
});

describe("waiting tasks", () => {
  const queued = (id: string, change: Partial<Task> = {}) =>
    taskOf({ id, queued_at_ms: NOW_MS - 60_000, priority: 2, ...change });

  test("are grouped by priority, type and model, those that nobody could run first", () => {
    const stuck = waiting({ reason: "lacking", suitable: 0, unmet: [{ kind: "tag", wanted: "rare" }] });
    const read = withTasks(
      [
        queued("a"),
        queued("b", { queued_at_ms: NOW_MS - 90_000 }),
        queued("c", { priority: 1, model_id: "vit-base", type: "vision" }),
        queued("d", { priority: 4, model_id: "rare-1" }),
        queued("e", { priority: 4, model_id: "rare-1" }),
        taskOf({ id: "runs", state: "running", status: "running" }),
      ],
      { waiting: ({ id }) => (id === "d" ? stuck : waiting({})) },
    );
    const { data, text, html } = show("waiting", read);
    expect(data).toMatchObject({
      waiting: 5,
      stuck: 1,
      groups: [
        { model_id: "rare-1", waiting: 2, why: { reason: "lacking" }, why_tasks: 1 },
        { model_id: "vit-base", waiting: 1, priority: 1 },
        { model_id: "bert-large", waiting: 2, oldest_id: "b", oldest_at_ms: NOW_MS - 90_000, why_tasks: 2 },
      ],
    });
    expect(text).toContain("5 tasks, 1 that no worker could run");
    expect(text).toContain("No worker that takes tasks has tag rare (1 of them)");
    expect(html).toContain('href="tasks/b"');
  });

  test("are none, and that is said; of the past no reason is known", () => {
    expect(show("waiting", withTasks([])).text).toContain("Nothing waits");
    expect(show("waiting", withTasks([queued("a")], { waiting: () => null })).text).toContain(
      "not known of the past",
    );
  });
});

describe("the task stream", () => {
  const worker = (id: string, type: string): Worker => ({ ...fixtureRead().workers()[5]!, id, type });

  test("has a lane a worker, worst first, forty at most, and says how many more there are", () => {
    const { data, text, html } = show("assignments", fixtureRead({ workers: 100 }));
    const workers = fixtureRead({ workers: 100 }).workers();
    const lanes = data["lanes"] as { worker_id: string }[];
    expect(lanes.map(({ worker_id }) => worker_id)).toEqual(workers.slice(0, 40).map(({ id }) => id));
    expect(text).toContain("40 of 100 workers");
    expect(text).toContain("and 60 more workers: filter to see them");
    expect(html.match(/<svg class="lane"/g)).toHaveLength(40);
  });

  test("groups lanes by worker type where that is asked for", () => {
    const workers = [worker("a", "gpu"), worker("b", "cpu"), worker("c", "gpu")];
    const { data, html } = show(
      "assignments",
      { ...fixtureRead(), workers: () => workers },
      { order: "worker_type" },
    );
    expect((data["lanes"] as { worker_id: string }[]).map(({ worker_id }) => worker_id)).toEqual([
      "a",
      "c",
      "b",
    ]);
    expect(html.match(/<h3>/g)).toHaveLength(2);
  });

  test("moves on in steps: what ended or started since the last is as it then was", () => {
    const to_ms = Math.floor((NOW_MS - 2000) / 10_000) * 10_000;
    const run = (id: string, started_at_ms: number, ended_at_ms: number) =>
      ({
        id,
        type: "text",
        model_family: null,
        model_id: null,
        worker_id: "a",
        attempt: 1,
        status: "failed",
        started_at_ms,
        ended_at_ms,
      }) as const;
    const runs = [
      run("before", to_ms - 900_000, to_ms - 300_001),
      run("over", to_ms - 60_000, to_ms),
      run("still", to_ms - 60_000, to_ms + 1),
      run("after", to_ms, to_ms + 500),
    ];
    const { data } = show("assignments", {
      ...fixtureRead(),
      workers: () => [worker("a", "gpu")],
      tasks: () => [],
      runs: () => runsByWorker(runs, 0),
    });
    expect([data["to_ms"], data["from_ms"]]).toEqual([to_ms, to_ms - 300_000]);
    const [{ tasks }] = data["lanes"] as [
      { tasks: { id: string; status: string; ended_at_ms: number | null }[] },
    ];
    expect(tasks.map(({ id, status, ended_at_ms }) => [id, status, ended_at_ms])).toEqual([
      ["over", "failed", to_ms],
      ["still", "running", null],
    ]);
  });

  test("sends only what is counted while no step closes", () => {
    const read = fixtureRead({ workers: 40 });
    const workers = read.workers();
    const at = (s: number) =>
      show("assignments", {
        ...read,
        now_ms: NOW_MS + s * 1000,
        workers: () => workers.map((one, index) => ({ ...one, running_tasks: (index + s) % 5 })),
      }).parts;
    const [before, after] = [at(0), at(1)];
    const changed = [...after].filter(([id, html]) => before.get(id) !== html).map(([id]) => id);
    expect(changed).toEqual(workers.map((_, slot) => `as-f-${slot}`));
  });

  test.each([0, 61, 2.5, "x"])("refuses %s minutes", (minutes) => {
    expect(findPanel("assignments")!.params.safeParse({ minutes }).success).toBe(false);
  });
});

test("an alert about a task leads to it", () => {
  const subject = { kind: "task", id: "t 1" } as const;
  const alert = alertWith({ id: "task_stalled:t 1", title: "Task t 1 has stalled", subject });
  const { html } = show("alerts", fixtureRead({ alerts: [alert] }));
  expect(html).toContain(
    '<b><a href="alerts/task_stalled%3At%201?fired=0"><bdi>Task t 1 has stalled</bdi></a></b>',
  );
  expect(html).toContain('<a class="about" href="tasks/t%201" title="t 1">task');
});
