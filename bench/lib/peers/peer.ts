import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, type ProgramName } from "../../../e2e/programs.ts";
import { answering } from "../http.ts";

/** Another dashboard, or ours, that is to show the same fleet. */
export interface Peer {
  readonly name: string;
  /** Why it can't be measured on this machine, or null where it can. */
  missing(): string | null;
  /**
   * On ports and in a folder of its own, fed from now on.
   * @param atEnd takes what is to be done once it is measured, or did not come up; the last comes first
   * @throws where it does not come up
   */
  start(atEnd: (end: End) => void): Promise<RunningPeer>;
}

export type End = () => void | Promise<void>;

export interface RunningPeer {
  /** With its version. */
  readonly title: string;
  /** The page that is nearest to our dashboard. */
  readonly url: string;
  /** The first figure of the fleet on that page: a CSS selector. */
  readonly data: string;
  /** What of the fleet is on that page, and how it is kept up to date. */
  readonly shows: string;
  /** The processes that serve it, without those that they start: who feeds it is not among them. */
  readonly pids: readonly number[];
}

const STOP_MS = 10_000;
const KEPT_OUTPUT = 4000;

/** A server in the foreground, in a process of its own that ends with the bench. */
export class Daemon {
  readonly pid: number;
  readonly #program: string;
  readonly #child: ChildProcess;
  readonly #kill = () => this.#child.kill("SIGKILL");
  #output = "";

  constructor(program: string, args: readonly string[], cwd: string) {
    this.#program = program;
    this.#child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    this.pid = this.#child.pid ?? 0;
    process.once("exit", this.#kill);
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#output = (this.#output + text).slice(-KEPT_OUTPUT);
      });
  }

  /** @throws with the last of its output where it ends before it answers */
  answersAt(url: string): Promise<void> {
    return answering(url, () => {
      if (this.#hasEnded)
        throw new Error(`${this.#program} ended: ${this.#output.trim().split("\n").at(-1)}`);
    });
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async stop(): Promise<void> {
    process.off("exit", this.#kill);
    if (this.#hasEnded) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    const timer = setTimeout(this.#kill, STOP_MS);
    await exit;
    clearTimeout(timer);
  }
}

/** Where a peer keeps what is its own; gone when the bench ends. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `evenkeel-bench-${name}-`));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function missingProgram(name: ProgramName, debian_package: string): string | null {
  return findProgram(name) === undefined
    ? `no ${name}: it comes with Debian's package ${debian_package}`
    : null;
}

/** What the program says of itself, by the first group of the pattern. */
export function versionOf(program: string, arg: string, pattern: RegExp): string {
  const { stdout, stderr } = spawnSync(program, [arg], { encoding: "utf8" });
  return pattern.exec(stdout + stderr)?.[1] ?? "of unknown version";
}
