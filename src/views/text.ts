import { clean, NONE } from "../metrics/format.ts";
import type { Table } from "./panel.ts";

/** A column is never wider than this many characters; ids may have 256. */
const WIDTH_LIMIT = 60;

/** A table as aligned plain text for a terminal: numbers to the right, a dash for what is not known. */
export function toText(table: Table): string {
  const columns = table.columns.map(cell);
  const rows = table.rows.map((row) => row.map(cell));
  const widths = columns.map((column, index) =>
    Math.min(WIDTH_LIMIT, Math.max(width(column), ...rows.map((row) => width(row[index] ?? "")))),
  );
  const numeric = table.columns.map((_, index) => table.rows.some((row) => typeof row[index] === "number"));
  const line = (cells: readonly string[]) =>
    cells
      .map((text, index) => pad(text, widths[index] ?? 0, numeric[index] === true))
      .join("  ")
      .trimEnd();
  return `${[line(columns), line(widths.map((size) => "-".repeat(size))), ...rows.map(line)].join("\n")}\n`;
}

/** Line breaks and terminal escapes in a name must not reach the terminal. */
function cell(value: string | number | null): string {
  if (value === null) return NONE;
  return clean(String(value)).replace(/[\u0009-\u001f\u007f-\u009f\u2028\u2029]/g, " ");
}

function width(text: string): number {
  return [...text].length;
}

function pad(text: string, size: number, right: boolean): string {
  const fill = " ".repeat(Math.max(0, size - width(text)));
  return right ? fill + text : text + fill;
}
