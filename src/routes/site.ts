import type { Read } from "../metrics/read.ts";
import type { ApiView } from "../views/api.tsx";
import type { Around, Look } from "../views/around.ts";
import { renderChart, renderPanel } from "../views/frame.tsx";
import {
  type ErrorFacts,
  renderApi,
  renderEmbed,
  renderError,
  renderPage,
  renderSettings,
} from "../views/layout.tsx";
import type { Page, Panel } from "../views/panel.ts";
import type { Split } from "../views/part.tsx";
import { HEADER, PAGES, PANELS } from "../views/registry.ts";
import type { SettingsView } from "../views/settings.tsx";

/** All that is shown, and how it becomes markup. */
export interface Site {
  readonly panels: readonly Panel[];
  readonly pages: readonly Page[];
  /** In the header of every page; null for none. */
  readonly header: Panel | null;
  readonly renderPanel: (panel: Panel, params: Record<string, unknown>, read: Read) => Split;
  readonly renderChart: (panel: Panel, params: Record<string, unknown>, read: Read) => string | undefined;
  readonly renderPage: (page: Page, panels: readonly string[], around: Around) => string;
  readonly renderEmbed: (panel: Panel, markup: string, around: Around) => string;
  readonly renderSettings: (view: Omit<SettingsView, "read" | "may_operate">, around: Around) => string;
  readonly renderApi: (view: ApiView, around: Around) => string;
  readonly renderError: (error: ErrorFacts, around: Look) => string;
}

export const SITE: Site = {
  panels: PANELS,
  pages: PAGES,
  header: HEADER,
  renderPanel,
  renderChart,
  renderPage: (page, panels, around) => renderPage(page, panels, around),
  renderEmbed,
  renderSettings: (view, around) => renderSettings(view, around),
  renderApi: (view, around) => renderApi(view, around),
  renderError,
};

/** The id of a panel's element. */
export function elementId(panel: Panel): string {
  return `p-${panel.id}`;
}
