import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { EvenkeelError } from "../../errors.ts";
import { ManualClock } from "../clock.ts";
import { TURN_MS } from "../turn.ts";
import { Collector, type CollectorLimits, type Held } from "./collector.ts";

const NOW_MS = Date.parse("2026-11-23T18:24:16Z");
const NOBODY: Held = { workers: 0, live_tasks: 0, hasWorker: () => false, hasTask: () => false };
const LIMITS: CollectorLimits = {
  max_workers: 100,
  max_live_tasks: 100,
  max_metric_names_per_source: 3,
  max_tags: 3,
  max_string_length: 64,
  max_reports_per_body: 10,
  max_buffered_reports: 20,
  grace_ms: 900_000,
};

function collector(limits: Partial<CollectorLimits> = {}, held = NOBODY) {
  return new Collector({ ...LIMITS, ...limits }, new ManualClock(NOW_MS), held);
}

const bytes = (text: string) => new TextEncoder().encode(text);
const json = (value: unknown) => bytes(JSON.stringify(value));
const ndjson = (...values: unknown[]) =>
  bytes(values.map((v) => (typeof v === "string" ? v : JSON.stringify(v))).join("\n"));

/** What a refused body answers. */
async function refusal(promise: Promise<unknown>): Promise<EvenkeelError> {
  const error = await promise.then(
    () => expect.unreachable("the body was taken"),
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(EvenkeelError);
  return error as EvenkeelError;
}

async function errorOf(report: unknown, limits: Partial<CollectorLimits> = {}) {
  const { details } = await refusal(collector(limits).accept(json(report), "json"));
  return (details.errors as { path: string; message: string }[])[0]!;
}

describe("a report that would become far more than it is", () => {
  // 8 for each of 100 workers and 100 tasks, and 50,000.
  const MOST = 51_600;

  it.each([
    ["deep in itself", "[".repeat(1e6), "64 lists and objects in each other"],
    ["of empty lists", `{"x":[${"[],".repeat(MOST)}[]]}`, "51600 lists and objects in it"],
    ["of empty objects", `{"tasks":[${"{},".repeat(MOST)}{}]}`, "51600 lists and objects in it"],
    ["of fields", `{${'"x": "xxxxxxxxxx",'.repeat(1000)}"y":1}`, "1000 fields in one object"],
  ])("is refused before anything is made of it: %s", async (_, text, bound) => {
    const c = collector();
    const { details, status } = await refusal(c.accept(bytes(text), "json"));
    const message = expect.stringContaining(`must have at most ${bound}`);
    expect([status, details.errors]).toEqual([422, [{ line: 1, path: "", message }]]);
    expect(c.limits_reached).toEqual({ max_parts: 1 });
  });

  it("may be as large as its limits", async () => {
    for (const text of [
      `{"x":${"[".repeat(63)}${"]".repeat(63)}}`,
      `{"x":[${"[],".repeat(MOST - 3)}[]]}`,
      `{${'"x": "xxxxxxxxxx",'.repeat(999)}"y":1}`,
      `{${'"x":1,'.repeat(2000)}"y":1}`,
    ])
      expect(await collector().accept(bytes(text), "json")).toMatchObject({ accepted: 1 });
  });

  it("costs nothing by its empty lines, which count all the same", async () => {
    const body = bytes(`${"\n".repeat(100_000)}{}\r\n\r\n{"at":"x"}`);
    expect(await collector().accept(body, "ndjson")).toMatchObject({
      accepted: 1,
      errors: [{ line: 100_003 }],
    });
  });
});

describe("a report that breaks a rule is refused by field, rule and value", () => {
  it.each([
    [
      { workers: [{ id: "w", metrics: { cpu_utilization: "85%" } }] },
      "workers[0].metrics.cpu_utilization",
      'must be a number from 0 to 100; got "85%"',
    ],
    [
      { workers: [{ id: "w", metrics: { cpu_utilization: 100.1 } }] },
      "workers[0].metrics.cpu_utilization",
      "must be a number from 0 to 100; got 100.1",
    ],
    [
      { workers: [{ id: "w", metrics: { memory_bytes: -1 } }] },
      "workers[0].metrics.memory_bytes",
      "must be a number, 0 or more; got -1",
    ],
    [
      { workers: [{ id: "w", metrics: { "CPU %": 1 } }] },
      "workers[0].metrics.CPU %",
      'a metric\'s name must match ^[a-z][a-z0-9_]{0,63}$; got "CPU %"',
    ],
    [{ workers: [{}] }, "workers[0].id", "must be 1 to 256 printable characters; got nothing"],
    [{ workers: [{ id: "" }] }, "workers[0].id", 'must be 1 to 256 printable characters; got ""'],
    [{ workers: [{ id: "a\nb" }] }, "workers[0].id", 'must be 1 to 256 printable characters; got "a\\nb"'],
    [
      { workers: [{ id: "w", status: "busy" }] },
      "workers[0].status",
      'must be one of active, draining, offline; got "busy"',
    ],
    [
      { tasks: [{ id: "t", status: "orphaned" }] },
      "tasks[0].status",
      'must be one of queued, assigned, running, completed, failed, cancelled; got "orphaned"',
    ],
    [
      { tasks: [{ id: "t", priority: 1.5 }] },
      "tasks[0].priority",
      "must be a whole number from 1 to 1000000; got 1.5",
    ],
    [
      { tasks: [{ id: "t", attempt: 0 }] },
      "tasks[0].attempt",
      "must be a whole number from 1 to 1000000; got 0",
    ],
    [
      { tasks: [{ id: "t", started_at: "yesterday" }] },
      "tasks[0].started_at",
      'must be Unix milliseconds or an RFC 3339 time with an offset; got "yesterday"',
    ],
    [
      { at: "2026-11-23T18:24:16" },
      "at",
      'must be Unix milliseconds or an RFC 3339 time with an offset; got "2026-11-23T18:24:16"',
    ],
    [{ interval_s: 0 }, "interval_s", "must be a number of seconds above 0, at most 86400; got 0"],
    [{ workers: "many" }, "workers", 'must be a list; got "many"'],
    [[1], "", "must be a report: a JSON object; got [1]"],
    [null, "", "must be a report: a JSON object; got null"],
  ])("%j", async (report, path, message) => {
    expect(await errorOf(report)).toEqual({ line: 1, path, message });
  });

  it("names the limit, its value and what came", async () => {
    const tags = ["a", "b", "c", "d"];
    const { message } = await errorOf({ workers: [{ id: "w", tags }] });
    expect(message).toBe("must have at most 3 entries (max_tags); got 4");
    const long = await errorOf({ workers: [{ id: "w", type: "x".repeat(65) }] });
    expect(long.message).toContain("must be at most 64 printable characters (max_string_length), or null");
  });
});

describe("the edges of the rules", () => {
  it("takes 256 characters of any script as an id and refuses 257", async () => {
    const id = "🚢".repeat(256);
    expect((await collector().accept(json({ workers: [{ id }] }), "json")).accepted).toBe(1);
    expect((await errorOf({ workers: [{ id: `${id}🚢` }] })).path).toBe("workers[0].id");
  });

  it("takes a report of the edge of the grace period and of ten minutes ahead, and none beyond", async () => {
    for (const at of [NOW_MS - 900_000, NOW_MS + 600_000]) {
      expect((await collector().accept(json({ at }), "json")).accepted).toBe(1);
    }
    for (const at of [NOW_MS - 900_001, NOW_MS + 600_001]) expect((await errorOf({ at })).path).toBe("at");
  });

  it("takes an empty label for none, and refuses an empty tag", async () => {
    const c = collector();
    await c.accept(json({ tasks: [{ id: "t", model_id: "" }] }), "json");
    expect([...c.drain()][0]?.tasks[0]?.model_id).toBeNull();
    expect((await errorOf({ workers: [{ id: "w", tags: [""] }] })).path).toBe("workers[0].tags[0]");
  });

  it("replaces control characters in an error's text, and keeps its lines", async () => {
    const c = collector();
    await c.accept(json({ tasks: [{ id: "t", error: "a\u0001b\n\tc" }] }), "json");
    expect([...c.drain()][0]?.tasks[0]?.transitions[0]?.error).toBe("a\uFFFDb\n\tc");
  });

  it("ignores and counts unknown fields and metrics that are derived here", async () => {
    const c = collector();
    await c.accept(
      json({ colour: 1, workers: [{ id: "w", rack: 2, metrics: { health: 3, fan_speed: 4 } }] }),
      "json",
    );
    expect(c.counts.unknown_fields).toBe(3);
    expect([...c.counts.unknown_names]).toEqual(["colour", "workers[].rack", "workers[].metrics.health"]);
    expect([...c.drain()][0]?.workers[0]?.metrics).toEqual({ fan_speed: 4 });
  });

  it("bounds the metric names that a source makes up", async () => {
    const c = collector();
    const report = (name: string) => json({ workers: [{ id: "w", metrics: { [name]: 1 } }] });
    for (const name of ["a", "b", "c", "a"]) await c.accept(report(name), "json");
    const error = await refusal(c.accept(report("d"), "json"));
    expect(error.message).toContain("max_metric_names_per_source");
    expect(c.limits_reached).toEqual({ max_metric_names_per_source: 1 });
  });

  it("refuses a report that would take the fleet over its workers, whole", async () => {
    const c = collector({ max_workers: 2 }, { ...NOBODY, workers: 1, hasWorker: (id) => id === "known" });
    await c.accept(json({ workers: [{ id: "known" }, { id: "new" }] }), "json");
    const error = await refusal(c.accept(json({ workers: [{ id: "newer" }], tasks: [{ id: "t" }] }), "json"));
    expect(error.message).toContain("at most 2 workers known (max_workers); got 3");
    expect([...c.drain()]).toHaveLength(1);
  });
});

describe("a body", () => {
  it("of many lines takes the good ones and names the bad ones", async () => {
    const body = ndjson(
      { workers: [{ id: "a" }] },
      "",
      "{oops",
      { workers: [{ id: 7 }] },
      { tasks: [{ id: "t" }] },
    );
    const answer = await collector().accept(body, "ndjson");
    expect(answer).toMatchObject({ accepted: 2, rejected: 2 });
    expect(answer.errors.map(({ line, path }) => [line, path])).toEqual([
      [3, ""],
      [4, "workers[0].id"],
    ]);
  });

  it("that is not JSON is invalid, that is empty too, and one with only bad reports is unprocessable", async () => {
    expect((await refusal(collector().accept(bytes("{"), "json"))).status).toBe(400);
    expect((await refusal(collector().accept(bytes(" \n"), "ndjson"))).status).toBe(400);
    expect((await refusal(collector().accept(new Uint8Array([0xff, 0xfe]), "json"))).status).toBe(400);
    expect((await refusal(collector().accept(ndjson("{", { at: "x" }), "ndjson"))).status).toBe(422);
  });

  it("with too many reports is refused by name", async () => {
    const error = await refusal(collector().accept(ndjson(...Array(11).fill({})), "ndjson"));
    expect([error.status, error.message]).toEqual([
      413,
      "a body may hold at most 10 reports (max_reports_per_body); got 11",
    ]);
    const many = await refusal(collector().accept(ndjson(...Array(1e5).fill({})), "ndjson"));
    expect(many.message).toContain("got more than 100");
  });

  it("that the buffer has no room for is not taken at all, and is taken after the next drain", async () => {
    const c = collector();
    const ten = ndjson(...Array(10).fill({}));
    await c.accept(ten, "ndjson");
    await c.accept(ten, "ndjson");
    const error = await refusal(c.accept(json({}), "json"));
    expect([error.status, error.retry_after_s]).toEqual([429, 1]);
    expect([...c.drain()]).toHaveLength(20);
    expect((await c.accept(json({}), "json")).accepted).toBe(1);
  });

  it("keeps its reports together when bodies arrive at once", async () => {
    const c = collector({ max_workers: 10_000, max_buffered_reports: 100 });
    const body = (source: string) =>
      ndjson(
        ...[1, 2, 3].map(() => ({
          source,
          workers: Array.from({ length: 700 }, (_, i) => ({ id: `w${i}` })),
        })),
      );
    await Promise.all(["a", "b", "c"].map((s) => c.accept(body(s), "ndjson")));
    const order = [...c.drain()].map((r) => r.source).join("");
    expect(order).toMatch(/^(aaa|bbb|ccc){3}$/);
  });

  it("hands out the rest the next time where somebody stopped, and keeps room for it until then", async () => {
    const c = collector({ max_buffered_reports: 3, max_workers: 3 });
    for (const id of ["a", "b", "c"]) await c.accept(json({ workers: [{ id }] }), "json");
    for (const { workers } of c.drain()) if (workers[0]!.id === "b") break;
    expect(c.buffered).toBe(1);
    // Whoever was handed out is the fleet's to count.
    await c.accept(json({ workers: [{ id: "d" }, { id: "e" }] }), "json");
    await c.accept(json({ workers: [{ id: "c" }] }), "json");
    await expect(c.accept(json({ workers: [{ id: "f" }] }), "json")).rejects.toMatchObject({
      kind: "too_many",
    });
    expect([...c.drain()].map(({ workers }) => workers.map(({ id }) => id).join(""))).toEqual([
      "c",
      "de",
      "c",
    ]);
    expect([...c.drain()]).toEqual([]);
  });
});

it("a listener is told of what was taken, as it came and as it is applied", async () => {
  const c = collector();
  const good = { source: "a", workers: [{ id: "w", unheard_of: 1 }] };
  await c.accept(json(good), "json");
  const heard: unknown[] = [];
  c.onTaken = (taken) => void heard.push(...taken);
  await c.accept(ndjson(good, { workers: 1 }, "{"), "ndjson");
  await refusal(c.accept(json({ workers: 1 }), "json"));
  expect(heard).toEqual([{ raw: good, report: [...c.drain()].at(-1) }]);
});

describe("a long report", () => {
  const limits = { max_workers: 1000, max_live_tasks: 1000 };
  const named = (count: number, prefix: string): { id: unknown }[] =>
    Array.from({ length: count }, (_, index) => ({ id: `${prefix}-${index}` }));

  it("is taken whole, and other work gets its turn while it is checked", async () => {
    const c = collector({ max_workers: 3000, max_live_tasks: 3000 });
    // However fast the machine is: each slice takes longer than a turn.
    let elapsed_ms = performance.now();
    const now = vi.spyOn(performance, "now").mockImplementation(() => {
      elapsed_ms += TURN_MS + 1;
      return elapsed_ms;
    });
    onTestFinished(() => now.mockRestore());
    let turns = 0;
    let other: NodeJS.Immediate;
    const take = () => {
      turns++;
      other = setImmediate(take);
    };
    other = setImmediate(take);
    await c.accept(json({ at: NOW_MS, workers: named(2500, "w"), tasks: named(2500, "t") }), "json");
    clearImmediate(other);
    const [report] = [...c.drain()];
    expect(report!.at_ms).toBe(NOW_MS);
    expect(report!.workers.map(({ id }) => id)).toEqual(named(2500, "w").map(({ id }) => id));
    expect(report!.tasks.map(({ id }) => id)).toEqual(named(2500, "t").map(({ id }) => id));
    expect(turns).toBeGreaterThan(20);
  });

  it("is refused with all that is wrong, where it is and in the order of a short one", async () => {
    const workers = named(450, "w");
    const tasks = named(450, "t");
    workers[430] = { id: 7 };
    tasks[2] = { id: "" };
    tasks[449] = { id: null };
    const report = { interval_s: -1, workers, tasks, system: { metrics: { Bad: 1 } } };
    const { details } = await refusal(collector(limits).accept(json(report), "json"));
    expect((details.errors as { path: string }[]).map(({ path }) => path)).toEqual([
      "interval_s",
      "workers[430].id",
      "tasks[2].id",
      "tasks[449].id",
      "system.metrics.Bad",
    ]);
  });

  it("with a list that is no list, or too long a one, is refused like a short one", async () => {
    const tasks = named(450, "t");
    expect((await errorOf({ workers: 7, tasks }, limits)).path).toBe("workers");
    expect((await errorOf({ tasks }, { max_live_tasks: 449 })).message).toContain("at most 449 entries");
  });
});

describe("entries of one report for the same id", () => {
  it("become one, the later entry's fields standing", async () => {
    const c = collector();
    await c.accept(
      json({
        workers: [
          { id: "w", type: "gpu", metrics: { cpu_utilization: 1, memory_utilization: 2 } },
          { id: "w", metrics: { cpu_utilization: 3 } },
        ],
        tasks: [
          { id: "t", status: "queued" },
          { id: "t", status: "running", worker_id: "w" },
        ],
      }),
      "json",
    );
    const [report] = [...c.drain()];
    expect(report?.workers).toHaveLength(1);
    expect(report?.workers[0]).toMatchObject({
      type: "gpu",
      metrics: { cpu_utilization: 3, memory_utilization: 2 },
    });
    expect(report?.tasks[0]?.transitions.map((t) => [t.status, t.worker_id])).toEqual([
      ["queued", "w"],
      ["running", "w"],
    ]);
  });
});

describe("reports that are objects already", () => {
  it("keep the same rules and limits", async () => {
    const c = collector();
    const wrong = { workers: [{ id: "w", metrics: { cpu_utilization: 101 } }] };
    const answer = await c.take([{ workers: [{ id: "w" }] }, wrong]);
    expect(answer).toEqual({
      accepted: 1,
      rejected: 1,
      errors: [
        {
          line: 2,
          path: "workers[0].metrics.cpu_utilization",
          message: "must be a number from 0 to 100; got 101",
        },
      ],
    });
    expect(c.counts).toMatchObject({ accepted: 1, rejected: 1 });
    const full = await refusal(c.take(Array.from({ length: 20 }, () => ({}))));
    expect(full).toMatchObject({ kind: "too_many" });
  });

  it("have texts and tags mended that are over their limits or can't be printed, but for ids", async () => {
    const c = collector();
    const tags = ["a", "b", "c", "d"];
    const long = "x".repeat(100);
    await c.take([
      { workers: [{ id: "w", type: long, tags }], tasks: [{ id: "t", error: `${"y".repeat(62)}😀` }] },
    ]);
    expect([...c.drain()][0]).toMatchObject({
      workers: [{ type: `${"x".repeat(63)}…`, tags: ["a", "b", "c"] }],
      tasks: [{ transitions: [{ error: `${"y".repeat(62)}😀` }] }],
    });
    await c.take([{ tasks: [{ id: "t", error: `${"y".repeat(62)}😀!` }] }]);
    expect([...c.drain()][0]!.tasks[0]!.transitions[0]!.error).toBe(`${"y".repeat(62)}…`);
    await c.take([{ workers: [{ id: "w", hostname: "a\nb\u2028\ud800c", tags: ["", "x\ty"] }] }]);
    expect([...c.drain()][0]!.workers[0]).toMatchObject({
      hostname: "a\ufffdb\ufffd\ufffdc",
      tags: ["x\ufffdy"],
    });
    await c.take([{ tasks: [{ id: "t", error: "line\n\tline\u0007" }] }]);
    expect([...c.drain()][0]!.tasks[0]!.transitions[0]!.error).toBe("line\n\tline\ufffd");
    expect(await c.take([{ workers: [{ id: "i".repeat(257) }] }])).toMatchObject({
      accepted: 0,
      rejected: 1,
    });
  });
});

describe("whatever JSON comes", () => {
  it("a report is taken whole or not at all, and nothing else is thrown than a clear error", async () => {
    const wild = fc.jsonValue({ maxDepth: 4 });
    const nearly = fc.record(
      {
        at: fc.oneof(fc.constant(NOW_MS), wild),
        source: fc.oneof(fc.string(), wild),
        workers: fc.array(
          fc.record({
            id: fc.oneof(fc.string(), wild),
            metrics: wild,
            gpus: wild,
            tags: wild,
            capabilities: wild,
          }),
        ),
        tasks: fc.array(
          fc.record({
            id: fc.oneof(fc.string(), wild),
            status: fc.oneof(fc.constant("running"), wild),
            ended_at: wild,
            metrics: wild,
            requirements: wild,
          }),
        ),
        system: wild,
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(wild, nearly), { minLength: 1, maxLength: 5 }), async (values) => {
        const c = collector();
        try {
          const { accepted, rejected } = await c.accept(
            bytes(values.map((v) => JSON.stringify(v)).join("\n")),
            "ndjson",
          );
          expect(accepted + rejected).toBe(values.length);
          expect([...c.drain()]).toHaveLength(accepted);
        } catch (error) {
          expect(error).toBeInstanceOf(EvenkeelError);
          expect([...c.drain()]).toHaveLength(0);
        }
        expect(c.buffered).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});

describe("the last report that was refused", () => {
  it("is kept with its source, its field and what is wrong, for whoever can mend it", async () => {
    const c = collector();
    const bad = { source: "balancer-2", workers: [{ id: "W1" }, { id: "" }] };
    await c.accept(ndjson({ source: "balancer-1" }, bad), "ndjson");
    expect(c.last_rejection).toEqual({
      at_ms: NOW_MS,
      source: "balancer-2",
      path: "workers[1].id",
      message: 'must be 1 to 256 printable characters; got ""',
    });
    await c.accept(json({ source: "balancer-1" }), "json");
    expect(c.last_rejection).not.toBeNull();
    c.resetCounts();
    expect(c.last_rejection).toBeNull();
  });

  it.each([
    ["}", null, ""],
    [JSON.stringify({ source: 7 }), null, "source"],
    [JSON.stringify({ source: "s".repeat(9_999), at: "x" }), "s".repeat(256), "at"],
    [
      JSON.stringify({ system: { metrics: { ["m".repeat(9_999)]: 1 } } }),
      null,
      `system.metrics.${"m".repeat(241)}`,
    ],
  ])("is told in bounds of %j", async (text, source, path) => {
    const c = collector();
    await refusal(c.accept(bytes(text), "json"));
    expect(c.last_rejection).toMatchObject({ source, path });
    expect(c.last_rejection!.message.length).toBeLessThanOrEqual(256);
  });
});

it("takes of a body the reports of the sources that it may come from, and names those that it may", async () => {
  const one = collector();
  const reports = ndjson(
    { source: "a", workers: [{ id: "w" }] },
    { source: "b" },
    { workers: [{ id: "v" }] },
  );
  const { accepted, rejected, errors } = await one.accept(reports, "ndjson", ["a", "c"]);
  expect([accepted, rejected]).toEqual([1, 2]);
  expect(errors[0]).toEqual({
    line: 2,
    path: "source",
    message: 'must be one that this token may report as: "a", "c"; got "b"',
  });
  expect(errors[1]).toMatchObject({ line: 3, path: "source" });
  expect([...one.drain()].map(({ source }) => source)).toEqual(["a"]);
});
