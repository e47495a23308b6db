export interface Waiting {
  readonly number: number;
  readonly at_ms: number;
  readonly text: string;
  /** What the report says of the worker beside its figures, as JSON; null where it says nothing of that. */
  readonly identity: string | null;
}

/** What waits is held for so long at most, which is what every server takes: its grace period is 15 minutes or more. */
const KEEP_MS = 14.5 * 60_000;
const MAX_REPORTS = 900;

/** Reports that wait to be taken by the server: bounded, the oldest give way, and those that did are counted. */
export class Outbox {
  dropped = 0;
  #waiting: Waiting[] = [];
  #number = 0;
  #wake: (() => void) | null = null;

  get size(): number {
    return this.#waiting.length;
  }

  add(report: Omit<Waiting, "number">): void {
    this.#number += 1;
    this.#waiting.push({ number: this.#number, ...report });
    if (this.#waiting.length > MAX_REPORTS) this.#drop(this.#waiting.length - MAX_REPORTS);
    this.#wake?.();
  }

  /** The oldest that wait, without those that are too old to be taken. */
  oldest(count: number, now_ms: number): readonly Waiting[] {
    const fresh = this.#waiting.findIndex(({ at_ms }) => at_ms >= now_ms - KEEP_MS);
    this.#drop(fresh === -1 ? this.#waiting.length : fresh);
    return this.#waiting.slice(0, count);
  }

  /** Forgets what was taken; some of it may have given way meanwhile, which then is not lost. */
  taken(reports: readonly Waiting[]): void {
    const last = reports.at(-1)?.number ?? 0;
    this.#waiting = this.#waiting.filter(({ number }) => number > last);
  }

  /** Resolves once something waits, or at the end. */
  async filled(signal: AbortSignal): Promise<void> {
    if (this.#waiting.length > 0 || signal.aborted) return;
    let ended = () => {};
    await new Promise<void>((resolve) => {
      ended = resolve;
      this.#wake = resolve;
      signal.addEventListener("abort", ended, { once: true });
    });
    signal.removeEventListener("abort", ended);
    this.#wake = null;
  }

  #drop(count: number): void {
    this.dropped += count;
    this.#waiting.splice(0, count);
  }
}
