import { Agent, request } from "node:http";
import { createDemo, type Demo } from "../../src/metrics/collect/demo/demo.ts";

export interface FleetSize {
  readonly workers: number;
  readonly tasks: number;
}

/** The fleet that the seed asks for. */
export const SEED_FLEET: FleetSize = { workers: 100, tasks: 1000 };

type DemoReport = ReturnType<Demo["reportsUntil"]>[number];

interface FeedOptions extends FleetSize {
  readonly url: string;
  /** Tasks that wait all the time, beside those that come and go. */
  readonly waiting?: number;
  /** Workers and tasks of one body at most; by default a second's report is one body. */
  readonly batch?: number;
  /** How far into each second the fleet reports, so that ticks and reports do not coincide; milliseconds. */
  readonly phase_ms?: number;
}

/** Of the fleet that is played, so that each run plays the same. */
export const SEED = 7;
/** Tasks of a body at most where the whole fleet is told at once: larger bodies are refused. */
const TASKS_A_BODY = 20_000;
const DEADLINE_MS = 30_000;

/** Plays a demo fleet into a server as one coordinator would: all its news each second, over one connection. */
export class Feed {
  readonly #options: Required<FeedOptions>;
  readonly #post: Post;
  readonly #demo: Demo;
  #timer: NodeJS.Timeout | null = null;
  #sending: Promise<void> = Promise.resolve();
  #busy = false;
  #error: unknown = null;
  /** Bodies that were answered with anything but 202. */
  refused = 0;
  /** Workers reported in bodies that were answered 202. */
  sent_workers = 0;
  /** While true, the fleet lives on and nothing of it is sent. */
  paused = false;
  /** Seconds that were left out because the one before was still being sent. */
  left_out = 0;

  private constructor(options: Required<FeedOptions>, demo: Demo) {
    this.#options = options;
    this.#demo = demo;
    this.#post = new Post(options.url);
  }

  /** What the first body was answered that was not taken; empty while there is none. */
  get first_refusal(): string {
    return this.#post.first_refusal;
  }

  /** Sends the whole fleet and goes on each second until stopped. */
  static async start({
    batch = Number.POSITIVE_INFINITY,
    phase_ms = 300,
    waiting = 0,
    ...rest
  }: FeedOptions): Promise<Feed> {
    const options = { ...rest, batch, phase_ms, waiting };
    const start_ms = Math.floor(Date.now() / 1000) * 1000 + phase_ms;
    const demo = createDemo({ workers: rest.workers, tasks: rest.tasks, seed: SEED, start_ms });
    const feed = new Feed(options, demo);
    for (const body of backlog(waiting)) await feed.#send(body);
    for (const body of bodiesOf(demo.reportsUntil(start_ms), TASKS_A_BODY)) await feed.#send(body);
    feed.#schedule();
    return feed;
  }

  #schedule(): void {
    const wait_ms = Math.max(0, this.#demo.due_ms - Date.now());
    this.#timer = setTimeout(() => {
      // Where this machine can't keep up, seconds are left out rather than sent in a burst.
      const started_ms = performance.now();
      const reports = this.#demo.reportsUntil(Math.max(this.#demo.due_ms, Date.now())).slice(-1);
      if (this.#busy) this.left_out++;
      else if (!this.paused) this.#sending = this.#sendSecond(reports, started_ms);
      this.#schedule();
    }, wait_ms);
  }

  async #sendSecond(reports: readonly DemoReport[], started_ms: number): Promise<void> {
    this.#busy = true;
    const refused_before = this.refused;
    try {
      await this.#sendAll(bodiesOf(reports, this.#options.batch), started_ms);
      if (this.refused === refused_before)
        this.sent_workers += reports.reduce((sum, report) => sum + report.workers.length, 0);
    } catch (error) {
      this.#error ??= error;
    }
    this.#busy = false;
  }

  /** Several bodies of a second are spread over what is left of it, as several coordinators would send them. */
  async #sendAll(bodies: readonly string[], second_ms: number): Promise<void> {
    const started_ms = performance.now();
    const left_ms = Math.max(0, second_ms + 900 - started_ms);
    const pause_ms = bodies.length > 1 ? left_ms / bodies.length : 0;
    for (const [index, body] of bodies.entries()) {
      const wait_ms = started_ms + index * pause_ms - performance.now();
      if (wait_ms > 1) await new Promise((resolve) => setTimeout(resolve, wait_ms));
      await this.#send(body);
    }
  }

  async #send(body: string): Promise<void> {
    if ((await this.#post.send(body)) !== 202) this.refused++;
  }

  /** @throws the first error of sending, since figures without a fleet mean nothing. */
  async stop(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    await this.#sending;
    this.#post.close();
    if (this.#error) throw this.#error;
  }
}

/** Posts reports over connections that stay open. */
export class Post {
  /** What the first body was answered that was not taken; empty while there is none. */
  first_refusal = "";
  readonly #agent = new Agent({ keepAlive: true });
  readonly #url: URL;

  constructor(url: string) {
    this.#url = new URL("api/ingest", url);
  }

  /** Resolves with the status once the answer's head is there. */
  send(body: string): Promise<number> {
    const bytes = Buffer.from(body);
    return new Promise((resolve, reject) => {
      const sent = request(
        this.#url,
        {
          method: "POST",
          agent: this.#agent,
          timeout: DEADLINE_MS,
          headers: { "Content-Type": "application/json", "Content-Length": bytes.length },
        },
        (answer) => {
          resolve(answer.statusCode ?? 0);
          if (answer.statusCode === 202 || this.first_refusal !== "") answer.resume();
          else
            answer.setEncoding("utf8").once("data", (text: string) => {
              this.first_refusal ||= text;
            });
        },
      );
      sent.once("timeout", () => sent.destroy(new Error(`no answer from ${this.#url} in ${DEADLINE_MS} ms`)));
      sent.on("error", reject);
      sent.end(bytes);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function* backlog(tasks: number): Generator<string> {
  for (let from = 0; from < tasks; from += TASKS_A_BODY) {
    const entries = Array.from({ length: Math.min(TASKS_A_BODY, tasks - from) }, (_, index) => ({
      id: `backlog-${from + index}`,
      type: "vision",
      model_family: "vit",
      priority: 1 + ((from + index) % 5),
      status: "queued",
    }));
    yield JSON.stringify({ source: "backlog", tasks: entries });
  }
}

/** Reports in bodies of at most `batch` workers and as many tasks; a part is no whole picture any more. */
export function bodiesOf(reports: readonly DemoReport[], batch: number): string[] {
  return reports.flatMap(({ complete, workers, tasks, ...report }) => {
    const parts = Math.max(1, Math.ceil(workers.length / batch), Math.ceil(tasks.length / batch));
    if (parts === 1) return [JSON.stringify({ ...report, ...(complete && { complete }), workers, tasks })];
    const part = <T>(list: readonly T[], index: number) =>
      list.slice(Math.floor((index * list.length) / parts), Math.floor(((index + 1) * list.length) / parts));
    return Array.from({ length: parts }, (_, index) =>
      JSON.stringify({ ...report, workers: part(workers, index), tasks: part(tasks, index) }),
    );
  });
}
