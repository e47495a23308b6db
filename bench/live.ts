import type { Page } from "@playwright/test";
import { type Bench, bench, sleep, wall_ms } from "./lib/bench.ts";
import { launchChromium, VIEWPORT } from "./lib/browser.ts";
import { Feed, Post, SEED_FLEET } from "./lib/feed.ts";
import { MIB, median, percentile } from "./lib/figures.ts";
import { inWords } from "./lib/noise.ts";
import { heapAfterCollection, mainThread_ms, metricsOf } from "./lib/page-cost.ts";
import { PROBE } from "./lib/page-load.ts";
import { Server } from "./lib/server.ts";

// From a report that was answered 202 to its value in the document of a real browser, and what a tick costs
// that browser.

const TICK_MS = 1000;
/** Workers of the fleet whose reports are timed. */
const MARKED = 8;
/** A mark that is not in the document by then counts as lost. */
const LOST_MS = 10_000;
const WARM_UP_MS = 5000;
/** Nothing moves but the unit behind a large figure that gains a digit. */
const MOST_SHIFT = 0.0005;

interface Seen {
  readonly name: string;
  readonly value: number;
  readonly at_ms: number;
}

interface Probe {
  readonly shifts: readonly { readonly value: number; readonly of: readonly string[] }[];
  readonly long_tasks: number;
  readonly ticks: number;
}

/** What one round gave; times other than the delays are means a tick. */
interface Round {
  readonly delays_ms: readonly number[];
  readonly ticks: number;
  readonly main_ms: number;
  readonly task_ms: number;
  readonly script_ms: number;
  readonly style_ms: number;
  readonly layout_ms: number;
}

/** Marks in a page: they tell when a value that was sent shows up. */
class Marks {
  readonly #waiting = new Map<string, { value: number; resolve: (at_ms: number) => void }>();

  readonly #counts = new Map<string, number>();

  readonly seen = ({ name, value, at_ms }: Seen): void => {
    const waiting = this.#waiting.get(name);
    if (waiting?.value !== value) return;
    this.#waiting.delete(name);
    waiting.resolve(at_ms);
  };

  /** How often this worker was marked before: a value like the one before would change nothing. */
  count(name: string): number {
    const count = this.#counts.get(name) ?? 0;
    this.#counts.set(name, count + 1);
    return count;
  }

  /** When the worker's element shows the value, Unix milliseconds; infinite where it never does. */
  appears(name: string, value: number): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting.set(name, { value, resolve });
      setTimeout(() => resolve(Number.POSITIVE_INFINITY), LOST_MS).unref();
    });
  }
}

/** Sends one worker's reports at random phases of the tick, each after the one before was seen. */
async function markWorker(name: string, marks: Marks, post: Post, until_ms: number): Promise<number[]> {
  const delays_ms: number[] = [];
  for (;;) {
    await sleep(Math.random() * TICK_MS);
    if (performance.now() > until_ms) return delays_ms;
    // The grid shows steps of 10 %: what lies on one is shown as it was sent.
    const value = 10 * (1 + (marks.count(name) % 8));
    const appears = marks.appears(name, value);
    const workers = [{ id: name, type: "cpu", metrics: { cpu_utilization: value } }];
    const status = await post.send(JSON.stringify({ source: name, workers }));
    const accepted_ms = wall_ms();
    if (status !== 202) throw new Error(`a marked report was answered ${status}, not 202`);
    // The page may show it before the answer has reached us: then it took no time at all.
    delays_ms.push(Math.max(0, (await appears) - accepted_ms));
  }
}

const probeOf = (page: Page) => page.evaluate("evenkeelProbe") as Promise<Probe>;

/** How far the page's clock is from ours, and how well that is known: as NTP does it, from the best of several. */
async function clockOffset(page: Page): Promise<{ offset_ms: number; within_ms: number }> {
  let best = { offset_ms: 0, within_ms: Number.POSITIVE_INFINITY };
  for (let round = 0; round < 20; round++) {
    const before = wall_ms();
    const there = (await page.evaluate("performance.timeOrigin + performance.now()")) as number;
    const after = wall_ms();
    const within_ms = (after - before) / 2;
    if (within_ms < best.within_ms) best = { offset_ms: there - (before + after) / 2, within_ms };
  }
  return best;
}

async function run({ quick, build, figures, noise }: Bench): Promise<void> {
  const rounds = quick ? 1 : 3;
  const round_ms = quick ? 15_000 : 30_000;
  const server = await Server.start({ build });
  const feed = await Feed.start({
    url: server.url,
    workers: SEED_FLEET.workers - MARKED,
    tasks: SEED_FLEET.tasks,
  });
  const names = Array.from({ length: MARKED }, (_, index) => `mark-${index}`);
  const post = new Post(server.url);
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: VIEWPORT });
    const marks = new Marks();
    await page.exposeFunction("evenkeelSeen", marks.seen);
    await page.addInitScript(`window.evenkeelMarked = ${JSON.stringify(names)}`);
    await page.addInitScript({ path: PROBE });
    // Their first reports change who is in the grid, which is not what is measured here.
    for (const id of names)
      await post.send(JSON.stringify({ source: id, workers: [{ id, metrics: { cpu_utilization: 0 } }] }));
    await sleep(2 * TICK_MS);
    await page.goto(server.url);
    await sleep(WARM_UP_MS);
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Performance.enable");
    const clock = await clockOffset(page);
    const heap_before = await heapAfterCollection(cdp);
    const probe_before = await probeOf(page);
    noise.reset();
    const processes = await browser.newBrowserCDPSession();
    const of_rounds: Round[] = [];
    for (let round = 0; round < rounds; round++) {
      const [before, ticks_before] = [await metricsOf(cdp), (await probeOf(page)).ticks];
      const main_before_ms = await mainThread_ms(processes);
      const until_ms = performance.now() + round_ms;
      const delays_ms = (
        await Promise.all(names.map((name) => markWorker(name, marks, post, until_ms)))
      ).flat();
      const main_ms = (await mainThread_ms(processes)) - main_before_ms;
      const [after, ticks_after] = [await metricsOf(cdp), (await probeOf(page)).ticks];
      const ticks = ticks_after - ticks_before;
      const a_tick_ms = (name: string) => ((after[name]! - before[name]!) / ticks) * 1000;
      of_rounds.push({
        delays_ms: delays_ms.map((delay_ms) => delay_ms - clock.offset_ms),
        ticks,
        main_ms: main_ms / ticks,
        task_ms: a_tick_ms("TaskDuration"),
        script_ms: a_tick_ms("ScriptDuration"),
        style_ms: a_tick_ms("RecalcStyleDuration"),
        layout_ms: a_tick_ms("LayoutDuration"),
      });
    }
    const around = await noise.read();
    const heap_after = await heapAfterCollection(cdp);
    const probe = await probeOf(page);
    const shifts = probe.shifts.slice(probe_before.shifts.length);
    const status = await server.status();
    const all_ms = of_rounds.flatMap((round) => round.delays_ms);
    const ticks = of_rounds.reduce((sum, round) => sum + round.ticks, 0);
    const of = (read: (round: Round) => number) => median(of_rounds.map(read));

    const note = `median of ${rounds} rounds, ${all_ms.length} reports in all`;
    figures.add({
      name: "report accepted → in the document, p50",
      value: of(({ delays_ms }) => percentile(delays_ms, 0.5)),
      unit: "ms",
      note,
    });
    figures.add({
      name: "report accepted → in the document, p99",
      value: of(({ delays_ms }) => percentile(delays_ms, 0.99)),
      unit: "ms",
      budget: { limit: TICK_MS + 100, rule: "at most" },
      note: `${note}; over all of them p99 ${percentile(all_ms, 0.99).toFixed(0)} ms, max ${Math.max(...all_ms).toFixed(0)} ms`,
    });
    figures.add({
      name: "browser's main thread a tick, processor time",
      value: of(({ main_ms }) => main_ms),
      unit: "ms",
      digits: 1,
      budget: { limit: 60 },
      note: `median of ${rounds} rounds, ${ticks} ticks in all`,
    });
    for (const [name, read] of [
      ["tasks, with waiting for a core", (round) => round.task_ms],
      ["script", (round) => round.script_ms],
      ["style", (round) => round.style_ms],
      ["layout", (round) => round.layout_ms],
    ] as const satisfies [string, (round: Round) => number][])
      figures.add({ name: `  of it ${name}`, value: of(read), unit: "ms", digits: 1 });
    figures.add({
      name: "layout shifts",
      value: shifts.reduce((sum, { value }) => sum + value, 0),
      unit: "",
      digits: 5,
      budget: { limit: MOST_SHIFT, rule: "at most" },
      note: [...new Set(shifts.flatMap((shift) => shift.of))].slice(0, 5).join(", "),
    });
    figures.add({ name: "tasks over 50 ms", value: probe.long_tasks - probe_before.long_tasks, unit: "" });
    figures.add({
      name: "heap growth",
      value: (heap_after - heap_before) / MIB,
      unit: "MiB",
      digits: 2,
      note: `from ${(heap_before / MIB).toFixed(1)} MiB, over ${ticks} ticks`,
    });
    figures.add({
      name: "server's tick, p99",
      value: status.tick_p99_ms,
      unit: "ms",
      digits: 1,
      note: `p50 ${status.tick_p50_ms.toFixed(1)} ms, ${status.ticks_late} of ${status.ticks} late`,
    });
    figures.print(`${SEED_FLEET.workers} workers, ${SEED_FLEET.tasks} tasks, Chromium ${browser.version()}`);
    console.log(
      `  clocks: off by ${clock.offset_ms.toFixed(2)} ± ${clock.within_ms.toFixed(2)} ms, taken out`,
    );
    console.log(`  noise: ${inWords(around)}`);
  } finally {
    await browser.close();
    post.close();
    await feed.stop();
    await server.stop();
  }
}

await bench("Live", 5, run);
