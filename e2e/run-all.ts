import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, installPrograms } from "./programs.ts";

// `npm test`: everything that is checked, all of it even where a part fails, and one closing line.

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/** Far beyond any run that is well: a hang ends here. */
const STEP_MS = 20 * 60_000;
const reports = mkdtempSync(join(tmpdir(), "evenkeel-test-"));

const counts = [
  step("types", () => check(["tsc", "-p", "tsconfig.json"], ["tsc", "-p", "tsconfig.browser.json"])),
  step("lint", () => check(["biome", "check"], ["knip"])),
  step("unit and property tests", unitTests),
  step("build", () => check(["npm", "run", "build"])),
  step("browser tests", browserTests),
];
rmSync(reports, { recursive: true, force: true });

const total = (key: keyof Count) => counts.reduce((sum, count) => sum + count[key], 0);
const skipped = total("skipped") > 0 ? `, ${total("skipped")} skipped` : "";
console.log(`\n${total("passed")} passed, ${total("failed")} failed${skipped}`);
process.exitCode = total("failed") > 0 || total("passed") === 0 ? 1 : 0;

function step(title: string, run: () => Count): Count {
  console.log(`\n== ${title}`);
  try {
    return run();
  } catch (error) {
    console.log(error instanceof Error ? error.message : error);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

/** Several commands that count as one check. */
function check(...commands: string[][]): Count {
  const good = commands.map((command) => run(command)).every(Boolean);
  return { passed: good ? 1 : 0, failed: good ? 0 : 1, skipped: 0 };
}

function unitTests(): Count {
  installPrograms([
    ...(["alertmanager", "python3", "curl", "openssl"] as const),
    ...(["node_exporter", "haproxy", "prometheus", "promtool"] as const),
  ]);
  const file = join(reports, "unit.json");
  const good = run(["vitest", "run", "--reporter=default", "--reporter=json", `--outputFile.json=${file}`]);
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(
    readFileSync(file, "utf8"),
  );
  const count = { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
  return judged(count, good, "unit test");
}

function browserTests(): Count {
  if (!readdirSync("e2e").some((name) => name.endsWith(".spec.ts"))) {
    console.log("e2e/ has no browser tests yet");
    return { passed: 0, failed: 0, skipped: 0 };
  }
  installPrograms(["chromium", "firefox", "nginx", "haproxy", "openssl", "systemd-analyze"]);
  // A test that needs another one says so itself; without Chromium nothing runs.
  if (findProgram("chromium") === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const file = join(reports, "browser.json");
  const good = run(["playwright", "test", "--reporter=line,json"], { PLAYWRIGHT_JSON_OUTPUT_FILE: file });
  const { expected, unexpected, flaky, skipped } = JSON.parse(readFileSync(file, "utf8")).stats;
  return judged({ passed: expected, failed: unexpected + flaky, skipped }, good, "browser test");
}

/** A file that can't be loaded fails no test, and a folder without tests neither: both fail here. */
function judged(count: Count, good: boolean, what: string): Count {
  if (count.passed + count.failed === 0) console.log(`no ${what} ran`);
  const unseen = count.failed === 0 && (!good || count.passed === 0);
  return unseen ? { ...count, failed: 1 } : count;
}

function run([program = "", ...args]: string[], env: Record<string, string> = {}): boolean {
  console.log(`> ${[program, ...args].join(" ")}`);
  const command = program === "npm" ? program : join("node_modules", ".bin", program);
  const { status, error } = spawnSync(command, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "inherit", "inherit"],
    timeout: STEP_MS,
  });
  if (error) console.log(`${program}: ${error.message}`);
  return status === 0;
}
