import type { Page, Panel } from "./panel.ts";
import { alerts } from "./panels/alerts.tsx";
import { assignments } from "./panels/assignments.tsx";
import { cutPanels } from "./panels/cut/all.ts";
import { durations } from "./panels/durations.tsx";
import { history, workerHistory } from "./panels/history.tsx";
import { overview } from "./panels/overview.tsx";
import { performance } from "./panels/performance.tsx";
import { resources } from "./panels/resources.tsx";
import { sources } from "./panels/sources.tsx";
import { statusSelf } from "./panels/status-self.tsx";
import { task } from "./panels/task.tsx";
import { taskDistribution } from "./panels/task-distribution.tsx";
import { taskMatches } from "./panels/task-matches.tsx";
import { taskTimeline } from "./panels/task-timeline.tsx";
import { waiting } from "./panels/waiting.tsx";
import { workerGrid } from "./panels/worker-grid.tsx";

/** Every page, in the order of the navigation. */
export const PAGES: readonly Page[] = [
  {
    path: "/",
    title: "Overview",
    layout: "dashboard",
    panels: [overview, workerGrid, taskDistribution, performance, resources, alerts],
  },
  { path: "/assignments", title: "Assignments", layout: "column", panels: [assignments, waiting] },
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
