import type { Alert } from "../metrics/model.ts";

/** An alert that fires, with what a test says of it. */
export function alertWith(given: Partial<Alert> & Pick<Alert, "id">): Alert {
  const { rule = given.id.split(":")[0]!, severity = "warning", since_ms = 0 } = given;
  return {
    rule,
    severity,
    title: given.id,
    detail: "",
    since_ms,
    subject: { kind: "system", id: rule },
    labels: { rule, severity },
    many: `{{count}} alerts of ${rule}`,
    series: [],
    state: "firing",
    fired_ms: since_ms,
    ended_ms: null,
    flaps: 0,
    acknowledged: null,
    silenced_by: null,
    inhibited_by: null,
    told: true,
    steps: [],
    ...given,
  };
}
