import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Format, readExposition, type Series } from "./exposition.ts";

function read(text: string, format: Format = "text", wanted?: (name: string) => boolean): Series[] {
  const reading = readExposition(text, format, wanted);
  for (let step = reading.next(); ; step = reading.next()) if (step.done) return step.value;
}

const plain = (text: string, format?: Format) =>
  read(text, format).map(({ name, labels, value, at_ms }) => [
    name,
    Object.fromEntries(labels),
    value,
    at_ms,
  ]);

describe("the text format", () => {
  test("has labels with escapes, times, blanks where one likes, comments and values beyond numbers", () => {
    const text = String.raw`
# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
  msdos_file_access_time_seconds{path="DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\"",} 1.458255915e9
# any comment
metric_without_timestamp_and_labels	12.47
something_weird { problem = "division by zero" } +Inf -3982045
not_a_number NaN
negative -Inf
small .5E-3
`;
    expect(plain(text)).toEqual([
      ["http_requests_total", { method: "post", code: "200" }, 1027, 1395066363000],
      [
        "msdos_file_access_time_seconds",
        { path: "DIR\\FILE.TXT", error: 'Cannot find file:\n"FILE.TXT"' },
        1.458255915e9,
        null,
      ],
      ["metric_without_timestamp_and_labels", {}, 12.47, null],
      ["something_weird", { problem: "division by zero" }, Infinity, -3982045],
      ["not_a_number", {}, Number.NaN, null],
      ["negative", {}, -Infinity, null],
      ["small", {}, 0.0005, null],
    ]);
  });

  test("ends its last line or not, and its lines as Windows does", () => {
    expect(plain("a 1\r\nb 2")).toEqual([
      ["a", {}, 1, null],
      ["b", {}, 2, null],
    ]);
    expect(plain("")).toEqual([]);
  });

  test("says of each series whether it only grows", () => {
    const text = `# TYPE c counter
c 1
# TYPE h histogram
h_bucket{le="+Inf"} 1
h_sum 1
h_count 1
# TYPE s summary
s{quantile="0.5"} 1
s_sum 1
s_count 1
# TYPE g gauge
g 1
g_total 1
`;
    expect(read(text).map(({ name, cumulative }) => (cumulative ? name : `(${name})`))).toEqual([
      "c",
      "h_bucket",
      "h_sum",
      "h_count",
      "(s)",
      "s_sum",
      "s_count",
      "(g)",
      "(g_total)",
    ]);
  });

  test("keeps only what is wanted, and checks the rest all the same", () => {
    const wanted = (name: string) => name === "b";
    expect(read("a 1\nb 2\n", "text", wanted).map(({ name }) => name)).toEqual(["b"]);
    expect(() => read("a x\nb 2\n", "text", wanted)).toThrow("line 1");
  });
});

describe("OpenMetrics", () => {
  test("has units, exemplars, times in seconds and an end", () => {
    const text = `# TYPE foo_seconds counter
# UNIT foo_seconds seconds
# HELP foo_seconds A "counter".
foo_seconds_total{a="b"} 17.0 1520879607.789 # {trace_id="KOO5S4vxi0o"} 0.67 1520879607.7
foo_seconds_created{a="b"} 1520430000.123
# TYPE h histogram
h_bucket{le="+Inf"} 3 # {} 0.5
# TYPE state stateset
state{state="UP"} 1
# EOF
`;
    expect(plain(text, "openmetrics")).toEqual([
      ["foo_seconds_total", { a: "b" }, 17, 1520879607789],
      ["foo_seconds_created", { a: "b" }, 1520430000.123, null],
      ["h_bucket", { le: "+Inf" }, 3, null],
      ["state", { state: "UP" }, 1, null],
    ]);
    expect(read(text, "openmetrics").map(({ cumulative }) => cumulative)).toEqual([true, false, true, false]);
  });

  test.each([
    ["a 1\n", "line 2 must be # EOF, the end of OpenMetrics; got nothing: was the answer cut off?"],
    ["a 1\n# EOF\nb 2\n", "line 3 must not follow # EOF"],
    ["a 1\n\n# EOF\n", "line 2 must not be empty"],
    ["a  1\n# EOF\n", 'line 1 must have a space before the value; got "a  1"'],
    ["a 1 \n# EOF\n", "line 1 must end after its value and time"],
    ["# whatever\n# EOF\n", "line 1 must be # TYPE, # HELP or # UNIT with a name"],
    ["# TYPE a counter\na 1\n# EOF\n", "line 2 must name the counter's sample a_total; got a"],
    ["# TYPE a untyped\n# EOF\n", "line 1 must give one of the types"],
    ["a 1 # {} 2\n# EOF\n", "line 1 must have no exemplar"],
    ['a{b= "c"} 1\n# EOF\n', "line 1 must have no spaces around the label b"],
  ])("refuses %j", (text, message) => {
    expect(() => read(text, "openmetrics")).toThrow(message);
  });
});

test.each([
  ["1a 2\n", `line 1 must begin with a metric's name; got "1a 2"`],
  ["\n\na\n", 'line 3 must have a space before the value; got "a"'],
  ["a x\n", 'line 1 must give a number; got "x"'],
  ["a 1_000\n", 'line 1 must give a number; got "1_000"'],
  ["a 0x1\n", 'line 1 must give a number; got "0x1"'],
  ["a 1 1.5\n", 'line 1 must give a time in whole milliseconds; got "1.5"'],
  ["a 1 2 3\n", 'line 1 must end after its value and time; got "3"'],
  ['a{b="c} 1\n', "line 1 must give labels as name="],
  ['a{b="c"\n', "line 1 must part labels by commas and end them with }"],
  ['a{b="c" d="e"} 1\n', "line 1 must part labels by commas"],
  ['a{1="c"} 1\n', "line 1 must give labels as name="],
  ['a{b="\\x"} 1\n', String.raw`line 1 must escape by \\, \" or \n only; got "\\x"`],
  ['a{b="1",b="2"} 1\n', "line 1 must not give the label b twice"],
  ['a{b="1",c="2"} 1\na{c="2",b="1"} 1\n', "line 2 must not give "],
  ["# TYPE a gauge\n# TYPE a counter\n", "line 2 must not give the type of a again"],
  [
    "# TYPE a meter\n",
    'line 1 must give one of the types counter, gauge, histogram, summary, untyped; got "meter"',
  ],
  ["<!doctype html>\n<p>\n", "line 1 must begin with a metric's name"],
])("refuses %j", (text, message) => {
  expect(() => read(text)).toThrow(message);
});

test("a line and its labels have a bound", () => {
  const labels = Array.from({ length: 65 }, (_, index) => `l${index}="x"`);
  expect(() => read(`a${"b".repeat(70_000)} 1\n`)).toThrow(
    "line 1 must have at most 65536 characters; got 70003",
  );
  expect(() => read(`a{${labels.join(",")}} 1\n`)).toThrow("line 1 must have at most 64 labels");
});

const name = fc.stringMatching(/^[a-zA-Z_:][a-zA-Z0-9_:]{0,20}$/);
const label = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,10}$/);
const series = fc.record({
  name: fc.oneof(name, fc.constantFrom("a_total", "b_bucket")),
  labels: fc.dictionary(label, fc.string({ unit: "grapheme" }), { maxKeys: 5 }),
  value: fc.double().filter((value) => !Object.is(value, -0)),
  at_s: fc.option(fc.integer({ min: -1e9, max: 1e10 })),
});

test("what is written by the formats' rules is read as it was, in both", () => {
  const all = fc.uniqueArray(series, {
    selector: ({ name, labels }) => JSON.stringify([name, Object.entries(labels).sort()]),
  });
  fc.assert(
    fc.property(all, fc.constantFrom<Format>("text", "openmetrics"), (written, format) => {
      const lines = written.map(({ name, labels, value, at_s }) => {
        const inside = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
        const braces = inside.length > 0 ? `{${inside.join(",")}}` : "";
        const time = at_s === null ? "" : ` ${format === "text" ? at_s * 1000 : at_s}`;
        const exemplar = format === "openmetrics" && /_(total|bucket)$/.test(name) ? ' # {id="x"} 1' : "";
        return `${name}${braces} ${String(value).replace("Infinity", "Inf")}${time}${exemplar}\n`;
      });
      const text = lines.join("") + (format === "openmetrics" ? "# EOF\n" : "");
      expect(plain(text, format)).toEqual(
        written.map(({ name, labels, value, at_s }) => [
          name,
          { ...labels },
          value,
          at_s === null ? null : at_s * 1000,
        ]),
      );
    }),
  );
});

test("whatever comes is read, or refused with its line", () => {
  const pieces = fc.constantFrom(
    "a",
    "{",
    "}",
    '"',
    "=",
    ",",
    " ",
    "\n",
    "1",
    "\\",
    "# TYPE a ",
    "# EOF",
    "\t",
    "é",
    "NaN",
  );
  fc.assert(
    fc.property(
      fc.array(pieces, { maxLength: 40 }),
      fc.constantFrom<Format>("text", "openmetrics"),
      (parts, format) => {
        try {
          read(parts.join(""), format);
        } catch (error) {
          expect((error as Error).message).toMatch(/^line \d+ (must|is) /);
        }
      },
    ),
  );
});

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
