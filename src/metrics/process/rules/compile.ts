import { didYouMean } from "../../../kinds.ts";
import type { Unit } from "../../catalogue.ts";
import { type BinaryOperator, type Expression, ExpressionError, partsOf } from "./expression.ts";
import type { RuleScene, SubjectKind } from "./vocabulary.ts";
import { MAX_WINDOW_S, WINDOW_FUNCTIONS, type WindowFunction, type Windows } from "./windows.ts";

/** A figure of a subject as of now; NaN where it is not known. A condition is 1 where it holds, 0 where not. */
export type Figure<S> = (subject: S, scene: RuleScene) => number;
export type Words<S> = (subject: S, scene: RuleScene) => string | null;

/** What a figure is of every subject in a state; undefined where they differ. */
export type ByState = (state: string) => number | undefined;

/** An expression that is ready to be asked of any subject of its kind. */
export type Compiled<S> =
  | {
      readonly type: "number";
      readonly figure: Figure<S>;
      readonly byState: ByState;
      readonly unit: Unit | null;
    }
  | { readonly type: "condition"; readonly figure: Figure<S>; readonly byState: ByState }
  | { readonly type: "text"; readonly words: Words<S> };

const differs: ByState = () => undefined;

type Typed<S, T extends Compiled<S>["type"]> = Extract<Compiled<S>, { type: T }>;

/**
 * Checks an expression against the words of a kind of subject. What is not known stays so: a comparison with it
 * neither holds nor fails, nor does what hangs on it.
 *
 * @param windows is told of what has to be remembered for `rate` and its like
 * @throws ExpressionError
 */
export function compile<S>(expression: Expression, kind: SubjectKind<S>, windows: Windows<S>): Compiled<S> {
  const { offset } = expression;
  switch (expression.kind) {
    case "number": {
      const { value, unit } = expression;
      return { type: "number", figure: () => value, byState: () => value, unit };
    }
    case "text":
      throw new ExpressionError(`has a text that is compared with nothing: "${expression.value}"`, offset);
    case "name":
      return named(expression.name, kind, offset);
    case "call":
      return call(expression, kind, windows);
    case "unary": {
      const { operator, operand } = expression;
      if (operator === "not") {
        return { type: "condition", ...ofOne((x) => 1 - x, expect("condition", operand, kind, windows)) };
      }
      const negated = expect("number", operand, kind, windows);
      return { type: "number", ...ofOne((x) => -x, negated), unit: negated.unit };
    }
    case "binary":
      return binary(expression, kind, windows);
  }
}

/** @throws ExpressionError where it is of another type */
export function expect<S, T extends Compiled<S>["type"]>(
  type: T,
  expression: Expression,
  kind: SubjectKind<S>,
  windows: Windows<S>,
): Typed<S, T> {
  const compiled = compile(expression, kind, windows);
  if (compiled.type === type) return compiled as Typed<S, T>;
  throw new ExpressionError(
    `must have ${ARTICLE[type]} here, not ${ARTICLE[compiled.type]}`,
    expression.offset,
  );
}

const ARTICLE = {
  number: "a figure",
  condition: "a condition, such as queued_tasks > 10,",
  text: "a text",
} as const;

function named<S>(name: string, kind: SubjectKind<S>, offset: number): Compiled<S> {
  const value = kind.value(name);
  if (value)
    return { type: "number", figure: value.read, byState: value.byState ?? differs, unit: value.unit };
  const words = kind.texts[name];
  if (words) return { type: "text", words: words.read };
  throw new ExpressionError(
    `has the unknown name ${name}${didYouMean(name, [...kind.names, ...Object.keys(kind.texts)])}`,
    offset,
  );
}

function binary<S>(
  { operator, left, right, offset }: Extract<Expression, { kind: "binary" }>,
  kind: SubjectKind<S>,
  windows: Windows<S>,
): Compiled<S> {
  if (operator === "and" || operator === "or") {
    const a = expect("condition", left, kind, windows);
    const b = expect("condition", right, kind, windows);
    return { type: "condition", ...(operator === "and" ? ofTwo(both, 0, a, b) : ofTwo(either, 1, a, b)) };
  }
  if (right.kind === "text") {
    if (operator !== "==" && operator !== "!=")
      throw new ExpressionError(`must compare a text by == or !=, not by ${operator}`, offset);
    const { words } = expect("text", left, kind, windows);
    return { type: "condition", figure: likeText(words, right.value, operator === "=="), byState: differs };
  }
  const one = expect("number", left, kind, windows);
  const other = expect("number", right, kind, windows);
  if (operator !== "*" && operator !== "/" && (isWritten(left) || isWritten(right)))
    mustFit(operator, one.unit, other.unit, offset);
  const compare = COMPARISONS[operator];
  if (compare) {
    const compared = (x: number, y: number) =>
      Number.isNaN(x) || Number.isNaN(y) ? Number.NaN : compare(x, y) ? 1 : 0;
    return { type: "condition", ...ofTwo(compared, Number.NaN, one, other) };
  }
  const calculate = ARITHMETIC[operator]!;
  const calculated = (x: number, y: number) => {
    const result = calculate(x, y);
    return Number.isFinite(result) ? result : Number.NaN;
  };
  const unit = operator === "+" || operator === "-" ? (one.unit ?? other.unit) : null;
  return { type: "number", unit, ...ofTwo(calculated, Number.NaN, one, other) };
}

type Asked<S> = Pick<Typed<S, "condition">, "figure" | "byState">;

function ofOne<S>(apply: (x: number) => number, { figure, byState }: Asked<S>): Asked<S> {
  return {
    figure: (s, scene) => apply(figure(s, scene)),
    byState: (state) => {
      const x = byState(state);
      return x === undefined ? undefined : apply(x);
    },
  };
}

/** @param decides what either may be so that the other need not be asked; the outcome is then the same */
function ofTwo<S>(
  apply: (x: number, y: number) => number,
  decides: number,
  a: Asked<S>,
  b: Asked<S>,
): Asked<S> {
  const [one, other] = [a.figure, b.figure];
  return {
    figure: (s, scene) => {
      const x = one(s, scene);
      return Object.is(x, decides) ? x : apply(x, other(s, scene));
    },
    byState: (state) => {
      const [x, y] = [a.byState(state), b.byState(state)];
      if (Object.is(x, decides) || Object.is(y, decides)) return decides;
      return x === undefined || y === undefined ? undefined : apply(x, y);
    },
  };
}

/** Whether it is made of numbers alone. */
function isWritten(expression: Expression): boolean {
  for (const { kind } of partsOf(expression)) {
    if (kind !== "number" && kind !== "unary" && kind !== "binary") return false;
  }
  return true;
}

/** `cpu_utilization > 90m` would hold for 5400 %. Two figures may differ: so many tasks, and so many a minute. */
function mustFit(operator: BinaryOperator, a: Unit | null, b: Unit | null, offset: number): void {
  if (a === null || b === null || a === b) return;
  // A rate of bytes has no numbers of its own.
  const sizes: readonly Unit[] = ["bytes", "bytes_per_second"];
  if (sizes.includes(a) && sizes.includes(b)) return;
  const [one, other] = [a, b].map((unit) => unit.replaceAll("_", " "));
  const what =
    operator === "+"
      ? `adds ${other} to ${one}`
      : operator === "-"
        ? `takes ${other} from ${one}`
        : `compares ${one} with ${other}`;
  throw new ExpressionError(what, offset);
}

const COMPARISONS: Partial<Record<string, (x: number, y: number) => boolean>> = {
  "<": (x, y) => x < y,
  "<=": (x, y) => x <= y,
  ">": (x, y) => x > y,
  ">=": (x, y) => x >= y,
  "==": (x, y) => x === y,
  "!=": (x, y) => x !== y,
};

const ARITHMETIC: Partial<Record<string, (x: number, y: number) => number>> = {
  "+": (x, y) => x + y,
  "-": (x, y) => x - y,
  "*": (x, y) => x * y,
  "/": (x, y) => x / y,
};

// What is not known may yet turn out either way (Kleene's logic).
function both(x: number, y: number): number {
  return x === 0 || y === 0 ? 0 : x + y === 2 ? 1 : Number.NaN;
}

function either(x: number, y: number): number {
  return x === 1 || y === 1 ? 1 : x + y === 0 ? 0 : Number.NaN;
}

/** `*` in the pattern stands for anything. */
function likeText<S>(words: Words<S>, pattern: string, wanted: boolean): Figure<S> {
  const like = wildcard(pattern);
  return (s, scene) => {
    const text = words(s, scene);
    if (text === null) return Number.NaN;
    return like(text) === wanted ? 1 : 0;
  };
}

/** Whether a text is what a pattern says, in which `*` stands for anything. */
export function wildcard(pattern: string): (text: string) => boolean {
  const [first = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return (text) => text === pattern;
  const last = rest.pop()!;
  return (text) => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last))
      return false;
    let at = first.length;
    for (const part of rest) {
      const found = text.indexOf(part, at);
      if (found === -1 || found + part.length > text.length - last.length) return false;
      at = found + part.length;
    }
    return true;
  };
}

function call<S>(
  { name, args, offset }: Extract<Expression, { kind: "call" }>,
  kind: SubjectKind<S>,
  windows: Windows<S>,
): Compiled<S> {
  if (name === "custom") return custom(args, kind, offset);
  if (name === "absent") return absent(args, kind, offset);
  if (name === "anomaly") return anomaly(args, kind, offset);
  if (name === "abs") {
    if (args.length !== 1) throw new ExpressionError("must give abs one figure", offset);
    const given = expect("number", args[0]!, kind, windows);
    return { type: "number", unit: given.unit, ...ofOne(Math.abs, given) };
  }
  if (Object.hasOwn(WINDOW_FUNCTIONS, name)) return over(name as WindowFunction, args, kind, windows, offset);
  const known = ["absent", "anomaly", "abs", "custom", ...Object.keys(WINDOW_FUNCTIONS)];
  throw new ExpressionError(`has the unknown function ${name}${didYouMean(name, known)}`, offset);
}

/** `custom(queue_wait_local)`: a metric that a source made up, which no catalogue knows. */
function custom<S>(args: readonly Expression[], kind: SubjectKind<S>, offset: number): Compiled<S> {
  const [what] = args;
  if (args.length !== 1 || what?.kind !== "name")
    throw new ExpressionError("must give custom the name of a metric", offset);
  if (!kind.custom)
    throw new ExpressionError("can ask custom only of the system, of workers and of tasks", offset);
  // In which unit it is only its source knows.
  return { type: "number", figure: kind.custom(what.name).read, byState: differs, unit: null };
}

/** `rate(queued_tasks, 5m)`: of what the figure was in the time up to now. */
function over<S>(
  name: WindowFunction,
  args: readonly Expression[],
  kind: SubjectKind<S>,
  windows: Windows<S>,
  offset: number,
): Compiled<S> {
  const [what, window] = args;
  if (
    args.length !== 2 ||
    !what ||
    window?.kind !== "number" ||
    window.unit === "bytes" ||
    window.value <= 0 ||
    window.value > MAX_WINDOW_S
  )
    throw new ExpressionError(
      `must give ${name} a figure and a time of up to ${MAX_WINDOW_S / 3600}h, such as 5m`,
      offset,
    );
  const { figure, unit } = expect("number", what, kind, windows);
  const counts = what.kind === "name" && (kind.value(what.name)?.counter ?? false);
  const read = windows.watch(figure, window.value * 1000, name, counts);
  return { type: "number", figure: read, byState: differs, unit: name === "rate" ? null : unit };
}

/** `absent(cpu_utilization)`, and of a worker `absent(cpu_utilization, 30s)`. */
function absent<S>(args: readonly Expression[], kind: SubjectKind<S>, offset: number): Compiled<S> {
  const [what, time] = args;
  if (what?.kind !== "name" || args.length > 2 || (time && (time.kind !== "number" || time.unit === "bytes")))
    throw new ExpressionError("must give absent a metric, and may give it a time", offset);
  const value = kind.value(what.name);
  if (!value) named(what.name, kind, what.offset);
  const { age_ms } = kind;
  if (!time)
    return {
      type: "condition",
      figure: (s, scene) => (Number.isNaN(value!.read(s, scene)) ? 1 : 0),
      byState: differs,
    };
  if (!age_ms)
    throw new ExpressionError("must give absent no time but for a worker: `for` holds the rest", offset);
  const limit_ms = time.value * 1000;
  return {
    type: "condition",
    figure: (s, scene) => (age_ms(s, what.name, scene) > limit_ms ? 1 : 0),
    byState: differs,
  };
}

/** `anomaly(queued_tasks) > 0`: how unusual a metric is, 0 while no alert is due for it. */
function anomaly<S>(args: readonly Expression[], kind: SubjectKind<S>, offset: number): Compiled<S> {
  const [what] = args;
  const { series } = kind;
  if (!series) throw new ExpressionError("can ask anomaly only of the system and of workers", offset);
  if (args.length !== 1 || what?.kind !== "name")
    throw new ExpressionError("must give anomaly one metric", offset);
  if (!kind.value(what.name)) named(what.name, kind, what.offset);
  const figure: Figure<S> = (s, scene) => scene.anomalyScore(series(s), what.name);
  return { type: "number", unit: null, figure, byState: differs };
}
