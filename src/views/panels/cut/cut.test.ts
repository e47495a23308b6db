import { describe, expect, test } from "vitest";
import type { ModelEnds } from "../../../metrics/models.ts";
import type { Read } from "../../../metrics/read.ts";
import { drawn, fixtureRead, NOW_MS } from "../../fixture.ts";
import type { Panel } from "../../panel.ts";
import { cutPanels } from "./all.ts";

/** What a reader sees: the markup without its tags. */
const words = (html: string) => html.replace(/<[^>]*>/g, "\u0020").replace(/[\s\u00a0]+/g, " ");
const panelOf = (name: string): Panel => cutPanels("task_type").find(({ id }) => id === `task-type-${name}`)!;
const load = (name: string, read: Read) =>
  panelOf(name).load(read, { task_type: "vision" }) as Record<string, unknown>;
const text = (name: string, read: Read) => words(drawn(panelOf(name), { task_type: "vision" }, read).html);

const VIT = { task_type: "vision", model_family: "vit", model_id: "vit-base", worker_type: "gpu" };
const ends = (given: Partial<ModelEnds> = {}): ModelEnds => ({
  ...VIT,
  completed: 10,
  failed: 0,
  times_s: [4],
  ...given,
});

/** A fleet where only that ended, counted for so long. */
function whereEnded(own: readonly ModelEnds[], minutes = 60, given: Partial<Read> = {}): Read {
  const endedByModel = () => ({ from_ms: NOW_MS - minutes * 60_000, ends: own });
  const read: Read = { ...fixtureRead(), endedByModel, tasks: () => [], ...given };
  return { ...read, filtered: (filters) => ({ ...read, filters }) };
}

/** A moment of the past: what ended is not counted by model. */
const past = () => whereEnded([], 60, { endedByModel: () => null });

describe("a part of the fleet", () => {
  test("that nothing is known of and nothing is kept of is not found, whatever its name", () => {
    const nothing = (read: Read): Read => ({
      ...read,
      cut: () => undefined,
      range: ({ step_ms, series }) => ({
        step_ms,
        tier_s: 1,
        at_ms: [],
        columns: series.map(() => ({ mean: [null], min: [null], max: [null], count: [0] })),
      }),
    });
    expect(() => load("overview", nothing(whereEnded([])))).toThrow(
      'No task of the task type "vision" is known, and nothing is kept of it',
    );
    const { self } = fixtureRead();
    const new_store = { cut: () => undefined, self: { ...self, store_oldest_ms: null } };
    expect(() => load("overview", whereEnded([], 60, new_store))).toThrow("nothing is kept of it");
  });

  test("that has no task now has its page while history has it", () => {
    expect(load("overview", whereEnded([], 60, { cut: () => undefined })).name).toBe("vision");
  });

  test("shares one look at the fleet among its panels", () => {
    let looks = 0;
    const read = fixtureRead();
    const counting: Read = {
      ...read,
      filtered: (filters) => {
        looks += 1;
        return read.filtered(filters);
      },
    };
    for (const panel of cutPanels("task_type")) panel.load(counting, { task_type: "vision" });
    expect(looks).toBe(1);
  });
});

describe("the key figures of a part", () => {
  test("say their window and what they are a part of", () => {
    expect(text("overview", fixtureRead())).toContain("Active 31 27 running 4 assigned");
    expect(text("overview", fixtureRead())).toContain("Completed 1204 last hour");
    expect(text("overview", fixtureRead())).toContain(
      "Throughput 182 /min completed, last 60 s of 182 /min in the fleet",
    );
  });

  test("are dashes where nothing was measured", () => {
    expect(text("overview", whereEnded([], 60, { system: new Map() }))).toContain(
      "Success ratio – not known",
    );
  });
});

describe("distribution", () => {
  const six = ["a", "b", "c", "d", "e", "f", "g"].map((model_id, index) =>
    ends({ model_id, model_family: `fam-${index % 2}`, completed: 2 ** (8 - index) }),
  );

  test("leads by name to each family, most tasks first", () => {
    const { html } = drawn(panelOf("distribution"), { task_type: "vision" }, whereEnded(six));
    const links = [...html.matchAll(/<a href="(model-families[^"]*)"/g)].map(([, href]) => href);
    expect(links).toEqual(["model-families/fam-0", "model-families/fam-1"]);
  });

  test("sums up what is beyond the first five models", () => {
    expect(load("distribution", whereEnded(six))).toMatchObject({ models: { length: 7 } });
    expect(text("distribution", whereEnded(six))).toMatch(/e 3\.1 % +16 Other \(2\) 2\.4 % +12/);
    expect(text("distribution", whereEnded(six.slice(0, 6)))).not.toContain("Other");
  });

  test("counts tasks that wait or run too, and says so", () => {
    const task = { ...[...fixtureRead().tasks()][0]!, model_family: "vit", model_id: "vit-base" };
    const ended_task = { ...task, state: "completed" as const };
    const read = whereEnded([ends({ completed: 2, failed: 1 })], 60, { tasks: () => [task, ended_task] });
    expect(load("distribution", read)).toMatchObject({
      groups: [{ name: "vit", live: 1, completed: 2, failed: 1, share: 1 }],
      models: [{ model_id: "vit-base", live: 1, completed: 2, failed: 1, share: 1 }],
    });
  });

  test("of a family tells task types apart", () => {
    const panel = cutPanels("model_family").find(({ id }) => id === "model-family-distribution")!;
    const { html } = drawn(panel, { model_family: "vit" }, whereEnded([ends()]));
    expect(html).toContain('<a href="task-types/vision">');
    expect(words(html)).toContain("By task type");
  });

  test("of a type with nothing says so", () => {
    expect(text("distribution", whereEnded([]))).toContain("No task waits, runs or ended in the last hour");
  });
});

describe("completion rate", () => {
  test("marks what is low once twenty ended, and puts it first", () => {
    const read = whereEnded([
      ends({ model_id: "fine", completed: 90, failed: 10 }),
      ends({ model_id: "few", completed: 10, failed: 9 }),
      ends({ model_id: "low", completed: 17, failed: 3 }),
    ]);
    expect(load("completion", read).models).toMatchObject([
      { model_id: "low", success_ratio: 0.85, low: true },
      { model_id: "fine", success_ratio: 0.9, low: false },
      { model_id: "few", low: false },
    ]);
    expect(text("completion", read)).toMatch(/low: low 85\.0 % +of 20/);
  });

  test("is a dash where what ended is not counted", () => {
    const task = [...fixtureRead().tasks()][0]!;
    const then = text("completion", whereEnded([], 60, { endedByModel: () => null, tasks: () => [task] }));
    expect(then).toMatch(/bert-large – +of –/);
    expect(then).toContain("not counted by model in the past");
  });
});

describe("throughput comparison", () => {
  test("is a minute's mean over what is counted, however short", () => {
    const rate = (minutes: number) =>
      (
        load("throughput", whereEnded([ends({ completed: 30 })], minutes)).models as { per_minute: number }[]
      )[0]!.per_minute;
    expect([rate(60), rate(10), rate(0.1)]).toEqual([0.5, 3, 30]);
    expect(text("throughput", whereEnded([ends()], 10))).toContain("last 10 min, since counting began");
    expect(text("throughput", whereEnded([ends()], 59.5))).toContain("Throughput comparison last hour");
  });
});

describe("which models are slow where", () => {
  const gpu = ends({ completed: 95, times_s: [4, 4, 4] });
  const cpu = ends({ worker_type: "cpu", completed: 5, times_s: [6] });

  test("compares with the model's own median, each time weighed by the tasks that it stands for", () => {
    expect(load("speed", whereEnded([gpu, cpu])).models).toMatchObject([
      {
        median_s: 4,
        completed: 100,
        on: [
          { worker_type: "gpu", median_s: 4, ratio: 1, slow: false },
          { worker_type: "cpu", median_s: 6, ratio: 1.5, slow: true },
        ],
      },
    ]);
    expect(text("speed", whereEnded([gpu, cpu]))).toMatch(/slow: 6\.0 s +5 · 1\.5 ×/);
  });

  test("marks nothing that is a little faster, or of too few tasks", () => {
    const slow = (own: ModelEnds) =>
      (load("speed", whereEnded([gpu, own])).models as { on: { slow: boolean }[] }[])[0]!.on[1]!.slow;
    expect(slow({ ...cpu, times_s: [5.99] })).toBe(false);
    expect(slow({ ...cpu, completed: 4 })).toBe(false);
  });

  test("has a dash where a model was not run, and no comparison where it ran on one type alone", () => {
    const other = ends({ model_id: "detr", worker_type: "tpu" });
    expect(text("speed", whereEnded([gpu, other]))).toMatch(
      /vit-base 4\.0 s 95 tasks 4\.0 s +95 – none completed here/,
    );
  });

  test("of nothing says so", () => {
    expect(text("speed", whereEnded([]))).toContain("No task was completed in the last hour");
    expect(text("speed", past())).toContain("How long tasks of a model took is not known of the past");
  });
});

describe("worker assignment", () => {
  test("tells by type who has some now and who had, each a link", () => {
    const read = whereEnded([ends({ worker_type: "tpu", completed: 7 })]);
    const { html, data } = drawn(panelOf("assignment"), { task_type: "vision" }, read);
    const rows = data.worker_types as { worker_type: string; active: number; completed: number }[];
    expect(rows.map(({ worker_type }) => worker_type)).toEqual(["tpu", "cpu", "gpu"]);
    expect(rows[0]).toMatchObject({ active: 0, completed: 7 });
    expect(html).toContain('<a href="workers?worker_type=gpu">');
    expect(html).toMatch(/<a href="workers\/W\d+">/);
  });

  test("keeps its places while workers come to have tasks and lose them", () => {
    const idle = whereEnded([ends()], 60, { workers: () => [] });
    const skeleton = (read: Read) => drawn(panelOf("assignment"), { task_type: "vision" }, read).skeleton;
    const one = whereEnded([ends()], 60, { workers: () => fixtureRead().workers().slice(0, 1) });
    expect(skeleton(one).match(/ct-w-/g)).toEqual(skeleton(idle).match(/ct-w-/g));
    expect(text("assignment", idle)).toContain("none has any at this moment");
  });
});

describe("scheduling efficiency", () => {
  const judged = (efficiency: number, optimal: number) =>
    text(
      "scheduling",
      whereEnded([], 60, {
        system: new Map([
          ["assignment_efficiency", efficiency],
          ["optimal_match_ratio", optimal],
        ]),
      }),
    );

  test("says in words what the figures mean", () => {
    expect(judged(0.91, 0.85)).toContain("Optimal worker match 85.0 %");
    expect(judged(0.91, 0.85)).toContain(
      "85 of 100 tasks went to a worker that suited them as well as any there was; on average the chosen worker suited a task 9 % less",
    );
    expect(judged(1, 1)).toContain("hardly anything could be gained");
  });

  test("is dashes where no assignment was judged", () => {
    const none = text("scheduling", whereEnded([], 60, { oldestQueued: () => undefined }));
    expect(none).toContain("Assignment efficiency – not known");
    expect(none).toContain("No assignment of the last hour could be judged");
    expect(none).toContain("nothing waits");
  });
});

describe("trends", () => {
  test("lead to the same minutes in history, the name encoded", () => {
    const { html } = drawn(panelOf("trends"), { task_type: "a&b/c" }, fixtureRead());
    expect(html).toContain(
      'href="history?task_type=a%26b%2Fc&amp;metrics=queued_tasks,running_tasks&amp;duration=15m"',
    );
  });

  test("change only when a step closes", () => {
    const plots = (tick: number) =>
      [...drawn(panelOf("trends"), { task_type: "vision" }, fixtureRead({ tick })).parts]
        .filter(([id]) => !id.endsWith("-now"))
        .map(([, html]) => html);
    expect(plots(2)).toEqual(plots(1));
    expect(plots(6)).not.toEqual(plots(1));
  });
});
