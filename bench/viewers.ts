import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Bench, bench, sleep } from "./lib/bench.ts";
import { Feed, SEED_FLEET } from "./lib/feed.ts";
import { KIB, MIB, median } from "./lib/figures.ts";
import { inWords, type Noise } from "./lib/noise.ts";
import { cpu_s, rss_bytes } from "./lib/processes.ts";
import { Server, type Status } from "./lib/server.ts";
import type { Delivered, Open } from "./lib/viewer-client.ts";

// Many streams of one process: what they cost and how soon each tick is with the last of them. Beside it, in
// the same run, the usual way to do it: a string a client through hono's streamSSE, with the same frames.

const MAX_VIEWERS = 10_000;
/** With more the usual way falls ever further behind, and takes the machine's memory with it. */
const NAIVE_MAX_VIEWERS = 1000;
const PANELS = "overview,worker-grid,task-distribution,performance,resources,alerts";
const WARM_UP_MS = 3000;

interface Window extends Delivered {
  /** Processor time of the server a second, percent of a core. */
  readonly cpu_percent: number;
  readonly rss_bytes: number;
}

interface Measured {
  readonly windows: readonly Window[];
  readonly noise: Noise;
}

const script = (name: string) => fileURLToPath(new URL(`./lib/${name}`, import.meta.url));
const forkTs = (name: string, args: readonly string[] = []) =>
  fork(script(name), args, { execArgv: ["--import", "tsx"], stdio: ["ignore", "inherit", "inherit", "ipc"] });

/** A process with viewers of one stream. */
class Audience {
  readonly #child: ChildProcess = forkTs("viewer-client.ts");

  async open(open: Open): Promise<void> {
    await this.#ask({ open });
  }

  measure(measure_ms: number): Promise<Delivered> {
    return this.#ask({ measure_ms }) as Promise<Delivered>;
  }

  async close(): Promise<void> {
    this.#child.send("close");
    await once(this.#child, "exit");
  }

  async #ask(question: object): Promise<unknown> {
    this.#child.send(question);
    const ended = once(this.#child, "exit").then(() => {
      throw new Error("the viewers' process ended; see above");
    });
    const [answer] = await Promise.race([once(this.#child, "message"), ended]);
    ended.catch(() => {});
    return answer;
  }
}

interface MeasureOptions extends Open {
  readonly pid: number;
  readonly windows: number;
  readonly window_ms: number;
}

async function measure(options: MeasureOptions, { noise }: Bench): Promise<Measured> {
  const audience = new Audience();
  try {
    await audience.open(options);
    await sleep(WARM_UP_MS);
    noise.reset();
    const windows: Window[] = [];
    for (let round = 0; round < options.windows; round++) {
      const [before_s, started_ms] = [cpu_s(options.pid), performance.now()];
      const delivered = await audience.measure(options.window_ms);
      const cpu = (cpu_s(options.pid) - before_s) / ((performance.now() - started_ms) / 1000);
      windows.push({ ...delivered, cpu_percent: cpu * 100, rss_bytes: rss_bytes(options.pid) });
    }
    return { windows, noise: await noise.read() };
  } finally {
    await audience.close();
  }
}

async function withNaive(
  url: string,
  run: (url: string, pid: number) => Promise<Measured>,
): Promise<Measured> {
  const child = forkTs("naive-server.ts", [url]);
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  try {
    await sleep(2000);
    return await run(`http://127.0.0.1:${port}/stream`, child.pid!);
  } finally {
    child.disconnect();
    await once(child, "exit");
  }
}

function report(
  viewers: number,
  hub: Measured,
  naive: Measured | null,
  status: { before: Status; after: Status },
  { figures }: Bench,
): void {
  const worst = (values: readonly number[]) => Math.max(...values);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const rows: {
    name: string;
    unit: string;
    digits?: number;
    limit?: number;
    rule?: "below" | "at most";
    read: (window: Window) => number;
    /** What stands for several windows; left out, their median. */
    of?: (values: readonly number[]) => number;
  }[] = [
    {
      name: "server's processor time",
      unit: "% of a core",
      digits: 1,
      limit: 30,
      read: (w) => w.cpu_percent,
    },
    { name: "server's memory (RSS)", unit: "MiB", read: (w) => w.rss_bytes / MIB },
    { name: "bytes a viewer a tick", unit: "KiB", digits: 2, limit: 6, read: (w) => w.bytes_a_tick / KIB },
    { name: "tick → viewer, p50", unit: "ms", digits: 1, read: (w) => w.p50_ms },
    { name: "tick → viewer, p99", unit: "ms", digits: 1, limit: 250, read: (w) => w.p99_ms },
    { name: "tick → viewer, worst", unit: "ms", digits: 1, read: (w) => w.max_ms, of: worst },
    { name: "ticks lost", unit: "", limit: 0, rule: "at most", read: (w) => w.lost, of: sum },
  ];
  for (const { limit, rule, read, of = median, ...row } of rows) {
    figures.add({
      ...row,
      value: of(hub.windows.map(read)),
      ...(limit !== undefined && { budget: { limit, rule: rule ?? "below" } }),
      note: naive
        ? `streamSSE, a string a client: ${of(naive.windows.map(read)).toFixed(row.digits ?? 0)} ${row.unit}`.trim()
        : "",
    });
  }
  const { before, after } = status;
  figures.add({
    name: "ticks skipped for slow viewers, viewers dropped",
    value: after.ticks_skipped - before.ticks_skipped + after.viewers_dropped - before.viewers_dropped,
    unit: "",
    note: "by the server's own count",
  });
  const ticks = sum(hub.windows.map((window) => window.ticks));
  figures.print(`${viewers} viewers; medians of ${hub.windows.length} windows, ${ticks} ticks in all`);
  console.log(`  noise: ${inWords(hub.noise)}`);
}

async function run(the: Bench): Promise<void> {
  const { quick, build, option } = the;
  const sizes = option("viewers", "100,1000").split(",").map(Number);
  for (const size of sizes)
    if (!Number.isInteger(size) || size < 1 || size > MAX_VIEWERS)
      throw new Error(
        `--viewers must be whole numbers from 1 to ${MAX_VIEWERS}; got "${option("viewers", "")}"`,
      );
  const server = await Server.start({ build });
  const feed = await Feed.start({ url: server.url, ...SEED_FLEET });
  const url = `${server.url}stream?panels=${PANELS}`;
  try {
    await sleep(5000);
    const [before_s, started_ms] = [server.cpu_s(), performance.now()];
    await sleep(quick ? 5000 : 10_000);
    const idle = ((server.cpu_s() - before_s) / ((performance.now() - started_ms) / 1000)) * 100;
    console.log(
      `Without viewers the server takes ${idle.toFixed(1)} % of a core and ${(server.rss_bytes() / MIB).toFixed(0)} MiB.`,
    );
    for (const viewers of sizes) {
      const options = { viewers, windows: quick ? 1 : 3, window_ms: quick ? 8000 : 15_000 };
      const before = await server.status();
      const hub = await measure({ ...options, url, pid: server.pid, gzip: true }, the);
      const after = await server.status();
      const naive =
        viewers > NAIVE_MAX_VIEWERS
          ? null
          : await withNaive(url, (naive_url, pid) =>
              measure({ ...options, url: naive_url, pid, gzip: false, window_ms: 8000 }, the),
            );
      report(viewers, hub, naive, { before, after }, the);
    }
  } finally {
    await feed.stop();
    await server.stop();
  }
}

await bench("Viewers", 10, run);
