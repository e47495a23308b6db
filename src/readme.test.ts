import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { settingsTable } from "./config.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

/** What stands in README.md between `<!-- name -->` and `<!-- /name -->`. */
function section(name: string): string | undefined {
  return readme.split(`<!-- ${name} -->`)[1]?.split(`<!-- /${name} -->`)[0]?.trim();
}

test("README's table of settings is the code's", () => {
  expect(section("settings")).toBe(settingsTable());
});
