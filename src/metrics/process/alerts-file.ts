import { z } from "zod";
import { readYaml } from "../yaml.ts";
import { DEFAULT_RULES, WRITTEN_DEFAULTS } from "./rules/default-rules.ts";
import { buildRules, type Rule, rulesShape, unknownKey } from "./rules/rule.ts";

/** What the file of alerts says. */
export interface AlertsFile {
  readonly rules: readonly Rule[];
}

/** What holds without a file. */
export const NO_ALERTS_FILE: AlertsFile = { rules: DEFAULT_RULES };

const schema = z.strictObject(rulesShape, { error: unknownKey });

/** @returns what a file says, or all that is wrong with it, each with its field and line */
export function readAlertsFile(text: string, file: string): AlertsFile | { problems: string[] } {
  const read = readYaml(text, schema, file);
  if ("problems" in read) return read;
  const { defaults, rules } = read.value;
  return buildRules(rules, defaults ? WRITTEN_DEFAULTS : [], file, read.lineOf);
}
