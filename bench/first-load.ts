import { type Bench, bench, sleep } from "./lib/bench.ts";
import { launchChromium, VIEWPORT } from "./lib/browser.ts";
import { Feed, SEED_FLEET } from "./lib/feed.ts";
import { KIB, median } from "./lib/figures.ts";
import { inWords } from "./lib/noise.ts";
import {
  bytesOf,
  FIRST_PICTURE_MS,
  firstPicture_bytes,
  type Load,
  load,
  type Request,
} from "./lib/page-load.ts";
import { Server } from "./lib/server.ts";

// What a browser that was never here needs until the dashboard is painted: time, bytes, requests.

/** From the load on: long enough for the stream's first picture and for later, larger paints. */
const SETTLE_MS = 2500;
async function run({ quick, build, figures, noise }: Bench): Promise<void> {
  const server = await Server.start({ build });
  const feed = await Feed.start({ url: server.url, ...SEED_FLEET });
  const browser = await launchChromium();
  try {
    await sleep(5000);
    // The first load of a browser starts its own processes, the first of a server warms its code: neither counts.
    await load(browser, server.url, SETTLE_MS);
    noise.reset();
    const loads: Load[] = [];
    for (let round = 0; round < (quick ? 3 : 9); round++)
      loads.push(await load(browser, server.url, SETTLE_MS));
    const around = await noise.read();

    const of = (read: (one: Load) => number | undefined) =>
      median(loads.map((one) => read(one) ?? Number.POSITIVE_INFINITY));
    const worst_ms = Math.max(...loads.map((one) => one.largest_paint_ms ?? Number.POSITIVE_INFINITY));
    const bytesOfAll = (one: Load, which: (request: Request) => boolean) =>
      one.requests.filter(which).reduce((sum, request) => sum + bytesOf(request), 0);
    const host = new URL(server.url).host;
    const note = `median of ${loads.length}`;
    figures.add({
      name: "largest contentful paint",
      value: of((one) => one.largest_paint_ms),
      unit: "ms",
      budget: { limit: 300 },
      note: `${note}, worst ${worst_ms.toFixed(0)} ms; ${loads.at(-1)!.largest_paint_of}`,
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
      value: of((one) => bytesOfAll(one, ({ isStream }) => !isStream)) / KIB,
      unit: "KiB",
      digits: 1,
      budget: { limit: 60, rule: "at most" },
      note: `${note}, heads included`,
    });
    for (const { url } of loads.at(-1)!.requests.filter(({ isStream }) => !isStream))
      figures.add({
        name: `  ${url.pathname}`,
        value: of((one) => bytesOfAll(one, (request) => request.url.pathname === url.pathname)) / KIB,
        unit: "KiB",
        digits: 1,
      });
    figures.add({
      name: "apart from them: the stream's first picture",
      value:
        of((one) => Math.max(...one.requests.filter(({ isStream }) => isStream).map(firstPicture_bytes))) /
        KIB,
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
