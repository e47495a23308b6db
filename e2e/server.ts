import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const START_MS = 15_000;
const STOP_MS = 10_000;
const LISTENING = /Evenkeel is listening on (https?:\/\/\S+)/;
const BIN = fileURLToPath(new URL("../bin/evenkeel.js", import.meta.url));

export interface ServerOptions {
  /** EVENKEEL_* variables; those of the calling shell are left out. */
  env?: Record<string, string>;
  /** More flags of `evenkeel serve`. */
  args?: string[];
  /** A database that outlives the server; without it, one of its own that is deleted in the end. */
  db?: string;
  /** Where a server listened before; without it, any free port. */
  port?: number;
  /** No file may grow beyond so many KiB, as if the disk were full; `roomAgain` ends it. */
  room_kib?: number;
}

export interface Server {
  /** Ends with a slash. */
  readonly url: string;
  readonly port: number;
  /** Ends the server in order; resolves with its exit code, null where a signal ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Ends the server as a crash would (SIGKILL). */
  kill(): Promise<void>;
  /** Lets its files grow as they like. */
  roomAgain(): void;
  /** What it has printed, both streams. */
  output(): string;
}

/** Starts `evenkeel serve` from dist/; rejects with its output if it doesn't listen. */
export async function startServer({
  env = {},
  args = [],
  db,
  port = 0,
  room_kib,
}: ServerOptions = {}): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-e2e-"));
  const file = db ?? join(folder, "evenkeel.db");
  const child = spawnEvenkeel(["serve", "--port", String(port), "--db", file, ...args], env, room_kib);
  child.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  let output = "";
  const url = await new Promise<string>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`evenkeel serve ${why}:\n${output}`));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail(`did not listen within ${START_MS} ms`);
    }, START_MS);
    const read = (text: string) => {
      output += text;
      const [, listening] = LISTENING.exec(output) ?? [];
      if (listening === undefined) return;
      clearTimeout(timer);
      resolve(listening);
    };
    child.stdout.setEncoding("utf8").on("data", read);
    child.stderr.setEncoding("utf8").on("data", read);
    child.once("exit", (code) => {
      clearTimeout(timer);
      fail(`ended with exit code ${code}`);
    });
  });
  return {
    url,
    port: Number(new URL(url).port),
    roomAgain: () => void execFileSync("prlimit", ["--pid", String(child.pid), "--fsize=unlimited"]),
    output: () => output,
    stop: (signal = "SIGTERM") => end(child, signal),
    kill: async () => {
      await end(child, "SIGKILL");
    },
  };
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a command of `evenkeel` to its end, with no EVENKEEL_* variables but those given. */
export async function runEvenkeel(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  return finished(spawnEvenkeel(args, env));
}

/** Waits for the end of a process and gathers what it prints. */
export async function finished(child: ReturnType<typeof spawnEvenkeel>): Promise<Ended> {
  const ended: Ended = { code: null, stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    ended.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    ended.stderr += text;
  });
  const [code] = await once(child, "close");
  return { ...ended, code };
}

/** A process whose file has grown too large is told by a signal that would end it, and by an error. */
const WITH_LIMIT = 'ulimit -S -f "$0"; trap "" XFSZ; exec "$@"';

/** Starts a command of `evenkeel`, with no EVENKEEL_* variables but those given. */
export function spawnEvenkeel(args: string[], env: Record<string, string> = {}, room_kib?: number) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("EVENKEEL_"));
  const command = [process.execPath, BIN, ...args];
  const [program = "", ...rest] =
    room_kib === undefined ? command : ["bash", "-c", WITH_LIMIT, String(room_kib), ...command];
  return spawn(program, rest, {
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exit = once(child, "exit");
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await exit;
  clearTimeout(timer);
  if (signal !== "SIGKILL" && child.signalCode === "SIGKILL")
    throw new Error(`evenkeel serve did not end within ${STOP_MS} ms of ${signal}`);
  return child.exitCode;
}
