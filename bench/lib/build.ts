import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Builds the checkout into a folder of its own, deleted when this process ends, so that nobody who builds or
 * edits meanwhile changes what is measured.
 * @returns the folder, laid out as the package is: `bin/`, `dist/`, `db/`, `public/`, `rules/`.
 */
export function buildCopy(): string {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const name of ["bin", "db", "public", "rules", "package.json"])
    cpSync(join(CHECKOUT, name), join(folder, name), { recursive: true });
  symlinkSync(join(CHECKOUT, "node_modules"), join(folder, "node_modules"));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["esbuild.config.js", join(folder, "dist")],
    { cwd: CHECKOUT, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`The build failed:\n${stdout}${stderr}`);
  return folder;
}

/** The revision that is measured, for the head of a report. */
export function revision(): string {
  const git = (...args: string[]) =>
    spawnSync("git", args, { cwd: CHECKOUT, encoding: "utf8" }).stdout.trim();
  const { version } = JSON.parse(readFileSync(join(CHECKOUT, "package.json"), "utf8")) as { version: string };
  const dirty =
    git("status", "--porcelain", "--", "src", "public", "db", "rules", "bin") === "" ? "" : " with changes";
  return `${version} ${git("rev-parse", "--short", "HEAD")}${dirty}`;
}
