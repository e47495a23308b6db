import type { Database, Statement } from "better-sqlite3";
import {
  type AlertRecord,
  type Firing,
  GONE,
  type TickBatch,
  type WorkerAt,
  type WorkerStateRecord,
} from "./contract.ts";

/** What was when: the states of workers, and alerts. */
export class PastRecords {
  readonly #put_state: Statement<[WorkerStateRecord]>;
  readonly #workers_at: Statement<[number], WorkerAt>;
  readonly #last_known: Statement<[number, string], WorkerAt>;
  readonly #some_states: Statement<[string, number, number], WorkerStateRecord>;
  readonly #put_alert: Statement<[AlertRecord]>;
  readonly #alerts_of: Statement<[string, number, number], AlertRecord>;
  readonly #some_alerts: Statement<[number, number, number], AlertRecord>;
  readonly #some_firings: Statement<[number, number, number], Firing>;

  constructor(db: Database) {
    this.#put_state = db.prepare(
      "INSERT OR REPLACE INTO worker_states VALUES (@worker_id, @at_ms, @state, @last_report_ms)",
    );
    this.#workers_at = db.prepare(
      `SELECT id, document, state, at_ms AS since_ms, last_report_ms
       FROM workers JOIN worker_states ON worker_id = id AND at_ms =
         (SELECT max(at_ms) FROM worker_states WHERE worker_id = id AND at_ms <= ?)
       WHERE state <> '${GONE}' ORDER BY id`,
    );
    this.#last_known = db.prepare(
      `SELECT id, document, state, at_ms AS since_ms, last_report_ms
       FROM workers JOIN worker_states ON worker_id = id AND at_ms =
         (SELECT max(at_ms) FROM worker_states WHERE worker_id = id AND at_ms <= ? AND state <> '${GONE}')
       WHERE id = ?`,
    );
    this.#some_states = db.prepare(
      "SELECT * FROM worker_states WHERE worker_id = ? AND at_ms < ? ORDER BY at_ms DESC LIMIT ?",
    );
    this.#put_alert = db.prepare(
      "INSERT OR REPLACE INTO alerts VALUES (@id, @fired_ms, @ended_ms, @document, @title)",
    );
    this.#alerts_of = db.prepare(
      "SELECT * FROM alerts WHERE id = ? AND fired_ms < ? ORDER BY fired_ms DESC LIMIT ?",
    );
    this.#some_alerts = db.prepare(
      `SELECT * FROM alerts WHERE (ended_ms IS NULL OR ended_ms > ?) AND fired_ms < ?
       ORDER BY fired_ms DESC, id DESC LIMIT ?`,
    );
    // Of the index alone.
    this.#some_firings = db.prepare(
      `SELECT fired_ms, title FROM alerts WHERE fired_ms >= ? AND fired_ms < ? AND title <> ''
       ORDER BY fired_ms DESC, title DESC LIMIT ?`,
    );
  }

  write({ worker_states, alerts }: TickBatch): void {
    for (const record of worker_states) {
      const [at_ms, last_report_ms] = [Math.floor(record.at_ms), Math.floor(record.last_report_ms)];
      this.#put_state.run({ ...record, at_ms, last_report_ms });
    }
    for (const alert of alerts) {
      const { fired_ms, ended_ms } = alert;
      const whole = {
        fired_ms: Math.floor(fired_ms),
        ended_ms: ended_ms === null ? null : Math.floor(ended_ms),
      };
      this.#put_alert.run({ ...alert, ...whole });
    }
  }

  workersAt(at_ms: number): WorkerAt[] {
    return this.#workers_at.all(at_ms);
  }

  lastKnown(worker_id: string, at_ms: number): WorkerAt | undefined {
    return this.#last_known.get(at_ms, worker_id);
  }

  workerStates(worker_id: string, to_ms: number, limit: number): WorkerStateRecord[] {
    return this.#some_states.all(worker_id, to_ms, limit);
  }

  alertsOf(id: string, to_ms: number, limit: number): AlertRecord[] {
    return this.#alerts_of.all(id, to_ms, limit);
  }

  alerts(from_ms: number, to_ms: number, limit: number): AlertRecord[] {
    return this.#some_alerts.all(from_ms, to_ms, limit).reverse();
  }

  firings(from_ms: number, to_ms: number, limit: number): Firing[] {
    return this.#some_firings.all(from_ms, to_ms, limit).reverse();
  }
}
