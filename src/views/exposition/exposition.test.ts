import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Format,
  readExposition,
  type Series,
} from "../../metrics/collect/connect/prometheus/exposition.ts";
import { fixtureRead } from "../fixture.ts";
import { families } from "./families.ts";
import { type Family, histogram, labels, printed } from "./print.ts";

function parsed(text: string, format: Format): Series[] {
  const reading = readExposition(text, format);
  for (let step = reading.next(); ; step = reading.next()) if (step.done) return step.value;
}

const print = (all: Iterable<Family>, format: Format) => [...printed(all, format)].join("");

test("whatever labels, help and values there are, a reader finds them as they were, in either format", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,15}[a-su-z]$/);
  const text = fc.string({ unit: "grapheme", minLength: 1 });
  const family = fc.record({
    name,
    kind: fc.constantFrom("gauge" as const, "counter" as const),
    help: fc.string({ unit: "grapheme" }),
    values: fc.uniqueArray(
      fc.tuple(
        text,
        fc.double().filter((value) => !Object.is(value, -0)),
      ),
      {
        selector: ([label]) => label,
      },
    ),
  });
  const all = fc.uniqueArray(family, {
    selector: (one) => one.name.replace(/_(bucket|sum|count|total|created)$/, ""),
  });
  fc.assert(
    fc.property(all, fc.constantFrom<Format>("text", "openmetrics"), (given, format) => {
      const told = given.map(
        ({ name, kind, help, values }): Family => ({
          name,
          kind,
          help,
          samples: () =>
            values.map(([label, value]) => ({ suffix: "", labels: labels({ label, none: null }), value })),
        }),
      );
      const found = parsed(print(told, format), format);
      expect(found.map(({ name, labels, value }) => [name, labels.get("label"), value])).toEqual(
        given.flatMap(({ name, kind, values }) =>
          values.map(([label, value]) => [kind === "counter" ? `${name}_total` : name, label, value]),
        ),
      );
    }),
    // No line of a text ends with what ends one elsewhere.
    {
      examples: [
        [[{ name: "aa", kind: "gauge", help: "\u2028", values: [["\u2028", 0]] }], "openmetrics"],
        [[{ name: "aa", kind: "counter", help: "\u2029", values: [["\\\u2029", 1]] }], "openmetrics"],
      ],
    },
  );
});

test("a histogram's buckets add up to all of it, with bounds as each format writes them", () => {
  const one: Family = {
    name: "wait_seconds",
    kind: "histogram",
    help: "Waits",
    samples: (format) =>
      histogram(labels({ a: "b" }), { bounds: [0.5, 2], counts: [1, 0, 3], count: 4, sum: 30.5 }, format),
  };
  const told = (whole: string) => `wait_seconds_bucket{a="b",le="0.5"} 1
wait_seconds_bucket{a="b",le="${whole}"} 1
wait_seconds_bucket{a="b",le="+Inf"} 4
wait_seconds_sum{a="b"} 30.5
wait_seconds_count{a="b"} 4
`;
  const head = "# HELP wait_seconds Waits\n# TYPE wait_seconds histogram\n";
  expect(print([one], "text")).toBe(head + told("2"));
  expect(print([one], "openmetrics")).toBe(`${head + told("2.0")}# EOF\n`);
});

describe("what is told of a fleet", () => {
  const all = [...families(fixtureRead({ workers: 100 }), { cpu_s: 1 })];

  test("has names of its own, by Prometheus' rules, and a help of one line", () => {
    const names = all.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, help } of all) {
      expect(name).toMatch(/^(evenkeel|process)_[a-z0-9_]+$/);
      expect(name).not.toMatch(/_(total|count|sum|bucket|percent|ms|s)$/);
      expect(help).toMatch(/^[^\n]{3,}$/);
    }
  });

  test("comes in pieces, however long a way there is nothing to tell", () => {
    const pieces = [...printed(families(fixtureRead({ workers: 2000 }), { cpu_s: 1 }), "text")];
    expect(pieces.length).toBeGreaterThan(20);
    for (const piece of pieces) expect(piece.split("\n").length).toBeLessThan(1300);
  });
});
