/** What is due, earliest first; what is due at the same moment comes in the order in which it was added. */
export class Agenda<T> {
  readonly #items: { at_ms: number; order: number; what: T }[] = [];
  #added = 0;

  get size(): number {
    return this.#items.length;
  }

  add(at_ms: number, what: T): void {
    const items = this.#items;
    const item = { at_ms, order: this.#added++, what };
    let place = items.length;
    items.push(item);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(item, items[parent]!)) break;
      items[place] = items[parent]!;
      place = parent;
    }
    items[place] = item;
  }

  /** Takes the earliest that is due by `until_ms`, or undefined where nothing is. */
  take(until_ms: number): { at_ms: number; what: T } | undefined {
    const items = this.#items;
    const first = items[0];
    if (first === undefined || first.at_ms > until_ms) return undefined;
    const last = items.pop()!;
    if (items.length > 0) this.#sink(last);
    return first;
  }

  #sink(item: { at_ms: number; order: number; what: T }): void {
    const items = this.#items;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && isBefore(items[child + 1]!, items[child]!)) child++;
      if (!isBefore(items[child]!, item)) break;
      items[place] = items[child]!;
      place = child;
    }
    items[place] = item;
  }
}

function isBefore(a: { at_ms: number; order: number }, b: { at_ms: number; order: number }): boolean {
  return a.at_ms < b.at_ms || (a.at_ms === b.at_ms && a.order < b.order);
}
