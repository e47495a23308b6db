import { type Demand, drawProcessing_ms } from "./demand.ts";
import { type Doom, drawDoom, drawFailure, type Failure, MAX_ATTEMPTS } from "./failures.ts";
import { PRIORITIES, WaitingRoom } from "./queue.ts";
import type { Rng } from "./rng.ts";
import type { Scheduler } from "./scheduler.ts";
import { type DemoTask, type DemoWorker, isLive, NEWS } from "./state.ts";

/** The balancer hands out waiting tasks this often. */
export const ROUND_MS = 1000;
const STAGING_MEDIAN_MS = 2200;
const STAGING_SIGMA = 0.45;
const CANCELLED_RATIO = 0.004;
const SLOW_MODEL_FACTOR = 4;
const OVERLOAD_FACTOR = 2;
const PRIORITY_ODDS = [0.1, 0.35, 0.8, 1] as const;

/** What becomes of a task at some moment, unless its turn has changed until then. */
export type TaskEvent =
  | { kind: "ready" | "retry" | "cancellation"; task: DemoTask; turn: number }
  | { kind: "end"; task: DemoTask; turn: number; doom: Doom | null };

export interface Counts {
  arrived: number;
  completed: number;
  /** For good: without those that are tried again. */
  failed: number;
  cancelled: number;
}

interface BalancerOptions {
  scheduler: Scheduler;
  demand: Demand;
  rng: Rng;
  /** Begins the id of every task, so that no other demo takes the same. */
  id_prefix: string;
  /** Asks to be told of an event at its time: whole milliseconds. */
  plan: (at_ms: number, event: TaskEvent) => void;
}

/** A task's way from its arrival to its end. */
export class Balancer {
  /** Every task that has not ended for good. */
  readonly live = new Set<DemoTask>();
  readonly counts: Counts = { arrived: 0, completed: 0, failed: 0, cancelled: 0 };
  /** Tasks that wait for a worker. */
  queued = 0;
  /** The model that takes much longer than usual for now. */
  slow_model_id: string | null = null;

  readonly #options: BalancerOptions;
  readonly #rng: Rng;
  readonly #waiting = new WaitingRoom();
  #news: DemoTask[] = [];

  constructor(options: BalancerOptions) {
    this.#options = options;
    this.#rng = options.rng;
  }

  /** The tasks with news since the last call; their `news` is for the caller to clear. */
  takeNews(): DemoTask[] {
    const news = this.#news;
    this.#news = [];
    return news;
  }

  happen(at_ms: number, event: TaskEvent): void {
    const { task } = event;
    if (event.kind === "cancellation") this.#cancel(at_ms, task);
    else if (task.turn !== event.turn) return;
    else if (event.kind === "end") this.#endAsDrawn(at_ms, task, event.doom);
    else if (event.kind === "ready") this.#becomeReady(at_ms, task);
    else this.requeue(at_ms, task);
  }

  /** A new task comes in. */
  arrive(at_ms: number): void {
    const task = this.#create(at_ms);
    this.#queue(task);
    if (this.#rng.next() >= CANCELLED_RATIO) return;
    this.#plan(at_ms + this.#rng.between(1000, 30_000), { kind: "cancellation", task, turn: 0 });
  }

  /** A task that has been running for a while, as found at the beginning; it waits where there is no slot. */
  arriveRunning(at_ms: number): void {
    const task = this.#create(at_ms);
    const worker = this.#options.scheduler.choose(task.model, task.priority);
    if (worker === null || worker.running.length >= worker.slots) {
      this.#queue(task);
      return;
    }
    task.worker = worker;
    this.#run(at_ms, task);
    const ago_ms = Math.floor(task.processing_ms * this.#rng.next());
    task.started_at_ms -= ago_ms;
    task.assigned_at_ms = task.started_at_ms - Math.round(this.#stagingTime());
    task.queued_at_ms = task.assigned_at_ms - Math.round(this.#rng.between(0, 2 * ROUND_MS));
    this.#tell(task, NEWS.assigned);
    this.#plan(at_ms + task.processing_ms - ago_ms, { kind: "end", task, turn: task.turn, doom: null });
  }

  /** Hands out the waiting tasks that somebody has room for. */
  serveRound(at_ms: number): void {
    this.#waiting.serve((task) => this.#assign(at_ms, task));
  }

  #endAsDrawn(at_ms: number, task: DemoTask, doom: Doom | null): void {
    this.end(at_ms, task, doom === null ? null : drawFailure(task, at_ms, doom, this.#rng));
  }

  end(at_ms: number, task: DemoTask, failure: Failure | null): void {
    const worker = task.worker!;
    task.turn++;
    task.status = failure === null ? "completed" : "failed";
    task.error = failure?.message ?? null;
    task.ended_at_ms = at_ms;
    task.stuck_at = null;
    this.#tell(task, NEWS.ended);
    if (failure === null) worker.completed++;
    else worker.failed++;
    if (failure?.retry === true && task.attempt < MAX_ATTEMPTS) {
      this.#plan(at_ms + this.#rng.between(2500, 6000), { kind: "retry", task, turn: task.turn });
    } else {
      this.live.delete(task);
      this.counts[failure === null ? "completed" : "failed"]++;
    }
    remove(worker.running, task);
    this.#startNext(at_ms, worker);
  }

  /** The task waits once more, as its next attempt. */
  requeue(at_ms: number, task: DemoTask): void {
    task.turn++;
    task.attempt++;
    task.status = "queued";
    task.worker = null;
    task.error = null;
    task.stuck_at = null;
    task.queued_at_ms = at_ms;
    task.reported_progress = 0;
    task.news &= NEWS.arrived;
    this.#tell(task, NEWS.requeued);
    this.#queue(task);
  }

  #create(at_ms: number): DemoTask {
    const order = this.counts.arrived++;
    const odds = this.#rng.next();
    const task: DemoTask = {
      id: `${this.#options.id_prefix}-${order.toString(36)}`,
      order,
      model: this.#options.demand.draw(this.#rng),
      priority: PRIORITIES[PRIORITY_ODDS.findIndex((limit) => odds < limit)]!,
      appetite: this.#rng.between(0.8, 1.2),
      attempt: 1,
      status: "queued",
      worker: null,
      device: 0,
      queued_at_ms: Math.floor(at_ms),
      assigned_at_ms: 0,
      started_at_ms: 0,
      ended_at_ms: 0,
      processing_ms: 0,
      error: null,
      stuck_at: null,
      turn: 0,
      news: 0,
      reported_progress: 0,
    };
    this.live.add(task);
    this.#tell(task, NEWS.arrived);
    return task;
  }

  #queue(task: DemoTask): void {
    this.queued++;
    this.#waiting.add(task);
  }

  #assign(at_ms: number, task: DemoTask): boolean {
    const worker = this.#options.scheduler.choose(task.model, task.priority);
    if (worker === null) return false;
    this.queued--;
    task.turn++;
    task.status = "assigned";
    task.worker = worker;
    task.assigned_at_ms = at_ms;
    worker.assigned.push(task);
    this.#tell(task, NEWS.assigned);
    this.#plan(at_ms + this.#stagingTime(), { kind: "ready", task, turn: task.turn });
    return true;
  }

  #stagingTime(): number {
    return this.#rng.logNormal(STAGING_MEDIAN_MS, STAGING_SIGMA);
  }

  #becomeReady(at_ms: number, task: DemoTask): void {
    task.worker!.ready.push(task);
    this.#startNext(at_ms, task.worker!);
  }

  #startNext(at_ms: number, worker: DemoWorker): void {
    while (worker.alive && worker.ready.length > 0 && worker.running.length < worker.slots) {
      const task = worker.ready.reduce((first, other) => (other.priority < first.priority ? other : first));
      remove(worker.ready, task);
      remove(worker.assigned, task);
      this.#start(at_ms, task);
    }
  }

  #start(at_ms: number, task: DemoTask): void {
    this.#run(at_ms, task);
    const doom = drawDoom(this.#rng);
    this.#plan(at_ms + task.processing_ms * (doom?.part ?? 1), { kind: "end", task, turn: task.turn, doom });
  }

  #run(at_ms: number, task: DemoTask): void {
    const worker = task.worker!;
    const slow = task.model.id === this.slow_model_id ? SLOW_MODEL_FACTOR : 1;
    const crowded = worker.overloaded ? OVERLOAD_FACTOR : 1;
    const median_ms = (1000 * task.model.processing_s * slow * crowded) / worker.hardware.speed;
    task.turn++;
    task.status = "running";
    task.started_at_ms = at_ms;
    task.processing_ms = drawProcessing_ms(this.#rng, median_ms);
    task.device = leastBusyDevice(worker);
    worker.running.push(task);
    this.#tell(task, NEWS.started);
  }

  /** Somebody thought better of it. A task that nobody answers for can't be cancelled either. */
  #cancel(at_ms: number, task: DemoTask): void {
    const worker = task.worker;
    if (!isLive(task) || task.stuck_at !== null || worker?.alive === false) return;
    if (task.status === "queued") this.queued--;
    task.turn++;
    task.status = "cancelled";
    task.ended_at_ms = at_ms;
    this.live.delete(task);
    this.counts.cancelled++;
    this.#tell(task, NEWS.ended);
    if (worker === null) return;
    remove(worker.running, task);
    remove(worker.assigned, task);
    remove(worker.ready, task);
    this.#startNext(at_ms, worker);
  }

  #plan(at_ms: number, event: TaskEvent): void {
    this.#options.plan(Math.ceil(at_ms), event);
  }

  #tell(task: DemoTask, news: number): void {
    if (task.news === 0) this.#news.push(task);
    task.news |= news;
  }
}

function leastBusyDevice(worker: DemoWorker): number {
  const tasks = worker.usage.devices.map(() => 0);
  for (const task of worker.running) tasks[task.device]!++;
  return Math.max(0, tasks.indexOf(Math.min(...tasks)));
}

function remove<T>(from: T[], item: T): void {
  const index = from.indexOf(item);
  if (index >= 0) from.splice(index, 1);
}
