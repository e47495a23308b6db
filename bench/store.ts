import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { createDemo } from "../src/metrics/collect/demo/demo.ts";
import { samplesOf } from "../src/metrics/store/conformance.ts";
import type { MetricStore } from "../src/metrics/store/contract.ts";
import { openStore } from "../src/metrics/store/sqlite.ts";
import { SLOTS } from "../src/metrics/store/values.ts";
import { type Bench, bench, sleep } from "./lib/bench.ts";
import { storeEndedTasks } from "./lib/ended-tasks.ts";
import { Feed, SEED_FLEET } from "./lib/feed.ts";
import { type Budget, type Figures, MIB, median, percentile } from "./lib/figures.ts";
import { appendTick, fillStore, type Sizes, sizesOf, ticks } from "./lib/full-store.ts";
import { type Answer, firstPage, timedGet } from "./lib/http.ts";
import { inWords } from "./lib/noise.ts";
import { inPrometheus, inVictoriaMetrics, type Outcome, recordDay } from "./lib/other-stores.ts";
import { Server } from "./lib/server.ts";
import { Telemetry, WORKER_METRICS } from "./lib/telemetry.ts";
import { Recorded, readTrace, Tiled } from "./lib/trace.ts";

// A store that is as full as it gets: what it takes on disk, and how long writing, reading and starting take.

const FULL_DAYS = 7;
const FULL_BYTES = 256 * MIB;
const DAY_S = 86_400;
const SEED = 7;

/** Ticks that are timed alone, then beside the store's own compaction. */
const TICKS_ALONE = 300;
const TICKS_BESIDE = 180;
/** Between two of them, so that a tick finds the caches as cold as one that comes once a second, or nearly. */
const TICK_PAUSE_MS = 10;

const ROUNDS = 15;
/** Of a new process: until then its code is still being compiled. */
const WARM_UP = 10;
/** Within a tick the same question is answered from what was rendered for the one before. */
const ROUND_PAUSE_MS = 1100;
const POINTS = 700;
const STARTS = 9;
const SETTLE_MS = 60_000;
/** The newest hour that is surely sealed. */
const SEALED_HOURS_AGO = 4;
/** Hours that the server's first compaction has to seal anew: work for longer than WARM_MS. */
const LATE_HOURS = 6;
/** A new process's first pages, ticks and bodies take longer: that is told apart. */
const WARM_MS = 4000;
const COMPACTION_LIMIT_MS = 60_000;
const POLL_MS = 200;
/** Whoever asks a shell waits a moment, not minutes. */
const SHELL_S: Budget = { limit: 5 };

/** Workers of the day that other stores get too: a tenth of the fleet, so that it takes seconds. */
const COMPARED_WORKERS = 10;
const TRACE = fileURLToPath(new URL("../../shared/data/gentd26.ndjson.gz", import.meta.url));
const TILED_HOURS = 6;

/** The ids that the demo fleet gives its workers: once the server runs, the feed goes on with their series. */
function workerIds(): string[] {
  const [report] = createDemo({ ...SEED_FLEET, seed: SEED, start_ms: 0 }).reportsUntil(0);
  return report!.workers.map(({ id }) => id);
}

function presentSecond(): number {
  return Math.floor(Date.now() / 1000);
}

/** One file, filled to the present second; every part of the bench goes on with it. */
async function fill(db: string, telemetry: Telemetry, { figures, noise }: Bench): Promise<void> {
  const started_ms = performance.now();
  await fillStore(db, telemetry, presentSecond() - TICKS_ALONE - TICKS_BESIDE);
  const built_s = (performance.now() - started_ms) / 1000;
  addSizes(figures, sizesOf(db));
  figures.print(`The file, built in ${built_s.toFixed(0)} s`);
  await timeTicks(db, telemetry, figures);
  const around = await noise.read();
  figures.print("A tick's append, in the present minutes");
  console.log(`  noise: ${inWords(around)}`);
}

function addSizes(figures: Figures, sizes: Sizes): void {
  const { file_bytes, tables, free_bytes, chunk_gaps_bytes, sealed_samples, metrics } = sizes;
  const of = (table: string) => tables.get(table) ?? 0;
  const full_samples = FULL_DAYS * DAY_S * SEED_FLEET.workers * WORKER_METRICS.length;
  // What is not chunks does not grow with the days.
  const full_bytes = file_bytes - of("chunk") + (of("chunk") / sealed_samples) * full_samples;
  figures.add({ name: "file", value: file_bytes / MIB, unit: "MiB", digits: 1 });
  figures.add({
    name: `  at ${FULL_DAYS} days`,
    value: full_bytes / MIB,
    unit: "MiB",
    budget: { limit: FULL_BYTES / MIB, rule: "at most" },
    note: "chunks of all days, the rest as it is",
  });
  for (const [name, bytes] of [
    ["sealed hours (chunk)", of("chunk")],
    ["  of it unused in their pages", chunk_gaps_bytes],
    ["log of the open hours (head)", of("head")],
    ["copies of the open hours (saved_hour)", of("saved_hour")],
    ["free pages", free_bytes],
  ] as const)
    figures.add({ name: `  ${name}`, value: bytes / MIB, unit: "MiB", digits: 1 });
  figures.add({
    name: "bytes a sealed sample, with its share of the pages",
    value: of("chunk") / sealed_samples,
    unit: "",
    digits: 3,
    note: `${(sealed_samples / 1e6).toFixed(1)} million samples`,
  });
  addMetrics(figures, sizes);
  const fleet = [...metrics].filter(([metric]) => metric.startsWith("system "));
  figures.add({
    name: "  the fleet's own series",
    value:
      fleet.reduce((sum, [, { bytes }]) => sum + bytes, 0) / fleet.reduce((s, [, m]) => s + m.samples, 0),
    unit: "",
    digits: 3,
    note: `${fleet.length} series`,
  });
}

/** What the chunks' own bytes are, without their pages. */
function addMetrics(figures: Figures, { metrics }: Sizes): void {
  const workers = [...metrics].filter(([metric]) => metric.startsWith("worker "));
  const all_bytes = workers.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  const all_samples = workers.reduce((sum, [, { samples }]) => sum + samples, 0);
  figures.add({ name: "bytes a sample in the chunks", value: all_bytes / all_samples, unit: "", digits: 3 });
  for (const [metric, { bytes, samples }] of workers)
    figures.add({
      name: `  ${metric.slice("worker ".length)}`,
      value: bytes / samples,
      unit: "",
      digits: 3,
      note: `${((100 * bytes) / all_bytes).toFixed(0)} % of the bytes`,
    });
}

/** Goes on with the ticks up to now, in the store as a server has it open. */
async function timeTicks(db: string, telemetry: Telemetry, figures: Figures): Promise<void> {
  const store = openStore(db);
  const alone_until = presentSecond() - TICKS_BESIDE;
  const alone_ms: number[] = [];
  const beside_ms: number[] = [];
  let compacting: Promise<void> = Promise.resolve();
  for (const tick of ticks(store, telemetry, presentSecond())) {
    const beside = tick.second >= alone_until;
    if (beside && tick.second % 60 === 0) compacting = store.compact(tick.second * 1000);
    const started_ms = performance.now();
    tick.append();
    (beside ? beside_ms : alone_ms).push(performance.now() - started_ms);
    await sleep(TICK_PAUSE_MS);
  }
  await compacting;
  reportLate(store, telemetry);
  await store.close();
  const note = (times_ms: number[]) =>
    `${times_ms.length} ticks, worst ${Math.max(...times_ms).toFixed(2)} ms`;
  const of = { unit: "ms", digits: 2 };
  figures.add({ name: "append of a tick, p50", value: percentile(alone_ms, 0.5), ...of });
  figures.add({
    name: "append of a tick, p99",
    value: percentile(alone_ms, 0.99),
    ...of,
    budget: { limit: 1, rule: "at most" },
    note: note(alone_ms),
  });
  figures.add({ name: "  beside compaction, p50", value: percentile(beside_ms, 0.5), ...of });
  figures.add({
    name: "  beside compaction, p99",
    value: percentile(beside_ms, 0.99),
    ...of,
    note: `${note(beside_ms)}; compaction once in 60 ticks, as each minute, but ticks come much faster`,
  });
}

/** A sample of each series for hours that are sealed: the next compaction seals them anew. */
function reportLate(store: MetricStore, { names }: Telemetry): void {
  const second = presentSecond();
  const hour = Math.floor(second / SLOTS) - SEALED_HOURS_AGO;
  const samples = Array.from({ length: LATE_HOURS }, (_, index) =>
    names.map(({ scope, entity, metric }) => ({
      series: store.series(scope, entity, metric),
      at_ms: (hour - index) * SLOTS * 1000,
      value: 50,
    })),
  );
  appendTick(store, second, samplesOf(samples.flat()));
}

/** Everything that is asked of a server, over HTTP, while the fleet goes on reporting. */
async function serve(db: string, days: number, workers: readonly string[], context: Bench): Promise<void> {
  const { build, figures, noise } = context;
  // An hour less than there is: the first compaction has something to delete beside what it has to seal.
  const server = await Server.start({ build, db, args: ["--retention", `${days * 24 - 1}h`] });
  const started_ms = performance.now();
  server.loop.reset();
  const saved = savedRow(db);
  const feed = await Feed.start({ url: server.url, ...SEED_FLEET });
  try {
    await sleep(WARM_MS);
    const first = await server.loop.read();
    noise.reset();
    server.loop.reset();
    if (savedRow(db) !== saved) throw new Error(`the first compaction took less than ${WARM_MS} ms`);
    await compacted(db, saved);
    const compacted_s = (performance.now() - started_ms) / 1000;
    const loop = await server.loop.read();
    const { idle } = await noise.read();
    figures.add({
      name: "longest delay of the loop during compaction",
      value: loop.max_ms,
      unit: "ms",
      digits: 1,
      budget: { limit: 50, rule: "at most" },
      note: `${LATE_HOURS} hours of every series sealed, one deleted, the open ones saved in ${compacted_s.toFixed(0)} s; p99 ${loop.p99_ms.toFixed(1)} ms; an idle process's max ${idle.max_ms.toFixed(0)} ms`,
    });
    figures.add({
      name: "  in the first seconds after its start",
      value: first.max_ms,
      unit: "ms",
      digits: 1,
      note: "first ticks, the whole fleet and its tasks in one body",
    });
    noise.reset();
    await timeAnswers(server, days, workers, figures);
    await sleep(Math.max(0, started_ms + SETTLE_MS - performance.now()));
    figures.add({
      name: "memory after a minute",
      value: server.rss_bytes() / MIB,
      unit: "MiB",
      budget: { limit: 150 },
    });
    const { tick_p50_ms, tick_p99_ms } = await server.status();
    figures.add({
      name: "tick, p99",
      value: tick_p99_ms,
      unit: "ms",
      digits: 1,
      note: `p50 ${tick_p50_ms.toFixed(1)} ms`,
    });
  } finally {
    await server.kill();
    await feed.stop().catch(() => {});
  }
  await timeStarts(db, Number(new URL(server.url).port), context);
  const around = await noise.read();
  figures.print(`A server on that file, over HTTP, ${SEED_FLEET.workers} workers reporting`);
  console.log(`  noise: ${inWords(around)}`);
  for (const error of server.errors) console.log(`  the server logged: ${error}`);
}

async function timeAnswers(
  server: Server,
  days: number,
  workers: readonly string[],
  figures: Figures,
): Promise<void> {
  const json = "application/json";
  const history = (index: number) =>
    `api/metrics/workers/${encodeURIComponent(workers[(index * 7) % workers.length]!)}/history?metrics=cpu_utilization`;
  const whole = `duration=${days * 24}h&points=${POINTS}`;
  const fleet = "api/metrics/system/history?metrics=cpu_utilization_mean,cpu_utilization_max";
  const asked: [string, (index: number) => string, Budget | undefined, string][] = [
    ["1 h at 1 s of one series", (i) => `${history(i)}&duration=1h&step=1s`, { limit: 3 }, json],
    [`${days} d of one series at ${POINTS} points`, (i) => `${history(i)}&${whole}`, { limit: 30 }, json],
    [`${days} d of the fleet's mean and max`, () => `${fleet}&${whole}`, { limit: 50 }, json],
    ["overview page", () => "", undefined, "text/html"],
  ];
  const agent = new Agent({ keepAlive: true });
  for (const [name, path, budget, accept] of asked) {
    const answers: Answer[] = [];
    for (let round = 0; round < WARM_UP + ROUNDS; round++) {
      // Each time another worker: what was just read is not read again.
      answers.push(await timedGet(agent, server.url + path(round), accept));
      await sleep(ROUND_PAUSE_MS);
    }
    const times_ms = answers.slice(WARM_UP).map(({ elapsed_ms }) => elapsed_ms);
    figures.add({
      name,
      value: median(times_ms),
      unit: "ms",
      digits: 1,
      ...(budget && { budget: { ...budget, rule: "at most" } }),
      note: `median of ${ROUNDS}, worst ${Math.max(...times_ms).toFixed(1)} ms, the first ${WARM_UP} ${median(answers.slice(0, WARM_UP).map((answer) => answer.elapsed_ms)).toFixed(1)} ms, ${(answers.at(-1)!.bytes / 1024).toFixed(0)} KiB`,
    });
  }
  agent.destroy();
}

async function timeStarts(db: string, port: number, { build, figures, quick }: Bench): Promise<void> {
  const times_ms: number[] = [];
  for (let round = 0; round < (quick ? 3 : STARTS); round++) {
    const [time_ms, server] = await Promise.all([
      firstPage(`http://127.0.0.1:${port}/`),
      Server.start({ build, db, port }),
    ]);
    times_ms.push(time_ms);
    await server.kill();
  }
  figures.add({
    name: "spawn → first 200 of the page",
    value: median(times_ms),
    unit: "ms",
    budget: { limit: 1000 },
    note: `median of ${times_ms.length} after kill -9, worst ${Math.max(...times_ms).toFixed(0)} ms`,
  });
}

/** Compaction's last write tells up to which row of the log everything is in chunks or copies. */
function savedRow(db: string): number {
  const file = new Database(db, { readonly: true });
  const row = file.prepare<[], string>("SELECT value FROM facts WHERE name = 'saved_row'").pluck().get();
  file.close();
  return Number(row);
}

async function compacted(db: string, saved_before: number): Promise<void> {
  const deadline_ms = performance.now() + COMPACTION_LIMIT_MS;
  while (savedRow(db) === saved_before) {
    if (performance.now() > deadline_ms)
      throw new Error(`the server's first compaction was not done within ${COMPACTION_LIMIT_MS} ms`);
    await sleep(POLL_MS);
  }
}

/** What a sqlite3 shell is asked in the README. */
const SHELL_QUERY = /^sqlite3 data\/evenkeel\.db "([^"]+)"/gm;
const README = fileURLToPath(new URL("../README.md", import.meta.url));

/** A shell beside the server: each of the README's queries, over the views or over the tasks. */
function timeShell(db: string, figures: Figures): void {
  const shell = new Database(db, { readonly: true });
  for (const [, sql = ""] of readFileSync(README, "utf8").matchAll(SHELL_QUERY)) {
    const started_ms = performance.now();
    const rows = shell.prepare(sql).all().length;
    const [, what = ""] = /FROM (\w+)/.exec(sql) ?? [];
    figures.add({
      name: `README's query of ${what}`,
      value: (performance.now() - started_ms) / 1000,
      unit: "s",
      digits: 2,
      budget: SHELL_S,
      note: `${rows} rows`,
    });
  }
  shell.close();
  figures.print("A sqlite3 shell");
}

/** The same samples in our store, in Prometheus and in VictoriaMetrics. */
async function compare(folder: string, workers: readonly string[], figures: Figures): Promise<void> {
  const some = workers.slice(0, COMPARED_WORKERS);
  const start_second = (Math.floor(presentSecond() / DAY_S) - 1) * DAY_S;
  const db = join(folder, "day.db");
  await fillStore(db, new Telemetry(some, SEED, start_second), start_second + DAY_S, 0);
  const sizes = sizesOf(db);
  const day = recordDay(some, SEED, start_second);
  const add = (name: string, bytes: number, note = "") =>
    figures.add({ name, value: bytes / day.samples, unit: "", digits: 3, note });
  add("Evenkeel, the file", sizes.file_bytes);
  add("  the chunks' own bytes", bytesOf(sizes));
  const outcomes: [string, Outcome][] = [
    ["Prometheus", inPrometheus(day, folder)],
    ["VictoriaMetrics", await inVictoriaMetrics(day, folder)],
  ];
  for (const [name, outcome] of outcomes)
    if ("bytes" in outcome)
      add(
        `${name} ${outcome.version}`,
        outcome.bytes,
        `${(outcome.bytes / sizes.file_bytes).toFixed(2)} × ours`,
      );
  figures.print(
    `Bytes a sample of the same day in each store: ${some.length} workers, ${(day.samples / 1e6).toFixed(1)} million samples`,
  );
  for (const [name, outcome] of outcomes)
    if ("skipped" in outcome) console.log(`  ${name} skipped: ${outcome.skipped}`);
}

function bytesOf({ metrics }: Sizes): number {
  return [...metrics.values()].reduce((sum, { bytes }) => sum + bytes, 0);
}

/** A real service's workers, as recorded and with a report a second. */
async function storeTrace(folder: string, path: string, figures: Figures): Promise<void> {
  if (!existsSync(path)) {
    console.log(`\nThe real series skipped: ${path} is missing (--trace FILE names another)`);
    return;
  }
  const trace = await readTrace(path);
  const recorded = new Recorded(trace);
  const start_second = recorded.second;
  const tiled = new Tiled(trace, SEED_FLEET.workers, start_second);
  for (const [title, source, end_second] of [
    [`${trace.reports.size} workers as recorded, a report in 57 s`, recorded, recorded.end_second],
    [
      `tiled, ${SEED_FLEET.workers} workers with a report a second`,
      tiled,
      start_second + TILED_HOURS * SLOTS,
    ],
  ] as const) {
    const db = join(folder, "trace.db");
    await fillStore(db, source, end_second, 0);
    const sizes = sizesOf(db);
    figures.add({
      name: "bytes a sample, with its share of the pages",
      value: sizes.tables.get("chunk")! / sizes.sealed_samples,
      unit: "",
      digits: 3,
      note: `${(sizes.sealed_samples / 1e6).toFixed(2)} million samples`,
    });
    addMetrics(figures, sizes);
    figures.print(`The real series, ${title}`);
    rmSync(db);
  }
}

async function run(context: Bench): Promise<void> {
  const { quick, figures, option } = context;
  const days = Number(option("days", quick ? "1" : String(FULL_DAYS)));
  if (!Number.isInteger(days) || days < 1)
    throw new Error(`--days must be a whole number from 1; got ${option("days", "")}`);
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-store-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const workers = workerIds();
  const db = join(folder, "evenkeel.db");
  const telemetry = new Telemetry(workers, SEED, presentSecond() - TICKS_ALONE - TICKS_BESIDE - days * DAY_S);
  console.log(`${days} days of ${workers.length} workers × ${WORKER_METRICS.length} metrics at 1 s`);
  await fill(db, telemetry, context);
  await serve(db, days, workers, context);
  timeShell(db, figures);
  rmSync(db);
  await storeEndedTasks(folder, figures);
  await compare(folder, workers, figures);
  await storeTrace(folder, option("trace", TRACE), figures);
}

await bench("Store", 25, run);
