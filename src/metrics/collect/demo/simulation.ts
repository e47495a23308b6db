import { Agenda } from "./agenda.ts";
import { Balancer, ROUND_MS, type TaskEvent } from "./balancer.ts";
import { type Demand, planDemand, swellAt } from "./demand.ts";
import { CYCLE_MS, createFaultScript, type Fault, type FaultScript } from "./faults.ts";
import { createFleet } from "./fleet.ts";
import { createRng, hash, type Rng } from "./rng.ts";
import { Sabotage } from "./sabotage.ts";
import { Scheduler } from "./scheduler.ts";
import type { DemoWorker } from "./state.ts";
import { measure } from "./usage.ts";

/** The fleet works this long before the start, so that whoever opens the page sees it in full swing. */
const WARM_UP_MS = 20_000;
const RUNNING_AT_FIRST = 0.75;
/** How much fewer tasks come in per share of the live tasks that is beyond the target. */
const HOLDING_BACK = 0.5;
const LEAST_DEMAND = 0.02;
const MOST_DEMAND = 1.6;
/** Of a worker that does not answer, the balancer gives the tasks to others after this time. */
const GIVEN_UP_AFTER_MS = 75_000;

type Due =
  | TaskEvent
  | { kind: "arrival" | "round" }
  | { kind: "cycle"; number: number }
  | { kind: "fault_begins" | "fault_ends" | "worker_given_up"; fault: Fault };

export interface SimulationOptions {
  workers: number;
  /** Tasks that are to be live at a usual moment. */
  tasks: number;
  seed: number;
  start_ms: number;
}

/** A load balancer and its fleet, event by event. It knows no time but what it is told. */
export class Simulation {
  readonly workers: readonly DemoWorker[];
  readonly balancer: Balancer;
  readonly faults: FaultScript;
  readonly sabotage: Sabotage;
  readonly #options: SimulationOptions;
  readonly #agenda = new Agenda<Due>();
  readonly #rng: Rng;
  readonly #noise: Rng;
  readonly #demand: Demand;

  constructor(options: SimulationOptions) {
    const { seed, start_ms } = options;
    this.#options = options;
    this.#rng = createRng(hash(seed, 1));
    this.#noise = createRng(hash(seed, 2));
    this.workers = createFleet(options.workers, options.tasks);
    const scheduler = new Scheduler(this.workers, createRng(hash(seed, 3)));
    this.#demand = planDemand(this.workers, scheduler, options.tasks);
    this.balancer = new Balancer({
      scheduler,
      demand: this.#demand,
      rng: this.#rng,
      id_prefix: `t-${start_ms.toString(36)}`,
      plan: (at_ms, event) => this.#agenda.add(at_ms, event),
    });
    const struck = this.workers.filter((worker) => worker.hardware.pool === "gpu").map((worker) => worker.id);
    this.faults = createFaultScript(seed, start_ms, struck);
    this.sabotage = new Sabotage(this.balancer, this.workers);
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

  #warmUp(from_ms: number): void {
    const { tasks, start_ms } = this.#options;
    const running = Math.round(tasks * RUNNING_AT_FIRST);
    for (let i = 0; i < running; i++) this.balancer.arriveRunning(from_ms);
    this.#agenda.add(from_ms, { kind: "arrival" });
    this.#agenda.add(from_ms, { kind: "round" });
    this.#agenda.add(start_ms, { kind: "cycle", number: 0 });
    for (let at_ms = from_ms; at_ms < start_ms; at_ms += 1000) {
      this.advance(at_ms);
      this.measure();
    }
  }

  #happen(at_ms: number, due: Due): void {
    switch (due.kind) {
      case "arrival":
        this.balancer.arrive(at_ms);
        this.#planArrival(at_ms);
        break;
      case "round":
        this.balancer.serveRound(at_ms);
        this.sabotage.seize(at_ms);
        this.#agenda.add(at_ms + ROUND_MS, due);
        break;
      case "cycle":
        this.#planCycle(at_ms, due.number);
        break;
      case "fault_begins":
        this.sabotage.begin(at_ms, due.fault);
        if (due.fault.kind !== "death") break;
        this.#agenda.add(at_ms + GIVEN_UP_AFTER_MS, { kind: "worker_given_up", fault: due.fault });
        break;
      case "fault_ends":
        this.sabotage.end(at_ms, due.fault);
        break;
      case "worker_given_up":
        this.sabotage.giveUp(at_ms, due.fault);
        break;
      default:
        this.balancer.happen(at_ms, due);
    }
  }

  /** Clients hold back while much is waiting, and bring more while little is: so the target is met roughly. */
  #planArrival(at_ms: number): void {
    const { tasks, start_ms } = this.#options;
    const swell = swellAt(at_ms - start_ms);
    const beyond = this.balancer.live.size / (tasks * swell) - 1;
    const trim = Math.max(LEAST_DEMAND, Math.min(MOST_DEMAND, 1 - HOLDING_BACK * beyond));
    const wait_ms = this.#rng.exponential(1000 / (this.#demand.rate_per_s * swell * trim));
    this.#agenda.add(at_ms + wait_ms, { kind: "arrival" });
  }

  #planCycle(at_ms: number, number: number): void {
    for (const fault of this.faults.cycle(number)) {
      this.#agenda.add(fault.from_ms, { kind: "fault_begins", fault });
      this.#agenda.add(fault.until_ms, { kind: "fault_ends", fault });
    }
    this.#agenda.add(at_ms + CYCLE_MS, { kind: "cycle", number: number + 1 });
  }
}
