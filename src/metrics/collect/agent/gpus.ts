import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Gpu } from "../../model.ts";
import { backOff_ms } from "../back-off.ts";
import type { Sleep } from "../sender.ts";

/** One device as it was last read; null is what it does not tell. */
export interface GpuReading {
  readonly index: number;
  readonly name: string;
  /** Percent. */
  readonly utilization: number | null;
  readonly memory_used_bytes: number | null;
  readonly memory_total_bytes: number | null;
  readonly temperature_celsius: number | null;
  readonly power_watts: number | null;
  /** Whether heat or too little power slows it down. */
  readonly throttled: boolean | null;
}

/** What an agent tells of its GPUs, by the names of the ingest protocol. */
export interface GpuFigures {
  readonly gpus: readonly Gpu[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly capabilities: Readonly<Record<string, number | string>>;
}

const MAX_GPUS = 256;
const MIB = 2 ** 20;

const FIELDS = [
  "index",
  "utilization.gpu",
  "memory.used",
  "memory.total",
  "temperature.gpu",
  "power.draw",
] as const;
/** Why its clocks are not what they could be: as drivers call it since 2023, as older ones do, and without. */
const REASONS = ["clocks_event_reasons.active", "clocks_throttle_reasons.active", null] as const;
/** Of NVML's reasons: hardware slowdown, software and hardware thermal slowdown, power brake. The cap of power is normal under load. */
const THROTTLED = 0x8n | 0x20n | 0x40n | 0x80n;

/** The names of the columns, the device's name last: it may hold anything. */
function columnsOf(reason: (typeof REASONS)[number]): readonly string[] {
  return [...FIELDS, ...(reason === null ? [] : [reason]), "name"];
}

/** @returns null for a line that is no device */
export function gpuReading(line: string, columns: readonly string[]): GpuReading | null {
  const cells = line.split(",").map((cell) => cell.trim());
  if (cells.length < columns.length) return null;
  const cell = (column: string) => cells[columns.indexOf(column)] ?? "";
  const index = number(cell("index"));
  if (index === null || !Number.isInteger(index) || index < 0 || index >= MAX_GPUS) return null;
  const bytes = (column: string) => {
    const mib = number(cell(column));
    return mib === null || mib < 0 ? null : mib * MIB;
  };
  const utilization = number(cell("utilization.gpu"));
  const power_watts = number(cell("power.draw"));
  const reason = columns.find((column) => column.startsWith("clocks_"));
  return {
    index,
    name: cells.slice(columns.length - 1).join(", "),
    utilization: utilization !== null && utilization >= 0 && utilization <= 100 ? utilization : null,
    memory_used_bytes: bytes("memory.used"),
    memory_total_bytes: bytes("memory.total"),
    temperature_celsius: number(cell("temperature.gpu")),
    power_watts: power_watts !== null && power_watts >= 0 ? power_watts : null,
    throttled: reason === undefined ? null : isThrottled(cell(reason)),
  };
}

/** [N/A], [Not Supported], ERR! and the like are null. */
function number(cell: string): number | null {
  return /^-?\d+(\.\d+)?$/.test(cell) ? Number(cell) : null;
}

function isThrottled(mask: string): boolean | null {
  return /^0x[0-9a-fA-F]{1,16}$/.test(mask) ? (BigInt(mask) & THROTTLED) !== 0n : null;
}

export function gpuFigures(readings: readonly GpuReading[]): GpuFigures {
  const sum = (values: (number | null)[]) => {
    const known = values.filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
  };
  const used = sum(readings.map(({ memory_used_bytes }) => memory_used_bytes));
  const total = sum(readings.map(({ memory_total_bytes }) => memory_total_bytes));
  const power = sum(readings.map(({ power_watts }) => power_watts));
  return {
    gpus: readings.map((reading) => ({
      index: reading.index,
      utilization: reading.utilization,
      memory_utilization: memoryUtilization(reading),
      temperature_celsius: reading.temperature_celsius,
      throttled: reading.throttled,
    })),
    metrics: {
      ...(used !== null && { gpu_memory_bytes: used }),
      ...(power !== null && { gpu_power_watts: Math.round(power * 100) / 100 }),
    },
    capabilities: {
      gpu_count: readings.length,
      ...(readings[0] && { gpu_model: readings[0].name }),
      ...(total !== null && { gpu_memory_bytes: total }),
    },
  };
}

function memoryUtilization({
  memory_used_bytes: used,
  memory_total_bytes: total,
}: GpuReading): number | null {
  if (used === null || total === null || total === 0) return null;
  return Math.min(100, Math.round((used / total) * 10_000) / 100);
}

export interface NvidiaSmiOptions {
  interval_ms: number;
  elapsed_ms: () => number;
  random: () => number;
  sleep: Sleep;
  signal: AbortSignal;
  /** Told once of each kind of trouble. */
  say(line: string): void;
  /** After so long without a reading it counts as hung. */
  hung_ms?: number;
}

const HUNG_MS = 15_000;
/** A driver that is missing stays so for long. */
const MAX_PAUSE_MS = 300_000;
/** A reading that is older, in intervals, is not told any more. */
const FRESH_INTERVALS = 3;
const FRESH_LEAST_MS = 5000;
/** Without the end of a line by then, what it prints is none. */
const MAX_LINE_CHARACTERS = 65_536;

/**
 * Reads the GPUs of this machine from one `nvidia-smi` that runs on, and is started again where it ends, hangs or
 * prints something else. Where there is none, there are no GPUs.
 */
export class NvidiaSmi {
  readonly #options: NvidiaSmiOptions;
  readonly #readings = new Map<number, { reading: GpuReading; elapsed_ms: number }>();
  #reason = 0;
  #failures = 0;
  #said = "";

  constructor(options: NvidiaSmiOptions) {
    this.#options = options;
  }

  /** The devices that were read lately, by their number. */
  latest(): GpuReading[] {
    const { interval_ms, elapsed_ms } = this.#options;
    const fresh_ms = Math.max(FRESH_LEAST_MS, FRESH_INTERVALS * interval_ms);
    const now_ms = elapsed_ms();
    return [...this.#readings.values()]
      .filter((one) => now_ms - one.elapsed_ms <= fresh_ms)
      .map(({ reading }) => reading)
      .sort((a, b) => a.index - b.index);
  }

  /** Runs until the signal aborts, or until it is clear that there is no nvidia-smi. */
  async run(): Promise<void> {
    const { signal, sleep, random } = this.#options;
    while (!signal.aborted) {
      const ended = await this.#watch();
      if (ended === ABSENT || signal.aborted) return;
      if (/not a valid field/i.test(ended) && this.#reason < REASONS.length - 1) {
        this.#reason += 1;
        continue;
      }
      this.#failures += 1;
      this.#complain(ended);
      await sleep(backOff_ms(this.#failures, MAX_PAUSE_MS, random), signal);
    }
  }

  /** @returns why it ended */
  async #watch(): Promise<string> {
    const { interval_ms, signal, hung_ms = Math.max(HUNG_MS, 3 * interval_ms) } = this.#options;
    const columns = columnsOf(REASONS[this.#reason]!);
    const seconds = Math.max(1, Math.round(interval_ms / 1000));
    const args = [`--query-gpu=${columns.join(",")}`, "--format=csv,noheader,nounits", "-l", String(seconds)];
    const child = spawn("nvidia-smi", args, { stdio: ["ignore", "pipe", "pipe"] });
    let hung = false;
    let last_words = "";
    const timer = setTimeout(() => {
      hung = true;
      end(child);
    }, hung_ms);
    const abort = () => end(child);
    signal.addEventListener("abort", abort);
    eachLine(child, (line) => {
      const reading = gpuReading(line, columns);
      if (reading === null) {
        last_words = line.trim() || last_words;
        return;
      }
      timer.refresh();
      this.#failures = 0;
      this.#readings.set(reading.index, { reading, elapsed_ms: this.#options.elapsed_ms() });
    });
    try {
      const [code] = (await once(child, "close")) as [number | null];
      if (hung) return `it told nothing for ${hung_ms / 1000} s`;
      return `it ended with code ${code}${last_words === "" ? "" : `: ${last_words}`}`;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return code === "ENOENT" ? ABSENT : (code ?? message);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }

  #complain(ended: string): void {
    if (ended === this.#said) return;
    this.#said = ended;
    this.#options.say(`nvidia-smi: ${ended.slice(0, 300)}; starting it again`);
  }
}

const ABSENT = "absent";

/** What it started itself may hold the pipes open: they are closed too. */
function end(child: ChildProcess): void {
  child.kill("SIGKILL");
  child.stdout?.destroy();
  child.stderr?.destroy();
}

function eachLine({ stdout, stderr }: ChildProcess, take: (line: string) => void): void {
  for (const stream of [stdout, stderr]) {
    let begun = "";
    stream?.setEncoding("utf8").on("data", (text: string) => {
      const lines = (begun + text).split("\n");
      begun = lines.pop()!;
      if (begun.length > MAX_LINE_CHARACTERS) begun = "";
      for (const line of lines) take(line.slice(0, MAX_LINE_CHARACTERS));
    });
    stream?.once("end", () => begun !== "" && take(begun));
  }
}
