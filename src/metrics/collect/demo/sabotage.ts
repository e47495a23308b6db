import type { Balancer } from "./balancer.ts";
import { type Fault, STALLED_MODEL_ID } from "./faults.ts";
import { type DemoTask, type DemoWorker, progressOf } from "./state.ts";

/** The task that a fault holds back, and since when, Unix milliseconds. */
export interface Victim {
  readonly task: DemoTask;
  readonly since_ms: number;
}

/** Makes the faults of the script happen to the workers and their tasks, and mends them again. */
export class Sabotage {
  readonly #balancer: Balancer;
  readonly #workers: ReadonlyMap<string, DemoWorker>;
  /** The task that a fault holds back; null while it still looks for one. */
  readonly #victims = new Map<Fault, Victim | null>();

  constructor(balancer: Balancer, workers: readonly DemoWorker[]) {
    this.#balancer = balancer;
    this.#workers = new Map(workers.map((worker) => [worker.id, worker]));
  }

  /** What an active fault holds back, or null. */
  victimOf(fault: Fault): Victim | null {
    for (const [held, victim] of this.#victims) {
      if (held.kind === fault.kind && held.from_ms === fault.from_ms) return victim;
    }
    return null;
  }

  begin(at_ms: number, fault: Fault): void {
    if (fault.kind === "slow_model") {
      this.#balancer.slow_model_id = fault.model_id;
      return;
    }
    const worker = this.#workerOf(fault);
    if (fault.kind === "drain") worker.status = "draining";
    if (fault.kind === "overload") worker.overloaded = true;
    if (fault.kind === "death") die(at_ms, worker);
    if (fault.kind === "overload" || fault.kind === "stall") this.#victims.set(fault, null);
    this.seize(at_ms);
  }

  end(at_ms: number, fault: Fault): void {
    if (fault.kind === "slow_model") {
      this.#balancer.slow_model_id = null;
      return;
    }
    const worker = this.#workerOf(fault);
    if (fault.kind === "drain") worker.status = "active";
    if (fault.kind === "death") comeBack(worker);
    if (fault.kind === "overload") {
      worker.overloaded = false;
      this.#release(at_ms, fault, (s) => `Killed: it took all cores of the worker for ${s} s`);
    }
    if (fault.kind === "stall")
      this.#release(at_ms, fault, (s) => `Killed by the watchdog: no progress for ${s} s`);
  }

  /** The balancer waits no longer for a worker that does not answer: others get its tasks. */
  giveUp(at_ms: number, fault: Fault): void {
    const worker = this.#workerOf(fault);
    const tasks = [...worker.running, ...worker.assigned];
    worker.running.length = 0;
    worker.assigned.length = 0;
    worker.ready.length = 0;
    for (const task of tasks) this.#balancer.requeue(at_ms, task);
  }

  /** Gets hold of a running task for each fault that wants one; to be tried again while there is none. */
  seize(at_ms: number): void {
    for (const [fault, victim] of this.#victims) {
      if (victim !== null) continue;
      const fits = (task: DemoTask) => fault.kind === "overload" || task.model.id === STALLED_MODEL_ID;
      const task = this.#workerOf(fault).running.findLast((other) => other.stuck_at === null && fits(other));
      if (task === undefined) continue;
      stick(task, at_ms);
      this.#victims.set(fault, { task, since_ms: at_ms });
    }
  }

  #release(at_ms: number, fault: Fault, inWords: (held_s: number) => string): void {
    const victim = this.#victims.get(fault);
    this.#victims.delete(fault);
    if (victim?.task.status !== "running" || victim.task.stuck_at === null) return;
    const message = inWords(Math.round((at_ms - victim.since_ms) / 1000));
    this.#balancer.end(at_ms, victim.task, { message, retry: true });
  }

  #workerOf(fault: Fault): DemoWorker {
    return this.#workers.get(fault.worker_id!)!;
  }
}

/** The task makes no more progress, and what was planned for it is void. */
function stick(task: DemoTask, at_ms: number): void {
  task.turn++;
  task.stuck_at = progressOf(task, at_ms);
}

function die(at_ms: number, worker: DemoWorker): void {
  worker.alive = false;
  for (const task of worker.running) stick(task, at_ms);
  for (const task of worker.assigned) task.turn++;
}

/** As after a restart: it counts from 0 and introduces itself anew. */
function comeBack(worker: DemoWorker): void {
  const { usage } = worker;
  worker.alive = true;
  worker.completed = 0;
  worker.failed = 0;
  worker.reported_status = null;
  usage.devices.fill(0);
  Object.assign(usage, { cpu: 0, memory: 0, network: 0, io: 0, device_memory: 0, load: 0, drift: 0 });
}
