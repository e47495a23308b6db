import type { TaskStatus } from "../../model.ts";
import type { Hardware } from "./hardware.ts";
import type { Model } from "./models.ts";

/** One worker of the demo fleet, as the simulation knows it. */
export interface DemoWorker {
  readonly index: number;
  readonly id: string;
  readonly hostname: string;
  readonly hardware: Hardware;
  /** Tasks that it runs at the same time. */
  readonly slots: number;
  /** Tasks that it takes beyond its slots to fetch their data meanwhile, so that no slot waits for them. */
  readonly prefetch: number;
  /** Urgent tasks that it lets wait in line beyond those. */
  readonly backlog: number;
  /** Tasks that it takes in at most before they run: its disks and network would choke on more. */
  readonly line: number;
  status: "active" | "draining";
  alive: boolean;
  /** True while a runaway task holds all its cores. */
  overloaded: boolean;
  readonly running: DemoTask[];
  /** Assigned and not started; those in `ready` have their data. */
  readonly assigned: DemoTask[];
  readonly ready: DemoTask[];
  /** Since the worker started. */
  completed: number;
  failed: number;
  readonly usage: Usage;
  /** What the last report said of it; null before its first and after it came back. */
  reported_status: string | null;
}

/** What a worker uses of itself, percent. */
export interface Usage {
  cpu: number;
  memory: number;
  network: number;
  io: number;
  /** By device. */
  readonly devices: number[];
  device_memory: number;
  /** The dashboard's load formula over these. */
  load: number;
  /** Slow noise that all of it shares, from -1 to 1. */
  drift: number;
}

/** One task, from its arrival until its end was reported. */
export interface DemoTask {
  readonly id: string;
  readonly order: number;
  readonly model: Model;
  readonly priority: number;
  /** How much it takes of a slot's share of CPU, device and memory; 1 is usual. */
  readonly appetite: number;
  attempt: number;
  status: TaskStatus;
  worker: DemoWorker | null;
  device: number;
  queued_at_ms: number;
  assigned_at_ms: number;
  started_at_ms: number;
  ended_at_ms: number;
  /** How long it runs in all if nothing comes between. */
  processing_ms: number;
  error: string | null;
  /** The progress at which it got stuck, or null. */
  stuck_at: number | null;
  /** Changes with each turn of its life, so that what was due for an earlier turn is known as void. */
  turn: number;
  /** What the next report has to say of it: a sum of the NEWS. */
  news: number;
  reported_progress: number;
}

export const NEWS = { arrived: 1, requeued: 2, assigned: 4, started: 8, ended: 16 } as const;

export function isLive(task: DemoTask): boolean {
  return task.status === "queued" || task.status === "assigned" || task.status === "running";
}

/** Percent, a whole number below 100; a task that is stuck stays where it is. */
export function progressOf(task: DemoTask, at_ms: number): number {
  if (task.stuck_at !== null) return task.stuck_at;
  return Math.min(99, Math.floor((100 * (at_ms - task.started_at_ms)) / task.processing_ms));
}
