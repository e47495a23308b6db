import { expect, test } from "vitest";
import { z } from "zod";
import { mustBe } from "./must-be.ts";
import { readYaml } from "./yaml.ts";

const schema = z.strictObject({
  rules: z.array(
    z.strictObject({ name: z.string(mustBe("a text")), for: z.number(mustBe("a number")).optional() }),
  ),
});

test("what a file says comes with the lines on which it says it", () => {
  const read = readYaml("rules:\n  - name: a\n  - name: b\n    for: 3\n", schema, "r.yaml");
  if ("problems" in read) throw new Error(read.problems.join("\n"));
  expect(read.value).toEqual({ rules: [{ name: "a" }, { name: "b", for: 3 }] });
  expect([read.lineOf(["rules", 0]), read.lineOf(["rules", 1]), read.lineOf(["rules", 1, "for"])]).toEqual([
    2, 3, 4,
  ]);
});

test.each([
  ["rules:\n  - name: a\n    for: x", ['r.yaml: rules[0].for must be a number; got "x", line 3']],
  [
    "rules:\n  - name: 3\n    for: x",
    [
      "r.yaml: rules[0].name must be a text; got 3, line 2",
      'r.yaml: rules[0].for must be a number; got "x", line 3',
    ],
  ],
  ["rules:\n  - for: 1", ["r.yaml: rules[0].name must be a text; got nothing, line 2"]],
  ["a: [", [expect.stringMatching(/^r\.yaml: .*, line 1$/)]],
  ["a: 1\na: 2", [expect.stringMatching(/^r\.yaml: .*unique.*, line 2$/)]],
])("%j is refused by line and field", (text, problems) => {
  expect(readYaml(text, schema, "r.yaml")).toEqual({ problems });
});

test("a file that multiplies itself by its aliases is refused", () => {
  const text = `a: &a [x, x]\n${"bcdefghij"
    .split("")
    .map((n, i) => `${n}: &${n} [${Array(9).fill(`*${"abcdefghij"[i]}`)}]`)
    .join("\n")}`;
  expect(readYaml(text, schema, "r.yaml")).toEqual({ problems: [expect.stringContaining("r.yaml: ")] });
});
