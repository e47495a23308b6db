/** How a connector is doing, since the start. */
export interface ConnectorHealth {
  readonly name: string;
  /** What it speaks to, such as coordinator. */
  readonly kind: string;
  /** What it asks, without credentials. */
  readonly address: string;
  readonly interval_ms: number;
  /** When it last had an answer whose reports were taken, Unix milliseconds; null where it had none. */
  readonly success_ms: number | null;
  /** How long that answer took, milliseconds. */
  readonly latency_ms: number | null;
  /** What was there then. */
  readonly saw: string | null;
  /** Since when no poll succeeds, Unix milliseconds; null while they do, and before the first has ended. */
  readonly failing_since_ms: number | null;
  /** What was wrong with the last poll that failed, and when that was. */
  readonly last_error: string | null;
  readonly error_ms: number | null;
  /** When it is asked next, Unix milliseconds; null while it is being asked. */
  readonly next_ms: number | null;
}
