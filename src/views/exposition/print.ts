/** Prometheus' text format 0.0.4, or OpenMetrics 1.0. */
export type ExpositionFormat = "text" | "openmetrics";

/** One line: what follows the family's name, its labels as printed, its value. */
export interface Sample {
  /** Such as _bucket; empty for most. */
  readonly suffix: "" | "_bucket" | "_sum" | "_count";
  /** As `labels` prints them; empty for none. */
  readonly labels: string;
  readonly value: number;
}

/** All samples of one metric. */
export interface Family {
  /** Without the _total of a counter. */
  readonly name: string;
  readonly kind: "gauge" | "counter" | "histogram";
  readonly help: string;
  /** Null where there might have been one: a long way without any has its pauses too. */
  samples(format: ExpositionFormat): Iterable<Sample | null>;
}

/** Samples of one piece, and places without one: some ms. */
const PIECE = 1000;

/** The families as text, piece by piece; a family without a sample is left out. */
export function* printed(families: Iterable<Family>, format: ExpositionFormat): Generator<string> {
  let lines: string[] = [];
  let steps = 0;
  for (const family of families) {
    const name = family.kind === "counter" ? `${family.name}_total` : family.name;
    let begun = false;
    for (const sample of family.samples(format)) {
      if (sample) {
        if (!begun) lines.push(headOf(family, format));
        begun = true;
        const { suffix, labels, value } = sample;
        lines.push(`${name}${suffix}${labels === "" ? "" : `{${labels}}`} ${numberOf(value)}\n`);
      }
      steps += 1;
      if (steps < PIECE) continue;
      yield lines.join("");
      lines = [];
      steps = 0;
    }
  }
  if (format === "openmetrics") lines.push("# EOF\n");
  yield lines.join("");
}

function headOf({ name, kind, help }: Family, format: ExpositionFormat): string {
  // In the older format a counter's family is called as its sample is.
  const family = format === "text" && kind === "counter" ? `${name}_total` : name;
  const escaped = help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  const text = format === "text" ? escaped : escaped.replaceAll('"', '\\"');
  return `# HELP ${family} ${text}\n# TYPE ${family} ${kind}\n`;
}

/** Labels by name, but for those without a value. */
export function labels(values: Readonly<Record<string, string | null>>): string {
  return Object.entries(values)
    .flatMap(([name, value]) => (value === null || value === "" ? [] : [`${name}="${escapedLabel(value)}"`]))
    .join(",");
}

function escapedLabel(value: string): string {
  if (!/["\\\n]/.test(value)) return value;
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function numberOf(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

/** A histogram's samples. `counts` are by bound, the last beyond them all. */
export function* histogram(
  own: string,
  {
    bounds,
    counts,
    count,
    sum,
  }: { bounds: readonly number[]; counts: readonly number[]; count: number; sum: number },
  format: ExpositionFormat,
): Iterable<Sample> {
  let cumulative = 0;
  const before = own === "" ? "" : `${own},`;
  for (const [index, bound] of bounds.entries()) {
    cumulative += counts[index] ?? 0;
    yield { suffix: "_bucket", labels: `${before}le="${boundOf(bound, format)}"`, value: cumulative };
  }
  yield { suffix: "_bucket", labels: `${before}le="+Inf"`, value: count };
  yield { suffix: "_sum", labels: own, value: sum };
  yield { suffix: "_count", labels: own, value: count };
}

/** OpenMetrics writes a whole bound as 1.0. */
function boundOf(bound: number, format: ExpositionFormat): string {
  return format === "openmetrics" && Number.isInteger(bound) ? `${bound}.0` : String(bound);
}
