import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What a process holds after a collection. */
export interface Held {
  /** JavaScript's heap and buffers. */
  readonly heap_bytes: number;
  readonly rss_bytes: number;
}

/** Flags of node that a process needs to be asked. */
export const HEAP_PROBE_ARGS = [
  "--expose-gc",
  "--import",
  fileURLToPath(new URL("./heap-probe.mjs", import.meta.url)),
];

/** Asks a process that has heap-probe.mjs to collect its garbage, and for what is left. */
export class HeapProbe {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  async read(): Promise<Held> {
    this.#child.send("heap read");
    const [held] = (await once(this.#child, "message")) as [Held];
    return held;
  }
}
