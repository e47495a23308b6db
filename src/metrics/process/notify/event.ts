import type { Alert, AlertEvent } from "../../model.ts";

export type Labels = Alert["labels"];

/** What is told of an alert. */
export type ToldAlert = Pick<
  Alert,
  "id" | "rule" | "severity" | "title" | "detail" | "many" | "since_ms" | "subject" | "labels"
>;

/** An event as it is told. */
export interface ToldEvent extends Omit<AlertEvent, "alert"> {
  readonly alert: ToldAlert;
}

/** Without what nobody is told, such as all that became of it. */
export function toldOf(alert: ToldAlert, labels: Labels): ToldAlert {
  const { id, rule, severity, title, detail, many, since_ms, subject } = alert;
  return { id, rule, severity, title, detail, many, since_ms, subject, labels };
}
