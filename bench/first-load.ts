import { fileURLToPath } from "node:url";
import type { Browser } from "@playwright/test";
import { type Bench, bench, sleep } from "./lib/bench.ts";
import { launchChromium, VIEWPORT } from "./lib/browser.ts";
import { Feed, SEED_FLEET } from "./lib/feed.ts";
import { KIB, median } from "./lib/figures.ts";
import { inWords } from "./lib/noise.ts";
import { Server } from "./lib/server.ts";

// What a browser that was never here needs until the dashboard is painted: time, bytes, requests.

const PROBE = fileURLToPath(new URL("./lib/page-probe.js", import.meta.url));
/** From the load on: long enough for the stream's first picture and for later, larger paints. */
const SETTLE_MS = 2500;
/** What the stream brings within this time of its first bytes is its first picture. */
const FIRST_PICTURE_MS = 250;

interface Request {
  readonly url: URL;
  bytes: number;
  ended: boolean;
  /** Of what arrives: when, in seconds of the browser's clock, and how much. */
  readonly arrivals: { at_s: number; bytes: number }[];
}

interface Load {
  readonly largest_paint_ms: number;
  readonly largest_paint_of: string;
  readonly first_paint_ms: number;
  readonly response_ms: number;
  readonly requests: readonly Request[];
}

/** Loads the page in a new context: nothing is cached, nothing connected. */
async function load(browser: Browser, url: string): Promise<Load> {
  const context = await browser.newContext({ viewport: VIEWPORT });
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send("Network.enable");
  await cdp.send("Network.clearBrowserCache");
  const requests = new Map<string, Request>();
  cdp.on("Network.requestWillBeSent", ({ requestId, request }) => {
    // A picture within the style sheet asks nobody.
    if (request.url.startsWith("data:")) return;
    requests.set(requestId, { url: new URL(request.url), bytes: 0, ended: false, arrivals: [] });
  });
  cdp.on("Network.dataReceived", ({ requestId, timestamp, encodedDataLength }) => {
    requests.get(requestId)?.arrivals.push({ at_s: timestamp, bytes: encodedDataLength });
  });
  cdp.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const request = requests.get(requestId);
    if (request) Object.assign(request, { bytes: encodedDataLength, ended: true });
  });
  await page.addInitScript({ path: PROBE });
  await page.goto(url);
  await sleep(SETTLE_MS);
  const probe = (await page.evaluate(`({
    ...evenkeelProbe,
    first_paint_ms: performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
    response_ms: performance.getEntriesByType("navigation")[0].responseEnd,
  })`)) as Omit<Load, "requests">;
  await context.close();
  return { ...probe, requests: [...requests.values()] };
}

function firstPicture_bytes({ arrivals }: Request): number {
  const until_s = (arrivals[0]?.at_s ?? 0) + FIRST_PICTURE_MS / 1000;
  return arrivals.filter(({ at_s }) => at_s <= until_s).reduce((sum, { bytes }) => sum + bytes, 0);
}

async function run({ quick, build, figures, noise }: Bench): Promise<void> {
  const server = await Server.start({ build });
  const feed = await Feed.start({ url: server.url, ...SEED_FLEET });
  const browser = await launchChromium();
  try {
    await sleep(5000);
    // The first load of a browser starts its own processes, the first of a server warms its code: neither counts.
    await load(browser, server.url);
    noise.reset();
    const loads: Load[] = [];
    for (let round = 0; round < (quick ? 3 : 9); round++) loads.push(await load(browser, server.url));
    const around = await noise.read();

    const of = (read: (one: Load) => number) => median(loads.map(read));
    const isStream = (request: Request) => request.url.pathname.endsWith("/stream");
    const bytesOf = (one: Load, which: (request: Request) => boolean) =>
      one.requests.filter(which).reduce((sum, { bytes }) => sum + bytes, 0);
    const host = new URL(server.url).host;
    const note = `median of ${loads.length}`;
    figures.add({
      name: "largest contentful paint",
      value: of((one) => one.largest_paint_ms),
      unit: "ms",
      budget: { limit: 300 },
      note: `${note}, worst ${Math.max(...loads.map((one) => one.largest_paint_ms)).toFixed(0)} ms; ${loads.at(-1)!.largest_paint_of}`,
    });
    figures.add({ name: "first contentful paint", value: of((one) => one.first_paint_ms), unit: "ms", note });
    figures.add({
      name: "document received",
      value: of((one) => one.response_ms),
      unit: "ms",
      note: `${note}, from the start of the navigation`,
    });
    figures.add({
      name: "bytes on the wire, page and assets",
      value: of((one) => bytesOf(one, (request) => !isStream(request))) / KIB,
      unit: "KiB",
      digits: 1,
      budget: { limit: 60, rule: "at most" },
      note: `${note}, heads included`,
    });
    for (const { url } of loads.at(-1)!.requests.filter((request) => !isStream(request)))
      figures.add({
        name: `  ${url.pathname}`,
        value: of((one) => bytesOf(one, (request) => request.url.pathname === url.pathname)) / KIB,
        unit: "KiB",
        digits: 1,
      });
    figures.add({
      name: "apart from them: the stream's first picture",
      value: of((one) => Math.max(...one.requests.filter(isStream).map(firstPicture_bytes))) / KIB,
      unit: "KiB",
      digits: 1,
      note: `${note}, what came in its first ${FIRST_PICTURE_MS} ms`,
    });
    figures.add({
      name: "requests",
      value: of((one) => one.requests.length),
      unit: "",
      budget: { limit: 5, rule: "at most" },
      note: loads
        .at(-1)!
        .requests.map(({ url }) => url.pathname)
        .join(" "),
    });
    figures.add({
      name: "requests to other hosts",
      value: Math.max(...loads.map((one) => one.requests.filter(({ url }) => url.host !== host).length)),
      unit: "",
      budget: { limit: 0, rule: "at most" },
    });
    figures.print(
      `${SEED_FLEET.workers} workers, ${SEED_FLEET.tasks} tasks, Chromium ${browser.version()}, ${VIEWPORT.width}×${VIEWPORT.height}, nothing cached`,
    );
    console.log(`  noise: ${inWords(around)}`);
  } finally {
    await browser.close();
    await feed.stop();
    await server.stop();
  }
}

await bench("First load", 5, run);
