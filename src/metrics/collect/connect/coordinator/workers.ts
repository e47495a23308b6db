import type { LocalTime } from "./local-time.ts";
import type { WorkerRecord } from "./record.ts";

const BYTES_PER_GB = 2 ** 30;

/** The coordinator does not hear these. Its tests of them flap, so that it has to say so for a while. */
const AWAY: ReadonlySet<string> = new Set(["offline", "recovery_pending"]);
/** It gave them up. */
const GONE = "permanent_failure";

/**
 * Workers were seen to go offline and come back each 10 s, where a heartbeat is nearly as rare as the coordinator's
 * patience is long. One that is called offline for longer is.
 */
const AWAY_HOLD_MS = 15_000;

/** The first of these that a worker has gives its type. */
const TYPES: readonly (readonly [type: string, hardware: readonly string[]])[] = [
  ["gpu", ["cuda", "rocm", "mps", "gpu"]],
  ["tpu", ["tpu", "xla"]],
  ["npu", ["npu", "hexagon", "qualcomm", "openvino"]],
  ["cpu", ["cpu"]],
];

export interface WorkersOptions {
  readonly id_prefix: string;
  readonly time: LocalTime;
}

/** What a poll learnt of workers, for the next. */
export type WorkersMemory = ReadonlyMap<string, { readonly away_since_ms: number | null }>;

export interface WorkersSeen {
  /** As the ingest protocol has them. */
  readonly entries: readonly Readonly<Record<string, unknown>>[];
  readonly away: number;
  readonly memory: WorkersMemory;
  /** How far behind ours the newest heartbeat of an active worker is, milliseconds; null where there is none. */
  readonly heartbeat_age_ms: number | null;
  /** True where the key lets us see no more than names. */
  readonly restricted: boolean;
}

/** @param before what the last poll learnt; a worker that it did not know is what it is said to be, at once */
export function mapWorkers(
  records: readonly WorkerRecord[],
  before: WorkersMemory,
  options: WorkersOptions,
  now_ms: number,
): WorkersSeen {
  const memory = new Map<string, { away_since_ms: number | null }>();
  const entries: Readonly<Record<string, unknown>>[] = [];
  let away = 0;
  let newest_ms: number | null = null;
  for (const record of records) {
    const { worker_id, status = "" } = record;
    const beat_ms = options.time.instant(record.last_heartbeat, now_ms);
    const since_ms = awaySince(status, before.get(worker_id), now_ms);
    memory.set(worker_id, { away_since_ms: since_ms });
    const held = since_ms !== null && since_ms > now_ms - AWAY_HOLD_MS && status !== GONE;
    if (since_ms !== null && !held) {
      away += 1;
      entries.push({ ...whoItIs(record, options), heard_at: Math.min(beat_ms ?? since_ms, now_ms) });
      continue;
    }
    if (since_ms === null && beat_ms !== undefined) newest_ms = Math.max(newest_ms ?? beat_ms, beat_ms);
    // While it is waited for, its figures are old.
    entries.push({ ...whoItIs(record, options), status: "active", ...(held ? {} : figuresOf(record)) });
  }
  const restricted =
    records.length > 0 && records.every((one) => !one.capabilities && one.last_heartbeat === undefined);
  return {
    entries,
    away,
    memory,
    heartbeat_age_ms: newest_ms === null ? null : now_ms - newest_ms,
    restricted,
  };
}

function awaySince(
  status: string,
  before: { away_since_ms: number | null } | undefined,
  now_ms: number,
): number | null {
  if (!AWAY.has(status) && status !== GONE) return null;
  if (before === undefined) return now_ms - AWAY_HOLD_MS;
  return before.away_since_ms ?? now_ms;
}

function whoItIs(
  { worker_id, hostname, hardware, capabilities = {} }: WorkerRecord,
  options: WorkersOptions,
) {
  const { cpu, memory, gpu } = capabilities;
  const backends = capabilities.hardware ?? hardware;
  return {
    id: options.id_prefix + worker_id,
    hostname,
    type: typeOf(backends, gpu !== undefined),
    capabilities: {
      cpu_cores: cpu?.cores,
      cpu_model: cpu?.model,
      memory_bytes: bytes(memory?.total_gb),
      gpu_model: gpu?.name,
      gpu_count: gpu?.count,
      gpu_memory_bytes: bytes(gpu?.memory_gb),
      backends,
    },
  };
}

function typeOf(hardware: readonly string[] | undefined, has_gpu: boolean): string | undefined {
  if (has_gpu) return "gpu";
  return TYPES.find(([, names]) => names.some((name) => hardware?.includes(name)))?.[0] ?? hardware?.[0];
}

function figuresOf({ hardware_metrics = {}, active_tasks, tasks_completed, tasks_failed }: WorkerRecord) {
  const { cpu_percent, memory_percent, memory_used_gb, gpu } = hardware_metrics;
  return {
    metrics: known({
      cpu_utilization: cpu_percent,
      memory_utilization: memory_percent,
      memory_bytes: bytes(memory_used_gb),
      active_tasks,
      completed_tasks: tasks_completed,
      failed_tasks: tasks_failed,
    }),
    gpus: gpu?.map(({ index, memory_utilization_percent }) => ({
      index,
      memory_utilization: memory_utilization_percent,
    })),
  };
}

function known(metrics: Readonly<Record<string, number | undefined>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).filter((entry): entry is [string, number] => entry[1] !== undefined),
  );
}

function bytes(gigabytes: number | undefined): number | undefined {
  return gigabytes === undefined ? undefined : Math.round(gigabytes * BYTES_PER_GB);
}
