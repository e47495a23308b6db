import { z } from "zod";
import { mustBe } from "../../../must-be.ts";

/** Which series are meant, as Prometheus writes it: `node_cpu_seconds_total{mode!~"idle|iowait"}`. */
export interface Selector {
  /** Null where the name is matched by `__name__`. */
  readonly name: string | null;
  matchesName(name: string): boolean;
  /** A label that is not there counts as empty. */
  matchesLabels(labels: ReadonlyMap<string, string>): boolean;
}

interface Matcher {
  readonly label: string;
  matches(value: string): boolean;
}

const RULE = 'a series such as node_load1 or node_cpu_seconds_total{mode!="idle"}';
const WHOLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*(?:\{(.*)\})?$/s;
const MATCHER = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(,|$)/y;

export const selector = z
  .string(mustBe(RULE))
  .max(1024, mustBe("at most 1024 characters"))
  .transform((text, context): Selector => {
    const read = readSelector(text);
    if (typeof read !== "string") return read;
    context.addIssue({ code: "custom", message: read });
    return z.NEVER;
  });

/** @returns or what is wrong with it */
function readSelector(text: string): Selector | string {
  const wrong = mustBe(RULE).error({ input: text });
  const [whole, name, inside = ""] = WHOLE.exec(text.trim()) ?? [];
  if (whole === undefined) return wrong;
  const matchers: Matcher[] = [];
  MATCHER.lastIndex = 0;
  for (let at = 0; at < inside.length; at = MATCHER.lastIndex) {
    const [, label = "", operator = "", quoted = ""] = MATCHER.exec(inside) ?? [];
    if (label === "") return wrong;
    const value = quoted.replaceAll(/\\(["\\])/g, "$1");
    try {
      matchers.push(matcherOf(label, operator, value));
    } catch (error) {
      return `${mustBe("a regular expression").error({ input: value })}: ${(error as Error).message}`;
    }
  }
  const [of_name, of_labels] = [true, false].map((named) =>
    matchers.filter(({ label }) => (label === "__name__") === named),
  );
  if (name === undefined && of_name!.length === 0) return wrong;
  return {
    name: name ?? null,
    matchesName: (given) =>
      (name === undefined || given === name) && of_name!.every(({ matches }) => matches(given)),
    matchesLabels: (labels) => of_labels!.every(({ label, matches }) => matches(labels.get(label) ?? "")),
  };
}

function matcherOf(label: string, operator: string, value: string): Matcher {
  if (operator === "=") return { label, matches: (given) => given === value };
  if (operator === "!=") return { label, matches: (given) => given !== value };
  // Of the whole value, as Prometheus has it.
  const pattern = new RegExp(`^(?:${value})$`, "s");
  return { label, matches: (given) => pattern.test(given) === (operator === "=~") };
}
