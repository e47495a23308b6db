import { shown } from "../../../must-be.ts";

/** Prometheus' text format 0.0.4, or OpenMetrics 1.0. */
export type Format = "text" | "openmetrics";

/** One series of an exposition as it is now. */
export interface Series {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
  /** The exporter's own time, Unix milliseconds; null where it gives none. */
  readonly at_ms: number | null;
  /** Whether it only grows, by its family's type: a counter, or a part of a histogram or of a summary. */
  readonly cumulative: boolean;
  /** Its name and labels as one text, whatever order they came in. */
  readonly key: string;
}

/** What is wrong, and on which line, from 1. */
class ExpositionError extends Error {
  constructor(line: number, what: string) {
    super(`line ${line} ${what}`);
    this.name = "ExpositionError";
  }
}

/** Lines that are read before other work gets a turn: some ms. */
const SLICE_LINES = 1000;
/** A line that is longer is an attack rather than a metric. */
const MAX_LINE = 65_536;
const MAX_LABELS = 64;
/** Series of one exposition that are kept. */
const MAX_SERIES = 500_000;

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)([ \t]*)=([ \t]*)"([^"\\]*(?:\\.[^"\\]*)*)"([ \t]*)/sy;
const NUMBER =
  /[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?|[nN][aA][nN])(?=[ \t]|$)/y;
const WHOLE = /[+-]?\d+(?=[ \t]|$)/y;
const BLANKS = /[ \t]*/y;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", '"': '"', "\\": "\\" };

const TYPES: Readonly<Record<Format, readonly string[]>> = {
  text: ["counter", "gauge", "histogram", "summary", "untyped"],
  openmetrics: ["counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"],
};

/**
 * Reads an exposition; each step takes some ms.
 *
 * @param wanted whether series of that name are kept; what is not is checked all the same
 * @throws ExpositionError
 */
export function* readExposition(
  text: string,
  format: Format,
  wanted: (name: string) => boolean = () => true,
): Generator<void, Series[]> {
  const reader = new Reader(format, wanted);
  let from = 0;
  while (from < text.length) {
    const end = text.indexOf("\n", from);
    const to = end === -1 ? text.length : end;
    reader.take(from, to, text, end !== -1);
    from = to + 1;
    if (reader.line % SLICE_LINES === 0) yield;
  }
  return reader.end();
}

class Reader {
  line = 0;
  readonly #format: Format;
  readonly #wanted: (name: string) => boolean;
  readonly #series = new Map<string, Series>();
  /** By family. */
  readonly #types = new Map<string, string>();
  #text = "";
  #at = 0;
  #ended = false;

  constructor(format: Format, wanted: (name: string) => boolean) {
    this.#format = format;
    this.#wanted = wanted;
  }

  take(from: number, to: number, whole: string, terminated: boolean): void {
    this.line += 1;
    if (this.#ended) this.#fail("must not follow # EOF");
    if (to - from > MAX_LINE) this.#fail(`must have at most ${MAX_LINE} characters; got ${to - from}`);
    this.#text = whole.slice(from, to);
    this.#at = 0;
    if (this.#format === "openmetrics") {
      if (this.#text === "# EOF") {
        this.#ended = true;
        return;
      }
      if (!terminated) this.#fail(`must end with a line feed; got ${shown(this.#text)}`);
      if (this.#text === "") this.#fail("must not be empty");
    } else {
      // Some exporters end their lines as Windows does.
      if (this.#text.endsWith("\r")) this.#text = this.#text.slice(0, -1);
      this.#match(BLANKS);
      if (this.#at === this.#text.length) return;
    }
    if (this.#text[this.#at] === "#") this.#comment();
    else this.#sample();
  }

  end(): Series[] {
    if (this.#format === "openmetrics" && !this.#ended) {
      this.line += 1;
      this.#fail("must be # EOF, the end of OpenMetrics; got nothing: was the answer cut off?");
    }
    return [...this.#series.values()];
  }

  #comment(): void {
    const [, keyword, name, rest = ""] =
      /^# *(TYPE|HELP|UNIT) +([a-zA-Z_:][a-zA-Z0-9_:]*)(?: (.*))?$/s.exec(this.#text.slice(this.#at)) ?? [];
    if (keyword === undefined || name === undefined) {
      if (this.#format === "openmetrics")
        this.#fail(`must be # TYPE, # HELP or # UNIT with a name; got ${shown(this.#text)}`);
      return;
    }
    if (keyword !== "TYPE") return;
    const type = rest.trim();
    if (!TYPES[this.#format].includes(type))
      this.#fail(`must give one of the types ${TYPES[this.#format].join(", ")}; got ${shown(type)}`);
    if (this.#types.has(name)) this.#fail(`must not give the type of ${name} again`);
    this.#types.set(name, type);
  }

  #sample(): void {
    const name = this.#match(NAME)?.[0];
    if (name === undefined) this.#fail(`must begin with a metric's name; got ${shown(this.#text)}`);
    if (this.#format === "openmetrics" && this.#types.get(name) === "counter")
      this.#fail(`must name the counter's sample ${name}_total; got ${name}`);
    const labels = this.#labels();
    this.#blanks("the value");
    const value = this.#number();
    const at_ms = this.#timestamp();
    if (this.#format === "openmetrics") this.#exemplar(name);
    else this.#match(BLANKS);
    if (this.#at < this.#text.length)
      this.#fail(`must end after its value and time; got ${shown(this.#text.slice(this.#at))}`);
    if (this.#wanted(name)) this.#keep(name, labels, value, at_ms);
  }

  #keep(name: string, labels: ReadonlyMap<string, string>, value: number, at_ms: number | null): void {
    const key = keyOf(name, labels);
    if (this.#series.has(key)) this.#fail(`must not give ${shown(key)} again`);
    if (this.#series.size >= MAX_SERIES) this.#fail(`is beyond the ${MAX_SERIES} series that are kept`);
    this.#series.set(key, { name, labels, value, at_ms, cumulative: this.#isCumulative(name), key });
  }

  #isCumulative(name: string): boolean {
    if (this.#format === "text" && this.#types.get(name) === "counter") return true;
    const [, family, part] = /^(.+)_(total|bucket|count|sum)$/.exec(name) ?? [];
    const type = family === undefined ? undefined : this.#types.get(family);
    if (part === "total") return type === "counter";
    return type === "histogram" || (type === "summary" && part !== "bucket");
  }

  #labels(): Map<string, string> {
    const labels = new Map<string, string>();
    if (this.#format === "text") this.#match(BLANKS);
    if (this.#text[this.#at] !== "{") return labels;
    this.#at += 1;
    if (this.#format === "text") this.#match(BLANKS);
    while (this.#text[this.#at] !== "}") {
      const match = this.#match(LABEL);
      if (!match) this.#fail(`must give labels as name="value"; got ${shown(this.#text.slice(this.#at))}`);
      const [, name = "", before, after, value = "", last] = match;
      if (this.#format === "openmetrics" && `${before}${after}${last}` !== "")
        this.#fail(`must have no spaces around the label ${name}`);
      if (labels.has(name)) this.#fail(`must not give the label ${name} twice`);
      if (labels.size >= MAX_LABELS) this.#fail(`must have at most ${MAX_LABELS} labels`);
      labels.set(name, this.#unescaped(value));
      if (this.#text[this.#at] === ",") {
        this.#at += 1;
        if (this.#format === "text") this.#match(BLANKS);
      } else if (this.#text[this.#at] !== "}") {
        this.#fail(
          `must part labels by commas and end them with }; got ${shown(this.#text.slice(this.#at))}`,
        );
      }
    }
    this.#at += 1;
    return labels;
  }

  #unescaped(value: string): string {
    if (!value.includes("\\")) return value;
    return value.replaceAll(/\\(.)/gs, (escaped, character: string) => {
      const meant = ESCAPES[character];
      return meant ?? this.#fail(`must escape by \\\\, \\" or \\n only; got ${shown(escaped)}`);
    });
  }

  #blanks(before: string): void {
    const blanks = this.#match(BLANKS)?.[0];
    const parted =
      this.#format === "openmetrics" ? blanks === " " : /[ \t}]/.test(this.#text.charAt(this.#at - 1));
    if (!parted) this.#fail(`must have a space before ${before}; got ${shown(this.#text)}`);
  }

  #number(): number {
    const text = this.#match(NUMBER)?.[0];
    if (text === undefined) this.#fail(`must give a number; got ${shown(this.#text.slice(this.#at))}`);
    const plain = text.toLowerCase().replace("+", "");
    if (plain.endsWith("nan")) return Number.NaN;
    if (plain.includes("inf")) return plain.startsWith("-") ? -Infinity : Infinity;
    return Number(text);
  }

  /** In milliseconds; the text format's are whole milliseconds, OpenMetrics' are seconds. */
  #timestamp(): number | null {
    const rest = this.#text.slice(this.#at);
    if (rest.trim() === "" || rest.startsWith(" # ")) return null;
    this.#blanks("the time");
    if (this.#format === "openmetrics") {
      const at_s = this.#number();
      if (!Number.isFinite(at_s)) this.#fail(`must give a time in seconds; got ${shown(rest)}`);
      return at_s * 1000;
    }
    const text = this.#match(WHOLE)?.[0];
    return text === undefined
      ? this.#fail(`must give a time in whole milliseconds; got ${shown(rest.trim())}`)
      : Number(text);
  }

  /** It is checked, and nothing is made of it. */
  #exemplar(name: string): void {
    if (!this.#text.startsWith(" # ", this.#at)) return;
    if (!/_(total|bucket)$/.test(name))
      this.#fail(`must have no exemplar, as ${name} is no counter and no bucket`);
    this.#at += 3;
    if (this.#text[this.#at] !== "{") this.#fail("must begin an exemplar with its labels");
    this.#labels();
    this.#blanks("the exemplar's value");
    this.#number();
    this.#timestamp();
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match) this.#at = pattern.lastIndex;
    return match;
  }

  #fail(what: string): never {
    throw new ExpositionError(this.line, what);
  }
}

function keyOf(name: string, labels: ReadonlyMap<string, string>): string {
  if (labels.size === 0) return name;
  const sorted = labels.size === 1 ? [...labels] : [...labels].sort(([a], [b]) => (a < b ? -1 : 1));
  return `${name}{${sorted.map(([label, value]) => `${label}=${JSON.stringify(value)}`).join(",")}}`;
}
