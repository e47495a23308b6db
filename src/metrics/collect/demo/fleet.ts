import { type Hardware, PATTERN, STOCK } from "./hardware.ts";
import type { Pool } from "./models.ts";
import type { DemoWorker } from "./state.ts";

/** Slots for each task that is to be live: with queues as they are, four slots in five are then busy. */
const SLOTS_PER_TASK = 0.88;

/** Stocks a fleet whose slots, four in five of them busy, hold about `tasks` tasks with those that wait. */
export function createFleet(workers: number, tasks: number): DemoWorker[] {
  const stock = pickHardware(workers);
  const weight = stock.reduce((sum, { hardware }) => sum + hardware.weight, 0);
  const digits = Math.max(2, String(stock.filter(({ hardware }) => hardware.pool === "gpu").length).length);
  const slots = tasks * SLOTS_PER_TASK;
  let ideal = 0;
  let given = 0;
  return stock.map(({ hardware, number }, index) => {
    ideal += (slots * hardware.weight) / weight;
    const own = Math.max(1, Math.round(ideal) - given);
    given += own;
    const name = `${hardware.pool}-${String(number).padStart(digits, "0")}`;
    return createWorker(index, name, hardware, own);
  });
}

function pickHardware(workers: number): { hardware: Hardware; number: number }[] {
  const stocked: Record<Pool, number> = { gpu: 0, cpu: 0, tpu: 0 };
  return Array.from({ length: workers }, (_, index) => {
    const pool = PATTERN[index % PATTERN.length]!;
    const choice = STOCK[pool];
    const hardware = choice[stocked[pool] % choice.length]!;
    stocked[pool]++;
    return { hardware, number: stocked[pool] };
  });
}

function createWorker(index: number, name: string, hardware: Hardware, slots: number): DemoWorker {
  return {
    index,
    id: `worker-${name}`,
    hostname: `${name}.lab`,
    hardware,
    slots,
    prefetch: Math.ceil(0.15 * slots),
    backlog: Math.ceil(slots / 3),
    line: Math.max(4, Math.ceil(slots / 2)),
    status: "active",
    alive: true,
    overloaded: false,
    running: [],
    assigned: [],
    ready: [],
    completed: 0,
    failed: 0,
    usage: {
      cpu: 0,
      memory: 0,
      network: 0,
      io: 0,
      devices: Array.from({ length: hardware.devices }, () => 0),
      device_memory: 0,
      load: 0,
      drift: 0,
    },
    reported_status: null,
  };
}
