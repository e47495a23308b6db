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
}

/** Orders kept at once; the one not asked for longest gives way. */
const ORDERS_LIMIT = 1000;
/** Nobody looks at an order that was not asked for in this long: a page asks for its own each tick. */
const UNUSED_MS = 60_000;

/** The orders of the lists that are looked at, so that no row changes its place under a pointer. */
export class Orders {
  readonly #orders = new Map<string, { order: Order; used_ms: number }>();

  get(key: string, now_ms: number): Order | undefined {
    const kept = this.#orders.get(key);
    if (kept === undefined) return undefined;
    this.set(key, kept.order, now_ms);
    return kept.order;
  }

  set(key: string, order: Order, now_ms: number): void {
    this.#orders.delete(key);
    this.#orders.set(key, { order, used_ms: now_ms });
    for (const [oldest, { used_ms }] of this.#orders) {
      if (this.#orders.size <= ORDERS_LIMIT && now_ms - used_ms <= UNUSED_MS) break;
      this.#orders.delete(oldest);
    }
  }
}
