import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { gpuFigures, gpuReading, NvidiaSmi } from "./gpus.ts";

/** Far beyond what it takes: a busy machine is no failure. */
const SOON = { timeout: 15_000 };

const COLUMNS = [
  "index",
  "utilization.gpu",
  "memory.used",
  "memory.total",
  "temperature.gpu",
  "power.draw",
  "clocks_event_reasons.active",
  "name",
];
const T4 = "0, 97, 10240, 15360, 71, 69.84, 0x0000000000000004, Tesla T4";

describe("a line of nvidia-smi", () => {
  test("is a device", () => {
    expect(gpuReading(T4, COLUMNS)).toEqual({
      index: 0,
      name: "Tesla T4",
      utilization: 97,
      memory_used_bytes: 10240 * 2 ** 20,
      memory_total_bytes: 15360 * 2 ** 20,
      temperature_celsius: 71,
      power_watts: 69.84,
      throttled: false,
    });
  });

  test("leaves open what the device does not tell", () => {
    const line = "3, [N/A], [Not Supported], ERR!, [Unknown Error], [N/A], [N/A], Quadro, or so";
    expect(gpuReading(line, COLUMNS)).toEqual({
      index: 3,
      name: "Quadro, or so",
      utilization: null,
      memory_used_bytes: null,
      memory_total_bytes: null,
      temperature_celsius: null,
      power_watts: null,
      throttled: null,
    });
    expect(gpuReading("0, 101, -5, 1, 30, -1, 0x0, T4", COLUMNS)).toMatchObject({
      utilization: null,
      memory_used_bytes: null,
      power_watts: null,
    });
  });

  test.each([
    ["0x0000000000000000", false],
    ["0x0000000000000001", false],
    ["0x0000000000000004", false],
    ["0x0000000000000008", true],
    ["0x0000000000000020", true],
    ["0x0000000000000044", true],
    ["0x0000000000000080", true],
    ["Active", null],
  ])("with the reasons %s is throttled: %s", (mask, throttled) => {
    expect(gpuReading(T4.replace(/0x\w+/, mask), COLUMNS)?.throttled).toBe(throttled);
  });

  test.each([
    "",
    "No devices were found",
    "a, b, c, d, e, f, g, h",
    "-1, 0, 0, 0, 0, 0, 0x0, T4",
    "256, 0, 0, 0, 0, 0, 0x0, T4",
    "0, 97, 10240",
  ])("as %j is none", (line) => expect(gpuReading(line, COLUMNS)).toBeNull());
});

test("a machine's GPUs are told one by one, and summed where a sum says something", () => {
  const readings = [T4, T4.replace("0, 97, 10240", "1, [N/A], 5120").replace("69.84", "[N/A]")].map(
    (line) => gpuReading(line, COLUMNS)!,
  );
  expect(gpuFigures(readings)).toEqual({
    gpus: [
      { index: 0, utilization: 97, memory_utilization: 66.67, temperature_celsius: 71, throttled: false },
      { index: 1, utilization: null, memory_utilization: 33.33, temperature_celsius: 71, throttled: false },
    ],
    metrics: { gpu_memory_bytes: 15360 * 2 ** 20, gpu_power_watts: 69.84 },
    capabilities: { gpu_count: 2, gpu_model: "Tesla T4", gpu_memory_bytes: 30720 * 2 ** 20 },
  });
});

describe("nvidia-smi on the PATH", () => {
  let folder: string;
  const former = process.env.PATH;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "evenkeel-smi-"));
    process.env.PATH = `${folder}${delimiter}${former}`;
  });
  afterEach(() => {
    process.env.PATH = former;
    rmSync(folder, { recursive: true });
  });

  /** Puts a script in its place; each start of it adds its arguments as a line of a file. */
  function fake(script: string): void {
    const path = join(folder, "nvidia-smi");
    writeFileSync(path, `#!/bin/sh\necho "$@" >> ${folder}/starts\n${script}\n`);
    chmodSync(path, 0o755);
  }

  function starts(): string[] {
    try {
      return readFileSync(join(folder, "starts"), "utf8").trim().split("\n");
    } catch {
      return [];
    }
  }

  /** Runs it; `pauses` are those between its starts, which do not really pass. */
  function run(hung_ms = 10_000) {
    const abort = new AbortController();
    const said: string[] = [];
    const pauses: number[] = [];
    const elapsed = { ms: 0 };
    const smi = new NvidiaSmi({
      interval_ms: 1000,
      elapsed_ms: () => elapsed.ms,
      random: () => 1,
      sleep: async (ms) => void pauses.push(ms),
      signal: abort.signal,
      say: (line) => void said.push(line),
      hung_ms,
    });
    const ended = smi.run();
    const stop = async () => {
      abort.abort();
      await ended;
    };
    return { smi, said, pauses, elapsed, ended, stop };
  }

  test("runs on, and is read line by line until it is ended", async () => {
    fake(`printf '${T4}\\n1, 3, 0, 15360, 40, 9.1, 0x0000000000000020, Tesla T4\\n'\nexec sleep 1000`);
    const { smi, said, elapsed, stop } = run();
    await vi.waitFor(() => expect(smi.latest()).toHaveLength(2), SOON);
    expect(smi.latest().map(({ index, throttled }) => [index, throttled])).toEqual([
      [0, false],
      [1, true],
    ]);
    expect(starts()).toEqual([`--query-gpu=${COLUMNS.join(",")} --format=csv,noheader,nounits -l 1`]);
    elapsed.ms = 5001;
    expect(smi.latest()).toEqual([]);
    await stop();
    expect(said).toEqual([]);
  });

  test("of an older driver is asked by the older name, and then without", async () => {
    fake(
      `case "$1" in *clocks_event*) echo 'Field "clocks_event_reasons.active" is not a valid field to query.'; exit 2;; *clocks_throttle*) echo 'Field "x" is not a valid field to query.'; exit 2;; esac\necho '0, 50, 1, 2, 30, 9, K80'\nexec sleep 1000`,
    );
    const { smi, said, pauses, stop } = run();
    await vi.waitFor(() => expect(smi.latest()).toMatchObject([{ name: "K80", throttled: null }]), SOON);
    await stop();
    expect([starts().length, pauses, said]).toEqual([3, [], []]);
  });

  test("that crashes is started again, after longer and longer pauses, and is told once", async () => {
    fake("echo 'NVIDIA-SMI has failed because it could not communicate with the driver' >&2; exit 9");
    const { smi, said, pauses, stop } = run();
    await vi.waitFor(() => expect(pauses.length).toBeGreaterThan(3), SOON);
    await stop();
    expect(pauses.slice(0, 4)).toEqual([1000, 2000, 4000, 8000]);
    expect(smi.latest()).toEqual([]);
    expect(said).toEqual([
      "nvidia-smi: it ended with code 9: NVIDIA-SMI has failed because it could not communicate with the driver; starting it again",
    ]);
  });

  test.each([
    ["hangs", "exec sleep 1000"],
    ["hangs with what it started holding its output", "sleep 1000 & wait"],
    ["prints garbage without end", "exec yes 'no, device'"],
    ["prints no line at all", "exec cat /dev/zero"],
  ])("that %s is ended and started again", async (_, script) => {
    fake(`${script}`);
    const { smi, said, pauses, stop } = run(100);
    await vi.waitFor(() => expect(pauses.length).toBeGreaterThan(1), SOON);
    await stop();
    expect(smi.latest()).toEqual([]);
    expect(said).toEqual(["nvidia-smi: it told nothing for 0.1 s; starting it again"]);
  });

  test("that is not there is not looked for again", async () => {
    process.env.PATH = folder;
    const { said, pauses, ended } = run();
    await ended;
    expect([said, pauses]).toEqual([[], []]);
  });
});
