import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

export interface LoopDelay {
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
  /** How long the loop was at work, by its own account. */
  readonly active_ms: number;
}

/** Asks a process that has loop-delay.mjs for the delay of its event loop. */
export class LoopProbe {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  reset(): void {
    this.#child.send("loop-delay reset");
  }

  /** Since the last reset. */
  async read(): Promise<LoopDelay> {
    this.#child.send("loop-delay read");
    const [delay] = (await once(this.#child, "message")) as [LoopDelay];
    return delay;
  }
}
