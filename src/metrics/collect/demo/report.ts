import type { Gpu, Metrics, Modality, Requirements, TaskStatus, WorkerStatus } from "../../model.ts";
import type { Simulation } from "./simulation.ts";
import { type DemoTask, type DemoWorker, NEWS, progressOf } from "./state.ts";
import { meanOf } from "./usage.ts";

export const DEMO_SOURCE = "demo";

/** A report of protocol version 1 as the demo's balancer sends it: ready for JSON.stringify. */
export interface DemoReport {
  at: number;
  source: typeof DEMO_SOURCE;
  interval_s: number;
  complete?: true;
  workers: DemoWorkerEntry[];
  tasks: DemoTaskEntry[];
  system: { metrics: Metrics };
}

export interface DemoWorkerEntry {
  id: string;
  type?: string;
  hostname?: string;
  status?: WorkerStatus;
  tags?: readonly string[];
  capabilities?: Record<string, unknown>;
  metrics: Metrics;
  gpus?: Gpu[];
}

export interface DemoTaskEntry {
  id: string;
  type?: Modality;
  model_family?: string;
  model_id?: string;
  modality?: Modality;
  priority?: number;
  requirements?: Requirements;
  status?: TaskStatus;
  attempt?: number;
  worker_id?: string | null;
  queued_at?: number;
  assigned_at?: number;
  started_at?: number;
  ended_at?: number;
  progress?: number | null;
  error?: string | null;
  metrics?: Metrics;
}

/** A running task's progress is reported every few seconds: often enough for a bar, and a fifth of the bytes. */
const PROGRESS_EVERY_S = 5;
const IDLE_CELSIUS = 36;
const IDLE_WATTS_RATIO = 0.15;

/** What there is to tell at this moment, since the last report; a complete one tells of everything. */
export function buildReport(simulation: Simulation, at_ms: number, complete: boolean): DemoReport {
  const workers = simulation.workers.filter((worker) => worker.alive);
  const news = simulation.balancer.takeNews();
  const tasks = (complete ? news.filter((task) => simulation.balancer.live.has(task)) : news).map((task) =>
    taskEntry(task, at_ms),
  );
  for (const worker of workers) addProgress(tasks, worker, at_ms);
  for (const task of news) task.news = 0;
  return {
    at: at_ms,
    source: DEMO_SOURCE,
    interval_s: 1,
    ...(complete && { complete }),
    workers: workers.map(workerEntry),
    tasks,
    system: { metrics: { queue_depth: simulation.balancer.queued } },
  };
}

/** A worker that is not known yet, or not any more, is described in full. */
function workerEntry(worker: DemoWorker): DemoWorkerEntry {
  const { status } = worker;
  const known = worker.reported_status;
  worker.reported_status = status;
  const entry: DemoWorkerEntry = {
    id: worker.id,
    ...(known === null && describe(worker)),
    metrics: metricsOf(worker),
  };
  if (status !== known) entry.status = status;
  if (worker.hardware.pool === "gpu") entry.gpus = gpusOf(worker);
  return entry;
}

function describe({ hardware, hostname, slots }: DemoWorker): Partial<DemoWorkerEntry> {
  const { accelerator: gpu_model, devices: gpu_count, device_memory_bytes: gpu_memory_bytes } = hardware;
  const gpus = hardware.pool === "gpu" ? { gpu_model, gpu_count, gpu_memory_bytes } : {};
  const { cpu_cores, memory_bytes, backends } = hardware;
  return {
    type: hardware.pool,
    hostname,
    tags: hardware.tags,
    capabilities: { cpu_cores, ...gpus, memory_bytes, backends, slots },
  };
}

function metricsOf(worker: DemoWorker): Metrics {
  const { usage, hardware } = worker;
  const metrics: Metrics = {
    cpu_utilization: tenths(usage.cpu),
    memory_utilization: tenths(usage.memory),
    network_utilization: tenths(usage.network),
    io_utilization: tenths(usage.io),
    memory_bytes: Math.round((usage.memory / 100) * hardware.memory_bytes),
    active_tasks: worker.running.length,
    queued_tasks: worker.assigned.length,
    completed_tasks: worker.completed,
    failed_tasks: worker.failed,
  };
  const busy = meanOf(usage.devices);
  if (hardware.pool === "tpu") metrics.tpu_utilization = tenths(busy);
  if (hardware.pool !== "gpu") return metrics;
  metrics.gpu_utilization = tenths(busy);
  metrics.gpu_memory_utilization = tenths(usage.device_memory);
  metrics.gpu_temperature_celsius = temperature(Math.max(...usage.devices));
  metrics.gpu_power_watts = tenths(
    hardware.devices * hardware.device_watts * (IDLE_WATTS_RATIO + (1 - IDLE_WATTS_RATIO) * (busy / 100)),
  );
  return metrics;
}

function gpusOf({ usage }: DemoWorker): Gpu[] {
  const memory_utilization = tenths(usage.device_memory);
  return usage.devices.map((busy, index) => ({
    index,
    utilization: tenths(busy),
    memory_utilization,
    temperature_celsius: temperature(busy),
  }));
}

function temperature(busy: number): number {
  return tenths(IDLE_CELSIUS + 0.4 * busy);
}

/** What is new of a task; all of it where it was never mentioned. */
function taskEntry(task: DemoTask, at_ms: number): DemoTaskEntry {
  const arrived = (task.news & NEWS.arrived) !== 0;
  const { model } = task;
  const entry: DemoTaskEntry = { id: task.id, status: task.status };
  if (task.attempt > 1) entry.attempt = task.attempt;
  if (arrived) {
    entry.type = model.type;
    entry.modality = model.type;
    entry.model_family = model.family;
    entry.model_id = model.id;
    entry.priority = task.priority;
    entry.requirements = model.requirements;
  }
  if (arrived || task.news & NEWS.requeued) entry.queued_at = task.queued_at_ms;
  if (!arrived && task.news & NEWS.requeued)
    Object.assign(entry, { progress: null, error: null, worker_id: null });
  if (task.news & NEWS.assigned)
    Object.assign(entry, { worker_id: task.worker!.id, assigned_at: task.assigned_at_ms });
  if (task.news & NEWS.started) Object.assign(entry, startOf(task));
  if (arrived && task.status === "running") {
    task.reported_progress = progressOf(task, at_ms);
    entry.progress = task.reported_progress;
  }
  if (task.news & NEWS.ended) Object.assign(entry, endOf(task));
  return entry;
}

function startOf(task: DemoTask): Partial<DemoTaskEntry> {
  const { hardware, slots } = task.worker!;
  const share = task.appetite / Math.max(slots, 1);
  const metrics: Metrics = { memory_bytes: Math.round(0.45 * hardware.memory_bytes * share) };
  if (hardware.pool === "gpu") {
    metrics.gpu_memory_bytes = Math.round(0.74 * hardware.device_memory_bytes * hardware.devices * share);
  }
  return { started_at: task.started_at_ms, metrics };
}

function endOf(task: DemoTask): Partial<DemoTaskEntry> {
  const ended_at = task.ended_at_ms;
  if (task.status === "completed") return { ended_at, progress: 100 };
  return task.error === null ? { ended_at } : { ended_at, error: task.error };
}

function addProgress(entries: DemoTaskEntry[], worker: DemoWorker, at_ms: number): void {
  const second = Math.floor(at_ms / 1000);
  for (const task of worker.running) {
    if (task.news !== 0 || (task.order + second) % PROGRESS_EVERY_S !== 0) continue;
    const progress = progressOf(task, at_ms);
    if (progress <= task.reported_progress) continue;
    task.reported_progress = progress;
    entries.push({ id: task.id, ...(task.attempt > 1 && { attempt: task.attempt }), progress });
  }
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
