import type { Alert, AlertRule, Silence } from "../metrics/model.ts";
import type { MessageSummary, Telling } from "../metrics/outbox.ts";

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

/** One that fired and ended, with everything that can become of an alert; `name` stands wherever a name may. */
export function endedAlert(id: string, now_ms: number, name: string): Alert {
  const fired_ms = now_ms - 600_000;
  const step = (after_ms: number, what: Alert["steps"][number]["what"], by = "", note = "") => ({
    at_ms: fired_ms + after_ms,
    what,
    by,
    note,
  });
  return alertWith({
    id,
    severity: "critical",
    title: `Worker ${name} was overloaded`,
    detail: `95 % CPU on ${name}`,
    since_ms: fired_ms - 3000,
    fired_ms,
    ended_ms: fired_ms + 120_000,
    state: "resolved",
    flaps: 4,
    subject: { kind: "worker", id: name },
    labels: { rule: "worker_overload", severity: "critical", kind: "worker", worker: name },
    series: [{ scope: "worker", entity: name, metric: "cpu_utilization" }],
    acknowledged: { at_ms: fired_ms + 10_000, by: name, note: name },
    steps: [
      step(0, "firing"),
      step(10_000, "acknowledged", name, name),
      step(20_000, "unacknowledged", name),
      step(30_000, "silenced", name),
      step(40_000, "unsilenced"),
      step(50_000, "inhibited", `worker_lost:${name}`),
      step(60_000, "uninhibited"),
      step(120_000, "resolved"),
    ],
  });
}

export function ruleWith(given: Partial<AlertRule>): AlertRule {
  return {
    name: "worker_overload",
    each: "worker",
    severity: "critical",
    when: "overloaded == 1",
    clear: "",
    for_ms: 3000,
    keep_firing_for_ms: 5000,
    unless: ["worker_lost"],
    help: "A resource is in use beyond its threshold.",
    ...given,
  };
}

export function silenceWith(given: Partial<Silence>): Silence {
  return {
    id: "s1",
    matchers: [{ label: "rule", pattern: "worker_*", not: false }],
    starts_ms: 0,
    ends_ms: 3_600_000,
    by: "Ada",
    note: "",
    ...given,
  };
}

type ToldReceiver = Telling["receivers"][number];

export function receiverWith(given: Partial<ToldReceiver>): ToldReceiver {
  return {
    name: "pager",
    kind: "webhook",
    waiting: 0,
    delivered_ms: null,
    failing_since_ms: null,
    last_error: null,
    next_ms: null,
    test: null,
    ...given,
  };
}

export function messageWith(given: Partial<MessageSummary>): MessageSummary {
  return {
    id: 1,
    receiver: "pager",
    created_ms: 0,
    attempts: 0,
    tried_ms: null,
    next_ms: null,
    error: null,
    outcome: null,
    ended_ms: null,
    title: "Worker W3 is overloaded",
    what: "firing",
    ...given,
  };
}

/** A receiver that fails and one that delivers; `name` stands wherever a name may. */
export function tellingWith(name: string, now_ms: number): Telling {
  const failing_since_ms = now_ms - 90_000;
  const told = { receiver: name, title: name, created_ms: failing_since_ms };
  return {
    receivers: [
      receiverWith({ name, waiting: 2, failing_since_ms, last_error: name, next_ms: now_ms + 5000 }),
      receiverWith({
        name: "chat",
        kind: "slack",
        delivered_ms: failing_since_ms,
        test: { at_ms: failing_since_ms, ok: false, detail: name },
      }),
    ],
    waiting: [
      messageWith({ ...told, id: 2, attempts: 3, error: name, next_ms: now_ms + 5000 }),
      messageWith({ ...told, id: 3 }),
    ],
    ended: [
      messageWith({ ...told, attempts: 1, error: name, outcome: "refused", ended_ms: now_ms - 80_000 }),
    ],
  };
}
