import type { Alert, AlertEvent, Silence } from "../../model.ts";
import { AlertBook } from "../alert-book.ts";
import { AnomalyWatch } from "../anomaly-watch.ts";
import { Scene, START_MS } from "../scene.ts";
import { systemStatus } from "../status.ts";
import { cutMetrics, systemMetrics } from "../system.ts";
import { DEFAULT_RULES, WRITTEN_DEFAULTS } from "./default-rules.ts";
import { modelsOf, queuesOf } from "./figures.ts";
import { buildRules, type Rule, rulesShape } from "./rule.ts";
import type { RuleScene } from "./vocabulary.ts";

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
  book: AlertBook;
  readonly reached: string[] = [];
  readonly own = new Map<string, number>();
  readonly system = new Map<string, number>();
  readonly #anomalies: AnomalyWatch;
  events: AlertEvent[] = [];

  constructor(rules: readonly Rule[] = DEFAULT_RULES) {
    super();
    this.book = new AlertBook(rules, START_MS, (limit) => this.reached.push(limit));
    this.#anomalies = new AnomalyWatch(START_MS, (limit) => this.reached.push(limit));
  }

  /** One tick after so long. */
  override later(ms: number): this {
    super.later(ms);
    const { fleet, now_ms, own } = this;
    const system = new Map([...systemMetrics(fleet, now_ms), ...this.system]);
    this.#anomalies.judge({ system, workers: fleet.workers.values() }, now_ms);
    const queues = queuesOf(fleet);
    const scene: RuleScene = {
      now_ms,
      fleet,
      system,
      cuts: cutMetrics(fleet),
      sources: fleet.sources(),
      own,
      queues: () => queues,
      models: () => modelsOf(fleet, queues, fleet.ledger.models.lastHour(now_ms), now_ms),
      anomalies: () => this.#anomalies.due(),
      anomalyScore: ({ scope, entity }, metric) => this.#anomalies.score(scope, entity, metric),
    };
    this.book.evaluate(scene);
    this.events.push(...this.book.takeEvents());
    return this;
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
    return systemStatus(systemMetrics(this.fleet, this.now_ms), this.book.firing);
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
