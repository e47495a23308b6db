import { readFileSync } from "node:fs";
import { EvenkeelError } from "./errors.ts";
import { didYouMean } from "./kinds.ts";
import { CATALOGUE, findMetric } from "./metrics/catalogue.ts";
import { Collector, type CollectorLimits, type Held } from "./metrics/collect/collector.ts";
import { readTrace } from "./metrics/collect/trace.ts";
import type { Alert, AlertEvent, Report } from "./metrics/model.ts";
import { Fleet, type FleetOptions } from "./metrics/process/fleet.ts";
import { Rehearsal } from "./metrics/process/rules/rehearsal.ts";
import { customIn, type Rule } from "./metrics/process/rules/rule.ts";
import { readWrittenSeries, type WrittenSeries } from "./metrics/process/rules/written-series.ts";

export interface RehearseOptions {
  readonly rules: readonly Rule[];
  readonly limits: CollectorLimits & Omit<FleetOptions, "grace_ms">;
  readonly tick_ms: number;
  print(line: string): void;
}

const SERIES_FILE = /\.ya?ml$/;
/** Written series have no date of their own. */
const SERIES_START_MS = 946_684_800_000;

/**
 * Runs rules against a recorded trace, or against series that are written down in a YAML file, as fast as it goes,
 * and prints what fires and ends when.
 *
 * @returns how many of the file's expectations were not met
 * @throws EvenkeelError "invalid" for a file that can't be read
 */
export async function rehearse(file: string, options: RehearseOptions): Promise<number> {
  const stage = SERIES_FILE.test(file) ? rehearseSeries(file, options) : await rehearseTrace(file, options);
  const { fired, unmet, expected } = stage;
  options.print(`${fired} ${fired === 1 ? "alert" : "alerts"} fired`);
  if (expected > 0) options.print(`${expected - unmet} of ${expected} expectations are met`);
  return unmet;
}

/** What fired, told as it happens. */
class Stage {
  fired = 0;
  unmet = 0;
  expected = 0;
  readonly fleet: Fleet;
  readonly rehearsal: Rehearsal;
  readonly #start_ms: number;
  readonly #options: RehearseOptions;

  constructor(start_ms: number, options: RehearseOptions) {
    const reached = (limit: string) => options.print(`limit reached: ${limit}`);
    this.#start_ms = start_ms;
    this.#options = options;
    this.fleet = new Fleet(options.limits, start_ms);
    this.rehearsal = new Rehearsal(this.fleet, options.rules, start_ms, reached);
  }

  tick(now_ms: number): void {
    for (const event of this.rehearsal.tick(now_ms)) {
      if (event.kind === "firing") this.fired += 1;
      this.#options.print(lineOf(event, this.#start_ms));
    }
  }

  expect(after_ms: number, firing: readonly string[]): void {
    this.expected += 1;
    const found = this.rehearsal.book.firing.map(({ id }) => id).sort();
    const wanted = [...firing].sort();
    if (JSON.stringify(found) === JSON.stringify(wanted)) return;
    this.unmet += 1;
    const list = (ids: readonly string[]) => (ids.length === 0 ? "nothing" : ids.join(", "));
    this.#options.print(`${elapsed(after_ms)}  expected ${list(wanted)}; fires ${list(found)}`);
  }
}

function rehearseSeries(file: string, options: RehearseOptions): Stage {
  const series = readWrittenSeries(textOf(file), file);
  if ("problems" in series) throw new EvenkeelError("invalid", series.problems.join("\n"));
  for (const doubt of doubtsOf(series, options.rules)) options.print(`${file}: ${doubt}`);
  const stage = new Stage(SERIES_START_MS, options);
  const { step_ms, steps } = series;
  for (let step = 0; step < steps; step += 1) {
    const at_ms = SERIES_START_MS + step * step_ms;
    stage.fleet.apply(series.reportAt(step, at_ms));
    override(stage, series, step);
    stage.tick(at_ms);
    for (const { after_ms, firing } of series.expected) {
      if (after_ms >= step * step_ms && after_ms < (step + 1) * step_ms) stage.expect(after_ms, firing);
    }
  }
  return stage;
}

/** What is no error and yet can't be meant: series that no rule can see, and alerts that no rule can raise. */
function doubtsOf({ metrics, expected }: WrittenSeries, rules: readonly Rule[]): string[] {
  const custom = new Set(rules.flatMap(customIn));
  const doubts = metrics
    .filter(({ scope, name }) => !findMetric(scope, name) && !custom.has(name))
    .map(({ scope, name }) => {
      const known = CATALOGUE.filter((metric) => metric.scope === scope).map((metric) => metric.name);
      return `${nameIn(name)} is no metric of ${OWNER[scope]}, and no rule asks for it by custom()${didYouMean(name.slice(0, MAX_NAME), known)}`;
    });
  const names = rules.map(({ name }) => name);
  const alerts = new Set(expected.flatMap(({ firing }) => firing));
  for (const id of alerts) {
    const rule = id.split(":", 1)[0]!;
    if (!names.includes(rule))
      doubts.push(`expect names no rule: ${nameIn(rule)}${didYouMean(rule.slice(0, MAX_NAME), names)}`);
  }
  return doubts;
}

const OWNER = { worker: "a worker", system: "the system" } as const;
const MAX_NAME = 80;

/** As JSON writes it, so that it ends no line. */
function nameIn(name: string): string {
  return JSON.stringify(name.slice(0, MAX_NAME));
}

function override({ rehearsal }: Stage, series: WrittenSeries, step: number): void {
  for (const [name, value] of series.systemAt(step)) {
    if (value === null) rehearsal.system.delete(name);
    else rehearsal.system.set(name, value);
  }
}

async function rehearseTrace(file: string, options: RehearseOptions): Promise<Stage> {
  const { limits, tick_ms } = options;
  let stage: Stage | undefined;
  let now_ms = 0;
  let received_ms = 0;
  const held: Held = {
    get workers() {
      return stage?.fleet.workers.size ?? 0;
    },
    get live_tasks() {
      return stage?.fleet.live.size ?? 0;
    },
    hasWorker: (id) => stage?.fleet.workers.has(id) ?? false,
    hasTask: (id) => stage?.fleet.tasks.has(id) ?? false,
  };
  const collector = new Collector(limits, { now: () => received_ms }, held);
  for await (const { report, at_ms, number } of readTrace(file)) {
    if (!stage) {
      stage = new Stage(at_ms, options);
      now_ms = at_ms;
    }
    for (; now_ms < at_ms; now_ms += tick_ms) stage.tick(now_ms);
    received_ms = at_ms;
    for (const one of await taken(collector, report, file, number)) stage.fleet.apply(one);
  }
  stage!.tick(now_ms);
  return stage!;
}

async function taken(collector: Collector, report: unknown, file: string, number: number): Promise<Report[]> {
  try {
    await collector.accept(new TextEncoder().encode(JSON.stringify(report)), "json");
    return [...collector.drain()];
  } catch (error) {
    throw new EvenkeelError("invalid", `${file}, line ${number}: ${(error as Error).message}`);
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new EvenkeelError("invalid", `${file} can't be read: ${(error as Error).message}`);
  }
}

/** `0:00:13  firing    critical  Worker W3 is overloaded: 95 % CPU, 5 pending tasks`. */
function lineOf({ kind, at_ms, alert }: AlertEvent, start_ms: number): string {
  const what = `${elapsed(at_ms - start_ms)}  ${kind.padEnd(8)}  ${alert.severity.padEnd(8)}`;
  return `${what}  ${words(alert)}`;
}

function words({ title, detail }: Alert): string {
  return (detail === "" ? title : `${title}: ${detail}`).replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, "");
}

function elapsed(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}
