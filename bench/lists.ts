import { Agent } from "node:http";
import { type Bench, bench, sleep } from "./lib/bench.ts";
import { benchEndedLists } from "./lib/ended-lists.ts";
import { Feed } from "./lib/feed.ts";
import { type Budget, median, percentile } from "./lib/figures.ts";
import { timedGet } from "./lib/http.ts";
import { addLookedAt } from "./lib/lookers.ts";
import type { LoopDelay } from "./lib/loop-probe.ts";
import { inWords } from "./lib/noise.ts";
import { Server } from "./lib/server.ts";

// Lists of a hundred thousand tasks: any filter, any sort, any page, as a page and as data, the whole list as a
// file, and what it costs each second that somebody looks.

const FLEET = { workers: 1000, tasks: 10_000, waiting: 90_000, batch: 1000 };
const ANSWERED_MS: Budget = { limit: 200 };
const BLOCKED_MS: Budget = { limit: 50, rule: "at most" };
const LOOKERS = 10;

const LISTS = [
  ["tasks, as they come", "tasks", ""],
  ["tasks by id", "tasks", "sort=id"],
  ["tasks by id, from the end", "tasks", "sort=-id"],
  ["tasks by queue time", "tasks", "sort=-queue_time"],
  ["tasks by model, page 1000", "tasks", "sort=model&page=1000"],
  ["tasks by id, last page", "tasks", "sort=id&page=1000000&limit=500"],
  ["tasks with a text", "tasks", "q=LOG-9"],
  ["tasks with a text that none has", "tasks", "q=nobody-has-this"],
  ["tasks of a state and type", "tasks", "status=running,failed&task_type=vision&sort=-processing_time"],
  ["tasks of a worker type", "tasks", "worker_type=gpu&sort=worker"],
  ["workers, as they come", "workers", ""],
  ["workers with tasks of a type, by CPU", "workers", "task_type=vision&sort=-cpu"],
  ["workers with a text", "workers", "q=gpu-1&sort=-load"],
] as const;
const API: Readonly<Record<string, string>> = { tasks: "api/metrics/tasks", workers: "api/workers" };

async function run({ quick, build, figures, noise }: Bench): Promise<void> {
  const server = await Server.start({ build });
  const agent = new Agent({ keepAlive: true });
  const rounds = quick ? 6 : 25;
  try {
    const feed = await Feed.start({ url: server.url, ...FLEET });
    try {
      await sleep(8000);
      const idle = await loopWhile(server, () => sleep(rounds * 400));
      figures.add({
        name: "event loop's longest hold, nobody asks",
        value: idle.max_ms,
        unit: "ms",
        digits: 1,
      });
      noise.reset();

      for (const [what, path, query] of LISTS) {
        const forms = [
          ["page", path, "text/html"],
          ["JSON", API[path]!, "application/json"],
        ] as const;
        const parts: string[] = [];
        const all: number[] = [];
        for (const [form, address, accept] of forms) {
          const took: number[] = [];
          for (let round = 0; round < rounds; round++) {
            // A limit of its own each time, so that none is answered from the tick's cache.
            const own = `${query}${query.includes("limit=") ? "" : `&limit=${50 + round}`}`;
            took.push((await timedGet(agent, `${server.url}${address}?${own}`, accept)).elapsed_ms);
          }
          parts.push(
            `${form} p50 ${median(took).toFixed(0)} ms, p95 ${percentile(took, 0.95).toFixed(0)} ms`,
          );
          all.push(percentile(took, 0.95));
        }
        figures.add({
          name: `${what}, p95`,
          value: Math.max(...all),
          unit: "ms",
          budget: ANSWERED_MS,
          note: parts.join("; "),
        });
      }
      // What a tick of such a fleet holds is another bench's: here nothing is reported meanwhile.
      feed.paused = true;
      await sleep(1500);
      const held: number[] = [];
      for (const [, path, query] of LISTS) {
        const delay = await loopWhile(server, async () => {
          for (let round = 0; round < 4; round++)
            await timedGet(agent, `${server.url}${API[path]}?${query}&as_of=${round}`, "application/json");
        });
        held.push(delay.max_ms);
      }
      figures.add({
        name: "event loop's longest hold while lists are asked for",
        value: median(held),
        unit: "ms",
        digits: 1,
        budget: BLOCKED_MS,
        note: `median of the ${held.length} lists, worst ${Math.max(...held).toFixed(0)} ms; nothing is reported meanwhile`,
      });

      const exports: { took_ms: number; held_ms: number; bytes: number }[] = [];
      for (let round = 0; round < 3; round++) {
        const address = `${server.url}api/metrics/tasks?sort=id&format=csv`;
        let answer = { elapsed_ms: 0, bytes: 0 };
        const delay = await loopWhile(server, async () => {
          answer = await timedGet(agent, address, "*/*");
        });
        exports.push({ took_ms: answer.elapsed_ms, held_ms: delay.max_ms, bytes: answer.bytes });
      }
      feed.paused = false;
      figures.add({
        name: "the whole list as CSV",
        value: median(exports.map(({ took_ms }) => took_ms)),
        unit: "ms",
        note: `median of ${exports.length}; ${(exports[0]!.bytes / 1e6).toFixed(1)} MB`,
      });
      figures.add({
        name: "event loop's longest hold meanwhile",
        value: median(exports.map(({ held_ms }) => held_ms)),
        unit: "ms",
        digits: 1,
        budget: BLOCKED_MS,
        note: `worst ${Math.max(...exports.map(({ held_ms }) => held_ms)).toFixed(0)} ms; nothing is reported meanwhile`,
      });

      const lookers = Array.from({ length: LOOKERS }, (_, index) => {
        const [, path, query] = LISTS[index % LISTS.length]!;
        return `panels=${path === "tasks" ? "task-list" : "worker-list"}&${query}&as_of=${index}`;
      });
      const name = `the loop's time a second for ${LOOKERS} lists that are looked at`;
      await addLookedAt(server, name, lookers, quick ? 1 : 3, figures);
      figures.print(
        `${FLEET.workers} workers, ${FLEET.tasks + FLEET.waiting} live tasks, reported each second`,
      );
      console.log(`  noise: ${inWords(await noise.read())}`);
    } finally {
      await feed.stop();
    }
  } finally {
    agent.destroy();
    await server.stop();
  }
  await benchEndedLists(build, rounds, figures);
}

async function loopWhile(server: Server, something: () => Promise<unknown>): Promise<LoopDelay> {
  server.loop.reset();
  await something();
  return server.loop.read();
}

await bench("Lists", 10, run);
