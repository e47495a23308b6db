import { CATALOGUE, type Unit } from "../../catalogue.ts";
import { counted, measure, NONE } from "../../format.ts";
import { compile } from "./compile.ts";
import { ExpressionError, parseExpression } from "./expression.ts";
import type { RuleScene, SubjectKind } from "./vocabulary.ts";
import type { Windows } from "./windows.ts";

/** A sentence about a subject as of now. */
export type Template<S> = (subject: S, scene: RuleScene) => string;

const PLACEHOLDER = /\{\{(.*?)\}\}/gs;
const MAX_LENGTH = 1000;

const UNITS: ReadonlySet<string> = new Set(CATALOGUE.map(({ unit }) => unit));

/**
 * `Worker {{worker}} has {{pending_tasks}} pending tasks`: between the braces stand texts and figures of the kind,
 * a figure with its unit, with another one (`{{ queued_tasks / 2 | count }}`), or as so many of something
 * (`{{pending_tasks | "pending task"}}`).
 *
 * @throws ExpressionError
 */
export function template<S>(text: string, kind: SubjectKind<S>, windows: Windows<S>): Template<S> {
  if (text.length > MAX_LENGTH)
    throw new ExpressionError(`must have at most ${MAX_LENGTH} characters; got ${text.length}`, 0);
  mustClose(text);
  const parts: Template<S>[] = [];
  let end = 0;
  for (const match of text.matchAll(PLACEHOLDER)) {
    const before = text.slice(end, match.index);
    parts.push(() => before, placeholder(match[1]!, kind, windows));
    end = match.index + match[0].length;
  }
  const rest = text.slice(end);
  return (subject, scene) => parts.map((part) => part(subject, scene)).join("") + rest;
}

/** @throws ExpressionError where braces are opened and not closed */
export function mustClose(text: string): void {
  const open = text.lastIndexOf("{{");
  if (open !== -1 && !text.includes("}}", open)) {
    const from = text.slice(open, open + 40);
    throw new ExpressionError(`has braces that are not closed: ${JSON.stringify(from)}`, open);
  }
}

function placeholder<S>(text: string, kind: SubjectKind<S>, windows: Windows<S>): Template<S> {
  const [expression = "", given] = text.split("|").map((part) => part.trim());
  const noun = /^"([^"]+)"$/.exec(given ?? "")?.[1];
  if (given !== undefined && noun === undefined && !UNITS.has(given))
    throw new ExpressionError(`has the unknown unit ${given} (one of ${[...UNITS].join(", ")})`, 0);
  const compiled = compile(parseExpression(expression), kind, windows);
  if (compiled.type === "condition")
    throw new ExpressionError(`must have a figure or a text between the braces; got ${expression}`, 0);
  if (compiled.type === "text") return (subject, scene) => compiled.words(subject, scene) ?? NONE;
  const { figure } = compiled;
  if (noun !== undefined) {
    return (subject, scene) => {
      const value = figure(subject, scene);
      return Number.isNaN(value) ? `${NONE} ${noun}s` : counted(value, noun);
    };
  }
  const unit = (given ?? compiled.unit ?? "count") as Unit;
  return (subject, scene) => measure(figure(subject, scene), unit);
}
