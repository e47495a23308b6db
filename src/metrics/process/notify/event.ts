import type { Alert, AlertLabel } from "../../model.ts";

export type Labels = Readonly<Partial<Record<AlertLabel, string>>>;
export type LabelledAlert = Alert & { readonly labels: Labels };

/** An alert began to be worth telling, or one that was told has ended. Per alert in order. */
export interface AlertEvent {
  readonly kind: "firing" | "resolved";
  readonly at_ms: number;
  readonly fired_ms: number;
  readonly ended_ms: number | null;
  readonly alert: LabelledAlert;
}
