import type { Browser, CDPSession } from "@playwright/test";
import { sleep } from "../bench.ts";
import { VIEWPORT } from "../browser.ts";
import { KIB, MIB, median } from "../figures.ts";
import { heapAfterCollection, mainThread_ms } from "../page-cost.ts";
import { bytesAfter, bytesOf, firstPicture_bytes, type Load, load, type Request } from "../page-load.ts";
import { treeCpu_s, treeRss_bytes } from "../processes.ts";
import type { RunningPeer } from "./peer.ts";

/** What a dashboard costs its viewer and its server. */
export interface Viewing {
  /** Infinite where nothing was painted. */
  readonly largest_paint_ms: number;
  /** The element, and the worst of all loads. */
  readonly largest_paint_note: string;
  /** When the first figure of the fleet was on the page; infinite where it never was. */
  readonly data_ms: number;
  /** Of the page and all that it asks for once, a stream's first picture included. */
  readonly first_load_kib: number;
  /** Of it, what came by streams. */
  readonly streamed_kib: number;
  readonly requests: number;
  /** Names of others that the page asks. */
  readonly other_hosts: readonly string[];
  readonly other_host_requests: number;
  readonly heap_mib: number;
  /** The rest with one viewer, over the same time. */
  readonly main_thread_ms_per_s: number;
  readonly server_cpu_percent: number;
  readonly server_rss_mib: number;
  /** What goes on being asked for or streamed. */
  readonly wire_kib_per_s: number;
}

export interface Effort {
  readonly loads: number;
  readonly rounds: number;
}

/** From the load on: long enough for what scripts ask for afterwards. */
const SETTLE_MS = 8000;
/** Of what a load did not bring. */
const NEVER_MS = Number.POSITIVE_INFINITY;
const WARM_UP_MS = 5000;
const ROUND_MS = 20_000;
const WIRE_MS = 10_000;

export async function view(browser: Browser, peer: RunningPeer, effort: Effort): Promise<Viewing> {
  // The first load of a browser starts its own processes, the first of a server warms its code: neither counts.
  await load(browser, peer.url, SETTLE_MS, peer.data);
  const loads: Load[] = [];
  for (let round = 0; round < effort.loads; round++)
    loads.push(await load(browser, peer.url, SETTLE_MS, peer.data));
  return {
    ...firstLoadOf(loads, new URL(peer.url).host),
    ...(await watch(browser, peer, effort.rounds)),
    wire_kib_per_s: await wireOf(browser, peer.url),
  };
}

function firstLoadOf(loads: readonly Load[], host: string) {
  const of = (read: (load: Load) => number) => median(loads.map(read));
  const paint_ms = (load: Load) => load.largest_paint_ms ?? load.first_paint_ms ?? NEVER_MS;
  const last = loads.at(-1)!;
  const others = (requests: readonly Request[]) => requests.filter(({ url }) => url.host !== host);
  return {
    largest_paint_ms: of(paint_ms),
    largest_paint_note: `${last.largest_paint_of ?? "first contentful paint"}, worst ${Math.max(...loads.map(paint_ms)).toFixed(0)} ms`,
    data_ms: of(({ data_ms = NEVER_MS }) => data_ms),
    first_load_kib: of(({ requests }) => sum(askedOnce(requests).map(firstBytesOf))) / KIB,
    streamed_kib: of(({ requests }) => sum(askedOnce(requests).filter(isOfStream).map(firstBytesOf))) / KIB,
    requests: of(({ requests }) => askedOnce(requests).length),
    other_hosts: [...new Set(others(last.requests).map(({ url }) => url.host))],
    other_host_requests: of(({ requests }) => others(askedOnce(requests)).length),
  };
}

function isOfStream({ isStream }: Request): boolean {
  return isStream;
}

function firstBytesOf(request: Request): number {
  return request.isStream ? firstPicture_bytes(request) : bytesOf(request);
}

/** Without what is asked again and again, which is told by the numbers of its query alone: times, as a rule. */
function askedOnce(requests: readonly Request[]): Request[] {
  const asked = new Set<string>();
  return requests.filter(({ url }) => {
    const key = url.origin + url.pathname + url.search.replaceAll(/\d+/g, "");
    const isNew = !asked.has(key);
    asked.add(key);
    return isNew;
  });
}

/** One viewer who looks at the page for a while. */
async function watch(browser: Browser, { url, pids }: RunningPeer, rounds: number) {
  const page = await browser.newPage({ viewport: VIEWPORT });
  await page.goto(url);
  await sleep(WARM_UP_MS);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable");
  const heap_bytes = await heapAfterCollection(cdp);
  const processes = await browser.newBrowserCDPSession();
  const measured: Awaited<ReturnType<typeof round>>[] = [];
  for (let index = 0; index < rounds; index++) measured.push(await round(processes, pids));
  await page.context().close();
  const of = (read: (one: (typeof measured)[number]) => number) => median(measured.map(read));
  return {
    heap_mib: heap_bytes / MIB,
    main_thread_ms_per_s: of(({ main_ms_per_s }) => main_ms_per_s),
    server_cpu_percent: of(({ cpu_percent }) => cpu_percent),
    server_rss_mib: of(({ rss_bytes }) => rss_bytes) / MIB,
  };
}

async function round(processes: CDPSession, pids: readonly number[]) {
  const [main_before_ms, cpu_before_s] = [await mainThread_ms(processes), treeCpu_s(pids)];
  const started_ms = performance.now();
  await sleep(ROUND_MS);
  const elapsed_s = (performance.now() - started_ms) / 1000;
  return {
    main_ms_per_s: ((await mainThread_ms(processes)) - main_before_ms) / elapsed_s,
    cpu_percent: ((treeCpu_s(pids) - cpu_before_s) / elapsed_s) * 100,
    rss_bytes: treeRss_bytes(pids),
  };
}

/** Of a viewer of its own, since watching the network takes time of the page's main thread. */
async function wireOf(browser: Browser, url: string): Promise<number> {
  const { requests } = await load(browser, url, SETTLE_MS + WIRE_MS);
  return bytesAfter(requests, SETTLE_MS) / KIB / (WIRE_MS / 1000);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
