import { defineCutPanel, type TaskCut } from "../../cut.ts";
import type { Panel } from "../../panel.ts";
import { assignment } from "./assignment.tsx";
import { completion } from "./completion.tsx";
import { distribution } from "./distribution.tsx";
import { overview } from "./overview.tsx";
import { scheduling } from "./scheduling.tsx";
import { speed } from "./speed.tsx";
import { throughput } from "./throughput.tsx";
import { trends } from "./trends.tsx";

/** The panels of the page about a task type, or about a model family. */
export function cutPanels(cut: TaskCut): readonly Panel[] {
  return [
    defineCutPanel(cut, overview),
    defineCutPanel(cut, distribution),
    defineCutPanel(cut, completion),
    defineCutPanel(cut, assignment),
    defineCutPanel(cut, throughput),
    defineCutPanel(cut, speed),
    defineCutPanel(cut, scheduling),
    defineCutPanel(cut, trends),
  ];
}
