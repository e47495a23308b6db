import { z } from "zod";
import { didYouMean, duration } from "../../../kinds.ts";
import { SEVERITIES, type Severity } from "../../model.ts";
import { mustBe, scalar, strict } from "../../must-be.ts";
import { fieldOf, readYaml } from "../../yaml.ts";
import { expect, type Figure } from "./compile.ts";
import { type Expression, ExpressionError, parseExpression, partsOf } from "./expression.ts";
import { SUBJECT_KINDS, type SubjectKindName } from "./subjects.ts";
import { mustClose, type Template, template } from "./template.ts";
import type { SubjectKind } from "./vocabulary.ts";
import { Windows } from "./windows.ts";

/** When something is worth an alert, and what is said of it. */
export interface Rule<S = unknown> {
  readonly name: string;
  readonly each: SubjectKindName;
  readonly kind: SubjectKind<S>;
  readonly severity: Severity;
  /** As they were written; `clear` is empty where the alert ends with its condition. */
  readonly when: string;
  readonly clear: string;
  readonly for_ms: number;
  readonly keep_firing_for_ms: number;
  /** While one of these rules fires for what the subject belongs to, this one is held back. */
  readonly unless: readonly string[];
  /** Whether it also looks at workers that were taken out on purpose. */
  readonly planned: boolean;
  /** Metrics that its alerts show the course of. */
  readonly chart: readonly string[];
  readonly help: string;
  /** Of many alerts of the rule; {{count}} says how many, {{worker_type}} of which type. */
  readonly many: string;
  /** The rule for one fleet, which it remembers figures of. */
  arm(): Armed<S>;
}

/** What a rule asks and says. */
export interface Armed<S = unknown> {
  readonly holds: Figure<S>;
  /** Whether it can hold for none of the subjects in a state. */
  holdsNever(state: string): boolean;
  readonly cleared: Figure<S> | null;
  readonly summary: Template<S>;
  readonly description: Template<S>;
  readonly windows: Windows<S>;
}

/** Rules of one file at most. */
const MAX_RULES = 500;
const NAME = /^[a-z][a-z0-9_]{0,63}$/;

const FOR = scalar(duration("0s", "1d"));

const KINDS = Object.keys(SUBJECT_KINDS) as [SubjectKindName, ...SubjectKindName[]];
const text = (max: number) =>
  z.string(mustBe("a text")).max(max, mustBe(`a text of at most ${max} characters`));
const name = z
  .string(mustBe("a name of a-z, 0-9 and _"))
  .regex(NAME, mustBe("a name of a-z, 0-9 and _, at most 64"));
const names = (max: number) =>
  z.array(name, mustBe("a list of names")).max(max, mustBe(`at most ${max} names`));

const ruleSchema = strict(
  {
    name,
    each: z.enum(KINDS, mustBe(`one of ${KINDS.join(", ")}`)).optional(),
    when: text(2000).optional(),
    clear: text(2000).optional(),
    for: FOR.optional(),
    keep_firing_for: FOR.optional(),
    severity: z.enum(SEVERITIES, mustBe(`one of ${SEVERITIES.join(", ")}`)).optional(),
    summary: text(1000).optional(),
    description: text(1000).optional(),
    many: text(1000).optional(),
    help: text(1000).optional(),
    unless: names(20).optional(),
    planned: z.boolean(mustBe("true or false")).optional(),
    chart: names(8).optional(),
    enabled: z.boolean(mustBe("true or false")).optional(),
  },
  "a map of fields",
);

type Written = z.output<typeof ruleSchema>;

/** The keys of a file of alerts that say what is worth one. */
export const rulesShape = {
  defaults: z.boolean(mustBe("true or false")).default(true),
  rules: z
    .array(ruleSchema, mustBe("a list of rules"))
    .max(MAX_RULES, mustBe(`at most ${MAX_RULES} rules`))
    .default([]),
};

/**
 * The rules of a file, after the default ones. A rule that has a default one's name says only what is different.
 *
 * @param lineOf the line of a rule's field in the file
 * @returns the rules, or all that is wrong with them
 */
export function buildRules(
  written: readonly Written[],
  defaults: readonly Written[],
  file: string,
  lineOf: (path: readonly PropertyKey[]) => number,
): { rules: Rule[] } | { problems: string[] } {
  const problems: string[] = [];
  const merged = new Map(
    defaults.map((rule) => [rule.name, { rule, at: null as number | null, own: {} as Written }]),
  );
  written.forEach((rule, at) => {
    const before = merged.get(rule.name);
    if (before && before.at !== null)
      problems.push(`${file}: rules[${at}].name is there twice: ${rule.name}, line ${lineOf(["rules", at])}`);
    // A rule of one's own may rest; a name alone must be one that holds without the file.
    if (rule.enabled === false && rule.when === undefined && !before) {
      const near = didYouMean(rule.name, [...merged.keys()]);
      problems.push(
        `${file}: rules[${at}].name names no default rule that could be switched off: ${rule.name}${near}, line ${lineOf(["rules", at, "name"])}`,
      );
    }
    merged.set(rule.name, { rule: { ...before?.rule, ...rule }, at, own: rule });
  });
  const rules: Rule[] = [];
  for (const { rule, at, own } of merged.values()) {
    if (rule.enabled === false) continue;
    const complain = (field: keyof Written, message: string) => {
      const path = at === null ? [rule.name, field] : ["rules", at, field];
      const line = at === null ? "" : `, line ${lineOf(field in own ? path : ["rules", at])}`;
      problems.push(`${file}: ${fieldOf(path)} ${message}${line}`);
    };
    const built = build(rule, complain);
    if (built) rules.push(built);
  }
  for (const { rule, at } of merged.values()) {
    const wrong = unlessProblem(rule, merged);
    if (wrong === null) continue;
    const line = at === null ? "" : `, line ${lineOf(["rules", at, "unless"])}`;
    problems.push(`${file}: ${at === null ? rule.name : `rules[${at}]`}.unless ${wrong}${line}`);
  }
  return problems.length > 0 ? { problems } : { rules };
}

/** What is wrong with the rules that hold a rule back; null where nothing is. */
function unlessProblem(
  { name, unless = [] }: Written,
  all: ReadonlyMap<string, { readonly rule: Written }>,
): string | null {
  const unknown = unless.find((other) => !all.has(other));
  if (unknown !== undefined) return `names no rule: ${unknown}${didYouMean(unknown, [...all.keys()])}`;
  const causes = new Set<string>();
  const visit = (others: readonly string[]): void => {
    for (const other of others) {
      if (causes.has(other)) continue;
      causes.add(other);
      visit(all.get(other)?.rule.unless ?? []);
    }
  };
  visit(unless);
  return causes.has(name) ? `leads back to ${name} itself` : null;
}

/** Stands for a condition that is wrong. */
const UNKNOWN = { figure: () => Number.NaN, byState: () => Number.NaN };

function build(written: Written, complain: (field: keyof Written, message: string) => void): Rule | null {
  const { name, each, when, severity, summary } = written;
  const before = { count: 0 };
  const wrong = (field: keyof Written, message: string) => {
    before.count += 1;
    complain(field, message);
  };
  for (const [field, given] of Object.entries({ each, when, severity, summary })) {
    if (given === undefined) wrong(field as keyof Written, "is missing");
  }
  if (each === undefined || when === undefined || severity === undefined || summary === undefined)
    return null;
  const kind = SUBJECT_KINDS[each] as SubjectKind<unknown>;
  const attempt = <T>(field: keyof Written, make: () => T): T | null => {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      wrong(field, `${error.message} (at character ${error.offset + 1})`);
      return null;
    }
  };
  const arm = () => {
    const windows = new Windows<unknown>((subject) => kind.id(subject));
    const condition = (field: keyof Written, source: string) =>
      attempt(field, () => expect("condition", parseExpression(source), kind, windows)) ?? UNKNOWN;
    const sentence = (field: keyof Written, source: string) =>
      attempt(field, () => template(source, kind, windows))!;
    const holds = condition("when", when);
    return {
      windows,
      holds: holds.figure,
      holdsNever: (state: string) => (holds.byState(state) ?? 1) !== 1,
      cleared: written.clear === undefined ? null : condition("clear", written.clear).figure,
      summary: sentence("summary", summary),
      description: sentence("description", written.description ?? ""),
    };
  };
  // What is wrong with it is said now.
  arm();
  attempt("many", () => mustClose(written.many ?? ""));
  for (const metric of written.chart ?? []) {
    if (!kind.value(metric)) wrong("chart", `has the unknown name ${metric}`);
  }
  if (before.count > 0) return null;
  return {
    name,
    each,
    kind,
    severity,
    when,
    clear: written.clear ?? "",
    for_ms: written.for ?? 0,
    keep_firing_for_ms: written.keep_firing_for ?? 0,
    unless: written.unless ?? [],
    planned: written.planned ?? false,
    chart: written.chart ?? attempt("when", () => metricsIn(parseExpression(when), kind)) ?? [],
    help: written.help ?? "",
    many: written.many ?? `{{count}} alerts of ${name}`,
    arm,
  };
}

/** The names in an expression that are metrics with a course. */
function metricsIn(expression: Expression, kind: SubjectKind<unknown>): string[] {
  const found = new Set<string>();
  for (const part of partsOf(expression)) {
    if (part.kind === "name" && kind.charted(part.name)) found.add(part.name);
  }
  return [...found].slice(0, 4);
}

/** The metrics of sources' own making that a rule's conditions ask for. */
export function customIn({ when, clear }: Pick<Rule, "when" | "clear">): string[] {
  return [when, clear]
    .filter((source) => source !== "")
    .flatMap((source) => [...partsOf(parseExpression(source))])
    .flatMap((part) => (part.kind === "call" && part.name === "custom" ? part.args : []))
    .flatMap((asked) => (asked.kind === "name" ? [asked.name] : []));
}

const defaultsSchema = strict({ rules: rulesShape.rules }, "a map of fields");

/** @throws Error where the file that comes with Evenkeel is damaged */
export function readDefaults(text: string, file: string): readonly Written[] {
  const read = readYaml(text, defaultsSchema, file);
  if ("problems" in read) throw new Error(read.problems.join("\n"));
  return read.value.rules;
}
