import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type LoopDelay, LoopProbe } from "./loop-probe.ts";
import { machineCpu_s, ownCpu_s } from "./processes.ts";

const LOOP_DELAY = fileURLToPath(new URL("./loop-delay.mjs", import.meta.url));

/** How disturbed the machine was while something was measured. */
export interface Noise {
  /** Cores that processes took which are no part of the measurement. */
  readonly others_cores: number;
  /** Event-loop delay of a Node process that does nothing: what any figure here has to live with. */
  readonly idle: LoopDelay;
}

/** Watches the machine beside a measurement. */
export class NoiseMeter {
  readonly #probe: LoopProbe;
  readonly #end: () => Promise<void>;
  #started = { at_ms: 0, others_s: 0 };

  private constructor(probe: LoopProbe, end: () => Promise<void>) {
    this.#probe = probe;
    this.#end = end;
  }

  static async start(): Promise<NoiseMeter> {
    const child = spawn(
      process.execPath,
      ["--import", LOOP_DELAY, "-e", "setInterval(() => {}, 1e6); process.send('up')"],
      { stdio: ["ignore", "inherit", "inherit", "ipc"] },
    );
    await once(child, "message");
    const meter = new NoiseMeter(new LoopProbe(child), async () => {
      child.kill();
      await once(child, "exit");
    });
    meter.reset();
    return meter;
  }

  reset(): void {
    this.#probe.reset();
    this.#started = { at_ms: performance.now(), others_s: machineCpu_s() - ownCpu_s() };
  }

  /** Since the last reset. */
  async read(): Promise<Noise> {
    const others_s = machineCpu_s() - ownCpu_s() - this.#started.others_s;
    const elapsed_s = (performance.now() - this.#started.at_ms) / 1000;
    return { others_cores: Math.max(0, others_s / elapsed_s), idle: await this.#probe.read() };
  }

  stop(): Promise<void> {
    return this.#end();
  }
}

export function inWords({ others_cores, idle }: Noise): string {
  const delay = `p99 ${idle.p99_ms.toFixed(1)} ms, max ${idle.max_ms.toFixed(0)} ms`;
  return `others took ${others_cores.toFixed(2)} cores; an idle process's loop delay ${delay}`;
}
