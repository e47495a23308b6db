import { sleep } from "./bench.ts";

const EVERY_MS = 1000;
/** New ones of each report. */
const WORKERS = 100;
const TASKS = 10_000;

/** How often a report went over a limit, and was refused for it by its name. */
interface Outcome {
  sent: number;
  named: number;
}

/** Reports what a server has no room for, each second. */
export class Intruder {
  readonly #url: string;
  readonly #outcomes = new Map<string, Outcome>();
  readonly #sending: Promise<void>;
  #stopped = false;

  /** @param limits those of the server */
  constructor(url: string, limits: Readonly<Record<"max_workers" | "max_live_tasks", number>>) {
    this.#url = url;
    for (const limit of Object.keys(limits)) this.#outcomes.set(limit, { sent: 0, named: 0 });
    this.#sending = this.#send();
  }

  outcomeOf(limit: string): Readonly<Outcome> {
    return this.#outcomes.get(limit)!;
  }

  /** Whether the status page tells that a limit was reached, as a reader finds it. */
  async isShown(limit: string): Promise<boolean> {
    const page = await fetch(`${this.#url}status`, { headers: { Accept: "text/html" } });
    return (await page.text()).includes(limit);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#sending;
  }

  async #send(): Promise<void> {
    // The fleet comes first.
    await sleep(2 * EVERY_MS);
    for (let second = 0; !this.#stopped; second++) {
      await this.#post("max_workers", {
        workers: names(WORKERS, second).map((id) => ({ id, metrics: { cpu_utilization: 1 } })),
      });
      await this.#post("max_live_tasks", {
        tasks: names(TASKS, second).map((id) => ({ id, type: "text", status: "queued" })),
      });
      await sleep(EVERY_MS);
    }
  }

  async #post(limit: string, parts: object): Promise<void> {
    const outcome = this.#outcomes.get(limit)!;
    const answer = await fetch(`${this.#url}api/ingest`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ source: "intruder", ...parts }),
    });
    outcome.sent++;
    if (answer.status === 422 && (await answer.text()).includes(`(${limit})`)) outcome.named++;
  }
}

function names(count: number, second: number): string[] {
  return Array.from({ length: count }, (_, index) => `intruder-${second}-${index}`);
}
