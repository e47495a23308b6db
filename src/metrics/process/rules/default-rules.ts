import { readFileSync } from "node:fs";
import { packageFile } from "../../../package-files.ts";
import { buildRules, readDefaults } from "./rule.ts";

const FILE = packageFile("rules/default.yaml");

/** As they are written in rules/default.yaml. */
export const WRITTEN_DEFAULTS = readDefaults(readFileSync(FILE, "utf8"), "rules/default.yaml");

const built = buildRules([], WRITTEN_DEFAULTS, "rules/default.yaml", () => 0);
if ("problems" in built) throw new Error(built.problems.join("\n"));

/** The rules that hold where no file says otherwise. */
export const DEFAULT_RULES = built.rules;
