import { alertTitle } from "./alert-data.ts";
import type { Page, Panel } from "./panel.ts";
import { alert, alertFirings, alertSteps } from "./panels/alert.tsx";
import { alertActions } from "./panels/alert-actions.tsx";
import { alertChart } from "./panels/alert-chart.tsx";
import { alertCounts } from "./panels/alert-counts.tsx";
import { alertList } from "./panels/alert-list.tsx";
import { alertRules } from "./panels/alert-rules.tsx";
import { alerts } from "./panels/alerts.tsx";
import { anomalies } from "./panels/anomalies.tsx";
import { assignments } from "./panels/assignments.tsx";
import { connectors } from "./panels/connectors.tsx";
import { cutPanels } from "./panels/cut/all.ts";
import { durations } from "./panels/durations.tsx";
import { history, workerHistory } from "./panels/history.tsx";
import { keysPanel } from "./panels/keys.tsx";
import { loadBalancer } from "./panels/load-balancer.tsx";
import { overview } from "./panels/overview.tsx";
import { performance } from "./panels/performance.tsx";
import { receivers } from "./panels/receivers.tsx";
import { resources } from "./panels/resources.tsx";
import { pageOfId, searchPanel } from "./panels/search.tsx";
import { silenceNew } from "./panels/silence-new.tsx";
import { silences } from "./panels/silences.tsx";
import { sources } from "./panels/sources.tsx";
import { statusSelf } from "./panels/status-self.tsx";
import { systemHistory } from "./panels/system-history.tsx";
import { task } from "./panels/task.tsx";
import { taskDistribution } from "./panels/task-distribution.tsx";
import { taskList } from "./panels/task-list.tsx";
import { taskMatches } from "./panels/task-matches.tsx";
import { taskTimeline } from "./panels/task-timeline.tsx";
import { waiting } from "./panels/waiting.tsx";
import { worker } from "./panels/worker.tsx";
import { workerAlerts } from "./panels/worker-alerts.tsx";
import { workerCompatibility } from "./panels/worker-compatibility.tsx";
import { workerGrid } from "./panels/worker-grid.tsx";
import { workerLife } from "./panels/worker-life.tsx";
import { workerList } from "./panels/worker-list.tsx";
import { workerPerformance } from "./panels/worker-performance.tsx";
import { workerRanking } from "./panels/worker-ranking.tsx";
import { workerResources } from "./panels/worker-resources.tsx";
import { workerTasks } from "./panels/worker-tasks.tsx";

/** Is made from the routes, and has no panels. */
export const API_PAGE: Page = {
  path: "/api",
  title: "API",
  key: "p",
  aside: true,
  layout: "column",
  panels: [],
};

const search = searchPanel(() => [...PAGES, API_PAGE]);
const keys = keysPanel(() => [...PAGES, API_PAGE]);

/** Every page, in the order of the navigation. */
export const PAGES: readonly Page[] = [
  {
    path: "/",
    title: "Overview",
    key: "o",
    layout: "dashboard",
    panels: [overview, workerGrid, taskDistribution, performance, resources, alerts],
  },
  { path: "/workers", title: "Workers", key: "w", layout: "column", panels: [workerList] },
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
  { path: "/tasks", title: "Tasks", key: "t", layout: "column", panels: [taskList] },
  {
    path: "/assignments",
    title: "Assignments",
    key: "n",
    layout: "column",
    panels: [assignments, waiting],
  },
  {
    path: "/tasks/:task_id",
    title: "Task",
    subject: { param: "task_id", below: "/tasks" },
    layout: "detail",
    panels: [task, taskTimeline, taskMatches],
  },
  {
    path: "/task-types/:task_type",
    title: "Task type",
    subject: { param: "task_type", below: "/" },
    layout: "detail",
    panels: cutPanels("task_type"),
  },
  {
    path: "/model-families/:model_family",
    title: "Model family",
    subject: { param: "model_family", below: "/" },
    layout: "detail",
    panels: cutPanels("model_family"),
  },
  {
    path: "/alerts",
    title: "Alerts",
    key: "a",
    layout: "column",
    panels: [alertList, anomalies, silences, receivers, alertRules],
  },
  {
    path: "/alerts/:alert_id",
    title: "Alert",
    subject: { param: "alert_id", below: "/alerts", title: alertTitle },
    layout: "detail",
    panels: [alert, alertActions, alertSteps, alertChart, alertFirings],
  },
  { path: "/silences/new", title: "New silence", aside: true, layout: "column", panels: [silenceNew] },
  { path: "/history", title: "History", key: "h", layout: "column", panels: [history, durations] },
  {
    path: "/status",
    title: "Status",
    key: "s",
    layout: "column",
    panels: [statusSelf, connectors, sources, receivers],
  },
  { path: "/search", title: "Search", aside: true, layout: "column", panels: [search], leadsTo: pageOfId },
  { path: "/keys", title: "Keys", aside: true, layout: "column", panels: [keys] },
];

/** In the header of every page. */
export const HEADER: Panel = alertCounts;

/** Every panel once, those of the pages in their order, then those that stand alone. */
export const PANELS: readonly Panel[] = [
  ...new Set([
    ...PAGES.flatMap((page) => page.panels),
    workerHistory,
    systemHistory,
    loadBalancer,
    workerRanking,
    HEADER,
  ]),
];

const BY_ID: ReadonlyMap<string, Panel> = new Map(PANELS.map((panel) => [panel.id, panel]));

export function findPanel(id: string): Panel | undefined {
  return BY_ID.get(id);
}

export function findPage(path: string): Page | undefined {
  return PAGES.find((page) => page.path === path);
}
