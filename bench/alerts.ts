import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, get, type Server as HttpServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Bench, bench, sleep, wall_ms } from "./lib/bench.ts";
import { Feed, Post, SEED_FLEET } from "./lib/feed.ts";
import { type Budget, MIB, percentile } from "./lib/figures.ts";
import { inWords } from "./lib/noise.ts";
import { RuleLoad, rulesOf } from "./lib/rule-scene.ts";
import { Server } from "./lib/server.ts";

// How soon a condition is an alert on the page and at its receiver, what asking the rules costs, and what a storm makes.

const RUNS = 200;
const TICK_MS = 1000;
/** Condition to page, its rule holding for no time; and the receiver at most a second later. */
const PAGE_MS: Budget = { limit: 1250, rule: "at most" };
const WEBHOOK_MS: Budget = { limit: 2250, rule: "at most" };
const LOST_MS = 15_000;

const WORKERS = 10_000;
const TASKS = 10_000;
const RULES = 50;
const EVALUATION_MS: Budget = { limit: 50, rule: "at most" };
const WARM_UP = 20;

const STORM = 5000;
const STORM_MESSAGES: Budget = { limit: 20, rule: "at most" };
const STORM_MS: Budget = { limit: 5000, rule: "at most" };
const STORM_BYTES: Budget = { limit: 100, rule: "at most" };

/** The rule that is timed: it looks at a metric of its own, and holds for no time. */
const RULE = `
rules:
  - name: bench
    each: worker
    when: custom(bench) > 0
    severity: critical
    summary: "{{worker}} {{custom(bench)}}"
    many: "{{count}} workers are marked"
`;

interface Alert {
  readonly rule: string;
  readonly title: string;
}

/** Takes what a webhook sends, and tells when an alert first came. */
class Receiver {
  readonly #server: HttpServer;
  readonly #waiting = new Map<string, (at_ms: number) => void>();
  messages = 0;
  alerts = 0;
  url = "";

  constructor() {
    this.#server = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (piece: string) => {
        body += piece;
      });
      request.on("end", () => {
        const at_ms = wall_ms();
        response.end("ok");
        const { alerts } = JSON.parse(body) as { alerts: (Alert & { status: string })[] };
        this.messages += 1;
        this.alerts += alerts.length;
        for (const { title, status } of alerts) {
          if (status === "firing") this.#waiting.get(title)?.(at_ms);
        }
      });
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** When an alert of that title is told, Unix milliseconds; infinite where it never is. */
  told(title: string): Promise<number> {
    return within(this.#waiting, title);
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** Watches the stream of the alerts' panel, as a page does. */
class Watcher {
  readonly #waiting = new Map<string, (at_ms: number) => void>();
  #response: IncomingMessage | null = null;
  /** Alerts of the newest tick. */
  shown: readonly Alert[] = [];

  async open(url: string): Promise<void> {
    this.#response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(`${url}stream?panels=alerts&format=json`, resolve).once("error", reject);
    });
    createInterface({ input: this.#response }).on("line", (line) => {
      const at_ms = wall_ms();
      const { panels } = JSON.parse(line) as { panels: { alerts?: { alerts: readonly Alert[] } } };
      if (!panels.alerts) return;
      this.shown = panels.alerts.alerts;
      for (const { title } of this.shown) this.#waiting.get(title)?.(at_ms);
    });
  }

  shows(title: string): Promise<number> {
    return within(this.#waiting, title);
  }

  close(): void {
    this.#response?.destroy();
  }
}

function within(waiting: Map<string, (at_ms: number) => void>, title: string): Promise<number> {
  return new Promise((resolve) => {
    const done = (at_ms: number) => {
      waiting.delete(title);
      clearTimeout(timer);
      resolve(at_ms);
    };
    const timer = setTimeout(() => done(Number.POSITIVE_INFINITY), LOST_MS);
    waiting.set(title, done);
  });
}

async function timeAlerts({ build, figures, noise, quick }: Bench): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-bench-alerts-"));
  const receiver = new Receiver();
  await receiver.listen();
  const file = join(folder, "alerts.yaml");
  writeFileSync(
    file,
    `${RULE}receivers:\n  - { name: bench, kind: webhook, url: "${receiver.url}" }\nroutes:\n  - receivers: [bench]\n    group_by: [rule, worker]\n`,
  );
  const server = await Server.start({ build, args: ["--alerts", file] });
  const feed = await Feed.start({ ...SEED_FLEET, url: server.url });
  const watcher = new Watcher();
  await watcher.open(server.url);
  await sleep(3000);
  noise.reset();
  const post = new Post(server.url);
  const page_ms: number[] = [];
  const webhook_ms: number[] = [];
  for (let run = 1; run <= (quick ? 40 : RUNS); run += 1) {
    await sleep(Math.random() * TICK_MS);
    const worker = `bench-${run}`;
    const title = `${worker} ${run}`;
    const both = [watcher.shows(title), receiver.told(title)];
    await post.send(
      JSON.stringify({
        source: "bench",
        interval_s: 600,
        workers: [{ id: worker, metrics: { bench: run } }],
      }),
    );
    const sent_ms = wall_ms();
    const [shown_ms, told_ms] = await Promise.all(both);
    page_ms.push(shown_ms! - sent_ms);
    webhook_ms.push(told_ms! - sent_ms);
    await post.send(
      JSON.stringify({
        source: "bench",
        interval_s: 600,
        workers: [{ id: worker, metrics: { bench: null } }],
      }),
    );
  }
  for (const [name, delays, budget] of [
    ["on the page", page_ms, PAGE_MS],
    ["at the webhook", webhook_ms, WEBHOOK_MS],
  ] as const) {
    figures.add({ name: `${name}, p50`, value: percentile(delays, 0.5), unit: "ms" });
    figures.add({ name: `${name}, p99`, value: percentile(delays, 0.99), unit: "ms", budget });
  }
  watcher.close();
  post.close();
  await feed.stop();
  await server.stop();
  receiver.close();
  rmSync(folder, { recursive: true });
  figures.print(
    `From an accepted report to its alert, ${page_ms.length} runs, ${SEED_FLEET.workers} workers and ${SEED_FLEET.tasks} tasks (${inWords(await noise.read())})`,
  );
}

async function askRules({ figures, noise, quick }: Bench): Promise<void> {
  noise.reset();
  const load = new RuleLoad(WORKERS, TASKS, rulesOf(RULES));
  const times_ms: number[] = [];
  for (let second = 0; second < WARM_UP + (quick ? 20 : 100); second += 1) {
    const took_ms = load.second(0);
    if (second >= WARM_UP) times_ms.push(took_ms);
  }
  figures.add({
    name: "a tick, p50",
    value: percentile(times_ms, 0.5),
    unit: "ms",
    digits: 1,
    budget: EVALUATION_MS,
  });
  figures.add({ name: "a tick, p99", value: percentile(times_ms, 0.99), unit: "ms", digits: 1 });
  figures.print(
    `Asking ${RULES} rules of ${WORKERS} workers and ${TASKS} tasks (${inWords(await noise.read())})`,
  );
}

async function storm({ build, figures, noise }: Bench): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-bench-storm-"));
  const receiver = new Receiver();
  await receiver.listen();
  const file = join(folder, "alerts.yaml");
  writeFileSync(file, `${RULE}receivers:\n  - { name: bench, kind: webhook, url: "${receiver.url}" }\n`);
  const server = await Server.start({ build, args: ["--alerts", file] });
  const post = new Post(server.url);
  const report = (bench: number | null) =>
    post.send(
      JSON.stringify({
        source: "bench",
        interval_s: 600,
        workers: Array.from({ length: STORM }, (_, i) => ({ id: `W${i}`, type: "gpu", metrics: { bench } })),
      }),
    );
  const watcher = new Watcher();
  await report(null);
  await watcher.open(server.url);
  await sleep(5000);
  const before_bytes = server.rss_bytes();
  noise.reset();
  server.loop.reset();
  await report(1);
  const sent_ms = wall_ms();
  await Promise.race([watcher.shows("W0 1"), sleep(LOST_MS)]);
  const shown_ms = wall_ms() - sent_ms;
  for (let waited = 0; receiver.alerts < STORM && waited < LOST_MS; waited += 50) await sleep(50);
  const told_ms = wall_ms() - sent_ms;
  const { max_ms } = await server.loop.read();
  figures.add({ name: "alerts on the page", value: watcher.shown.length, unit: "" });
  figures.add({ name: "until they show", value: shown_ms, unit: "ms", budget: STORM_MS });
  figures.add({ name: "until all are told", value: told_ms, unit: "ms", budget: STORM_MS });
  figures.add({ name: "messages", value: receiver.messages, unit: "", budget: STORM_MESSAGES });
  figures.add({
    name: "alerts told",
    value: receiver.alerts,
    unit: "",
    budget: { limit: STORM, rule: "at least" },
  });
  figures.add({ name: "event loop's longest delay", value: max_ms, unit: "ms" });
  figures.add({
    name: "memory it took",
    value: (server.rss_bytes() - before_bytes) / MIB,
    unit: "MiB",
    budget: STORM_BYTES,
  });
  watcher.close();
  post.close();
  await server.stop();
  receiver.close();
  rmSync(folder, { recursive: true });
  figures.print(`A storm: ${STORM} workers' conditions at once (${inWords(await noise.read())})`);
}

await bench("alerts", 20, async (context) => {
  await askRules(context);
  await storm(context);
  await timeAlerts(context);
});
