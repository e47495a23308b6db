import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { shorten } from "../metrics/format.ts";
import type { Task } from "../metrics/model.ts";
import type { Read } from "../metrics/read.ts";
import type { Waiting } from "../metrics/scores.ts";
import { MAX_NAME_LENGTH } from "./schema.ts";

/** The parameter of everything about one task. */
export const TASK_ID = z.object({
  task_id: z.string().min(1).max(MAX_NAME_LENGTH).describe("The task's id"),
});

const wantedText = z.string().describe("Which one");
const wantedBytes = z.number().describe("How much, bytes");

/** A hard requirement of a task, as data. */
export const REQUIREMENT = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("backend").describe("A backend"), wanted: wantedText }),
  z.object({ kind: z.literal("tag").describe("A tag"), wanted: wantedText }),
  z.object({ kind: z.literal("memory_bytes").describe("Memory"), wanted: wantedBytes }),
  z.object({ kind: z.literal("gpu_memory_bytes").describe("Memory of one GPU"), wanted: wantedBytes }),
]);

const countField = (what: string) => z.number().describe(`${what}, count`);

/** Why a task waits, as data. */
export const WAITING = z.object({
  reason: z
    .enum(["no_worker", "lacking", "busy", "behind", "next"])
    .describe(
      "Nobody takes tasks; nobody has what it requires; all who have it have tasks; more urgent tasks go first; it goes next",
    ),
  available: countField("Workers that take tasks now"),
  suitable: countField("Those of them that have all it requires"),
  idle: countField("Those of these that have no task"),
  unmet: z.array(REQUIREMENT).describe("What none of the available workers has"),
  ahead: countField("Waiting tasks of a more urgent priority"),
});

export function waitingData(waiting: Waiting | null): z.output<typeof WAITING> | null {
  return waiting && { ...waiting, unmet: [...waiting.unmet] };
}

const SHOWN_CHARS = 80;

/** @throws EvenkeelError "not_found" for a task that is not kept */
export function taskNamed(read: Read, task_id: string): Task {
  const task = read.task(task_id);
  if (task) return task;
  throw new EvenkeelError(
    "not_found",
    `No task ${JSON.stringify(shorten(task_id, SHOWN_CHARS))} is kept: nobody reported it, or it ended longer ago than ended tasks are kept`,
  );
}
