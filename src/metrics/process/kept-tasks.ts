import { taskOf } from "./past.ts";
import type { TaskDocument, TaskEntry } from "./task.ts";

/** Tasks read from the store that are held: as many as are likely to be looked at at once. */
const HELD = 64;

/** Ended tasks that the fleet no longer holds, as they were last written. */
export class KeptTasks {
  readonly #documentOf: (id: string) => TaskDocument | undefined;
  readonly #held = new Map<string, TaskEntry>();

  /** @param documentOf what the store has of a task */
  constructor(documentOf: (id: string) => TaskDocument | undefined) {
    this.#documentOf = documentOf;
  }

  get(id: string): TaskEntry | undefined {
    const held = this.#held.get(id) ?? this.#read(id);
    if (!held) return undefined;
    // The one that was looked at last comes last, and goes last.
    this.#held.delete(id);
    this.#held.set(id, held);
    if (this.#held.size > HELD) this.#held.delete(this.#held.keys().next().value!);
    return held;
  }

  #read(id: string): TaskEntry | undefined {
    const document = this.#documentOf(id);
    return document && taskOf(id, document);
  }

  /** A task that is spoken of again is no longer as it was written. */
  forget(id: string): void {
    this.#held.delete(id);
  }
}
