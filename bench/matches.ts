import { PATTERN, STOCK } from "../src/metrics/collect/demo/hardware.ts";
import { MODELS, type Model } from "../src/metrics/collect/demo/models.ts";
import { createRng } from "../src/metrics/collect/demo/rng.ts";
import type { Report, TaskUpdate, Transition, WorkerUpdate } from "../src/metrics/model.ts";
import { Fleet } from "../src/metrics/process/fleet.ts";
import { match } from "../src/metrics/process/match.ts";
import { type Bench, bench } from "./lib/bench.ts";
import { type Budget, median, percentile } from "./lib/figures.ts";
import { inWords } from "./lib/noise.ts";

// What it costs a tick to compare every assignment with the best match that the fleet had for it.

const WORKERS = 1000;
const ASSIGNMENTS = 1000;
const WARM_UP = 30;
const TICKS = 600;
const SEED = 7;
const FAILED_RATIO = 0.05;
const START_MS = 1_700_000_000_000;
const ADDED_MS: Budget = { limit: 20, rule: "at most" };
/** Ticks whose assignments are matched the plain way: each takes as long as a thousand of the others. */
const NAIVE_TICKS = 3;

/** Of the memory that tasks ask for; the second is the most work that they can make. */
type Sizes = "of their models" | "all different";

/** A fleet whose every worker reports each second, and whose tasks come, are assigned anywhere and end a second later. */
class Traffic {
  now_ms = START_MS;
  readonly #rng = createRng(SEED);
  readonly #sizes: Sizes;
  #running: TaskUpdate[] = [];
  #tasks = 0;

  constructor(sizes: Sizes) {
    this.#sizes = sizes;
  }

  /** What is told in the next second. */
  next(): Report {
    const first = this.now_ms === START_MS;
    this.now_ms += 1000;
    const ended = this.#running.map((task) => this.#end(task));
    this.#running = first ? [] : Array.from({ length: ASSIGNMENTS }, () => this.#assign());
    return {
      at_ms: this.now_ms,
      received_ms: this.now_ms,
      source: "bench",
      interval_s: 1,
      complete: false,
      workers: Array.from({ length: WORKERS }, (_, index) => this.#worker(index, first)),
      tasks: [...ended, ...this.#running],
      system: {},
    };
  }

  #worker(index: number, first: boolean): WorkerUpdate {
    const pool = PATTERN[index % PATTERN.length]!;
    const { tags, backends, memory_bytes } = STOCK[pool][index % STOCK[pool].length]!;
    return {
      id: `W${index}`,
      type: pool,
      hostname: undefined,
      status: undefined,
      tags: first ? [...tags] : undefined,
      capabilities: first ? { backends: [...backends], memory_bytes } : {},
      metrics: { cpu_utilization: this.#rng.between(0, 100), memory_utilization: this.#rng.between(0, 100) },
      gpus: undefined,
      interval_s: undefined,
    };
  }

  #assign(): TaskUpdate {
    const model = this.#rng.pick(MODELS);
    const { id: model_id, family: model_family, type } = model;
    const transition = this.#transition("assigned", { assigned: this.now_ms, started: this.now_ms });
    const requirements = this.#requirements(model);
    const nothing = { priority: undefined, modality: undefined, metrics: {} };
    this.#tasks += 1;
    return {
      ...nothing,
      id: `t${this.#tasks}`,
      type,
      model_family,
      model_id,
      requirements,
      transitions: [transition],
    };
  }

  #requirements({ requirements }: Model): Model["requirements"] {
    if (this.#sizes === "of their models") return requirements;
    return { ...requirements, memory_bytes: Math.floor(this.#rng.between(1, requirements.memory_bytes!)) };
  }

  #transition(status: Transition["status"], times: Transition["times"]): Transition {
    const worker_id = `W${Math.floor(this.#rng.between(0, WORKERS))}`;
    return { attempt: 1, status, times, worker_id, progress: undefined, error: undefined };
  }

  #end(task: TaskUpdate): TaskUpdate {
    const status = this.#rng.next() < FAILED_RATIO ? "failed" : "completed";
    const [{ worker_id }] = task.transitions as [Transition];
    const ended = this.now_ms - Math.floor(this.#rng.between(0, 900));
    return { ...task, transitions: [{ ...this.#transition(status, { ended }), worker_id }] };
  }
}

function timed(work: () => void): number {
  const started_ms = performance.now();
  work();
  return performance.now() - started_ms;
}

/** A tick's work on the fleet, and what judging adds to it. */
function tickOf(fleet: Fleet, report: Report): { work_ms: number; added_ms: number } {
  const work_ms = timed(() => {
    fleet.apply(report);
    fleet.advance(report.received_ms);
  });
  const added_ms = timed(() => fleet.judgeAssignments(report.received_ms));
  fleet.takeChanges();
  return { work_ms, added_ms };
}

/** The formula as it stands: every task with every worker. @returns the mean of chosen ÷ best */
function matchAll(fleet: Fleet, report: Report): number {
  const fleetMedian = (model_id: string | null) => fleet.ledger.medianProcessing(model_id);
  const ratios = report.tasks.flatMap(({ id, transitions }) => {
    const task = fleet.tasks.get(id);
    if (!task || transitions[0]?.status !== "assigned") return [];
    let best = 0;
    let chosen = 0;
    for (const { id, offer, load, record, available } of fleet.workers.values()) {
      const observed = record.ofFamily(task.model_family ?? "", report.received_ms, fleetMedian);
      const { score } = match(task, { id, offer, observed, load });
      if (id === task.worker_id) chosen = score;
      if (available || id === task.worker_id) best = Math.max(best, score);
    }
    return best === 0 ? [] : [chosen / best];
  });
  return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
}

async function compare(
  sizes: Sizes,
  within: { budget?: Budget },
  { quick, figures, noise }: Bench,
): Promise<void> {
  noise.reset();
  const traffic = new Traffic(sizes);
  const fleet = new Fleet({ worker_ttl_ms: 3_600_000, task_ttl_ms: 86_400_000, grace_ms: 900_000 }, START_MS);
  for (let tick = 0; tick < WARM_UP; tick += 1) tickOf(fleet, traffic.next());
  const ticks = Array.from({ length: quick ? 60 : TICKS }, () => tickOf(fleet, traffic.next()));
  const naive_ms = Array.from({ length: NAIVE_TICKS }, () => {
    const report = traffic.next();
    tickOf(fleet, report);
    return timed(() => matchAll(fleet, report));
  });
  const added_ms = ticks.map((tick) => tick.added_ms);
  const ms = { unit: "ms", digits: 2 };
  figures.add({ ...ms, name: "added to a tick, p50", value: median(added_ms), ...within });
  figures.add({ ...ms, name: "added to a tick, p99", value: percentile(added_ms, 0.99), ...within });
  figures.add({
    ...ms,
    name: "the fleet's other work of such a tick, p50",
    value: median(ticks.map(({ work_ms }) => work_ms)),
    note: "all workers report, a thousand tasks begin and a thousand end",
  });
  figures.add({
    ...ms,
    name: "every task matched with every worker instead",
    value: median(naive_ms),
    note: `${(median(naive_ms) / median(added_ms)).toFixed(0)} times as long`,
  });
  figures.add({
    name: "ticks in which some were not judged",
    value: fleet.limits_reached["assignments judged a tick"] ?? 0,
    unit: "",
    budget: { limit: 0, rule: "at most" },
  });
  figures.print(`${WORKERS} workers, ${ASSIGNMENTS} assignments a tick, sizes of memory ${sizes}`);
  console.log(`  noise: ${inWords(await noise.read())}`);
}

async function run(the: Bench): Promise<void> {
  await compare("of their models", { budget: ADDED_MS }, the);
  await compare("all different", {}, the);
}

await bench("Matches", 10, run);
