import type { z } from "zod";
import { CATALOGUE } from "../metrics/catalogue.ts";
import type { ConnectorHealth } from "../metrics/connectors.ts";
import {
  type Alert,
  MODALITIES,
  TASK_STATES,
  type Task,
  WORKER_STATES,
  type Worker,
  type WorkerState,
} from "../metrics/model.ts";
import { type EndedByModel, endedWithin } from "../metrics/models.ts";
import { Orders } from "../metrics/orders.ts";
import { worstFirst as worstAlertFirst } from "../metrics/process/alert-order.ts";
import type { RangeAnswer, RangeQuery } from "../metrics/range.ts";
import type { Durations, LifeState, QueueCell, Read, RecentSeries, StateCounts } from "../metrics/read.ts";
import type { WorkerScores } from "../metrics/scores.ts";
import { alertWith, endedAlert, ruleWith, silenceWith, tellingWith } from "./alert-fixture.ts";
import { renderPanel } from "./frame.tsx";
import { byNaturalOrder } from "./identity.ts";
import type { Panel } from "./panel.ts";
import { endedIn, matchesOf, runsOf, taskOf, tasksOf, waitingOf } from "./task-fixture.ts";

/** 2026-11-23 19:42:06 UTC. */
export const NOW_MS = 1_795_462_926_000;

/** Names that a source may send and that must stay names: markup, directions, pictures, length, keys. */
export const HOSTILE: readonly string[] = [
  "<script>alert(1)</script>",
  "\"'><img src=x onerror=alert(1)>",
  "\u202eright to left\u202c مرحبا",
  "👩‍🚀🚀 w\u0301",
  "x".repeat(256),
  "__proto__",
  "\u0001wg-x\u0002<b>marker</b>\u0003",
  "..",
  '=HYPERLINK("http://x")',
  "]]> --> </section> ${a} {{b}} &amp;",
];

export interface FixtureOptions {
  readonly workers?: number;
  /** Gives the first workers, tasks, types, alerts and sources hostile names. */
  readonly hostile?: boolean;
  /** Counts up the values that change each second. */
  readonly tick?: number;
  readonly demo?: boolean;
  readonly types?: readonly string[];
  readonly alerts?: readonly Alert[];
}

/** A fleet as of one tick, the same each time: mostly healthy, with one of every kind of trouble. */
export function fixtureRead(options: FixtureOptions = {}): Read {
  const { workers: size = 15, hostile = false, tick = 0, demo = false } = options;
  const types = options.types ?? (hostile ? HOSTILE : MODALITIES);
  const workers = Array.from({ length: size }, (_, index) => workerOf(index, { size, hostile, tick, types }));
  workers.sort(worstFirst);
  return readOf(workers, { ...options, tick, demo, types, hostile });
}

/** The same fleet with one worker changed. */
export function withWorker(read: Read, id: string, change: Partial<Worker>): Read {
  const workers = read.workers().map((worker) => (worker.id === id ? { ...worker, ...change } : worker));
  return {
    ...read,
    workers: () => workers,
    worker: (wanted) => workers.find((worker) => worker.id === wanted),
    tasksOf: (wanted) => heldBy(workers.find((worker) => worker.id === wanted)),
  };
}

/** A number from 0 to 1 that looks random and is the same for the same arguments. */
function noise(...seeds: number[]): number {
  const value =
    Math.sin(seeds.reduce((sum, seed, index) => sum + (seed + 1) * (12.9898 + index * 65.137), 0)) *
    43758.5453;
  return value - Math.floor(value);
}

interface WorkerOptions {
  readonly size: number;
  readonly hostile: boolean;
  readonly tick: number;
  readonly types: readonly string[];
}

function stateOf(index: number): WorkerState {
  const turn = index % 40;
  if (turn === 2) return "overloaded";
  if (turn === 10) return "lost";
  if (turn === 6) return "stale";
  if (turn === 13) return "draining";
  if (turn === 30) return "offline";
  return "active";
}

function workerOf(index: number, { size, hostile, tick, types }: WorkerOptions): Worker {
  const state = stateOf(index);
  const gpu = index % 4 !== 3;
  const gone = state === "lost" || state === "stale";
  const hostileName = hostile ? HOSTILE[index] : undefined;
  const id =
    hostileName ??
    (size <= 15 ? `W${index + 1}` : `worker-${gpu ? "gpu" : "cpu"}-${String(index + 1).padStart(2, "0")}`);
  const spread = (seed: number, low: number, high: number) =>
    Math.round((low + (high - low) * noise(index, seed) + 4 * noise(index, seed, tick)) * 10) / 10;
  const cpu = state === "overloaded" ? 95.2 : spread(1, 12, 78);
  const metrics = new Map<string, number>([
    ["cpu_utilization", cpu],
    ["memory_utilization", spread(2, 30, 82)],
    ["network_utilization", spread(3, 4, 60)],
    ...(gpu ? ([["gpu_utilization", spread(4, 20, 92)]] as const) : []),
    ["health", state === "overloaded" ? 61 : 88 + Math.floor(noise(index, 5) * 12)],
    ["completed_tasks", 120 + index],
    ["failed_tasks", index % 3],
  ]);
  const running =
    state === "active" || state === "overloaded"
      ? Math.floor(noise(index, 6) * 5) + (state === "overloaded" ? 5 : 0)
      : 0;
  const running_by_type = new Map<string, number>();
  for (let task = 0; task < running; task += 1) {
    const type = types[Math.floor(noise(index, task, 7) * types.length)] ?? "vision";
    running_by_type.set(type, (running_by_type.get(type) ?? 0) + 1);
  }
  return {
    id,
    type: hostileName ?? (gpu ? "gpu" : "cpu"),
    hostname: hostileName ?? `host-${index + 1}.lab`,
    status: state === "draining" || state === "offline" ? state : "active",
    presence: gone ? state : "fresh",
    state,
    source: hostileName ?? "coordinator-1",
    tags: [hostileName ?? "cuda"],
    capabilities: {
      cpu_cores: 16,
      memory_bytes: 64 * 2 ** 30,
      backends: ["cpu", "cuda"],
      ...(hostileName !== undefined && Object.fromEntries([[hostileName, hostileName]])),
    },
    metrics,
    gpus: gpu
      ? Array.from({ length: index === 2 ? 8 : 1 }, (_, device) => deviceOf(index, device, tick))
      : [],
    first_seen_ms: NOW_MS - 10 * HOUR_MS,
    last_report_ms: NOW_MS - (state === "lost" ? 104_000 : state === "stale" ? 6_000 : 400),
    interval_ms: 1000,
    load: Math.round((cpu + (metrics.get("memory_utilization") ?? 0)) * 5) / 10,
    overload:
      state === "overloaded"
        ? { metric: "cpu_utilization", value: cpu, threshold: 90, since_ms: NOW_MS - 130_000 }
        : null,
    running_tasks: running,
    queued_tasks: state === "overloaded" ? 5 : 0,
    orphaned_tasks: state === "lost" ? 2 : 0,
    running_by_type,
  };
}

/** Of several devices the third is saturated. */
function deviceOf(index: number, device: number, tick: number): Worker["gpus"][number] {
  return {
    index: device,
    utilization: device === 2 ? 99 : Math.round(20 + 60 * noise(index, device) + 4 * noise(device, tick)),
    memory_utilization: 62,
    temperature_celsius: device === 0 ? null : 71,
  };
}

function worstFirst(a: Worker, b: Worker): number {
  return WORKER_STATES.indexOf(a.state) - WORKER_STATES.indexOf(b.state) || byNaturalOrder(a.id, b.id);
}

interface ReadOptions extends FixtureOptions {
  readonly tick: number;
  readonly demo: boolean;
  readonly hostile: boolean;
  readonly types: readonly string[];
}

function readOf(workers: readonly Worker[], { tick, demo, hostile, types, alerts }: ReadOptions): Read {
  const empty = workers.length === 0;
  const queue = empty ? [] : queueOf(types, tick);
  const system = empty
    ? new Map([
        ["total_workers", 0],
        ["active_workers", 0],
        ["running_tasks", 0],
        ["queued_tasks", 0],
      ])
    : systemOf(workers, queue, tick);
  const now_ms = NOW_MS + tick * 1000;
  const counts = Object.fromEntries(
    TASK_STATES.map((state) => [state, system.get(`${state}_tasks`) ?? 0]),
  ) as StateCounts;
  const names = hostile ? HOSTILE : [];
  const tasks = empty ? [] : tasksOf(workers, NOW_MS, names);
  const [oldest] = tasks;
  const firing = [...(alerts ?? (empty ? [] : alertsOf(workers, hostile)))].sort(worstAlertFirst);
  const read: Read = {
    now_ms,
    tick,
    demo,
    status: statusOf(workers, firing),
    system,
    tasks_by_state: counts,
    queue,
    ended_by_type: empty
      ? new Map()
      : new Map(
          types.map((type, index) => [type, { completed: 402 - 61 * (index % 5), failed: (index * 7) % 5 }]),
        ),
    endedByModel: () => (empty ? { from_ms: now_ms, ends: [] } : endedOf(types, hostile, now_ms)),
    alerts: firing,
    alert_news: [],
    allAlerts: () => firing,
    anomalies: () => [],
    alertsOf: (id) => [endedAlert(id, NOW_MS, names[0] ?? "W3")],
    alertsBetween: () =>
      empty
        ? []
        : (names.length > 0 ? names : ["W3"]).map((name) =>
            endedAlert(`worker_overload:${name}`, NOW_MS, name),
          ),
    silences: () => [
      silenceWith({
        starts_ms: NOW_MS - 60_000,
        ends_ms: NOW_MS + 3_600_000,
        by: names[0] ?? "Ada",
        note: names[1] ?? "",
      }),
    ],
    rules: () => [ruleWith({}), ruleWith({ name: "worker_lost", help: names[0] ?? "It is silent." })],
    rules_error: null,
    telling: () => tellingWith(names[0] ?? "pager", NOW_MS),
    sources: empty
      ? []
      : [
          sourceOf("coordinator-1", "fresh", workers.length - 1),
          sourceOf(hostile ? HOSTILE[0]! : "agent-gpu-07", "stale", 1),
        ],
    self: selfOf(tick, hostile),
    workers: () => workers,
    worker: (id) => workers.find((worker) => worker.id === id),
    gone: () => undefined,
    life: (id, limit) => lifeOf(workers.find((worker) => worker.id === id)).slice(0, limit),
    tasksOf: (id) => heldBy(workers.find((worker) => worker.id === id)),
    // A hostile fleet has its task under its usual name too, for the panels about one.
    task: (id) => tasks.find((task) => task.id === id) ?? (id === "t-17" ? oldest : undefined),
    tasks: () => tasks,
    liveTask: (id) => tasks.find((task) => task.id === id),
    ended: endedIn(tasks),
    firstMoment: () => NOW_MS - 86_400_000,
    filters: {},
    orders: new Orders(),
    recent_cut: null,
    cut: (_, name) => (types.includes(name) || name === "vit" ? system : undefined),
    cutNames: () => types,
    totals: () => [],
    filtered: (filters) => ({
      ...read,
      filters,
      endedByModel: () => endedWithin(read.endedByModel(), filters),
    }),
    scores: (id) => scoresOf(workers.find((worker) => worker.id === id)),
    matches: (id) => (oldest && (id === oldest.id || id === "t-17") ? matchesOf(workers, oldest) : undefined),
    waiting: (task) => waitingOf(workers, task),
    usual: (model_id) => (model_id === null ? null : 34),
    runs: () => runsOf(workers, NOW_MS, names),
    oldestQueued: () => oldest,
    recent: (metric, minutes, step_s) => recentOf(metric, minutes, step_s, now_ms, empty),
    range: (query) => rangeOf(query, now_ms, empty),
    durations: ({ from_ms, to_ms, step_ms }) =>
      Array.from({ length: Math.ceil((to_ms - from_ms) / step_ms) }, (_, step) =>
        empty || step % 7 === 0 ? null : durationsOf(step),
      ),
    durationsTier_s: (from_ms) => (from_ms < now_ms - 86_400_000 ? 900 : 60),
    marks: (from_ms, to_ms) =>
      [{ at_ms: NOW_MS - 600_000, kind: "deploy", text: hostile ? HOSTILE[0]! : "model server 2.4" }].filter(
        ({ at_ms }) => at_ms >= from_ms && at_ms < to_ms,
      ),
  };
  return read;
}

/** Four models of each type, of which one takes long on CPUs and one fails often. */
function endedOf(types: readonly string[], hostile: boolean, now_ms: number): EndedByModel {
  const named = (index: number, name: string) => (hostile ? HOSTILE[index % HOSTILE.length]! : name);
  const ends = types.flatMap((task_type, t) =>
    ["vit", "clip", "detr", "bert"].flatMap((family, f) =>
      ["gpu", "cpu"].map((worker_type, w) => ({
        task_type,
        model_family: named(t + f, family),
        model_id: named(t + f + w, `${family}-base`),
        worker_type: named(w + 3, worker_type),
        completed: 120 - 30 * f - 10 * w,
        failed: f === 3 ? 9 : f,
        times_s: [4, 5, 6].map((time_s) => time_s * (f === 1 && w === 1 ? 4 : 1)),
      })),
    ),
  );
  return { from_ms: now_ms - 3_570_000, ends };
}

function queueOf(types: readonly string[], tick: number): QueueCell[] {
  return [1, 2, 3, 4].flatMap((priority) =>
    types.slice(0, 4).map((type, index) => ({
      priority,
      type,
      queued: Math.max(0, ([3, 5, 9, 3][priority - 1] ?? 0) - index * 2 + ((tick + index) % 2)),
    })),
  );
}

function systemOf(
  workers: readonly Worker[],
  queue: readonly QueueCell[],
  tick: number,
): Map<string, number> {
  const inState = (state: WorkerState) => workers.filter((worker) => worker.state === state).length;
  const values = new Map<string, number>([
    ["total_workers", workers.length],
    ["active_workers", inState("active") + inState("overloaded")],
    ...(["draining", "offline", "stale", "lost", "overloaded"] as const).map(
      (state) => [`${state}_workers`, inState(state)] as const,
    ),
    ["queued_tasks", queue.reduce((sum, cell) => sum + cell.queued, 0)],
    ["assigned_tasks", 4],
    ["running_tasks", workers.reduce((sum, worker) => sum + worker.running_tasks, 0)],
    ["orphaned_tasks", 2],
    ["completed_tasks", 1204],
    ["failed_tasks", 12],
    ["cancelled_tasks", 1],
    ["throughput_per_minute", 182 + (tick % 3)],
    ["success_ratio", 0.9901],
    ["queue_time_mean_s", 12.4 + (tick % 3) / 10],
    ["queue_time_p95_s", 41],
    ["total_time_p50_s", 14.1],
  ]);
  for (const resource of ["cpu", "gpu", "memory", "network"]) {
    const known = workers.flatMap((worker) =>
      worker.presence === "fresh"
        ? [...([worker.metrics.get(`${resource}_utilization`)] as const)].filter((v) => v !== undefined)
        : [],
    );
    if (known.length === 0) continue;
    values.set(`${resource}_utilization_mean`, known.reduce((sum, value) => sum + value, 0) / known.length);
    values.set(`${resource}_utilization_max`, Math.max(...known));
  }
  const known = new Set(CATALOGUE.filter((metric) => metric.scope === "system").map((metric) => metric.name));
  return new Map([...values].filter(([name]) => known.has(name)));
}

function statusOf(workers: readonly Worker[], alerts: readonly Alert[]): Read["status"] {
  if (workers.length === 0) return { level: "critical", reasons: ["No worker is active"] };
  if (alerts.length === 0) return { level: "healthy", reasons: [] };
  return { level: "degraded", reasons: alerts.map((alert) => alert.title) };
}

function alertsOf(workers: readonly Worker[], hostile: boolean): Alert[] {
  const overloaded = workers.find((worker) => worker.state === "overloaded")?.id ?? "W3";
  const lost = workers.find((worker) => worker.state === "lost")?.id ?? "W11";
  const model = hostile ? HOSTILE[1]! : "bert-large";
  return [
    alertWith({
      id: `worker_overload:${overloaded}`,
      rule: "worker_overload",
      severity: "critical",
      title: `Worker ${overloaded} is overloaded`,
      detail: "95 % CPU, 5 pending tasks",
      since_ms: NOW_MS - 130_000,
      subject: { kind: "worker", id: overloaded },
    }),
    alertWith({
      id: `model_queue_time:${model}`,
      rule: "system_high_queue_time",
      severity: "warning",
      title: `Model ${model} has a high queue time`,
      detail: "45 s mean over 5 min, usual 8 to 15 s; 14 waiting, 2 workers can take it",
      since_ms: NOW_MS - 205_000,
      subject: { kind: "system", id: model },
    }),
    alertWith({
      id: `worker_lost:${lost}`,
      rule: "worker_lost",
      severity: "notice",
      title: `Worker ${lost} is lost`,
      detail: "its last report is overdue; 2 tasks orphaned",
      since_ms: NOW_MS - 44_000,
      subject: { kind: "worker", id: lost },
    }),
  ];
}

/** What a worker has: as many tasks as it says, of which the first is beyond what is usual. */
function heldBy(worker: Worker | undefined): Task[] {
  if (!worker) return [];
  const hostile = HOSTILE.includes(worker.id);
  const some = (state: "running" | "assigned" | "orphaned", size: number) =>
    Array.from({ length: size }, (_, index): Task => {
      const id = hostile && index < HOSTILE.length ? `${HOSTILE[index]}${state}` : `t-${state}-${index + 1}`;
      return {
        ...taskOf({ id }),
        state,
        status: state === "orphaned" ? "running" : state,
        model_id: hostile ? (HOSTILE[index] ?? null) : "bert-large",
        type: hostile ? (HOSTILE[index] ?? null) : "text",
        worker_id: worker.id,
        progress: index % 2 === 0 ? 42 : null,
        assigned_at_ms: NOW_MS - 70_000,
        started_at_ms: state === "assigned" ? null : NOW_MS - (index === 0 ? 66_000 : 20_000 - index),
      };
    });
  return [
    ...some("running", worker.running_tasks),
    ...some("assigned", worker.queued_tasks),
    ...some("orphaned", worker.orphaned_tasks),
  ];
}

const HOUR_MS = 3_600_000;

/** Joined ten hours ago, once lost and back, and in its state for two minutes. */
function lifeOf(worker: Worker | undefined): LifeState[] {
  if (!worker) return [];
  const earlier: LifeState[] = [
    { at_ms: NOW_MS - 4 * HOUR_MS, state: "active" },
    { at_ms: NOW_MS - 5 * HOUR_MS, state: "lost" },
    { at_ms: NOW_MS - 5 * HOUR_MS - 60_000, state: "stale" },
    { at_ms: NOW_MS - 10 * HOUR_MS, state: "active" },
  ];
  if (worker.state === "active") return earlier;
  return [{ at_ms: NOW_MS - 130_000, state: worker.state }, ...earlier];
}

function scoresOf(worker: Worker | undefined): WorkerScores | undefined {
  if (!worker) return undefined;
  const { overload, presence } = worker;
  const freshness = presence === "fresh" ? 1 : 0.5;
  const pressure = overload === null ? 1 : 0.74;
  const success = 0.981;
  const observed = { tasks: 41, completed: 40, success_ratio: 40 / 41, speed: 0.92 };
  return {
    health: {
      score: 100 * freshness * pressure * success,
      freshness: { factor: freshness, silence_ms: NOW_MS - worker.last_report_ms },
      pressure: {
        factor: pressure,
        cause: overload && { metric: overload.metric, value: overload.value, threshold: overload.threshold },
      },
      success: { factor: success, completed: 49, tasks: 50 },
    },
    compatibility: {
      vision: { score: 94.6, prior: 0.9, observed },
      text: { score: 75, prior: 0.75, observed: null },
      audio: { score: 61, prior: null, observed: { ...observed, speed: null } },
      multimodal: { score: null, prior: null, observed: null },
    },
    last_tasks: { tasks: 50, completed: 49, success_ratio: 0.98, mean_duration_s: 14.2 },
    last_hour: { tasks: 41, completed: 40, success_ratio: 40 / 41 },
  };
}

function sourceOf(id: string, presence: "fresh" | "stale", workers: number): Read["sources"][number] {
  const silence_ms = presence === "fresh" ? 400 : 6_000;
  return {
    id,
    presence,
    last_report_ms: NOW_MS - silence_ms,
    interval_ms: 1000,
    reports: 3600,
    clock_offset_ms: -42,
    workers,
  };
}

export function connectorWith(given: Partial<ConnectorHealth> = {}): ConnectorHealth {
  return {
    name: "lab",
    kind: "coordinator",
    address: "http://lab.example:8080/",
    interval_ms: 1000,
    success_ms: NOW_MS - 1000,
    latency_ms: 12,
    saw: "12 workers, 80 unfinished tasks",
    failing_since_ms: null,
    last_error: null,
    error_ms: null,
    next_ms: NOW_MS,
    ...given,
  };
}

function connectorsOf(hostile: boolean): ConnectorHealth[] {
  if (!hostile) return [connectorWith()];
  const error = { failing_since_ms: NOW_MS - 61_000, error_ms: NOW_MS - 2000 };
  return HOSTILE.map((text) => connectorWith({ name: text, saw: text, last_error: text, ...error }));
}
const LINKS: Read["self"]["links"] = {
  worker: [{ name: "Logs", url: "https://logs.example/?worker={worker}&to={to_ms}" }],
  task: [{ name: "Trace", url: "https://traces.example/{task}?from={from_ms}&to={to_ms}" }],
  alert: [{ name: "Runbook", url: "https://wiki.example/{rule}#{alert}" }],
};

function selfOf(tick: number, hostile: boolean): Read["self"] {
  return {
    version: "0.1.0",
    url: "http://127.0.0.1:8080/",
    token_needed: false,
    alerts_file: true,
    links: LINKS,
    started_at_ms: NOW_MS - 86_400_000,
    connectors: connectorsOf(hostile),
    ticks: 86_400 + tick,
    tick_ms: 1000,
    tick_p50_ms: 1.4,
    tick_p99_ms: 6.2,
    ticks_late: 3,
    reports_accepted: 1_296_000,
    reports_rejected: 4,
    last_rejection: {
      at_ms: NOW_MS - 5_000,
      source: hostile ? HOSTILE[0]! : "balancer-1",
      path: hostile ? HOSTILE[1]! : "workers[0].id",
      message: 'must be 1 to 256 printable characters; got ""',
    },
    unknown_fields: 12,
    unknown_field_names: [hostile ? HOSTILE[0]! : "workers[].rack"],
    buffered_reports: 2,
    buffer_limit: 10_000,
    viewers: 4,
    viewers_dropped: 0,
    ticks_skipped: 0,
    store_bytes: 233_832_448,
    store_limit_bytes: null,
    store_oldest_ms: NOW_MS - 7 * 86_400_000,
    store_full_from_ms: NOW_MS - 6 * 86_400_000,
    store_error: hostile ? HOSTILE[1]! : null,
    series: 1100,
    memory_bytes: 121_634_816,
    disk_free_bytes: null,
    limits_reached: hostile ? { [HOSTILE[0]!]: 2 } : {},
  };
}

const CURVES: Readonly<Record<string, readonly [middle: number, swing: number, spread: number]>> = {
  throughput_per_minute: [160, 40, 14],
  total_time_p50_s: [14, 2, 1],
  total_time_p95_s: [38, 9, 4],
  cpu_utilization_mean: [58, 9, 3],
  gpu_utilization_mean: [71, 6, 3],
};

function recentOf(
  metric: string,
  minutes: number,
  step_s: number,
  now_ms: number,
  empty: boolean,
): RecentSeries {
  const step_ms = step_s * 1000;
  const end_ms = Math.floor(now_ms / step_ms) * step_ms;
  const steps = empty ? 0 : Math.floor((minutes * 60_000) / step_ms);
  const at_ms = Array.from({ length: steps }, (_, index) => end_ms - (steps - index) * step_ms);
  return { metric, at_ms, ...curve(metric, at_ms, step_ms) };
}

function durationsOf(step: number): Durations {
  const middle_s = 10 + (step % 5);
  const bars = [1, 3, 9, 4, 1].map((count, index) => ({
    from_s: middle_s * 2 ** (index - 2),
    to_s: middle_s * 2 ** (index - 2) * 1.05,
    count,
  }));
  return { count: 18, mean_s: middle_s, p50_s: middle_s, p95_s: 3 * middle_s, p99_s: 4 * middle_s, bars };
}

function curve(metric: string, at_ms: readonly number[], step_ms: number) {
  const [middle, swing, spread] = CURVES[metric] ?? [10, 2, 1];
  const mean = at_ms.map((time_ms) => {
    const step = time_ms / step_ms;
    // A gap of half a minute: Evenkeel was restarted.
    if (step % 180 > 40 && step % 180 < 47) return null;
    return (
      Math.round((middle + swing * Math.sin(step / 18) + spread * (noise(step % 9973, middle) - 0.5)) * 100) /
      100
    );
  });
  return {
    mean,
    min: mean.map((value) => (value === null ? null : value * 0.96)),
    max: mean.map((value) => (value === null ? null : value * 1.04)),
  };
}

/** As far back as a day. */
function rangeOf(
  { series, from_ms, to_ms, step_ms }: RangeQuery,
  now_ms: number,
  empty: boolean,
): RangeAnswer {
  const first = Math.floor(from_ms / step_ms);
  const steps = Math.ceil(to_ms / step_ms) - first;
  const at_ms = Array.from({ length: steps }, (_, index) => (first + index) * step_ms);
  const known = (time_ms: number) => !empty && time_ms <= now_ms && time_ms > now_ms - 86_400_000;
  const columns = series.map(({ metric }) => {
    const { mean, min, max } = curve(metric, at_ms, step_ms);
    const within = (values: readonly (number | null)[]) =>
      values.map((value, index) => (known(at_ms[index]!) ? value : null));
    return { mean: within(mean), min: within(min), max: within(max), count: mean.map(() => step_ms / 1000) };
  });
  return { step_ms, tier_s: 1, at_ms, columns };
}

/** A panel's markup beside the data that it shows. */
export function drawn(panel: Panel, params: z.output<z.ZodObject>, read: Read) {
  const data = (panel.glance ?? panel.load)(read, params);
  const loaded = { ...panel, load: () => data, glance: () => data };
  const { html, skeleton, parts } = renderPanel(loaded, params, read);
  return { data, html, skeleton, parts };
}
