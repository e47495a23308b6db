import { expect, test } from "vitest";
import { toCsv } from "./csv.ts";
import { toText } from "./text.ts";

const csv = (...row: (string | number | null)[]) =>
  toCsv({ columns: row.map((_, index) => `c${index}`), rows: [row] }).split("\r\n")[1];

test("lines end in CRLF, the last one too", () => {
  expect(toCsv({ columns: ["a", "b"], rows: [[1, "x"]] })).toBe("a,b\r\n1,x\r\n");
});

test("a comma, a quote or a line break puts a field in quotes", () => {
  expect(csv('say "a, b"')).toBe('"say ""a, b"""');
  expect(toCsv({ columns: ["c"], rows: [["a\nb"]] })).toBe('c\r\n"a\nb"\r\n');
});

test("what is not known is an empty field, and a number is given in full", () => {
  expect(csv(null, 0.30000000000000004, -5, Number.NaN)).toBe(",0.30000000000000004,-5,");
});

test.each(["=1+1", "+1", "-1", "@x", "\tx", "＝1+1", "＋1", "－1", "＠x"])(
  "a text that a spreadsheet would run is neutralised: %j",
  (text) => {
    expect(csv(text)).toBe(`'${text}`);
  },
);

test("a line break at the start is neutralised and quoted", () => {
  expect(toCsv({ columns: ["c"], rows: [["\nx"]] })).toBe('c\r\n"\'\nx"\r\n');
  expect(toCsv({ columns: ["c"], rows: [["\rx"]] })).toBe('c\r\n"\'\rx"\r\n');
});

test("a negative number stays a number", () => {
  expect(csv(-1)).toBe("-1");
});

test("plain text aligns names to the left and numbers to the right", () => {
  expect(
    toText({
      columns: ["name", "n"],
      rows: [
        ["a", 1],
        ["bcdef", 200],
        ["x", null],
      ],
    }),
  ).toBe("name     n\n-----  ---\na        1\nbcdef  200\nx        –\n");
});

test("plain text lets no escape or line break of a name reach the terminal", () => {
  expect(toText({ columns: ["name"], rows: [["a\u001b[31m\nb"]] })).toBe("name\n--------\na [31m b\n");
  expect(toText({ columns: ["a\u202e\nb"], rows: [] })).toBe("a b\n---\n");
});
