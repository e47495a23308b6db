import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HeapProbe } from "./heap-probe.ts";
import { LoopProbe } from "./loop-probe.ts";
import { cpu_s, rss_bytes } from "./processes.ts";

const START_MS = 30_000;
const STOP_MS = 15_000;
const LISTENING = /Evenkeel is listening on (http:\/\/\S+)/;
const LOOP_DELAY = fileURLToPath(new URL("./loop-delay.mjs", import.meta.url));

interface ServerOptions {
  /** A folder made by `buildCopy`. */
  readonly build: string;
  /** More flags of `evenkeel serve`. */
  readonly args?: readonly string[];
  /** A database that outlives the server; without it, one of its own that is deleted in the end. */
  readonly db?: string;
  readonly port?: number;
  /** More flags of node. */
  readonly node_args?: readonly string[];
}

/** What the status page says of the server itself, as far as it is reported here. */
export interface Status {
  readonly ticks: number;
  readonly tick_p50_ms: number;
  readonly tick_p99_ms: number;
  readonly ticks_late: number;
  readonly ticks_skipped: number;
  readonly viewers: number;
  readonly viewers_dropped: number;
  readonly reports_accepted: number;
  readonly store_error: string | null;
}

/** `evenkeel serve` without the demo, in a process of its own. */
export class Server {
  /** Ends with a slash. */
  readonly url: string;
  readonly pid: number;
  readonly loop: LoopProbe;
  /** Answers where the server was started with HEAP_PROBE_ARGS. */
  readonly heap: HeapProbe;
  /** Errors that it has logged since it listens: a fault that a reader of the figures should see. */
  readonly errors: string[];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string, errors: string[]) {
    this.errors = errors;
    this.#child = child;
    this.url = url;
    this.pid = child.pid!;
    this.loop = new LoopProbe(child);
    this.heap = new HeapProbe(child);
  }

  /** Resolves once it says that it listens; rejects with its output where it doesn't. */
  static async start(options: ServerOptions): Promise<Server> {
    const { build, args = [], port = 0, node_args = [] } = options;
    const folder = mkdtempSync(join(tmpdir(), "evenkeel-bench-db-"));
    const db = options.db ?? join(folder, "evenkeel.db");
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("EVENKEEL_"));
    const child = spawn(
      process.execPath,
      [
        ...["--import", LOOP_DELAY, ...node_args, join(build, "bin/evenkeel.js")],
        ...["serve", "--port", String(port), "--db", db, ...args],
      ],
      {
        env: { ...Object.fromEntries(inherited), EVENKEEL_DEMO: "off" },
        stdio: ["ignore", "pipe", "pipe", "ipc"],
      },
    );
    const kill = () => child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("exit", () => {
      process.off("exit", kill);
      rmSync(folder, { recursive: true, force: true });
    });
    const errors: string[] = [];
    return new Server(child, await listening(child, errors), errors);
  }

  cpu_s(): number {
    return cpu_s(this.pid);
  }

  rss_bytes(): number {
    return rss_bytes(this.pid);
  }

  async status(): Promise<Status> {
    return (await (await fetch(`${this.url}api/status`)).json()) as Status;
  }

  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    await this.#end("SIGTERM");
    clearTimeout(timer);
  }

  /** As a crash would end it. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.kill(signal);
    await exit;
  }
}

function listening(child: ChildProcess, errors: string[]): Promise<string> {
  let output = "";
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`evenkeel serve ${why}:\n${output}`));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail(`did not listen within ${START_MS} ms`);
    }, START_MS);
    let found = false;
    const read = (text: string) => {
      if (found) {
        errors.push(...text.split("\n").filter((line) => /^(error|evenkeel:)/.test(line)));
        return;
      }
      output += text;
      const [, url] = LISTENING.exec(output) ?? [];
      if (url === undefined) return;
      found = true;
      output = "";
      clearTimeout(timer);
      resolve(url);
    };
    child.stdout!.setEncoding("utf8").on("data", read);
    child.stderr!.setEncoding("utf8").on("data", read);
    child.once("exit", (code) => {
      clearTimeout(timer);
      if (!found) fail(`ended with exit code ${code}`);
    });
  });
}
