import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Delivered, Open } from "./viewer-client.ts";

/** The panels of the main page, as its stream names them. */
export const PANELS = "overview,worker-grid,task-distribution,performance,resources,alerts";

/** Descriptors that a process has open beside its connections. */
const OTHER_FILES = 200;

/** Starts a script of this folder in a process of its own that is talked to by messages. */
export function forkScript(name: string, args: readonly string[] = []): ChildProcess {
  const path = fileURLToPath(new URL(name, import.meta.url));
  return fork(path, args, {
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
}

/** A process with viewers of streams. */
export class Audience {
  readonly #child: ChildProcess = forkScript("viewer-client.ts");

  async open(open: Open): Promise<void> {
    await this.#ask({ open });
  }

  measure(measure_ms: number): Promise<Delivered> {
    return this.#ask({ measure_ms }) as Promise<Delivered>;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.send("close");
    await exit;
  }

  async #ask(question: object): Promise<unknown> {
    this.#child.send(question);
    const ended = once(this.#child, "exit").then(() => {
      throw new Error("the viewers' process ended; see above");
    });
    const [answer] = await Promise.race([once(this.#child, "message"), ended]);
    ended.catch(() => {});
    return answer;
  }
}

/** Connections that one process may have here: its limit of open files, which `ulimit -n` shows, without those that it needs. */
export function connectionsLimit(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  // Node raises the soft limit to the hard one when it starts.
  const [, hard = "0"] = /^Max open files\s+\S+\s+(\S+)/m.exec(limits) ?? [];
  return (hard === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(hard)) - OTHER_FILES;
}
