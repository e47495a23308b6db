import TinyQueue from "tinyqueue";
import type { TaskEntry } from "./task.ts";

/** Queues told apart; what comes beyond waits in none of them. */
const MAX_QUEUES = 4096;
/** Places that tasks left stay in a queue's order until they are as many as those that wait, and so many more. */
const SPARE_PLACES = 64;

/** Where a task waits; it takes another place when its priority, its model or its time changes. */
interface Place {
  readonly task: TaskEntry;
  readonly queue: Queue;
  /** Infinite where it is not known. */
  readonly queued_at_ms: number;
  /** Counts places in the order in which they were taken. */
  readonly number: number;
  left: boolean;
}

/** The waiting tasks of one priority and model. */
class Queue {
  readonly id: string;
  readonly priority: number | null;
  readonly model_id: string | null;
  readonly model_family: string | null;
  waiting = 0;
  #order = new TinyQueue<Place>([], longestFirst);

  constructor(id: string, { priority, model_id, model_family }: TaskEntry) {
    this.id = id;
    this.priority = priority;
    this.model_id = model_id;
    this.model_family = model_family;
  }

  add(place: Place): void {
    this.waiting += 1;
    this.#order.push(place);
  }

  leave(place: Place): void {
    this.waiting -= 1;
    place.left = true;
    if (this.#order.length <= 2 * this.waiting + SPARE_PLACES) return;
    this.#order = new TinyQueue(
      this.#order.data.filter(({ left }) => !left),
      longestFirst,
    );
  }

  get oldest(): Place | undefined {
    while (this.#order.peek()?.left) this.#order.pop();
    return this.#order.peek();
  }

  /** Null where no instant is known. */
  get oldest_queued_at_ms(): number | null {
    const at_ms = this.oldest?.queued_at_ms ?? Infinity;
    return at_ms === Infinity ? null : at_ms;
  }

  get oldest_id(): string | null {
    return this.oldest_queued_at_ms === null ? null : this.oldest!.task.id;
  }
}

/** Waiting tasks by priority and model, kept up to date one task at a time. */
export class QueueBook {
  readonly #queues = new Map<string, Queue>();
  readonly #places = new Map<string, Place>();
  /** Of what comes beyond the bound. */
  #beyond: Queue | null = null;
  #numbered = 0;
  readonly #reached: (limit: string) => void;

  constructor(reached: (limit: string) => void) {
    this.#reached = reached;
  }

  /** A task waits, or something of one that waits changed. */
  put(task: TaskEntry): void {
    const id = idOf(task);
    const queued_at_ms = task.queued_at_ms ?? Infinity;
    const before = this.#places.get(task.id);
    if (before?.task === task && before.queue.id === id && before.queued_at_ms === queued_at_ms) return;
    this.remove(task.id);
    const queue = this.#queueOf(id, task);
    const place = { task, queue, queued_at_ms, number: this.#numbered, left: false };
    this.#numbered += 1;
    this.#places.set(task.id, place);
    queue.add(place);
  }

  remove(task_id: string): void {
    const place = this.#places.get(task_id);
    if (!place) return;
    this.#places.delete(task_id);
    place.queue.leave(place);
    if (place.queue.waiting === 0) this.#queues.delete(place.queue.id);
  }

  #queueOf(id: string, task: TaskEntry): Queue {
    const known = this.#queues.get(id);
    if (known) return known;
    if (this.#queues.size >= MAX_QUEUES) {
      this.#reached("queues by priority and model");
      this.#beyond ??= new Queue("", task);
      return this.#beyond;
    }
    const queue = new Queue(id, task);
    this.#queues.set(id, queue);
    return queue;
  }

  /** By priority and model. */
  get queues(): ReadonlyMap<string, QueueFigures> {
    return this.#queues;
  }

  /** The task that has waited longest; undefined when nothing waits. */
  oldest(): TaskEntry | undefined {
    let oldest = this.#beyond?.oldest;
    for (const queue of this.#queues.values()) {
      const place = queue.oldest!;
      if (oldest === undefined || longestFirst(place, oldest) < 0) oldest = place;
    }
    return oldest?.task;
  }
}

/** What rules may know of the waiting tasks of one priority and model. */
export type QueueFigures = Readonly<
  Pick<
    Queue,
    "id" | "priority" | "model_id" | "model_family" | "waiting" | "oldest_queued_at_ms" | "oldest_id"
  >
>;

function idOf({ priority, model_id }: TaskEntry): string {
  return `${priority ?? ""} ${model_id ?? ""}`;
}

function longestFirst(a: Place, b: Place): number {
  // Two that are infinite have no difference.
  return a.queued_at_ms === b.queued_at_ms ? a.number - b.number : a.queued_at_ms - b.queued_at_ms;
}
