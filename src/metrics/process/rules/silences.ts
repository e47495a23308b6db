import { EvenkeelError } from "../../../errors.ts";
import { ALERT_LABELS, type Alert, type AlertLabel, type Matcher, type Silence } from "../../model.ts";
import { wildcard } from "./compile.ts";

/** Silences that are kept at once, those that ended lately included. */
export const MAX_SILENCES = 1000;
const MAX_MATCHERS = 20;
const MAX_PATTERN = 256;
/** Longer is for ever: whoever means that takes the rule out. */
const MAX_SILENCE_MS = 30 * 86_400_000;
const MIN_SILENCE_MS = 60_000;

/**
 * `worker_type=gpu`, `rule=worker_*`, `worker!=w1`: all of them have to match.
 *
 * @throws EvenkeelError "invalid"
 */
export function parseMatchers(text: string): Matcher[] {
  const parts = text
    .split(/[\n,]/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
  if (parts.length === 0 || parts.length > MAX_MATCHERS)
    throw invalid(`matchers must be 1 to ${MAX_MATCHERS} of label=value; got ${parts.length}`, "matchers");
  return parts.map((part) => {
    const [, label = "", not = "", pattern = ""] = /^([a-z_]+)\s*(!?)=\s*(.*)$/s.exec(part) ?? [];
    if (!ALERT_LABELS.includes(label as AlertLabel))
      throw invalid(
        `matchers must be label=value or label!=value with one of ${ALERT_LABELS.join(", ")}; got ${JSON.stringify(part)}`,
        "matchers",
      );
    if (pattern === "" || pattern.length > MAX_PATTERN)
      throw invalid(
        `matchers must have a value of 1 to ${MAX_PATTERN} characters; got ${JSON.stringify(part)}`,
        "matchers",
      );
    return { label: label as AlertLabel, pattern, not: not === "!" };
  });
}

export function matchersText(matchers: readonly Matcher[]): string {
  return matchers.map(({ label, pattern, not }) => `${label}${not ? "!" : ""}=${pattern}`).join(", ");
}

/** Whether all matchers hold of an alert; a label that it has not is empty. */
export function matches(matchers: readonly Matcher[]): (alert: Pick<Alert, "labels">) => boolean {
  const tests = matchers.map(({ label, pattern, not }) => ({ label, not, like: wildcard(pattern) }));
  return ({ labels }) => tests.every(({ label, not, like }) => like(labels[label] ?? "") !== not);
}

export function isActive({ starts_ms, ends_ms }: Silence, now_ms: number): boolean {
  return starts_ms <= now_ms && now_ms < ends_ms;
}

/** @throws EvenkeelError "invalid" for an end that is past, or as good as never */
export function checkEnd(ends_ms: number, now_ms: number): void {
  if (ends_ms - now_ms >= MIN_SILENCE_MS && ends_ms - now_ms <= MAX_SILENCE_MS) return;
  throw invalid(
    `a silence must end in 1 minute to 30 days; got ${Math.round((ends_ms - now_ms) / 1000)} s`,
    "ends",
  );
}

function invalid(message: string, parameter: string): EvenkeelError {
  return new EvenkeelError("invalid", message, { details: { parameter } });
}
