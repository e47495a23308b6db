import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Machine, machineOf } from "./machine.ts";

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

/** A Linux machine of four cores and 8 GiB whose files are these. */
function linux(files: Record<string, string>): {
  machine: Machine;
  write(more: Record<string, string>): void;
} {
  const root = mkdtempSync(join(tmpdir(), "evenkeel-machine-"));
  roots.push(root);
  const write = (more: Record<string, string>) => {
    for (const [path, text] of Object.entries(more)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  };
  const cores = [0, 1, 2, 3].map((core) => `cpu${core} 1 0 1 1 0 0 0 0 0 0\n`).join("");
  write({
    "proc/stat": `cpu  10 0 10 80 0 0 0 0 0 0\n${cores}`,
    "proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 6291456 kB\n",
    "proc/loadavg": "0.50 0.40 0.30 1/100 42\n",
    ...files,
  });
  return { machine: machineOf("linux", { elapsed_ms: () => 5, root }), write };
}

const NET_DEV = ["lo", "eth0", "docker0"]
  .map((name) => `${name}: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n`)
  .join("");

test("a machine is read as it is, by its hardware's links", async () => {
  const { machine } = linux({
    "proc/net/dev": NET_DEV,
    "sys/class/net/eth0/device/vendor": "0x1af4\n",
    "sys/class/net/eth0/speed": "1000\n",
    "proc/diskstats": "   8       0 sda 1 0 2 3 0 0 0 0 0 1234 5\n",
  });
  expect(await machine.read()).toEqual({
    elapsed_ms: 5,
    cpu: { busy: 20, total: 100 },
    cpu_limit: null,
    memory: { total_bytes: 8 * 2 ** 30, used_bytes: 2 * 2 ** 30 },
    links: new Map([["eth0", { receive_bytes: 1, transmit_bytes: 3, speed_bytes_per_second: 125_000_000 }]]),
    disk_busy_ms: new Map([["sda", 1234]]),
    space: expect.objectContaining({ used_bytes: expect.any(Number), available_bytes: expect.any(Number) }),
    load_average: 0.5,
  });
  expect(await machine.capabilities()).toMatchObject({
    cpu_cores: expect.any(Number),
    disk_bytes: expect.any(Number),
    memory_bytes: 8 * 2 ** 30,
  });
});

test("in a container its limits are the whole, and its links are those that it has", async () => {
  const { machine, write } = linux({
    "proc/net/dev": NET_DEV,
    "sys/fs/cgroup/cpu.max": "150000 100000\n",
    "sys/fs/cgroup/cpu.stat": "usage_usec 700\n",
    "sys/fs/cgroup/memory.max": `${2 ** 30}\n`,
    "sys/fs/cgroup/memory.current": `${2 ** 29}\n`,
    "sys/fs/cgroup/memory.stat": `inactive_file ${2 ** 28}\n`,
  });
  const reading = await machine.read();
  expect(reading.cpu_limit).toEqual({ cores: 1.5, usage_us: 700 });
  expect(reading.memory).toEqual({ total_bytes: 2 ** 30, used_bytes: 2 ** 28 });
  expect([...reading.links.keys()]).toEqual(["eth0", "docker0"]);
  expect(await machine.capabilities()).toMatchObject({ cpu_cores: 1.5, memory_bytes: 2 ** 30 });

  // A limit beyond what the machine has limits nothing.
  write({ "sys/fs/cgroup/cpu.max": "400000 100000\n", "sys/fs/cgroup/memory.max": `${2 ** 40}\n` });
  const free = await machine.read();
  expect([free.cpu_limit, free.memory?.total_bytes]).toEqual([null, 8 * 2 ** 30]);
});

test("what can't be read is not told", async () => {
  const { machine } = linux({ "proc/stat": "", "proc/meminfo": "", "proc/loadavg": "" });
  expect(await machine.read()).toMatchObject({
    cpu: null,
    memory: null,
    load_average: null,
    links: new Map(),
  });
});

test("this machine, read as any other system's, tells CPU, memory and disk space, and what it does not", async () => {
  const machine = machineOf("darwin", { elapsed_ms: () => 5 });
  expect(machine.unread).toBe("on darwin network and disk I/O are not read");
  const { cpu, memory, space, load_average } = await machine.read();
  expect(cpu!.total).toBeGreaterThan(cpu!.busy);
  expect(memory!.total_bytes).toBeGreaterThan(memory!.used_bytes);
  expect(space!.used_bytes).toBeGreaterThan(0);
  expect(load_average).toEqual(expect.any(Number));
  expect(await machineOf("win32", { elapsed_ms: () => 5 }).read()).toMatchObject({ load_average: null });
});
