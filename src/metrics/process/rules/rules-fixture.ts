import type { Alert, AlertEvent, Silence } from "../../model.ts";
import { Scene, START_MS } from "../scene.ts";
import { systemStatus } from "../status.ts";
import { fleetFigures } from "../system.ts";
import { DEFAULT_RULES, WRITTEN_DEFAULTS } from "./default-rules.ts";
import { Rehearsal } from "./rehearsal.ts";
import { buildRules, type Rule, rulesShape } from "./rule.ts";

/** Rules as a file would say them, without the default ones. */
export function rulesOf(...written: object[]): Rule[] {
  const built = buildRules(rulesShape.rules.parse(written), [], "rules.yaml", () => 1);
  if ("problems" in built) throw new Error(built.problems.join("\n"));
  return built.rules;
}

/** The default rule of a name, with what is different. */
export function defaultRule(name: string, different: object = {}): Rule {
  const only = WRITTEN_DEFAULTS.filter((rule) => rule.name === name).map((rule) => ({ ...rule, unless: [] }));
  const built = buildRules(rulesShape.rules.parse([{ name, ...different }]), only, "rules.yaml", () => 1);
  if ("problems" in built) throw new Error(built.problems.join("\n"));
  return built.rules[0]!;
}

/** A fleet with rules, on a clock that stands still until told. */
export class RuleFleet extends Scene {
  readonly reached: string[] = [];
  readonly #rehearsal: Rehearsal;
  events: AlertEvent[] = [];

  constructor(rules: readonly Rule[] = DEFAULT_RULES) {
    super();
    this.#rehearsal = new Rehearsal(this.fleet, rules, START_MS, (limit) => this.reached.push(limit));
  }

  /** One tick after so long. */
  override later(ms: number): this {
    this.now_ms += ms;
    this.events.push(...this.#rehearsal.tick(this.now_ms));
    return this;
  }

  get book() {
    return this.#rehearsal.book;
  }

  get system() {
    return this.#rehearsal.system;
  }

  get own() {
    return this.#rehearsal.own;
  }

  /** So many ticks of a second each; `each` reports before every one of them. */
  seconds(count: number, each: (scene: this, second: number) => void = () => {}): this {
    for (let second = 0; second < count; second += 1) {
      each(this, second);
      this.later(1000);
    }
    return this;
  }

  get ids(): string[] {
    return this.book.firing.map(({ id }) => id);
  }

  get alerts(): readonly Alert[] {
    return this.book.firing;
  }

  get status() {
    return systemStatus(fleetFigures(this.fleet, this.now_ms).system, this.book.firing);
  }

  silence(given: Partial<Silence>): void {
    const { now_ms } = this;
    const silence = {
      id: "s1",
      matchers: [],
      starts_ms: now_ms,
      ends_ms: now_ms + 60_000,
      by: "ann",
      note: "",
    };
    this.book.addSilence({ ...silence, ...given }, now_ms);
  }
}
