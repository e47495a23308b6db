import type { AlertEvent } from "../../model.ts";
import { AlertBook } from "../alert-book.ts";
import { AnomalyWatch } from "../anomaly-watch.ts";
import type { Fleet } from "../fleet.ts";
import { finish } from "../steps.ts";
import { fleetFigures } from "../system.ts";
import type { Rule } from "./rule.ts";
import { ruleScene } from "./rule-scene.ts";

/** Rules on a fleet without a store, in whatever time it is given: to see what would fire when. */
export class Rehearsal {
  readonly book: AlertBook;
  /** What stands in place of what follows of the fleet, and of how Evenkeel itself is doing. */
  readonly system = new Map<string, number>();
  readonly own = new Map<string, number>();
  readonly #fleet: Fleet;
  readonly #anomalies: AnomalyWatch;

  constructor(fleet: Fleet, rules: readonly Rule[], started_ms: number, reached: (limit: string) => void) {
    this.#fleet = fleet;
    this.book = new AlertBook(rules, started_ms, reached);
    this.#anomalies = new AnomalyWatch(started_ms, reached);
  }

  /** One tick. @returns what it would have told */
  tick(now_ms: number): AlertEvent[] {
    const fleet = this.#fleet;
    fleet.advance(now_ms);
    fleet.judgeAssignments(now_ms);
    const figures = fleetFigures(fleet, now_ms);
    const system = new Map([...figures.system, ...this.system]);
    const anomalies = this.#anomalies;
    const isHeard = (id: string) => fleet.workers.get(id)?.presence === "fresh";
    finish(anomalies.judging({ system, values: fleet.takeChanges().values, isHeard }, now_ms));
    this.book.evaluate(ruleScene(fleet, { ...figures, system }, this.own, anomalies, now_ms));
    return this.book.takeEvents();
  }
}
