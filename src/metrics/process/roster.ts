import { loadPart } from "./match.ts";
import type { WorkerEntry } from "./worker.ts";

/** The fleet's workers side by side, as numbers that a loop can run over. */
export class Roster {
  readonly workers: readonly WorkerEntry[];
  /** Place of each worker by its id. */
  readonly places: ReadonlyMap<string, number>;
  readonly load_parts: Float64Array;
  /** 0 where it is not reported. */
  readonly memory_bytes: Float64Array;
  readonly gpu_memory_bytes: Float64Array;
  /** 1 where a worker can be given a task. */
  readonly available: Uint8Array;

  constructor(workers: Iterable<WorkerEntry>) {
    this.workers = [...workers];
    this.places = new Map(this.workers.map(({ id }, place) => [id, place]));
    const { length } = this.workers;
    this.load_parts = new Float64Array(length);
    this.memory_bytes = new Float64Array(length);
    this.gpu_memory_bytes = new Float64Array(length);
    this.available = new Uint8Array(length);
  }

  /** Takes what changes from tick to tick. */
  refresh(): void {
    for (let place = 0; place < this.workers.length; place += 1) {
      const worker = this.workers[place]!;
      const { offer } = worker;
      this.load_parts[place] = loadPart(worker.load);
      this.memory_bytes[place] = offer.memory_bytes ?? 0;
      this.gpu_memory_bytes[place] = offer.gpu_memory_bytes ?? 0;
      this.available[place] = worker.available ? 1 : 0;
    }
  }

  /** Whether the worker at a place has that much memory. */
  holds(place: number, memory_bytes: number, gpu_memory_bytes: number): boolean {
    return this.memory_bytes[place]! >= memory_bytes && this.gpu_memory_bytes[place]! >= gpu_memory_bytes;
  }
}

/** One part of a match, of every worker of a roster: worked out when it is asked for and something changed. */
export class Part {
  readonly values: Float64Array;
  /** Places whose value has to be worked out, each once. */
  #outdated: number[];
  readonly #is_outdated: Uint8Array;

  constructor({ workers }: Roster) {
    this.values = new Float64Array(workers.length);
    this.#outdated = workers.map((_, place) => place);
    this.#is_outdated = new Uint8Array(workers.length).fill(1);
  }

  outdate(place: number): void {
    if (this.#is_outdated[place] === 1) return;
    this.#is_outdated[place] = 1;
    this.#outdated.push(place);
  }

  /** Works out what is outdated. @returns how many values that were */
  update(work: (place: number) => number): number {
    const outdated = this.#outdated;
    this.#outdated = [];
    for (const place of outdated) {
      this.values[place] = work(place);
      this.#is_outdated[place] = 0;
    }
    return outdated.length;
  }
}
