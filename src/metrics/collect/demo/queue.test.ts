import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MODELS } from "./models.ts";
import { WaitingRoom } from "./queue.ts";
import type { DemoTask } from "./state.ts";

function waiting(order: number, priority: number, model: number, queued_at_ms: number): DemoTask {
  return { order, priority, model: MODELS[model]!, queued_at_ms, status: "queued" } as DemoTask;
}

const anyQueue = fc.array(
  fc.record({
    priority: fc.integer({ min: 1, max: 4 }),
    model: fc.integer({ min: 0, max: MODELS.length - 1 }),
    waited_ms: fc.integer({ min: 0, max: 5000 }),
  }),
  { maxLength: 200 },
);

describe("the waiting room", () => {
  it("serves the most urgent first, and among equals who waits longest", () => {
    fc.assert(
      fc.property(anyQueue, (entries) => {
        const room = new WaitingRoom();
        const arrivals = entries.toSorted((a, b) => b.waited_ms - a.waited_ms);
        for (const [order, entry] of arrivals.entries()) {
          room.add(waiting(order, entry.priority, entry.model, 10_000 - entry.waited_ms));
        }
        const served: DemoTask[] = [];
        room.serve((task) => served.push(task) > 0);
        expect(served).toHaveLength(entries.length);
        expect(served).toEqual(served.toSorted((a, b) => a.priority - b.priority || a.order - b.order));
      }),
    );
  });

  it("passes over a model that nobody has room for, and no other", () => {
    fc.assert(
      fc.property(anyQueue, fc.integer({ min: 0, max: MODELS.length - 1 }), (entries, full) => {
        const room = new WaitingRoom();
        for (const [order, entry] of entries.entries())
          room.add(waiting(order, entry.priority, entry.model, order));
        let asked = 0;
        const served: number[] = [];
        room.serve((task) => {
          if (task.model.index === full) asked++;
          else served.push(task.model.index);
          return task.model.index !== full;
        });
        expect(served).toHaveLength(entries.filter((entry) => entry.model !== full).length);
        expect(asked).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("forgets those that left while they waited", () => {
    const room = new WaitingRoom();
    const left = waiting(0, 1, 0, 0);
    const stayed = waiting(1, 1, 0, 1);
    room.add(left);
    room.add(stayed);
    left.status = "cancelled";
    const served: DemoTask[] = [];
    room.serve((task) => served.push(task) > 0);
    expect(served).toEqual([stayed]);
  });
});
