import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { match } from "./match.ts";
import { Scene, START_MS, task, worker } from "./scene.ts";

const GIB = 2 ** 30;
const gpu = (id: string, cpu_utilization: number, gpu_memory_gib = 16) =>
  worker(id, {
    status: "active",
    capabilities: {
      backends: ["cpu", "cuda"],
      memory_bytes: 64 * GIB,
      gpu_memory_bytes: gpu_memory_gib * GIB,
    },
    metrics: { cpu_utilization },
  });
const onCuda = { model_family: "vit", requirements: { backends: ["cuda"] } };
const quality = ({ fleet, now_ms }: Scene) => fleet.ledger.all.assignments.stats(now_ms);

describe("the quality of assignments", () => {
  it("is not known before there is one", () => {
    const scene = new Scene()
      .report({ workers: [gpu("W1", 0)], tasks: [task("t", "queued", onCuda)] })
      .later(0);
    expect(quality(scene)).toBeNull();
    expect(scene.fleet.ledger.all.metrics().has("assignment_efficiency")).toBe(false);
  });

  it("compares the chosen worker with the best that was available, once for each attempt", () => {
    const scene = new Scene().report({ workers: [gpu("W1", 20), gpu("W2", 80)] });
    const assigned = task("t", "assigned", { ...onCuda, worker_id: "W2" });
    scene.report({ tasks: [assigned] }).later(0);
    // 0.4 · 0.9 + 0.3 · 0.5 + 0.3 (1 − load)
    const [best, chosen] = [0.51 + 0.3 * 0.8, 0.51 + 0.3 * 0.2];
    expect(quality(scene)?.efficiency).toBeCloseTo(chosen / best, 4);
    expect(quality(scene)?.optimal_ratio).toBe(0);
    scene.report({ tasks: [task("t", "running", { worker_id: "W2" })] }).later(1000);
    scene.report({ tasks: [task("u", "running", { ...onCuda, worker_id: "W1" })] }).later(1000);
    expect(quality(scene)?.optimal_ratio).toBe(0.5);
    scene.report({ tasks: [task("t", "assigned", { worker_id: "W1", attempt: 2 })] }).later(1000);
    expect(quality(scene)?.optimal_ratio).toBeCloseTo(2 / 3);
  });

  it("is told of each task type and model family apart, and of the last hour", () => {
    const scene = new Scene().report({ workers: [gpu("W1", 20)] });
    scene.report({ tasks: [task("t", "assigned", { ...onCuda, worker_id: "W1" })] }).later(0);
    const { by_type, by_family } = scene.fleet.ledger;
    const metrics = () => by_type.get("vision")!.metrics();
    expect(metrics().get("assignment_efficiency")).toBe(1);
    expect(by_family.get("vit")!.metrics().get("optimal_match_ratio")).toBe(1);
    scene.later(59 * 60_000);
    expect(metrics().get("assignment_efficiency")).toBe(1);
    scene.later(60_000);
    expect(metrics().has("assignment_efficiency")).toBe(false);
  });

  it("takes a worker that drains, is offline or is silent for no alternative", () => {
    for (const change of [{ status: "draining" }, { status: "offline" }] as const) {
      const scene = new Scene().report({ workers: [{ ...gpu("idle", 0), ...change }, gpu("W2", 80)] });
      scene.report({ tasks: [task("t", "assigned", { ...onCuda, worker_id: "W2" })] }).later(0);
      expect(quality(scene)?.efficiency).toBe(1);
    }
    const scene = new Scene().report({ workers: [gpu("idle", 0)] }).later(3001);
    scene.report({ workers: [gpu("W2", 80)] });
    scene.report({ tasks: [task("t", "assigned", { ...onCuda, worker_id: "W2" })] }).later(0);
    expect(quality(scene)?.efficiency).toBe(1);
  });

  it("is 0 of a task on a worker that lacks what it needs, where another has it", () => {
    const scene = new Scene().report({ workers: [gpu("small", 0), gpu("large", 90, 80)] });
    const large = { ...onCuda, requirements: { gpu_memory_bytes: 24 * GIB }, worker_id: "small" };
    scene.report({ tasks: [task("t", "assigned", large)] }).later(0);
    expect(quality(scene)?.efficiency).toBe(0);
  });

  it("judges nothing where nobody has what is needed, where the worker is unknown, or that was long ago", () => {
    const scene = new Scene().report({ workers: [gpu("W1", 0)] });
    const impossible = { requirements: { tags: ["rare"] }, worker_id: "W1" };
    const late = { ...onCuda, worker_id: "W1", times: { assigned: START_MS - 10_001 } };
    scene.report({
      tasks: [
        task("a", "assigned", impossible),
        task("b", "assigned", { ...onCuda, worker_id: "W9" }),
        task("c", "running", late),
        task("d", "queued", { ...onCuda, worker_id: "W1" }),
      ],
    });
    expect(quality(scene.later(0))).toBeNull();
    scene.report({ tasks: [task("d", "assigned", onCuda)] });
    expect(quality(scene.later(0))?.efficiency).toBe(1);
  });

  it("judges no more than fits into a tick, says so, and judges the same kinds of tasks in the next", () => {
    const tags = Array.from({ length: 60 }, (_, i) => `tag${i}`);
    const workers = Array.from({ length: 1000 }, (_, i) => ({ ...gpu(`W${i}`, 0), tags }));
    const scene = new Scene().report({ workers });
    const assign = (name: string) =>
      scene.report({
        tasks: tags.map((tag, i) =>
          task(`${name}${i}`, "assigned", { worker_id: "W1", requirements: { tags: [tag] } }),
        ),
      });
    const judged = () => scene.fleet.limits_reached["assignments judged a tick"];
    assign("a").later(1000);
    expect(judged()).toBe(1);
    scene.report({ workers });
    assign("b").later(1000);
    expect(judged()).toBe(1);
    expect(quality(scene)).toEqual({ efficiency: 1, optimal_ratio: 1 });
  });

  it("follows what a worker has to offer, and what became of its tasks", () => {
    const scene = new Scene().report({ workers: [gpu("W1", 50), gpu("W2", 50)] });
    const assign = (id: string) => {
      const before = scene.fleet.ledger.all.assignments.stats(scene.now_ms) ?? {
        efficiency: 0,
        optimal_ratio: 0,
      };
      scene.report({ tasks: [task(id, "assigned", { ...onCuda, worker_id: "W2" })] }).later(0);
      return { before, after: quality(scene)! };
    };
    expect(assign("t1").after.efficiency).toBe(1);
    // W2 fails, so W1 would have been the better choice.
    scene.report({ tasks: [task("t1", "failed", { worker_id: "W2" })] }).later(0);
    expect(assign("t2").after.efficiency).toBeLessThan(1);
    // Without CUDA on W1 there is no other choice any more.
    const { before, after } = (() => {
      scene.report({ workers: [worker("W1", { capabilities: { backends: ["cpu"] } })] });
      return assign("t3");
    })();
    expect(after.efficiency).toBeGreaterThan(before.efficiency);
  });
});

const BACKENDS = ["cpu", "cuda", "xla"];
const anyWorker = fc.record({
  backends: fc.subarray(BACKENDS),
  tags: fc.subarray(["a", "b"]),
  memory_bytes: fc.option(fc.nat(4)),
  status: fc.constantFrom("active", "active", "draining"),
  load: fc.option(fc.nat(100)),
  outcomes: fc.array(fc.constantFrom("completed", "failed"), { maxLength: 3 }),
});
const anyTask = fc.record({
  backends: fc.subarray(BACKENDS, { maxLength: 1 }),
  tags: fc.subarray(["a", "b"], { maxLength: 1 }),
  memory_bytes: fc.option(fc.nat(4), { nil: undefined }),
  model_family: fc.constantFrom("vit", "bert", null),
  type: fc.constantFrom("vision", "text", "other"),
  chosen: fc.nat(),
});

describe("judging a tick's assignments together", () => {
  it("gives what matching each task with each worker gives", () => {
    const scenario = fc.tuple(
      fc.array(anyWorker, { minLength: 1, maxLength: 6 }),
      fc.array(fc.array(anyTask, { maxLength: 8 }), { maxLength: 3 }),
    );
    fc.assert(
      fc.property(scenario, ([workers, ticks]) => {
        const scene = new Scene().report({
          workers: workers.map(({ backends, tags, memory_bytes, status, load }, i) =>
            worker(`W${i}`, {
              status: status as "active",
              tags,
              capabilities: { backends, memory_bytes },
              metrics: { cpu_utilization: load },
            }),
          ),
        });
        const ended = workers.flatMap(({ outcomes }, w) =>
          outcomes.map((status, i) =>
            task(`e${w}-${i}`, status as "failed", {
              worker_id: `W${w}`,
              model_family: "vit",
              model_id: "vit-base",
              times: { assigned: START_MS - 60_000, started: START_MS - 50_000 - 1000 * w },
            }),
          ),
        );
        scene.report({ tasks: ended });
        const ratios: number[] = [];
        ticks.forEach((tasks, tick) => {
          tasks.forEach(({ chosen, backends, tags, memory_bytes, ...one }, i) => {
            const requirements = { backends, tags, ...(memory_bytes !== undefined && { memory_bytes }) };
            const worker_id = `W${chosen % workers.length}`;
            scene.report({ tasks: [task(`t${tick}-${i}`, "assigned", { ...one, requirements, worker_id })] });
          });
          scene.later(0);
          tasks.forEach((_, i) => {
            const ratio = naiveRatio(scene, `t${tick}-${i}`);
            if (ratio !== null) ratios.push(ratio);
          });
        });
        const stats = quality(scene);
        expect(stats === null).toBe(ratios.length === 0);
        if (stats === null) return;
        expect(stats.efficiency).toBeCloseTo(
          ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length,
          3,
        );
        expect(stats.optimal_ratio).toBeCloseTo(
          ratios.filter((ratio) => ratio >= 0.95).length / ratios.length,
        );
      }),
    );
  });
});

/** The formula as it stands, over all workers. */
function naiveRatio({ fleet, now_ms }: Scene, id: string): number | null {
  const it = fleet.tasks.get(id)!;
  const scores = [...fleet.workers.values()].map((one) => {
    const { offer, load, record, available } = one;
    const median = (model_id: string | null) => fleet.ledger.medianProcessing(model_id);
    const observed = it.model_family === null ? null : record.ofFamily(it.model_family, now_ms, median);
    return { id: one.id, available, score: match(it, { id: one.id, offer, observed, load }).score };
  });
  const chosen = scores.find((one) => one.id === it.worker_id)!.score;
  const best = Math.max(chosen, ...scores.filter((one) => one.available).map(({ score }) => score));
  return best === 0 ? null : chosen / best;
}
