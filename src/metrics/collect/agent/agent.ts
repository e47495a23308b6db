import type { Clock } from "../../clock.ts";
import { backOff_ms } from "../back-off.ts";
import { type Delivery, deliver, type Send, type Sleep } from "../sender.ts";
import { figures, type Reading } from "./figures.ts";
import { type GpuReading, gpuFigures } from "./gpus.ts";
import type { Machine } from "./machine.ts";
import { Outbox, type Waiting } from "./outbox.ts";

export interface AgentOptions {
  machine: Machine;
  /** The GPUs as they were last read. */
  gpus: () => readonly GpuReading[];
  worker: AgentWorker;
  interval_ms: number;
  send: Send;
  clock: Clock;
  elapsed_ms: () => number;
  /** From 0 to below 1. */
  random: () => number;
  sleep: Sleep;
  /** Ends the agent, after one last try to send what waits. */
  signal: AbortSignal;
  /** A line for whoever runs it; each kind of trouble is told once. */
  say(line: string): void;
}

/** The worker that the machine is. */
export interface AgentWorker {
  readonly id: string;
  readonly hostname: string;
  /** Empty where only others tell. */
  readonly type: string;
  /** Empty where only others tell. */
  readonly tags: readonly string[];
  /** The agent's own. */
  readonly version: string;
}

const BATCH = 200;
/** Back soon after its server: nobody counts as silent within three intervals, nor within 3 s. */
const LONGEST_PAUSE_INTERVALS = 2;
const LONGEST_PAUSE_LEAST_MS = 2000;
/** The last try must not keep a machine from shutting down. */
const LAST_TRY_MS = 2000;
/**
 * What hardly changes is told again this often: a server may have begun with an empty database. Not each time, since
 * a coordinator may know the same worker by other words, and the newest word counts.
 */
const IDENTITY_EVERY_MS = 600_000;
/** Cleared where the devices can't be read any more. */
const NO_GPUS = {
  gpus: null,
  metrics: {
    gpu_utilization: null,
    gpu_memory_utilization: null,
    gpu_temperature_celsius: null,
    gpu_memory_bytes: null,
    gpu_power_watts: null,
  },
} as const;

/** Reports a machine each interval until the signal aborts; what the server does not take meanwhile waits, bounded. */
export async function runAgent(options: AgentOptions): Promise<void> {
  const agent = new Agent(options);
  await Promise.all([agent.measure(), agent.send()]);
  await agent.sendLast();
}

class Agent {
  readonly #options: AgentOptions;
  readonly #outbox = new Outbox();
  #had_gpus = false;
  /** What the server was last told of the worker, and when. */
  #identity: { text: string; elapsed_ms: number } | null = null;
  #failures = 0;
  #trouble = "";
  #dropped_told = 0;
  readonly #rejections_told = new Set<string>();

  constructor(options: AgentOptions) {
    this.#options = options;
  }

  /** At whole multiples of the interval; one that was slept through is left out. */
  async measure(): Promise<void> {
    const { machine, clock, interval_ms, sleep, signal } = this.#options;
    let before = await machine.read();
    while (true) {
      await sleep(interval_ms - (clock.now() % interval_ms), signal);
      if (signal.aborted) return;
      const reading = await machine.read();
      await this.#report(before, reading);
      before = reading;
    }
  }

  async #report(before: Reading, reading: Reading): Promise<void> {
    const { worker, gpus, machine, interval_ms, clock, elapsed_ms } = this.#options;
    const at_ms = clock.now();
    const devices = gpuFigures(gpus());
    const has_gpus = devices.gpus.length > 0;
    const identity = JSON.stringify({
      hostname: worker.hostname,
      ...(worker.type !== "" && { type: worker.type }),
      ...(worker.tags.length > 0 && { tags: worker.tags }),
      capabilities: {
        ...(await machine.capabilities()),
        ...(has_gpus && devices.capabilities),
        agent_version: worker.version,
      },
    });
    const told = this.#identity;
    const is_due =
      told === null || told.text !== identity || elapsed_ms() - told.elapsed_ms >= IDENTITY_EVERY_MS;
    const cleared = !has_gpus && this.#had_gpus ? NO_GPUS : null;
    this.#had_gpus ||= has_gpus;
    const entry = {
      id: worker.id,
      ...(is_due && JSON.parse(identity)),
      metrics: { ...figures(before, reading), ...devices.metrics, ...cleared?.metrics },
      ...(has_gpus && { gpus: devices.gpus }),
      ...(cleared && { gpus: cleared.gpus }),
    };
    const report = {
      at: at_ms,
      source: `agent-${worker.id}`,
      interval_s: interval_ms / 1000,
      workers: [entry],
    };
    this.#outbox.add({ at_ms, text: JSON.stringify(report), identity: is_due ? identity : null });
  }

  async send(): Promise<void> {
    const { signal, sleep, random, interval_ms } = this.#options;
    const longest_ms = Math.max(LONGEST_PAUSE_LEAST_MS, LONGEST_PAUSE_INTERVALS * interval_ms);
    while (!signal.aborted) {
      await this.#outbox.filled(signal);
      if (signal.aborted) return;
      if (await this.#sendOldest()) continue;
      this.#failures += 1;
      await sleep(backOff_ms(this.#failures, longest_ms, random), signal);
    }
  }

  /** What waits at the end, if the server takes it at once. */
  async sendLast(): Promise<void> {
    const all = async () => {
      while (this.#outbox.size > 0 && (await this.#sendOldest(false)));
    };
    await Promise.race([all(), this.#options.sleep(LAST_TRY_MS)]);
  }

  async #sendOldest(patient = true): Promise<boolean> {
    const { send, sleep, signal, clock } = this.#options;
    const batch = this.#outbox.oldest(BATCH, clock.now());
    if (batch.length === 0) return true;
    try {
      const lines = batch.map(({ text }) => text);
      const delivery = await deliver(send, lines, { sleep, signal: patient ? signal : undefined });
      if (delivery.accepted + delivery.rejected === 0) return false;
      this.#delivered(batch, delivery);
      return true;
    } catch (error) {
      this.#complain((error as Error).message);
      return false;
    }
  }

  #delivered(batch: readonly Waiting[], { accepted, errors }: Delivery): void {
    this.#outbox.taken(batch);
    const identity = batch.findLast((report) => report.identity !== null)?.identity;
    if (identity && accepted > 0) this.#identity = { text: identity, elapsed_ms: this.#options.elapsed_ms() };
    for (const { message } of errors) this.#tellRejection(message);
    this.#failures = 0;
    if (this.#trouble === "") return;
    this.#trouble = "";
    const lost = this.#outbox.dropped - this.#dropped_told;
    this.#dropped_told = this.#outbox.dropped;
    this.#options.say(
      `Reports are taken again${lost === 0 ? "" : `; ${lost} that waited too long are lost`}`,
    );
  }

  #complain(trouble: string): void {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.#options.say(`${trouble}; trying again`);
  }

  /** The server names what came, which differs from report to report: only the rule is told once. */
  #tellRejection(message: string): void {
    const rule = message.split("; got ")[0]!;
    if (this.#rejections_told.has(rule) || this.#rejections_told.size >= MAX_REJECTIONS_TOLD) return;
    this.#rejections_told.add(rule);
    this.#options.say(`A report was rejected: ${message}`);
  }
}

const MAX_REJECTIONS_TOLD = 20;
