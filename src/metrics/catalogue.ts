/** What a series belongs to: the whole fleet, one worker, one task, or a cut of the fleet. */
export type Scope = "system" | "worker" | "task" | Cut;

/** The cuts of the fleet that history can be filtered by: they are kept as series of their own. */
export const CUTS = ["worker_type", "task_type", "model_family"] as const;
export type Cut = (typeof CUTS)[number];

export type Unit =
  | "percent"
  | "bytes"
  | "bytes_per_second"
  | "seconds"
  | "count"
  | "per_minute"
  | "per_hour"
  | "celsius"
  | "watts"
  | "score"
  | "ratio";

/** One metric, described once: validation, storage, axis, docs and exports follow from this entry. */
export interface Metric {
  readonly name: string;
  readonly scope: Scope;
  readonly unit: Unit;
  /**
   * A gauge may go either way; a counter only grows, and starts over after a restart of its source; events
   * count what happened in their second, and a second without any has no sample.
   */
  readonly kind: "gauge" | "counter" | "events";
  /**
   * What the store keeps of a value: as many decimal places, or, from BINARY on, whole steps of
   * 2^(precision − BINARY). `scaleOf` gives the factor.
   */
  readonly precision: number;
  /** Smallest and largest value that a report may carry; null where there is no bound. */
  readonly min: number | null;
  readonly max: number | null;
  /** A short name for people, in sentence case, without the unit. */
  readonly label: string;
  readonly help: string;
  /** True where Evenkeel computes it; a report's own value of that name is ignored and counted as unknown. */
  readonly derived: boolean;
}

const BINARY = 64;
/** Memory is kept in steps of 4 MiB: finer than any operator looks, and a third of the bytes on disk. */
const FOUR_MIB = BINARY + 22;
const ONE_KIB = BINARY + 10;

/** A value is stored as round(value · scale). */
export function scaleOf(precision: number): number {
  return precision >= BINARY ? 2 ** (BINARY - precision) : 10 ** precision;
}

/** A value with as many digits as are kept of it. */
export function rounded(value: number, precision: number): number {
  const scale = scaleOf(precision);
  return Math.round(value * scale) / scale;
}

type Entry = [name: string, unit: Unit, precision: number, label: string, help: string];

const BOUNDS: Record<Unit, [min: number | null, max: number | null]> = {
  percent: [0, 100],
  bytes: [0, null],
  bytes_per_second: [0, null],
  seconds: [0, null],
  count: [0, null],
  per_minute: [0, null],
  per_hour: [0, null],
  celsius: [-273.15, null],
  watts: [0, null],
  score: [0, 100],
  ratio: [0, 1],
};

function metrics(scope: Scope, derived: boolean, kind: Metric["kind"], entries: Entry[]): Metric[] {
  return entries.map(([name, unit, precision, label, help]) => {
    const [min, max] = BOUNDS[unit];
    return { name, scope, unit, kind, precision, min, max, label, help, derived };
  });
}

/** The resources that an operator watches, in the order in which every page shows them. */
export const RESOURCES = ["cpu", "gpu", "memory", "network"] as const;
export type Resource = (typeof RESOURCES)[number];

const RESOURCE_LABELS: Record<Resource, string> = {
  cpu: "CPU",
  gpu: "GPU",
  memory: "Memory",
  network: "Network",
};

/** Of one resource over workers: the ending of its name, its label, its meaning. */
const UTILIZATION_STATISTICS = [
  ["mean", "mean", "Mean over the reporting workers"],
  ["p50", "p50", "Half of the reporting workers use no more"],
  ["p95", "p95", "95 % of the reporting workers use no more"],
  ["max", "worst", "The reporting worker that uses most"],
] as const;

/** Utilisations are kept to a tenth of a percent: finer than any sampler resolves in one second. */
const UTILIZATION_PRECISION = 1;

const WORKER_REPORTED = metrics("worker", false, "gauge", [
  ["cpu_utilization", "percent", UTILIZATION_PRECISION, "CPU", "CPU time in use, over all cores"],
  ["memory_utilization", "percent", UTILIZATION_PRECISION, "Memory", "Main memory in use"],
  [
    "gpu_utilization",
    "percent",
    UTILIZATION_PRECISION,
    "GPU",
    "GPU time in use, the mean over the worker's devices",
  ],
  [
    "gpu_memory_utilization",
    "percent",
    UTILIZATION_PRECISION,
    "GPU memory",
    "GPU memory in use, the mean over the worker's devices",
  ],
  [
    "network_utilization",
    "percent",
    UTILIZATION_PRECISION,
    "Network",
    "Share of the network link's capacity in use",
  ],
  ["io_utilization", "percent", UTILIZATION_PRECISION, "Disk I/O", "Time in which the disks were busy"],
  ["disk_utilization", "percent", UTILIZATION_PRECISION, "Disk space", "Share of the disk space in use"],
  ["memory_bytes", "bytes", FOUR_MIB, "Memory used", "Main memory in use"],
  [
    "gpu_memory_bytes",
    "bytes",
    FOUR_MIB,
    "GPU memory used",
    "GPU memory in use, summed over the worker's devices",
  ],
  ["network_receive_bytes_per_second", "bytes_per_second", ONE_KIB, "Network in", "Bytes received a second"],
  ["network_transmit_bytes_per_second", "bytes_per_second", ONE_KIB, "Network out", "Bytes sent a second"],
  ["gpu_temperature_celsius", "celsius", 1, "GPU temperature", "Temperature of the hottest GPU"],
  ["gpu_power_watts", "watts", 1, "GPU power", "Power drawn by the worker's GPUs"],
  ["active_tasks", "count", 0, "Active tasks", "Tasks that the worker itself counts as running"],
  [
    "queued_tasks",
    "count",
    0,
    "Assigned tasks",
    "Tasks assigned to the worker and not started, as it counts them itself",
  ],
  ["load_average", "count", 2, "Load average", "Runnable processes, the mean over one minute"],
]);

const WORKER_COUNTERS = metrics("worker", false, "counter", [
  ["completed_tasks", "count", 0, "Completed tasks", "Tasks that the worker completed since it started"],
  ["failed_tasks", "count", 0, "Failed tasks", "Tasks that failed on the worker since it started"],
]);

const WORKER_DERIVED = metrics("worker", true, "gauge", [
  [
    "gpu_utilization_max",
    "percent",
    UTILIZATION_PRECISION,
    "Busiest GPU",
    "GPU time in use on the busiest of the worker's devices",
  ],
  [
    "throttled_gpus",
    "count",
    0,
    "Throttled GPUs",
    "The worker's devices that heat or too little power slows down",
  ],
  [
    "load",
    "percent",
    UTILIZATION_PRECISION,
    "Load",
    "0.3 CPU + 0.3 memory + 0.2 GPU + 0.1 disk I/O + 0.1 network, over those reported",
  ],
  ["health", "score", 0, "Health", "Freshness × pressure × success ratio, 0 to 100"],
  ["running_tasks", "count", 0, "Running tasks", "Tasks known to run on the worker"],
  ["tasks_per_hour", "per_hour", 0, "Tasks an hour", "Tasks that the worker completed in the last hour"],
  ["success_ratio", "ratio", 4, "Success ratio", "Completed ÷ (completed + failed), of its last 50 tasks"],
  [
    "processing_time_mean_s",
    "seconds",
    3,
    "Processing time, mean",
    "From started to completed, the completed ones of its last 50 tasks",
  ],
]);

const SYSTEM_REPORTED = metrics("system", false, "gauge", [
  ["queue_depth", "count", 0, "Queue depth", "Tasks waiting, as the load balancer itself counts them"],
]);

const WORKER_COUNTS: Entry[] = [
  ["total_workers", "count", 0, "Workers", "Workers known, lost ones included until they are purged"],
  ["active_workers", "count", 0, "Active workers", "Workers that report and take tasks"],
  ["draining_workers", "count", 0, "Draining workers", "Workers that finish what they have and take no more"],
  ["offline_workers", "count", 0, "Offline workers", "Workers that were taken out on purpose"],
  ["stale_workers", "count", 0, "Stale workers", "Workers whose report is overdue"],
  ["lost_workers", "count", 0, "Lost workers", "Workers not heard of for so long that they count as gone"],
  [
    "overloaded_workers",
    "count",
    0,
    "Overloaded workers",
    "Workers with a resource above its overload threshold",
  ],
];

/** What waits, runs and ends, and how long it takes: of all tasks, of a task type, of a model family. */
const FLOW: Entry[] = [
  ["queued_tasks", "count", 0, "Queued tasks", "Tasks that wait and have no worker yet"],
  ["assigned_tasks", "count", 0, "Assigned tasks", "Tasks assigned to a worker and not started yet"],
  ["running_tasks", "count", 0, "Running tasks", "Tasks that run now"],
  [
    "orphaned_tasks",
    "count",
    0,
    "Orphaned tasks",
    "Unfinished tasks whose worker is lost or that nobody mentions any more",
  ],
  ["completed_tasks", "count", 0, "Completed tasks", "Tasks completed in the last hour"],
  [
    "failed_tasks",
    "count",
    0,
    "Failed tasks",
    "Tasks that failed in the last hour and were not taken up again: a retry takes its failure back",
  ],
  ["cancelled_tasks", "count", 0, "Cancelled tasks", "Tasks cancelled in the last hour"],
  ["throughput_per_minute", "per_minute", 1, "Throughput", "Tasks completed in the last 60 seconds"],
  [
    "success_ratio",
    "ratio",
    4,
    "Success ratio",
    "Completed ÷ (completed + failed), over the last hour; a retry takes its failure back",
  ],
  [
    "assignment_efficiency",
    "ratio",
    4,
    "Assignment efficiency",
    "Match of the chosen worker ÷ the best match available, the mean over the last hour's assignments",
  ],
  [
    "optimal_match_ratio",
    "ratio",
    4,
    "Optimal worker match",
    "Assignments within 5 % of the best match available, of those of the last hour",
  ],
  [
    "queue_time_mean_s",
    "seconds",
    3,
    "Queue time, mean",
    "From queued to started, tasks started in the last 5 minutes",
  ],
  [
    "queue_time_p50_s",
    "seconds",
    3,
    "Queue time, p50",
    "From queued to started, tasks started in the last 5 minutes",
  ],
  [
    "queue_time_p95_s",
    "seconds",
    3,
    "Queue time, p95",
    "From queued to started, tasks started in the last 5 minutes",
  ],
  [
    "queue_time_p99_s",
    "seconds",
    3,
    "Queue time, p99",
    "From queued to started, tasks started in the last 5 minutes",
  ],
  [
    "processing_time_mean_s",
    "seconds",
    3,
    "Processing time, mean",
    "From started to completed, tasks completed in the last 5 minutes",
  ],
  [
    "processing_time_p50_s",
    "seconds",
    3,
    "Processing time, p50",
    "From started to completed, tasks completed in the last 5 minutes",
  ],
  [
    "processing_time_p95_s",
    "seconds",
    3,
    "Processing time, p95",
    "From started to completed, tasks completed in the last 5 minutes",
  ],
  [
    "processing_time_p99_s",
    "seconds",
    3,
    "Processing time, p99",
    "From started to completed, tasks completed in the last 5 minutes",
  ],
  [
    "total_time_mean_s",
    "seconds",
    3,
    "Latency, mean",
    "From queued to completed, tasks completed in the last 5 minutes",
  ],
  [
    "total_time_p50_s",
    "seconds",
    3,
    "Latency, p50",
    "From queued to completed, tasks completed in the last 5 minutes",
  ],
  [
    "total_time_p95_s",
    "seconds",
    3,
    "Latency, p95",
    "From queued to completed, tasks completed in the last 5 minutes",
  ],
  [
    "total_time_p99_s",
    "seconds",
    3,
    "Latency, p99",
    "From queued to completed, tasks completed in the last 5 minutes",
  ],
];

const FLOW_EVENTS: Entry[] = [
  ["completions", "count", 0, "Completions", "Tasks completed in the second"],
  ["failures", "count", 0, "Failures", "Tasks that failed in the second and were not taken up again"],
  ["cancellations", "count", 0, "Cancellations", "Tasks cancelled in the second"],
];

/** Over the reporting workers of the fleet or of a worker type. */
const UTILIZATIONS: Entry[] = RESOURCES.flatMap((resource) => {
  const label = RESOURCE_LABELS[resource];
  return UTILIZATION_STATISTICS.map(
    ([statistic, name, help]): Entry => [
      `${resource}_utilization_${statistic}`,
      "percent",
      UTILIZATION_PRECISION,
      `${label}, ${name}`,
      help,
    ],
  );
});

const SYSTEM_DERIVED = metrics("system", true, "gauge", [
  ...WORKER_COUNTS,
  ...FLOW,
  ["oldest_queued_s", "seconds", 1, "Oldest waiting task", "How long the oldest queued task has waited"],
  ...UTILIZATIONS,
]);

const CUT_DERIVED = [
  ...metrics("worker_type", true, "gauge", [
    ...WORKER_COUNTS,
    ["running_tasks", "count", 0, "Running tasks", "Tasks that run now"],
    ...UTILIZATIONS,
  ]),
  ...(["task_type", "model_family"] as const).flatMap((cut) => [
    ...metrics(cut, true, "gauge", FLOW),
    ...metrics(cut, true, "events", FLOW_EVENTS),
  ]),
];

const TASK_REPORTED = metrics("task", false, "gauge", [
  ["memory_bytes", "bytes", 0, "Memory used", "Main memory that the task uses"],
  ["gpu_memory_bytes", "bytes", 0, "GPU memory used", "GPU memory that the task uses"],
  ["cpu_utilization", "percent", UTILIZATION_PRECISION, "CPU", "CPU time that the task uses"],
  ["gpu_utilization", "percent", UTILIZATION_PRECISION, "GPU", "GPU time that the task uses"],
]);

export const CATALOGUE: readonly Metric[] = [
  ...SYSTEM_REPORTED,
  ...SYSTEM_DERIVED,
  ...metrics("system", true, "events", FLOW_EVENTS),
  ...WORKER_REPORTED,
  ...WORKER_COUNTERS,
  ...WORKER_DERIVED,
  ...TASK_REPORTED,
  ...CUT_DERIVED,
];

const BY_NAME: Record<Scope, ReadonlyMap<string, Metric>> = {
  system: index("system"),
  worker: index("worker"),
  task: index("task"),
  worker_type: index("worker_type"),
  task_type: index("task_type"),
  model_family: index("model_family"),
};

function index(scope: Scope): ReadonlyMap<string, Metric> {
  return new Map(CATALOGUE.filter((m) => m.scope === scope).map((m) => [m.name, m]));
}

/** The catalogue's entry, or undefined for a name that a source made up (kept as an exact double). */
export function findMetric(scope: Scope, name: string): Metric | undefined {
  return BY_NAME[scope].get(name);
}
