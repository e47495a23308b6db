import { findMetric } from "../catalogue.ts";
import type {
  Capabilities,
  Gpu,
  Overload,
  Presence,
  Worker,
  WorkerState,
  WorkerStatus,
  WorkerUpdate,
} from "../model.ts";
import { Channel, type FreshValues } from "./channel.ts";
import { type HealthInput, healthScore } from "./health.ts";
import type { Offer } from "./match.ts";
import { Hearing } from "./presence.ts";
import {
  oursOf,
  type Register,
  RegisterReader,
  RegisterWriter,
  type SourceClock,
  type Stamp,
  type StoredRegister,
  update,
} from "./register.ts";
import { load, OVERLOAD_HOLD_MS, overload } from "./scores.ts";
import { Standing } from "./standing.ts";
import { type TrackDocument, TrackRecord } from "./track-record.ts";

/** How a worker is kept in the store; its metrics are kept as samples. */
export interface WorkerDocument {
  /** Of the registers below. */
  register_sources: string[];
  fields: Record<string, StoredRegister>;
  capabilities: Record<string, StoredRegister>;
  first_seen_ms: number;
  last_report_ms: number;
  interval_ms: number;
  sources: [id: string, at_ms: number][];
  /** Left out while no task has ended on it. */
  record?: TrackDocument;
}

/** A worker's metrics that follow from its GPUs. */
const GPU_METRICS = [
  "gpu_utilization",
  "gpu_utilization_max",
  "gpu_memory_utilization",
  "gpu_temperature_celsius",
  "throttled_gpus",
] as const;
/** Departures are counted over this long, and so many of them are remembered. */
const DEPARTURES_MS = 900_000;
const MAX_DEPARTURES = 20;

/** A worker as the fleet holds it: every report of it merged, in whatever order they came. */
export class WorkerEntry implements Worker {
  readonly id: string;
  first_seen_ms: number;
  readonly hearing: Hearing;
  presence: Presence = "fresh";
  // What the registers say, as plain fields: of ten thousand workers they are asked each second.
  status: WorkerStatus = "active";
  type: string | null = null;
  hostname: string | null = null;
  tags: readonly string[] = [];
  gpus: readonly Gpu[] = [];
  load: number | null = null;
  overload: Overload | null = null;
  overloaded = false;
  /** The state that the fleet told last. */
  noted_state: WorkerState | "gone" | null = null;
  /** The sources that named it, and each one's own time of its last word. */
  readonly sources = new Map<string, number>();
  readonly metrics = new Map<string, number>();
  /** Unfinished tasks of this worker by state, kept by the fleet. */
  readonly counts = { assigned: 0, running: 0, orphaned: 0 };
  readonly running_by_type = new Map<string, number>();
  /** What became of its tasks. */
  record = new TrackRecord();
  #offer: Offer | null = null;
  #shown_capabilities: Capabilities | null = null;
  readonly standing: Standing;
  /** When it fell silent or went offline, the newest MAX_DEPARTURES, oldest first, Unix milliseconds. */
  readonly #departed_ms: number[] = [];
  /** Silence as of the last look at it. */
  #silence_ms = 0;
  readonly #fields = new Map<string, Register<unknown>>();
  readonly #capabilities = new Map<string, Register<Capabilities[string]>>();
  readonly #channels = new Map<string, Channel>();

  constructor(id: string, now_ms: number) {
    this.id = id;
    this.first_seen_ms = now_ms;
    this.hearing = new Hearing(now_ms);
    this.standing = new Standing(id);
  }

  /**
   * @param fresh takes the values that came, also those that are older than what is known
   * @returns true when something besides the metrics' values changed, which the store then keeps
   */
  apply(change: WorkerUpdate, stamp: Stamp, received_ms: number, fresh: FreshValues): boolean {
    if (change.heard_at_ms === undefined) this.hearing.hear(received_ms);
    else this.hearing.hearOf(change.heard_at_ms + stamp.source.offset_ms, received_ms);
    if (change.interval_s !== undefined) this.hearing.stated_ms = change.interval_s * 1000;
    const heard_ms = this.sources.get(stamp.source.id);
    this.sources.set(stamp.source.id, Math.max(heard_ms ?? 0, stamp.at_ms));
    let changed = heard_ms === undefined;
    for (const name of ["type", "hostname", "status", "tags", "gpus"] as const) {
      changed = this.#field(name, change[name], stamp) || changed;
    }
    for (const name in change.capabilities) {
      const held = this.#capabilities.get(name);
      const register = update(held, change.capabilities[name], stamp);
      if (register === held || register === undefined) continue;
      this.#capabilities.set(name, register);
      this.#shown_capabilities = null;
      changed = true;
    }
    const at_ms = Math.min(stamp.at_ms + stamp.source.offset_ms, received_ms);
    for (const name in change.metrics) {
      const value = change.metrics[name]!;
      const channel = this.setMetric(name, value, stamp);
      if (value !== null) fresh.push(channel, at_ms, value);
    }
    if (change.gpus !== undefined) this.#spreadGpus(stamp);
    if (change.gpus) for (const metric of GPU_METRICS) this.tell(metric, at_ms, fresh);
    this.load = load(this.metrics);
    if (changed) this.#offer = null;
    return changed;
  }

  /** Sets a metric by the rules of merging; null clears it. */
  setMetric(name: string, value: number | null, stamp: Stamp): Channel {
    const channel = this.#channel(name);
    channel.say(value, stamp, this.metrics);
    return channel;
  }

  /** A metric's value as of now, where it has one. */
  tell(metric: string, at_ms: number, fresh: FreshValues): void {
    const value = this.metrics.get(metric);
    if (value !== undefined) fresh.push(this.#channel(metric), at_ms, value);
  }

  #channel(metric: string): Channel {
    let channel = this.#channels.get(metric);
    if (channel === undefined) {
      channel = new Channel(this, metric);
      this.#channels.set(metric, channel);
    }
    return channel;
  }

  #field(name: string, value: unknown, stamp: Stamp): boolean {
    const held = this.#fields.get(name);
    const register = update(held, value as object | null | undefined, stamp);
    if (register === held || register === undefined) return false;
    this.#fields.set(name, register);
    this.#spread();
    return name !== "gpus";
  }

  /** Brings the plain fields up to date. */
  #spread(): void {
    const value = (name: string) => this.#fields.get(name)?.value ?? null;
    this.status = (value("status") as WorkerStatus | null) ?? "active";
    this.type = value("type") as string | null;
    this.hostname = value("hostname") as string | null;
    this.tags = (value("tags") as readonly string[] | null) ?? [];
    this.gpus = (value("gpus") as readonly Gpu[] | null) ?? [];
  }

  /** The worker's GPU figures follow from its devices: their mean, the busiest, the hottest and those that are slowed down. */
  #spreadGpus(stamp: Stamp): void {
    const utilizations = this.gpus.flatMap((gpu) => gpu.utilization ?? []);
    const memory = this.gpus.flatMap((gpu) => gpu.memory_utilization ?? []);
    const throttled = this.gpus.flatMap((gpu) => gpu.throttled ?? []);
    if (utilizations.length > 0) this.setMetric("gpu_utilization", mean(utilizations), stamp);
    // What only its devices tell is not known any more once they do not.
    this.setMetric("gpu_utilization_max", utilizations.length > 0 ? Math.max(...utilizations) : null, stamp);
    this.setMetric("throttled_gpus", throttled.length > 0 ? throttled.filter(Boolean).length : null, stamp);
    if (memory.length > 0) this.setMetric("gpu_memory_utilization", mean(memory), stamp);
    const temperatures = this.gpus.flatMap((gpu) => gpu.temperature_celsius ?? []);
    if (temperatures.length > 0) this.setMetric("gpu_temperature_celsius", Math.max(...temperatures), stamp);
  }

  /** Judges silence and pressure as of now. */
  judge(now_ms: number, started_ms: number): void {
    this.#silence_ms = this.hearing.silence_ms(now_ms, started_ms);
    this.presence = this.hearing.presence(now_ms, started_ms);
    this.overload = this.presence === "lost" ? null : overload(this.metrics, this.overload, now_ms);
    this.overloaded = this.overload !== null && now_ms - this.overload.since_ms >= OVERLOAD_HOLD_MS;
  }

  /** Brings the derived metrics up to now. @returns those that the store is to have as they are */
  assess(now_ms: number): readonly string[] {
    return this.standing.update(this.metrics, healthScore(this.healthInput()), this.record, now_ms);
  }

  departed(now_ms: number): void {
    this.#departed_ms.push(now_ms);
    if (this.#departed_ms.length > MAX_DEPARTURES) this.#departed_ms.shift();
  }

  /** How often it fell silent or went offline in the last 15 minutes, at most MAX_DEPARTURES. */
  departures(now_ms: number): number {
    if (this.#departed_ms.length === 0) return 0;
    return this.#departed_ms.filter((at_ms) => at_ms > now_ms - DEPARTURES_MS).length;
  }

  /** How long ago a metric was last reported; infinite where it never was. */
  metricAge_ms(name: string, now_ms: number): number {
    const channel = this.#channels.get(name);
    if (!channel?.stamp || channel.value === null) return Infinity;
    return now_ms - oursOf(channel.stamp);
  }

  /** What its health is made of, as of the last look at it. */
  healthInput(): HealthInput {
    const { stale_ms, lost_ms } = this.hearing;
    const { tasks, completed } = this.record.lastTasks();
    return { silence_ms: this.#silence_ms, stale_ms, lost_ms, metrics: this.metrics, tasks, completed };
  }

  /** What it has to offer to tasks. */
  get offer(): Offer {
    if (this.#offer === null) {
      const { backends, memory_bytes, gpu_memory_bytes } = this.capabilities;
      this.#offer = {
        backends: Array.isArray(backends) ? backends : [],
        tags: this.tags,
        memory_bytes: typeof memory_bytes === "number" ? memory_bytes : null,
        gpu_memory_bytes: typeof gpu_memory_bytes === "number" ? gpu_memory_bytes : null,
      };
    }
    return this.#offer;
  }

  /** Whether it can be given a task. */
  get available(): boolean {
    return this.presence === "fresh" && this.status === "active";
  }

  get state(): WorkerState {
    if (this.status === "offline") return "offline";
    if (this.presence !== "fresh")
      return this.presence === "lost" && this.status === "draining" ? "draining" : this.presence;
    if (this.overloaded) return "overloaded";
    return this.status === "draining" ? "draining" : "active";
  }

  get capabilities(): Readonly<Capabilities> {
    this.#shown_capabilities ??= Object.fromEntries(
      [...this.#capabilities].flatMap(([name, { value }]) => (value === null ? [] : [[name, value]])),
    );
    return this.#shown_capabilities;
  }
  get source(): string {
    return [...this.sources].reduce((best, entry) => (entry[1] > best[1] ? entry : best), ["", 0] as [
      string,
      number,
    ])[0];
  }
  get last_report_ms(): number {
    return this.hearing.last_ms;
  }
  get interval_ms(): number {
    return this.hearing.interval_ms;
  }
  get running_tasks(): number {
    return this.counts.running;
  }
  get orphaned_tasks(): number {
    return this.counts.orphaned;
  }
  get queued_tasks(): number {
    // What a lost worker counted itself is known no more: its tasks are orphaned.
    const own = this.presence === "lost" ? 0 : (this.metrics.get("queued_tasks") ?? 0);
    return Math.max(this.counts.assigned, own);
  }

  toDocument(): WorkerDocument {
    const registers = new RegisterWriter(this.last_report_ms);
    return {
      register_sources: registers.sources,
      fields: registers.writeAll(this.#fields),
      capabilities: registers.writeAll(this.#capabilities),
      first_seen_ms: this.first_seen_ms,
      last_report_ms: this.last_report_ms,
      interval_ms: this.interval_ms,
      sources: [...this.sources],
      ...(this.record.newest_ms > 0 && { record: this.record.toDocument() }),
    };
  }

  static fromDocument(
    id: string,
    document: WorkerDocument,
    clock: (source: string) => SourceClock,
  ): WorkerEntry {
    const entry = new WorkerEntry(id, document.first_seen_ms);
    entry.hearing.last_ms = document.last_report_ms;
    entry.hearing.assume(document.interval_ms);
    for (const [source, at_ms] of document.sources) entry.sources.set(source, at_ms);
    if (document.record) entry.record = TrackRecord.fromDocument(document.record);
    const registers = new RegisterReader(document.last_report_ms, document.register_sources, clock);
    for (const [name, register] of Object.entries(document.fields))
      entry.#fields.set(name, registers.read(register));
    entry.#spread();
    for (const [name, register] of Object.entries(document.capabilities)) {
      entry.#capabilities.set(name, registers.read(register));
    }
    return entry;
  }

  /** A metric read back from the store; a report of the same second or later replaces it. */
  restoreMetric(name: string, value: number, at_ms: number, source: SourceClock): void {
    this.setMetric(name, value, { at_ms: at_ms - source.offset_ms, source });
    // What is derived goes on while the worker is silent.
    if (!findMetric("worker", name)?.derived) this.hearing.last_ms = Math.max(this.hearing.last_ms, at_ms);
    this.load = load(this.metrics);
  }
}

const BY_NAME = new Intl.Collator("en", { numeric: true });

/** By name, with the numbers in it by their size. */
export function compareIds(a: string, b: string): number {
  return BY_NAME.compare(a, b) || (a < b ? -1 : 1);
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
