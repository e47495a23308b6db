import type { Task } from "../metrics/model.ts";
import type { EndedQuery, EndedStep, Read } from "../metrics/read.ts";

/** Ended tasks that a page lists at most, the newest of those that match; CSV and NDJSON have all of them. */
const NEWEST = 1000;
/** Steps of one page's search: some 100 ms of work in all. */
const STEPS = 10;

/** One page's search through the ended tasks that are kept: it is bounded, and says how far it came. */
export class EndedSearch {
  readonly #query: EndedQuery;
  readonly #steps: Iterator<EndedStep>;
  #left = STEPS;
  #complete = false;
  #searched_from_ms: number;
  readonly #tasks: Task[] = [];

  constructor(read: Read, query: EndedQuery) {
    this.#query = query;
    this.#steps = read.ended(query)[Symbol.iterator]();
    this.#searched_from_ms = query.to_ms;
  }

  /** Goes on for a step; false once there is no more to do. */
  step(): boolean {
    if (this.#complete || this.#left === 0 || this.#tasks.length > NEWEST) return false;
    this.#left -= 1;
    const { done, value } = this.#steps.next();
    this.#complete = done === true;
    if (done) return false;
    this.#tasks.push(...value.tasks);
    this.#searched_from_ms = value.searched_from_ms;
    this.#complete = value.searched_from_ms <= this.#query.from_ms;
    return true;
  }

  /** What it found so far, newest end first, and from when on that is all there is; null where it is all that is kept. */
  found(): { readonly tasks: readonly Task[]; readonly searched_from_ms: number | null } {
    const beyond = this.#tasks[NEWEST];
    if (this.#complete && beyond === undefined) return { tasks: this.#tasks, searched_from_ms: null };
    // Whole instants alone, so that a search further back begins where this one ended.
    const from_ms = beyond === undefined ? this.#searched_from_ms : Math.floor(beyond.ended_at_ms!) + 1;
    const tasks = this.#tasks.filter(({ ended_at_ms }) => ended_at_ms! >= from_ms);
    if (tasks.length > 0 || this.#tasks.length === 0) return { tasks, searched_from_ms: from_ms };
    const all_of_one = this.#tasks.slice(0, NEWEST);
    return { tasks: all_of_one, searched_from_ms: Math.floor(all_of_one[0]!.ended_at_ms!) };
  }
}
