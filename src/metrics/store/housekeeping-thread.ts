import { Worker } from "node:worker_threads";
import { EvenkeelError } from "../../errors.ts";
import type { Answer, Asked, ClosedHour, Edges, Housekeeping, OpenHour, Request } from "./housekeeper.ts";

const FROM_SOURCES = import.meta.url.endsWith(".ts");
const MODULE = new URL(`./housekeeping-worker.${FROM_SOURCES ? "ts" : "cjs"}`, import.meta.url);
/** A worker of Node 20 can't load TypeScript: from the sources (tests, development) it takes tsx first. */
const LOAD_SOURCES = `
  const { module, loader } = require("node:worker_threads").workerData;
  import(loader).then(({ register }) => { register(); return import(module); });
`;

/** It would take 32 MiB as well; its slices of 16 hours need little. */
const LIMITS = { maxYoungGenerationSizeMb: 3 };

/** Housekeeping on a thread of its own, started at its first work. */
export class HousekeepingThread implements Housekeeping {
  readonly #path: string;
  #worker: Worker | null = null;
  /** Requests so far: each answer names its own. */
  #asked = 0;
  /** Requests that are not answered yet. */
  #open = 0;

  constructor(path: string) {
    this.#path = path;
  }

  seal(hours: readonly ClosedHour[]): Promise<void> {
    return this.#ask(
      { seal: hours },
      hours.map((hour) => hour.bytes.buffer),
    );
  }

  save(hours: readonly OpenHour[]): Promise<void> {
    return this.#ask(
      { save: hours },
      hours.map((hour) => hour.bytes.buffer),
    );
  }

  noteSaved(row: number): Promise<void> {
    return this.#ask({ saved_row: row }, []);
  }

  trim(edges: Edges): Promise<void> {
    return this.#ask({ trim: edges }, []);
  }

  emptyLog(): Promise<void> {
    return this.#ask({ empty_log: true }, []);
  }

  #ask(request: Request, moved: ArrayBuffer[]): Promise<void> {
    this.#worker ??= this.#start();
    const worker = this.#worker;
    this.#asked += 1;
    this.#open += 1;
    const id = this.#asked;
    return new Promise((resolve, reject) => {
      const settle = (problem: string | null) => {
        this.#open -= 1;
        if (this.#open === 0) worker.unref();
        worker.off("message", answered).off("error", died).off("exit", ended);
        if (problem === null) resolve();
        else reject(new EvenkeelError("unavailable", problem));
      };
      const answered = (answer: Answer) => {
        if (answer.id === id) settle(answer.failure);
      };
      const died = (error: Error) => settle(`The store's housekeeping thread failed: ${error.message}`);
      const ended = () => settle("The store's housekeeping thread ended");
      worker.on("message", answered).on("error", died).on("exit", ended);
      worker.ref();
      worker.postMessage({ id, request } satisfies Asked, moved);
    });
  }

  #start(): Worker {
    const data = { path: this.#path, module: MODULE.href };
    const worker = FROM_SOURCES
      ? new Worker(LOAD_SOURCES, {
          eval: true,
          // Not those of the process, which may say that this is a module.
          execArgv: [],
          resourceLimits: LIMITS,
          workerData: { ...data, loader: import.meta.resolve("tsx/esm/api") },
        })
      : new Worker(MODULE, { workerData: data, resourceLimits: LIMITS });
    // The next work starts another thread if this one dies.
    worker.on("error", () => {});
    worker.on("exit", () => {
      if (this.#worker === worker) this.#worker = null;
    });
    return worker;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }
}
