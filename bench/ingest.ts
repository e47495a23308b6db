import { Audience, PANELS } from "./lib/audience.ts";
import { type Bench, bench, sleep } from "./lib/bench.ts";
import { Feed } from "./lib/feed.ts";
import { type Budget, MIB, median } from "./lib/figures.ts";
import type { LoopDelay } from "./lib/loop-probe.ts";
import { inWords } from "./lib/noise.ts";
import { Intruder } from "./lib/over-limit.ts";
import { Server } from "./lib/server.ts";
import { sendSingles } from "./lib/singles.ts";
import type { Delivered } from "./lib/viewer-client.ts";

// How much can be reported each second while the main page is watched, and what that does to the ticks and to
// everybody else on the loop; then the same with reports that would go beyond what is held at most.

/** A fleet that a coordinator reports each second: tasks that come and go, those that wait, workers of one body. */
const BATCHED = [
  { workers: 100, tasks: 1000, waiting: 0, batch: 100 },
  { workers: 1000, tasks: 1000, waiting: 9000, batch: 1000 },
  { workers: 10_000, tasks: 10_000, waiting: 90_000, batch: 10_000 },
  { workers: 10_000, tasks: 10_000, waiting: 90_000, batch: 1000 },
] as const;
const SINGLE_RATES = [1000, 5000, Number.POSITIVE_INFINITY] as const;
const SINGLE_WORKERS = 5000;
const VIEWERS = 100;
/** What the server holds at most in the last scenario, and a fleet that fits: its tasks come and go. */
const LIMITS = { max_workers: 5000, max_live_tasks: 24_000 };
const WITHIN_LIMITS = { workers: 5000, tasks: 5000, waiting: 10_000, batch: 1000 };
/** The loop is to be free for others after this, milliseconds. */
const BLOCKED_MS: Budget = { limit: 50, rule: "at most" };
/** What the memory may grow by from the first window to the last, percent. */
const GROWTH: Budget = { limit: 10 };
const NONE: Budget = { limit: 0, rule: "at most" };

interface Window {
  readonly loop: LoopDelay;
  readonly cpu_percent: number;
  readonly rss_bytes: number;
}

interface Watched {
  readonly windows: readonly Window[];
  readonly late: number;
  readonly delivered: Delivered;
}

/** Windows one after the other, while something goes on and viewers look at the main page. */
async function watch(server: Server, the: Bench, goingOn: () => void = () => {}): Promise<Watched> {
  const [count, window_ms] = the.quick ? [1, 5000] : [3, 10_000];
  const audience = new Audience();
  try {
    await audience.open({ urls: [`${server.url}stream?panels=${PANELS}`], viewers: VIEWERS, gzip: true });
    await sleep(the.quick ? 2000 : 5000);
    const before = await server.status();
    the.noise.reset();
    goingOn();
    const measuring = audience.measure(count * window_ms);
    const windows: Window[] = [];
    for (let round = 0; round < count; round++) windows.push(await watchWindow(server, window_ms));
    const late = (await server.status()).ticks_late - before.ticks_late;
    return { windows, late, delivered: await measuring };
  } finally {
    await audience.close();
  }
}

async function watchWindow(server: Server, window_ms: number): Promise<Window> {
  server.loop.reset();
  const [before_s, started_ms] = [server.cpu_s(), performance.now()];
  await sleep(window_ms);
  const cpu = (server.cpu_s() - before_s) / ((performance.now() - started_ms) / 1000);
  return { loop: await server.loop.read(), cpu_percent: cpu * 100, rss_bytes: server.rss_bytes() };
}

interface Outcome extends Watched {
  readonly refused: number;
  /** What was said to the first of them; empty where that is not known. */
  readonly first_refusal?: string;
  /** Reports of workers taken a second. */
  readonly rate: number;
  /** Seconds of which the reports were not taken before the next were due. */
  readonly left_out?: number;
}

async function report(server: Server, title: string, outcome: Outcome, { figures, noise }: Bench) {
  const { windows, refused, first_refusal = "", rate, late, left_out, delivered } = outcome;
  const status = await server.status();
  const of = (read: (window: Window) => number) => median(windows.map(read));
  figures.add({ name: "worker reports a second", value: rate, unit: "" });
  if (left_out !== undefined)
    figures.add({ name: "seconds that could not be sent in time", value: left_out, unit: "", budget: NONE });
  figures.add({
    name: "bodies refused",
    value: refused,
    unit: "",
    budget: NONE,
    note: first_refusal.slice(0, 200),
  });
  figures.add({ name: "processor time", value: of((w) => w.cpu_percent), unit: "% of a core", digits: 1 });
  figures.add({ name: "event-loop delay, p50", value: of((w) => w.loop.p50_ms), unit: "ms", digits: 1 });
  figures.add({ name: "event-loop delay, p99", value: of((w) => w.loop.p99_ms), unit: "ms", digits: 1 });
  figures.add({
    name: "event loop's longest hold",
    value: of((w) => w.loop.max_ms),
    unit: "ms",
    digits: 1,
    budget: BLOCKED_MS,
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
    name: `tick → ${VIEWERS} viewers, p99`,
    value: delivered.p99_ms,
    unit: "ms",
    digits: 1,
    note: `p50 ${delivered.p50_ms.toFixed(1)} ms, with the tick's own work; ${(delivered.bytes_a_tick / 1024).toFixed(1)} KiB a tick`,
  });
  figures.add({
    name: "ticks that a viewer lost",
    value: delivered.lost,
    unit: "",
    budget: NONE,
    note: `of ${delivered.ticks} each`,
  });
  figures.add({
    name: "errors logged",
    value: server.errors.length,
    unit: "",
    budget: NONE,
    note: server.errors[0]?.slice(0, 200) ?? "",
  });
  const [first, last] = [windows[0]!.rss_bytes, windows.at(-1)!.rss_bytes];
  figures.add({ name: "memory (RSS)", value: last / MIB, unit: "MiB" });
  if (windows.length > 1)
    figures.add({
      name: "memory's growth from the first window to the last",
      value: ((last - first) / first) * 100,
      unit: "%",
      digits: 1,
      budget: GROWTH,
    });
  figures.print(`${title}; ${VIEWERS} viewers`);
  if (status.store_error) console.log(`  the store failed: ${status.store_error}`);
  console.log(`  noise: ${inWords(await noise.read())}`);
}

/** Watches a server that is fed by a coordinator. */
async function watchFed(server: Server, feed: Feed, the: Bench): Promise<Outcome> {
  await sleep(the.quick ? 4000 : 10_000);
  let started_ms = 0;
  const watched = await watch(server, the, () => {
    feed.sent_workers = 0;
    feed.left_out = 0;
    started_ms = performance.now();
  });
  const rate = feed.sent_workers / ((performance.now() - started_ms) / 1000);
  const { refused, first_refusal, left_out } = feed;
  return { ...watched, refused, first_refusal, rate, left_out };
}

async function batched(fleet: (typeof BATCHED)[number], the: Bench): Promise<void> {
  const server = await Server.start({ build: the.build });
  try {
    const feed = await Feed.start({ url: server.url, ...fleet });
    try {
      const title = `${fleet.workers} workers, ${fleet.tasks + fleet.waiting} live tasks (${fleet.waiting} of them only wait), bodies of ${fleet.batch} workers each second`;
      await report(server, title, await watchFed(server, feed, the), the);
    } finally {
      await feed.stop();
    }
  } finally {
    await server.stop();
  }
}

/** A fleet that fits, beside reports that would go beyond what is held: those are refused by name, and nobody is late for them. */
async function overLimits(the: Bench): Promise<void> {
  const args = Object.entries(LIMITS).flatMap(([name, value]) => [
    `--${name.replaceAll("_", "-")}`,
    String(value),
  ]);
  const server = await Server.start({ build: the.build, args });
  try {
    const feed = await Feed.start({ url: server.url, ...WITHIN_LIMITS });
    const intruder = new Intruder(server.url, LIMITS);
    try {
      const outcome = await watchFed(server, feed, the);
      await intruder.stop();
      for (const limit of Object.keys(LIMITS)) {
        const { sent, named } = intruder.outcomeOf(limit);
        the.figures.add({
          name: `reports over ${limit} that were not refused by that name`,
          value: sent - named,
          unit: "",
          budget: NONE,
          note: `of ${sent}`,
        });
        the.figures.add({
          name: `/status does not show ${limit}`,
          value: (await intruder.isShown(limit)) ? 0 : 1,
          unit: "",
          budget: NONE,
        });
      }
      const { workers, tasks, waiting } = WITHIN_LIMITS;
      const title = `${workers} workers, ${tasks + waiting} live tasks, and each second 100 workers and 10,000 tasks beyond the limits`;
      await report(server, title, outcome, the);
    } finally {
      await intruder.stop();
      await feed.stop();
    }
  } finally {
    await server.stop();
  }
}

async function single(rate: number, the: Bench): Promise<void> {
  const server = await Server.start({ build: the.build });
  try {
    const workers = Math.min(SINGLE_WORKERS, rate);
    // Every worker is known, and the code warm, before the time that counts.
    await sendSingles(server.url, workers, rate, 6000);
    const sending = new AbortController();
    const [watched, sent] = await Promise.all([
      watch(server, the).finally(() => sending.abort()),
      sendSingles(server.url, workers, rate, sending.signal),
    ]);
    const taken = sent.answered_202 / sent.elapsed_s;
    const title =
      rate === Number.POSITIVE_INFINITY
        ? `single requests of ${workers} workers as fast as they are answered`
        : `single requests of ${workers} workers, each once a second`;
    await report(server, title, { ...watched, refused: sent.answered_otherwise, rate: taken }, the);
  } finally {
    await server.stop();
  }
}

async function run(the: Bench): Promise<void> {
  for (const fleet of BATCHED) await batched(fleet, the);
  for (const rate of SINGLE_RATES) await single(rate, the);
  await overLimits(the);
}

await bench("Ingest", 15, run);
