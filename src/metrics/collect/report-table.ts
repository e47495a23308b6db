import { fieldsOf, jsonSchema } from "../json-schema.ts";
import { type ReportLimits, reportSchema } from "./report.ts";

/** Every field of a report, as README has them. */
export function reportTable(limits: ReportLimits): string {
  const { report } = reportSchema(limits, "refused");
  const rows = fieldsOf(jsonSchema(report, "input")).map(
    ({ path, type, required, description }) =>
      `| \`${path}\`${required ? " (must be given)" : ""} | ${type.replace(/ or null$/, "")} | ${description} |`,
  );
  return ["| Field | Is | Meaning |", "|---|---|---|", ...rows].join("\n");
}
