import { parentPort, workerData } from "node:worker_threads";
import { type Answer, type Asked, Housekeeper, type Request } from "./housekeeper.ts";

/** Long enough for a waiting tick to get its turn: SQLite asks again for a lock after 1, 2 and 5 ms. */
const PAUSE_MS = 5;

const port = parentPort!;
const housekeeper = new Housekeeper((workerData as { path: string }).path, PAUSE_MS);

function done(request: Request): Promise<void> {
  if ("seal" in request) return housekeeper.seal(request.seal);
  if ("save" in request) return housekeeper.save(request.save);
  if ("saved_row" in request) return housekeeper.noteSaved(request.saved_row);
  if ("empty_log" in request) return housekeeper.emptyLog();
  return housekeeper.trim(request.trim);
}

port.on("message", async ({ id, request }: Asked) => {
  let failure: string | null = null;
  try {
    await done(request);
  } catch (error) {
    failure = (error as Error).message;
  }
  port.postMessage({ id, failure } satisfies Answer);
});
