import type { Alert } from "../model.ts";

/** How an alert is kept: from when it began to fire until it ended. */
export interface AlertSpan {
  readonly id: string;
  readonly fired_ms: number;
  /** Null while it fires. */
  readonly ended_ms: number | null;
  /** As it began; once it ended, as it was last. */
  readonly alert: Alert;
}

/** Tells when alerts begin and end. */
export class AlertLog {
  #firing = new Map<string, AlertSpan>();

  /** Goes on with what fired when it was last written. */
  restore(spans: readonly AlertSpan[]): void {
    this.#firing = new Map(spans.filter(({ ended_ms }) => ended_ms === null).map((span) => [span.id, span]));
  }

  /** @returns what began or ended since the last call, given all that fires now */
  note(alerts: readonly Alert[], now_ms: number): AlertSpan[] {
    const changed: AlertSpan[] = [];
    const firing = new Map<string, AlertSpan>();
    for (const alert of alerts) {
      const held = this.#firing.get(alert.id);
      const span = held ? { ...held, alert } : { id: alert.id, fired_ms: now_ms, ended_ms: null, alert };
      if (!held) changed.push(span);
      firing.set(alert.id, span);
    }
    for (const [id, span] of this.#firing) {
      if (!firing.has(id)) changed.push({ ...span, ended_ms: Math.max(now_ms, span.fired_ms + 1) });
    }
    this.#firing = firing;
    return changed;
  }
}
