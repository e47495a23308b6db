import type { RuleScene } from "./vocabulary.ts";

/** The longest time that a rule may look back. */
export const MAX_WINDOW_S = 3 * 3600;
/** What is remembered of a window: so many samples, evenly apart. */
const SAMPLES = 60;

export type WindowFunction = keyof typeof WINDOW_FUNCTIONS;

/** Each given at least two samples, oldest first; `rate` is the change a second. */
export const WINDOW_FUNCTIONS = {
  rate: (values: readonly number[], times_ms: readonly number[], counts: boolean) => {
    let change = 0;
    for (let i = 1; i < values.length; i += 1) {
      const step = values[i]! - values[i - 1]!;
      // A counter that fell started over, from nothing.
      change += counts && step < 0 ? values[i]! : step;
    }
    return (change * 1000) / (times_ms.at(-1)! - times_ms[0]!);
  },
  mean: (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length,
  min: (values: readonly number[]) => Math.min(...values),
  max: (values: readonly number[]) => Math.max(...values),
} as const;

type Read<S> = (subject: S, scene: RuleScene) => number;

interface Watch<S> {
  readonly read: Read<S>;
  readonly window_ms: number;
  readonly remembered: Map<string, { times_ms: number[]; values: number[]; seen_ms: number }>;
}

/** What the conditions of one rule have to remember of each subject, to look back on it. */
export class Windows<S> {
  readonly #id: (subject: S) => string;
  readonly #watches: Watch<S>[] = [];

  /** @param id tells subjects of a kind apart */
  constructor(id: (subject: S) => string) {
    this.#id = id;
  }

  /** @returns what the function says of the window; NaN until half of it is known */
  watch(read: Read<S>, window_ms: number, name: WindowFunction, counts: boolean): Read<S> {
    const remembered: Watch<S>["remembered"] = new Map();
    this.#watches.push({ read, window_ms, remembered });
    return (subject, { now_ms }) => {
      const held = remembered.get(this.#id(subject));
      if (!held || held.values.length < 2 || now_ms - held.times_ms[0]! < window_ms / 2) return Number.NaN;
      return WINDOW_FUNCTIONS[name](held.values, held.times_ms, counts);
    };
  }

  get needed(): boolean {
    return this.#watches.length > 0;
  }

  /** Takes a subject's figures as of now. */
  note(subject: S, scene: RuleScene): void {
    const { now_ms } = scene;
    const id = this.#id(subject);
    for (const { read, window_ms, remembered } of this.#watches) {
      let held = remembered.get(id);
      if (!held) {
        held = { times_ms: [], values: [], seen_ms: now_ms };
        remembered.set(id, held);
      }
      held.seen_ms = now_ms;
      const { times_ms, values } = held;
      // The clock was set back: nothing can be said of what lies ahead.
      if ((times_ms.at(-1) ?? 0) > now_ms) held.times_ms.length = held.values.length = 0;
      if (now_ms - (times_ms.at(-1) ?? Number.NEGATIVE_INFINITY) < window_ms / SAMPLES) continue;
      const value = read(subject, scene);
      if (Number.isNaN(value)) continue;
      times_ms.push(now_ms);
      values.push(value);
      while (now_ms - times_ms[0]! > window_ms) {
        times_ms.shift();
        values.shift();
      }
    }
  }

  /** Forgets subjects that were not there at this tick. */
  forget(now_ms: number): void {
    for (const { remembered } of this.#watches) {
      for (const [id, { seen_ms }] of remembered) if (seen_ms !== now_ms) remembered.delete(id);
    }
  }
}
