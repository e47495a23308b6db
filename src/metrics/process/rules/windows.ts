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

/** What is remembered of one subject, oldest first, and what the function says of it. */
interface Remembered {
  times_ms: number[];
  values: number[];
  answer: number;
  seen_ms: number;
}

interface Watch<S> {
  readonly read: Read<S>;
  readonly window_ms: number;
  readonly name: WindowFunction;
  readonly counts: boolean;
  readonly remembered: Map<string, Remembered>;
  /** When the next samples are taken, of all subjects at once. */
  next_ms: number;
  samples_now: boolean;
}

/** What the conditions of one rule have to remember of each subject, to look back on it. */
export class Windows<S> {
  readonly #id: (subject: S) => string;
  readonly #watches: Watch<S>[] = [];
  #last_ms = Number.NEGATIVE_INFINITY;

  /** @param id tells subjects of a kind apart */
  constructor(id: (subject: S) => string) {
    this.#id = id;
  }

  /** @returns what the function says of the window; NaN until half of it is known */
  watch(read: Read<S>, window_ms: number, name: WindowFunction, counts: boolean): Read<S> {
    const remembered: Watch<S>["remembered"] = new Map();
    const next_ms = Number.NEGATIVE_INFINITY;
    this.#watches.push({ read, window_ms, name, counts, remembered, next_ms, samples_now: false });
    return (subject) => remembered.get(this.#id(subject))?.answer ?? Number.NaN;
  }

  /** Once a tick, before its subjects. @returns whether samples are taken of them */
  begin(now_ms: number): boolean {
    let samples_now = false;
    for (const watch of this.#watches) {
      // The clock was set back: nothing can be said of what lies ahead.
      if (now_ms < this.#last_ms) {
        watch.remembered.clear();
        watch.next_ms = now_ms;
      }
      watch.samples_now = now_ms >= watch.next_ms;
      if (watch.samples_now) watch.next_ms = now_ms + watch.window_ms / SAMPLES;
      samples_now ||= watch.samples_now;
    }
    this.#last_ms = now_ms;
    return samples_now;
  }

  /** Takes a subject's figures as of now. */
  note(subject: S, scene: RuleScene): void {
    const id = this.#id(subject);
    for (const watch of this.#watches) {
      if (!watch.samples_now) continue;
      let held = watch.remembered.get(id);
      if (!held) {
        held = { times_ms: [], values: [], answer: Number.NaN, seen_ms: 0 };
        watch.remembered.set(id, held);
      }
      held.seen_ms = scene.now_ms;
      const value = watch.read(subject, scene);
      if (!Number.isNaN(value)) take(held, value, watch, scene.now_ms);
      // A window without a sample tells nothing.
      else if (scene.now_ms - (held.times_ms.at(-1) ?? 0) > watch.window_ms) watch.remembered.delete(id);
    }
  }

  /** Forgets subjects that were not there when samples were taken. */
  end(now_ms: number): void {
    for (const { remembered, samples_now } of this.#watches) {
      if (!samples_now) continue;
      for (const [id, { seen_ms }] of remembered) if (seen_ms !== now_ms) remembered.delete(id);
    }
  }
}

function take<S>(
  held: Remembered,
  value: number,
  { window_ms, name, counts }: Watch<S>,
  now_ms: number,
): void {
  const { times_ms, values } = held;
  times_ms.push(now_ms);
  values.push(value);
  while (now_ms - times_ms[0]! > window_ms) {
    times_ms.shift();
    values.shift();
  }
  const is_known = values.length > 1 && now_ms - times_ms[0]! >= window_ms / 2;
  held.answer = is_known ? WINDOW_FUNCTIONS[name](values, times_ms, counts) : Number.NaN;
}
