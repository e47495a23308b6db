import fc from "fast-check";
import { expect, test } from "vitest";
import type { TaskRecord } from "./contract.ts";
import { lineStart, matchingRows, PACK_TASKS, packTasks, readColumns, readLines } from "./task-pack.ts";

const text = fc.string({ unit: "binary" });
const instant = fc.double({ min: 0, max: 4e12, noNaN: true }).map((ms) => ms + 0);
const word = fc.option(fc.oneof(fc.constantFrom("a", "b", "", "constructor"), text));
const record: fc.Arbitrary<TaskRecord> = fc.record({
  id: text,
  status: text,
  type: word,
  model_family: word,
  worker_id: word,
  attempt: fc.nat(),
  queued_at_ms: fc.option(instant),
  ended_at_ms: instant,
  document: text,
});

test("whatever is packed comes back as it was, and is found by what it is", () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 40 }), (some) => {
      const tasks = Array.from({ length: PACK_TASKS }, (_, i) => some[i % some.length]!);
      tasks.sort((a, b) => a.ended_at_ms! - b.ended_at_ms!);
      const { columns, records, from_ms, to_ms } = packTasks(tasks);
      expect([from_ms, to_ms]).toEqual([tasks[0]!.ended_at_ms, tasks.at(-1)!.ended_at_ms]);
      const lines = readLines(records);
      expect(lines.map((line) => JSON.parse(line))).toEqual(tasks);
      expect(lines.every((line, row) => line.startsWith(lineStart(tasks[row]!.id)))).toBe(true);
      const { type, worker_id, ended_at_ms } = tasks[7]!;
      const query = {
        from_ms: ended_at_ms!,
        to_ms: Number.POSITIVE_INFINITY,
        type: type ?? undefined,
        worker_id: worker_id ?? undefined,
        limit: 1,
      };
      const expected = tasks.flatMap((task, row) => {
        const same = (type ?? task.type) === task.type && (worker_id ?? task.worker_id) === task.worker_id;
        return same && task.ended_at_ms! >= ended_at_ms! ? [row] : [];
      });
      expect(matchingRows(columns, query)).toEqual(expected.reverse());
    }),
    { numRuns: 60 },
  );
});

test("bytes that were damaged or cut off are no pack", () => {
  const task = { status: "failed", type: null, model_family: null, worker_id: null, attempt: 1 };
  const tasks = Array.from({ length: PACK_TASKS }, (_, i) => ({
    ...task,
    id: `t${i}`,
    queued_at_ms: i,
    ended_at_ms: i,
    document: "{}",
  }));
  const { columns, records } = packTasks(tasks);
  expect(() => readColumns(columns.slice(0, -9))).toThrow();
  expect(() => readLines(records.slice(0, -9))).toThrow();
  expect(() => readColumns(records)).toThrow();
});
