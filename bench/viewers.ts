import { once } from "node:events";
import { Audience, connectionsLimit, forkScript, PANELS } from "./lib/audience.ts";
import { type Bench, bench, sleep } from "./lib/bench.ts";
import { Feed, SEED_FLEET } from "./lib/feed.ts";
import { type Budget, KIB, MIB, median, percentile } from "./lib/figures.ts";
import type { LoopDelay, LoopProbe } from "./lib/loop-probe.ts";
import { inWords, type Noise } from "./lib/noise.ts";
import { cpu_s, rss_bytes } from "./lib/processes.ts";
import { Server, type Status } from "./lib/server.ts";
import { sendSingles } from "./lib/singles.ts";
import type { Stuck, StuckOutcome } from "./lib/stuck-client.ts";
import type { Delivered, Open } from "./lib/viewer-client.ts";

// Many streams of one process: what they cost, how soon each tick is with the last of them, and what becomes of the
// reports that are sent meanwhile. Beside it, in the same run, the usual way to do it: a string a client through
// hono's streamSSE, with the same frames. Then with many filters, and with viewers that read slowly or never.

const MAX_VIEWERS = 10_000;
/** With more the usual way falls ever further behind, and takes the machine's memory with it. */
const NAIVE_MAX_VIEWERS = 1000;
const FILTERED_STREAMS = 50;
const WARM_UP_MS = 3000;
/** Reports sent one by one meanwhile. */
const SINGLES = { workers: 5, rate: 50 };
const STUCK = 500;
const QUICK_STUCK = 50;
/** Data as JSON is sent whole each tick: it fills the system's buffers soonest. */
const STUCK_STREAM = "stream?format=json&panels=worker-grid,task-distribution,worker-list,task-list";
/** The system's buffers fill for some time before a viewer is known to take nothing, and then it has 30 s. */
const STUCK_MS = 150_000;
const NONE: Budget = { limit: 0, rule: "at most" };
const BLOCKED_MS: Budget = { limit: 50, rule: "at most" };

interface Window extends Delivered {
  /** Processor time of the server a second, percent of a core. */
  readonly cpu_percent: number;
  readonly rss_bytes: number;
  /** From a single report to its answer; none where none were sent. */
  readonly answered_ms: readonly number[];
  readonly refused: number;
}

interface Measured {
  readonly windows: readonly Window[];
  readonly noise: Noise;
  /** While they joined and watched; null where it was not asked for. */
  readonly loop: LoopDelay | null;
}

interface MeasureOptions extends Open {
  readonly pid: number;
  readonly windows: number;
  readonly window_ms: number;
  /** The server that single reports are sent to meanwhile; left out, none are. */
  readonly ingest_url?: string;
  /** The server's event loop; what it did before they leave again is read. */
  readonly loop?: LoopProbe;
}

async function measure(options: MeasureOptions, { noise }: Bench): Promise<Measured> {
  const audience = new Audience();
  try {
    await audience.open(options);
    await sleep(WARM_UP_MS);
    noise.reset();
    const windows: Window[] = [];
    for (let round = 0; round < options.windows; round++)
      windows.push(await measureWindow(audience, options));
    const loop = (await options.loop?.read()) ?? null;
    options.loop?.reset();
    return { windows, loop, noise: await noise.read() };
  } finally {
    await audience.close();
  }
}

async function measureWindow(
  audience: Audience,
  { pid, window_ms, ingest_url }: MeasureOptions,
): Promise<Window> {
  const [before_s, started_ms] = [cpu_s(pid), performance.now()];
  const { workers, rate } = SINGLES;
  const [delivered, singles] = await Promise.all([
    audience.measure(window_ms),
    ingest_url === undefined ? null : sendSingles(ingest_url, workers, rate, window_ms),
  ]);
  const cpu = (cpu_s(pid) - before_s) / ((performance.now() - started_ms) / 1000);
  return {
    ...delivered,
    cpu_percent: cpu * 100,
    rss_bytes: rss_bytes(pid),
    answered_ms: singles?.took_ms ?? [],
    refused: singles === null ? 0 : singles.sent - singles.answered_202,
  };
}

async function withNaive(
  url: string,
  run: (url: string, pid: number) => Promise<Measured>,
): Promise<Measured> {
  const child = forkScript("naive-server.ts", [url]);
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  try {
    await sleep(2000);
    return await run(`http://127.0.0.1:${port}/stream`, child.pid!);
  } finally {
    child.disconnect();
    await once(child, "exit");
  }
}

interface Row {
  readonly name: string;
  readonly unit: string;
  readonly digits?: number;
  readonly budget?: Budget;
  readonly read: (window: Window) => number;
  /** What stands for several windows; left out, their median. */
  readonly of?: (values: readonly number[]) => number;
}

const worst = (values: readonly number[]) => Math.max(...values);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

const ROWS: readonly Row[] = [
  {
    name: "server's processor time",
    unit: "% of a core",
    digits: 1,
    budget: { limit: 30 },
    read: (w) => w.cpu_percent,
  },
  { name: "server's memory (RSS)", unit: "MiB", read: (w) => w.rss_bytes / MIB },
  {
    name: "bytes a viewer a tick",
    unit: "KiB",
    digits: 2,
    budget: { limit: 6 },
    read: (w) => w.bytes_a_tick / KIB,
  },
  { name: "tick → viewer, p50", unit: "ms", digits: 1, read: (w) => w.p50_ms },
  { name: "tick → viewer, p99", unit: "ms", digits: 1, budget: { limit: 250 }, read: (w) => w.p99_ms },
  { name: "tick → viewer, worst", unit: "ms", digits: 1, read: (w) => w.max_ms, of: worst },
  { name: "ticks lost", unit: "", budget: NONE, read: (w) => w.lost, of: sum },
];

const INGEST_ROWS: readonly Row[] = [
  {
    name: "report → answer meanwhile, p50",
    unit: "ms",
    digits: 1,
    read: (w) => percentile(w.answered_ms, 0.5),
  },
  {
    name: "report → answer meanwhile, p99",
    unit: "ms",
    digits: 1,
    budget: { limit: 250 },
    read: (w) => percentile(w.answered_ms, 0.99),
  },
  { name: "reports not taken", unit: "", budget: NONE, read: (w) => w.refused, of: sum },
];

interface Outcome {
  readonly title: string;
  readonly hub: Measured;
  readonly naive?: Measured | null;
  readonly before: Status;
  readonly after: Status;
  /** While all of them left at once. */
  readonly leaving: LoopDelay;
}

function report({ title, hub, naive, before, after, leaving }: Outcome, { figures }: Bench): void {
  for (const { read, of = median, ...row } of [...ROWS, ...INGEST_ROWS]) {
    const beside = naive && ROWS.some(({ name }) => name === row.name);
    figures.add({
      ...row,
      value: of(hub.windows.map(read)),
      note: beside
        ? `streamSSE, a string a client: ${of(naive.windows.map(read)).toFixed(row.digits ?? 0)} ${row.unit}`.trim()
        : "",
    });
  }
  figures.add({
    name: "event loop's longest hold",
    value: hub.loop!.max_ms,
    unit: "ms",
    digits: 1,
    budget: BLOCKED_MS,
    note: `p99 ${hub.loop!.p99_ms.toFixed(1)} ms; viewers that join included; when all leave in one instant ${leaving.max_ms.toFixed(0)} ms, most of it Node's own closing of sockets`,
  });
  figures.add({
    name: "ticks late",
    value: after.ticks_late - before.ticks_late,
    unit: "",
    budget: NONE,
    note: `of ${after.ticks - before.ticks}`,
  });
  figures.add({
    name: "ticks skipped for slow viewers, viewers dropped",
    value: after.ticks_skipped - before.ticks_skipped + after.viewers_dropped - before.viewers_dropped,
    unit: "",
    note: "by the server's own count",
  });
  const ticks = sum(hub.windows.map((window) => window.ticks));
  figures.print(`${title}; medians of ${hub.windows.length} windows, ${ticks} ticks in all`);
  console.log(`  noise: ${inWords(hub.noise)}`);
}

/** Different parts of the fleet, each of which some of it matches. */
function filters(): string[] {
  const worker_types = ["gpu", "cpu", "tpu"];
  const task_types = ["vision", "text", "audio", "multimodal"];
  const families = [
    ...["vit", "clip", "detr", "convnext", "bert", "t5", "llama"],
    ...["whisper", "wav2vec2", "blip", "llava"],
  ];
  const texts = ["cuda", "01", "lab", "large", "jax", "vision"];
  const all = [
    ...worker_types.map((worker_type) => ({ worker_type })),
    ...task_types.map((task_type) => ({ task_type })),
    ...families.map((model_family) => ({ model_family })),
    ...texts.map((q) => ({ q })),
    ...worker_types.flatMap((worker_type) => task_types.map((task_type) => ({ worker_type, task_type }))),
    ...families.map((model_family) => ({ model_family, q: "gpu" })),
    ...worker_types.map((worker_type) => ({ worker_type, task_type: "vision", q: "vit" })),
  ];
  return all.slice(0, FILTERED_STREAMS).map((one) => new URLSearchParams(one).toString());
}

interface Scene {
  readonly server: Server;
  readonly url: string;
  readonly the: Bench;
}

async function between(
  { server }: Scene,
  work: () => Promise<Measured>,
): Promise<Omit<Outcome, "title" | "naive">> {
  const before = await server.status();
  server.loop.reset();
  const hub = await work();
  return { hub, leaving: await server.loop.read(), before, after: await server.status() };
}

function windowsOf({ quick }: Bench) {
  return { windows: quick ? 1 : 3, window_ms: quick ? 8000 : 15_000 };
}

async function ofOneStream(viewers: number, scene: Scene): Promise<void> {
  const { server, url, the } = scene;
  const options = { viewers, ...windowsOf(the) };
  const outcome = await between(scene, () =>
    measure(
      { ...options, urls: [url], pid: server.pid, gzip: true, ingest_url: server.url, loop: server.loop },
      the,
    ),
  );
  const naive =
    viewers > NAIVE_MAX_VIEWERS
      ? null
      : await withNaive(url, (naive_url, pid) =>
          measure({ ...options, urls: [naive_url], pid, gzip: false, window_ms: 8000 }, the),
        );
  report({ title: `${viewers} viewers of one stream`, naive, ...outcome }, the);
}

async function ofManyFilters(viewers: number, scene: Scene): Promise<void> {
  const { server, url, the } = scene;
  const urls = filters().map((filter) => `${url}&${filter}`);
  const options = { viewers, urls, pid: server.pid, gzip: true, ingest_url: server.url, loop: server.loop };
  const outcome = await between(scene, () => measure({ ...options, ...windowsOf(the) }, the));
  report({ title: `${viewers} viewers of ${urls.length} different filters`, ...outcome }, the);
}

/** Viewers that read, beside those that read slowly or never. */
async function besideStuck(viewers: number, stuck: number, scene: Scene): Promise<void> {
  const { server, url, the } = scene;
  const rss_before = server.rss_bytes();
  const child = forkScript("stuck-client.ts");
  const ask = async (question: { start?: Stuck }) => {
    child.send(question);
    return (await once(child, "message"))[0] as StuckOutcome;
  };
  try {
    const started_ms = performance.now();
    const slow = Math.floor(stuck / 2);
    await ask({ start: { url: `${server.url}${STUCK_STREAM}`, slow, silent: stuck - slow } });
    const outcome = await between(scene, () =>
      measure(
        {
          ...{ viewers, urls: [url], pid: server.pid, gzip: true, ingest_url: server.url, loop: server.loop },
          ...windowsOf(the),
          // Until the last of them is to be dropped.
          ...(!the.quick && { windows: Math.ceil((STUCK_MS - (performance.now() - started_ms)) / 15_000) }),
        },
        the,
      ),
    );
    const { dropped, open } = await ask({});
    the.figures.add({
      name: "viewers that don't read: dropped",
      value: outcome.after.viewers_dropped - outcome.before.viewers_dropped,
      unit: "",
      ...(!the.quick && { budget: { limit: stuck, rule: "at least" as const } }),
      note: `of ${stuck}; ${dropped} know it, ${open} are open`,
    });
    const most = Math.max(...outcome.hub.windows.map((window) => window.rss_bytes));
    the.figures.add({
      name: "memory that it takes",
      value: (most - rss_before) / MIB,
      unit: "MiB",
      budget: { limit: 256 },
      note: `from ${(rss_before / MIB).toFixed(0)} MiB, at most`,
    });
    report({ title: `${viewers} viewers beside ${stuck} that read slowly or never`, ...outcome }, the);
  } finally {
    child.disconnect();
    await once(child, "exit");
  }
}

/** @throws Error where they are no numbers of viewers */
function sizesFrom({ option }: Bench, limit: number): number[] {
  const given = option("viewers", "100,1000,10000");
  const sizes = given.split(",").map(Number);
  for (const size of sizes)
    if (!Number.isInteger(size) || size < 1 || size > MAX_VIEWERS)
      throw new Error(`--viewers must be whole numbers from 1 to ${MAX_VIEWERS}; got "${given}"`);
  const fit = sizes.filter((size) => size + STUCK <= limit);
  const left_out = sizes.filter((size) => !fit.includes(size));
  const files = `Open files allow ${limit} connections a process (ulimit -n)`;
  console.log(left_out.length === 0 ? `${files}.` : `${files}: ${left_out.join(", ")} viewers are left out.`);
  if (fit.length === 0)
    throw new Error("No number of viewers fits: raise ulimit -n or name fewer, --viewers");
  return fit;
}

async function run(the: Bench): Promise<void> {
  const { quick, build } = the;
  const sizes = sizesFrom(the, connectionsLimit());
  const server = await Server.start({ build });
  const feed = await Feed.start({ url: server.url, ...SEED_FLEET });
  const scene = { server, the, url: `${server.url}stream?panels=${PANELS}` };
  try {
    await sleep(5000);
    const [before_s, started_ms] = [server.cpu_s(), performance.now()];
    await sleep(quick ? 5000 : 10_000);
    const idle = ((server.cpu_s() - before_s) / ((performance.now() - started_ms) / 1000)) * 100;
    console.log(
      `Without viewers the server takes ${idle.toFixed(1)} % of a core and ${(server.rss_bytes() / MIB).toFixed(0)} MiB.`,
    );
    for (const viewers of sizes) {
      await ofOneStream(viewers, scene);
      await ofManyFilters(viewers, scene);
    }
    await besideStuck(sizes.at(-1)!, quick ? QUICK_STUCK : STUCK, scene);
  } finally {
    await feed.stop();
    await server.stop();
  }
}

await bench("Viewers", 20, run);
