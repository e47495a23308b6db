import { MODELS, type Model } from "./models.ts";
import type { DemoTask } from "./state.ts";

export const PRIORITIES = [1, 2, 3, 4] as const;

interface Line {
  readonly tasks: DemoTask[];
  head: number;
}

/** The tasks that wait for a worker: the most urgent first, among equals the longest waiting. */
export class WaitingRoom {
  readonly #lines: Line[][] = PRIORITIES.map(() => MODELS.map(() => ({ tasks: [], head: 0 })));

  add(task: DemoTask): void {
    this.#line(task.priority, task.model.index).tasks.push(task);
  }

  /**
   * Hands out tasks in their order. Where `place` refuses one, all others of its model are passed over,
   * since they ask for the same; models that ask for something else still get their turn.
   */
  serve(place: (task: DemoTask) => boolean): void {
    const refused = new Set<number>();
    for (const priority of PRIORITIES) {
      for (let next = this.#next(priority, refused); next !== null; next = this.#next(priority, refused)) {
        if (place(next.task)) advance(next.line);
        else refused.add(next.task.model.index);
      }
    }
  }

  #next(priority: number, refused: ReadonlySet<number>): { task: DemoTask; line: Line } | null {
    let best: { task: DemoTask; line: Line } | null = null;
    for (let model = 0; model < MODELS.length; model++) {
      if (refused.has(model)) continue;
      const line = this.#line(priority, model);
      const task = headOf(line);
      if (task !== undefined && (best === null || waitsLonger(task, best.task))) best = { task, line };
    }
    return best;
  }

  #line(priority: number, model: Model["index"]): Line {
    return this.#lines[priority - 1]![model]!;
  }
}

function waitsLonger(a: DemoTask, b: DemoTask): boolean {
  return a.queued_at_ms < b.queued_at_ms || (a.queued_at_ms === b.queued_at_ms && a.order < b.order);
}

/** The first that still waits: one that was cancelled meanwhile stays in line until it is passed here. */
function headOf(line: Line): DemoTask | undefined {
  while (line.head < line.tasks.length && line.tasks[line.head]!.status !== "queued") advance(line);
  return line.tasks[line.head];
}

function advance(line: Line): void {
  line.head++;
  if (line.head < 64 || line.head * 2 < line.tasks.length) return;
  line.tasks.splice(0, line.head);
  line.head = 0;
}
