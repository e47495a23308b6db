import type { Alert } from "../../model.ts";
import type { ActiveFault } from "./demo.ts";
import type { FaultKind } from "./faults.ts";
import { alertsOfNewFleet, type ImpliedAlert, impliedAlerts } from "./implied.ts";

/** What came of the alerts that the demo's script implies, and of all others. */
export interface AlertCounts {
  /** That had to fire, and of them those that did not. */
  certain: number;
  missing: number;
  /** That followed from the script and did not have to. */
  possible: number;
  /** That do not follow from it. */
  others: number;
  /** The first of the missing ones and of the others, in words. */
  readonly examples: string[];
}

const MOST_EXAMPLES = 200;

interface Expected extends ImpliedAlert {
  readonly kind: FaultKind | null;
  /** Nothing more is said of it from then on, Unix milliseconds. */
  readonly over_ms: number;
  fired: boolean;
}

/** The part of an alert that tells whether it follows from the script. */
type Fired = Pick<Alert, "id" | "rule" | "labels" | "series" | "state" | "inhibited_by" | "title" | "detail">;

/** Compares the alerts that are told, tick by tick, with those that the script implies. */
export class AlertAccount {
  readonly counts: AlertCounts = { certain: 0, missing: 0, possible: 0, others: 0, examples: [] };
  readonly #expected = new Map<string, Expected>();
  /** Those that fire and were accounted for. */
  #firing = new Set<string>();

  /** @param start_ms when the demo's fleet began */
  constructor(start_ms: number) {
    for (const implied of alertsOfNewFleet(start_ms)) this.#expect(implied, null);
  }

  /**
   * @param faults those of this moment
   * @param alerts all that are pending or fire; those that others hold back are not told and don't count
   */
  tick(faults: readonly ActiveFault[], alerts: readonly Fired[], now_ms: number): void {
    for (const fault of faults) for (const implied of impliedAlerts(fault)) this.#expect(implied, fault);
    const told = alerts.filter(({ state, inhibited_by }) => state === "firing" && inhibited_by === null);
    for (const alert of told) if (!this.#firing.has(alert.id)) this.#account(alert, now_ms);
    this.#firing = new Set(told.map(({ id }) => id));
    for (const [key, one] of this.#expected) {
      if (one.over_ms >= now_ms) continue;
      this.#expected.delete(key);
      if (one.certain) this.#settle(one);
    }
  }

  /** A fault implies the same at each of its moments, and is asked at all of them. */
  #expect(implied: ImpliedAlert, fault: ActiveFault | null): void {
    const { rule, labels, metric, from_ms, by_ms } = implied;
    const key = `${rule} ${JSON.stringify(labels)} ${metric} ${from_ms} ${by_ms}`;
    if (this.#expected.has(key)) return;
    const over_ms = Math.max(by_ms, fault?.until_ms ?? 0);
    this.#expected.set(key, { ...implied, kind: fault?.kind ?? null, over_ms, fired: false });
  }

  #account(alert: Fired, now_ms: number): void {
    const causes = [...this.#expected.values()].filter((one) => isImplied(alert, one, now_ms));
    for (const one of causes) one.fired = true;
    if (causes.some(({ certain }) => certain)) return;
    if (causes.length > 0) this.counts.possible++;
    else {
      this.counts.others++;
      this.#note(`${timeOf(now_ms)} ${alert.id}: ${alert.title}, ${alert.detail}`);
    }
  }

  #settle({ rule, labels, from_ms, kind, fired }: Expected): void {
    this.counts.certain++;
    if (fired) return;
    this.counts.missing++;
    this.#note(`${timeOf(from_ms)} ${kind}: no ${rule} ${JSON.stringify(labels)}`);
  }

  #note(example: string): void {
    if (this.counts.examples.length < MOST_EXAMPLES) this.counts.examples.push(example);
  }
}

function isImplied({ rule, labels, series }: Fired, implied: ImpliedAlert, now_ms: number): boolean {
  return (
    rule === implied.rule &&
    now_ms >= implied.from_ms &&
    now_ms <= implied.by_ms &&
    (implied.metric === null || series.some(({ metric }) => metric === implied.metric)) &&
    Object.entries(implied.labels).every(([name, value]) => (labels[name as "worker"] ?? null) === value)
  );
}

function timeOf(at_ms: number): string {
  return new Date(at_ms).toISOString().slice(0, 19);
}
