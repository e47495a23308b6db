import type { Pool } from "./models.ts";

/** A machine that one can buy or rent. */
export interface Hardware {
  readonly pool: Pool;
  readonly accelerator: string | null;
  /** Accelerators in the machine; 0 where it has none. */
  readonly devices: number;
  readonly device_memory_bytes: number;
  /** Power that one device draws when fully used. */
  readonly device_watts: number;
  readonly cpu_cores: number;
  readonly memory_bytes: number;
  readonly backends: readonly string[];
  readonly tags: readonly string[];
  /** How fast it serves the models of its pool; 1 is the reference of a model's processing time. */
  readonly speed: number;
  /** Its part of the fleet's slots, relative to the other machines. */
  readonly weight: number;
}

const GIB = 2 ** 30;
const CUDA = { pool: "gpu", backends: ["cpu", "cuda"] } as const;

const T4: Hardware = {
  ...CUDA,
  accelerator: "Tesla T4",
  devices: 1,
  device_memory_bytes: 16 * GIB,
  device_watts: 70,
  cpu_cores: 16,
  memory_bytes: 64 * GIB,
  tags: ["vision", "cuda"],
  speed: 0.7,
  weight: 3,
};

const L4: Hardware = {
  ...CUDA,
  accelerator: "L4",
  devices: 2,
  device_memory_bytes: 24 * GIB,
  device_watts: 72,
  cpu_cores: 32,
  memory_bytes: 128 * GIB,
  tags: ["vision", "text", "cuda"],
  speed: 1,
  weight: 4.5,
};

const A10G: Hardware = {
  ...CUDA,
  accelerator: "A10G",
  devices: 1,
  device_memory_bytes: 24 * GIB,
  device_watts: 150,
  cpu_cores: 24,
  memory_bytes: 96 * GIB,
  tags: ["audio", "vision", "cuda"],
  speed: 1.1,
  weight: 3.5,
};

const A100: Hardware = {
  ...CUDA,
  accelerator: "A100 80GB",
  devices: 4,
  device_memory_bytes: 80 * GIB,
  device_watts: 300,
  cpu_cores: 96,
  memory_bytes: 768 * GIB,
  tags: ["large-memory", "multimodal", "cuda"],
  speed: 1.6,
  weight: 8,
};

const CPU: Hardware = {
  pool: "cpu",
  accelerator: null,
  devices: 0,
  device_memory_bytes: 0,
  device_watts: 0,
  cpu_cores: 64,
  memory_bytes: 256 * GIB,
  backends: ["cpu", "openvino"],
  tags: ["text", "openvino"],
  speed: 1,
  weight: 4.5,
};

const TPU: Hardware = {
  pool: "tpu",
  accelerator: "TPU v4",
  devices: 4,
  device_memory_bytes: 32 * GIB,
  device_watts: 192,
  cpu_cores: 48,
  memory_bytes: 384 * GIB,
  backends: ["cpu", "xla"],
  tags: ["text", "jax", "tpu-v4"],
  speed: 1.3,
  weight: 5,
};

/** The order in which a fleet is stocked; each pool goes round its own list. */
export const STOCK: Readonly<Record<Pool, readonly Hardware[]>> = {
  gpu: [T4, A100, L4, A10G, { ...A100, devices: 2, cpu_cores: 48, memory_bytes: 384 * GIB, weight: 5.5 }],
  cpu: [CPU, { ...CPU, cpu_cores: 32, memory_bytes: 128 * GIB, speed: 0.85, weight: 3.5 }],
  tpu: [TPU],
};

/** Nine GPU, four CPU and two TPU machines in each fifteen. */
export const PATTERN: readonly Pool[] = [..."gcggtgcggcgtgcg"].map((letter) =>
  letter === "g" ? "gpu" : letter === "c" ? "cpu" : "tpu",
);
