import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { Agent } from "node:http";
import { fileURLToPath } from "node:url";
import { type Bench, bench, sleep } from "./lib/bench.ts";
import { Feed, SEED_FLEET } from "./lib/feed.ts";
import { MIB, median, percentile } from "./lib/figures.ts";
import type { Attack, Endured } from "./lib/hostile-client.ts";
import { timedGet } from "./lib/http.ts";
import { inWords } from "./lib/noise.ts";
import { Server } from "./lib/server.ts";

// Ten thousand connections that say nothing, streams that nobody reads and bodies that come a byte a second:
// everybody else is served on time, and all of it stays within bounds.

const ATTACK = { idle: 10_000, streams: 500, bodies: 200 };
/** Ends after the longest patience of the server: 30 s for a body or an unread stream. */
const ATTACK_MS = 45_000;
const QUICK_ATTACK_MS = 12_000;
const ALONE_MS = 8000;
const PAUSE_MS = 20;
const CLIENT = fileURLToPath(new URL("./lib/hostile-client.ts", import.meta.url));

/** What a person's browser and a script ask for. */
const REQUESTS = [
  ["", "text/html"],
  ["api/metrics/system", "application/json"],
  ["healthz", "*/*"],
] as const;

type Outcome = Record<"idle" | "streams" | "bodies", Endured>;

class Enemy {
  readonly #child: ChildProcess = fork(CLIENT, {
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });

  attack(attack: Attack): Promise<Outcome> {
    return this.#ask({ attack });
  }

  endured(): Promise<Outcome> {
    return this.#ask({});
  }

  async end(): Promise<void> {
    this.#child.disconnect();
    await once(this.#child, "exit");
  }

  async #ask(question: object): Promise<Outcome> {
    this.#child.send(question);
    const [answer] = await once(this.#child, "message");
    return answer as Outcome;
  }
}

/** Asks one after the other for some time, over a new connection each time. */
async function answers(url: string, window_ms: number): Promise<number[]> {
  const took_ms: number[] = [];
  const until_ms = performance.now() + window_ms;
  for (let turn = 0; performance.now() < until_ms; turn++) {
    const [path, accept] = REQUESTS[turn % REQUESTS.length]!;
    const agent = new Agent({ keepAlive: false });
    took_ms.push((await timedGet(agent, url + path, accept)).elapsed_ms);
    await sleep(PAUSE_MS);
  }
  return took_ms;
}

async function run({ quick, build, figures, noise }: Bench): Promise<void> {
  const server = await Server.start({ build });
  const feed = await Feed.start({ url: server.url, ...SEED_FLEET });
  try {
    await sleep(5000);
    const alone = await answers(server.url, ALONE_MS);
    const rss_alone = server.rss_bytes();
    const before = await server.status();
    noise.reset();
    server.loop.reset();
    const enemy = new Enemy();
    const began = await enemy.attack({ url: server.url, ...ATTACK });
    const during = await answers(server.url, quick ? QUICK_ATTACK_MS : ATTACK_MS);
    const held = await server.loop.read();
    const [outcome, after] = [await enemy.endured(), await server.status()];
    const in_words = (list: readonly number[]) =>
      `p50 ${median(list).toFixed(1)} ms, worst ${Math.max(...list).toFixed(0)} ms of ${list.length}`;
    figures.add({
      name: "request over a new connection, alone, p99",
      value: percentile(alone, 0.99),
      unit: "ms",
      digits: 1,
      note: in_words(alone),
    });
    figures.add({
      name: "the same meanwhile, p99",
      value: percentile(during, 0.99),
      unit: "ms",
      digits: 1,
      budget: { limit: 250 },
      note: in_words(during),
    });
    figures.add({
      name: "event loop's longest hold meanwhile",
      value: held.max_ms,
      unit: "ms",
      digits: 1,
      note: `p99 ${held.p99_ms.toFixed(1)} ms`,
    });
    figures.add({
      name: "ticks late meanwhile",
      value: after.ticks_late - before.ticks_late,
      unit: "",
      budget: { limit: 1, rule: "at most" },
      note: `of ${after.ticks - before.ticks}`,
    });
    figures.add({
      name: "memory that it takes",
      value: (server.rss_bytes() - rss_alone) / MIB,
      unit: "MiB",
      budget: { limit: 256 },
      note: `from ${(rss_alone / MIB).toFixed(0)} MiB`,
    });
    // What never ends would fill every bound there is: each kind is to be cut off and let in again. Streams that are
    // not read are noticed when the system's own buffers are full, after some megabytes each.
    for (const kind of ["idle", "streams", "bodies"] as const) {
      const { open, cut } = outcome[kind];
      figures.add({
        name: `${kind}: cut off so far`,
        value: cut,
        unit: "",
        ...(!quick && kind !== "streams" && { budget: { limit: ATTACK[kind], rule: "at least" as const } }),
        note: `${began[kind].open} were open at first, ${open} are now`,
      });
    }
    await enemy.end();
    const later = await answers(server.url, 2000);
    figures.add({
      name: "request once they are gone, p99",
      value: percentile(later, 0.99),
      unit: "ms",
      digits: 1,
      note: in_words(later),
    });
    const { idle, streams, bodies } = ATTACK;
    figures.print(
      `${idle} connections that say nothing, ${streams} streams never read, ${bodies} bodies of a byte a second`,
    );
    console.log(`  noise: ${inWords(await noise.read())}`);
  } finally {
    await feed.stop();
    await server.stop();
  }
}

await bench("Hostile clients", 5, run);
