import assert from "node:assert/strict";
import type { Scope } from "../catalogue.ts";
import type { OutboxAttempt } from "../outbox.ts";
import type { RangeAnswer, SeriesName } from "../range.ts";
import {
  type EndedTasksQuery,
  GONE,
  type MetricStore,
  type Samples,
  type TaskRecord,
  type TickBatch,
} from "./contract.ts";

/** An engine over data of its own: every `open` finds what earlier ones wrote and closed. */
export interface Engine {
  open(options?: {
    retention_ms?: number;
    summary_retention_ms?: number;
    task_retention_ms?: number;
  }): MetricStore;
}

/** A batch that writes nothing. */
export const NOTHING: Omit<TickBatch, "at_ms"> = {
  samples: { series: [], at_ms: [], values: [] },
  workers: [],
  workers_gone: [],
  worker_states: [],
  tasks: [],
  tasks_gone: [],
  histograms: [],
  marks: [],
  alerts: [],
  documents: [],
  messages: [],
  facts: {},
};

/** A full hour of 2026, so that the promises know where hours begin. */
const T0 = Date.UTC(2026, 0, 1, 12);
const SECOND_MS = 1000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const CPU = name("worker", "W1", "cpu_utilization");
const MEMORY = name("worker", "W1", "memory_bytes");
const MADE_UP = name("task", "T1", "made_up");
/** Memory is kept in steps of it. */
const STEP_BYTES = 4 * 2 ** 20;
const QUEUE = name("system", "", "queue_depth");

/**
 * What every engine behind MetricStore must hold, each by its name; a test runner calls each with an
 * engine that has no data yet.
 */
export const PROMISES: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "a sample comes back at its second, exact to its metric's precision": held(async (store) => {
    write(store, T0 + 999, [
      [CPU, T0 + 999, 12.345],
      [MEMORY, T0, 2 ** 53],
      [MEMORY, T0 + SECOND_MS, 2.4 * STEP_BYTES],
      [QUEUE, T0, 7.5],
    ]);
    assert.deepEqual(means(store, CPU, T0, T0 + SECOND_MS), [12.3]);
    assert.deepEqual(means(store, MEMORY, T0, T0 + 2 * SECOND_MS), [2 ** 53, 2 * STEP_BYTES]);
    assert.deepEqual(means(store, QUEUE, T0, T0 + SECOND_MS), [8]);
  }),

  "a name beyond the catalogue keeps exact doubles": held(async (store) => {
    const values = [Math.PI, -1e300, Number.MIN_VALUE, 0.1 + 0.2];
    values.forEach((value, i) => {
      write(store, T0 + i * SECOND_MS, [[MADE_UP, T0 + i * SECOND_MS, value]]);
    });
    assert.deepEqual(means(store, MADE_UP, T0, T0 + 4 * SECOND_MS), values);
    await store.compact(T0 + DAY_MS);
    assert.deepEqual(means(store, MADE_UP, T0, T0 + 4 * SECOND_MS), values);
  }),

  "a gap stays a gap": held(async (store) => {
    write(store, T0, [[CPU, T0, 1]]);
    write(store, T0 + 3 * SECOND_MS, [[CPU, T0 + 3 * SECOND_MS, 4]]);
    const answer = range(store, CPU, T0, T0 + 4 * SECOND_MS);
    assert.deepEqual(answer.columns, [
      { mean: [1, null, null, 4], min: [1, null, null, 4], max: [1, null, null, 4], count: [1, 0, 0, 1] },
    ]);
  }),

  "buckets are aligned to the epoch and tell mean, smallest, largest and count": held(async (store) => {
    [10, 20, 60, 90].forEach((value, i) => {
      const at_ms = T0 + 8 * SECOND_MS + i * SECOND_MS;
      write(store, at_ms, [[CPU, at_ms, value]]);
    });
    const answer = range(store, CPU, T0 + 8 * SECOND_MS, T0 + 12 * SECOND_MS, 10 * SECOND_MS);
    assert.deepEqual(answer, {
      step_ms: 10 * SECOND_MS,
      tier_s: 1,
      at_ms: [T0, T0 + 10 * SECOND_MS],
      columns: [{ mean: [15, 75], min: [10, 60], max: [20, 90], count: [2, 2] }],
    });
  }),

  "from_ms is inclusive and to_ms exclusive, within a bucket too": held(async (store) => {
    for (let at_ms = T0; at_ms < T0 + HOUR_MS; at_ms += MINUTE_MS) write(store, at_ms, [[CPU, at_ms, 50]]);
    const count = () => range(store, CPU, T0 + MINUTE_MS, T0 + 58 * MINUTE_MS, HOUR_MS).columns[0]!.count;
    assert.deepEqual(count(), [57]);
    await store.compact(T0 + DAY_MS);
    assert.deepEqual(count(), [57]);
    assert.deepEqual(range(store, CPU, T0, T0 + HOUR_MS, HOUR_MS).columns[0]!.count, [60]);
  }),

  "series that nobody wrote are empty, and an empty range has no rows": held(async (store) => {
    assert.deepEqual(means(store, CPU, T0, T0 + 2 * SECOND_MS), [null, null]);
    assert.deepEqual(range(store, CPU, T0, T0).at_ms, []);
  }),

  "a malformed or boundless query is refused": held(async (store) => {
    const refused = { name: "EvenkeelError", kind: "invalid" };
    assert.throws(() => range(store, CPU, T0, T0 + HOUR_MS, 0), refused);
    assert.throws(() => range(store, CPU, T0, T0 + HOUR_MS, 1500), refused);
    assert.throws(() => range(store, CPU, Number.NaN, T0), refused);
    assert.throws(() => range(store, CPU, 0, T0), refused);
  }),

  "of two samples of a second the later appended wins, sealed or not": held(async (store) => {
    write(store, T0, [
      [CPU, T0, 1],
      [CPU, T0 + 500, 2],
    ]);
    assert.deepEqual(means(store, CPU, T0, T0 + SECOND_MS), [2]);
    write(store, T0 + SECOND_MS, [[CPU, T0, 3]]);
    assert.deepEqual(means(store, CPU, T0, T0 + SECOND_MS), [3]);
    await store.compact(T0 + DAY_MS);
    write(store, T0 + DAY_MS, [[CPU, T0, 4]]);
    assert.deepEqual(means(store, CPU, T0, T0 + SECOND_MS), [4]);
    await store.compact(T0 + DAY_MS + HOUR_MS);
    assert.deepEqual(means(store, CPU, T0, T0 + SECOND_MS), [4]);
  }),

  "the same batch appended again changes nothing": held(async (store) => {
    const batch = batchOf(store, T0, [[CPU, T0, 5]]);
    store.append(batch);
    const before = range(store, CPU, T0, T0 + HOUR_MS, MINUTE_MS);
    store.append(batch);
    assert.deepEqual(range(store, CPU, T0, T0 + HOUR_MS, MINUTE_MS), before);
  }),

  "a sample late within the grace period lands where it belongs": held(async (store) => {
    const last_ms = T0 + HOUR_MS - SECOND_MS;
    write(store, T0, [[CPU, T0, 1]]);
    await store.compact(T0 + HOUR_MS + 14 * MINUTE_MS);
    write(store, T0 + HOUR_MS + 14 * MINUTE_MS, [[CPU, last_ms, 9]]);
    await store.compact(T0 + 2 * HOUR_MS);
    assert.deepEqual(means(store, CPU, last_ms, T0 + HOUR_MS), [9]);
    assert.deepEqual(means(store, CPU, T0, T0 + SECOND_MS), [1]);
  }),

  "sealing changes no answer, and sealing again changes nothing": held(async (store) => {
    for (let at_ms = T0; at_ms < T0 + 3 * HOUR_MS; at_ms += 7 * SECOND_MS) {
      write(store, at_ms, [
        [CPU, at_ms, (at_ms / 7000) % 100],
        [MADE_UP, at_ms, Math.sin(at_ms)],
      ]);
    }
    const look = () =>
      [SECOND_MS, 90 * SECOND_MS, HOUR_MS, 2 * HOUR_MS].map((step_ms) =>
        store.range({ series: [CPU, MADE_UP], from_ms: T0 - HOUR_MS, to_ms: T0 + 4 * HOUR_MS, step_ms }),
      );
    const before = look();
    for (const now_ms of [T0 + 2 * HOUR_MS, T0 + 9 * HOUR_MS, T0 + 9 * HOUR_MS]) {
      await store.compact(now_ms);
      assertAlike(look(), before);
    }
  }),

  "samples and ended tasks go when they pass out of retention, younger ones stay": async (engine) => {
    const store = engine.open({ retention_ms: 2 * HOUR_MS, task_retention_ms: 2 * HOUR_MS });
    const old_task = task("old", { ended_at_ms: T0 });
    store.append({ ...batchOf(store, T0, [[CPU, T0, 1]]), tasks: [old_task, task("live", {})] });
    const young_ms = T0 + 3 * HOUR_MS;
    store.append({
      ...batchOf(store, young_ms, [[CPU, young_ms, 2]]),
      tasks: [task("young", { ended_at_ms: young_ms })],
    });
    await store.compact(T0 + 4 * HOUR_MS);
    assert.deepEqual(means(store, CPU, T0, T0 + SECOND_MS), [null]);
    assert.deepEqual(means(store, CPU, young_ms, young_ms + SECOND_MS), [2]);
    assert.deepEqual(
      store
        .tasks(0, 100)
        .map((t) => t.id)
        .sort(),
      ["live", "young"],
    );
    assert.equal(store.stats().oldest_ms, young_ms);
    await store.close();
  },

  "a series of whom nothing is left and nobody knows is forgotten, and may come back": async (engine) => {
    let store = engine.open({ retention_ms: HOUR_MS });
    const gone = name("worker", "gone", "cpu_utilization");
    store.append({
      ...batchOf(store, T0, [
        [CPU, T0, 1],
        [gone, T0, 1],
      ]),
      workers: [{ id: "W1", document: "{}" }],
    });
    await store.compact(T0 + 2 * HOUR_MS);
    await store.compact(T0 + 4 * HOUR_MS);
    assert.equal(store.stats().series, 1);
    assert.equal(store.stats().oldest_ms, null);
    assert.deepEqual(store.latest(0), []);
    write(store, T0 + 4 * HOUR_MS, [[gone, T0 + 4 * HOUR_MS, 3]]);
    await store.close();
    store = engine.open({ retention_ms: HOUR_MS });
    assert.deepEqual(store.latest(0), [{ ...gone, at_ms: T0 + 4 * HOUR_MS, value: 3 }]);
    await store.close();
  },

  "latest tells the newest sample of each series since an instant, sealed or not": held(async (store) => {
    write(store, T0, [
      [CPU, T0, 1],
      [MEMORY, T0 + HOUR_MS, 3 * STEP_BYTES],
      [MEMORY, T0 + MINUTE_MS, 2 * STEP_BYTES],
    ]);
    for (const now_ms of [T0, T0 + DAY_MS]) {
      await store.compact(now_ms);
      assert.deepEqual(store.latest(T0 + HOUR_MS), [
        { ...MEMORY, at_ms: T0 + HOUR_MS, value: 3 * STEP_BYTES },
      ]);
      assert.deepEqual(new Set(store.latest(T0).map((l) => l.value)), new Set([1, 3 * STEP_BYTES]));
    }
  }),

  "a batch that is refused changes nothing, and the next one is taken": held(async (store) => {
    const refused = { name: "EvenkeelError", kind: "invalid" };
    const records = { workers: [{ id: "W1", document: "{}" }], facts: { seen: "yes" } };
    for (const [at_ms, value] of [
      [T0, Number.NaN],
      [T0, Number.POSITIVE_INFINITY],
      [Number.NaN, 1],
      [-1, 1],
    ] as const) {
      const batch = batchOf(store, T0, [
        [MEMORY, T0, 1],
        [CPU, at_ms, value],
      ]);
      assert.throws(() => store.append({ ...batch, ...records }), refused);
    }
    const stray = {
      ...batchOf(store, T0, []),
      samples: samplesOf([{ series: 4_000_000_000, at_ms: T0, value: 1 }]),
    };
    assert.throws(() => store.append({ ...stray, ...records }), refused);
    assert.deepEqual(store.latest(0), []);
    assert.deepEqual(store.workers(), []);
    assert.equal(store.fact("seen"), undefined);
    write(store, T0, [[CPU, T0, 1]]);
    assert.equal(store.latest(0).length, 1);
  }),

  "workers, tasks and facts are kept as last written, until they are gone": held(async (store) => {
    const [running, ended] = [task("T1", { worker_id: "W1" }), task("T2", { ended_at_ms: T0 })];
    const nothing = batchOf(store, T0, []);
    store.append({
      ...nothing,
      workers: ["W1", "W2"].map((id) => ({ id, document: "1" })),
      tasks: [running, ended],
      facts: { a: "1", b: "2" },
    });
    store.append({ ...nothing, workers: [{ id: "W1", document: "2" }], workers_gone: ["W1", "W2"] });
    store.append({ ...nothing, tasks: [{ ...running, status: "failed" }], facts: { a: "3" } });
    assert.deepEqual(store.workers(), [{ id: "W1", document: "2" }]);
    assert.deepEqual(store.tasks(T0 + 1, 100), [{ ...running, status: "failed" }]);
    assert.deepEqual(
      store
        .tasks(T0, 100)
        .map((t) => t.id)
        .sort(),
      ["T1", "T2"],
    );
    assert.deepEqual([store.fact("a"), store.fact("b"), store.fact("c")], ["3", "2", undefined]);
    store.append({ ...nothing, tasks_gone: ["T1", "unknown"] });
    assert.deepEqual(store.tasks(0, 100), [ended]);
  }),

  "of many ended tasks the last are read in full, each by its name": held(async (store) => {
    const ends = [0, 100, 1000, 1999].map((ms, i) =>
      task(`E${i}`, { status: "completed", ended_at_ms: T0 + ms, attempt: i + 1 }),
    );
    const tasks = [
      ...ends,
      task("F", { status: "failed", type: "text", ended_at_ms: T0 + 500 }),
      task("R", {}),
    ];
    store.append({ ...batchOf(store, T0, []), tasks });
    const ids = store.tasks(T0, 2).map((t) => t.id);
    assert.deepEqual(ids.sort(), ["E2", "E3", "R"]);
    assert.deepEqual(store.endedTask("E2", T0 + 1000), { attempt: 3, ended_at_ms: T0 + 1000 });
    const asked = [store.endedTask("E2", T0 + 1001), store.endedTask("R", 0), store.endedTask("unknown", 0)];
    assert.deepEqual(asked, [undefined, undefined, undefined]);
  }),

  "a task is found by its id, unfinished or ended, however long ago": held(async (store) => {
    const fields = { type: "text", model_family: "t5", worker_id: "W\n1", queued_at_ms: null, attempt: 3 };
    const document = JSON.stringify({ of: 'a "task"\n', tab: "\t", mark: "\u2028\ud83d\ude00" });
    const named = task('an "id"\n{1}', { ...fields, status: "failed", ended_at_ms: T0 + 0.5, document });
    const tasks = [task("R", {}), named, ...endedTasks(2000)];
    store.append({ ...batchOf(store, T0, []), tasks });
    for (const now_ms of [T0, T0 + DAY_MS, T0 + DAY_MS]) {
      await store.compact(now_ms);
      for (const one of [tasks[0]!, named, tasks[2]!, tasks[1000]!, tasks.at(-1)!]) {
        assert.deepEqual(store.task(one.id), one);
      }
      assert.deepEqual([store.task("unknown"), store.task("")], [undefined, undefined]);
      const last = tasks.at(-1)!;
      assert.deepEqual(store.endedTask(last.id, T0), { attempt: 1, ended_at_ms: last.ended_at_ms });
      assert.deepEqual(
        [store.endedTask(last.id, T0 + HOUR_MS), store.endedTask("R", 0)],
        [undefined, undefined],
      );
      const restored = store.tasks(T0 + 1990 * SECOND_MS, 5).map(({ id }) => id);
      assert.deepEqual(restored, ["R", "E1999", "E1998", "E1997", "E1996", "E1995"]);
    }
  }),

  "ended tasks are listed by time and by what they are, the last ended first, however long ago": held(
    async (store) => {
      const tasks = endedTasks(2000);
      store.append({ ...batchOf(store, T0, []), tasks: [...tasks, task("R", {})] });
      const list = (query: Partial<EndedTasksQuery>) => {
        const all = { from_ms: T0, to_ms: T0 + HOUR_MS, limit: 10_000, ...query };
        const ids: string[] = [];
        for (;;) {
          const { tasks, searched_from_ms } = store.endedTasks(all);
          ids.push(...tasks.map(({ id }) => id));
          // One query looks through so much and no more.
          if (tasks.length === all.limit || searched_from_ms <= all.from_ms || searched_from_ms >= all.to_ms)
            return { ids, searched_from_ms };
          all.to_ms = searched_from_ms;
        }
      };
      const expected = (matches: (task: TaskRecord) => boolean) =>
        tasks
          .filter(matches)
          .map(({ id }) => id)
          .reverse();
      const [from_ms, to_ms] = [T0 + 400 * SECOND_MS, T0 + 1700 * SECOND_MS];
      for (const now_ms of [T0, T0 + DAY_MS]) {
        await store.compact(now_ms);
        assert.deepEqual(list({}), { ids: expected(() => true), searched_from_ms: T0 });
        const between = expected((t) => t.ended_at_ms! >= from_ms && t.ended_at_ms! < to_ms);
        assert.deepEqual(list({ from_ms, to_ms }).ids, between);
        assert.deepEqual(
          list({ worker_id: "W3" }).ids,
          expected((t) => t.worker_id === "W3"),
        );
        assert.deepEqual(
          list({ status: "failed", type: "text", from_ms }).ids,
          expected((t) => t.status === "failed" && t.type === "text" && t.ended_at_ms! >= from_ms),
        );
        assert.deepEqual(
          list({ model_family: "t5" }).ids,
          expected((t) => t.model_family === "t5"),
        );
        assert.deepEqual(
          list({ status: ["failed", "cancelled"], ofWorker: (id) => id !== "W3" }).ids,
          expected((t) => t.status === "failed" && t.worker_id !== "W3"),
        );
        assert.deepEqual(
          list({ matches: ({ id }) => id.endsWith("77") }).ids,
          expected((t) => t.id.endsWith("77")),
        );
        const [, second] = list({ limit: 2 }).ids;
        const after = { id: second!, ended_at_ms: tasks.find(({ id }) => id === second)!.ended_at_ms! };
        assert.deepEqual(list({ after }).ids, expected(() => true).slice(2));
        assert.deepEqual(list({ type: "unknown" }).ids, []);
        assert.deepEqual(list({ type: "" }).ids, []);
        const [third_last] = tasks.slice(-3);
        assert.deepEqual(list({ limit: 3 }), {
          ids: ["E1999", "E1998", "E1997"],
          searched_from_ms: third_last!.ended_at_ms,
        });
        assert.deepEqual(list({ from_ms: third_last!.ended_at_ms!, limit: 3 }), {
          ids: ["E1999", "E1998", "E1997"],
          searched_from_ms: third_last!.ended_at_ms,
        });
      }
      const refused = { name: "EvenkeelError", kind: "invalid" };
      for (const limit of [0, 10_001, 1.5, Number.NaN]) assert.throws(() => list({ limit }), refused);
      assert.throws(() => list({ from_ms: Number.NaN }), refused);
      assert.deepEqual(list({ from_ms: T0 + HOUR_MS, to_ms: T0 }).ids, []);
    },
  ),

  "a task that is reported again long after its end is as last written, and there once": held(
    async (store) => {
      const first = endedTasks(1024);
      store.append({ ...batchOf(store, T0, []), tasks: first });
      await store.compact(T0 + DAY_MS);
      const running = { ...first[5]!, attempt: 2, status: "running", ended_at_ms: null };
      store.append({ ...batchOf(store, T0 + DAY_MS, []), tasks: [running] });
      const all = () => store.endedTasks({ from_ms: 0, to_ms: T0 + 9 * DAY_MS, limit: 10_000 }).tasks;
      assert.deepEqual(store.task("E5"), running);
      assert.equal(store.endedTask("E5", 0), undefined);
      assert.equal(all().length, 1023);
      const ended_at_ms = T0 + DAY_MS + MINUTE_MS;
      const again = { ...running, status: "failed", ended_at_ms };
      const others = endedTasks(1024, "F", T0 + DAY_MS);
      store.append({ ...batchOf(store, T0 + DAY_MS, []), tasks: [again, ...others] });
      for (const now_ms of [T0 + DAY_MS, T0 + 3 * DAY_MS]) {
        await store.compact(now_ms);
        assert.deepEqual(store.task("E5"), again);
        assert.deepEqual(store.endedTask("E5", ended_at_ms), { attempt: 2, ended_at_ms });
        assert.deepEqual(
          all().filter(({ id }) => id === "E5"),
          [again],
        );
        assert.equal(all().length, 2048);
      }
      // That it is gone is said of what is unfinished.
      store.append({ ...batchOf(store, T0 + 3 * DAY_MS, []), tasks_gone: ["E5", "E6"] });
      assert.deepEqual(store.task("E5"), again);
    },
  ),

  "tasks that ended long ago go with the others when they pass out of retention": async (engine) => {
    const store = engine.open({ task_retention_ms: 3 * HOUR_MS });
    store.append({ ...batchOf(store, T0, []), tasks: [...endedTasks(1600), task("R", {})] });
    await store.compact(T0 + 2 * HOUR_MS);
    assert.equal(store.tasks(0, 10_000).length, 1601);
    await store.compact(T0 + 4 * HOUR_MS);
    const left = store.tasks(0, 10_000).map(({ id }) => id);
    assert.deepEqual(left, ["R"]);
    assert.equal(store.task("E0"), undefined);
    store.append({ ...batchOf(store, T0, []), tasks: endedTasks(600, "G", T0 + 4 * HOUR_MS) });
    await store.compact(T0 + 6 * HOUR_MS);
    assert.equal(store.task("G7")?.id, "G7");
    await store.close();
  },

  "histograms come back by the minute, the later in place of the earlier, and go with the ended tasks":
    async (engine) => {
      let store = engine.open({ task_retention_ms: HOUR_MS });
      const of = name("task_type", "vision", "queue_time_s");
      const record = (minute: number, ...buckets: [number, number][]) => {
        const sum = buckets.reduce((total, [bucket, count]) => total + bucket * count, 0);
        return { name: of, at_ms: T0 + minute * MINUTE_MS, sum, buckets };
      };
      store.append({
        ...batchOf(store, T0, []),
        histograms: [record(0, [3, 1]), record(1, [0, 2], [431, 70_000])],
      });
      const replaced = record(0, [3, 2], [4, 1]);
      store.append({ ...batchOf(store, T0 + SECOND_MS, []), histograms: [replaced] });
      await store.close();
      store = engine.open({ task_retention_ms: HOUR_MS });
      const read = (from_ms: number, to_ms: number) =>
        store.histograms(of, from_ms, to_ms).map(({ span_ms: _, ...histogram }) => histogram);
      const stored = [replaced, record(1, [0, 2], [431, 70_000])].map(
        ({ name: _, ...histogram }) => histogram,
      );
      assert.deepEqual(read(T0 + 1, T0 + HOUR_MS), stored);
      assert.deepEqual(read(T0 + MINUTE_MS, T0 + HOUR_MS), stored.slice(1));
      assert.deepEqual(read(T0, T0 + MINUTE_MS), stored.slice(0, 1));
      assert.deepEqual(store.histograms(name("task_type", "text", "queue_time_s"), T0, T0 + HOUR_MS), []);
      await store.compact(T0 + HOUR_MS + MINUTE_MS);
      assert.deepEqual(read(T0, T0 + HOUR_MS), stored.slice(1));
      await store.close();
    },

  "histograms of more than a day ago are merged by the quarter of an hour; what comes late adds up": held(
    async (store) => {
      const of = name("system", "", "total_time_s");
      const other = name("model_family", "t5", "total_time_s");
      const record = (series: SeriesName, minute: number, ...buckets: [number, number][]) => {
        const sum = buckets.reduce((total, [bucket, count]) => total + bucket * count, 0);
        return { name: series, at_ms: T0 + minute * MINUTE_MS, sum, buckets };
      };
      const minutes = Array.from({ length: 40 }, (_, minute) => record(of, minute, [minute, 1], [100, 2]));
      store.append({ ...batchOf(store, T0, []), histograms: [...minutes, record(other, 3, [5, 70_000])] });
      const read = (from_minute: number, to_minute: number, series = of) =>
        store
          .histograms(series, T0 + from_minute * MINUTE_MS, T0 + to_minute * MINUTE_MS)
          .map(({ at_ms, span_ms, sum, buckets }) => {
            const tasks = buckets.reduce((total, [, count]) => total + count, 0);
            return [(at_ms - T0) / MINUTE_MS, span_ms / MINUTE_MS, tasks, sum];
          });
      const now_ms = T0 + 26 * HOUR_MS;
      await store.compact(now_ms + 14 * MINUTE_MS);
      assert.equal(store.stats().minutes_from_ms, null);
      assert.equal(read(0, 40).length, 40);
      const sumOf = (from: number, to: number) => minutes.slice(from, to).reduce((sum, m) => sum + m.sum, 0);
      for (let run = 0; run < 2; run++) {
        await store.compact(now_ms + 31 * MINUTE_MS);
        assert.equal(store.stats().minutes_from_ms, T0 + 30 * MINUTE_MS);
        const quarters = [
          [0, 15, 45, sumOf(0, 15)],
          [15, 15, 45, sumOf(15, 30)],
        ];
        assert.deepEqual(read(0, 32), [...quarters, [30, 1, 3, 230], [31, 1, 3, 231]]);
        // A quarter is there whole, however little of it is asked for.
        assert.deepEqual(read(14, 15), quarters.slice(0, 1));
        assert.deepEqual(read(15, 30), quarters.slice(1));
        assert.deepEqual(read(0, 40, other), [[0, 15, 70_000, 350_000]]);
      }
      const late = record(of, 2, [7, 3]);
      store.append({ ...batchOf(store, now_ms, []), histograms: [late, record(of, 35, [1, 1])] });
      assert.deepEqual(read(0, 14), [
        [0, 15, 45, sumOf(0, 15)],
        [2, 1, 3, 21],
      ]);
      for (let run = 0; run < 2; run++) {
        await store.compact(now_ms + 32 * MINUTE_MS);
        assert.deepEqual(read(0, 14), [[0, 15, 48, sumOf(0, 15) + 21]]);
        const [whole] = store.histograms(of, T0, T0 + 1);
        const first = Array.from({ length: 15 }, (_, minute) => [minute, minute === 7 ? 4 : 1]);
        assert.deepEqual(whole?.buckets, [...first, [100, 30]]);
        assert.deepEqual(read(35, 36), [[35, 1, 1, 1]]);
      }
    },
  ),

  "marks come back in their order, the same one once, and go with the ended tasks": async (engine) => {
    const store = engine.open({ task_retention_ms: HOUR_MS });
    const [deploy, note] = [
      { at_ms: T0 + 5, kind: "deploy", text: "2.4" },
      { at_ms: T0, kind: "note", text: "2.4" },
    ];
    store.append({ ...batchOf(store, T0, []), marks: [deploy, note, deploy] });
    store.append({ ...batchOf(store, T0 + SECOND_MS, []), marks: [note] });
    assert.deepEqual(store.marks(T0, T0 + HOUR_MS, 10), [note, deploy]);
    assert.deepEqual(store.marks(T0, T0 + HOUR_MS, 1), [deploy]);
    assert.deepEqual(store.marks(T0, T0 + 5, 10), [note]);
    await store.compact(T0 + HOUR_MS + 3);
    assert.deepEqual(store.marks(0, T0 + DAY_MS, 10), [deploy]);
    await store.close();
  },

  "the newest sample before an instant is found, sealed or not, however far within the hour or the one before":
    held(async (store) => {
      const [edge_ms, late_ms] = [T0 + HOUR_MS, T0 + HOUR_MS + 90 * SECOND_MS];
      write(store, late_ms, [
        [CPU, edge_ms - SECOND_MS, 1],
        [CPU, late_ms, 2],
        [MEMORY, T0, STEP_BYTES],
      ]);
      const found = (at_ms: number, within_ms: number) =>
        store
          .newest([CPU, MEMORY, QUEUE], at_ms, within_ms)
          .map((sample) => sample && [sample.at_ms, sample.value]);
      for (const now_ms of [T0, T0 + DAY_MS]) {
        await store.compact(now_ms);
        assert.deepEqual(found(late_ms + 999, MINUTE_MS), [[late_ms, 2], null, null]);
        assert.deepEqual(found(late_ms - 1, 2 * MINUTE_MS), [[edge_ms - SECOND_MS, 1], null, null]);
        assert.deepEqual(found(late_ms - SECOND_MS, 91 * SECOND_MS), [[edge_ms - SECOND_MS, 1], null, null]);
        assert.deepEqual(found(late_ms - SECOND_MS, 90 * SECOND_MS), [null, null, null]);
        assert.deepEqual(found(edge_ms, 2 * HOUR_MS), [[edge_ms - SECOND_MS, 1], [T0, STEP_BYTES], null]);
      }
    }),

  "a worker is told as it was at any moment, also once it is gone, until that is out of retention": async (
    engine,
  ) => {
    const store = engine.open({ task_retention_ms: HOUR_MS });
    const state = (id: string, after_ms: number, name: string) => ({
      worker_id: id,
      at_ms: T0 + after_ms,
      state: name,
      last_report_ms: T0 + after_ms - 5,
    });
    const known = [
      { id: "W1", document: "{}" },
      { id: "W2", document: "[]" },
    ];
    const nothing = batchOf(store, T0, []);
    store.append({
      ...nothing,
      workers: known,
      worker_states: [state("W1", 0, "active"), state("W2", 0, "active")],
    });
    store.append({ ...nothing, worker_states: [state("W1", 10, "lost")] });
    store.append({
      ...nothing,
      at_ms: T0 + 20,
      workers_gone: ["W1"],
      worker_states: [state("W1", 20, GONE)],
    });
    const at = (after_ms: number) =>
      store.workersAt(T0 + after_ms).map((w) => [w.id, w.state, w.since_ms - T0, w.last_report_ms - T0]);
    const [first, second] = [
      ["W1", "active", 0, -5],
      ["W2", "active", 0, -5],
    ];
    assert.deepEqual([at(-1), at(0), at(9)], [[], [first, second], [first, second]]);
    assert.deepEqual([at(10), at(20)], [[["W1", "lost", 10, 5], second], [second]]);
    assert.deepEqual(store.workers(), [known[1]]);
    assert.deepEqual(store.workersAt(T0)[1]!.document, "[]");
    // Back again: it is gone for no more than the time between.
    store.append({
      ...nothing,
      at_ms: T0 + 30,
      workers: [known[0]!],
      worker_states: [state("W1", 30, "active")],
    });
    assert.deepEqual([at(20), at(30)], [[second], [["W1", "active", 30, 25], second]]);
    store.append({
      ...nothing,
      at_ms: T0 + 40,
      workers_gone: ["W1"],
      worker_states: [state("W1", 40, GONE)],
    });
    await store.compact(T0 + HOUR_MS + 39);
    assert.deepEqual([at(39), at(40)], [[["W1", "active", 30, 25], second], [second]]);
    // W2 has been in its state since before the edge.
    await store.compact(T0 + 2 * HOUR_MS);
    assert.deepEqual([at(39), at(HOUR_MS)], [[second], [second]]);
    await store.close();
  },

  "a worker's states are told newest first, and how it last was after it is gone": held(async (store) => {
    const state = (id: string, after_ms: number, name: string) => ({
      worker_id: id,
      at_ms: T0 + after_ms,
      state: name,
      last_report_ms: T0 + after_ms - 5,
    });
    store.append({
      ...batchOf(store, T0, []),
      workers: [{ id: "W1", document: "{}" }],
      worker_states: [state("W1", 0, "active"), state("W2", 5, "lost"), state("W1", 10, "lost")],
    });
    store.append({
      ...batchOf(store, T0 + 20, []),
      workers_gone: ["W1"],
      worker_states: [state("W1", 20, GONE)],
    });
    const told = (to_ms: number, limit: number) =>
      store.workerStates("W1", T0 + to_ms, limit).map((w) => [w.state, w.at_ms - T0, w.last_report_ms - T0]);
    const [gone, lost, active] = [
      [GONE, 20, 15],
      ["lost", 10, 5],
      ["active", 0, -5],
    ];
    assert.deepEqual(
      [told(21, 9), told(21, 2), told(20, 9)],
      [
        [gone, lost, active],
        [gone, lost],
        [lost, active],
      ],
    );
    assert.deepEqual(store.workerStates("W3", T0 + 21, 9), []);
    const known = { id: "W1", document: "{}", state: "lost", since_ms: T0 + 10, last_report_ms: T0 + 5 };
    assert.deepEqual(store.lastKnown("W1", T0 + 25), known);
    assert.equal(store.lastKnown("W1", T0 + 9)!.state, "active");
    assert.deepEqual([store.lastKnown("W1", T0 - 1), store.lastKnown("W3", T0)], [undefined, undefined]);
  }),

  "a task is told at every moment between its beginning and its end": held(async (store) => {
    store.append({
      ...batchOf(store, T0, []),
      tasks: [
        task("ended", { queued_at_ms: T0, ended_at_ms: T0 + 10, status: "completed" }),
        task("runs", { queued_at_ms: T0 + 5 }),
      ],
    });
    const at = (after_ms: number, limit = 100) =>
      store
        .tasksAt(T0 + after_ms, limit)
        .map(({ id }) => id)
        .sort();
    assert.deepEqual([at(-1), at(0), at(5), at(9)], [[], ["ended"], ["ended", "runs"], ["ended", "runs"]]);
    assert.deepEqual([at(10), at(HOUR_MS), at(5, 1).length], [["runs"], ["runs"], 1]);
    // Long after, when ended ones are kept otherwise: a thousand, of which one ends each second after a minute.
    const many = Array.from({ length: 1000 }, (_, i) => ({
      ...task(`t${i}`, { status: "completed" }),
      queued_at_ms: T0 + i * SECOND_MS,
      ended_at_ms: T0 + MINUTE_MS + i * SECOND_MS,
    }));
    store.append({ ...batchOf(store, T0 + HOUR_MS, []), tasks: many });
    await store.compact(T0 + 3 * HOUR_MS);
    const again = { ...many[500]!, ended_at_ms: T0 + 3 * HOUR_MS };
    store.append({ ...batchOf(store, T0 + 3 * HOUR_MS, []), tasks: [again] });
    for (const second of [0, 59, 60, 61, 560, 561, 999, 1060, 2000]) {
      const at_ms = T0 + second * SECOND_MS;
      const then = many.map((one) => (one.id === again.id ? again : one));
      const expected = then.filter((one) => one.queued_at_ms <= at_ms && one.ended_at_ms > at_ms);
      const found = store.tasksAt(at_ms, 5000).filter(({ id }) => id.startsWith("t"));
      assert.deepEqual(found.map(({ id }) => id).sort(), expected.map(({ id }) => id).sort());
    }
  }),

  "an alert is told for as long as it fired, and goes with the ended tasks": async (engine) => {
    let store = engine.open({ task_retention_ms: HOUR_MS });
    const alert = (id: string, fired: number, ended: number | null) => ({
      id,
      fired_ms: T0 + fired,
      ended_ms: ended === null ? null : T0 + ended,
      title: `${id} fires`,
      document: `"${id}"`,
    });
    store.append({ ...batchOf(store, T0, []), alerts: [alert("a", 0, null), alert("b", 5, null)] });
    store.append({ ...batchOf(store, T0 + 10, []), alerts: [alert("a", 0, 10)] });
    store.append({ ...batchOf(store, T0 + 20, []), alerts: [alert("a", 20, null)] });
    const unseen = { ...alert("c", 6, 7), title: "" };
    store.append({ ...batchOf(store, T0 + 21, []), alerts: [unseen] });
    await store.close();
    store = engine.open({ task_retention_ms: HOUR_MS });
    const told = (from: number, to: number, limit = 100) => store.alerts(T0 + from, T0 + to, limit);
    assert.deepEqual(told(0, 1), [alert("a", 0, 10)]);
    assert.deepEqual(told(6, 7), [alert("a", 0, 10), alert("b", 5, null), unseen]);
    assert.deepEqual(told(9, 10), [alert("a", 0, 10), alert("b", 5, null)]);
    assert.deepEqual(told(10, 20), [alert("b", 5, null)]);
    assert.deepEqual(told(10, 21, 1), [alert("a", 20, null)]);
    const fired = (from: number, to: number, limit = 100) =>
      store.firings(T0 + from, T0 + to, limit).map(({ fired_ms, title }) => [fired_ms - T0, title]);
    assert.deepEqual(fired(0, 20), [
      [0, "a fires"],
      [5, "b fires"],
    ]);
    assert.deepEqual(fired(1, 21, 1), [[20, "a fires"]]);
    await store.compact(T0 + HOUR_MS + 11);
    assert.deepEqual(told(0, DAY_MS), [alert("b", 5, null), alert("a", 20, null)]);
    await store.close();
  },

  "the firings of one alert come back newest first, and no other alert's": async (engine) => {
    let store = engine.open();
    const alert = (id: string, fired: number, ended: number | null) => ({
      id,
      fired_ms: T0 + fired,
      ended_ms: ended === null ? null : T0 + ended,
      title: id,
      document: `"${id} ${fired}"`,
    });
    const alerts = [alert("a", 0, 10), alert("a:b", 5, null), alert("a", 20, 30), alert("a", 40, null)];
    store.append({ ...batchOf(store, T0 + 50, []), alerts });
    await store.close();
    store = engine.open();
    const fired = (to: number, limit: number) =>
      store.alertsOf("a", T0 + to, limit).map(({ fired_ms }) => fired_ms - T0);
    assert.deepEqual(fired(100, 10), [40, 20, 0]);
    assert.deepEqual(fired(40, 10), [20, 0]);
    assert.deepEqual(fired(100, 1), [40]);
    assert.deepEqual(store.alertsOf("a:b", T0 + 100, 10), [alert("a:b", 5, null)]);
    assert.deepEqual(store.alertsOf("nobody", T0 + 100, 10), []);
    await store.close();
  },

  "a document stands under its kind and id, the last one of it, until it is over for long": async (
    engine,
  ) => {
    let store = engine.open({ task_retention_ms: HOUR_MS });
    const one = (kind: string, id: string, until: number, document: string) => ({
      kind,
      id,
      until_ms: T0 + until,
      document,
    });
    const first = [one("silence", "b", 10, "1"), one("silence", "a", 10, "2"), one("other", "a", 10, "3")];
    store.append({ ...batchOf(store, T0, []), documents: first });
    const changed = one("silence", "a", 2 * HOUR_MS, "4");
    store.append({ ...batchOf(store, T0 + 1, []), documents: [changed] });
    store.append({ ...batchOf(store, T0 + 1, []), documents: [changed] });
    await store.close();
    store = engine.open({ task_retention_ms: HOUR_MS });
    assert.deepEqual(store.documents("silence"), [changed, first[0]]);
    assert.deepEqual(store.documents("other"), [first[2]]);
    await store.compact(T0 + HOUR_MS + 11);
    assert.deepEqual(store.documents("silence"), [changed]);
    assert.deepEqual(store.documents("other"), []);
    await store.close();
  },

  "an hour beyond the retention of seconds keeps its summary for as long as summaries are kept": async (
    engine,
  ) => {
    const store = engine.open({ retention_ms: 2 * HOUR_MS, summary_retention_ms: 6 * HOUR_MS });
    const samples = [1, 2, 6].map((value, i): [SeriesName, number, number] => [
      CPU,
      T0 + i * 600 * SECOND_MS,
      value,
    ]);
    write(store, T0, samples);
    write(store, T0 + 5 * HOUR_MS, [[CPU, T0 + 5 * HOUR_MS, 9]]);
    await store.compact(T0 + 5 * HOUR_MS);
    const { full_from_ms, oldest_ms } = store.stats();
    assert.deepEqual([oldest_ms, full_from_ms], [T0, T0 + HOUR_MS]);
    const hour = range(store, CPU, T0, T0 + HOUR_MS, HOUR_MS);
    assert.deepEqual(hour.columns[0], { mean: [3], min: [1], max: [6], count: [3] });
    // All that is left of it stands at its start.
    const minutes = range(store, CPU, T0, T0 + HOUR_MS, 600 * SECOND_MS);
    assert.equal(minutes.tier_s, 3600);
    assert.deepEqual(minutes.columns[0]!.count, [3, 0, 0, 0, 0, 0]);
    await store.compact(T0 + 9 * HOUR_MS);
    assert.deepEqual(range(store, CPU, T0, T0 + HOUR_MS, HOUR_MS).columns[0]!.count, [0]);
    assert.equal(range(store, CPU, T0, T0 + 6 * HOUR_MS, HOUR_MS).columns[0]!.count[5], 1);
    await store.close();
  },

  "an hour sealed late hides no newer one after opening again": async (engine) => {
    let store = engine.open();
    write(store, T0, [[CPU, T0 + 5 * HOUR_MS, 5]]);
    await store.compact(T0 + DAY_MS);
    write(store, T0, [[CPU, T0, 1]]);
    await store.compact(T0 + DAY_MS);
    await store.close();
    store = engine.open();
    assert.deepEqual(store.latest(0), [{ ...CPU, at_ms: T0 + 5 * HOUR_MS, value: 5 }]);
    assert.deepEqual(range(store, CPU, T0, T0 + 6 * HOUR_MS, HOUR_MS).columns[0]!.count, [1, 0, 0, 0, 0, 1]);
    await store.close();
  },

  "messages wait in order until they are told, and each attempt is noted": async (engine) => {
    let store = engine.open();
    const message = (id: number, document = `{"text":"a\\n\u2028 ${id}"}`) => ({
      id,
      receiver: id % 2 === 0 ? "pager" : 'an "odd"\nname',
      created_ms: T0 + id,
      document,
    });
    const waiting = {
      attempts: 0,
      tried_ms: null,
      next_ms: null,
      error: null,
      outcome: null,
      ended_ms: null,
    };
    assert.deepEqual([store.newestMessageId(), store.waitingMessages(0, 10)], [0, []]);
    const batch = { ...batchOf(store, T0, []), messages: [message(2), message(1), message(7)] };
    store.append(batch);
    store.append({ ...batch, messages: [message(2, "{}"), message(3)] });
    const all = [1, 2, 3, 7].map((id) => ({ ...message(id), ...waiting }));
    assert.deepEqual(store.waitingMessages(0, 10), all);
    assert.deepEqual(store.waitingMessages(2, 1), [all[2]]);
    assert.deepEqual([store.message(7), store.message(4), store.newestMessageId()], [all[3], undefined, 7]);
    const failed = { at_ms: T0 + 20, error: "answered 500", next_ms: T0 + 30, outcome: null };
    const refused = { at_ms: T0 + 21, error: "answered 404", next_ms: null, outcome: "refused" as const };
    const delivered = { at_ms: T0 + 31, error: null, next_ms: null, outcome: "delivered" as const };
    store.noteAttempt(1, failed);
    store.noteAttempt(2, refused);
    const after = (id: number, attempts: number, { at_ms: tried_ms, ...attempt }: OutboxAttempt) => ({
      ...message(id),
      attempts,
      tried_ms,
      ...attempt,
      ended_ms: attempt.outcome === null ? null : tried_ms,
    });
    assert.deepEqual(store.waitingMessages(0, 10), [after(1, 1, failed), all[2], all[3]]);
    store.noteAttempt(1, delivered);
    // What ended changes no more, and nobody else's attempt is noted.
    for (const id of [1, 2, 99]) store.noteAttempt(id, failed);
    // A batch that was answered before is no new message.
    store.append(batch);
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(store.waitingMessages(0, 10), all.slice(2));
      assert.deepEqual(store.endedMessages(10), [after(1, 2, delivered), after(2, 1, refused)]);
      assert.deepEqual(store.endedMessages(1), [after(1, 2, delivered)]);
      assert.equal(store.newestMessageId(), 7);
      await store.close();
      store = engine.open();
    }
    await store.close();
  },

  "messages that ended go with the ended tasks, or when many ended after them; what waits stays": async (
    engine,
  ) => {
    const store = engine.open({ task_retention_ms: HOUR_MS });
    const messages = Array.from({ length: 3000 }, (_, i) => ({
      id: i + 1,
      receiver: "pager",
      created_ms: T0,
      document: "{}",
    }));
    store.append({ ...batchOf(store, T0, []), messages });
    const delivered = { error: null, next_ms: null, outcome: "delivered" as const };
    for (const { id } of messages.slice(0, 2990)) store.noteAttempt(id, { ...delivered, at_ms: T0 + id });
    await store.compact(T0 + MINUTE_MS);
    const ended = store.endedMessages(10_000).map(({ id }) => id);
    assert.equal(ended[0], 2990);
    assert.ok(ended.length >= 1000 && ended.length < 2990);
    await store.compact(T0 + 2 * HOUR_MS);
    assert.deepEqual(store.endedMessages(10_000), []);
    assert.equal(store.waitingMessages(0, 10_000).length, 10);
    await store.close();
  },

  "all of it is there after opening again": async (engine) => {
    let store = engine.open();
    store.append({
      ...batchOf(store, T0, [
        [CPU, T0, 1],
        [QUEUE, T0 + HOUR_MS, 2],
      ]),
      workers: [{ id: "W1", document: "{}" }],
      tasks: [task("T1", {})],
      facts: { a: "1" },
    });
    await store.compact(T0 + HOUR_MS + 30 * MINUTE_MS);
    const look = () => [
      store.latest(0),
      store.range({ series: [CPU, QUEUE], from_ms: T0, to_ms: T0 + 2 * HOUR_MS, step_ms: MINUTE_MS }),
      [store.workers(), store.tasks(0, 100), store.fact("a"), store.stats().series, store.stats().oldest_ms],
    ];
    const before = look();
    for (let i = 0; i < 2; i++) {
      await store.close();
      store = engine.open();
      assert.deepEqual(look(), before);
    }
    await store.close();
  },
};

function held(promise: (store: MetricStore) => Promise<void>): (engine: Engine) => Promise<void> {
  return async (engine) => {
    const store = engine.open();
    try {
      await promise(store);
    } finally {
      await store.close();
    }
  };
}

function name(scope: Scope, entity: string, metric: string): SeriesName {
  return { scope, entity, metric };
}

function task(id: string, fields: Partial<TaskRecord>): TaskRecord {
  return {
    id,
    status: "running",
    type: null,
    model_family: null,
    worker_id: null,
    attempt: 1,
    queued_at_ms: T0,
    ended_at_ms: null,
    document: "{}",
    ...fields,
  };
}

/** So many tasks that ended one after another, a second apart, of all kinds. */
function endedTasks(count: number, prefix = "E", from_ms = T0): TaskRecord[] {
  return Array.from({ length: count }, (_, i) =>
    task(`${prefix}${i}`, {
      status: i % 7 === 0 ? "failed" : "completed",
      type: i % 2 === 0 ? "text" : null,
      model_family: i % 3 === 0 ? "t5" : "vit",
      worker_id: `W${i % 11}`,
      ended_at_ms: from_ms + i * SECOND_MS,
      document: JSON.stringify({ number: i }),
    }),
  );
}

/** The samples of a list side by side, as the store takes them. */
export function samplesOf(list: readonly { series: number; at_ms: number; value: number }[]): Samples {
  return {
    series: list.map(({ series }) => series),
    at_ms: list.map(({ at_ms }) => at_ms),
    values: list.map(({ value }) => value),
  };
}

type Written = [series: SeriesName, at_ms: number, value: number];

function batchOf(store: MetricStore, at_ms: number, written: readonly Written[]): TickBatch {
  const samples = written.map(([{ scope, entity, metric }, sampled_ms, value]) => ({
    series: store.series(scope, entity, metric),
    at_ms: sampled_ms,
    value,
  }));
  return { ...NOTHING, at_ms, samples: samplesOf(samples) };
}

function write(store: MetricStore, at_ms: number, written: readonly Written[]): void {
  store.append(batchOf(store, at_ms, written));
}

function range(
  store: MetricStore,
  series: SeriesName,
  from_ms: number,
  to_ms: number,
  step_ms = SECOND_MS,
): RangeAnswer {
  return store.range({ series: [series], from_ms, to_ms, step_ms });
}

function means(store: MetricStore, series: SeriesName, from_ms: number, to_ms: number): (number | null)[] {
  return range(store, series, from_ms, to_ms).columns[0]!.mean;
}

/** Alike but for the last digits of means, which depend on the order of summing. */
function assertAlike(actual: readonly RangeAnswer[], expected: readonly RangeAnswer[]): void {
  const rounded = (answers: readonly RangeAnswer[]) =>
    answers.map(({ columns, ...answer }) => ({
      ...answer,
      columns: columns.map(({ mean, ...column }) => ({
        ...column,
        mean: mean.map((value) => (value === null ? null : value.toPrecision(9))),
      })),
    }));
  assert.deepEqual(rounded(actual), rounded(expected));
}
