/** What Linux tells of itself in texts, read. Each function takes one file's text, and null is what it does not tell. */

/** Time since the system started, in ticks of its own. */
export interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

export interface InterfaceCounters {
  readonly receive_bytes: number;
  readonly transmit_bytes: number;
}

export interface Memory {
  readonly total_bytes: number;
  readonly used_bytes: number;
}

/** Of `/proc/stat`, over all cores. What a hypervisor took away (steal) counts as in use: nothing is left of it. */
export function cpuTimes(stat: string): CpuTimes | null {
  const line = /^cpu +([\d ]+)$/m.exec(stat)?.[1];
  if (line === undefined) return null;
  // user nice system idle iowait irq softirq steal; what follows of guests is in user and nice already.
  const times = line.trim().split(/ +/).slice(0, 8).map(Number);
  if (times.length < 4) return null;
  const total = times.reduce((sum, time) => sum + time, 0);
  const idle = times[3]! + (times[4] ?? 0);
  return { busy: total - idle, total };
}

/** Of `/proc/stat`: the cores that there are. */
export function coreCount(stat: string): number {
  return stat.match(/^cpu\d+ /gm)?.length ?? 0;
}

/** Of `/proc/meminfo`: in use is what could not be given to a program without swapping. */
export function memory(meminfo: string): Memory | null {
  const bytes = (name: string) => {
    const kib = new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(meminfo)?.[1];
    return kib === undefined ? null : Number(kib) * 1024;
  };
  const total_bytes = bytes("MemTotal");
  const free_bytes = bytes("MemAvailable") ?? bytes("MemFree");
  if (total_bytes === null || free_bytes === null || total_bytes === 0) return null;
  return { total_bytes, used_bytes: Math.max(0, total_bytes - free_bytes) };
}

/** Of `/proc/net/dev`, by interface. */
export function interfaces(net_dev: string): Map<string, InterfaceCounters> {
  const found = new Map<string, InterfaceCounters>();
  for (const line of net_dev.split("\n")) {
    const [, name, counters] = /^ *(\S+?): *([\d ]+)$/.exec(line) ?? [];
    const numbers = counters?.trim().split(/ +/).map(Number) ?? [];
    if (name === undefined || numbers.length < 9) continue;
    found.set(name, { receive_bytes: numbers[0]!, transmit_bytes: numbers[8]! });
  }
  return found;
}

/** Whole disks by their names; partitions, loops and what lies on other disks would be counted twice. */
const DISK = /^(sd[a-z]+|vd[a-z]+|hd[a-z]+|xvd[a-z]+\d*|nvme\d+n\d+|mmcblk\d+)$/;

/** Of `/proc/diskstats`: milliseconds in which each disk was busy. */
export function diskBusy_ms(diskstats: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of diskstats.split("\n")) {
    const fields = line.trim().split(/ +/);
    const busy_ms = Number(fields[12]);
    if (fields.length >= 14 && DISK.test(fields[2]!) && Number.isFinite(busy_ms))
      found.set(fields[2]!, busy_ms);
  }
  return found;
}

/** Of `/proc/loadavg`: over one minute. */
export function loadAverage(loadavg: string): number | null {
  const first = /^\d+\.\d+/.exec(loadavg)?.[0];
  return first === undefined ? null : Number(first);
}

/** Of a cgroup's `cpu.max`: the cores that it may use at most. */
export function cpuLimit_cores(cpu_max: string): number | null {
  const [, quota, period] = /^(\d+) (\d+)\s*$/.exec(cpu_max) ?? [];
  const cores = Number(quota) / Number(period);
  return cores > 0 && Number.isFinite(cores) ? cores : null;
}

/** Of a cgroup's `cpu.stat`: CPU time used, microseconds. */
export function cpuUsage_us(cpu_stat: string): number | null {
  const usage = /^usage_usec (\d+)$/m.exec(cpu_stat)?.[1];
  return usage === undefined ? null : Number(usage);
}

/** Of a cgroup's `memory.max`. */
export function memoryLimit_bytes(memory_max: string): number | null {
  return /^\d+\s*$/.test(memory_max) ? Number(memory_max) : null;
}

/** Of a cgroup's `memory.current` and `memory.stat`: without the cache of files that is given back when needed. */
export function memoryUsage_bytes(memory_current: string, memory_stat: string): number | null {
  if (!/^\d+\s*$/.test(memory_current)) return null;
  const cache = Number(/^inactive_file (\d+)$/m.exec(memory_stat)?.[1] ?? 0);
  return Math.max(0, Number(memory_current) - cache);
}

/** Of `/sys/class/net/NAME/speed`, which is in Mbit/s and -1 where the link does not tell. */
export function linkSpeed_bytes_per_second(speed: string): number | null {
  const mbit = /^\d+\s*$/.test(speed) ? Number(speed) : 0;
  return mbit > 0 ? (mbit * 1e6) / 8 : null;
}
