import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MODALITIES, type Requirements } from "../model.ts";
import { type Candidate, match, type Offer } from "./match.ts";

const GIB = 2 ** 30;
const OFFER: Offer = {
  backends: ["cpu", "cuda"],
  tags: ["vision"],
  memory_bytes: 64 * GIB,
  gpu_memory_bytes: 16 * GIB,
};
const candidate = (given: Partial<Candidate> = {}): Candidate => ({
  id: "W1",
  offer: OFFER,
  observed: null,
  load: 0,
  ...given,
});
const wanted = (requirements: Requirements | null) => ({ requirements, modality: "vision" as const });

const share = fc.double({ min: 0, max: 1, noNaN: true });
const names = fc.subarray(["cuda", "cpu", "rocm", "xla", "hip"]);
const size = fc.option(fc.nat(100), { nil: undefined });
const anyTask = fc.record({
  requirements: fc.option(
    fc.record({ backends: names, tags: names, memory_bytes: size, gpu_memory_bytes: size }),
  ),
  modality: fc.option(fc.constantFrom(...MODALITIES)),
});
const anyCandidate = fc.record({
  id: fc.constant("W1"),
  offer: fc.record({
    backends: names,
    tags: names,
    memory_bytes: fc.option(fc.nat(100)),
    gpu_memory_bytes: fc.option(fc.nat(100)),
  }),
  observed: fc.option(
    fc.record({ tasks: fc.nat(99), completed: fc.nat(9), success_ratio: share, speed: fc.option(share) }),
  ),
  load: fc.option(fc.double({ min: 0, max: 100, noNaN: true })),
});

describe("a match", () => {
  it("is 0.4 capability + 0.3 performance + 0.3 (1 − load)", () => {
    const observed = { tasks: 4, completed: 4, success_ratio: 1, speed: 0.5 };
    const { score, capability, performance } = match(wanted(null), candidate({ observed, load: 40 }));
    expect([capability, performance]).toEqual([0.9, 0.85]);
    expect(score).toBeCloseTo(0.4 * 0.9 + 0.3 * 0.85 + 0.3 * 0.6);
  });

  it("takes half for what nothing is known of", () => {
    const nothing: Offer = { backends: [], tags: [], memory_bytes: null, gpu_memory_bytes: null };
    const { score } = match(
      { requirements: null, modality: null },
      candidate({ offer: nothing, load: null }),
    );
    expect(score).toBeCloseTo(0.5);
  });

  it("goes by the backend that is asked for, where the worker has a better one", () => {
    expect(match(wanted({ backends: ["cpu"] }), candidate()).capability).toBe(0.3);
  });

  it("is 0 where anything is missing, and says what", () => {
    const task = wanted({
      backends: ["cuda", "rocm"],
      tags: ["vision", "large"],
      memory_bytes: 64 * GIB,
      gpu_memory_bytes: 24 * GIB,
    });
    expect(match(task, candidate())).toMatchObject({
      score: 0,
      missing: [
        { kind: "backend", wanted: "rocm" },
        { kind: "tag", wanted: "large" },
        { kind: "gpu_memory_bytes", wanted: 24 * GIB },
      ],
    });
  });

  it("misses memory that the worker did not report", () => {
    const { missing } = match(
      wanted({ memory_bytes: 1 }),
      candidate({ offer: { ...OFFER, memory_bytes: null } }),
    );
    expect(missing).toEqual([{ kind: "memory_bytes", wanted: 1 }]);
  });

  it("lies from 0 to 1, and is 0 with a requirement missing and above it without", () => {
    fc.assert(
      fc.property(anyTask, anyCandidate, (task, one) => {
        const { score, missing } = match(task, one);
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBeLessThanOrEqual(1 + 1e-9);
        expect(score > 0).toBe(missing.length === 0);
      }),
    );
  });

  it("never rises with load or with another requirement", () => {
    fc.assert(
      fc.property(anyTask, anyCandidate, fc.double({ min: 0, max: 100, noNaN: true }), (task, one, load) => {
        const [less, more] = [one.load ?? 0, load].sort((a, b) => a - b);
        const at = (percent: number) => match(task, { ...one, load: percent }).score;
        expect(at(more!)).toBeLessThanOrEqual(at(less!));
        const tags = [...(task.requirements?.tags ?? []), "rare"];
        const stricter = { ...task, requirements: { ...task.requirements, tags } };
        expect(match(stricter, one).score).toBe(0);
      }),
    );
  });
});
