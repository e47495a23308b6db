import type { ConnectorKind } from "./connector.ts";
import { COORDINATOR } from "./coordinator/coordinator.ts";
import { PROMETHEUS } from "./prometheus/prometheus.ts";

/** Every kind of connector that the config file may name. */
export const CONNECTOR_KINDS: readonly ConnectorKind[] = [COORDINATOR, PROMETHEUS];
