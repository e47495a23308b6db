/** A condition or a figure as a rule writes it, taken apart. Offsets count characters from 0. */
export type Expression =
  | {
      readonly kind: "number";
      readonly value: number;
      /** Null for a plain one, which fits every figure. */
      readonly unit: NumberUnit | null;
      readonly offset: number;
    }
  | { readonly kind: "text"; readonly value: string; readonly offset: number }
  | { readonly kind: "name"; readonly name: string; readonly offset: number }
  | {
      readonly kind: "call";
      readonly name: string;
      readonly args: readonly Expression[];
      readonly offset: number;
    }
  | {
      readonly kind: "unary";
      readonly operator: UnaryOperator;
      readonly operand: Expression;
      readonly offset: number;
    }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
      readonly offset: number;
    };

export type NumberUnit = "seconds" | "bytes";
export type UnaryOperator = "not" | "-";
export type BinaryOperator = (typeof LEVELS)[number][number];

/** Weakest first; of one level the left one binds first. */
const LEVELS = [["or"], ["and"], ["<=", ">=", "==", "!=", "<", ">"], ["+", "-"], ["*", "/"]] as const;
const COMPARING = 2;

/** Longer is no condition that anybody could read. */
const MAX_LENGTH = 2000;
const MAX_DEPTH = 50;

/** What is wrong with an expression, and where. */
export class ExpressionError extends Error {
  readonly offset: number;

  /** @param message ends a sentence that begins with the field's name */
  constructor(message: string, offset: number) {
    super(message);
    this.name = "ExpressionError";
    this.offset = offset;
  }
}

interface Token {
  readonly kind: "number" | "text" | "name" | "sign" | "end";
  readonly text: string;
  readonly offset: number;
}

const TOKEN =
  /\s*(?:(?<number>\d+(?:\.\d+)?[A-Za-z]*)|(?<name>[a-z][a-z0-9_]*)|"(?<text>[^"\\]*)"|(?<sign><=|>=|==|!=|[-+*/<>(),]))/y;

/** What a number's unit stands for: durations are seconds, sizes bytes. */
const UNITS: Readonly<Record<string, readonly [factor: number, unit: NumberUnit]>> = {
  ms: [0.001, "seconds"],
  s: [1, "seconds"],
  m: [60, "seconds"],
  h: [3600, "seconds"],
  d: [86_400, "seconds"],
  KiB: [2 ** 10, "bytes"],
  MiB: [2 ** 20, "bytes"],
  GiB: [2 ** 30, "bytes"],
  TiB: [2 ** 40, "bytes"],
};

/**
 * `cpu_utilization > 90 or rate(queued_tasks, 5m) > 0` and the like.
 *
 * @throws ExpressionError
 */
export function parseExpression(text: string): Expression {
  if (text.length > MAX_LENGTH)
    throw new ExpressionError(`must have at most ${MAX_LENGTH} characters; got ${text.length}`, 0);
  const parser = new Parser(tokensOf(text));
  return parser.whole();
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let offset = 0;
  for (;;) {
    offset += /^\s*/.exec(text.slice(offset))![0].length;
    if (offset === text.length) break;
    TOKEN.lastIndex = offset;
    const match = TOKEN.exec(text);
    const [kind, found] = Object.entries(match?.groups ?? {}).find(([, group]) => group !== undefined) ?? [];
    if (!match || kind === undefined)
      throw new ExpressionError(
        `has a character that means nothing: ${JSON.stringify(text[offset])}`,
        offset,
      );
    tokens.push({ kind: kind as Token["kind"], text: found!, offset });
    offset = TOKEN.lastIndex;
  }
  return [...tokens, { kind: "end", text: "its end", offset: text.length }];
}

class Parser {
  #at = 0;
  #depth = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  whole(): Expression {
    const expression = this.#level(0);
    const rest = this.#token;
    if (rest.kind !== "end")
      throw new ExpressionError(`must go on with an operator, not with ${rest.text}`, rest.offset);
    return expression;
  }

  get #token(): Token {
    return this.tokens[this.#at]!;
  }

  #level(level: number): Expression {
    const operators: readonly string[] | undefined = LEVELS[level];
    if (!operators) return this.#unary();
    let left = this.#level(level + 1);
    while (operators.includes(this.#token.text) && this.#token.kind !== "text") {
      const { text, offset } = this.#token;
      this.#at += 1;
      left = {
        kind: "binary",
        operator: text as BinaryOperator,
        left,
        right: this.#level(level + 1),
        offset,
      };
      // 1 < x < 2 would compare a yes with a number.
      if (level === COMPARING) break;
    }
    return left;
  }

  #unary(): Expression {
    const { text, kind, offset } = this.#token;
    if (kind === "text" || (text !== "not" && text !== "-")) return this.#primary();
    this.#at += 1;
    // `not a > b` is what it says: not (a > b).
    const operand = this.#nested(() => (text === "not" ? this.#level(COMPARING) : this.#unary()));
    return { kind: "unary", operator: text, operand, offset };
  }

  #primary(): Expression {
    const token = this.#token;
    const { kind, text, offset } = token;
    this.#at += 1;
    if (kind === "number") return { kind, ...numberOf(token), offset };
    if (kind === "text") return { kind, value: text, offset };
    if (kind === "name" && !KEYWORDS.has(text))
      return this.#take("(") ? this.#call(text, offset) : { kind, name: text, offset };
    if (kind === "sign" && text === "(") {
      const inner = this.#nested(() => this.#level(0));
      this.#expect(")");
      return inner;
    }
    throw new ExpressionError(`must have a value where it has ${text}`, offset);
  }

  #call(name: string, offset: number): Expression {
    const args: Expression[] = [];
    if (!this.#take(")")) {
      do args.push(this.#nested(() => this.#level(0)));
      while (this.#take(","));
      this.#expect(")");
    }
    return { kind: "call", name, args, offset };
  }

  #nested(parse: () => Expression): Expression {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH)
      throw new ExpressionError(`must not be nested deeper than ${MAX_DEPTH}`, this.#token.offset);
    const expression = parse();
    this.#depth -= 1;
    return expression;
  }

  #take(sign: string): boolean {
    const { kind, text } = this.#token;
    if (kind !== "sign" || text !== sign) return false;
    this.#at += 1;
    return true;
  }

  #expect(sign: string): void {
    const { text, offset } = this.#token;
    if (!this.#take(sign)) throw new ExpressionError(`must have ${sign} where it has ${text}`, offset);
  }
}

const KEYWORDS = new Set(["and", "or", "not"]);

function numberOf({ text, offset }: Token): { value: number; unit: NumberUnit | null } {
  const [, digits, unit] = /^([\d.]+)(.*)$/.exec(text)!;
  if (unit === "") return { value: Number(digits), unit: null };
  if (!Object.hasOwn(UNITS, unit!))
    throw new ExpressionError(
      `has a number with an unknown unit: ${text} (${Object.keys(UNITS).join(", ")} are known)`,
      offset,
    );
  const [factor, stands_for] = UNITS[unit!]!;
  return { value: Number(digits) * factor, unit: stands_for };
}

/** An expression and all that it is made of. */
export function* partsOf(expression: Expression): Generator<Expression> {
  yield expression;
  const inner =
    expression.kind === "call"
      ? expression.args
      : expression.kind === "unary"
        ? [expression.operand]
        : expression.kind === "binary"
          ? [expression.left, expression.right]
          : [];
  for (const part of inner) yield* partsOf(part);
}
