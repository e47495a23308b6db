import { gzipSync } from "node:zlib";
import { hostileId, hostileText, hostileValue } from "./hostile.ts";
import type { Random } from "./random.ts";

/** A body and what its sender says of it. */
export interface Body {
  readonly bytes: Buffer;
  readonly type: string;
  readonly encoding?: string;
}

type Json = Record<string, unknown>;

/** Ids come again, so that tasks and workers meet and live on. */
const IDS = 120;
const WORKER_METRICS = [
  "cpu_utilization",
  "gpu_utilization",
  "memory_utilization",
  "network_utilization",
  "io_utilization",
  "queued_tasks",
  "completed_tasks",
  "made_up",
];
const STATUSES = ["queued", "assigned", "running", "completed", "failed", "cancelled"];
const NESTED_DEPTH = 100_000;
const BOMB_BYTES = 64 * 2 ** 20;

/** The ids that this run uses: the same hostile ones again and again. */
export class Ids {
  readonly workers: readonly string[];
  readonly tasks: readonly string[];
  readonly types: readonly string[];

  constructor(random: Random) {
    const ids = (count: number) => Array.from({ length: count }, () => hostileId(random));
    this.workers = ids(IDS);
    this.tasks = ids(IDS);
    this.types = ids(12);
  }
}

/** A body for the ingest route: valid, mutated, or none at all. */
export function ingestBody(random: Random, ids: Ids): Body {
  const kind = random.next();
  if (kind < 0.55) return json(report(random, ids));
  if (kind < 0.75) return json(mutated(random, report(random, ids)));
  if (kind < 0.85) return lines(random, ids);
  return broken(random, ids);
}

function report(random: Random, ids: Ids): Json {
  return {
    source: random.chance(0.2) ? hostileId(random) : `source-${random.below(5)}`,
    interval_s: random.pick([1, 5, 60]),
    ...(random.chance(0.05) && { complete: true }),
    ...(random.chance(0.2) && { at: random.pick([0, 1e15, -5, "2026-01-01T00:00:00Z", "soon"]) }),
    workers: random.some(6, () => worker(random, ids)),
    tasks: random.some(12, () => task(random, ids)),
    ...(random.chance(0.2) && { system: { metrics: metrics(random) } }),
  };
}

function worker(random: Random, ids: Ids): Json {
  const maybe = (share: number, fields: () => Json) => (random.chance(share) ? fields() : {});
  return {
    id: random.pick(ids.workers),
    type: random.pick(ids.types),
    hostname: hostileId(random),
    metrics: metrics(random),
    ...maybe(0.3, () => ({ status: random.pick(["active", "draining", "offline"]) })),
    ...maybe(0.4, () => ({ tags: random.some(8, () => hostileId(random)) })),
    ...maybe(0.3, () => ({
      capabilities: {
        cpu_cores: random.below(200),
        gpu_model: hostileId(random),
        backends: random.some(4, () => hostileId(random)),
        memory_bytes: random.next() * 1e14,
      },
    })),
    ...maybe(0.2, () => ({
      gpus: random.some(20, () => ({ index: random.below(256), utilization: random.next() * 100 })),
    })),
  };
}

function metrics(random: Random): Json {
  return Object.fromEntries(random.some(6, () => [random.pick(WORKER_METRICS), random.next() * 100]));
}

function task(random: Random, ids: Ids): Json {
  const now_ms = Date.now();
  const past = () => now_ms - random.below(random.pick([1_000, 60_000, 800_000]));
  return {
    id: random.pick(ids.tasks),
    type: random.pick(ids.types),
    model_family: random.pick(ids.types),
    model_id: hostileId(random),
    priority: 1 + random.below(9),
    status: random.pick(STATUSES),
    worker_id: random.pick(ids.workers),
    attempt: 1 + random.below(3),
    progress: random.next() * 100,
    error: random.chance(0.5) ? hostileText(random).slice(0, 1_000) : null,
    requirements: { tags: random.some(3, () => hostileId(random)), memory_bytes: random.below(1e12) },
    queued_at: past(),
    ...(random.chance(0.5) && { started_at: past() }),
    ...(random.chance(0.3) && { ended_at: past() }),
    metrics: { memory_bytes: random.next() * 1e12, [random.pick(["gpu_utilization", "odd_name"])]: 5 },
  };
}

/** Somewhere in it one thing is another. */
function mutated(random: Random, value: unknown, depth = 0): unknown {
  if (depth > 4 || random.chance(0.12)) return hostileValue(random);
  if (Array.isArray(value)) {
    if (value.length === 0) return [hostileValue(random)];
    const place = random.below(value.length);
    return value.map((item, index) => (index === place ? mutated(random, item, depth + 1) : item));
  }
  if (typeof value !== "object" || value === null) return hostileValue(random);
  const names = Object.keys(value);
  const name = random.pick(names);
  const rest = value as Json;
  if (random.chance(0.1)) return { ...rest, [hostileText(random)]: hostileValue(random) };
  return { ...rest, [name]: mutated(random, rest[name], depth + 1) };
}

function lines(random: Random, ids: Ids): Body {
  const all = random.some(40, () =>
    JSON.stringify(random.chance(0.8) ? report(random, ids) : mutated(random, report(random, ids))),
  );
  if (random.chance(0.3)) all.splice(random.below(all.length + 1), 0, "{", "", "\r", "null", "[]");
  return packed(random, Buffer.from(all.join(random.pick(["\n", "\r\n"]))), "application/x-ndjson");
}

function broken(random: Random, ids: Ids): Body {
  const type = random.pick(["application/json", "application/x-ndjson"]);
  const whole = Buffer.from(JSON.stringify(report(random, ids)));
  return random.pick<() => Body>([
    () => ({ bytes: whole.subarray(0, random.below(whole.length)), type }),
    () => ({ bytes: random.bytes(random.below(2_000)), type }),
    () => ({ bytes: random.bytes(random.below(2_000)), type, encoding: "gzip" }),
    () => ({ bytes: gzipSync(whole).subarray(0, 40), type, encoding: "gzip" }),
    () => ({ bytes: bomb(), type, encoding: "gzip" }),
    () => ({ bytes: nested("["), type }),
    () => ({ bytes: nested('{"a":'), type }),
    () => ({ bytes: Buffer.from(`{"workers":${nested("[").toString()}}`), type }),
    () => ({ bytes: Buffer.from(`{"${"k".repeat(100_000)}":1}`), type }),
    () => ({ bytes: Buffer.from(`{"tasks":[${'{"id":"x"},'.repeat(20_000)}{"id":"y"}]}`), type }),
    () => ({ bytes: Buffer.from(`{${'"a":1,'.repeat(50_000)}"b":2}`), type }),
    () => ({ bytes: Buffer.alloc(5 * 2 ** 20, "x"), type }),
    () => ({ bytes: Buffer.alloc(200_000, "\n"), type }),
    () => ({ bytes: whole, type: hostileText(random).replace(/[^\x20-\x7e]/g, "") || "text/plain" }),
    () => ({ bytes: whole, type, encoding: random.pick(["br", "deflate", "gzip, gzip", "identity", "x"]) }),
    () => ({ bytes: Buffer.from(`\ufeff${whole.toString()}`), type }),
    () => ({ bytes: Buffer.from(whole.toString(), "utf16le"), type }),
  ])();
}

function json(value: unknown): Body {
  return { bytes: Buffer.from(JSON.stringify(value) ?? "null"), type: "application/json" };
}

function packed(random: Random, bytes: Buffer, type: string): Body {
  return random.chance(0.3) ? { bytes: gzipSync(bytes), type, encoding: "gzip" } : { bytes, type };
}

function nested(open: string): Buffer {
  return Buffer.from(open.repeat(NESTED_DEPTH));
}

let packedBomb: Buffer | undefined;

/** A thousandth of what it unpacks to. */
function bomb(): Buffer {
  packedBomb ??= gzipSync(Buffer.alloc(BOMB_BYTES, " "));
  return packedBomb;
}

/** Fields of the forms and of the JSON bodies that routes take. */
const FIELDS = [
  ...["by", "note", "matchers", "duration", "ends", "text", "kind", "at", "name", "theme", "density", "tz"],
  ...["panels", "range", "view", "address", "worker_type", "q", "forget", "delete", "notifications"],
];

/** A body for a route that changes something: its fields, with values of any kind. */
export function changeBody(random: Random, type: string, ids: Ids): Body {
  const value = () =>
    random.pick<() => unknown>([
      () => hostileText(random),
      () => random.pick(["5m", "1h", "rule=worker_*", "worker!=x", "deploy", "dark", "compact", "Ada"]),
      () => `worker=${random.pick(ids.workers)}`,
      () => hostileValue(random),
    ])();
  const fields = Object.fromEntries(random.some(8, () => [random.pick(FIELDS), value()]));
  if (random.chance(0.1)) return { bytes: random.bytes(random.below(500)), type };
  if (random.chance(0.02)) return { bytes: Buffer.alloc(100_000, "a=b&"), type };
  if (!type.includes("json")) {
    const form = new URLSearchParams();
    for (const [name, text] of Object.entries(fields))
      form.append(name, typeof text === "string" ? text : JSON.stringify(text));
    return { bytes: Buffer.from(form.toString()), type };
  }
  return { bytes: Buffer.from(JSON.stringify(fields)), type };
}
