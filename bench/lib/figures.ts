/** The value below which the share `q` (0 to 1) of the values lies, nearest rank; NaN of none. */
export function percentile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

/** NaN of none. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export interface Budget {
  readonly limit: number;
  /** How the limit is met; left out, the value must be below it. */
  readonly rule?: "below" | "at most" | "at least";
}

const RULES = {
  below: { sign: "<", isMet: (value: number, limit: number) => value < limit },
  "at most": { sign: "≤", isMet: (value: number, limit: number) => value <= limit },
  "at least": { sign: "≥", isMet: (value: number, limit: number) => value >= limit },
};

interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Decimal places. */
  readonly digits?: number;
  /** Without one, the figure is only told. */
  readonly budget?: Budget;
  /** What a reader needs to judge it. */
  readonly note?: string;
}

/** Collects figures, prints them as a table, and knows whether all budgets were met. */
export class Figures {
  readonly #rows: Figure[] = [];
  #missed = false;

  add(figure: Figure): void {
    this.#rows.push(figure);
  }

  /** Prints what was added since the last time. */
  print(title: string): void {
    const rows = this.#rows.splice(0).map((figure) => {
      const verdict = verdictOf(figure);
      if (verdict === "MISSED") this.#missed = true;
      return [figure.name, shown(figure.value, figure), budgetOf(figure), verdict, figure.note ?? ""];
    });
    console.log(`\n${title}`);
    const table = [["figure", "measured", "budget", "", ""], ...rows];
    const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
    for (const row of table)
      console.log(
        `  ${row.map((cell, column) => (column === 1 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join("  ")}`.trimEnd(),
      );
  }

  /** Ends the bench: exit code 1 where a budget was missed. */
  finish(): void {
    console.log(this.#missed ? "\nA budget was missed." : "\nAll budgets were met.");
    process.exitCode = this.#missed ? 1 : 0;
  }
}

function verdictOf({ value, budget }: Figure): "ok" | "MISSED" | "" {
  if (!budget) return "";
  return RULES[budget.rule ?? "below"].isMet(value, budget.limit) ? "ok" : "MISSED";
}

function budgetOf(figure: Figure): string {
  const { budget } = figure;
  if (!budget) return "";
  return `${RULES[budget.rule ?? "below"].sign} ${shown(budget.limit, { ...figure, digits: 0 })}`;
}

function shown(value: number, { unit, digits = 0 }: Figure): string {
  if (!Number.isFinite(value)) return "none";
  return `${value.toFixed(digits)}${unit === "" ? "" : ` ${unit}`}`;
}

export const KIB = 1024;
export const MIB = 1024 * 1024;
