import { within } from "../../within.ts";
import { ask } from "./http.ts";
import type { NetworkRules } from "./network.ts";
import { plain } from "./text.ts";

const TIMEOUT_MS = 10_000;
/** A beat that did not arrive is tried again this soon, or at the next interval where that is sooner. */
const RETRY_MS = 10_000;

export interface HeartbeatStatus {
  readonly arrived_ms: number | null;
  readonly last_error: string | null;
}

/**
 * A dead man's switch: somebody else expects these beats and speaks up when they cease. So a beat is sent only by a
 * tick, and by none that could not write what it was told.
 */
export class Heartbeat {
  readonly #url: string;
  readonly #interval_ms: number;
  readonly #network: NetworkRules;
  readonly #abort = new AbortController();
  #next_ms: number | null = null;
  #beating: Promise<void> | null = null;
  #status: HeartbeatStatus = { arrived_ms: null, last_error: null };

  constructor(url: string, interval_ms: number, network: NetworkRules) {
    this.#url = url;
    this.#interval_ms = interval_ms;
    this.#network = network;
  }

  /** Call it at the end of each tick that wrote what it had to. */
  tick(now_ms: number): void {
    const next_ms = this.#next_ms ?? now_ms;
    // A clock that was set back is no reason to be silent.
    const due = now_ms >= next_ms || next_ms - now_ms > this.#interval_ms;
    if (!due || this.#beating || this.#abort.signal.aborted) return;
    this.#next_ms = now_ms + this.#interval_ms;
    this.#beating = this.#beat(now_ms).finally(() => {
      this.#beating = null;
    });
  }

  async #beat(now_ms: number): Promise<void> {
    let last_error: string | null = null;
    try {
      const given = { method: "GET", url: this.#url, headers: {} } as const;
      const { status, text } = await within(TIMEOUT_MS, this.#abort.signal, (signal) =>
        ask(given, this.#network, signal),
      );
      if (status < 200 || status >= 300) last_error = plain(`answered ${status}: ${text}`, 200);
    } catch (error) {
      last_error = plain((error as Error).message, 200);
    }
    if (last_error !== null) this.#next_ms = now_ms + Math.min(RETRY_MS, this.#interval_ms);
    const arrived_ms = last_error === null ? now_ms : this.#status.arrived_ms;
    this.#status = { arrived_ms, last_error };
  }

  status(): HeartbeatStatus {
    return this.#status;
  }

  /** Resolves once no beat is on its way. */
  async settled(): Promise<void> {
    await this.#beating;
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#beating;
  }
}
