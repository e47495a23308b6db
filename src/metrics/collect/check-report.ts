import type { z } from "zod";
import type { Report } from "../model.ts";
import { isTurnOver, turn } from "../turn.ts";
import { Normalising } from "./normalise.ts";
import { type ParsedReport, type ReportSchema, unknownFields } from "./report.ts";
import { type GivenReport, LISTS, type ListName } from "./report-text.ts";

type Issue = z.core.$ZodIssue;
type Json = Record<string, unknown>;
type Parsed = { parsed: ParsedReport } | { issues: Issue[] };

/** A report by the schema. */
export interface CheckedReport {
  readonly report: Report;
  /** Names of the fields that the protocol does not know. */
  readonly unknown: readonly string[];
  /** As it came; null where nobody asked for it. */
  readonly raw: Readonly<Json> | null;
}

/**
 * A report by the schema, or all that is wrong with it. Long lists are checked and brought into shape slice by slice,
 * so that of all but the result little is held at a time.
 *
 * @param is_kept whether the raw report is asked for
 * @throws SyntaxError where it is of a text that is not JSON
 */
export async function checkReport(
  { head, lists }: GivenReport,
  { report: schema, shapes }: ReportSchema,
  received_ms: number,
  is_kept: boolean,
): Promise<CheckedReport | { issues: Issue[] }> {
  const whole = parse(head, schema);
  const issues = "issues" in whole ? whole.issues : [];
  const normalising = new Normalising();
  const unknown: string[] = [];
  const raw: Partial<Record<ListName, unknown[]>> = {};
  const take = (part: Json, { parsed }: { parsed: ParsedReport }) => {
    normalising.add(parsed);
    unknown.push(...unknownFields(part, shapes));
  };
  if ("parsed" in whole) take(head as Json, whole);
  for (const name of LISTS) {
    const list = lists[name];
    if (!list) continue;
    raw[name] = [];
    let from = 0;
    for (const items of list) {
      const part = { [name]: items };
      const slice = parse(part, schema);
      if ("issues" in slice) for (const issue of slice.issues) issues.push(further(issue, from));
      else if (issues.length === 0) take(part, slice);
      if (is_kept) raw[name]!.push(...items);
      from += items.length;
      if (isTurnOver()) await turn();
    }
  }
  if ("parsed" in whole && issues.length === 0) {
    const report = normalising.report(whole.parsed, received_ms);
    return { report, unknown, raw: is_kept ? { ...(head as Json), ...raw } : null };
  }
  const fields = Object.keys(schema.shape);
  const place = ({ path }: Issue) => fields.indexOf(String(path[0]));
  return { issues: issues.sort((a, b) => place(a) - place(b)) };
}

function parse(raw: unknown, schema: ReportSchema["report"]): Parsed {
  const result = schema.safeParse(raw, { reportInput: true });
  return result.success ? { parsed: result.data } : { issues: result.error.issues };
}

/** The same issue where it is in the whole list. */
function further(issue: Issue, from: number): Issue {
  const [list, index, ...rest] = issue.path;
  return typeof index === "number" ? { ...issue, path: [list!, index + from, ...rest] } : issue;
}
