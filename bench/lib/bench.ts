import { cpus } from "node:os";
import { buildCopy, revision } from "./build.ts";
import { Figures } from "./figures.ts";
import { NoiseMeter } from "./noise.ts";

export interface Bench {
  /** True for a shorter run whose figures are coarser. */
  readonly quick: boolean;
  /** A folder made by `buildCopy`. */
  readonly build: string;
  readonly figures: Figures;
  readonly noise: NoiseMeter;
  /** Values of the command line, `--name value`. */
  option(name: string, standard: string): string;
}

/** Runs one benchmark: builds, hands over what each needs, ends with exit code 1 where a budget was missed. */
export async function bench(
  title: string,
  limit_min: number,
  run: (bench: Bench) => Promise<void>,
): Promise<void> {
  const args = process.argv.slice(2);
  // A bench that hangs ends by itself; what it has started ends with it.
  const timer = setTimeout(() => {
    console.error(`${title}: not done after ${limit_min} minutes`);
    process.exit(1);
  }, limit_min * 60_000);
  const figures = new Figures();
  const build = buildCopy();
  const noise = await NoiseMeter.start();
  console.log(`${title}: Evenkeel ${revision()}, Node ${process.versions.node}, ${cpus().length} cores`);
  try {
    await run({
      quick: args.includes("--quick"),
      build,
      figures,
      noise,
      option: (name, standard) => {
        const at = args.indexOf(`--${name}`);
        return at === -1 ? standard : (args[at + 1] ?? standard);
      },
    });
    figures.finish();
  } finally {
    clearTimeout(timer);
    await noise.stop();
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Milliseconds since the epoch, with fractions: the clock of all processes of one machine. */
export function wall_ms(): number {
  return performance.timeOrigin + performance.now();
}
