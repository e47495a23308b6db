import type { Rng } from "./rng.ts";
import type { DemoWorker, Usage } from "./state.ts";

/** Percent of a resource: what an idle machine uses, and what each full set of slots adds. */
interface Draw {
  readonly idle: number;
  readonly full: number;
  /** It is never used beyond this: a calm fleet stays below the usual overload thresholds. */
  readonly ceiling: number;
}

const DRAWS = {
  gpu: {
    cpu: { idle: 6, full: 46, ceiling: 87 },
    memory: { idle: 18, full: 44, ceiling: 84 },
  },
  cpu: {
    cpu: { idle: 4, full: 78, ceiling: 87 },
    memory: { idle: 20, full: 46, ceiling: 84 },
  },
  tpu: {
    cpu: { idle: 6, full: 36, ceiling: 87 },
    memory: { idle: 15, full: 52, ceiling: 84 },
  },
} satisfies Record<string, { cpu: Draw; memory: Draw }>;
const DEVICE: Draw = { idle: 0, full: 88, ceiling: 92 };
const DEVICE_MEMORY: Draw = { idle: 4, full: 74, ceiling: 90 };
const NETWORK: Draw = { idle: 3, full: 20, ceiling: 85 };
const IO: Draw = { idle: 2, full: 9, ceiling: 85 };
/** A task that fetches its model and input takes this much more of network and disk than one that runs. */
const FETCHING = 6;

/** Part of the way to its new value that a utilisation goes in one second. */
const RESPONSE = 0.5;
const DRIFT_MEMORY = 0.85;
const RUNAWAY_CPU = 97.3;

/** Lets one second pass: what a worker uses moves toward what its tasks ask for, with a little noise. */
export function measure(worker: DemoWorker, rng: Rng): void {
  const { usage, hardware, slots } = worker;
  const draws = DRAWS[hardware.pool];
  const devices = usage.devices.map(() => 0);
  let appetite = 0;
  for (const task of worker.running) {
    appetite += task.appetite;
    if (devices.length > 0) devices[task.device]! += task.appetite;
  }
  const fullness = appetite / slots;
  const moving = fullness + (FETCHING * (worker.assigned.length - worker.ready.length)) / slots;
  const noise = rng.between(-1, 1);
  usage.drift = DRIFT_MEMORY * usage.drift + (1 - DRIFT_MEMORY) * noise;

  usage.cpu = follow(usage.cpu, asked(draws.cpu, fullness) + usage.drift + 0.8 * noise);
  usage.memory = follow(usage.memory, asked(draws.memory, fullness) + 0.3 * usage.drift);
  usage.network = follow(usage.network, asked(NETWORK, moving) + 3 * usage.drift - noise);
  usage.io = follow(usage.io, asked(IO, moving) + 2 * usage.drift + noise);
  usage.device_memory = follow(usage.device_memory, asked(DEVICE_MEMORY, devices.length > 0 ? fullness : 0));
  const share = Math.max(1, slots / devices.length);
  for (const [device, taken] of devices.entries()) {
    const wobble = taken > 0 ? usage.drift + rng.between(-1, 1) : 0;
    usage.devices[device] = follow(usage.devices[device]!, asked(DEVICE, taken / share) + wobble);
  }
  if (worker.overloaded) usage.cpu = RUNAWAY_CPU + usage.drift + 0.8 * noise;
  usage.load = loadOf(usage);
}

/** Load as the dashboard computes it: 0.3 CPU + 0.3 memory + 0.2 GPU + 0.1 disk I/O + 0.1 network, percent. */
function loadOf(usage: Usage): number {
  const others = 0.3 * usage.cpu + 0.3 * usage.memory + 0.1 * usage.io + 0.1 * usage.network;
  return usage.devices.length === 0 ? others / 0.8 : others + 0.2 * meanOf(usage.devices);
}

/** 0 for no values. */
export function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Linear up to three quarters of the ceiling; from there it nears the ceiling and never passes it. */
function asked({ idle, full, ceiling }: Draw, fullness: number): number {
  const wanted = idle + full * fullness;
  const knee = 0.75 * ceiling;
  if (wanted <= knee) return wanted;
  return ceiling - (ceiling - knee) * Math.exp(-(wanted - knee) / (ceiling - knee));
}

function follow(value: number, target: number): number {
  return Math.max(0, value + RESPONSE * (target - value));
}
