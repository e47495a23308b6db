import { readdirSync, readFileSync } from "node:fs";
import { packageFile } from "../../package-files.ts";

export interface Migration {
  version: number;
  sql: string;
}

/** The numbered files of db/. */
export function readMigrations(): Migration[] {
  const folder = packageFile("db/");
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(".sql"))
    .sort();
  return names.map((name, i) => {
    const version = Number(name.slice(0, 4));
    if (version !== i + 1) throw new Error(`db/${name} must be number ${i + 1} of the migrations`);
    return { version, sql: readFileSync(new URL(name, folder), "utf8") };
  });
}
