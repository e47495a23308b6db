import { copyFileSync, existsSync } from "node:fs";

/** Copies the file as a process would find it whose predecessor died this moment; for tests. */
export function asIfDied(path: string, copy: string): string {
  for (const suffix of ["", "-wal"]) {
    if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix);
  }
  return copy;
}
