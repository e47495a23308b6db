import { findMetric, type Metric, type Scope } from "../../../catalogue.ts";
import { shown } from "../../../must-be.ts";
import type { Counters } from "./counters.ts";
import type { Series } from "./exposition.ts";
import { type Rules, STATUSES } from "./schema.ts";
import type { Selector } from "./selector.ts";
import { evaluate, type Scene } from "./value.ts";

/** What one target answered. */
export interface Scraped {
  readonly url: string;
  readonly series: readonly Series[];
  readonly counters: Counters;
}

type Labels = ReadonlyMap<string, string>;

/** A worker as its series have it: in the form of a report, but for the status "down". */
export interface Mapped {
  readonly id: string;
  type?: string;
  hostname?: string;
  status?: (typeof STATUSES)[number];
  tags?: string[];
  readonly capabilities: Record<string, string | number>;
  readonly metrics: Record<string, number>;
  gpus?: Record<string, number>[];
}

/** What came of one target. */
export interface MappedTarget {
  readonly workers: Mapped[];
  readonly system: Record<string, number>;
  /** What could not be taken, each once. */
  readonly complaints: readonly string[];
}

/** Beyond the catalogue's bounds by less than this share of their range is a rounding, or two clocks. */
const SLACK = 0.05;
/** What is worked through before other work gets a turn. */
const SLICE_SERIES = 10_000;
const SLICE_WORKERS = 50;
/** What is wrong with one target is told so often. */
const MAX_COMPLAINTS = 20;
const MAX_ID_LENGTH = 256;
const MAX_GPUS = 256;
const PRINTABLE = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+$/u;

/** Whether any rule looks at series of that name. */
export function wantedBy(rules: Rules): (name: string) => boolean {
  const selectors = [
    ...(rules.workers.join ? [rules.workers.join] : []),
    ...rules.facts.map(({ series }) => series),
    ...[...rules.capabilities, ...rules.metrics, ...rules.gpus, ...rules.system].flatMap(
      ({ series, minus, of }) => [series, ...(minus ? [minus] : []), ...(of ? [of] : [])],
    ),
  ];
  const known = new Map<string, boolean>();
  return (name) => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const wanted = selectors.some((selector) => selector.matchesName(name));
    known.set(name, wanted);
    return wanted;
  };
}

/** One target's series as workers and figures of the fleet, by the rules; each step takes some ms. */
export function* mapTarget(rules: Rules, scraped: Scraped, now_ms: number): Generator<void, MappedTarget> {
  const mapper = new Mapper(rules, scraped, now_ms);
  const by_worker = yield* mapper.byWorker();
  const workers: Mapped[] = [];
  for (const [id, series] of by_worker) {
    workers.push(mapper.worker(id, series));
    if (workers.length % SLICE_WORKERS === 0) yield;
  }
  return { workers, system: mapper.system(), complaints: [...mapper.complaints] };
}

class Mapper {
  readonly complaints = new Set<string>();
  readonly #rules: Rules;
  readonly #scraped: Scraped;
  readonly #now_ms: number;
  readonly #missing: ReadonlySet<number>;
  /** Of the target, and of the series whose labels stand for all of it. */
  readonly #common: Labels;

  constructor(rules: Rules, scraped: Scraped, now_ms: number) {
    this.#rules = rules;
    this.#scraped = scraped;
    this.#now_ms = now_ms;
    this.#missing = new Set(rules.missing);
    const { host, hostname } = new URL(scraped.url);
    const { join } = rules.workers;
    const joined = join && scraped.series.find((one) => matches(join, one));
    this.#common = new Map([["target", host], ["host", hostname], ...(joined?.labels ?? [])]);
  }

  /** The series of each worker. */
  *byWorker(): Generator<void, Map<string, Series[]>> {
    const template = this.#rules.workers.id ?? "{{target}}";
    const workers = new Map<string, Series[]>();
    for (const [index, one] of this.#scraped.series.entries()) {
      if (index % SLICE_SERIES === SLICE_SERIES - 1) yield;
      const id = filled(template, one.labels, this.#common);
      if (id === null) continue;
      if (!PRINTABLE.test(id) || [...id].length > MAX_ID_LENGTH) {
        this.#complain(`a worker's id must be 1 to ${MAX_ID_LENGTH} printable characters; got ${shown(id)}`);
        continue;
      }
      const known = workers.get(id);
      if (known) known.push(one);
      else workers.set(id, [one]);
    }
    if (workers.size === 0)
      this.#complain(`no series that the rules name has the labels of the worker's id ${shown(template)}`);
    return workers;
  }

  worker(id: string, series: readonly Series[]): Mapped {
    const rules = this.#rules;
    const scene = this.#scene(series);
    const worker: Mapped = { id, capabilities: {}, metrics: {} };
    const text = (template: string | undefined) =>
      template === undefined ? null : firstOf(series, ({ labels }) => filled(template, labels, this.#common));
    this.#setFact(worker, "type", text(rules.workers.type));
    this.#setFact(worker, "hostname", text(rules.workers.hostname));
    for (const { fact, series: selector, label, values } of rules.facts) {
      for (const { labels, value } of scene.select(selector)) {
        // Of a set of states the one that holds is 1.
        if (!(value > 0)) continue;
        const found = labels.get(label) ?? "";
        this.#setFact(worker, fact, values ? (Object.hasOwn(values, found) ? values[found]! : null) : found);
      }
    }
    for (const rule of rules.capabilities) {
      const value = evaluate(rule, scene);
      if (value !== null && value >= 0) worker.capabilities[rule.capability] = value;
    }
    this.#setMetrics("worker", rules.metrics, scene, worker.metrics);
    const gpus = this.#gpus(scene);
    if (gpus.length > 0) worker.gpus = gpus;
    return worker;
  }

  system(): Record<string, number> {
    const metrics: Record<string, number> = {};
    this.#setMetrics("system", this.#rules.system, this.#scene(this.#scraped.series), metrics);
    return metrics;
  }

  #scene(series: readonly Series[]): Scene {
    const by_name = new Map<string, Series[]>();
    for (const one of series) {
      const known = by_name.get(one.name);
      if (known) known.push(one);
      else by_name.set(one.name, [one]);
    }
    const select = (selector: Selector) => {
      const named =
        selector.name === null
          ? series.filter(({ name }) => selector.matchesName(name))
          : (by_name.get(selector.name) ?? []);
      return named.filter(({ labels }) => selector.matchesLabels(labels));
    };
    return { select, counters: this.#scraped.counters, missing: this.#missing, now_ms: this.#now_ms };
  }

  #setFact(worker: Mapped, fact: Rules["facts"][number]["fact"], value: string | null): void {
    if (value === null || value.length > MAX_ID_LENGTH || !PRINTABLE.test(value)) return;
    if (fact === "tag") worker.tags = [...new Set([...(worker.tags ?? []), value])];
    else if (fact === "type" || fact === "hostname") worker[fact] = value;
    else if (fact !== "status") worker.capabilities[fact] = value;
    else {
      const status = STATUSES.find((known) => known === value);
      if (status) worker.status = status;
    }
  }

  #setMetrics(scope: Scope, rules: Rules["metrics"], scene: Scene, metrics: Record<string, number>): void {
    for (const rule of rules) {
      const metric = findMetric(scope, rule.metric);
      const value = evaluate(rule, scene, metric?.kind === "counter" ? "value" : "rate");
      const taken = value === null ? null : this.#within(rule.metric, metric, value);
      if (taken !== null) metrics[rule.metric] = Math.max(taken, metrics[rule.metric] ?? -Infinity);
    }
  }

  #gpus(scene: Scene): Record<string, number>[] {
    const gpus = new Map<number, Record<string, number>>();
    for (const { gpu: field, index: label, ...rule } of this.#rules.gpus) {
      const indices = new Set(scene.select(rule.series).map(({ labels }) => labels.get(label) ?? ""));
      for (const text of indices) {
        const index = /^\d{1,3}$/.test(text) ? Number(text) : MAX_GPUS;
        if (index >= MAX_GPUS) {
          this.#complain(`a GPU's ${label} must be a whole number below ${MAX_GPUS}; got ${shown(text)}`);
          continue;
        }
        const select = (selector: Selector) =>
          scene.select(selector).filter(({ labels }) => labels.get(label) === text);
        const value = evaluate(rule, { ...scene, select });
        const metric = findMetric(
          "worker",
          field === "temperature_celsius" ? "gpu_temperature_celsius" : "gpu_utilization",
        );
        const taken = value === null ? null : this.#within(field, metric, value);
        const gpu = gpus.get(index) ?? { index };
        if (taken !== null) gpu[field] = taken;
        gpus.set(index, gpu);
      }
    }
    return [...gpus.values()].sort((a, b) => a.index! - b.index!);
  }

  /** What the catalogue allows, or null; one value that it does not would have the whole report refused. */
  #within(name: string, metric: Metric | undefined, value: number): number | null {
    const { min = null, max = null } = metric ?? {};
    const slack = min !== null && max !== null ? SLACK * (max - min) : 0;
    if ((min === null || value >= min - slack) && (max === null || value <= max + slack))
      return Math.min(max ?? Infinity, Math.max(min ?? -Infinity, value));
    const range = max === null ? `${min} or more` : `from ${min} to ${max}`;
    this.#complain(`${name} must be ${range}; got ${value}`);
    return null;
  }

  #complain(complaint: string): void {
    if (this.complaints.size < MAX_COMPLAINTS) this.complaints.add(complaint);
  }
}

function matches(selector: Selector, { name, labels }: Series): boolean {
  return selector.matchesName(name) && selector.matchesLabels(labels);
}

/** The template with its labels' values; null where one of them is not there. */
function filled(template: string, labels: Labels, common: Labels): string | null {
  let whole = true;
  const text = template.replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (_, name: string) => {
    const value = labels.get(name) ?? common.get(name) ?? "";
    whole &&= value !== "";
    return value;
  });
  return whole ? text : null;
}

function firstOf<T, R>(items: readonly T[], found: (item: T) => R | null): R | null {
  for (const item of items) {
    const result = found(item);
    if (result !== null) return result;
  }
  return null;
}
