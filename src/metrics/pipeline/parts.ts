import type { AlertBook } from "../process/alert-book.ts";
import type { AnomalyWatch } from "../process/anomaly-watch.ts";
import type { Fleet } from "../process/fleet.ts";
import type { Notify } from "../process/notify/notify.ts";
import type { Recent } from "../process/recent.ts";
import type { MetricStore } from "../store/contract.ts";

/** What a pipeline is made of, and what its files work on. */
export interface Parts {
  readonly store: MetricStore;
  readonly fleet: Fleet;
  readonly alerts: AlertBook;
  readonly anomalies: AnomalyWatch;
  readonly recent: Recent;
  /** Who tells receivers of alerts; null where nobody is told, as of the demo fleet's. */
  readonly notify: Pick<Notify, "step" | "written" | "telling"> | null;
}
