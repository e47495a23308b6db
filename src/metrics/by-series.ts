import type { Scope } from "./catalogue.ts";
import type { SeriesName } from "./range.ts";

/** A map of series by their names, in levels: of a hundred thousand, a key of all three parts would be a string each. */
export class BySeries<T> {
  readonly #scopes = new Map<Scope, Map<string, Map<string, T>>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get({ scope, metric, entity }: SeriesName): T | undefined {
    return this.#scopes.get(scope)?.get(metric)?.get(entity);
  }

  set({ scope, metric, entity }: SeriesName, value: T): void {
    const entities = levelOf(levelOf(this.#scopes, scope), metric);
    if (!entities.has(entity)) this.#size += 1;
    entities.set(entity, value);
  }

  delete({ scope, metric, entity }: SeriesName): void {
    const metrics = this.#scopes.get(scope);
    const entities = metrics?.get(metric);
    if (!entities?.delete(entity)) return;
    this.#size -= 1;
    if (entities.size === 0) metrics?.delete(metric);
  }

  *values(): Iterable<T> {
    for (const metrics of this.#scopes.values()) {
      for (const entities of metrics.values()) {
        for (const value of entities.values()) yield value;
      }
    }
  }
}

function levelOf<K, L>(levels: Map<K, Map<string, L>>, key: K): Map<string, L> {
  let level = levels.get(key);
  if (level === undefined) {
    level = new Map();
    levels.set(key, level);
  }
  return level;
}
