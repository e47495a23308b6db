import { Agent, request } from "node:http";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { type Bench, bench, sleep } from "./lib/bench.ts";
import { type Budget, MIB, percentile } from "./lib/figures.ts";
import { Ids } from "./lib/fuzz/bodies.ts";
import { Random } from "./lib/fuzz/random.ts";
import { type Asked, type Operation, operationsOf, requestFor } from "./lib/fuzz/requests.ts";
import { rawExchange, SlowSenders } from "./lib/fuzz/sockets.ts";
import { type Answered, faultsOf } from "./lib/fuzz/verdict.ts";
import { Server } from "./lib/server.ts";

// Hostile bodies, parameters and headers at every route of a server that really runs, for a set time; while
// they come it must live, answer and stay within its memory, and no answer may carry what was sent as it was.

/** Requests under way at once. */
const LANES = 6;
const SLOW_SENDERS = 20;
const ANSWER_MS = 20_000;
/** Answers that go on until somebody leaves. */
const STREAMS = /^\/(?:stream|api\/ingest\/stream)/;
/** A stream is left after so long, or after so many bytes. */
const STREAM_MS = 1_200;
const STREAM_BYTES = 400_000;
const LOOK_MS = 500;
const FINDINGS_SHOWN = 30;
const NONE: Budget = { limit: 0, rule: "at most" };
/** So low that a short run reaches each of them. */
const LIMITS = [
  ...["--max-workers", "80", "--max-live-tasks", "90", "--max-body-bytes", "4MiB"],
  ...[
    "--max-viewers",
    "20",
    "--max-topics",
    "60",
    "--worker-ttl",
    "1m",
    "--task-ttl",
    "1m",
    "--tick-ms",
    "250",
  ],
];

/** What went wrong, once for each kind of it and operation. */
class Findings {
  readonly #found = new Map<string, string>();

  add(fault: string, of: string, example: string): void {
    const key = `${of}: ${fault}`;
    if (!this.#found.has(key)) this.#found.set(key, example);
  }

  get size(): number {
    return this.#found.size;
  }

  print(): void {
    for (const [key, example] of [...this.#found].slice(0, FINDINGS_SHOWN))
      console.log(`  FOUND ${key}\n        ${example}`);
  }
}

class Fuzz {
  readonly findings = new Findings();
  readonly answers = new Map<number, number>();
  readonly operations_seen = new Set<string>();
  readonly looks_ms: number[] = [];
  readonly rss_bytes: number[] = [];
  readonly #server: Server;
  readonly #operations: readonly Operation[];
  readonly #ids: Ids;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 2 * LANES });
  requests = 0;

  constructor(server: Server, operations: readonly Operation[], ids: Ids) {
    this.#server = server;
    this.#operations = operations;
    this.#ids = ids;
  }

  /** One after the other until the time is over. */
  async lane(random: Random, end_ms: number): Promise<void> {
    const ingest = this.#operations.find(({ path }) => path === "/api/ingest")!;
    while (performance.now() < end_ms && this.#alive()) {
      if (random.chance(0.04)) await this.#raw(random);
      else await this.#ask(random, random.chance(0.3) ? ingest : random.pick(this.#operations));
    }
  }

  /** Whether it answers at all, and how much memory it takes. */
  async look(end_ms: number): Promise<void> {
    while (performance.now() < end_ms && this.#alive()) {
      const started_ms = performance.now();
      const asked: Asked = { of: "GET /healthz", method: "GET", target: "/healthz", headers: {} };
      const { status } = await this.#exchange(asked).catch(() => ({ status: 0 }));
      if (status !== 200) this.findings.add(`status ${status}`, asked.of, "while it was fuzzed");
      this.looks_ms.push(performance.now() - started_ms);
      if (this.#alive()) this.rss_bytes.push(this.#server.rss_bytes());
      await sleep(LOOK_MS);
    }
    if (!this.#alive()) this.findings.add("the process is dead", "the server", "its log says more");
  }

  close(): void {
    this.#agent.destroy();
  }

  #alive(): boolean {
    try {
      process.kill(this.#server.pid, 0);
      return true;
    } catch {
      return false;
    }
  }

  async #ask(random: Random, operation: Operation): Promise<void> {
    const asked = requestFor(random, operation, this.#ids);
    this.operations_seen.add(asked.of);
    await this.#judge(asked, () => this.#exchange(asked));
  }

  async #raw(random: Random): Promise<void> {
    const { port } = new URL(this.#server.url);
    const { sent, answer } = await rawExchange(random, Number(port));
    this.requests += 1;
    if (answer) this.#note(answer, "raw bytes", JSON.stringify(sent.toString("latin1").slice(0, 160)));
  }

  async #judge(asked: Asked, exchange: () => Promise<Answered>): Promise<void> {
    const example = `${asked.method} ${asked.target} ${JSON.stringify(asked.headers)}`.slice(0, 700);
    try {
      this.requests += 1;
      this.#note(await exchange(), asked.of, example);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      // A body that is refused before it was read ends the connection, as it may.
      if (code === "EPIPE" || code === "ECONNRESET") return;
      this.findings.add(message, asked.of, example);
    }
  }

  #note(answer: Answered, of: string, example: string): void {
    this.answers.set(answer.status, (this.answers.get(answer.status) ?? 0) + 1);
    for (const fault of faultsOf(answer)) this.findings.add(fault, of, example);
  }

  #exchange({ method, target, headers, body }: Asked): Promise<Answered> {
    const { hostname, port } = new URL(this.#server.url);
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          hostname,
          port,
          method,
          path: target,
          agent: this.#agent,
          headers: { ...headers, ...(body && { "Content-Length": body.length }) },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          const finish = (): void => {
            clearTimeout(patience);
            const named = incoming.rawHeaders.flatMap((name, i, all) =>
              i % 2 === 0 ? [[name.toLowerCase(), all[i + 1]!] as const] : [],
            );
            resolve({
              status: incoming.statusCode!,
              headers: named,
              text: unpacked(Buffer.concat(chunks), incoming.headers["content-encoding"], streams),
            });
          };
          const streams = STREAMS.test(target) && incoming.statusCode === 200;
          const leave = () => {
            finish();
            incoming.destroy();
          };
          if (streams) setTimeout(leave, STREAM_MS);
          incoming.on("data", (chunk: Buffer) => {
            chunks.push(chunk);
            bytes += chunk.length;
            if (streams && bytes > STREAM_BYTES) leave();
          });
          incoming.once("end", finish).once("error", reject);
        },
      );
      const patience = setTimeout(
        () => outgoing.destroy(new Error(`no answer within ${ANSWER_MS} ms`)),
        ANSWER_MS,
      );
      outgoing.once("error", (error) => {
        clearTimeout(patience);
        reject(error);
      });
      outgoing.end(body);
    });
  }
}

/** A stream that was left ends in the middle of what was compressed. */
function unpacked(bytes: Buffer, encoding: string | undefined, cut: boolean): string {
  if (bytes.length === 0) return "";
  const options = cut ? { finishFlush: 2 } : {};
  if (encoding === "gzip") return gunzipSync(bytes, options).toString();
  if (encoding === "br") return brotliDecompressSync(bytes).toString();
  return bytes.toString();
}

async function run({ build, figures, option }: Bench): Promise<void> {
  const seconds = Number(option("seconds", "60"));
  const seed = Number(option("seed", String(1 + Math.floor(Math.random() * 2 ** 31))));
  if (!(seconds > 0) || !Number.isSafeInteger(seed))
    throw new Error("--seconds must be a number above 0 and --seed a whole number");
  console.log(`  seed ${seed}: the same again with --seed ${seed}`);
  const server = await Server.start({ build, args: LIMITS });
  const operations = await operationsOf(server.url);
  const fuzz = new Fuzz(server, operations, new Ids(new Random(seed)));
  const slow = new SlowSenders(Number(new URL(server.url).port), SLOW_SENDERS);
  const end_ms = performance.now() + seconds * 1_000;
  const lanes = Array.from({ length: LANES }, (_, lane) => fuzz.lane(new Random(seed + 1 + lane), end_ms));
  await Promise.all([...lanes, fuzz.look(end_ms)]);
  slow.close();
  fuzz.close();
  await server.stop();
  for (const line of server.errors) fuzz.findings.add(line.slice(0, 200), "the log", "");

  const { answers, findings, operations_seen, looks_ms, rss_bytes } = fuzz;
  const statuses = [...answers].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`);
  figures.add({ name: "requests", value: fuzz.requests, unit: "", note: statuses.join(", ") });
  figures.add({
    name: "operations that were asked",
    value: operations_seen.size,
    unit: "",
    note: `of ${operations.length}`,
    budget: { limit: Math.min(operations.length, Math.floor(fuzz.requests / 50)), rule: "at least" },
  });
  figures.add({ name: "findings", value: findings.size, unit: "", budget: NONE });
  figures.add({
    name: "answers of /healthz meanwhile, slowest",
    value: Math.max(...looks_ms),
    unit: "ms",
    note: `p99 ${percentile(looks_ms, 0.99).toFixed(0)} ms`,
    budget: { limit: 5_000 },
  });
  figures.add({
    name: "memory, most",
    value: Math.max(...rss_bytes) / MIB,
    unit: "MiB",
    note: `in the end ${(rss_bytes.at(-1)! / MIB).toFixed(0)} MiB`,
    budget: { limit: 512 },
  });
  figures.print(
    `${seconds} s of hostile requests, ${LANES} at once beside ${SLOW_SENDERS} that never end, seed ${seed}`,
  );
  findings.print();
}

await bench("Fuzz", 120, run);
