import type { z } from "zod";
import type { TaskStatus } from "../../model.ts";

/** A report as the ingest protocol has it. Whoever runs the connector adds `source` and `interval_s`. */
export interface ConnectorReport {
  /** Unix milliseconds; left out, it is the time of receipt. */
  readonly at?: number;
  /** True where `workers` and `tasks` are all that this source has. */
  readonly complete?: boolean;
  readonly workers?: readonly Readonly<Record<string, unknown>>[];
  readonly tasks?: readonly Readonly<Record<string, unknown>>[];
  readonly system?: { readonly metrics: Readonly<Record<string, number | null>> };
}

export interface Poll {
  /** Checked like any other report, and each taken whole or not at all. */
  readonly reports: readonly ConnectorReport[];
  /** What was there, for the health page: "12 workers, 80 unfinished tasks". */
  readonly saw: string;
  /** What was wrong with a part of it, such as one of several targets; undefined where nothing was. */
  readonly wrong?: string;
  /**
   * Called once the reports were taken. What has to be told once belongs here: where they were not taken, or the poll
   * failed, the next one tells it again.
   */
  taken?(): void;
}

/** What was known of a connector's source before the start. */
export interface KnownBefore {
  /** When its last report came, Unix milliseconds. */
  readonly last_report_ms: number;
  /** Its tasks that had not ended. */
  readonly unfinished: readonly {
    readonly id: string;
    readonly attempt: number;
    readonly status: TaskStatus;
  }[];
}

/** A system that is asked at an interval how its workers and tasks are. It observes: it never changes anything there. */
export interface Connector {
  /** Unique among connectors; the source that its reports name. */
  readonly name: string;
  readonly kind: string;
  /** What it asks, without credentials. */
  readonly address: string;
  readonly interval_ms: number;
  /** A poll that takes longer is given up. */
  readonly timeout_ms: number;
  /** Called before the first poll where its source was known already. */
  resume?(before: KnownBefore): void;
  /**
   * Asks once. The next poll begins after this one ended; what was learnt between two (counters, what has ended
   * already) is the connector's own.
   *
   * @param now_ms Unix milliseconds
   * @param signal aborts at the time-out and at the end of the server
   * @throws EvenkeelError that names the address, what was expected and what came; nothing is reported then
   */
  poll(now_ms: number, signal: AbortSignal): Promise<Poll>;
}

/** A kind of connector, as the config file names it. */
export interface ConnectorKind<Config extends z.ZodType = z.ZodType> {
  readonly kind: string;
  /** The fields that it takes beside `kind`, `name`, `interval` and `timeout`. */
  readonly schema: Config;
  create(config: z.output<Config>, common: Pick<Connector, "name" | "interval_ms" | "timeout_ms">): Connector;
}
