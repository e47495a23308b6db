import assert from "node:assert/strict";
import type { Scope } from "../catalogue.ts";
import type { RangeAnswer, SeriesName } from "../range.ts";
import { GONE, type MetricStore, type Sample, type TaskRecord, type TickBatch } from "./contract.ts";

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
  samples: [],
  workers: [],
  workers_gone: [],
  worker_states: [],
  tasks: [],
  tasks_gone: [],
  histograms: [],
  marks: [],
  alerts: [],
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
    const stray = { ...batchOf(store, T0, []), samples: [{ series: 4_000_000_000, at_ms: T0, value: 1 }] };
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
    assert.deepEqual(store.endedTask("E2"), { attempt: 3, ended_at_ms: T0 + 1000 });
    assert.deepEqual([store.endedTask("R"), store.endedTask("unknown")], [undefined, undefined]);
  }),

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
        store.histograms(of, from_ms, to_ms).map(({ at_ms, sum, buckets }) => ({ at_ms, sum, buckets }));
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
  }),

  "an alert is told for as long as it fired, and goes with the ended tasks": async (engine) => {
    let store = engine.open({ task_retention_ms: HOUR_MS });
    const alert = (id: string, fired: number, ended: number | null) => ({
      id,
      fired_ms: T0 + fired,
      ended_ms: ended === null ? null : T0 + ended,
      document: `"${id}"`,
    });
    store.append({ ...batchOf(store, T0, []), alerts: [alert("a", 0, null), alert("b", 5, null)] });
    store.append({ ...batchOf(store, T0 + 10, []), alerts: [alert("a", 0, 10)] });
    store.append({ ...batchOf(store, T0 + 20, []), alerts: [alert("a", 20, null)] });
    await store.close();
    store = engine.open({ task_retention_ms: HOUR_MS });
    const told = (from: number, to: number, limit = 100) => store.alerts(T0 + from, T0 + to, limit);
    assert.deepEqual(told(0, 1), [alert("a", 0, 10)]);
    assert.deepEqual(told(9, 10), [alert("a", 0, 10), alert("b", 5, null)]);
    assert.deepEqual(told(10, 20), [alert("b", 5, null)]);
    assert.deepEqual(told(10, 21, 1), [alert("a", 20, null)]);
    await store.compact(T0 + HOUR_MS + 11);
    assert.deepEqual(told(0, DAY_MS), [alert("b", 5, null), alert("a", 20, null)]);
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

type Written = [series: SeriesName, at_ms: number, value: number];

function batchOf(store: MetricStore, at_ms: number, written: readonly Written[]): TickBatch {
  const samples = written.map(
    ([{ scope, entity, metric }, sampled_ms, value]): Sample => ({
      series: store.series(scope, entity, metric),
      at_ms: sampled_ms,
      value,
    }),
  );
  return { ...NOTHING, at_ms, samples };
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
