import type { Table } from "./panel.ts";

/** What some spreadsheet takes for the start of a formula; in East Asian editions the wide forms count too. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/**
 * A table as CSV (RFC 4180): CRLF, quotes where needed, an empty field for what is not known. A text that a
 * spreadsheet would run as a formula is led by an apostrophe; numbers stay as they are, with full precision.
 */
export function toCsv(table: Table): string {
  return [table.columns, ...table.rows].map((row) => `${row.map(field).join(",")}\r\n`).join("");
}

function field(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
