import { expect, it } from "vitest";
import { createLog } from "./log.ts";

function lines(least: "error" | "info", ...messages: ["error" | "warn" | "debug", string][]): string[] {
  const written: string[] = [];
  const log = createLog(least, (line) => written.push(line));
  for (const [level, message] of messages) log(level, message);
  return written;
}

it("nothing from outside begins a line of its own or moves the cursor", () => {
  const hostile = "worker a\r\nerror all is lost\u001b[2J\u202e\u2028end";
  expect(lines("info", ["warn", hostile])).toEqual([
    "warn worker a\\u000d\\u000aerror all is lost\\u001b[2J\\u202e\\u2028end\n",
  ]);
});

it("what is less than asked for is left out", () => {
  expect(lines("error", ["warn", "a"], ["error", "b"], ["debug", "c"])).toEqual(["error b\n"]);
});
