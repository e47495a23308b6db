import type { CpuTimes, InterfaceCounters, Memory } from "./proc.ts";

export interface Link extends InterfaceCounters {
  /** What it can carry each way; null where it does not tell. */
  readonly speed_bytes_per_second: number | null;
}

/** What a container may use of its machine; null where nothing limits it. */
export interface CpuLimit {
  readonly cores: number;
  /** CPU time that it has used, microseconds. */
  readonly usage_us: number;
}

/** One look at a machine; what it does not tell is null or missing. */
export interface Reading {
  /** Milliseconds from any origin, by a clock that is never set. */
  readonly elapsed_ms: number;
  readonly cpu: CpuTimes | null;
  readonly cpu_limit: CpuLimit | null;
  readonly memory: Memory | null;
  /** By interface; only those that carry what leaves the machine. */
  readonly links: ReadonlyMap<string, Link>;
  /** Milliseconds in which each disk was busy. */
  readonly disk_busy_ms: ReadonlyMap<string, number>;
  /** Of the file system that `/` is on. */
  readonly space: { readonly used_bytes: number; readonly available_bytes: number } | null;
  readonly load_average: number | null;
}

export type Figures = Record<string, number>;

/** The metrics of the catalogue at the second of two looks: rates are of the time between them. */
export function figures(before: Reading, after: Reading): Figures {
  const metrics: Record<string, number | null> = {
    cpu_utilization: cpuUtilization(before, after),
    ...memoryFigures(after.memory),
    ...networkFigures(before, after),
    io_utilization: ioUtilization(before, after),
    disk_utilization: diskUtilization(after.space),
    load_average: after.load_average,
  };
  const known = Object.entries(metrics).filter(([, value]) => value !== null && Number.isFinite(value));
  return Object.fromEntries(known) as Figures;
}

function cpuUtilization(before: Reading, after: Reading): number | null {
  const [limited, now] = [before.cpu_limit, after.cpu_limit];
  if (limited && now) {
    const able_us = (after.elapsed_ms - before.elapsed_ms) * 1000 * now.cores;
    return percent(now.usage_us - limited.usage_us, able_us);
  }
  if (!before.cpu || !after.cpu) return null;
  return percent(after.cpu.busy - before.cpu.busy, after.cpu.total - before.cpu.total);
}

function memoryFigures(memory: Memory | null): Record<string, number | null> {
  if (!memory) return {};
  const { used_bytes, total_bytes } = memory;
  return { memory_utilization: percent(used_bytes, total_bytes), memory_bytes: used_bytes };
}

/** A link carries as much each way: its use is that of the busier way, and a machine's that of its busiest link. */
function networkFigures(before: Reading, after: Reading): Record<string, number | null> {
  const seconds = (after.elapsed_ms - before.elapsed_ms) / 1000;
  const rates = [...after.links].flatMap(([name, { speed_bytes_per_second: speed, ...now }]) => {
    const then = before.links.get(name);
    const receive = (now.receive_bytes - (then?.receive_bytes ?? Number.NaN)) / seconds;
    const transmit = (now.transmit_bytes - (then?.transmit_bytes ?? Number.NaN)) / seconds;
    // Counters start over with their interface.
    if (!(receive >= 0 && transmit >= 0 && seconds > 0)) return [];
    return [{ receive, transmit, use: speed === null ? null : percent(Math.max(receive, transmit), speed) }];
  });
  if (rates.length === 0) return {};
  return {
    network_receive_bytes_per_second: Math.round(rates.reduce((sum, { receive }) => sum + receive, 0)),
    network_transmit_bytes_per_second: Math.round(rates.reduce((sum, { transmit }) => sum + transmit, 0)),
    network_utilization: highest(rates.map(({ use }) => use)),
  };
}

/** Of the busiest disk. */
function ioUtilization(before: Reading, after: Reading): number | null {
  const elapsed_ms = after.elapsed_ms - before.elapsed_ms;
  const shares = [...after.disk_busy_ms].map(([name, busy_ms]) => {
    const busy = busy_ms - (before.disk_busy_ms.get(name) ?? Number.NaN);
    return busy >= 0 ? percent(busy, elapsed_ms) : null;
  });
  return highest(shares);
}

/** As `df` counts it: of what is neither used nor free for programs, nothing is counted. */
function diskUtilization(space: Reading["space"]): number | null {
  return space && percent(space.used_bytes, space.used_bytes + space.available_bytes);
}

function highest(shares: readonly (number | null)[]): number | null {
  const known = shares.filter((share) => share !== null);
  return known.length === 0 ? null : Math.max(...known);
}

/** To two decimal places; the ticks of two clocks differ a little, so it may come out beyond its bounds. */
function percent(part: number, whole: number): number | null {
  if (!(whole > 0) || !Number.isFinite(part)) return null;
  return Math.round(Math.min(1, Math.max(0, part / whole)) * 10_000) / 100;
}
