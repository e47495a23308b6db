import { RUNS_MINUTES, type Run, type Runs } from "../runs.ts";

/** Runs held at most, some 150 bytes each; beyond it the oldest give way. */
const MAX_RUNS = 30_000;
const KEPT_MS = RUNS_MINUTES * 60_000;
/** Places at the head of the queue that may stand empty. */
const MAX_GONE = 10_000;

/** The runs of the last hour, by their worker; older ones of it can be read back. */
export class RunLog implements Runs {
  complete_from_ms: number;
  /** In the order in which they came, the first `#gone` of them gone. */
  #all: Run[] = [];
  #gone = 0;
  readonly #by_worker = new Map<string, Run[]>();

  constructor(now_ms: number) {
    this.complete_from_ms = now_ms;
  }

  add(run: Run): void {
    this.#all.push(run);
    const own = this.#by_worker.get(run.worker_id);
    if (own) own.push(run);
    else this.#by_worker.set(run.worker_id, [run]);
    if (this.room < 0) this.#dropFirst();
  }

  /** How many more it holds. */
  get room(): number {
    return MAX_RUNS - (this.#all.length - this.#gone);
  }

  /** Takes in what ended before all that is held, oldest first: with it everything from `from_ms` on is known. */
  addOlder(runs: readonly Run[], from_ms: number): void {
    const before = (run: Run) => run.ended_at_ms < this.complete_from_ms;
    // What was told late is held already.
    const held = new Set(this.#all.slice(this.#gone).filter(before).map(nameOf));
    const older = runs.filter((run) => before(run) && !held.has(nameOf(run))).slice(-this.room);
    this.#all = [...older, ...this.#all.slice(this.#gone)];
    this.#gone = 0;
    for (const run of older.toReversed()) {
      const own = this.#by_worker.get(run.worker_id);
      if (own) own.unshift(run);
      else this.#by_worker.set(run.worker_id, [run]);
    }
    this.complete_from_ms = Math.min(this.complete_from_ms, from_ms);
  }

  advance(now_ms: number): void {
    while (this.#gone < this.#all.length && this.#all[this.#gone]!.ended_at_ms < now_ms - KEPT_MS)
      this.#dropFirst();
  }

  #dropFirst(): void {
    const { worker_id, ended_at_ms } = this.#all[this.#gone]!;
    this.#gone += 1;
    if (this.#gone > MAX_GONE) {
      this.#all = this.#all.slice(this.#gone);
      this.#gone = 0;
    }
    const own = this.#by_worker.get(worker_id)!;
    own.shift();
    if (own.length === 0) this.#by_worker.delete(worker_id);
    this.complete_from_ms = Math.max(this.complete_from_ms, ended_at_ms + 1);
  }

  of(worker_id: string): readonly Run[] {
    return this.#by_worker.get(worker_id) ?? [];
  }
}

function nameOf({ id, attempt }: Run): string {
  return `${attempt} ${id}`;
}
