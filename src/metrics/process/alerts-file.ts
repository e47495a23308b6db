import { readFileSync } from "node:fs";
import { EvenkeelError } from "../../errors.ts";
import { strict } from "../must-be.ts";
import { readYaml } from "../yaml.ts";
import { checkNotify, NOBODY, type NotifyConfig, notifyShape } from "./notify/schema.ts";
import { DEFAULT_RULES, WRITTEN_DEFAULTS } from "./rules/default-rules.ts";
import { buildRules, type Rule, rulesShape } from "./rules/rule.ts";

/** What the file of alerts says. */
export interface AlertsFile {
  readonly rules: readonly Rule[];
  /** Who is told of alerts. */
  readonly notify: NotifyConfig;
}

/** What holds without a file. */
export const NO_ALERTS_FILE: AlertsFile = { rules: DEFAULT_RULES, notify: NOBODY };

const schema = strict({ ...rulesShape, ...notifyShape }, "a map of fields").superRefine(checkNotify);

/** @returns what a file says, or all that is wrong with it, each with its field and line */
export function readAlertsFile(text: string, file: string): AlertsFile | { problems: string[] } {
  const read = readYaml(text, schema, file);
  if ("problems" in read) return read;
  const { defaults, rules, ...notify } = read.value;
  const built = buildRules(rules, defaults ? WRITTEN_DEFAULTS : [], file, read.lineOf);
  return "problems" in built ? built : { ...built, notify };
}

/** @throws EvenkeelError "invalid" with all that is wrong with the file */
export function loadAlertsFile(file: string): AlertsFile {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new EvenkeelError("invalid", `${file} can't be read: ${(error as Error).message}`);
  }
  const read = readAlertsFile(text, file);
  if ("problems" in read) throw new EvenkeelError("invalid", read.problems.join("\n"));
  return read;
}
