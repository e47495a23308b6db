import { z } from "zod";

// What the coordinator answers, as far as it is read. A field that is not what it should be is taken as left out: one
// strange task must not hide all others.

const field = <T extends z.ZodType>(type: T) => type.optional().catch(undefined);

const text = field(z.string().min(1));
/** Of whatever; more is a mistake. */
const amount = field(z.number().min(0).max(1e12));
const percent = field(z.number().min(0).max(100));
const names = field(z.array(z.string().min(1)));

/** As the ingest protocol has ids; longer ones are a mistake. */
const id = z.string().regex(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,200}$/u);

const capabilities = z.object({
  hardware: names,
  cpu: field(z.object({ model: text, cores: amount })),
  memory: field(z.object({ total_gb: amount })),
  gpu: field(z.object({ name: text, count: amount, memory_gb: amount })),
});

const device = z.object({ index: z.int().min(0).max(255), memory_utilization_percent: percent });

const hardware_metrics = z.object({
  cpu_percent: percent,
  memory_percent: percent,
  memory_used_gb: amount,
  gpu: field(
    z.array(device.nullable().catch(null)).transform((devices) => devices.flatMap((one) => one ?? [])),
  ),
});

const worker = z.object({
  worker_id: id,
  hostname: text,
  status: text,
  last_heartbeat: text,
  /** In place of the capabilities, where the key is not an admin's. */
  hardware: names,
  capabilities: field(capabilities),
  hardware_metrics: field(hardware_metrics),
  tasks_completed: amount,
  tasks_failed: amount,
  active_tasks: amount,
});
export type WorkerRecord = z.output<typeof worker>;

const STATUSES = ["pending", "running", "cancelling", "completed", "failed", "cancelled"] as const;

const attempts = field(z.int().min(0).max(1_000_000));

const execution = z.object({
  attempt: z.int().min(1).max(1_000_000),
  status: text,
  worker_id: field(id),
  start_time: text,
  end_time: text,
  error_message: text,
});

const task = z.object({
  task_id: id,
  status: z.enum(STATUSES),
  type: text,
  priority: field(z.number()),
  config: field(z.object({ model: text })),
  requirements: field(z.object({ hardware: names, min_memory_gb: amount })),
  attempts,
  created: text,
  started: text,
  ended: text,
  failed_time: text,
  cancelled: text,
  worker_id: field(id),
  progress: percent,
  error: text,
  health: field(
    z.object({
      execution_history: field(
        z.array(execution.nullable().catch(null)).transform((all) => all.flatMap((one) => one ?? [])),
      ),
    }),
  ),
});
export type TaskRecord = z.output<typeof task>;

/** Null for what has no id. */
export function readWorker(raw: unknown): WorkerRecord | null {
  return worker.safeParse(raw).data ?? null;
}

/** Null for what has no id, and for a status that is not known. */
export function readTask(raw: unknown): TaskRecord | null {
  return task.safeParse(raw).data ?? null;
}
