import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { EvenkeelError } from "../../errors.ts";
import { withDatabase } from "./failure.ts";
import { openToRead } from "./file.ts";

/**
 * Copies the database at `path` into a new file at `to`, as of one moment and without its free pages. A server
 * may go on writing: readers don't hold writers up.
 *
 * @returns the size of the copy, bytes
 * @throws EvenkeelError where `to` exists, or either file can't be read or written
 */
export function backupDatabase(path: string, to: string): number {
  if (existsSync(to)) {
    throw new EvenkeelError("invalid", `${to} exists; a backup overwrites nothing: name a new file`);
  }
  // A copy that was cut off must not look like a backup.
  const unfinished = `${to}.part`;
  return withDatabase(path, `copy into ${to} from`, () => {
    rmSync(unfinished, { force: true });
    const db = openToRead(path);
    try {
      db.prepare("VACUUM INTO ?").run(unfinished);
    } catch (error) {
      rmSync(unfinished, { force: true });
      throw error;
    } finally {
      db.close();
    }
    renameSync(unfinished, to);
    return statSync(to).size;
  });
}
