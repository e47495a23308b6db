import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ManualClock } from "./clock.ts";
import type { Pipeline } from "./pipeline.ts";
import { pipelineWith } from "./pipeline-fixture.ts";
import type { EndedQuery, Read } from "./read.ts";
import type { MetricStore } from "./store/contract.ts";
import { openStore } from "./store/sqlite.ts";

const START_MS = Date.parse("2026-11-23T12:00:00Z");
const HOUR_MS = 3_600_000;
/** More than two packs of them, so that some are packed and some are not. */
const TASKS = 700;
const STATES = ["completed", "failed", "cancelled"] as const;

let folder: string;
let store: MetricStore;
let clock: ManualClock;
let pipeline: Pipeline;
let read: Read;

/** One that ended so many seconds after the start. */
function task(index: number) {
  const at_ms = START_MS + index * 1000;
  return {
    id: `t-${index}`,
    type: index % 2 === 0 ? "text" : "vision",
    model_family: "vit",
    model_id: index % 7 === 0 ? "vit-Huge" : "vit-base",
    status: STATES[index % 3]!,
    worker_id: index % 5 === 0 ? "old-1" : "cpu-1",
    requirements: index % 100 === 0 ? { tags: ["Rare"] } : {},
    queued_at: at_ms - 5000,
    started_at: at_ms - 4000,
    ended_at: at_ms,
  };
}

async function report(body: object): Promise<void> {
  await pipeline.collector.accept(new TextEncoder().encode(JSON.stringify(body)), "json");
  pipeline.tick(clock.now());
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  clock = new ManualClock(START_MS);
  store = openStore(join(folder, "evenkeel.db"), { housekeeping: "inline" });
  pipeline = pipelineWith(store, clock);
  const cpu = { id: "cpu-1", type: "cpu", hostname: "lab-a", interval_s: 60 };
  await report({ workers: [cpu, { id: "old-1", type: "gpu" }] });
  for (let from = 0; from < TASKS; from += 50) {
    clock.advance(50_000);
    const tasks = Array.from({ length: 50 }, (_, index) => task(from + index));
    await report({ workers: [cpu], tasks });
  }
  // Long enough that the fleet holds none of them, and that a worker that fell silent is forgotten.
  for (let minute = 0; minute < 75; minute += 1) {
    clock.advance(60_000);
    await report({ workers: [cpu], tasks: minute === 0 ? [{ id: "r-1", status: "running" }] : [] });
  }
  await store.compact(clock.now());
  read = pipeline.read();
});

afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const expected = (matches: (one: ReturnType<typeof task>) => boolean) =>
  Array.from({ length: TASKS }, (_, index) => task(index))
    .filter(matches)
    .map(({ id }) => id)
    .reverse();

function idsOf(of: Read, query: Partial<EndedQuery> = {}): string[] {
  const all = { from_ms: 0, to_ms: Number.MAX_SAFE_INTEGER, matches: () => true, ...query };
  return [...of.ended(all)].flatMap(({ tasks }) => tasks.map(({ id }) => id));
}

describe("every ended task that is kept", () => {
  it("is found, the newest end first, though the fleet no longer holds it", () => {
    expect([...read.tasks()].map(({ id }) => id)).toEqual(["r-1"]);
    expect([read.liveTask("t-3"), read.worker("old-1")]).toEqual([undefined, undefined]);
    expect(idsOf(read)).toEqual(expected(() => true));
  });

  it("is found by its state, its worker and when it ended", () => {
    const window = { from_ms: START_MS + 100_000, to_ms: START_MS + 200_000 };
    expect(idsOf(read, window)).toEqual(
      expected(({ ended_at }) => ended_at >= window.from_ms && ended_at < window.to_ms),
    );
    const states = ["failed", "cancelled"] as const;
    expect(idsOf(read, { states, worker_id: "old-1" })).toEqual(
      expected(({ status, worker_id }) => status !== "completed" && worker_id === "old-1"),
    );
  });

  it.each([
    ["task type", { task_type: "vision" }, ({ type }) => type === "vision"],
    ["model family", { model_family: "bert" }, () => false],
    ["type of a worker that is known", { worker_type: "cpu" }, ({ worker_id }) => worker_id === "cpu-1"],
    ["type of a worker that was forgotten", { worker_type: "gpu" }, ({ worker_id }) => worker_id === "old-1"],
    ["text in its model, in any case", { q: "VIT-h" }, ({ model_id }) => model_id === "vit-Huge"],
    ["text in its id", { q: "T-69" }, ({ id }) => id.includes("t-69")],
    ["text in the host of its worker", { q: "Lab-A" }, ({ worker_id }) => worker_id === "cpu-1"],
    ["text that only other parts of its record have", { q: "requirements" }, () => false],
    [
      "text and type together",
      { q: "huge", task_type: "text" },
      ({ model_id, type }) => model_id === "vit-Huge" && type === "text",
    ],
  ] as [string, object, (one: ReturnType<typeof task>) => boolean][])(
    "is found by %s",
    (_, filters, matches) => {
      expect(idsOf(read.filtered(filters))).toEqual(expected(matches));
    },
  );

  it("is found by what it requires", () => {
    const matches = ({ requirements }: { requirements: { tags?: string[] | undefined } | null }) =>
      requirements?.tags?.includes("Rare") ?? false;
    expect(idsOf(read, { texts: [{ part: "rare" }], matches })).toEqual(expected(matches));
  });

  it("is found of the past, but for what had not ended yet", async () => {
    const at_ms = START_MS + 350_000;
    const past = await pipeline.readAt(at_ms);
    expect(idsOf(past)).toEqual(expected(({ ended_at }) => ended_at <= at_ms));
  });

  it("is not one that began anew", async () => {
    const again = { id: "t-5", status: "running", attempt: 2, worker_id: "cpu-1" };
    await report({ workers: [], tasks: [again] });
    expect(idsOf(pipeline.read())).not.toContain("t-5");
    expect(pipeline.read().liveTask("t-5")).toMatchObject({ state: "running" });
  });

  it("is found while the disk takes nothing more", async () => {
    const append = store.append.bind(store);
    store.append = () => {
      throw new Error("disk full");
    };
    clock.advance(1000);
    const ended_at = clock.now();
    await report({ tasks: [{ id: "t-new", status: "failed", worker_id: "cpu-1", ended_at }] });
    expect(idsOf(pipeline.read(), { states: ["failed"], from_ms: ended_at - HOUR_MS })).toEqual(["t-new"]);
    store.append = append;
  });
});
