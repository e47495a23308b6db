import { EvenkeelError } from "../../../errors.ts";
import type { Clock } from "../../clock.ts";
import type { ConnectorHealth } from "../../connectors.ts";
import { TimedOut, within } from "../../within.ts";
import type { IngestAnswer } from "../collector.ts";
import { realSleep, type Sleep } from "../sender.ts";
import type { Connector, Poll } from "./connector.ts";

export interface AskOptions {
  readonly clock: Clock;
  /** Takes reports in, as `Collector.take`. */
  take(reports: readonly object[]): Promise<IngestAnswer>;
  readonly signal: AbortSignal;
}

export interface RunnerOptions extends Omit<AskOptions, "signal"> {
  /** From 0 to less than 1. */
  random(): number;
  /** What is a defect of ours, and not of what was asked. */
  log(message: string): void;
  readonly sleep?: Sleep;
}

/** While it fails, a connector is asked again after at most this long, or its own interval where that is longer. */
const MAX_BACKOFF_MS = 30_000;
/** However the dice fall, whoever is in trouble is left alone for so long. */
const MIN_BACKOFF_MS = 100;
/** Of an error, which may quote what a stranger answered. */
const MAX_ERROR_LENGTH = 500;

/**
 * One poll, and its reports taken in.
 *
 * @returns what was there, and how long the answer took
 * @throws what the poll throws, and EvenkeelError where it took too long or a report was refused
 */
export async function askOnce(
  connector: Connector,
  { clock, take, signal }: AskOptions,
): Promise<{ saw: string; latency_ms: number; wrong: string | undefined }> {
  const { name, address, interval_ms, timeout_ms } = connector;
  const began_ms = clock.now();
  let poll: Poll;
  try {
    poll = await within(timeout_ms, signal, (inner) => connector.poll(began_ms, inner));
  } catch (error) {
    if (!(error instanceof TimedOut)) throw error;
    throw new EvenkeelError(
      "unavailable",
      `${address} did not answer within ${timeout_ms / 1000} s (timeout)`,
    );
  }
  const latency_ms = Math.max(0, clock.now() - began_ms);
  // Whoever takes long to answer can't be heard more often.
  const interval_s = Math.max(interval_ms, latency_ms) / 1000;
  const { rejected, errors } = await take(poll.reports.map((one) => ({ ...one, source: name, interval_s })));
  if (rejected > 0) {
    const first = errors[0];
    const where = first === undefined ? "" : `: ${first.path} ${first.message}`;
    throw new EvenkeelError("unprocessable", `${address} answered what can't be taken${where}`);
  }
  poll.taken?.();
  return { saw: poll.saw, latency_ms, wrong: poll.wrong };
}

/** What the health page and `check-config --connect` say of an error. */
export function inWords(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.length > MAX_ERROR_LENGTH ? `${text.slice(0, MAX_ERROR_LENGTH)}…` : text;
}

/** Asks a connector at its interval, and more and more seldom while it fails; each on its own. */
export class ConnectorRunner {
  readonly #connector: Connector;
  readonly #options: RunnerOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** Polls that failed since the last one that did not. */
  #failures = 0;
  #health: ConnectorHealth;

  constructor(connector: Connector, options: RunnerOptions) {
    this.#connector = connector;
    this.#options = options;
    const { name, kind, address, interval_ms } = connector;
    const nothing = { success_ms: null, latency_ms: null, saw: null, failing_since_ms: null };
    const about = { name, kind, address, interval_ms };
    this.#health = { ...about, ...nothing, last_error: null, error_ms: null, next_ms: null };
  }

  get health(): ConnectorHealth {
    return this.#health;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Breaks off a poll that is under way. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, sleep = realSleep } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const began_ms = clock.now();
      await this.#ask();
      const wait_ms = this.#failures > 0 ? this.#backoff() : this.#rest(clock.now() - began_ms);
      this.#health = { ...this.#health, next_ms: clock.now() + wait_ms };
      await sleep(wait_ms, signal);
      this.#health = { ...this.#health, next_ms: null };
    }
  }

  async #ask(): Promise<void> {
    const { clock, take, log } = this.#options;
    const { signal } = this.#abort;
    try {
      const { saw, latency_ms, wrong } = await askOnce(this.#connector, { clock, take, signal });
      this.#failures = 0;
      this.#health = { ...this.#health, success_ms: clock.now(), latency_ms, saw, failing_since_ms: null };
      if (wrong !== undefined) this.#health = { ...this.#health, last_error: wrong, error_ms: clock.now() };
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof EvenkeelError))
        log(`connector ${this.#connector.name} failed: ${(error as Error)?.stack ?? String(error)}`);
      const now_ms = clock.now();
      const failing_since_ms = this.#health.failing_since_ms ?? now_ms;
      this.#failures += 1;
      this.#health = { ...this.#health, failing_since_ms, last_error: inWords(error), error_ms: now_ms };
    }
  }

  /** What is left of the interval; a clock that was set meanwhile changes nothing. */
  #rest(took_ms: number): number {
    const { interval_ms } = this.#connector;
    return interval_ms - Math.min(Math.max(took_ms, 0), interval_ms);
  }

  /** Doubles from the interval, with full jitter, so that many who lost the same server do not come back together. */
  #backoff(): number {
    const { interval_ms } = this.#connector;
    const ceiling_ms = Math.min(interval_ms * 2 ** this.#failures, Math.max(MAX_BACKOFF_MS, interval_ms));
    return Math.max(MIN_BACKOFF_MS, Math.round(this.#options.random() * ceiling_ms));
  }
}
