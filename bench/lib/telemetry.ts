import type { SeriesName } from "../../src/metrics/range.ts";
import type { Source } from "./full-store.ts";

/** The metrics of a worker, in the order in which a second's values come. */
export const WORKER_METRICS = [
  "cpu_utilization",
  "memory_utilization",
  "gpu_utilization",
  "gpu_memory_utilization",
  "network_utilization",
  "io_utilization",
  "memory_bytes",
  "running_tasks",
  "queued_tasks",
  "load",
] as const;
/** What the fleet's own series are made of: the mean and the largest over the workers. */
const RESOURCES = ["cpu", "memory", "gpu", "network"] as const;

const PAGE_BYTES = 4096;
const MEMORY_BYTES = [64, 128, 256].map((gib) => gib * 2 ** 30);
const SLOTS = [4, 8, 12, 16] as const;
/** How long a task runs, mean. */
const TASK_S = 40;
/** How long a task fetches what it needs before it runs, mean: it is queued on its worker meanwhile. */
const FETCH_S = 2.5;
/** Share of the slots that run a task on average, and how far a day swings it. */
const BUSY = 0.7;
const SWING = 0.2;
const DAY_S = 86_400;

/** Percent, one standard deviation: what a sampler of one second sees beside what the tasks explain. */
const NOISE = {
  /** Scheduling and interrupts: changes from second to second, about a level that drifts for some seconds. */
  cpu: 0.6,
  drift: 0.5,
  /** Caches that fill and drain. */
  memory: 0.01,
  /** A device's busy time comes in whole percent. */
  gpu: 1.2,
  network: 0.6,
  io: 0.4,
};
const DRIFT_MEMORY = 0.85;
/** A disk that nobody uses is not busy at all; now and then something is written. */
const FLUSHES = 0.03;

/**
 * A fleet's utilisation, second by second: the tasks that come and go make steps, on them lie drift and a
 * sampler's noise. Seeded, so that each run stores the same.
 */
export class Telemetry implements Source {
  readonly names: readonly SeriesName[];
  readonly #workers: readonly Machine[];
  readonly #random: Random;
  #second: number;

  constructor(workers: readonly string[], seed: number, start_second: number) {
    this.#random = new Random(seed);
    this.#workers = workers.map((_, index) => new Machine(index, this.#random));
    this.#second = start_second;
    this.names = [
      ...workers.flatMap((entity) =>
        WORKER_METRICS.map((metric) => ({ scope: "worker" as const, entity, metric })),
      ),
      ...RESOURCES.flatMap((resource) =>
        ["mean", "max"].map((of) => ({
          scope: "system" as const,
          entity: "",
          metric: `${resource}_utilization_${of}`,
        })),
      ),
    ];
  }

  get second(): number {
    return this.#second;
  }

  next(values: Float64Array): void {
    const swell = 1 + SWING * Math.sin((2 * Math.PI * this.#second) / DAY_S);
    let at = 0;
    for (const machine of this.#workers) {
      machine.live(this.#random, BUSY * swell);
      at = machine.write(values, at);
    }
    for (let resource = 0; resource < RESOURCES.length; resource++) {
      // The first metrics are the resources, but for the device's memory between them.
      const offset = WORKER_METRICS.indexOf(`${RESOURCES[resource]!}_utilization`);
      let [sum, max] = [0, 0];
      for (let i = offset; i < this.#workers.length * WORKER_METRICS.length; i += WORKER_METRICS.length) {
        sum += values[i]!;
        max = Math.max(max, values[i]!);
      }
      values[at++] = sum / this.#workers.length;
      values[at++] = max;
    }
    this.#second++;
  }
}

/** One worker; a method of a few lines a second, since there are sixty million of them in a week. */
class Machine {
  readonly #slots: number;
  readonly #memory_bytes: number;
  /** What a full set of slots asks of each resource, percent. */
  readonly #draw: { cpu: number; memory: number; gpu: number; gpu_memory: number };
  #running: number;
  #queued = 0;
  #drift = 0;
  #cpu = 10;
  #memory = 20;
  #gpu = 0;
  #gpu_memory = 4;
  #network = 3;
  #io = 0;

  constructor(index: number, random: Random) {
    this.#slots = SLOTS[index % SLOTS.length]!;
    this.#memory_bytes = MEMORY_BYTES[index % MEMORY_BYTES.length]!;
    this.#running = Math.round(this.#slots * BUSY);
    this.#draw = {
      cpu: 40 + 40 * random.next(),
      memory: 35 + 30 * random.next(),
      // Two of five have no device.
      gpu: index % 5 < 3 ? 60 + 30 * random.next() : 0,
      gpu_memory: index % 5 < 3 ? 50 + 30 * random.next() : 0,
    };
  }

  live(random: Random, busy: number): void {
    this.#runTasks(random, busy);
    const fullness = this.#running / this.#slots;
    this.#drift =
      DRIFT_MEMORY * this.#drift + NOISE.drift * Math.sqrt(1 - DRIFT_MEMORY ** 2) * random.normal();
    const { cpu, memory, gpu, gpu_memory } = this.#draw;
    this.#cpu = follow(this.#cpu, 5 + cpu * fullness, 0.5);
    this.#memory = follow(this.#memory, 18 + memory * fullness, 0.1) + NOISE.memory * random.normal();
    this.#gpu = follow(this.#gpu, gpu * fullness, 0.6);
    this.#gpu_memory = follow(this.#gpu_memory, gpu_memory > 0 ? 4 + gpu_memory * fullness : 0, 0.7);
    this.#network = follow(this.#network, 3 + 8 * fullness + 40 * (this.#queued / this.#slots), 0.5);
    this.#io = follow(this.#io, 30 * (this.#queued / this.#slots) + (random.next() < FLUSHES ? 15 : 0), 0.5);
    this.#noise = {
      cpu: this.#drift + NOISE.cpu * random.normal(),
      gpu: this.#gpu > 1 ? NOISE.gpu * random.normal() : 0,
      network: this.#drift + NOISE.network * random.normal(),
      io: this.#io > 0.5 ? NOISE.io * random.normal() : 0,
    };
  }

  #noise = { cpu: 0, gpu: 0, network: 0, io: 0 };

  #runTasks(random: Random, busy: number): void {
    if (random.next() < this.#running / TASK_S) this.#running--;
    if (this.#queued > 0 && this.#running < this.#slots && random.next() < this.#queued / FETCH_S) {
      this.#queued--;
      this.#running++;
    }
    // As many come as end at that fullness; fewer where they pile up.
    if (this.#queued < this.#slots && random.next() < (busy * this.#slots) / TASK_S) this.#queued++;
  }

  /** @returns where the next worker's values begin */
  write(values: Float64Array, at: number): number {
    const cpu = percent(this.#cpu + this.#noise.cpu);
    const memory = percent(this.#memory);
    const gpu = Math.round(percent(this.#gpu + this.#noise.gpu));
    const network = percent(this.#network + this.#noise.network);
    const io = percent(this.#io < 0.5 ? 0 : this.#io + this.#noise.io);
    values[at] = cpu;
    values[at + 1] = memory;
    values[at + 2] = gpu;
    values[at + 3] = this.#gpu_memory;
    values[at + 4] = network;
    values[at + 5] = io;
    values[at + 6] = Math.round((memory / 100) * (this.#memory_bytes / PAGE_BYTES)) * PAGE_BYTES;
    values[at + 7] = this.#running;
    values[at + 8] = this.#queued;
    values[at + 9] = 0.3 * cpu + 0.3 * memory + 0.2 * gpu + 0.1 * io + 0.1 * network;
    return at + WORKER_METRICS.length;
  }
}

function follow(value: number, target: number, response: number): number {
  return value + response * (target - value);
}

function percent(value: number): number {
  return Math.min(100, Math.max(0, value));
}

/** xorshift32: a few nanoseconds a number. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 2654435761) | 1;
  }

  /** 0 to 1, exclusive. */
  next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) / 2 ** 32;
  }

  /** Nearly a normal deviate of mean 0 and deviation 1: the sum of four uniform ones. */
  normal(): number {
    return (this.next() + this.next() + this.next() + this.next() - 2) * Math.sqrt(3);
  }
}
