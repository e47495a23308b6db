import { type Bench, bench, sleep } from "./lib/bench.ts";
import { launchChromium, VIEWPORT } from "./lib/browser.ts";
import { SEED_FLEET } from "./lib/feed.ts";
import type { Figures } from "./lib/figures.ts";
import { inWords, type NoiseMeter } from "./lib/noise.ts";
import { bullBoard } from "./lib/peers/bull-board.ts";
import { evenkeel } from "./lib/peers/evenkeel.ts";
import { haproxy } from "./lib/peers/haproxy.ts";
import { netdata } from "./lib/peers/netdata.ts";
import type { End, Peer, RunningPeer } from "./lib/peers/peer.ts";
import { prometheus } from "./lib/peers/prometheus.ts";
import { type Effort, type Viewing, view } from "./lib/peers/viewing.ts";

// What our dashboard costs its viewer and its server beside what others cost, with the same fleet or the nearest
// that they can show, one after the other on the same machine.

/** Charts of a minute are full by then. */
const HISTORY_MS = 60_000;
/** Others' pages ask hosts of the Internet: that is counted, and nobody is asked. */
const NO_INTERNET = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1";

interface Row extends Viewing {
  readonly peer: RunningPeer;
  readonly chromium: string;
}

const COLUMNS: readonly [string, (row: Row) => string][] = [
  ["Dashboard", ({ peer }) => peer.title],
  ["largest paint", ({ largest_paint_ms }) => shown(largest_paint_ms, 0, "ms")],
  ["first figure", ({ data_ms }) => shown(data_ms, 0, "ms")],
  ["first load", ({ first_load_kib }) => shown(first_load_kib, 0, "KiB")],
  ["requests (other hosts)", ({ requests, other_host_requests }) => `${requests} (${other_host_requests})`],
  ["heap", ({ heap_mib }) => shown(heap_mib, 1, "MiB")],
  ["main thread a second", ({ main_thread_ms_per_s }) => shown(main_thread_ms_per_s, 0, "ms")],
  ["wire a second", ({ wire_kib_per_s }) => shown(wire_kib_per_s, 1, "KiB")],
  ["server's share of a core", ({ server_cpu_percent }) => shown(server_cpu_percent, 1, "%")],
  ["server's memory", ({ server_rss_mib }) => shown(server_rss_mib, 0, "MiB")],
];

async function run({ quick, build, figures, noise }: Bench): Promise<void> {
  const effort = quick ? { loads: 3, rounds: 1 } : { loads: 7, rounds: 3 };
  const ours = evenkeel(build);
  const rows: Row[] = [];
  for (const peer of [ours, netdata, prometheus, haproxy, bullBoard]) {
    const ends: End[] = [];
    try {
      const running = await startOrSkip(peer, (end) => ends.unshift(end), peer === ours);
      if (running) rows.push(await measure(running, effort, noise));
    } finally {
      for (const end of ends) await end();
    }
  }
  const fleet = `${SEED_FLEET.workers} workers, ${SEED_FLEET.tasks} tasks`;
  console.log(
    `\n${fleet} or the nearest to it, Chromium ${rows[0]!.chromium}, ${VIEWPORT.width}×${VIEWPORT.height}, nothing cached, ` +
      `medians of ${effort.loads} loads and ${effort.rounds} times 20 s with one viewer\n`,
  );
  printTable(rows);
  addBudgets(figures, rows[0]!);
  figures.print("Evenkeel's own budgets");
}

/** Waits until it has some past, looks at it and prints how that went. */
async function measure(peer: RunningPeer, effort: Effort, noise: NoiseMeter): Promise<Row> {
  await sleep(HISTORY_MS);
  const browser = await launchChromium([NO_INTERNET]);
  try {
    noise.reset();
    const row = { peer, chromium: browser.version(), ...(await view(browser, peer, effort)) };
    console.log(`\n${peer.title}: ${peer.shows}`);
    console.log(`  largest paint: ${row.largest_paint_note}`);
    if (row.other_hosts.length > 0) console.log(`  other hosts: ${row.other_hosts.join(", ")}`);
    console.log(`  noise: ${inWords(await noise.read())}`);
    return row;
  } finally {
    await browser.close();
  }
}

/** @throws where it is ours that does not start */
async function startOrSkip(
  peer: Peer,
  atEnd: (end: End) => void,
  isOurs: boolean,
): Promise<RunningPeer | null> {
  const missing = peer.missing();
  if (missing !== null) return skipped(peer, missing);
  try {
    return await peer.start(atEnd);
  } catch (error) {
    if (isOurs) throw error;
    return skipped(peer, (error as Error).message);
  }
}

function skipped({ name }: Peer, why: string): null {
  console.log(`\n${name}: skipped, ${why}`);
  return null;
}

/** As README has it. */
function printTable(rows: readonly Row[]): void {
  const print = (cells: readonly string[]) => console.log(`| ${cells.join(" | ")} |`);
  print(COLUMNS.map(([title]) => title));
  console.log(`|${"---|".repeat(COLUMNS.length)}`);
  for (const row of rows) print(COLUMNS.map(([, cell]) => cell(row)));
}

function addBudgets(figures: Figures, ours: Row): void {
  figures.add({
    name: "largest contentful paint",
    value: ours.largest_paint_ms,
    unit: "ms",
    budget: { limit: 300 },
    note: ours.largest_paint_note,
  });
  figures.add({
    name: "bytes on the wire, page and assets",
    value: ours.first_load_kib - ours.streamed_kib,
    unit: "KiB",
    digits: 1,
    budget: { limit: 60, rule: "at most" },
    note: `apart from them the stream's first picture, ${ours.streamed_kib.toFixed(1)} KiB`,
  });
  figures.add({
    name: "requests",
    value: ours.requests,
    unit: "",
    budget: { limit: 5, rule: "at most" },
  });
  figures.add({
    name: "requests to other hosts",
    value: ours.other_host_requests,
    unit: "",
    budget: { limit: 0, rule: "at most" },
  });
  figures.add({
    name: "memory, with one viewer",
    value: ours.server_rss_mib,
    unit: "MiB",
    budget: { limit: 150 },
  });
}

function shown(value: number, digits: number, unit: string): string {
  return Number.isFinite(value) ? `${value.toFixed(digits)} ${unit}` : "none";
}

// Whoever ends the bench ends what it has started: that is done at the process's exit.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

await bench("Peers", 25, run);
