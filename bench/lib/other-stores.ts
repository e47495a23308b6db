import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { findMetric } from "../../src/metrics/catalogue.ts";
import type { SeriesName } from "../../src/metrics/range.ts";
import { quantize } from "../../src/metrics/store/values.ts";
import { sleep } from "./bench.ts";
import { answering, freePort } from "./http.ts";
import { Telemetry } from "./telemetry.ts";

/** A whole day of a fleet, series by series, at the precision that our store keeps: the same for each store. */
export interface Day {
  readonly names: readonly SeriesName[];
  readonly start_second: number;
  /** Of each series, a value a second. */
  readonly values: readonly Float64Array[];
  readonly samples: number;
}

/** What another store made of a day, or why it could not. */
export type Outcome = { readonly bytes: number; readonly version: string } | { readonly skipped: string };

const SECONDS = 86_400;
const SLICE_SECONDS = 3600;
/** Merging a day takes seconds. */
const MERGE_MS = 60_000;
const TOOL_OUTPUT_BYTES = 2 ** 26;
const UNKNOWN = "of unknown version";

export function recordDay(workers: readonly string[], seed: number, start_second: number): Day {
  const telemetry = new Telemetry(workers, seed, start_second);
  const { names } = telemetry;
  const scales = names.map(({ scope, metric }) => 10 ** findMetric(scope, metric)!.precision);
  const values = names.map(() => new Float64Array(SECONDS));
  const second = new Float64Array(names.length);
  for (let i = 0; i < SECONDS; i++) {
    telemetry.next(second);
    for (let n = 0; n < names.length; n++) values[n]![i] = quantize(second[n]!, scales[n]!);
  }
  return { names, start_second, values, samples: names.length * SECONDS };
}

/** Blocks that `promtool` makes of the day; what they take on disk, their index included. */
export function inPrometheus(day: Day, folder: string): Outcome {
  const version = versionOf("promtool", ["--version"], /version (\S+)/);
  if (version === null) return { skipped: "no promtool: it comes with Debian's package prometheus" };
  const [text, blocks] = [join(folder, "day.om"), join(folder, "blocks")];
  mkdirSync(blocks);
  writeOpenMetrics(day, text);
  const { status, stderr } = spawnSync(
    "promtool",
    ["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=24h", "--quiet", text, blocks],
    { encoding: "utf8", maxBuffer: TOOL_OUTPUT_BYTES },
  );
  rmSync(text);
  if (status !== 0) return { skipped: `promtool failed: ${stderr.trim().split("\n").at(-1)}` };
  return { bytes: bytesIn(blocks), version };
}

function writeOpenMetrics({ names, start_second, values }: Day, path: string): void {
  const file = openSync(path, "w");
  // A metric's series stand together.
  const order = names.map((_, index) => index).sort((a, b) => compare(names[a]!, names[b]!) || a - b);
  let metric = "";
  for (const index of order) {
    const name = names[index]!;
    if (nameOf(name) !== metric) {
      metric = nameOf(name);
      writeSync(file, `# TYPE ${metric} gauge\n`);
    }
    for (let from = 0; from < SECONDS; from += SLICE_SECONDS) {
      let lines = "";
      for (let i = from; i < from + SLICE_SECONDS; i++)
        lines += `${metric}${labelsOf(name)} ${values[index]![i]!} ${start_second + i}\n`;
      writeSync(file, lines);
    }
  }
  writeSync(file, "# EOF\n");
  closeSync(file);
}

function compare(a: SeriesName, b: SeriesName): number {
  return nameOf(a) < nameOf(b) ? -1 : Number(nameOf(a) > nameOf(b));
}

function nameOf({ scope, metric }: SeriesName): string {
  return `${scope}_${metric}`;
}

function labelsOf({ entity }: SeriesName): string {
  return entity === "" ? "" : `{worker="${entity}"}`;
}

/** The day imported, flushed and merged; what data and index take on disk. */
export async function inVictoriaMetrics(day: Day, folder: string): Promise<Outcome> {
  if (versionOf("victoria-metrics", ["-help"], /$/) === null)
    return { skipped: "no victoria-metrics: it is Debian's package of that name" };
  // Debian's build knows no version of its own.
  const version = versionOf("dpkg-query", ["-W", "victoria-metrics"], /\t(\d[^+-]*)/) ?? UNKNOWN;
  const data = join(folder, "victoria");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const server = spawn(
    "victoria-metrics",
    [`-storageDataPath=${data}`, `-httpListenAddr=127.0.0.1:${port}`, "-retentionPeriod=10y"],
    { stdio: "ignore" },
  );
  const kill = () => server.kill("SIGKILL");
  process.once("exit", kill);
  try {
    await answering(`${url}health`);
    for (let index = 0; index < day.names.length; index++) await importSeries(url, day, index);
    await fetch(`${url}internal/force_flush`);
    await fetch(`${url}internal/force_merge`);
    await merged(url);
  } finally {
    server.kill("SIGINT");
    if (server.exitCode === null) await once(server, "exit");
    process.off("exit", kill);
  }
  // Caches are not the data: they are made anew.
  return { bytes: bytesIn(join(data, "data")) + bytesIn(join(data, "indexdb")), version };
}

async function importSeries(url: string, { names, start_second, values }: Day, index: number): Promise<void> {
  const { entity } = names[index]!;
  const line = JSON.stringify({
    metric: { __name__: nameOf(names[index]!), ...(entity !== "" && { worker: entity }) },
    values: [...values[index]!],
    timestamps: Array.from({ length: SECONDS }, (_, i) => (start_second + i) * 1000),
  });
  const answer = await fetch(`${url}api/v1/import`, { method: "POST", body: line });
  if (!answer.ok) throw new Error(`victoria-metrics refused a series: ${await answer.text()}`);
}

async function merged(url: string): Promise<void> {
  const deadline_ms = performance.now() + MERGE_MS;
  do {
    await sleep(1000);
    const metrics = await (await fetch(`${url}metrics`)).text();
    if (/^vm_active_force_merges 0$/m.test(metrics)) return;
  } while (performance.now() < deadline_ms);
  throw new Error(`victoria-metrics still merges after ${MERGE_MS} ms`);
}

/** Null where there is no such command. */
function versionOf(command: string, args: readonly string[], pattern: RegExp): string | null {
  const { error, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (error) return null;
  return pattern.exec(stdout + stderr)?.[1] ?? UNKNOWN;
}

function bytesIn(path: string): number {
  if (!existsSync(path)) return 0;
  if (!statSync(path).isDirectory()) return statSync(path).size;
  return readdirSync(path).reduce((sum, name) => sum + bytesIn(join(path, name)), 0);
}
