import { readFileSync } from "node:fs";
import { EvenkeelError } from "./errors.ts";
import { type AlertsFile, loadAlertsFile } from "./metrics/process/alerts-file.ts";
import type { NotifyPlan } from "./metrics/process/notify/notify.ts";
import { reachable } from "./metrics/process/notify/secrets.ts";

/** What holds of the file of alerts, with the secrets that it names. */
export interface Alerts extends Pick<AlertsFile, "rules"> {
  readonly plan: NotifyPlan;
}

/** @throws EvenkeelError "invalid" with all that is wrong with the file, or with what it takes from elsewhere */
export function loadAlerts(file: string, env: Readonly<Record<string, string | undefined>>): Alerts {
  const { rules, notify } = loadAlertsFile(file);
  const found = reachable(notify, { env, readFile: (path) => readFileSync(path, "utf8") });
  if ("problems" in found) {
    throw new EvenkeelError("invalid", found.problems.map((problem) => `${file}: ${problem}`).join("\n"));
  }
  return { rules, plan: { config: notify, reachable: found } };
}
