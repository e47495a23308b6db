import { describe, expect, test } from "vitest";
import { type Figures, figures, type Reading } from "./figures.ts";
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

// Recorded on a machine of two cores with Linux 6.1, cut to what matters.
const STAT = `cpu  4705 150 1120 16250 520 0 45 175 90 10
cpu0 2350 75 560 8125 260 0 20 90 45 5
cpu1 2355 75 560 8125 260 0 25 85 45 5
intr 114930548 113199788 3 0 5
ctxt 1990473
btime 1062191376
`;
const MEMINFO = `MemTotal:       24680088 kB
MemFree:         1027880 kB
MemAvailable:   20123456 kB
Buffers:          102400 kB
Cached:          9876543 kB
SwapTotal:             0 kB
`;
const NET_DEV = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 13799729   14742    0    0    0     0          0         0 13799729   14742    0    0    0     0       0          0
  eth0: 497050842   17522    0    0    0     0          0         0  1289489   13705    0    0    0     0       0          0
eth1.20:123 4 0 0 0 0 0 0 567 8 0 0 0 0 0 0
`;
const DISKSTATS = `   7       0 loop0 12 0 96 4 0 0 0 0 0 8 4
 259       0 nvme0n1 241283 34 18413570 121000 889443 501234 45678901 987654 0 654321 1108654 0 0 0 0 0 0
 259       1 nvme0n1p1 241000 34 18400000 120000 889000 501000 45600000 987000 0 654000 1107000 0 0 0 0 0 0
   8       0 sda 100 0 800 50 0 0 0 0 0 1234 50
   8       1 sda1 90 0 700 40 0 0 0 0 0 1200 40
 253       0 dm-0 90 0 700 40 0 0 0 0 0 1200 40
 252       0 vda 5 0 7 3 0 0 0 0 0 77 9 0 0 0 0
 179       0 mmcblk0 5 0 7 3 0 0 0 0 0 99 9
`;

describe("what Linux tells", () => {
  test("of its CPU time is what is used of all, a guest's not twice", () => {
    expect(cpuTimes(STAT)).toEqual({ busy: 4705 + 150 + 1120 + 45 + 175, total: 22965 });
    expect(coreCount(STAT)).toBe(2);
  });

  test("of its memory is in use where nothing could be given", () => {
    const total_bytes = 24680088 * 1024;
    expect(memory(MEMINFO)).toEqual({ total_bytes, used_bytes: (24680088 - 20123456) * 1024 });
    expect(memory(MEMINFO.replace(/^MemAvailable.*\n/m, ""))).toEqual({
      total_bytes,
      used_bytes: (24680088 - 1027880) * 1024,
    });
  });

  test("of its interfaces is what they received and sent", () => {
    expect([...interfaces(NET_DEV)]).toEqual([
      ["lo", { receive_bytes: 13799729, transmit_bytes: 13799729 }],
      ["eth0", { receive_bytes: 497050842, transmit_bytes: 1289489 }],
      ["eth1.20", { receive_bytes: 123, transmit_bytes: 567 }],
    ]);
  });

  test("of its disks is how long each was busy, partitions and what lies on others left out", () => {
    expect([...diskBusy_ms(DISKSTATS)]).toEqual([
      ["nvme0n1", 654321],
      ["sda", 1234],
      ["vda", 77],
      ["mmcblk0", 99],
    ]);
  });

  test("of its load and links is a number", () => {
    expect(loadAverage("8.15 4.20 2.01 3/512 12345\n")).toBe(8.15);
    expect(linkSpeed_bytes_per_second("1000\n")).toBe(125_000_000);
    expect(linkSpeed_bytes_per_second("-1\n")).toBeNull();
    expect(linkSpeed_bytes_per_second("0\n")).toBeNull();
  });

  test("of a container is its limits, and max is none", () => {
    expect(cpuLimit_cores("150000 100000\n")).toBe(1.5);
    expect(cpuLimit_cores("max 100000\n")).toBeNull();
    expect(cpuUsage_us("usage_usec 8813520\nuser_usec 6000000\nsystem_usec 2813520\n")).toBe(8_813_520);
    expect(memoryLimit_bytes("2147483648\n")).toBe(2 ** 31);
    expect(memoryLimit_bytes("max\n")).toBeNull();
    expect(memoryUsage_bytes("1000000\n", "anon 5\ninactive_file 300000\nactive_file 9\n")).toBe(700_000);
    expect(memoryUsage_bytes("1000\n", "")).toBe(1000);
  });

  test.each(["", "garbage\n", "cpu  x y z\n", "0 0\n", "\u0000"])("as %j says nothing", (text) => {
    expect([
      cpuTimes(text),
      memory(text),
      loadAverage(text),
      cpuLimit_cores(text),
      cpuUsage_us(text),
      memoryLimit_bytes(text),
      memoryUsage_bytes(text, text),
      linkSpeed_bytes_per_second(text),
    ]).toEqual(Array(8).fill(null));
    expect([interfaces(text).size, diskBusy_ms(text).size, coreCount(text)]).toEqual([0, 0, 0]);
  });
});

const NOTHING: Reading = {
  elapsed_ms: 0,
  cpu: null,
  cpu_limit: null,
  memory: null,
  links: new Map(),
  disk_busy_ms: new Map(),
  space: null,
  load_average: null,
};

function between(before: Partial<Reading>, after: Partial<Reading>): Figures {
  return figures({ ...NOTHING, ...before }, { ...NOTHING, elapsed_ms: 2000, ...after });
}

describe("between two looks", () => {
  test("CPU is the share of the time, and in a container that of its limit", () => {
    const looks = [{ cpu: { busy: 100, total: 1000 } }, { cpu: { busy: 150, total: 1200 } }] as const;
    expect(between(...looks)).toEqual({ cpu_utilization: 25 });
    const limits = [
      { ...looks[0], cpu_limit: { cores: 1.5, usage_us: 0 } },
      { ...looks[1], cpu_limit: { cores: 1.5, usage_us: 2_400_000 } },
    ] as const;
    expect(between(...limits)).toEqual({ cpu_utilization: 80 });
  });

  test("memory and disk space are shares of what there is", () => {
    expect(
      between(
        {},
        {
          memory: { total_bytes: 3000, used_bytes: 1000 },
          space: { used_bytes: 600, available_bytes: 300 },
          load_average: 0.5,
        },
      ),
    ).toEqual({ memory_utilization: 33.33, memory_bytes: 1000, disk_utilization: 66.67, load_average: 0.5 });
  });

  test("the network's bytes add up, and its use is that of the busier way of the busiest link", () => {
    const link = (receive_bytes: number, transmit_bytes: number, speed: number | null) => ({
      receive_bytes,
      transmit_bytes,
      speed_bytes_per_second: speed,
    });
    const before = new Map([
      ["eth0", link(0, 0, 1000)],
      ["eth1", link(500, 500, 1000)],
      ["eth2", link(0, 0, null)],
      ["was reset", link(9999, 0, 1000)],
    ]);
    const after = new Map([
      ["eth0", link(200, 1000, 1000)],
      ["eth1", link(600, 500, 1000)],
      ["eth2", link(4000, 0, null)],
      ["was reset", link(1, 900, 1000)],
      ["is new", link(5, 5, 1000)],
    ]);
    expect(between({ links: before }, { links: after })).toEqual({
      network_receive_bytes_per_second: 2150,
      network_transmit_bytes_per_second: 500,
      network_utilization: 50,
    });
    const [speedless] = [new Map([["eth2", link(8, 8, null)]])];
    expect(between({ links: before }, { links: speedless })).toEqual({
      network_receive_bytes_per_second: 4,
      network_transmit_bytes_per_second: 4,
    });
  });

  test("disk I/O is that of the busiest disk", () => {
    const before = new Map([
      ["sda", 1000],
      ["sdb", 1000],
      ["wrapped", 4_294_967_290],
    ]);
    const after = new Map([
      ["sda", 1500],
      ["sdb", 3010],
      ["wrapped", 4],
    ]);
    expect(between({ disk_busy_ms: before }, { disk_busy_ms: after })).toEqual({ io_utilization: 100 });
  });

  test("nothing is made up: no time, no figures", () => {
    const same = { elapsed_ms: 5, cpu: { busy: 1, total: 1 }, disk_busy_ms: new Map([["sda", 1]]) };
    expect(between(same, same)).toEqual({});
  });
});
