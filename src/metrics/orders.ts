/** What a search through ended tasks came to. */
export interface Ended {
  /** Of those that it found, the ones of the page, by their ids. */
  readonly tasks: ReadonlyMap<string, { readonly id: string }>;
  /** How many it found. */
  readonly count: number;
  /** From here on it found all that there is, Unix milliseconds; null where that is all that is kept. */
  readonly searched_from_ms: number | null;
}

/** A page of a list in the order that it had when somebody asked for it. */
export interface Order {
  readonly ids: readonly string[];
  /** Of the whole list. */
  readonly total: number;
  /** The page that it is, counted from 1. */
  readonly page: number;
  /** Unix milliseconds. */
  readonly sorted_ms: number;
  /** When it was last compared with the list as it is, Unix milliseconds. */
  readonly checked_ms: number;
  /** Whether the list would now show others on this page, or in another order. */
  readonly changed: boolean;
  /** What was looked up once, in the store; undefined where nothing was. */
  readonly ended?: Ended;
}

/** Orders kept at once; the one not asked for longest gives way. */
const ORDERS_LIMIT = 1000;
/** Ended tasks kept with them, some 2 KB each. */
const TASKS_LIMIT = 10_000;
/** Nobody looks at an order that was not asked for in this long: a page asks for its own each tick. */
const UNUSED_MS = 60_000;

/** The orders of the lists that are looked at, so that no row changes its place under a pointer. */
export class Orders {
  readonly #orders = new Map<string, { order: Order; used_ms: number }>();
  #tasks = 0;

  get(key: string, now_ms: number): Order | undefined {
    const kept = this.#orders.get(key);
    if (kept === undefined) return undefined;
    this.set(key, kept.order, now_ms);
    return kept.order;
  }

  set(key: string, order: Order, now_ms: number): void {
    this.#drop(key);
    this.#orders.set(key, { order, used_ms: now_ms });
    this.#tasks += tasksOf(order);
    for (const [oldest, { used_ms }] of this.#orders) {
      const fits = this.#orders.size <= ORDERS_LIMIT && this.#tasks <= TASKS_LIMIT;
      if (fits && now_ms - used_ms <= UNUSED_MS) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const kept = this.#orders.get(key);
    if (kept === undefined) return;
    this.#tasks -= tasksOf(kept.order);
    this.#orders.delete(key);
  }
}

function tasksOf({ ended }: Order): number {
  return ended?.tasks.size ?? 0;
}
