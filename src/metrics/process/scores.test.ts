import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findMetric, scaleOf } from "../catalogue.ts";
import { load, loadParts, overload } from "./scores.ts";

const metrics = (values: Record<string, number>) => new Map(Object.entries(values));
const NOW_MS = 1_700_000_000_000;

describe("load", () => {
  it("is the coordinator's weighted mean where everything is reported", () => {
    const all = {
      cpu_utilization: 80,
      memory_utilization: 60,
      gpu_utilization: 50,
      io_utilization: 20,
      network_utilization: 10,
    };
    expect(load(metrics(all))).toBeCloseTo(0.3 * 80 + 0.3 * 60 + 0.2 * 50 + 0.1 * 20 + 0.1 * 10);
  });

  it("leaves out what is not reported instead of taking it for idle", () => {
    expect(load(metrics({ cpu_utilization: 80 }))).toBeCloseTo(80);
    expect(load(metrics({ queued_tasks: 3 }))).toBeNull();
  });

  it("is the sum of its parts, whose weights are together 1", () => {
    const some = metrics({ network_utilization: 10, cpu_utilization: 80, queued_tasks: 3 });
    const parts = loadParts(some);
    expect(parts.map(({ metric, value }) => [metric, value])).toEqual([
      ["cpu_utilization", 80],
      ["network_utilization", 10],
    ]);
    expect(parts.map(({ weight }) => weight)).toEqual([expect.closeTo(0.75), expect.closeTo(0.25)]);
    expect(parts.reduce((sum, { value, weight }) => sum + value * weight, 0)).toBeCloseTo(load(some)!);
    expect(loadParts(new Map())).toEqual([]);
  });

  it("lies between the least and the most used resource, and grows with each", () => {
    const percent = fc.double({ min: 0, max: 100, noNaN: true });
    const names = [
      "cpu_utilization",
      "memory_utilization",
      "gpu_utilization",
      "io_utilization",
      "network_utilization",
    ];
    // It has as many digits as are kept of it.
    const rounding = 0.5 / scaleOf(findMetric("worker", "load")!.precision) + 1e-9;
    fc.assert(
      fc.property(
        fc.array(percent, { minLength: 1, maxLength: 5 }),
        fc.nat(4),
        percent,
        (values, at, more) => {
          const entries = values.map((v, i) => [names[i]!, v] as const);
          const before = load(new Map(entries))!;
          expect(before).toBeGreaterThanOrEqual(Math.min(...values) - rounding);
          expect(before).toBeLessThanOrEqual(Math.max(...values) + rounding);
          const i = at % values.length;
          const raised = new Map(entries).set(names[i]!, Math.max(values[i]!, more));
          expect(load(raised)!).toBeGreaterThanOrEqual(before);
        },
      ),
    );
  });
});

describe("overload", () => {
  it("begins above the threshold and not at it", () => {
    expect(overload(metrics({ cpu_utilization: 90 }), null, NOW_MS)).toBeNull();
    expect(overload(metrics({ cpu_utilization: 90.1 }), null, NOW_MS)).toMatchObject({
      metric: "cpu_utilization",
      since_ms: NOW_MS,
    });
    expect(overload(metrics({ gpu_utilization: 95 }), null, NOW_MS)).toBeNull();
  });

  it("keeps its start while it lasts, and ends only clearly below", () => {
    const first = overload(metrics({ cpu_utilization: 97 }), null, NOW_MS);
    const edge = overload(metrics({ cpu_utilization: 85.1 }), first, NOW_MS + 5000);
    expect(edge?.since_ms).toBe(NOW_MS);
    expect(overload(metrics({ cpu_utilization: 85 }), edge, NOW_MS + 6000)).toBeNull();
  });

  it("is of the resource that is furthest beyond", () => {
    const worst = overload(
      metrics({ cpu_utilization: 92, memory_utilization: 99, gpu_utilization_max: 96 }),
      null,
      NOW_MS,
    );
    expect(worst?.metric).toBe("memory_utilization");
  });
});
