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
  return treeCpu_s([process.pid]);
}

/** Processor time of these processes and all that they have started, those that ended included, seconds. */
export function treeCpu_s(roots: readonly number[]): number {
  return sumOver(treeOf(roots), (pid) => cpu_s(pid) + ended_cpu_s(pid));
}

/** Memory in RAM of these processes and all that they have started, bytes; what several share counts for each. */
export function treeRss_bytes(roots: readonly number[]): number {
  return sumOver(treeOf(roots), rss_bytes);
}

function treeOf(roots: readonly number[]): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      parents.set(Number(name), Number(statOf(Number(name))[1]));
    } catch {
      // It ended meanwhile.
    }
  }
  const isOf = (pid: number | undefined): boolean =>
    pid !== undefined && pid > 1 && (roots.includes(pid) || isOf(parents.get(pid)));
  return [...parents.keys()].filter(isOf);
}

function sumOver(pids: readonly number[], read: (pid: number) => number): number {
  let sum = 0;
  for (const pid of pids) {
    try {
      sum += read(pid);
    } catch {
      // It ended meanwhile.
    }
  }
  return sum;
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
