import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Migration {
  version: number;
  sql: string;
}

/** The numbered files of db/, which lies beside package.json both for the sources and for the build. */
export function readMigrations(): Migration[] {
  const folder = join(packageFolder(dirname(fileURLToPath(import.meta.url))), "db");
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(".sql"))
    .sort();
  return names.map((name, i) => {
    const version = Number(name.slice(0, 4));
    if (version !== i + 1) throw new Error(`db/${name} must be number ${i + 1} of the migrations`);
    return { version, sql: readFileSync(join(folder, name), "utf8") };
  });
}

function packageFolder(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return folder;
  if (dirname(folder) === folder) throw new Error("No package.json above the store's files");
  return packageFolder(dirname(folder));
}
