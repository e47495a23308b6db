import { setImmediate as turn } from "node:timers/promises";
import type { z } from "zod";
import type { ParsedReport, ReportLimits, ReportSchema } from "./report.ts";

/** Workers or tasks that are checked at once: some ms, even in a process that just started. */
const SLICE = 200;
/** After so many slices other work gets a turn: some 10 ms, as a tick that is worked off meanwhile takes for its own. */
const SLICES_A_TURN = 5;

type Issue = z.core.$ZodIssue;
type Checked = { parsed: ParsedReport } | { issues: Issue[] };
type LongReport = Record<string, unknown> & Partial<Record<"workers" | "tasks", unknown[]>>;

/** A raw report by the schema: parsed, or all that is wrong with it. A long one is checked slice by slice. */
export async function checkReport(
  raw: unknown,
  { report: schema }: ReportSchema,
  limits: ReportLimits,
): Promise<Checked> {
  if (!isLong(raw, limits)) return check(raw, schema);
  const lists = (["workers", "tasks"] as const).filter((name) => Array.isArray(raw[name]));
  const head = check({ ...raw, ...Object.fromEntries(lists.map((name) => [name, []])) }, schema);
  const parsed = "parsed" in head ? head.parsed : {};
  const issues = "issues" in head ? head.issues : [];
  let slices = 0;
  for (const name of lists) {
    const items: unknown[] = [];
    for (let from = 0; from < raw[name]!.length; from += SLICE) {
      const slice = check({ [name]: raw[name]!.slice(from, from + SLICE) }, schema);
      if ("issues" in slice) issues.push(...slice.issues.map((issue) => further(issue, from)));
      else items.push(...slice.parsed[name]!);
      slices += 1;
      if (slices % SLICES_A_TURN === 0) await turn();
    }
    Object.assign(parsed, { [name]: items });
  }
  if (issues.length === 0) return { parsed };
  const fields = Object.keys(schema.shape);
  const place = ({ path }: Issue) => fields.indexOf(String(path[0]));
  return { issues: issues.sort((a, b) => place(a) - place(b)) };
}

/** One whose list is longer than it may be is refused for that, in one go. */
function isLong(raw: unknown, { max_workers, max_live_tasks }: ReportLimits): raw is LongReport {
  if (typeof raw !== "object" || raw === null) return false;
  const { workers, tasks } = raw as Record<string, unknown>;
  const [workers_count, tasks_count] = [workers, tasks].map((list) =>
    Array.isArray(list) ? list.length : 0,
  );
  return (
    workers_count! + tasks_count! > SLICE && workers_count! <= max_workers && tasks_count! <= max_live_tasks
  );
}

function check(raw: unknown, schema: ReportSchema["report"]): Checked {
  const result = schema.safeParse(raw, { reportInput: true });
  return result.success ? { parsed: result.data } : { issues: result.error.issues };
}

/** The same issue where it is in the whole list. */
function further(issue: Issue, from: number): Issue {
  const [list, index, ...rest] = issue.path;
  return typeof index === "number" ? { ...issue, path: [list!, index + from, ...rest] } : issue;
}
