/** What the tests of scraping share: targets, real programs, and a fleet that hears of what was scraped. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { ManualClock } from "../../../clock.ts";
import { pipelineWith } from "../../../pipeline-fixture.ts";
import type { Read } from "../../../read.ts";
import { openStore } from "../../../store/sqlite.ts";
import type { Connector, Poll } from "../connector.ts";
import { PROMETHEUS } from "./prometheus.ts";

export const START_MS = Date.UTC(2026, 10, 23, 18, 24, 16);
const TEXT = "text/plain; version=0.0.4";

export interface Target {
  readonly url: string;
  /** What it answers from now on; null lets a request hang. */
  body: string | null;
  type: string;
  status: number;
  /** What it was asked with, in order. */
  readonly asked: IncomingHttpHeaders[];
  close(): Promise<void>;
}

/** An exporter that says what it is told to. */
export async function target(body: string | null, type = TEXT): Promise<Target> {
  const asked: IncomingHttpHeaders[] = [];
  const { origin, close } = await serving((request, response) => {
    asked.push(request.headers);
    if (one.body !== null) response.writeHead(one.status, { "Content-Type": one.type }).end(one.body);
  });
  const one: Target = { url: `${origin}/metrics`, body, type, status: 200, asked, close };
  return one;
}

export async function serving(
  listener: RequestListener,
): Promise<{ origin: string; port: number; close(): Promise<void> }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { origin: `http://127.0.0.1:${port}`, port, close };
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const { port, close } = await serving(() => {});
  await close();
  return port;
}

export interface Running {
  /** What the pattern of readiness caught. */
  readonly found: string;
  stop(): Promise<void>;
}

/** Starts a program and waits until its log says that it is ready. */
export async function running(program: string, args: readonly string[], ready: RegExp): Promise<Running> {
  const child: ChildProcess = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stderr! })) {
    said.push(line);
    const [, found] = ready.exec(line) ?? [];
    if (found === undefined) continue;
    child.stderr!.resume();
    const stop = async () => {
      child.kill("SIGKILL");
      await gone;
    };
    return { found, stop };
  }
  throw new Error(`${program} ended: ${said.join("\n")}`);
}

/** Starts a program and waits until an address of it answers. */
export async function answering(program: string, args: readonly string[], url: string): Promise<Running> {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  const said: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => void said.push(text));
  const gone = new Promise((resolve) => child.once("exit", resolve));
  // Whoever starts needs the processor more than whoever waits.
  while (child.exitCode === null && !(await fetch(url).catch(() => null))?.ok) await setTimeout(20);
  if (child.exitCode !== null) throw new Error(`${program} ended: ${said.join("")}`);
  const stop = async () => {
    child.kill("SIGKILL");
    await gone;
  };
  return { found: url, stop };
}

export function connector(config: object, timeout_ms = 2000): Connector {
  const parsed = PROMETHEUS.schema.parse(config);
  return PROMETHEUS.create(parsed, { name: "scraped", interval_ms: 1000, timeout_ms });
}

/** A fleet that hears each second of what a connector found. */
export class ScrapedFleet {
  readonly connector: Connector;
  saw = "";
  readonly #folder = mkdtempSync(join(tmpdir(), "evenkeel-scrape-"));
  readonly #clock = new ManualClock(START_MS);
  readonly #store = openStore(join(this.#folder, "fleet.db"), { housekeeping: "inline" });
  readonly #pipeline = pipelineWith(this.#store, this.#clock);

  constructor(config: object) {
    this.connector = connector(config);
  }

  get read(): Read {
    return this.#pipeline.read();
  }

  /** A second later; what is refused is thrown. */
  async poll(): Promise<Poll> {
    this.#clock.advance(1000);
    const now_ms = this.#clock.now();
    const poll = await this.connector.poll(now_ms, new AbortController().signal);
    const reports = poll.reports.map((report) => ({ ...report, source: "scraped", interval_s: 1 }));
    await this.#pipeline.collector.take(reports);
    this.#pipeline.tick(now_ms);
    this.saw = poll.saw;
    return poll;
  }

  /** Polls until it is so. */
  async until(holds: (read: Read) => boolean): Promise<Read> {
    do {
      await this.poll();
      await new Promise(setImmediate);
    } while (!holds(this.read));
    return this.read;
  }

  metrics(worker_id: string): Record<string, number> {
    return Object.fromEntries(this.read.worker(worker_id)?.metrics ?? []);
  }

  async close(): Promise<void> {
    await this.#store.close();
    rmSync(this.#folder, { recursive: true });
  }
}
