import { readFile, stat, statfs } from "node:fs/promises";
import { cpus, freemem, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import type { CpuLimit, Link, Reading } from "./figures.ts";
import {
  coreCount,
  cpuLimit_cores,
  cpuTimes,
  cpuUsage_us,
  diskBusy_ms,
  interfaces,
  linkSpeed_bytes_per_second,
  loadAverage,
  memory,
  memoryLimit_bytes,
  memoryUsage_bytes,
} from "./proc.ts";

/** The machine that an agent runs on. */
export interface Machine {
  /** What is read nowhere on this system, in words; null where all is. */
  readonly unread: string | null;
  read(): Promise<Reading>;
  /** What it has: capabilities by the names of the ingest protocol. */
  capabilities(): Promise<Record<string, number | string>>;
}

export interface MachineOptions {
  /** Milliseconds from any origin, by a clock that is never set. */
  elapsed_ms: () => number;
  /** The folder that holds proc and sys; the root of the file system by default. */
  root?: string;
}

/** @param platform as `process.platform` has it */
export function machineOf(platform: string, options: MachineOptions): Machine {
  return platform === "linux" ? new LinuxMachine(options) : new OtherMachine(platform, options);
}

/** Links come and go seldom: which ones there are is looked up this often. */
const LINKS_EVERY_MS = 60_000;

/**
 * A Linux machine, by /proc and /sys. In a container whose cgroup (version 2) limits CPU or memory, these are told of
 * the container, as shares of its limits. The limit must be of the whole container: that of one service on a machine,
 * such as the agent's own, is none of the machine.
 */
class LinuxMachine implements Machine {
  readonly unread = null;
  readonly #elapsed_ms: () => number;
  readonly #root: string;
  #speeds = new Map<string, number | null>();
  #speeds_ms = Number.NEGATIVE_INFINITY;

  constructor({ elapsed_ms, root = "/" }: MachineOptions) {
    this.#elapsed_ms = elapsed_ms;
    this.#root = root;
  }

  async read(): Promise<Reading> {
    const [cpu_text, cpu_limit, memory, links, disks, space, load] = await Promise.all([
      this.#text("proc/stat"),
      this.#cpuLimit(),
      this.#memory(),
      this.#links(),
      this.#text("proc/diskstats"),
      spaceOf(this.#root),
      this.#text("proc/loadavg"),
    ]);
    return {
      elapsed_ms: this.#elapsed_ms(),
      cpu: cpuTimes(cpu_text),
      cpu_limit,
      memory,
      links,
      disk_busy_ms: diskBusy_ms(disks),
      space,
      load_average: loadAverage(load),
    };
  }

  async capabilities(): Promise<Record<string, number | string>> {
    const [limit, memory] = await Promise.all([this.#cpuLimit(), this.#memory()]);
    return {
      ...(await commonCapabilities(this.#root)),
      ...(limit && { cpu_cores: limit.cores }),
      ...(memory && { memory_bytes: memory.total_bytes }),
    };
  }

  // Only below a container's own root there are these files: the root of a whole machine has no limits.
  async #cpuLimit(): Promise<CpuLimit | null> {
    const cores = cpuLimit_cores(await this.#text("sys/fs/cgroup/cpu.max"));
    if (cores === null || cores >= coreCount(await this.#text("proc/stat"))) return null;
    const usage_us = cpuUsage_us(await this.#text("sys/fs/cgroup/cpu.stat"));
    return usage_us === null ? null : { cores, usage_us };
  }

  async #memory(): Promise<Reading["memory"]> {
    const machine = memory(await this.#text("proc/meminfo"));
    const limit_bytes = memoryLimit_bytes(await this.#text("sys/fs/cgroup/memory.max"));
    if (limit_bytes === null || (machine && limit_bytes >= machine.total_bytes)) return machine;
    const [current, detail] = await Promise.all([
      this.#text("sys/fs/cgroup/memory.current"),
      this.#text("sys/fs/cgroup/memory.stat"),
    ]);
    const used_bytes = memoryUsage_bytes(current, detail);
    return used_bytes === null ? machine : { total_bytes: limit_bytes, used_bytes };
  }

  async #links(): Promise<Map<string, Link>> {
    const counters = interfaces(await this.#text("proc/net/dev"));
    if (this.#elapsed_ms() - this.#speeds_ms >= LINKS_EVERY_MS) {
      this.#speeds = await this.#speedsOf([...counters.keys()]);
      this.#speeds_ms = this.#elapsed_ms();
    }
    const links = [...this.#speeds].flatMap(([name, speed_bytes_per_second]): [string, Link][] => {
      const counted = counters.get(name);
      return counted ? [[name, { ...counted, speed_bytes_per_second }]] : [];
    });
    return new Map(links);
  }

  /** Of the interfaces that are hardware, and where there is none (in a container) of all but the loopback. */
  async #speedsOf(names: readonly string[]): Promise<Map<string, number | null>> {
    const folder = (name: string) => join(this.#root, "sys/class/net", name);
    const hardware = await Promise.all(names.map((name) => exists(join(folder(name), "device"))));
    const real = names.filter((_, index) => hardware[index]);
    const chosen = real.length > 0 ? real : names.filter((name) => name !== "lo");
    const speeds = chosen.map(async (name): Promise<[string, number | null]> => {
      const text = await this.#text(`sys/class/net/${name}/speed`);
      return [name, linkSpeed_bytes_per_second(text)];
    });
    return new Map(await Promise.all(speeds));
  }

  /** What can't be read says nothing. */
  #text(path: string): Promise<string> {
    return readFile(join(this.#root, path), "utf8").catch(() => "");
  }
}

/** Any other system, by what Node knows of it. */
class OtherMachine implements Machine {
  readonly unread: string;
  readonly #elapsed_ms: () => number;
  readonly #tells_load: boolean;
  readonly #root: string;

  constructor(platform: string, { elapsed_ms, root = "/" }: MachineOptions) {
    this.unread = `on ${platform} network and disk I/O are not read`;
    this.#elapsed_ms = elapsed_ms;
    this.#tells_load = platform !== "win32";
    this.#root = root;
  }

  async read(): Promise<Reading> {
    const times = cpus().map(({ times }) => times);
    const total = times.reduce((sum, one) => sum + Object.values(one).reduce((a, b) => a + b, 0), 0);
    const idle = times.reduce((sum, one) => sum + one.idle, 0);
    return {
      elapsed_ms: this.#elapsed_ms(),
      cpu: { busy: total - idle, total },
      cpu_limit: null,
      memory: { total_bytes: totalmem(), used_bytes: totalmem() - freemem() },
      links: new Map(),
      disk_busy_ms: new Map(),
      space: await spaceOf(this.#root),
      load_average: this.#tells_load ? loadavg()[0]! : null,
    };
  }

  async capabilities(): Promise<Record<string, number | string>> {
    return { ...(await commonCapabilities(this.#root)), memory_bytes: totalmem() };
  }
}

async function commonCapabilities(root: string): Promise<Record<string, number | string>> {
  const cores = cpus();
  const model = cores[0]?.model.trim() ?? "";
  const space = await spaceOf(root);
  return {
    cpu_cores: cores.length,
    ...(model !== "" && model !== "unknown" && { cpu_model: model }),
    ...(space && { disk_bytes: space.total_bytes }),
  };
}

async function spaceOf(root: string) {
  try {
    const { bsize, blocks, bfree, bavail } = await statfs(root);
    return {
      total_bytes: blocks * bsize,
      used_bytes: (blocks - bfree) * bsize,
      available_bytes: bavail * bsize,
    };
  } catch {
    return null;
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
