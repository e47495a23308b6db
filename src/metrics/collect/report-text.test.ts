import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ExtentReader } from "./extent.ts";
import { type GivenReport, inSlices, Outline, SLICE } from "./report-text.ts";

const NO_LIMITS = { depth: Number.POSITIVE_INFINITY, parts: Number.POSITIVE_INFINITY, fields: 1e9 };
const MAX = { workers: 3 * SLICE, tasks: 3 * SLICE };

/** The report in slices; null where it is to be read as a whole. */
function read(text: string): GivenReport | null {
  const outline = new Outline(text);
  const reader = new ExtentReader(text, NO_LIMITS, (at) => outline.see(at));
  while (reader.read(1000));
  return outline.read(MAX);
}

/** All of it again. */
function whole({ head, lists }: GivenReport): unknown {
  const long = Object.entries(lists).map(([name, slices]) => [name, [...slices].flat()]);
  return Object.keys(lists).length === 0 ? head : { ...(head as object), ...Object.fromEntries(long) };
}

/** What reading gives: the value, or what is wrong with the text. */
function outcome(read: () => unknown): unknown {
  try {
    return { value: read() };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

const LONG = Array.from({ length: SLICE + 1 }, (_, index) => ({ id: `w-${index}` }));
const longText = JSON.stringify(LONG);

describe("a report that is read from its text in slices", () => {
  const odd = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom('"', "\\", '"workers":[', "]}", ',{"tasks":[1]}', "x,y"),
  );
  const item = fc.oneof(fc.integer(), fc.constant(null), odd, fc.record({ id: odd, tags: fc.array(odd) }));
  const list = fc
    .tuple(fc.array(item, { minLength: 1, maxLength: 4 }), fc.integer({ min: 0, max: 4 * SLICE }))
    .map(([items, length]) => Array.from({ length }, (_, index) => items[index % items.length]));
  const report = fc.record(
    { source: odd, workers: fc.oneof(list, item), tasks: list, system: item, other: list },
    { requiredKeys: [] },
  );

  test("is what the whole text gives, whatever is in it", () => {
    fc.assert(
      fc.property(report, fc.constantFrom(undefined, 1, "\t"), (value, space) => {
        const text = JSON.stringify(value, null, space);
        const given = read(text);
        expect(given === null ? null : whole(given)).toEqual(given === null ? null : JSON.parse(text));
      }),
      { numRuns: 200 },
    );
  });

  test("that is damaged anywhere is refused as the whole text is, or gives the same", () => {
    const damage = fc.constantFrom("", ",", "]", "}", "[", "{", '"', "\\", ":", " ", "1", "null");
    const text = JSON.stringify({ source: "b", workers: LONG, tasks: LONG, complete: true });
    fc.assert(
      fc.property(fc.nat(text.length), fc.nat(2), damage, (at, cut, put) => {
        const damaged = text.slice(0, at) + put + text.slice(at + cut);
        const got = outcome(() => {
          const given = read(damaged);
          return given === null ? JSON.parse(damaged) : whole(given);
        });
        expect(got).toEqual(outcome(() => JSON.parse(damaged)));
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ["a comma behind the last", (list: string) => `${list.slice(0, -1)},]`],
    ["two commas", (list: string) => list.replace("},{", "},,{")],
    ["two commas where slices meet", (list: string) => list.replace(`,{"id":"w-${SLICE}"`, ",$&")],
    ["nothing before the first comma", (list: string) => list.replace("[", "[,")],
  ])("with %s between its entries is no JSON", (_, damage) => {
    const text = `{"workers":${damage(longText)}}`;
    expect(outcome(() => whole(read(text)!))).toEqual(outcome(() => JSON.parse(text)));
  });

  test("with exactly one slice's entries and a comma behind them is no JSON", () => {
    const text = `{"workers":[${"1,".repeat(SLICE)}]}`;
    expect(outcome(() => whole(read(text)!))).toEqual(outcome(() => JSON.parse(text)));
  });
});

describe("a report is read as a whole", () => {
  test.each([
    ["a list is short", JSON.stringify({ workers: LONG.slice(1) })],
    ["a list is longer than it may be", JSON.stringify({ workers: Array(MAX.workers + 1).fill(1) })],
    ["it has a name twice", `{"workers":${longText},"workers":[]}`],
    ["a name is written with an escape", `{"workers":${longText},"w\\u006frkers":[]}`],
    ["it is a list", `[{"workers":${longText}}]`],
    ["the list is not its own", `{"system":{"workers":${longText}}}`],
  ])("where %s", (_, text) => {
    expect(read(text)).toBe(null);
  });
});

test("long lists come in slices of at most so many, from text and from objects alike", () => {
  const value = { at: 1, workers: LONG, tasks: Array.from({ length: MAX.tasks }, (_, id) => ({ id })) };
  for (const given of [read(JSON.stringify(value))!, inSlices(value, MAX)]) {
    expect(given.head).toEqual({ at: 1, workers: [], tasks: [] });
    const slices = Object.values(given.lists).map((list) => [...list]);
    expect(slices.map((list) => list.map(({ length }) => length))).toEqual([
      [SLICE, 1],
      [SLICE, SLICE, SLICE],
    ]);
    expect(slices.map((list) => list.flat())).toEqual([value.workers, value.tasks]);
  }
});

test("an object that is no report is handed on as it is", () => {
  for (const raw of [null, 7, "x", [1], { workers: 7 }])
    expect(inSlices(raw, MAX)).toEqual({ head: raw, lists: {} });
});
