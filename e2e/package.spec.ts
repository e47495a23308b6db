import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram } from "./programs.ts";
import { quietFleet, report } from "./reports.ts";
import { expect, openLive, panel, SOON, test } from "./test.ts";

const CHECKOUT = fileURLToPath(new URL("..", import.meta.url));
const LISTENING = /Evenkeel is listening on (http:\/\/\S+)/;
/** Of ten, by systemd's own measure; a service that nobody sandboxed has 9.6. */
const MOST_EXPOSED = 2;

interface Manifest {
  readonly name: string;
  readonly bin: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly scripts: Record<string, string>;
}

const manifest = JSON.parse(readFileSync(join(CHECKOUT, "package.json"), "utf8")) as Manifest;

/**
 * The package as npm would install it in an empty folder: unpacked, its command linked, and of the libraries those
 * that it asks for. They are the checkout's own, so that no network and no compiler is needed.
 */
function install(folder: string): void {
  const run = (program: string, ...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: CHECKOUT, encoding: "utf8" });
    expect(status, stderr).toBe(0);
    return stdout;
  };
  // What is built is what these tests run, and others run it meanwhile: packing must not build it anew.
  const packed = run("npm", "pack", "--json", "--ignore-scripts", "--pack-destination", folder);
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  const modules = join(folder, "node_modules");
  const own = join(modules, manifest.name);
  for (const path of [own, join(modules, ".bin")]) mkdirSync(path, { recursive: true });
  run("tar", "-xzf", join(folder, filename), "-C", own, "--strip-components=1");
  for (const [command, file] of Object.entries(manifest.bin))
    symlinkSync(join(own, file), join(modules, ".bin", command));
  for (const library of Object.keys(manifest.dependencies)) {
    mkdirSync(join(modules, library, ".."), { recursive: true });
    symlinkSync(join(CHECKOUT, "node_modules", library), join(modules, library));
  }
  writeFileSync(join(folder, "package.json"), "{}");
}

test("what npm packs runs in an empty folder, with the libraries that it asks for and no others", async ({
  folder,
  page,
}) => {
  install(folder);
  const { version } = JSON.parse(readFileSync(join(CHECKOUT, "package.json"), "utf8")) as { version: string };
  const npx = ["--no", "--offline", "evenkeel"];
  const said = spawnSync("npx", [...npx, "--version"], { cwd: folder, encoding: "utf8" });
  expect(said).toMatchObject({ status: 0, stdout: `evenkeel ${version}\n` });

  const env = { ...process.env, EVENKEEL_DB: join(folder, "data", "evenkeel.db"), EVENKEEL_DEMO: "off" };
  // In a group of its own, so that npx and what it runs end together.
  const child = spawn("npx", [...npx, "serve", "--port", "0"], {
    cwd: folder,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    await expect.poll(() => LISTENING.exec(output)?.[1], SOON).toBeDefined();
    const url = LISTENING.exec(output)![1]!;
    await report(url, quietFleet(3));
    await openLive(page, url);
    await expect(panel(page, "Workers")).toContainText("worker-003", SOON);
    await page.goto(`${url}history?duration=5m`);
    await expect(page.locator("canvas").first()).toBeVisible(SOON);
    // Leaves before the server does.
    await page.goto("about:blank");
  } finally {
    const end = once(child, "exit");
    process.kill(-child.pid!, "SIGTERM");
    await end;
  }
});

test("a package is built before it is packed", () => {
  expect(manifest.scripts.prepack).toBe("npm run build");
});

test("systemd takes the unit, and finds it sandboxed", ({ folder }) => {
  const analyze = findProgram("systemd-analyze");
  test.skip(analyze === undefined, "there is no systemd-analyze here");
  const unit = join(folder, "evenkeel.service");
  const text = readFileSync(join(CHECKOUT, "deploy", "evenkeel.service"), "utf8");
  // Whether the command is there is for the machine that it is installed on.
  writeFileSync(unit, text.replace(/^ExecStart=evenkeel/m, `ExecStart=${process.execPath}`));
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(analyze!, args, { encoding: "utf8" });
    expect({ status, stderr }, stdout).toEqual({ status: 0, stderr: "" });
  };
  run("verify", unit);
  run("security", "--offline=yes", `--threshold=${10 * MOST_EXPOSED}`, unit);
});
