import { MARKER, MARKER_ATTRIBUTE } from "./hostile.ts";

/** An answer as it came: names of headers in small letters, values of each as they stood. */
export interface Answered {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly text: string;
}

/** Statuses above 499 that an answer may have: not ready, or starting and stopping. */
const MEANT_ERRORS = [503];
const POLICY_FORBIDS = /unsafe-inline|unsafe-eval|'unsafe|\*|https?:(?!\/\/)/;
/** Control characters, which are nowhere, and overrides of direction, which no view may show. */
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;
const UNPRINTABLE = new RegExp(`${CONTROL.source}|[\\u202a-\\u202e\\u2066-\\u2069]`);
/** The exposition is for machines, which take an id as it is. */
const EXPOSITION = "text/plain; version=";

/** What is wrong with an answer, whatever it was asked; a sentence each. */
export function faultsOf({ status, headers, text }: Answered): string[] {
  const faults: string[] = [];
  const header = (name: string) => headers.find(([known]) => known === name)?.[1];
  if (status >= 500 && !MEANT_ERRORS.includes(status)) faults.push(`status ${status}`);
  for (const [name, value] of headers)
    if (/[\r\n\u0000]/.test(value)) faults.push(`header ${name} has a line break`);
  if (header("set-cookie")?.includes("evk=")) faults.push("a cookie was set from outside");
  // Node itself answers what is no HTTP request, before any header of ours.
  const ours = header("x-content-type-options") !== undefined;
  if (!ours) return header("content-type") === undefined ? faults : [...faults, "no nosniff"];
  return [...faults, ...headerFaults(header), ...bodyFaults(header("content-type") ?? "", text)];
}

function headerFaults(header: (name: string) => string | undefined): string[] {
  const policy = header("content-security-policy") ?? "";
  const cache = header("cache-control") ?? "";
  const location = header("location");
  return [
    ...(policy.includes("default-src 'none'") ? [] : ["no Content-Security-Policy"]),
    ...(POLICY_FORBIDS.test(policy) ? [`a loose policy: ${policy}`] : []),
    ...(header("referrer-policy") === "same-origin" ? [] : ["no Referrer-Policy"]),
    ...(/no-store|no-cache|immutable/.test(cache) || location !== undefined
      ? []
      : [`Cache-Control: ${cache}`]),
    ...(location === undefined || /^\/(?![/\\])/.test(location) ? [] : [`leads to ${location}`]),
  ];
}

function bodyFaults(type: string, text: string): string[] {
  if (text === "") return [];
  if (type.startsWith("text/html") || type.startsWith("image/svg")) return markupFaults(text);
  if (type.startsWith("text/event-stream")) return eventFaults(text);
  if (type.startsWith("text/csv")) return csvFaults(text);
  if (type.startsWith(EXPOSITION)) return CONTROL.test(text) ? ["a control character in text"] : [];
  if (type.startsWith("text/plain")) return UNPRINTABLE.test(text) ? ["a control character in text"] : [];
  if (type.startsWith("application/json") || type.startsWith("application/problem+json"))
    return isJson(text) ? [] : ["JSON that is none"];
  return type === "" ? ["no Content-Type"] : [];
}

/** Tags as a browser reads them, as far as it takes to see what broke out: quoted values are passed over. */
const TAG = /<([a-z][^\s/>]*)((?:[^>"']|"[^"]*"|'[^']*')*)>/gi;
const ATTRIBUTE = /([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|[^\s"'>]+))?/g;
const ADDRESSES = ["href", "src", "action", "formaction", "data", "xlink:href"];

/** Markup into which something from outside broke, or that a policy would have to forgive. */
function markupFaults(markup: string): string[] {
  const faults = new Set<string>();
  if (markup.includes(MARKER)) faults.add(`a raw ${MARKER}`);
  if (UNPRINTABLE.test(markup.replace(TAG, ""))) faults.add("a control character in text");
  for (const [, name = "", attributes = ""] of markup.matchAll(TAG)) {
    for (const [, attribute = "", double, single] of attributes.matchAll(ATTRIBUTE)) {
      const fault = attributeFault(attribute.toLowerCase(), double ?? single ?? "");
      if (fault !== null) faults.add(`<${name} ${fault}>`);
    }
    const inline = !/\bsrc=|type="application\/json"/.test(attributes);
    if (name.toLowerCase() === "script" && inline) faults.add("an inline script");
  }
  return [...faults];
}

function attributeFault(name: string, value: string): string | null {
  if (name.startsWith("on") || name === "style" || name === MARKER_ATTRIBUTE) return name;
  // What a form sends back is what came, to the letter; no browser shows it outside of its field.
  if (name !== "value" && UNPRINTABLE.test(value)) return `${name} with a control character`;
  const elsewhere = /^\s*(javascript|data|vbscript):|^\s*[/\\]{2}/i;
  return ADDRESSES.includes(name) && elsewhere.test(value) ? `${name}="${value}"` : null;
}

/** Each line of a stream of events is a field; what is data may hold markup. */
function eventFaults(text: string): string[] {
  const lines = text.split(/\r\n|\r|\n/);
  // The last one may be cut off where the reader left.
  const strange = lines.slice(0, -1).find((line) => !/^(data|event|id|retry): ?|^:|^$/.test(line));
  const markup = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5));
  return [
    ...(strange === undefined ? [] : [`a line of the stream is ${JSON.stringify(strange.slice(0, 80))}`]),
    ...markupFaults(markup.join("\n")),
  ];
}

/** A cell that a spreadsheet would run, or a table that is none. */
function csvFaults(text: string): string[] {
  const faults = new Set<string>();
  let columns: number | undefined;
  for (const row of csvRows(text)) {
    columns ??= row.length;
    if (row.length !== columns) faults.add(`a row of ${row.length} cells below ${columns} columns`);
    for (const cell of row) {
      const number = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(cell);
      if (!number && /^[=+\-@\t\r\n＝＋－＠]/.test(cell))
        faults.add(`a cell begins with ${JSON.stringify(cell.slice(0, 20))}`);
    }
  }
  return [...faults];
}

/** RFC 4180. */
function csvRows(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, bare = "", end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    if (end === "" && quoted === undefined && bare === "" && row.length === 0) break;
    row.push(quoted === undefined ? bare : quoted.replaceAll('""', '"'));
    if (end === ",") continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
