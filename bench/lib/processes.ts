import { readdirSync, readFileSync } from "node:fs";

/** Of Linux's /proc/stat, on all common builds. */
const JIFFIES_PER_S = 100;

/** Processor time that a process has used in all its threads, seconds. */
export function cpu_s(pid: number): number {
  const stat = statOf(pid);
  return (Number(stat[11]) + Number(stat[12])) / JIFFIES_PER_S;
}

/** Memory of a process that is in RAM, bytes. */
export function rss_bytes(pid: number): number {
  const [, kib = "0"] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}

/** Processor time that all processes of the machine have used, seconds. */
export function machineCpu_s(): number {
  const [, ...fields] = readFileSync("/proc/stat", "utf8").split("\n", 1)[0]!.split(/\s+/);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields.map(Number);
  return (user + nice + system + irq + softirq) / JIFFIES_PER_S;
}

/** Processor time of this process and all that it has started, those that ended included, seconds. */
export function ownCpu_s(): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      parents.set(Number(name), Number(statOf(Number(name))[1]));
    } catch {
      // It ended meanwhile.
    }
  }
  const own = (pid: number | undefined): boolean =>
    pid === process.pid || (pid !== undefined && pid > 1 && own(parents.get(pid)));
  let sum_s = 0;
  for (const pid of parents.keys()) {
    try {
      if (own(pid)) sum_s += cpu_s(pid) + ended_cpu_s(pid);
    } catch {
      // It ended meanwhile.
    }
  }
  return sum_s;
}

/** Of the processes that this one has started and that ended. */
function ended_cpu_s(pid: number): number {
  const stat = statOf(pid);
  return (Number(stat[13]) + Number(stat[14])) / JIFFIES_PER_S;
}

/** The fields of /proc/PID/stat from the state on; the command's name before them may hold spaces. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
