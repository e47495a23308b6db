import { type Bench, bench, sleep } from "./lib/bench.ts";
import { Feed } from "./lib/feed.ts";
import { type Budget, MIB, median } from "./lib/figures.ts";
import type { LoopDelay } from "./lib/loop-probe.ts";
import { inWords } from "./lib/noise.ts";
import { Server } from "./lib/server.ts";
import { sendSingles } from "./lib/singles.ts";

// How much can be reported each second, and what that does to the ticks and to everybody else on the loop.

/** A fleet that a coordinator reports each second: tasks that come and go, those that wait, workers of one body. */
const BATCHED = [
  { workers: 100, tasks: 1000, waiting: 0, batch: 100 },
  { workers: 1000, tasks: 1000, waiting: 9000, batch: 1000 },
  { workers: 10_000, tasks: 10_000, waiting: 90_000, batch: 10_000 },
  { workers: 10_000, tasks: 10_000, waiting: 90_000, batch: 1000 },
] as const;
const SINGLE_RATES = [1000, 5000, Number.POSITIVE_INFINITY] as const;
const SINGLE_WORKERS = 5000;
/** The loop is to be free for others after this at the seed's scale, milliseconds. */
const BLOCKED_MS: Budget = { limit: 50, rule: "at most" };
const NONE: Budget = { limit: 0, rule: "at most" };

interface Window {
  readonly loop: LoopDelay;
  readonly cpu_percent: number;
}

/** Windows one after the other, while something goes on. */
async function watch(server: Server, windows: number, window_ms: number): Promise<Window[]> {
  const watched: Window[] = [];
  for (let round = 0; round < windows; round++) {
    server.loop.reset();
    const [before_s, started_ms] = [server.cpu_s(), performance.now()];
    await sleep(window_ms);
    const cpu = (server.cpu_s() - before_s) / ((performance.now() - started_ms) / 1000);
    watched.push({ loop: await server.loop.read(), cpu_percent: cpu * 100 });
  }
  return watched;
}

interface Outcome {
  readonly windows: readonly Window[];
  readonly refused: number;
  /** Reports of workers taken a second. */
  readonly rate: number;
  readonly late: number;
  /** Seconds of which the reports were not taken before the next were due. */
  readonly left_out?: number;
  readonly blocked?: Budget;
}

async function report(server: Server, title: string, outcome: Outcome, { figures, noise }: Bench) {
  const { windows, refused, rate, late, left_out, blocked } = outcome;
  const status = await server.status();
  const of = (read: (window: Window) => number) => median(windows.map(read));
  figures.add({ name: "worker reports a second", value: rate, unit: "" });
  if (left_out !== undefined)
    figures.add({ name: "seconds that could not be sent in time", value: left_out, unit: "", budget: NONE });
  figures.add({ name: "bodies refused", value: refused, unit: "", budget: NONE });
  figures.add({ name: "processor time", value: of((w) => w.cpu_percent), unit: "% of a core", digits: 1 });
  figures.add({ name: "event-loop delay, p50", value: of((w) => w.loop.p50_ms), unit: "ms", digits: 1 });
  figures.add({ name: "event-loop delay, p99", value: of((w) => w.loop.p99_ms), unit: "ms", digits: 1 });
  figures.add({
    name: "event-loop delay, longest",
    value: of((w) => w.loop.max_ms),
    unit: "ms",
    digits: 1,
    ...(blocked && { budget: blocked }),
    note: `median of ${windows.length} windows, worst ${Math.max(...windows.map((w) => w.loop.max_ms)).toFixed(0)} ms`,
  });
  figures.add({
    name: "tick's work, p50",
    value: status.tick_p50_ms,
    unit: "ms",
    digits: 1,
    note: `p99 ${status.tick_p99_ms.toFixed(1)} ms, of ${status.ticks} ticks, the first included`,
  });
  figures.add({ name: "ticks late", value: late, unit: "", budget: NONE });
  figures.add({
    name: "errors logged",
    value: server.errors.length,
    unit: "",
    budget: NONE,
    note: server.errors[0]?.slice(0, 200) ?? "",
  });
  figures.add({ name: "memory (RSS)", value: server.rss_bytes() / MIB, unit: "MiB" });
  figures.print(title);
  if (status.store_error) console.log(`  the store failed: ${status.store_error}`);
  console.log(`  noise: ${inWords(await noise.read())}`);
}

async function batched(fleet: (typeof BATCHED)[number], the: Bench): Promise<void> {
  const server = await Server.start({ build: the.build });
  try {
    const feed = await Feed.start({ url: server.url, ...fleet });
    try {
      await sleep(the.quick ? 4000 : 10_000);
      const before = await server.status();
      the.noise.reset();
      feed.sent_workers = 0;
      feed.left_out = 0;
      const started_ms = performance.now();
      const windows = await watch(server, the.quick ? 1 : 3, the.quick ? 5000 : 8000);
      const rate = feed.sent_workers / ((performance.now() - started_ms) / 1000);
      const late = (await server.status()).ticks_late - before.ticks_late;
      const blocked = fleet.workers === 100 ? { blocked: BLOCKED_MS } : {};
      const title = `${fleet.workers} workers, ${fleet.tasks + fleet.waiting} live tasks (${fleet.waiting} of them only wait), bodies of ${fleet.batch} workers each second`;
      await report(
        server,
        title,
        { windows, refused: feed.refused, rate, late, left_out: feed.left_out, ...blocked },
        the,
      );
    } finally {
      await feed.stop();
    }
  } finally {
    await server.stop();
  }
}

async function single(rate: number, the: Bench): Promise<void> {
  const server = await Server.start({ build: the.build });
  const window_ms = the.quick ? 4000 : 8000;
  const rounds = the.quick ? 1 : 3;
  try {
    const workers = Math.min(SINGLE_WORKERS, rate);
    // Every worker is known, and the code warm, before the time that counts.
    await sendSingles(server.url, workers, rate, 6000);
    const before = await server.status();
    the.noise.reset();
    const [windows, sent] = await Promise.all([
      watch(server, rounds, window_ms),
      sendSingles(server.url, workers, rate, rounds * window_ms),
    ]);
    const late = (await server.status()).ticks_late - before.ticks_late;
    const taken = sent.answered_202 / sent.elapsed_s;
    const title =
      rate === Number.POSITIVE_INFINITY
        ? `single requests of ${workers} workers as fast as they are answered`
        : `single requests of ${workers} workers, each once a second`;
    await report(server, title, { windows, refused: sent.answered_otherwise, rate: taken, late }, the);
  } finally {
    await server.stop();
  }
}

async function run(the: Bench): Promise<void> {
  for (const fleet of BATCHED) await batched(fleet, the);
  for (const rate of SINGLE_RATES) await single(rate, the);
}

await bench("Ingest", 12, run);
