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
  /** Who tells receivers of alerts; null where there is nobody. */
  readonly notify: Pick<Notify, "step" | "written" | "telling"> | null;
  /** Whether the fleet is the demo's. */
  readonly demo: boolean;
}
