import {
  CATALOGUE,
  CUTS,
  type Cut,
  findMetric,
  type Metric,
  type Scope,
  type Unit,
} from "../../metrics/catalogue.ts";
import type { ConnectorHealth } from "../../metrics/connectors.ts";
import { SEVERITIES, WORKER_STATES, type Worker } from "../../metrics/model.ts";
import type { Read, SelfHealth } from "../../metrics/read.ts";
import { DURATION_BOUNDS_S, type DurationName, type Totals } from "../../metrics/totals.ts";
import { type Family, histogram, labels, type Sample } from "./print.ts";

/** What the process itself uses. */
export interface ProcessFigures {
  /** CPU time since its start, seconds. */
  readonly cpu_s: number;
}

/** Workers that are told of one by one, the worst first; how many more there are is told too. */
export const MAX_WORKERS = 10_000;

/** Everything that is told of the fleet and of ourselves; nothing is made before it is printed. */
export function* families(read: Read, own: ProcessFigures): Generator<Family> {
  yield* systemFamilies(read);
  yield* cutFamilies(read);
  yield* totalFamilies(read.totals());
  yield* workerFamilies(read);
  yield* alertFamilies(read);
  yield* sourceFamilies(read);
  yield* connectorFamilies(read);
  yield* selfFamilies(read);
  yield* processFamilies(read.self, own);
}

type Values = ReadonlyMap<string, number>;
type Line = readonly [labels: string, value: number];

const PREFIX: Readonly<Record<Scope, string>> = {
  system: "evenkeel_",
  worker: "evenkeel_worker_",
  task: "evenkeel_task_",
  worker_type: "evenkeel_worker_type_",
  task_type: "evenkeel_task_type_",
  model_family: "evenkeel_model_family_",
};

/** Counts of the catalogue that are one family here, by their label `state`. */
const BY_STATE: readonly { family: string; help: string; metrics: Readonly<Record<string, string>> }[] = [
  {
    family: "workers",
    help: "Workers by state; an overloaded one is none of the active",
    metrics: {
      active: "active_workers",
      overloaded: "overloaded_workers",
      draining: "draining_workers",
      offline: "offline_workers",
      stale: "stale_workers",
      lost: "lost_workers",
    },
  },
  {
    family: "tasks",
    help: "Unfinished tasks by state",
    metrics: {
      queued: "queued_tasks",
      assigned: "assigned_tasks",
      running: "running_tasks",
      orphaned: "orphaned_tasks",
    },
  },
  {
    family: "tasks_ended_recently",
    help: "Tasks that ended in the last hour, by state; a retry takes a failure back",
    metrics: { completed: "completed_tasks", failed: "failed_tasks", cancelled: "cancelled_tasks" },
  },
];
function* systemFamilies({ system, status }: Read): Generator<Family> {
  yield gauge("evenkeel_status", "1 for what the whole is: healthy, degraded or critical", () =>
    (["healthy", "degraded", "critical"] as const).map((level) => [
      labels({ level }),
      level === status.level ? 1 : 0,
    ]),
  );
  yield* scopeFamilies("system", () => [["", system]]);
  yield gauge(
    "evenkeel_reported",
    "What sources report of the fleet beyond the metrics that Evenkeel knows",
    () => unknown("system", system, ""),
  );
}

function* cutFamilies(read: Read): Generator<Family> {
  for (const cut of CUTS) {
    const parts = read.cutNames(cut).flatMap((name): [string, Values][] => {
      const values = read.cut(cut, name);
      return values ? [[labels({ [cut]: name }), values]] : [];
    });
    yield* scopeFamilies(cut, () => parts);
  }
}

/** The catalogue's gauges of the fleet or of a cut, for each of its parts. */
function* scopeFamilies(
  scope: "system" | Cut,
  parts: () => readonly (readonly [labels: string, values: Values])[],
): Generator<Family> {
  const states = BY_STATE.filter(({ metrics }) =>
    Object.values(metrics).every((name) => findMetric(scope, name)),
  );
  for (const { family, help, metrics } of states) {
    yield gauge(`${PREFIX[scope]}${family}`, help, () =>
      parts().flatMap(([own, values]) =>
        Object.entries(metrics).flatMap(([state, name]): Line[] => {
          const value = countOf(values, name);
          return value === undefined ? [] : [[joined(own, labels({ state })), value]];
        }),
      ),
    );
  }
  // Their sum is told by them.
  const told = new Set(["total_workers", ...states.flatMap(({ metrics }) => Object.values(metrics))]);
  for (const metric of CATALOGUE) {
    if (metric.scope !== scope || metric.kind === "events" || told.has(metric.name)) continue;
    yield catalogued(metric, () =>
      parts().flatMap(([own, values]): Line[] => {
        const value = values.get(metric.name);
        return value === undefined ? [] : [[own, value]];
      }),
    );
  }
}

/** An overloaded worker is one of the active in the catalogue; states add up here. */
function countOf(values: Values, name: string): number | undefined {
  const value = values.get(name);
  return name === "active_workers" && value !== undefined
    ? value - (values.get("overloaded_workers") ?? 0)
    : value;
}

const DURATION_HELP: Readonly<Record<DurationName, string>> = {
  queue_time: "From queued to started",
  processing_time: "From started to completed",
  total_time: "From queued to completed",
};

function* totalFamilies(totals: readonly Totals[]): Generator<Family> {
  for (const scope of ["system", "task_type", "model_family"] as const) {
    const own = totals.filter((one) => one.scope === scope);
    const labelled = own.map(
      (one) => [scope === "system" ? "" : labels({ [scope]: one.entity }), one] as const,
    );
    yield {
      name: `${PREFIX[scope]}attempts`,
      kind: "counter",
      help: "Attempts of tasks by how they ended, since Evenkeel started",
      samples: () =>
        labelled.flatMap(([before, { ended }]) =>
          Object.entries(ended).map(([state, value]) => sample(joined(before, labels({ state })), value)),
        ),
    };
    for (const [name, help] of Object.entries(DURATION_HELP)) {
      yield {
        name: `${PREFIX[scope]}${name}_seconds`,
        kind: "histogram",
        help: `${help}, of tasks since Evenkeel started`,
        *samples(format) {
          for (const [before, { durations }] of labelled) {
            const { counts, count, sum_s } = durations[name as DurationName];
            yield* histogram(before, { bounds: DURATION_BOUNDS_S, counts, count, sum: sum_s }, format);
          }
        },
      };
    }
  }
}

function* workerFamilies(read: Read): Generator<Family> {
  const known = read.workers().filter(({ presence }) => presence !== "lost");
  const told = known.slice(0, MAX_WORKERS);
  // Made when the first family is printed, a piece at a time.
  const labelled: string[] = [];
  const each = function* (values: (worker: Worker, own: string) => Iterable<Line>): Iterable<Sample | null> {
    for (const [index, worker] of told.entries()) {
      labelled[index] ??= labels({ worker: worker.id, type: worker.type });
      let any = false;
      for (const [own, value] of values(worker, labelled[index])) {
        any = true;
        yield sample(own, value);
      }
      if (!any) yield null;
    }
  };
  yield gauge(
    "evenkeel_workers_not_told",
    `Workers beyond the ${MAX_WORKERS} that are told of one by one`,
    () => [["", known.length - told.length]],
  );
  yield {
    name: "evenkeel_worker_state",
    kind: "gauge",
    help: `1 for the state that a worker is in, of ${WORKER_STATES.join(", ")}; a lost one is not told of`,
    samples: () => each(({ state }, before) => [[joined(before, labels({ state })), 1]]),
  };
  yield {
    name: "evenkeel_worker_last_report_age_seconds",
    kind: "gauge",
    help: "How long ago the worker was last heard of",
    samples: () => each(({ last_report_ms }, before) => [[before, secondsSince(last_report_ms, read)]]),
  };
  for (const metric of CATALOGUE) {
    if (metric.scope !== "worker") continue;
    const { factor } = exported(metric);
    yield {
      ...catalogued(metric, () => []),
      samples: () =>
        each((worker, before) => {
          const value = workerValue(worker, metric.name);
          return value === undefined ? [] : [[before, scaled(value, factor)]];
        }),
    };
  }
  yield {
    name: "evenkeel_worker_reported",
    kind: "gauge",
    help: "What sources report of a worker beyond the metrics that Evenkeel knows",
    samples: () =>
      each(({ presence, metrics }, before) =>
        presence === "fresh" ? unknown("worker", metrics, before) : [],
      ),
  };
}

/** What the catalogue does not have: its name is a label, as it may break any rule of names. */
function* unknown(scope: Scope, values: Values, own: string): Iterable<Line> {
  for (const [name, value] of values)
    if (!findMetric(scope, name)) yield [joined(own, labels({ metric: name })), value];
}

/** Of one that is overdue nothing is told as if it were so now. */
function workerValue(worker: Worker, name: string): number | undefined {
  if (worker.presence !== "fresh") return undefined;
  if (name === "load") return worker.load ?? undefined;
  if (name === "running_tasks" || name === "queued_tasks") return worker[name];
  return worker.metrics.get(name);
}

function* alertFamilies(read: Read): Generator<Family> {
  const firing = new Map<string, number>();
  const key = (rule: string, severity: string) => labels({ rule, severity });
  for (const { name, severity } of read.rules()) firing.set(key(name, severity), 0);
  for (const { rule, severity } of read.alerts)
    firing.set(key(rule, severity), (firing.get(key(rule, severity)) ?? 0) + 1);
  yield gauge(
    "evenkeel_alerts_firing",
    "Alerts that fire, by rule; what is silenced or follows from another is not among them",
    () => firing,
  );
  yield gauge("evenkeel_alerts_firing_by_severity", "Alerts that fire, by severity", () =>
    SEVERITIES.map((severity) => [
      labels({ severity }),
      read.alerts.filter((alert) => alert.severity === severity).length,
    ]),
  );
  yield gauge("evenkeel_silences", "Silences that hold", () => [
    [
      "",
      read.silences().filter(({ starts_ms, ends_ms }) => starts_ms <= read.now_ms && read.now_ms < ends_ms)
        .length,
    ],
  ]);
  yield gauge(
    "evenkeel_rules_failing",
    "1 while the file of alerts is wrong and its former rules hold",
    () => [["", read.rules_error === null ? 0 : 1]],
  );
}

function* sourceFamilies(read: Read): Generator<Family> {
  const each = (value: (source: Read["sources"][number]) => number) => (): Line[] =>
    read.sources.map((source) => [labels({ source: source.id }), value(source)]);
  yield gauge(
    "evenkeel_source_last_report_age_seconds",
    "How long ago a source last reported",
    each(({ last_report_ms }) => secondsSince(last_report_ms, read)),
  );
  yield gauge(
    "evenkeel_source_interval_seconds",
    "How often a source reports",
    each(({ interval_ms }) => interval_ms / 1000),
  );
  yield gauge(
    "evenkeel_source_up",
    "1 while a source is heard as often as it should be",
    each(({ presence }) => (presence === "fresh" ? 1 : 0)),
  );
  yield gauge(
    "evenkeel_source_workers",
    "Workers that a source reports",
    each(({ workers }) => workers),
  );
  yield gauge(
    "evenkeel_source_clock_offset_seconds",
    "What is added to a source's times to get ours",
    each(({ clock_offset_ms }) => clock_offset_ms / 1000),
  );
  yield counter(
    "evenkeel_source_reports",
    "Reports of a source",
    each(({ reports }) => reports),
  );
}

function* connectorFamilies({ self, now_ms }: Read): Generator<Family> {
  const each = (value: (connector: ConnectorHealth) => number | null) => (): Line[] =>
    self.connectors.flatMap((connector): Line[] => {
      const found = value(connector);
      return found === null ? [] : [[labels({ connector: connector.name, kind: connector.kind }), found]];
    });
  yield gauge(
    "evenkeel_connector_up",
    "1 while the polls of a connector succeed",
    each(({ success_ms, failing_since_ms }) => (success_ms !== null && failing_since_ms === null ? 1 : 0)),
  );
  yield gauge(
    "evenkeel_connector_last_success_age_seconds",
    "How long ago a connector last had an answer that was taken",
    each(({ success_ms }) => (success_ms === null ? null : Math.max(0, now_ms - success_ms) / 1000)),
  );
  yield gauge(
    "evenkeel_connector_latency_seconds",
    "How long that answer took",
    each(({ latency_ms }) => (latency_ms === null ? null : latency_ms / 1000)),
  );
}

function* selfFamilies({ self, demo }: Read): Generator<Family> {
  const one = (value: number | null) => (): Line[] => (value === null ? [] : [["", value]]);
  yield gauge("evenkeel_build_info", "Which version this is", () => [[labels({ version: self.version }), 1]]);
  yield gauge("evenkeel_demo", "1 while the fleet is the demo's", one(demo ? 1 : 0));
  yield counter("evenkeel_ticks", "Ticks since the start", one(self.ticks));
  yield counter("evenkeel_ticks_late", "Ticks that came late", one(self.ticks_late));
  yield gauge("evenkeel_tick_interval_seconds", "Time from tick to tick", one(self.tick_ms / 1000));
  yield gauge(
    "evenkeel_tick_duration_p50_seconds",
    "How long the work of half of the last ticks took at most",
    one(self.tick_p50_ms / 1000),
  );
  yield gauge(
    "evenkeel_tick_duration_p99_seconds",
    "How long the work of 99 % of the last ticks took at most",
    one(self.tick_p99_ms / 1000),
  );
  yield counter("evenkeel_reports", "Reports that came, by what became of them", () => [
    [labels({ outcome: "accepted" }), self.reports_accepted],
    [labels({ outcome: "rejected" }), self.reports_rejected],
  ]);
  yield counter("evenkeel_unknown_fields", "Fields of reports that were ignored", one(self.unknown_fields));
  yield gauge("evenkeel_buffered_reports", "Reports that wait for the next tick", one(self.buffered_reports));
  yield gauge("evenkeel_buffer_limit_reports", "Reports that may wait", one(self.buffer_limit));
  yield gauge("evenkeel_viewers", "Open streams", one(self.viewers));
  yield counter(
    "evenkeel_viewers_dropped",
    "Streams ended as their viewer did not take them",
    one(self.viewers_dropped),
  );
  yield counter(
    "evenkeel_stream_ticks_skipped",
    "Ticks that slow viewers did not get",
    one(self.ticks_skipped),
  );
  yield gauge("evenkeel_store_bytes", "Size of the database", one(self.store_bytes));
  yield gauge("evenkeel_store_limit_bytes", "What the database may take", one(self.store_limit_bytes));
  yield gauge("evenkeel_store_disk_free_bytes", "Room on the disk that it is on", one(self.disk_free_bytes));
  yield gauge("evenkeel_store_series", "Series in it", one(self.series));
  yield gauge(
    "evenkeel_store_failing",
    "1 while nothing can be written",
    one(self.store_error === null ? 0 : 1),
  );
  yield counter("evenkeel_limits_reached", "How often a limit was reached", () =>
    Object.entries(self.limits_reached).map(([limit, value]) => [labels({ limit }), value]),
  );
}

function* processFamilies(
  { started_at_ms, memory_bytes }: SelfHealth,
  { cpu_s }: ProcessFigures,
): Generator<Family> {
  yield counter("process_cpu_seconds", "CPU time in user and system mode", () => [["", cpu_s]]);
  yield gauge("process_resident_memory_bytes", "Resident memory", () => [["", memory_bytes]]);
  yield gauge("process_start_time_seconds", "When the process started, Unix time", () => [
    ["", started_at_ms / 1000],
  ]);
}

function gauge(name: string, help: string, lines: () => Iterable<Line>): Family {
  return {
    name,
    kind: "gauge",
    help,
    samples: () => Array.from(lines(), ([own, value]) => sample(own, value)),
  };
}

function counter(name: string, help: string, lines: () => Iterable<Line>): Family {
  return { ...gauge(name, help, lines), kind: "counter" };
}

function catalogued(metric: Metric, lines: () => readonly Line[]): Family {
  const { name, factor } = exported(metric);
  const scaledLines = () => lines().map(([own, value]): Line => [own, scaled(value, factor)]);
  return { ...gauge(name, metric.help, scaledLines), kind: metric.kind === "counter" ? "counter" : "gauge" };
}

/** By Prometheus' conventions: shares are ratios of 1, and the unit ends the name. */
function exported({ scope, name, unit }: Metric): { name: string; factor: number } {
  const whole = `${PREFIX[scope]}${name}`;
  return {
    name: whole.replace(/_s$/, "_seconds") + suffixOf(unit, name),
    factor: unit === "percent" ? 0.01 : 1,
  };
}

function suffixOf(unit: Unit, name: string): string {
  if (unit === "percent" || unit === "ratio") return name.endsWith("_ratio") ? "" : "_ratio";
  return unit === "score" ? "_score" : "";
}

/** Without what a division leaves behind the last digit. */
function scaled(value: number, factor: number): number {
  return factor === 1 ? value : Number((value * factor).toPrecision(12));
}

function secondsSince(at_ms: number, { now_ms }: Read): number {
  return Math.max(0, now_ms - at_ms) / 1000;
}

function joined(own: string, more: string): string {
  return own === "" ? more : `${own},${more}`;
}

function sample(own: string, value: number): Sample {
  return { suffix: "", labels: own, value };
}
