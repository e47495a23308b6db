import { clean, count, counted, measure, shorten } from "../metrics/format.ts";
import type { TaskState } from "../metrics/model.ts";
import type { Requirement, Waiting } from "../metrics/scores.ts";
import type { Tone } from "./components.tsx";

// What is said of tasks, the same on every page.

/** What waits or runs is on its way; only what ended well or badly is said to be so. */
export const TASK_TONE: Readonly<Record<TaskState, Tone>> = {
  queued: "planned",
  assigned: "planned",
  running: "planned",
  completed: "ok",
  failed: "critical",
  cancelled: "gone",
  orphaned: "warning",
};

const WANTED_LENGTH = 64;

/** "backend cuda", "24 GiB of GPU memory". */
export function requirementWords(requirement: Requirement): string {
  if (requirement.kind === "memory_bytes") return `${measure(requirement.wanted, "bytes")} of memory`;
  if (requirement.kind === "gpu_memory_bytes") return `${measure(requirement.wanted, "bytes")} of GPU memory`;
  return `${requirement.kind} ${clean(shorten(requirement.wanted, WANTED_LENGTH))}`;
}

/** Whether nothing that the fleet does by itself will end the wait. */
export function isStuck({ reason }: Pick<Waiting, "reason">): boolean {
  return reason === "no_worker" || reason === "lacking";
}

/** Why a task waits, as a sentence without its end. */
export function waitingWords(waiting: Waiting): string {
  const { reason, available, suitable, idle, unmet, ahead } = waiting;
  if (reason === "no_worker") return "No worker takes tasks now";
  if (reason === "lacking") {
    if (unmet.length === 0)
      return `None of the ${counted(available, "worker")} that take tasks has all it requires`;
    return `No worker that takes tasks has ${listed(unmet.map(requirementWords))}`;
  }
  const urgent =
    ahead === 0 ? "" : `${count(ahead)} more urgent ${ahead === 1 ? "task goes" : "tasks go"} first`;
  if (reason === "busy") {
    const all =
      suitable === 1
        ? "The one worker that suits it has tasks"
        : `All ${count(suitable)} workers that suit it have tasks`;
    return urgent === "" ? all : `${all}, and ${urgent}`;
  }
  const free = `${idle === 1 ? "1 worker that suits it is" : `${count(idle)} workers that suit it are`} idle`;
  return reason === "behind" ? `${urgent}; ${free}` : `It goes next: ${free}`;
}

/** "a", "a or b", "a, b or c". */
function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} or ${last}`;
}
