import type { CDPSession, Page } from "@playwright/test";
import { type Bench, bench, sleep } from "./lib/bench.ts";
import { launchChromium, VIEWPORT } from "./lib/browser.ts";
import { Feed, SEED_FLEET } from "./lib/feed.ts";
import { type Budget, MIB } from "./lib/figures.ts";
import { inWords } from "./lib/noise.ts";
import { Server } from "./lib/server.ts";
import { recordTape, type Tape } from "./lib/stream-tape.ts";
import { TapeProxy } from "./lib/tape-proxy.ts";

// A page that is left open for a day: real messages of a live fleet, as many as come in that time, as fast as the
// page takes them in.

const DAY_MESSAGES = 86_400;
const RECORDED_TICKS = 240;
/** Fewer are not even one round of what is recorded. */
const LEAST_MESSAGES = 1000;
/** Sent and not yet heard of at most, in ticks. */
const MOST_AHEAD = 40;
const POLL_MS = 20;
const STUCK_MS = 30_000;
/** Both together are less than the silence after which a page connects anew. */
const SETTLE_MS = 400;
const COLLECTIONS = 2;
/** Where the page is looked at: shares of the whole. */
const LOOKS = [0.1, 0.25, 0.5, 0.75, 1];
/** Nodes and listeners that may come and go, such as those of a line that tells the state. */
const FEW = 20;
const NONE: Budget = { limit: 0, rule: "at most" };

/** What the page holds. */
interface Look {
  readonly ticks: number;
  readonly heap_bytes: number;
  readonly nodes: number;
  readonly listeners: number;
  readonly connections: number;
}

/** The address that the page's own markup asks for. */
async function streamOf(url: string): Promise<string> {
  const html = await (await fetch(url)).text();
  const [, path] = /hx-sse:connect="([^"]+)"/.exec(html) ?? [];
  if (path === undefined) throw new Error("the page names no stream");
  return new URL(path.replaceAll("&amp;", "&"), url).href;
}

/** Ticks that the page has taken in, by its own count. */
const heard = (page: Page) => page.evaluate("evenkeelTicks") as Promise<number>;

async function playTo(ticks: number, page: Page, proxy: TapeProxy): Promise<void> {
  let before = await heard(page);
  let moved_ms = performance.now();
  while (before < ticks) {
    proxy.send(Math.max(0, Math.min(ticks - proxy.sent, before + MOST_AHEAD - proxy.sent)));
    await sleep(POLL_MS);
    const now = await heard(page);
    if (now !== before) moved_ms = performance.now();
    else if (performance.now() - moved_ms > STUCK_MS)
      throw new Error(`the page took nothing in for ${STUCK_MS} ms after ${now} ticks`);
    before = now;
  }
}

async function lookAt(cdp: CDPSession, ticks: number, proxy: TapeProxy): Promise<Look> {
  let heap_bytes = Number.POSITIVE_INFINITY;
  let nodes = Number.NaN;
  let listeners = Number.NaN;
  for (let round = 0; round < COLLECTIONS; round++) {
    // What the last messages began, such as a swap that settles, holds some of the heap until it is over.
    await sleep(SETTLE_MS);
    await cdp.send("HeapProfiler.collectGarbage");
    const { metrics } = await cdp.send("Performance.getMetrics");
    const now = Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
    heap_bytes = Math.min(heap_bytes, now.JSHeapUsedSize ?? Number.NaN);
    nodes = now.Nodes ?? Number.NaN;
    listeners = now.JSEventListeners ?? Number.NaN;
  }
  return { ticks, heap_bytes, nodes, listeners, connections: await proxy.connections() };
}

function report(looks: readonly Look[], { figures }: Bench): void {
  const [first, last] = [looks[0]!, looks.at(-1)!];
  const course = (read: (look: Look) => number, digits = 0) =>
    looks.map((look) => read(look).toFixed(digits)).join(", ");
  figures.add({
    name: "heap after collection",
    value: last.heap_bytes / MIB,
    unit: "MiB",
    digits: 2,
    note: `at ${LOOKS.map((share) => `${100 * share} %`).join(", ")}: ${course(({ heap_bytes }) => heap_bytes / MIB, 2)}`,
  });
  figures.add({
    name: "  growth since a tenth of it",
    value: 100 * (last.heap_bytes / first.heap_bytes - 1),
    unit: "%",
    digits: 1,
    budget: { limit: 10 },
  });
  for (const [name, read, budget] of [
    ["DOM nodes", ({ nodes }) => nodes, { limit: FEW, rule: "at most" }],
    ["listeners", ({ listeners }) => listeners, { limit: FEW, rule: "at most" }],
    ["connections", ({ connections }) => connections, NONE],
  ] as const satisfies [string, (look: Look) => number, Budget][]) {
    figures.add({ name, value: read(last), unit: "", note: course(read) });
    figures.add({ name: "  more than at a tenth of it", value: read(last) - read(first), unit: "", budget });
  }
}

async function record(the: Bench): Promise<{ server: Server; tape: Tape }> {
  const server = await Server.start({ build: the.build });
  const feed = await Feed.start({ url: server.url, ...SEED_FLEET });
  await sleep(3000);
  const tape = await recordTape(await streamOf(server.url), the.quick ? RECORDED_TICKS / 4 : RECORDED_TICKS);
  await feed.stop();
  return { server, tape };
}

async function run(the: Bench): Promise<void> {
  const { quick, figures, noise, option } = the;
  const messages = Number(option("messages", String(quick ? DAY_MESSAGES / 20 : DAY_MESSAGES)));
  if (!(Number.isInteger(messages) && messages >= LEAST_MESSAGES))
    throw new Error(
      `--messages must be a whole number from ${LEAST_MESSAGES} on; got "${option("messages", "")}"`,
    );
  const { server, tape } = await record(the);
  const rounds = Math.ceil(messages / tape.messages);
  const proxy = await TapeProxy.start(server.url, tape);
  const browser = await launchChromium();
  const troubles: string[] = [];
  try {
    const page = await browser.newPage({ viewport: VIEWPORT });
    page.on("console", (message) => {
      if (message.type() === "error") troubles.push(message.text());
    });
    page.on("pageerror", (error) => troubles.push(error.message));
    await page.addInitScript(
      'window.evenkeelTicks = 0; document.addEventListener("tick", () => { window.evenkeelTicks++; });',
    );
    await page.goto(proxy.url);
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Performance.enable");
    noise.reset();
    const started_ms = performance.now();
    const looks: Look[] = [];
    for (const share of LOOKS) {
      // Just after a round began: the page shows the same each time.
      const ticks = Math.max(1, Math.round(share * rounds)) * tape.ticks + 1;
      await playTo(ticks, page, proxy);
      looks.push(await lookAt(cdp, ticks, proxy));
      const ms_a_tick = (performance.now() - started_ms) / ticks;
      console.error(`  ${ticks} ticks, ${ms_a_tick.toFixed(1)} ms each: ${JSON.stringify(looks.at(-1))}`);
    }
    const around = await noise.read();
    report(looks, the);
    figures.add({
      name: "streams opened",
      value: proxy.streams,
      unit: "",
      budget: { limit: 1, rule: "at most" },
    });
    figures.add({
      name: "errors on the console",
      value: troubles.length,
      unit: "",
      budget: NONE,
      note: troubles.slice(0, 3).join("; "),
    });
    figures.print(
      `${rounds * tape.messages} messages of ${rounds * tape.ticks} ticks, ${SEED_FLEET.workers} workers and ${SEED_FLEET.tasks} tasks, Chromium ${browser.version()}`,
    );
    console.log(`  noise: ${inWords(around)}`);
  } finally {
    await browser.close();
    await proxy.stop();
    await server.stop();
  }
}

await bench("Page", 240, run);
