import type { Page, Panel } from "./panel.ts";
import { alerts } from "./panels/alerts.tsx";
import { durations } from "./panels/durations.tsx";
import { history, workerHistory } from "./panels/history.tsx";
import { overview } from "./panels/overview.tsx";
import { performance } from "./panels/performance.tsx";
import { resources } from "./panels/resources.tsx";
import { sources } from "./panels/sources.tsx";
import { statusSelf } from "./panels/status-self.tsx";
import { taskDistribution } from "./panels/task-distribution.tsx";
import { worker } from "./panels/worker.tsx";
import { workerAlerts } from "./panels/worker-alerts.tsx";
import { workerCompatibility } from "./panels/worker-compatibility.tsx";
import { workerGrid } from "./panels/worker-grid.tsx";
import { workerLife } from "./panels/worker-life.tsx";
import { workerPerformance } from "./panels/worker-performance.tsx";
import { workerResources } from "./panels/worker-resources.tsx";
import { workerTasks } from "./panels/worker-tasks.tsx";

/** Every page, in the order of the navigation. */
export const PAGES: readonly Page[] = [
  {
    path: "/",
    title: "Overview",
    layout: "dashboard",
    panels: [overview, workerGrid, taskDistribution, performance, resources, alerts],
  },
  {
    path: "/workers/:worker_id",
    title: "Worker",
    subject: { param: "worker_id", below: "/workers" },
    layout: "detail",
    panels: [
      worker,
      workerTasks,
      workerPerformance,
      workerResources,
      workerCompatibility,
      workerAlerts,
      workerLife,
    ],
  },
  { path: "/history", title: "History", layout: "column", panels: [history, durations] },
  { path: "/status", title: "Status", layout: "column", panels: [statusSelf, sources] },
];

/** Every panel once, those of the pages in their order, then those that stand alone. */
export const PANELS: readonly Panel[] = [
  ...new Set([...PAGES.flatMap((page) => page.panels), workerHistory]),
];

const BY_ID: ReadonlyMap<string, Panel> = new Map(PANELS.map((panel) => [panel.id, panel]));

export function findPanel(id: string): Panel | undefined {
  return BY_ID.get(id);
}

export function findPage(path: string): Page | undefined {
  return PAGES.find((page) => page.path === path);
}
