import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../src/metrics/store/sqlite.ts";
import { type Bench, bench, sleep } from "./lib/bench.ts";
import { Feed, SEED_FLEET } from "./lib/feed.ts";
import { MIB, median } from "./lib/figures.ts";
import { firstPage } from "./lib/http.ts";
import { liveThrough } from "./lib/live-through.ts";
import { inWords } from "./lib/noise.ts";
import { Server } from "./lib/server.ts";

// Killed under load (SIGKILL), started again: how long until the page shows the same fleet?

/** Long enough for the log to be as long as it ever gets. */
const HISTORY_MIN = 90;
const LOAD_MS = 6000;

async function writeHistory(db: string): Promise<void> {
  const store = openStore(db);
  await liveThrough(store, {
    minutes: HISTORY_MIN,
    end_ms: Math.floor(Date.now() / 1000) * 1000,
    compacts: true,
  });
  await store.close();
}

/** What a person would recognise the fleet by. */
interface Picture {
  readonly workers: string;
  readonly unfinished: number;
}

async function pictureOf(url: string): Promise<Picture> {
  const get = async (path: string) => (await fetch(url + path)).json();
  const { workers } = (await get("api/metrics/workers")) as { workers: Record<string, { type: string }> };
  const { by_state } = (await get("api/metrics/tasks/stats")) as { by_state: Record<string, number> };
  return {
    workers: Object.entries(workers)
      .map(([id, { type }]) => `${id} ${type}`)
      .sort()
      .join("\n"),
    unfinished: ["queued", "assigned", "running", "orphaned"].reduce(
      (sum, state) => sum + (by_state[state] ?? 0),
      0,
    ),
  };
}

async function run({ quick, build, figures, noise }: Bench): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-restart-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const db = join(folder, "evenkeel.db");
  const size_bytes = () =>
    ["", "-wal"].reduce(
      (sum, suffix) => sum + (statSync(db + suffix, { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
  await writeHistory(db);
  let server = await Server.start({ build, db });
  const port = Number(new URL(server.url).port);
  const times_ms: number[] = [];
  const cpu_ms: number[] = [];
  const differences: string[] = [];
  const rounds = quick ? 2 : 7;
  noise.reset();
  for (let round = 0; round < rounds; round++) {
    const feed = await Feed.start({ url: server.url, ...SEED_FLEET });
    await sleep(LOAD_MS);
    // Between two ticks: what is on screen does not change, while reports still come in.
    await sleep(1100 - (Date.now() % 1000));
    const before = await pictureOf(server.url);
    await sleep(400);
    await Promise.all([server.kill(), feed.stop().catch(() => {})]);
    const [time_ms, again] = await Promise.all([firstPage(server.url), Server.start({ build, db, port })]);
    server = again;
    times_ms.push(time_ms);
    cpu_ms.push(server.cpu_s() * 1000);
    const after = await pictureOf(server.url);
    if (after.workers !== before.workers) differences.push(`round ${round}: other workers`);
    if (after.unfinished !== before.unfinished)
      differences.push(`round ${round}: ${before.unfinished} unfinished tasks became ${after.unfinished}`);
  }
  const around = await noise.read();
  const bytes = size_bytes();
  await server.stop();

  figures.add({
    name: "spawn → first 200 of the page",
    value: median(times_ms),
    unit: "ms",
    budget: { limit: 1000 },
    note: `median of ${rounds} kills, worst ${Math.max(...times_ms).toFixed(0)} ms`,
  });
  figures.add({
    name: "  processor time of it",
    value: median(cpu_ms),
    unit: "ms",
    note: "all threads: what it takes where nothing else runs, at most",
  });
  figures.add({
    name: "restarts that showed another fleet",
    value: new Set(differences.map((text) => text.split(":", 1)[0])).size,
    unit: "",
    budget: { limit: 0, rule: "at most" },
    note: differences.slice(0, 3).join("; ") || "same workers, same number of unfinished tasks",
  });
  figures.print(
    `${SEED_FLEET.workers} workers, ${SEED_FLEET.tasks} tasks, ${HISTORY_MIN} minutes of history, ${(bytes / MIB).toFixed(1)} MiB`,
  );
  console.log(`  noise: ${inWords(around)}`);
}

await bench("Restart", 8, run);
