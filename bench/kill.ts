import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { type Bench, bench, sleep } from "./lib/bench.ts";
import { Feed, Post, SEED_FLEET } from "./lib/feed.ts";
import { type Budget, median } from "./lib/figures.ts";
import { firstPage } from "./lib/http.ts";
import { inWords } from "./lib/noise.ts";
import { Server } from "./lib/server.ts";

// Killed at random moments (SIGKILL) while a fleet reports: what was answered more than a tick before is
// there again, the file is sound, and what the pages count is what the file holds.

const MARK = "marked";
/** Between two marked reports. */
const MARK_PAUSE_MS = 10;
/** A tick of one second, and what a busy machine holds it back. */
const DURABLE_MS = 1200;
/** The load before a kill: from while the start's own compaction still writes, to well after it. */
const LOAD_MS = { least: 300, most: 5000 };
const NONE: Budget = { limit: 0, rule: "at most" };
const UNFINISHED = ["queued", "assigned", "running", "orphaned"] as const;
const ENDED = ["completed", "failed", "cancelled"] as const;

interface Mark {
  readonly number: number;
  /** On this process's own clock; infinite while no 202 came. */
  answered_ms: number;
}

/** Sends marked reports one after the other: each completes a task of its own and counts a worker's counter up. */
class Marker {
  readonly marks: Mark[] = [];
  #running: Promise<void> | null = null;
  #ended = false;

  start(url: string): void {
    this.#ended = false;
    this.#running = this.#send(new Post(url));
  }

  /** Resolves once nothing is on its way any more. */
  async stop(): Promise<void> {
    this.#ended = true;
    await this.#running;
  }

  async #send(post: Post): Promise<void> {
    while (!this.#ended) {
      const mark: Mark = { number: this.marks.length + 1, answered_ms: Number.POSITIVE_INFINITY };
      this.marks.push(mark);
      try {
        if ((await post.send(bodyOf(mark))) === 202) mark.answered_ms = performance.now();
      } catch {
        // The kill: nobody knows whether this one was taken.
        break;
      }
      await sleep(MARK_PAUSE_MS);
    }
    post.close();
  }
}

function bodyOf({ number }: Mark): string {
  return JSON.stringify({
    source: MARK,
    workers: [{ id: MARK, metrics: { completed_tasks: number } }],
    tasks: [{ id: `${MARK}-${number}`, type: MARK, status: "completed", worker_id: MARK }],
  });
}

/** What the file itself holds, read from a copy while nobody writes. */
interface Kept {
  readonly integrity: string;
  readonly marks: ReadonlySet<number>;
  readonly by_status: Readonly<Record<string, number>>;
  readonly unfinished: number;
}

function readCopy(db: string, folder: string): Kept {
  const copy = join(folder, "copy.db");
  for (const suffix of ["", "-wal"]) {
    rmSync(copy + suffix, { force: true });
    if (existsSync(db + suffix)) copyFileSync(db + suffix, copy + suffix);
  }
  rmSync(`${copy}-shm`, { force: true });
  const file = new Database(copy);
  const integrity = String(file.pragma("integrity_check", { simple: true }));
  const ids = file
    .prepare<[], string>(`SELECT id FROM tasks WHERE type = '${MARK}' AND status = 'completed'`)
    .pluck()
    .all();
  const counts = file
    .prepare<[], { status: string; count: number }>(
      "SELECT status, count(*) AS count FROM tasks WHERE ended_at_ms IS NOT NULL GROUP BY 1",
    )
    .all();
  const unfinished = file
    .prepare<[], number>("SELECT count(*) FROM tasks WHERE ended_at_ms IS NULL")
    .pluck()
    .get()!;
  file.close();
  return {
    integrity,
    marks: new Set(ids.map((id) => Number(id.slice(MARK.length + 1)))),
    by_status: Object.fromEntries(counts.map(({ status, count }) => [status, count])),
    unfinished,
  };
}

/** What the restarted server shows, before anybody reports again. */
interface Shown {
  readonly by_state: Readonly<Record<string, number>>;
  readonly marks: number;
  /** The largest stored value of the marked worker's counter. */
  readonly counter: number;
}

async function lookAt(url: string): Promise<Shown> {
  const get = async (path: string) => (await fetch(url + path)).json();
  const { by_state, types } = (await get("api/metrics/tasks/stats")) as {
    by_state: Record<string, number>;
    types: { type: string; completed: number }[];
  };
  const { series } = (await get(
    `api/metrics/workers/${MARK}/history?metrics=completed_tasks&duration=10m&step=1s`,
  )) as { series: { mean: (number | null)[] }[] };
  return {
    by_state,
    marks: types.find(({ type }) => type === MARK)?.completed ?? 0,
    counter: Math.max(0, ...series[0]!.mean.filter((value) => value !== null)),
  };
}

/** All that differs between what the pages count and what the file held when the server was killed. */
function differencesOf({ by_state, marks, counter }: Shown, kept: Kept): string[] {
  const unfinished = UNFINISHED.reduce((sum, state) => sum + (by_state[state] ?? 0), 0);
  const pairs: [string, number, number][] = [
    ["unfinished tasks", unfinished, kept.unfinished],
    // All of them ended within the hour that is counted.
    ...ENDED.map((state): [string, number, number] => [
      `${state} tasks`,
      by_state[state] ?? 0,
      kept.by_status[state] ?? 0,
    ]),
    ["marked tasks", marks, kept.marks.size],
    ["the marked worker's counter", counter, Math.max(0, ...kept.marks)],
  ];
  return pairs
    .filter(([, shown, stored]) => shown !== stored)
    .map(([name, shown, stored]) => `${name}: ${shown} shown, ${stored} kept`);
}

async function run({ quick, build, figures, noise }: Bench): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-kill-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const db = join(folder, "evenkeel.db");
  let server = await Server.start({ build, db });
  const { url } = server;
  const port = Number(new URL(url).port);
  const feed = await Feed.start({ url, ...SEED_FLEET });
  const marker = new Marker();
  const lost = new Set<number>();
  const young = new Set<number>();
  const unsound: string[] = [];
  const differing: string[] = [];
  const starts_ms: number[] = [];
  const logged: string[] = [];
  let unfinished = 0;
  const kills = quick ? 5 : 50;
  noise.reset();
  for (let kill = 1; kill <= kills; kill++) {
    feed.paused = false;
    marker.start(url);
    await sleep(LOAD_MS.least + Math.random() * (LOAD_MS.most - LOAD_MS.least));
    const killed_ms = performance.now();
    await server.kill();
    feed.paused = true;
    await marker.stop();
    logged.push(...server.errors);
    const kept = readCopy(db, folder);
    unfinished = kept.unfinished;
    if (kept.integrity !== "ok") unsound.push(`kill ${kill}: ${kept.integrity}`);
    for (const { number, answered_ms } of marker.marks) {
      if (answered_ms > killed_ms || kept.marks.has(number)) continue;
      if (answered_ms < killed_ms - DURABLE_MS && !young.has(number)) lost.add(number);
      else young.add(number);
    }
    const [start_ms, again] = await Promise.all([firstPage(url), Server.start({ build, db, port })]);
    server = again;
    starts_ms.push(start_ms);
    const differences = differencesOf(await lookAt(url), kept);
    if (differences.length > 0) differing.push(`kill ${kill}: ${differences.join(", ")}`);
  }
  const around = await noise.read();
  await feed.stop().catch(() => {});
  await server.stop();
  logged.push(...server.errors);

  const answered = marker.marks.filter(({ answered_ms }) => Number.isFinite(answered_ms)).length;
  figures.add({ name: "kills", value: kills, unit: "" });
  figures.add({
    name: "lost reports, answered more than a tick before",
    value: lost.size,
    unit: "",
    budget: NONE,
    note: `of ${answered} answered; ${young.size} younger ones were lost`,
  });
  figures.add({
    name: "unsound files",
    value: unsound.length,
    unit: "",
    budget: NONE,
    note: unsound.slice(0, 3).join("; ") || "integrity_check of a copy: ok",
  });
  figures.add({
    name: "restarts whose counters differ from the file",
    value: differing.length,
    unit: "",
    budget: NONE,
    note: differing.slice(0, 3).join("; ") || "tasks by state, marked tasks, the marked worker's counter",
  });
  figures.add({
    name: "spawn → first 200 of the page, slowest",
    value: Math.max(...starts_ms),
    unit: "ms",
    note: `median ${median(starts_ms).toFixed(0)} ms; of the first half ${median(starts_ms.slice(0, kills / 2)).toFixed(0)} ms, of the second ${median(starts_ms.slice(kills / 2)).toFixed(0)} ms`,
  });
  figures.add({ name: "  unfinished tasks in the last of them", value: unfinished, unit: "" });
  figures.print(
    `Killed under load of ${SEED_FLEET.workers} workers, ${SEED_FLEET.tasks} tasks and ${Math.round(1000 / MARK_PAUSE_MS)} marked reports a second at most`,
  );
  console.log(`  noise: ${inWords(around)}`);
  for (const error of logged.slice(0, 5)) console.log(`  the server logged: ${error}`);
}

await bench("Kill", 15, run);
