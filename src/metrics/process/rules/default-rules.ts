import { readFileSync } from "node:fs";
import { buildRules, readDefaults } from "./rule.ts";

/** Beside package.json, both for the sources and for the build. */
const FILE = new URL("../../../../rules/default.yaml", import.meta.url);

/** As they are written in rules/default.yaml. */
export const WRITTEN_DEFAULTS = readDefaults(readFileSync(FILE, "utf8"), "rules/default.yaml");

const built = buildRules([], WRITTEN_DEFAULTS, "rules/default.yaml", () => 0);
if ("problems" in built) throw new Error(built.problems.join("\n"));

/** The rules that hold where no file says otherwise. */
export const DEFAULT_RULES = built.rules;
