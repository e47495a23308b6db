import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build as bundle } from "esbuild";
import { type Bench, bench } from "./lib/bench.ts";
import { type Budget, MIB } from "./lib/figures.ts";
import { inWords } from "./lib/noise.ts";
import type { Life, News, Period } from "./lib/week-life.ts";

// The demo fleet's simulation lives a week through the product's own tick, with the store and its housekeeping,
// by a clock that goes as fast as it can: disk and memory in their steady state, alerts as the script has them.

const LIFE = fileURLToPath(new URL("./lib/week-life.ts", import.meta.url));
/** The same life each time: a Monday. */
const START_MS = Date.UTC(2026, 0, 5);
const DAY_S = 86_400;
const HOUR_S = 3600;
/** Everything is kept for so many periods, so that a run of two more has two whole ones in the steady state. */
const KEPT_PERIODS = 3;
const LEAST_PERIODS = KEPT_PERIODS + 2;
const MOST_DAYS = 60;
const NONE: Budget = { limit: 0, rule: "at most" };

/** Bundled as the product is, so that it takes the memory that a server takes. */
async function bundleLife(folder: string): Promise<string> {
  const outfile = join(folder, "dist", "week-life.js");
  await bundle({
    entryPoints: [LIFE],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "hono/jsx",
    external: ["better-sqlite3", "nodemailer", "tsx"],
    banner: {
      js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
    },
    logLevel: "warning",
  });
  return outfile;
}

async function liveIn(script: string, life: Life): Promise<Period[]> {
  const child = fork(script, [], { execArgv: ["--expose-gc", "--max-semi-space-size=4"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const periods: Period[] = [];
  const started_ms = performance.now();
  child.on("message", (news: News) => {
    const took_min = ((performance.now() - started_ms) / 60_000).toFixed(1);
    if ("lived_s" in news) {
      const ms_a_tick = (performance.now() - started_ms) / news.lived_s;
      console.error(
        `  ${news.lived_s / HOUR_S} h in ${took_min} min, ${ms_a_tick.toFixed(2)} ms a simulated second`,
      );
      return;
    }
    const { period } = news;
    periods.push(period);
    console.error(`  ${inMib(period)}; alerts ${JSON.stringify({ ...period.alerts, examples: undefined })}`);
  });
  child.send(life);
  const [code] = await once(child, "exit");
  process.off("exit", kill);
  if (code !== 0) throw new Error(`the life ended with exit code ${code}; see above`);
  return periods;
}

function inMib({ disk_bytes, heap_bytes, rss_bytes, series, known_tasks }: Period): string {
  const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;
  return `disk ${mib(disk_bytes)}, heap ${mib(heap_bytes)}, RSS ${mib(rss_bytes)}, ${series} series, ${known_tasks} tasks known`;
}

/** Percent by which `last` is more than `first`. */
function growth(first: number, last: number): number {
  return 100 * (last / first - 1);
}

function report(periods: readonly Period[], name: string, { figures }: Bench): void {
  const last = periods.at(-1)!;
  const before = periods.at(-2)!;
  const second = periods[1]!;
  const course = (read: (period: Period) => number) =>
    `by ${name}: ${periods.map((period) => (read(period) / MIB).toFixed(0)).join(", ")}`;
  const mib = { unit: "MiB", digits: 1 };
  figures.add({
    name: "disk, steady",
    value: last.disk_bytes / MIB,
    ...mib,
    note: course((period) => period.disk_bytes),
  });
  figures.add({
    name: `  growth in the last ${name}`,
    value: growth(before.disk_bytes, last.disk_bytes),
    unit: "%",
    digits: 1,
    budget: { limit: 3 },
  });
  for (const [what, read] of [
    ["heap after collection", (period) => period.heap_bytes],
    ["memory (RSS)", (period) => period.rss_bytes],
  ] as const satisfies [string, (period: Period) => number][]) {
    figures.add({ name: what, value: read(last) / MIB, ...mib, note: course(read) });
    figures.add({
      name: `  growth since the second ${name}`,
      value: growth(read(second), read(last)),
      unit: "%",
      digits: 1,
      budget: { limit: 10 },
    });
  }
  const { certain, missing, possible, others } = last.alerts;
  figures.add({
    name: "alerts that the script implies and that did not fire",
    value: missing,
    unit: "",
    budget: NONE,
    note: `of ${certain}`,
  });
  figures.add({
    name: "alerts that no fault explains",
    value: others,
    unit: "",
    budget: NONE,
    note: `${possible} more follow from faults where the fleet is busy`,
  });
}

async function run(the: Bench): Promise<void> {
  const { quick, build, noise, option, figures } = the;
  const days = Number(option("days", "7"));
  if (!(Number.isInteger(days) && days >= LEAST_PERIODS && days <= MOST_DAYS))
    throw new Error(
      `--days must be a whole number from ${LEAST_PERIODS} to ${MOST_DAYS}; got "${option("days", "7")}"`,
    );
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-week-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const period_s = quick ? HOUR_S : DAY_S;
  const name = quick ? "hour" : "day";
  const life: Life = {
    db: join(folder, "evenkeel.db"),
    workers: Number(option("workers", "15")),
    tasks: Number(option("tasks", "80")),
    start_ms: START_MS,
    periods: days,
    period_s,
    retention_ms: KEPT_PERIODS * period_s * 1000,
  };
  noise.reset();
  const periods = await liveIn(await bundleLife(build), life);
  const around = await noise.read();
  report(periods, name, the);
  figures.print(
    `${days} ${name}s of ${life.workers} workers and ${life.tasks} tasks, each second of them; all is kept for ${KEPT_PERIODS} ${name}s`,
  );
  console.log(`  noise: ${inWords(around)}`);
  for (const example of periods.at(-1)!.alerts.examples.slice(0, 20)) console.log(`  ${example}`);
}

await bench("Week", 300, run);
