import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TaskUpdate } from "../model.ts";
import { QueueBook } from "./queue-book.ts";
import { TaskEntry } from "./task.ts";

const source = { id: "s", offset_ms: 0, complete_at_ms: Number.NEGATIVE_INFINITY };

function waits(entry: TaskEntry, { priority, model_id, at_ms }: Change, now_ms: number): void {
  const nothing = { progress: undefined, error: undefined, worker_id: undefined };
  const times = at_ms === null ? {} : { queued: at_ms };
  const update: TaskUpdate = {
    id: entry.id,
    type: undefined,
    model_family: undefined,
    modality: undefined,
    requirements: undefined,
    priority,
    model_id,
    metrics: {},
    transitions: [{ attempt: 1, status: at_ms === null ? undefined : "queued", times, ...nothing }],
  };
  entry.apply(update, { at_ms: now_ms, source }, now_ms, true);
}

interface Change {
  readonly priority: number;
  readonly model_id: string;
  readonly at_ms: number | null;
}

const change: fc.Arbitrary<Change> = fc.record({
  priority: fc.integer({ min: 1, max: 3 }),
  model_id: fc.constantFrom("a", "b"),
  at_ms: fc.option(fc.integer({ min: 0, max: 20 })),
});
const step = fc.record({ task: fc.integer({ min: 0, max: 30 }), change: fc.option(change) });

/** What the book is to tell, counted anew. */
function counted(tasks: ReadonlyMap<string, TaskEntry>) {
  const queues: Record<string, { waiting: number; oldest_ms: number | null }> = {};
  for (const { priority, model_id, queued_at_ms } of tasks.values()) {
    const key = `${priority ?? ""} ${model_id ?? ""}`;
    const queue = queues[key] ?? { waiting: 0, oldest_ms: null };
    queues[key] = queue;
    queue.waiting += 1;
    if (queued_at_ms !== null) queue.oldest_ms = Math.min(queue.oldest_ms ?? Infinity, queued_at_ms);
  }
  return queues;
}

describe("the book of queues", () => {
  it("knows how many wait in each and since when, whatever came and left in whatever order", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const book = new QueueBook(() => {});
        const waiting = new Map<string, TaskEntry>();
        steps.forEach(({ task, change }, i) => {
          const id = `t${task}`;
          if (change === null) {
            waiting.delete(id);
            book.remove(id);
          } else {
            const entry = waiting.get(id) ?? new TaskEntry(id, i);
            waits(entry, change, i + 1);
            waiting.set(id, entry);
            book.put(entry);
          }
          const told = [...book.queues].map(([key, { waiting, oldest_queued_at_ms }]) => [
            key,
            { waiting, oldest_ms: oldest_queued_at_ms },
          ]);
          expect(Object.fromEntries(told)).toEqual(counted(waiting));
          const times = [...waiting.values()].map(({ queued_at_ms }) => queued_at_ms ?? Infinity);
          const oldest = book.oldest();
          expect(oldest && (oldest.queued_at_ms ?? Infinity)).toBe(
            times.length === 0 ? undefined : Math.min(...times),
          );
        });
      }),
    );
  });

  it("tells of so many queues, says that there are more, and still knows the task that waits longest", () => {
    const reached: string[] = [];
    const book = new QueueBook((limit) => reached.push(limit));
    for (let i = 0; i < 4098; i += 1) {
      const entry = new TaskEntry(`t${i}`, 1);
      waits(entry, { priority: 1, model_id: `m${i}`, at_ms: 10_000 - i }, 1);
      book.put(entry);
    }
    expect(book.queues.size).toBe(4096);
    expect(reached).toEqual(["queues by priority and model", "queues by priority and model"]);
    expect(book.oldest()?.id).toBe("t4097");
    book.remove("t4097");
    expect(book.oldest()?.id).toBe("t4096");
  });
});
