import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { type Bench, bench, sleep } from "./lib/bench.ts";
import { Post } from "./lib/feed.ts";
import { type Budget, type Figures, MIB, median } from "./lib/figures.ts";
import { HEAP_PROBE_ARGS, type Held } from "./lib/heap-probe.ts";
import { inWords } from "./lib/noise.ts";
import { Server } from "./lib/server.ts";

// A million tasks come, run and end in one server: what it holds of them does not grow, and none is lost.

const TASKS = 1_000_000;
/** A tenth of fewer is no warm-up. */
const LEAST_TASKS = 100_000;
/** Tasks that begin with each tick, while those of the tick before end. */
const TASKS_A_TICK = 2500;
const WORKERS = 100;
const MODELS = ["vit-base-patch16-224", "clip-vit-base-patch32", "bert-base-uncased", "whisper-small"];
/** Every so many tasks one fails. */
const FAILS = 50;
const POLL_MS = 25;
/** Until what was told last is written. */
const LAST_TICKS = 3;
/** Where memory is looked at: shares of all tasks. The first is after the warm-up. */
const LOOKS = [0.1, 0.25, 0.5, 0.75, 1];
const NONE: Budget = { limit: 0, rule: "at most" };

interface Look extends Held {
  readonly tasks: number;
}

const worker_id = (number: number) => `worker-${number % WORKERS}`;

/** Task `number` as it comes and starts, or as it ends. */
function entryOf(number: number, ends: boolean, now_ms: number): object {
  const id = `task-${number}`;
  if (ends) {
    return number % FAILS === 0
      ? { id, status: "failed", ended_at: now_ms, error: "Runner process ended with signal SIGSEGV" }
      : { id, status: "completed", ended_at: now_ms, progress: 100 };
  }
  return {
    id,
    type: "vision",
    modality: "vision",
    model_id: MODELS[number % MODELS.length],
    model_family: "vit",
    priority: 1 + (number % 4),
    status: "running",
    worker_id: worker_id(number),
    queued_at: now_ms - 900,
    assigned_at: now_ms - 600,
    started_at: now_ms - 300,
  };
}

function bodyOf(first: number, count: number, before: number): string {
  const now_ms = Date.now();
  const tasks = [
    ...Array.from({ length: before }, (_, index) => entryOf(first - before + index, true, now_ms)),
    ...Array.from({ length: count }, (_, index) => entryOf(first + index, false, now_ms)),
  ];
  const workers = Array.from({ length: WORKERS }, (_, number) => ({
    id: worker_id(number),
    type: "gpu",
    metrics: { cpu_utilization: 40 + (number % 30), memory_utilization: 50 },
  }));
  return JSON.stringify({ at: now_ms, source: "million", interval_s: 1, workers, tasks });
}

async function nextTick(server: Server, ticks = 1): Promise<void> {
  const { ticks: before } = await server.status();
  while ((await server.status()).ticks < before + ticks) await sleep(POLL_MS);
}

interface Course {
  readonly looks: readonly Look[];
  /** Memory after each tick, in which garbage comes and goes. */
  readonly rss_bytes: readonly number[];
}

async function feed(server: Server, tasks: number): Promise<Course> {
  const post = new Post(server.url);
  const looks: Look[] = [];
  const rss_bytes: number[] = [];
  const started_ms = performance.now();
  for (let sent = 0, before = 0; sent < tasks || before > 0; ) {
    const count = Math.min(TASKS_A_TICK, tasks - sent);
    const status = await post.send(bodyOf(sent, count, before));
    if (status !== 202) throw new Error(`a report was answered ${status}, not 202, after ${sent} tasks`);
    sent += count;
    before = count;
    await nextTick(server);
    rss_bytes.push(server.rss_bytes());
    const look_at = LOOKS[looks.length];
    if (look_at === undefined || sent < look_at * tasks) continue;
    looks.push({ tasks: sent, ...(await server.heap.read()) });
    const rate = sent / ((performance.now() - started_ms) / 1000);
    console.error(`  ${sent} tasks, ${rate.toFixed(0)} a second: ${JSON.stringify(looks.at(-1))}`);
  }
  post.close();
  await nextTick(server, LAST_TICKS);
  return { looks, rss_bytes };
}

interface Counts {
  readonly completed: number;
  readonly failed: number;
  readonly unfinished: number;
}

/** As the server has counted them. */
async function countedBy(server: Server): Promise<Counts> {
  const answer = await fetch(`${server.url}api/metrics/tasks/stats`);
  const { by_state } = (await answer.json()) as { by_state: Readonly<Record<string, number>> };
  const of = (state: string) => by_state[state] ?? 0;
  const unfinished = of("queued") + of("assigned") + of("running") + of("orphaned");
  return { completed: of("completed"), failed: of("failed"), unfinished };
}

/** As the file has them; all of them ended less than an hour ago, so none is packed. */
function keptIn(db: string): Counts {
  const file = new Database(db, { readonly: true });
  const count = (where: string) =>
    file.prepare<[], number>(`SELECT count(*) FROM tasks WHERE ${where}`).pluck().get()!;
  const counts = {
    completed: count("status = 'completed'"),
    failed: count("status = 'failed'"),
    unfinished: count("ended_at_ms IS NULL"),
  };
  file.close();
  return counts;
}

function differenceOf(counts: Counts, tasks: number): number {
  const failed = Math.ceil(tasks / FAILS);
  return Math.abs(counts.completed - (tasks - failed)) + Math.abs(counts.failed - failed) + counts.unfinished;
}

function addMemory({ looks, rss_bytes }: Course, figures: Figures): void {
  const tenth = (number: number) =>
    median(rss_bytes.slice((rss_bytes.length * number) / 10, (rss_bytes.length * (number + 1)) / 10));
  const tenths = Array.from({ length: 9 }, (_, index) => tenth(index + 1));
  const heaps = looks.map(({ heap_bytes }) => heap_bytes);
  for (const [name, course, when] of [
    ["heap after collection", heaps, `at ${LOOKS.map((share) => `${100 * share} %`).join(", ")}`],
    ["memory (RSS)", tenths, "medians of each tenth of the ticks from the second on"],
  ] as const) {
    const in_mib = course.map((bytes) => (bytes / MIB).toFixed(0)).join(", ");
    const last = course.at(-1)!;
    figures.add({ name, value: last / MIB, unit: "MiB", digits: 1, note: `${when}: ${in_mib}` });
    figures.add({
      name: "  growth since a tenth of them",
      value: 100 * (last / course[0]! - 1),
      unit: "%",
      digits: 1,
      budget: { limit: 10 },
    });
  }
}

async function run({ quick, build, figures, noise, option }: Bench): Promise<void> {
  const tasks = Number(option("tasks", String(quick ? TASKS / 10 : TASKS)));
  if (!(Number.isInteger(tasks) && tasks >= LEAST_TASKS && tasks <= TASKS))
    throw new Error(
      `--tasks must be a whole number from ${LEAST_TASKS} to ${TASKS}; got "${option("tasks", "")}"`,
    );
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-million-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const db = join(folder, "evenkeel.db");
  const server = await Server.start({ build, db, node_args: HEAP_PROBE_ARGS });
  try {
    noise.reset();
    const started_ms = performance.now();
    const course = await feed(server, tasks);
    const took_s = (performance.now() - started_ms) / 1000;
    const counted = await countedBy(server);
    const { tick_p50_ms, tick_p99_ms, ticks_late, ticks } = await server.status();
    const around = await noise.read();
    await server.stop();
    const kept = keptIn(db);
    addMemory(course, figures);
    figures.add({
      name: "tasks lost or counted wrong, by the server",
      value: differenceOf(counted, tasks),
      unit: "",
      budget: NONE,
      note: JSON.stringify(counted),
    });
    figures.add({
      name: "the same in its file",
      value: differenceOf(kept, tasks),
      unit: "",
      budget: NONE,
      note: JSON.stringify(kept),
    });
    figures.add({
      name: "tasks a second",
      value: tasks / took_s,
      unit: "",
      note: `a tick's work p50 ${tick_p50_ms.toFixed(0)} ms, p99 ${tick_p99_ms.toFixed(0)} ms, ${ticks_late} of ${ticks} late`,
    });
    figures.print(`${tasks} tasks through a server, ${TASKS_A_TICK} a tick at most, ${WORKERS} workers`);
    console.log(`  noise: ${inWords(around)}`);
    for (const error of server.errors) console.log(`  the server logged: ${error}`);
  } finally {
    await server.stop();
  }
}

await bench("Million", 60, run);
