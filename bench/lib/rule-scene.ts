import type { Report } from "../../src/metrics/model.ts";
import { AlertBook } from "../../src/metrics/process/alert-book.ts";
import { Fleet } from "../../src/metrics/process/fleet.ts";
import { WRITTEN_DEFAULTS } from "../../src/metrics/process/rules/default-rules.ts";
import { buildRules, type Rule, rulesShape } from "../../src/metrics/process/rules/rule.ts";
import { ruleScene } from "../../src/metrics/process/rules/rule-scene.ts";
import { fleetFigures } from "../../src/metrics/process/system.ts";

const START_MS = 1_700_000_000_000;

/** The default rules and as many more, as a team would add them. */
export function rulesOf(count: number): readonly Rule[] {
  const own = Array.from({ length: count - WRITTEN_DEFAULTS.length }, (_, i) => ({
    name: `own_${i}`,
    each: "worker",
    when: [
      `cpu_utilization > ${90 + (i % 8)} and memory_utilization > 85`,
      `gpu_utilization > 98 and worker_type == "gpu*"`,
      `rate(memory_utilization, 5m) * 60 > ${5 + (i % 3)}`,
      `mean(load, 2m) > ${95 + (i % 4)}`,
      `network_utilization > 95 or io_utilization > 95`,
    ][i % 5]!,
    for: "30s",
    severity: "notice",
    summary: "{{worker}}",
  }));
  const built = buildRules(rulesShape.rules.parse(own), WRITTEN_DEFAULTS, "bench", () => 1);
  if ("problems" in built) throw new Error(built.problems.join("\n"));
  return built.rules;
}

/** A fleet whose workers all report each second, with rules that are asked of it. */
export class RuleLoad {
  readonly book: AlertBook;
  readonly #fleet = new Fleet(
    { worker_ttl_ms: 3_600_000, task_ttl_ms: 86_400_000, grace_ms: 900_000 },
    START_MS,
  );
  readonly #workers: number;
  readonly #tasks: number;
  #now_ms = START_MS;
  #told = false;

  constructor(workers: number, tasks: number, rules: readonly Rule[]) {
    this.#workers = workers;
    this.#tasks = tasks;
    this.book = new AlertBook(rules, START_MS, () => {});
  }

  /** One second of the fleet, its first `hot` workers overloaded. @returns what asking the rules took, milliseconds */
  second(hot: number): number {
    this.#now_ms += 1000;
    const now_ms = this.#now_ms;
    const fleet = this.#fleet;
    fleet.apply(this.#report(hot));
    fleet.advance(now_ms);
    const nothing_unusual = { due: () => [], score: () => 0 };
    const scene = ruleScene(fleet, fleetFigures(fleet, now_ms), new Map(), nothing_unusual, now_ms);
    const started = performance.now();
    this.book.evaluate(scene);
    this.book.takeChanges();
    return performance.now() - started;
  }

  #report(hot: number): Report {
    const first = !this.#told;
    this.#told = true;
    const nothing = { hostname: undefined, status: undefined, tags: undefined, gpus: undefined };
    return {
      at_ms: this.#now_ms,
      received_ms: this.#now_ms,
      source: "bench",
      interval_s: 1,
      complete: false,
      system: {},
      workers: Array.from({ length: this.#workers }, (_, i) => ({
        ...nothing,
        id: `W${i}`,
        type: i % 2 === 0 ? "gpu" : "cpu",
        interval_s: 1,
        capabilities: {},
        metrics: {
          cpu_utilization: i < hot ? 99 : Math.random() * 80,
          memory_utilization: Math.random() * 80,
          gpu_utilization: Math.random() * 80,
          io_utilization: Math.random() * 20,
          network_utilization: Math.random() * 20,
        },
      })),
      tasks: first ? Array.from({ length: this.#tasks }, (_, i) => this.#task(i)) : [],
    };
  }

  #task(i: number): Report["tasks"][number] {
    const running = i % 2 === 0;
    return {
      id: `t${i}`,
      type: "vision",
      model_family: "vit",
      model_id: `model-${i % 50}`,
      priority: i % 5,
      modality: undefined,
      requirements: undefined,
      metrics: {},
      transitions: [
        {
          attempt: 1,
          status: running ? "running" : "queued",
          times: {},
          worker_id: running ? `W${i % this.#workers}` : undefined,
          progress: undefined,
          error: undefined,
        },
      ],
    };
  }
}
