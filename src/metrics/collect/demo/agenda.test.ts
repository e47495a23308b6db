import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Agenda } from "./agenda.ts";

describe("the agenda", () => {
  it("gives out what is due by time, and what is due at once in the order of adding", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 })),
        fc.integer({ min: 0, max: 60 }),
        (times, until_ms) => {
          const agenda = new Agenda<number>();
          for (const [index, at_ms] of times.entries()) agenda.add(at_ms, index);
          const taken: { at_ms: number; what: number }[] = [];
          for (let due = agenda.take(until_ms); due !== undefined; due = agenda.take(until_ms))
            taken.push(due);
          const due = times.map((at_ms, what) => ({ at_ms, what })).filter(({ at_ms }) => at_ms <= until_ms);
          expect(taken.map(({ what }) => what)).toEqual(
            due.toSorted((a, b) => a.at_ms - b.at_ms || a.what - b.what).map(({ what }) => what),
          );
          expect(agenda.size).toBe(times.length - due.length);
        },
      ),
    );
  });
});
