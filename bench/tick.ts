import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Pipeline } from "../src/metrics/pipeline.ts";
import { openStore } from "../src/metrics/store/sqlite.ts";
import { isTurnOver, turn } from "../src/metrics/turn.ts";
import { type Bench, bench } from "./lib/bench.ts";
import { benchPipeline } from "./lib/bench-pipeline.ts";
import { type Budget, median, percentile } from "./lib/figures.ts";
import { inWords } from "./lib/noise.ts";
import { SteadyFleet } from "./lib/steady-fleet.ts";

// What a tick costs, by what changed in it and by what exists: rules, scores, anomalies and the store included.

const SIZES = [
  { workers: 100, tasks: 1000 },
  { workers: 1000, tasks: 10_000 },
  { workers: 10_000, tasks: 100_000 },
] as const;
/** What changes in each tick of the second half, whatever the fleet's size: workers that report, and tasks. */
const SAME_WORKERS = 100;
const SAME_TASKS = 15;
/** What others may have to wait for one step. */
const STEP_MS: Budget = { limit: 50, rule: "at most" };
/** All of a tick at the full size: there is time for the rest of the second. */
const TICK_MS: Budget = { limit: 500, rule: "at most" };

interface Ticks {
  readonly work_ms: readonly number[];
  readonly longest_ms: readonly number[];
}

/** So many seconds, each step of each tick timed. */
async function live(
  pipeline: Pipeline,
  fleet: SteadyFleet,
  seconds: number,
  reporting: number,
  changed?: number,
): Promise<Ticks> {
  const [work_ms, longest_ms] = [[] as number[], [] as number[]];
  for (let second = 0; second < seconds; second++) {
    for (const body of fleet.second(reporting, changed))
      await pipeline.collector.accept(Buffer.from(body), "json");
    const steps = pipeline.ticking(fleet.now_ms);
    let [sum_ms, most_ms, done] = [0, 0, false];
    while (!done) {
      // As the server does: the garbage collector has its turn there too.
      if (isTurnOver()) await turn();
      const started_ms = performance.now();
      done = steps.next().done ?? false;
      const took_ms = performance.now() - started_ms;
      sum_ms += took_ms;
      most_ms = Math.max(most_ms, took_ms);
    }
    work_ms.push(sum_ms);
    longest_ms.push(most_ms);
  }
  return { work_ms, longest_ms };
}

async function run({ quick, figures, noise }: Bench): Promise<void> {
  const seconds = quick ? 8 : 40;
  const same_ms: number[] = [];
  for (const size of SIZES) {
    const folder = mkdtempSync(join(tmpdir(), "evenkeel-tick-"));
    const store = openStore(join(folder, "evenkeel.db"));
    try {
      const fleet = new SteadyFleet(size);
      const pipeline = benchPipeline(store, { now: () => fleet.now_ms });
      for (const body of fleet.everything()) {
        await pipeline.collector.accept(Buffer.from(body), "json");
        pipeline.tick(fleet.now_ms);
      }
      // Until the code is warm.
      await live(pipeline, fleet, seconds, size.workers);
      noise.reset();
      const all = await live(pipeline, fleet, seconds, size.workers);
      const same = await live(pipeline, fleet, seconds, SAME_WORKERS, SAME_TASKS);
      same_ms.push(median(same.work_ms));
      const full = size.workers === 10_000;
      figures.add({
        name: "a tick in which every worker reports",
        value: median(all.work_ms),
        unit: "ms",
        digits: 1,
        ...(full && { budget: TICK_MS }),
        note: `p99 ${percentile(all.work_ms, 0.99).toFixed(1)} ms`,
      });
      figures.add({
        name: "  its longest step",
        value: percentile(all.longest_ms, 0.99),
        unit: "ms",
        digits: 1,
        budget: STEP_MS,
        note: `p99 of the ticks; median ${median(all.longest_ms).toFixed(1)} ms`,
      });
      figures.add({
        name: `a tick in which ${SAME_WORKERS} workers report and ${SAME_TASKS} tasks change`,
        value: median(same.work_ms),
        unit: "ms",
        digits: 1,
        note: `${(median(same.work_ms) / same_ms[0]!).toFixed(1)} times that of the smallest fleet`,
      });
      figures.print(
        `${size.workers} workers, ${size.tasks} live tasks, ${fleet.changes_a_second} of them changed a second`,
      );
      console.log(`  noise: ${inWords(await noise.read())}`);
    } finally {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

await bench("Tick", 10, run);
