import { EvenkeelError } from "../../../../errors.ts";
import { turn } from "../../../turn.ts";
import { TimedOut, within } from "../../../within.ts";
import type { Connector, ConnectorKind, ConnectorReport, Poll } from "../connector.ts";
import { get } from "../get.ts";
import { Counters } from "./counters.ts";
import { credentialHeaders } from "./credentials.ts";
import { type Format, readExposition, type Series } from "./exposition.ts";
import { type Mapped, type MappedTarget, mapTarget, wantedBy } from "./mapping.ts";
import { rulesOf } from "./rules-of.ts";
import { PROMETHEUS_SCHEMA, type PrometheusConfig, type Rules } from "./schema.ts";

/** An exposition that is longer is not read. */
const MAX_BYTES = 32 * 2 ** 20;
/** A target has this share of the poll's time, so that what the others said is still reported in time. */
const TARGET_SHARE = 0.9;
/** Silence for longer than this, or than five intervals, counts as lost. */
const DOWN_MS = 60_000;
/** Of what went wrong so much is told at once. */
const MAX_COMPLAINTS = 3;

const ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
const FORMATS: Readonly<Record<string, Format>> = {
  "application/openmetrics-text": "openmetrics",
  "text/plain": "text",
  // Whoever names none means the older one.
  "": "text",
};

/** Scrapes expositions of Prometheus' format, and maps their series to workers by rules. */
export const PROMETHEUS: ConnectorKind<typeof PROMETHEUS_SCHEMA> = {
  kind: "prometheus",
  schema: PROMETHEUS_SCHEMA,
  create: (config, common) => new Prometheus(config, common),
};

class Prometheus implements Connector {
  readonly kind = "prometheus";
  readonly name: string;
  readonly interval_ms: number;
  readonly timeout_ms: number;
  readonly address: string;
  readonly #config: PrometheusConfig;
  readonly #rules: Rules;
  readonly #wanted: (name: string) => boolean;
  readonly #counters = new Map<string, Counters>();
  /** When each worker was last seen to be up, Unix milliseconds. */
  readonly #heard = new Map<string, number>();

  constructor(config: PrometheusConfig, common: Pick<Connector, "name" | "interval_ms" | "timeout_ms">) {
    this.name = common.name;
    this.interval_ms = common.interval_ms;
    this.timeout_ms = common.timeout_ms;
    this.#config = config;
    const [first = "", ...others] = config.targets;
    this.address = others.length > 0 ? `${first} and ${others.length} more` : first;
    this.#rules = rulesOf(config);
    this.#wanted = wantedBy(this.#rules);
  }

  async poll(now_ms: number, signal: AbortSignal): Promise<Poll> {
    const { targets } = this.#config;
    const headers = { Accept: ACCEPT, ...(await credentialHeaders(this.#config)) };
    const patience_ms = Math.floor(TARGET_SHARE * this.timeout_ms);
    const results = await Promise.allSettled(
      targets.map(async (url) => {
        try {
          return await within(patience_ms, signal, (own) => this.#scrape(url, headers, own, now_ms));
        } catch (error) {
          if (!(error instanceof TimedOut)) throw error;
          throw new EvenkeelError("unavailable", `${url} did not answer in time`);
        }
      }),
    );
    const answered = results.flatMap((result, index) =>
      result.status === "fulfilled" ? [{ url: targets[index]!, ...result.value }] : [],
    );
    const failures = results.flatMap((result) =>
      result.status === "rejected" ? [messageOf(result.reason)] : [],
    );
    if (answered.length === 0) throw new EvenkeelError("unavailable", told(failures));
    return this.#pollOf(answered, failures, now_ms);
  }

  /** @throws EvenkeelError, and whatever is a defect */
  async #scrape(
    url: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    now_ms: number,
  ): Promise<MappedTarget> {
    const { status, type, text } = await get(url, { headers, signal, max_bytes: MAX_BYTES });
    const fail = (what: string) => new EvenkeelError("unavailable", `${url} ${what}`);
    if (status !== 200) throw fail(`must answer 200; got ${status}`);
    const format = FORMATS[type.split(";")[0]!.trim().toLowerCase()];
    if (format === undefined)
      throw fail(
        `must answer text/plain or application/openmetrics-text; got ${JSON.stringify(type.slice(0, 80))}`,
      );
    let series: Series[];
    try {
      series = await inSlices(readExposition(text, format, this.#wanted));
    } catch (error) {
      throw fail((error as Error).message);
    }
    const counters = this.#counters.get(url) ?? new Counters();
    this.#counters.set(url, counters);
    const mapped = await inSlices(mapTarget(this.#rules, { url, series, counters }, now_ms));
    counters.endPoll();
    return mapped;
  }

  #pollOf(
    answered: readonly (MappedTarget & { url: string })[],
    failures: readonly string[],
    now_ms: number,
  ): Poll {
    const { targets } = this.#config;
    const from = new Map<string, string>();
    const complaints: string[] = [];
    for (const { url, workers, complaints: own } of answered) {
      complaints.push(...own.map((complaint) => `${url}: ${complaint}`));
      for (const { id } of workers) {
        const other = from.get(id);
        if (other !== undefined)
          complaints.push(`${url} and ${other} both have the worker ${JSON.stringify(id)}`);
        from.set(id, url);
      }
    }
    // Of a target that did not answer, or had none, nothing is known: its workers fall silent, and are not gone.
    const complete = failures.length === 0 && answered.every(({ workers }) => workers.length > 0);
    if (complete) this.#forget(from);
    const report: ConnectorReport = {
      complete,
      workers: this.#reported(
        answered.flatMap(({ workers }) => workers),
        now_ms,
      ),
      system: { metrics: summed(answered.map(({ system }) => system)) },
    };
    const seen = `${counted(from.size, "worker")} at ${answered.length} of ${counted(targets.length, "target")}`;
    const wrong = [...failures, ...complaints];
    if (wrong.length === 0) return { reports: [report], saw: seen };
    return { reports: [report], saw: `${seen}; ${told(wrong)}`, wrong: told(wrong) };
  }

  /** One that is down is reported as not heard of since it was last seen otherwise. */
  #reported(workers: readonly Mapped[], now_ms: number): NonNullable<ConnectorReport["workers"]> {
    return workers.map(({ status, ...worker }) => {
      if (status !== "down") {
        this.#heard.set(worker.id, now_ms);
        return status === undefined ? worker : { ...worker, status };
      }
      // At first sight nobody knows since when: it counts as lost, and not as one that may come any moment.
      const heard_at = this.#heard.get(worker.id) ?? now_ms - Math.max(DOWN_MS, 5 * this.interval_ms) - 1;
      this.#heard.set(worker.id, heard_at);
      return { ...worker, status: "active", heard_at };
    });
  }

  #forget(still: ReadonlyMap<string, unknown>): void {
    for (const id of this.#heard.keys()) if (!still.has(id)) this.#heard.delete(id);
  }
}

/** Between two steps others have their turn. */
async function inSlices<T>(work: Generator<void, T>): Promise<T> {
  for (let step = work.next(); ; step = work.next()) {
    if (step.done) return step.value;
    await turn();
  }
}

/** Figures of the fleet add up over the targets. */
function summed(systems: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const system of systems)
    for (const [metric, value] of Object.entries(system)) sums[metric] = (sums[metric] ?? 0) + value;
  return sums;
}

function messageOf(error: unknown): string {
  if (error instanceof EvenkeelError) return error.message;
  throw error;
}

function told(wrong: readonly string[]): string {
  const more = wrong.length - MAX_COMPLAINTS;
  const first = wrong.slice(0, MAX_COMPLAINTS).join("; ");
  return more > 0 ? `${first}; and ${more} more` : first;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
