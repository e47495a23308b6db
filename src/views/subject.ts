import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { instant, shorten } from "../metrics/format.ts";
import type { Worker } from "../metrics/model.ts";
import type { Read } from "../metrics/read.ts";
import { MAX_NAME_LENGTH } from "./schema.ts";

const NAME_LENGTH = 64;

/** Whether what a worker reports is what it is now; else it is what it last reported. */
export function isHeard({ presence }: Pick<Worker, "presence">): boolean {
  return presence === "fresh";
}

export const WORKER_PARAMS = z.object({
  worker_id: z.string().min(1).max(MAX_NAME_LENGTH).describe("The worker"),
});

/** The worker that a panel is about. */
export interface WorkerSubject {
  /** Of one that is gone, as of its last report. */
  readonly worker: Worker;
  /** When it was forgotten, Unix milliseconds; null while it is known. */
  readonly gone_ms: number | null;
}

/** @throws EvenkeelError "not_found" where nothing of the worker is kept */
export function workerSubject(read: Read, worker_id: string): WorkerSubject {
  const worker = read.worker(worker_id);
  if (worker) return { worker, gone_ms: null };
  const gone = read.gone(worker_id);
  if (gone) return gone;
  throw new EvenkeelError(
    "not_found",
    `No worker ${JSON.stringify(shorten(worker_id, NAME_LENGTH))} was known at ${instant(read.now_ms)}, and nothing is kept of one before`,
  );
}
