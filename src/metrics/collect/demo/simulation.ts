import { Agenda } from "./agenda.ts";
import { type Demand, PROCESSING_SIGMA, planDemand, swellAt } from "./demand.ts";
import { drawFailure, type Failure, MAX_ATTEMPTS } from "./failures.ts";
import { CYCLE_MS, createFaultScript, type Fault, type FaultScript } from "./faults.ts";
import { createFleet } from "./fleet.ts";
import { PRIORITIES, WaitingRoom } from "./queue.ts";
import { createRng, hash, type Rng } from "./rng.ts";
import { Scheduler } from "./scheduler.ts";
import { type DemoTask, type DemoWorker, isLive, NEWS } from "./state.ts";
import { measure } from "./usage.ts";

/** The fleet works this long before the start, so that whoever opens the page sees it in full swing. */
const WARM_UP_MS = 20_000;
/** The balancer hands out waiting tasks this often. */
const ROUND_MS = 1000;
/** How much fewer tasks come in per share of the live tasks that is beyond the target. */
const HOLDING_BACK = 0.5;
const STAGING_MEDIAN_MS = 2200;
const STAGING_SIGMA = 0.45;
/** Of a worker that does not answer, the balancer gives the tasks to others after this time. */
const GIVEN_UP_AFTER_MS = 75_000;
const CANCELLED_RATIO = 0.004;
const SLOW_MODEL_FACTOR = 4;
const OVERLOAD_FACTOR = 2;
/** A task that is to stall is one of which everybody sees that it takes too long. */
const STALLS_BELOW_S = 15;
const PRIORITY_ODDS = [0.1, 0.35, 0.8, 1] as const;

type Due =
  | { kind: "arrival" | "round" }
  | { kind: "ready" | "retry" | "cancellation"; task: DemoTask; turn: number }
  | { kind: "end"; task: DemoTask; turn: number; failure: Failure | null }
  | { kind: "cycle"; number: number }
  | { kind: "fault_begins" | "fault_ends" | "worker_given_up"; fault: Fault };

export interface Counts {
  arrived: number;
  completed: number;
  /** For good: without those that are tried again. */
  failed: number;
  cancelled: number;
}

/** A load balancer and its fleet, event by event. It knows no time but what it is told. */
export class Simulation {
  readonly workers: readonly DemoWorker[];
  readonly faults: FaultScript;
  /** Every task that has not ended for good. */
  readonly live = new Set<DemoTask>();
  readonly counts: Counts = { arrived: 0, completed: 0, failed: 0, cancelled: 0 };
  /** Tasks that wait for a worker. */
  queued = 0;

  readonly #start_ms: number;
  readonly #target: number;
  readonly #rng: Rng;
  readonly #noise: Rng;
  readonly #agenda = new Agenda<Due>();
  readonly #waiting = new WaitingRoom();
  readonly #scheduler: Scheduler;
  readonly #demand: Demand;
  readonly #by_id: ReadonlyMap<string, DemoWorker>;
  /** The task that a fault holds, by the fault; null while it still looks for one. */
  readonly #victims = new Map<Fault, DemoTask | null>();
  #news: DemoTask[] = [];
  #slow_model: string | null = null;

  constructor(options: { workers: number; tasks: number; seed: number; start_ms: number }) {
    const { seed, start_ms } = options;
    this.#start_ms = start_ms;
    this.#target = options.tasks;
    this.#rng = createRng(hash(seed, 1));
    this.#noise = createRng(hash(seed, 2));
    this.workers = createFleet(options.workers, options.tasks);
    this.#by_id = new Map(this.workers.map((worker) => [worker.id, worker]));
    this.#scheduler = new Scheduler(this.workers, createRng(hash(seed, 3)));
    this.#demand = planDemand(this.workers, this.#scheduler, options.tasks);
    const struck = this.workers.filter((worker) => worker.hardware.pool === "gpu");
    this.faults = createFaultScript(
      seed,
      start_ms,
      struck.map((worker) => worker.id),
    );
    this.#warmUp(start_ms - WARM_UP_MS);
  }

  /** Lets everything happen that is due up to and including `until_ms`. */
  advance(until_ms: number): void {
    for (let due = this.#agenda.take(until_ms); due !== undefined; due = this.#agenda.take(until_ms)) {
      this.#happen(due.at_ms, due.what);
    }
  }

  /** To be called once for each second that passed. */
  measure(): void {
    for (const worker of this.workers) if (worker.alive) measure(worker, this.#noise);
  }

  /** The tasks with news since the last call; their `news` is for the caller to clear. */
  takeNews(): DemoTask[] {
    const news = this.#news;
    this.#news = [];
    return news;
  }

  /** The task that an active fault holds back, or null. */
  victimOf(fault: Fault): string | null {
    for (const [held, task] of this.#victims) {
      if (held.kind === fault.kind && held.from_ms === fault.from_ms) return task?.id ?? null;
    }
    return null;
  }

  #warmUp(from_ms: number): void {
    const busy = Math.round(this.#target * 0.75);
    for (let i = 0; i < busy; i++) this.#placeRunning(from_ms);
    this.#agenda.add(from_ms, { kind: "arrival" });
    this.#agenda.add(from_ms, { kind: "round" });
    this.#agenda.add(this.#start_ms, { kind: "cycle", number: 0 });
    for (let at_ms = from_ms; at_ms < this.#start_ms; at_ms += 1000) {
      this.advance(at_ms);
      this.measure();
    }
  }

  #happen(at_ms: number, due: Due): void {
    switch (due.kind) {
      case "arrival":
        this.#arrive(at_ms);
        this.#planArrival(at_ms);
        break;
      case "round":
        this.#waiting.serve((task) => this.#assign(at_ms, task));
        this.#agenda.add(at_ms + ROUND_MS, due);
        break;
      case "ready":
        if (due.task.turn === due.turn) this.#becomeReady(at_ms, due.task);
        break;
      case "end":
        if (due.task.turn === due.turn) this.#end(at_ms, due.task, due.failure);
        break;
      case "retry":
        if (due.task.turn === due.turn) this.#requeue(at_ms, due.task);
        break;
      case "cancellation":
        this.#cancel(at_ms, due.task);
        break;
      case "cycle":
        this.#planCycle(at_ms, due.number);
        break;
      case "fault_begins":
        this.#beginFault(at_ms, due.fault);
        break;
      case "fault_ends":
        this.#endFault(at_ms, due.fault);
        break;
      case "worker_given_up":
        this.#giveUp(at_ms, this.#workerOf(due.fault));
        break;
    }
  }

  #planArrival(at_ms: number): void {
    const swell = swellAt(at_ms - this.#start_ms);
    // Clients hold back while much is waiting, and bring more while little is: the target is met roughly.
    const beyond = this.live.size / (this.#target * swell) - 1;
    const trim = Math.max(0.02, Math.min(1.6, 1 - HOLDING_BACK * beyond));
    const wait_ms = this.#rng.exponential(1000 / (this.#demand.rate_per_s * swell * trim));
    this.#agenda.add(at_ms + wait_ms, { kind: "arrival" });
  }

  #create(at_ms: number): DemoTask {
    const order = this.counts.arrived++;
    const odds = this.#rng.next();
    const task: DemoTask = {
      id: `t-${this.#start_ms.toString(36)}-${order.toString(36)}`,
      order,
      model: this.#demand.draw(this.#rng),
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

  #arrive(at_ms: number): void {
    const task = this.#create(at_ms);
    this.queued++;
    this.#waiting.add(task);
    if (this.#rng.next() >= CANCELLED_RATIO) return;
    this.#plan(at_ms + this.#rng.between(1000, 30_000), { kind: "cancellation", task, turn: 0 });
  }

  /** Puts a task that has been running for a while on a worker, as found at the beginning. */
  #placeRunning(at_ms: number): void {
    const task = this.#create(at_ms);
    const worker = this.#scheduler.choose(task.model, task.priority);
    if (worker === null || worker.running.length >= worker.slots) {
      this.queued++;
      this.#waiting.add(task);
      return;
    }
    task.worker = worker;
    this.#run(at_ms, task);
    const ago_ms = Math.floor(task.processing_ms * this.#rng.next());
    task.started_at_ms -= ago_ms;
    task.assigned_at_ms = task.started_at_ms - Math.round(this.#stagingTime());
    task.queued_at_ms = task.assigned_at_ms - Math.round(this.#rng.between(0, 2 * ROUND_MS));
    this.#tell(task, NEWS.assigned);
    this.#plan(at_ms + task.processing_ms - ago_ms, { kind: "end", task, turn: task.turn, failure: null });
  }

  #assign(at_ms: number, task: DemoTask): boolean {
    const worker = this.#scheduler.choose(task.model, task.priority);
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
    const failure = drawFailure(task, this.#rng);
    const part = failure === null ? 1 : this.#rng.next();
    this.#plan(at_ms + task.processing_ms * part, { kind: "end", task, turn: task.turn, failure });
    for (const [fault, victim] of this.#victims) if (victim === null) this.#seize(at_ms, fault);
  }

  #run(at_ms: number, task: DemoTask): void {
    const worker = task.worker!;
    const { speed } = worker.hardware;
    const factor =
      (task.model.id === this.#slow_model ? SLOW_MODEL_FACTOR : 1) *
      (worker.overloaded ? OVERLOAD_FACTOR : 1);
    const median_ms = (1000 * task.model.processing_s * factor) / speed;
    task.turn++;
    task.status = "running";
    task.started_at_ms = at_ms;
    task.processing_ms = Math.max(50, Math.round(this.#rng.logNormal(median_ms, PROCESSING_SIGMA)));
    task.device = leastBusyDevice(worker);
    worker.running.push(task);
    this.#tell(task, NEWS.started);
  }

  #end(at_ms: number, task: DemoTask, failure: Failure | null): void {
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

  #requeue(at_ms: number, task: DemoTask): void {
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
    this.queued++;
    this.#waiting.add(task);
  }

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

  #planCycle(at_ms: number, number: number): void {
    for (const fault of this.faults.cycle(number)) {
      this.#agenda.add(fault.from_ms, { kind: "fault_begins", fault });
      this.#agenda.add(fault.until_ms, { kind: "fault_ends", fault });
    }
    this.#agenda.add(at_ms + CYCLE_MS, { kind: "cycle", number: number + 1 });
  }

  #beginFault(at_ms: number, fault: Fault): void {
    if (fault.kind === "slow_model") {
      this.#slow_model = fault.model_id;
      return;
    }
    const worker = this.#workerOf(fault);
    if (fault.kind === "drain") worker.status = "draining";
    if (fault.kind === "overload") worker.overloaded = true;
    if (fault.kind === "death") this.#die(at_ms, worker, fault);
    if (fault.kind === "overload" || fault.kind === "stall") {
      this.#victims.set(fault, null);
      this.#seize(at_ms, fault);
    }
  }

  #endFault(at_ms: number, fault: Fault): void {
    if (fault.kind === "slow_model") {
      this.#slow_model = null;
      return;
    }
    const worker = this.#workerOf(fault);
    const seconds = Math.round((fault.until_ms - fault.from_ms) / 1000);
    if (fault.kind === "drain") worker.status = "active";
    if (fault.kind === "death") this.#comeBack(worker);
    if (fault.kind === "overload") {
      worker.overloaded = false;
      this.#release(at_ms, fault, `Killed: it took all cores of the worker for ${seconds} s`);
    }
    if (fault.kind === "stall")
      this.#release(at_ms, fault, `Killed by the watchdog: no progress for ${seconds} s`);
  }

  /** Gets hold of a running task that from now on makes no progress; looks again at the next start if there is none. */
  #seize(at_ms: number, fault: Fault): void {
    const fits = (task: DemoTask) => fault.kind === "overload" || task.model.processing_s < STALLS_BELOW_S;
    const task = this.#workerOf(fault).running.findLast(
      (running) => running.stuck_at === null && fits(running),
    );
    if (task === undefined) return;
    task.turn++;
    task.stuck_at = progressOf(task, at_ms);
    this.#victims.set(fault, task);
  }

  #release(at_ms: number, fault: Fault, message: string): void {
    const task = this.#victims.get(fault);
    this.#victims.delete(fault);
    if (task?.status === "running" && task.stuck_at !== null)
      this.#end(at_ms, task, { message, retry: true });
  }

  #die(at_ms: number, worker: DemoWorker, fault: Fault): void {
    worker.alive = false;
    for (const task of [...worker.running, ...worker.assigned]) {
      task.turn++;
      task.stuck_at = task.status === "running" ? progressOf(task, at_ms) : null;
    }
    this.#agenda.add(at_ms + GIVEN_UP_AFTER_MS, { kind: "worker_given_up", fault });
  }

  #giveUp(at_ms: number, worker: DemoWorker): void {
    const tasks = [...worker.running, ...worker.assigned];
    worker.running.length = 0;
    worker.assigned.length = 0;
    worker.ready.length = 0;
    for (const task of tasks) this.#requeue(at_ms, task);
  }

  #comeBack(worker: DemoWorker): void {
    const { usage } = worker;
    worker.alive = true;
    worker.completed = 0;
    worker.failed = 0;
    worker.reported_status = null;
    usage.devices.fill(0);
    Object.assign(usage, { cpu: 0, memory: 0, network: 0, io: 0, device_memory: 0, load: 0, drift: 0 });
  }

  #workerOf(fault: Fault): DemoWorker {
    return this.#by_id.get(fault.worker_id!)!;
  }

  /** Instants are whole milliseconds from here on. */
  #plan(at_ms: number, due: Due): void {
    this.#agenda.add(Math.ceil(at_ms), due);
  }

  #tell(task: DemoTask, news: number): void {
    if (task.news === 0) this.#news.push(task);
    task.news |= news;
  }
}

/** Percent, a whole number below 100; a task that is stuck stays where it is. */
export function progressOf(task: DemoTask, at_ms: number): number {
  if (task.stuck_at !== null) return task.stuck_at;
  return Math.min(99, Math.floor((100 * (at_ms - task.started_at_ms)) / task.processing_ms));
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
