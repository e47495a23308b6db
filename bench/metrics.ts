import { Agent } from "node:http";
import { families } from "../src/views/exposition/families.ts";
import { printed } from "../src/views/exposition/print.ts";
import { fixtureRead } from "../src/views/fixture.ts";
import { type Bench, bench, sleep } from "./lib/bench.ts";
import { Feed } from "./lib/feed.ts";
import { type Budget, median } from "./lib/figures.ts";
import { timedGet } from "./lib/http.ts";
import { inWords } from "./lib/noise.ts";
import { Server } from "./lib/server.ts";

// What a scrape of ten thousand workers takes, and for how long one piece of it holds everybody else up.

const FLEET = { workers: 10_000, tasks: 10_000, batch: 1000 };
/** Prometheus gives up after 10 s. */
const ANSWERED_MS: Budget = { limit: 2000 };
const PIECE_MS: Budget = { limit: 50, rule: "at most" };
const FORMATS = [
  ["text 0.0.4", "text/plain;version=0.0.4"],
  ["OpenMetrics 1.0", "application/openmetrics-text;version=1.0.0"],
] as const;

async function run({ quick, build, figures, noise }: Bench): Promise<void> {
  const server = await Server.start({ build });
  const agent = new Agent({ keepAlive: true });
  const rounds = quick ? 4 : 12;
  try {
    const feed = await Feed.start({ url: server.url, ...FLEET });
    await sleep(10_000);
    noise.reset();
    for (const [name, accept] of FORMATS) {
      const took: number[] = [];
      let bytes = 0;
      for (let round = 0; round < rounds; round++) {
        // A tick of its own each time.
        await sleep(1100);
        const answer = await timedGet(agent, `${server.url}metrics`, accept);
        took.push(answer.elapsed_ms);
        bytes = answer.bytes;
      }
      figures.add({
        name: `a scrape while all report each second, ${name}`,
        value: median(took),
        unit: "ms",
        budget: ANSWERED_MS,
        note: `median of ${rounds}, worst ${Math.max(...took).toFixed(0)} ms; ${(bytes / 1e6).toFixed(1)} MB`,
      });
    }
    await feed.stop();
  } finally {
    agent.destroy();
    await server.stop();
  }
  const pieces = Array.from({ length: rounds }, longestPiece);
  figures.add({
    name: "its longest piece, in a process of its own",
    value: median(pieces),
    unit: "ms",
    digits: 1,
    budget: PIECE_MS,
    note: `median of ${rounds}, worst ${Math.max(...pieces).toFixed(0)} ms`,
  });
  figures.print(`${FLEET.workers} workers, ${FLEET.tasks} live tasks`);
  console.log(`  noise: ${inWords(await noise.read())}`);
}

/** Milliseconds. */
function longestPiece(): number {
  const pieces = printed(families(fixtureRead({ workers: FLEET.workers }), { cpu_s: 0 }), "text");
  let longest_ms = 0;
  for (let done = false; !done; ) {
    const began_ms = performance.now();
    const piece = pieces.next();
    if (!piece.done) Buffer.from(piece.value);
    longest_ms = Math.max(longest_ms, performance.now() - began_ms);
    done = piece.done === true;
  }
  return longest_ms;
}

await bench("Metrics", 5, run);
