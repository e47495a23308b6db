import { describe, expect, it } from "vitest";
import type { TaskStatus } from "../model.ts";
import { ModelBook } from "./model-book.ts";
import { Scene, START_MS, task, worker } from "./scene.ts";

const MINUTE_MS = 60_000;
const VIT = { task_type: "vision", model_family: "vit", model_id: "vit-base", worker_type: "gpu" };

const bookOf = (reached: (limit: string) => void = () => {}) => new ModelBook(START_MS, reached);

describe("the book of models", () => {
  it("counts what ended in the last hour by model, task type and worker type, with its times", () => {
    const book = bookOf();
    book.book(VIT, "completed", START_MS, START_MS, 1);
    book.time(VIT, START_MS, 4);
    book.book(VIT, "failed", START_MS, START_MS, 1);
    book.book({ ...VIT, worker_type: "cpu" }, "completed", START_MS, START_MS, 1);
    book.book(VIT, "cancelled", START_MS, START_MS, 1);
    const hour = [
      { ...VIT, completed: 1, failed: 1, times_s: [4] },
      { ...VIT, worker_type: "cpu", completed: 1, failed: 0, times_s: [] },
    ];
    expect(book.lastHour(START_MS).ends).toEqual(hour);
    expect(book.lastHour(START_MS + 59 * MINUTE_MS).ends).toEqual(hour);
    expect(book.lastHour(START_MS + 60 * MINUTE_MS).ends).toEqual([]);
  });

  it("says from when on it counts: its beginning, then the start of the hour's first minute", () => {
    const book = bookOf();
    expect(book.lastHour(START_MS + MINUTE_MS).from_ms).toBe(START_MS);
    const minute_ms = Math.floor(START_MS / MINUTE_MS) * MINUTE_MS;
    expect(book.lastHour(START_MS + 90 * MINUTE_MS).from_ms).toBe(minute_ms + 31 * MINUTE_MS);
  });

  it("takes an end back, and never more than there were", () => {
    const book = bookOf();
    book.book(VIT, "failed", START_MS, START_MS, 1);
    book.book(VIT, "failed", START_MS, START_MS, -1);
    book.book(VIT, "failed", START_MS, START_MS, -1);
    book.book(VIT, "completed", START_MS, START_MS, 1);
    expect(book.lastHour(START_MS).ends).toMatchObject([{ completed: 1, failed: 0 }]);
  });

  it("holds the newest sixty-four times of a kind", () => {
    const book = bookOf();
    book.book(VIT, "completed", START_MS, START_MS, 1);
    for (let i = 1; i <= 70; i += 1) book.time(VIT, START_MS, i);
    const { times_s } = book.lastHour(START_MS).ends[0]!;
    expect([times_s.length, times_s[0], times_s.at(-1)]).toEqual([64, 7, 70]);
  });

  it("forgets the kind that nothing ended of for longest, and says so while that was counted", () => {
    const reached: string[] = [];
    const book = bookOf((limit) => reached.push(limit));
    const fill = (from: number, to: number, at_ms: number) => {
      for (let i = from; i < to; i += 1)
        book.book({ ...VIT, model_id: `m${i}` }, "completed", at_ms, at_ms, 1);
    };
    fill(0, 2048, START_MS);
    expect(reached).toEqual([]);
    fill(2048, 2049, START_MS);
    expect(reached).toEqual(["models counted by the hour"]);
    expect(book.lastHour(START_MS).ends.some(({ model_id }) => model_id === "m0")).toBe(false);
    fill(2049, 2050, START_MS + 61 * MINUTE_MS);
    expect(reached).toHaveLength(1);
  });

  it("is the same once it was kept and read back, and knows what ended since", () => {
    const book = bookOf();
    book.book(VIT, "completed", START_MS, START_MS, 1);
    book.time(VIT, START_MS, 1.25);
    const again = new ModelBook(START_MS + 5 * MINUTE_MS, () => {});
    expect(again.isNews(START_MS + 1)).toBe(false);
    again.restore(JSON.parse(JSON.stringify(book.toDocument())));
    expect(again.lastHour(START_MS)).toEqual(book.lastHour(START_MS));
    expect([again.isNews(START_MS), again.isNews(START_MS + 1)]).toEqual([false, true]);
  });
});

describe("the fleet's book of models", () => {
  const vit = { model_family: "vit", model_id: "vit-base" };
  const reported = (id: string, status: TaskStatus, given: Parameters<typeof task>[2] = {}) =>
    task(id, status, { ...vit, worker_id: "w", ...given });
  const hourOf = ({ fleet, now_ms }: Scene) => fleet.ledger.models.lastHour(now_ms).ends;

  it("knows the worker's type and how long a task took", () => {
    const scene = new Scene().report({ workers: [worker("w", { type: "gpu" })] });
    const times = { started: START_MS - 3000, ended: START_MS };
    scene.report({ tasks: [reported("t", "completed", { times })] });
    expect(hourOf(scene)).toEqual([{ ...VIT, completed: 1, failed: 0, times_s: [3] }]);
  });

  it("counts a task that failed and was tried again as what it came to, as the fleet's own figures do", () => {
    const scene = new Scene().report({ workers: [worker("w", { type: "gpu" })] });
    scene.report({ tasks: [reported("t", "failed", { times: { ended: START_MS } })] });
    expect(hourOf(scene)).toMatchObject([{ completed: 0, failed: 1 }]);
    scene.later(1000).report({ tasks: [reported("t", "running", { attempt: 2 })] });
    expect(hourOf(scene)).toEqual([]);
    scene.later(1000).report({ tasks: [reported("t", "completed", { attempt: 2 })] });
    expect(hourOf(scene)).toMatchObject([{ completed: 1, failed: 0 }]);
  });

  it("does not know the type of a worker that never reported", () => {
    const scene = new Scene().report({ tasks: [reported("t", "failed")] });
    expect(hourOf(scene)).toMatchObject([{ worker_type: null, failed: 1 }]);
  });
});
