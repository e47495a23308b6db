import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import type { AccountStore } from "../metrics/store/accounts.ts";
import type { Panel } from "../views/panel.ts";
import { PREFERENCES, type Preferences, SAVED_VIEW } from "../views/preferences.ts";
import { answer } from "./answers.ts";
import { inWords } from "./auth/caller.ts";
import { checked, type Forms } from "./forms.ts";
import type { Ctx, Route } from "./route.ts";
import type { Sessions } from "./sessions.ts";

interface SettingsDeps {
  readonly sessions: Sessions;
  /** Of the main dashboard. */
  readonly panels: readonly Panel[];
  readonly forms: Forms;
  readonly accounts: () => AccountStore;
  readonly renderSettings: (c: Ctx, preferences: Preferences, done: string | null) => string;
}

const DONE: Readonly<Record<string, string>> = {
  saved: "Saved.",
  forgotten: "Forgotten: this browser is unknown again.",
};

/** The page of a viewer's own choices, and the forms on it. */
export function settingsRoutes({ sessions, panels, forms, accounts, renderSettings }: SettingsDeps): Route[] {
  const back = (where: string, headers: Record<string, string>) => forms.back(where, headers);
  const form = (
    path: string,
    summary: string,
    handle: (c: Ctx, fields: URLSearchParams) => Response,
  ): Route => forms.route(path, "read", summary, handle);
  const keep = (c: Ctx, changes: object, where = "settings?done=saved") => {
    const preferences = checked(PREFERENCES_STRICT, { ...sessions.preferences(c), ...changes });
    return back(where, sessions.save(c, preferences));
  };
  return [
    {
      method: "GET",
      path: "/settings",
      needs: "read",
      summary: "The page Settings: what this browser's viewer chose.",
      params: z.object({
        done: z.string().optional().describe("What was just done").meta({ example: "saved" }),
      }),
      response: { description: "The page", content: { "text/html": null } },
      handler: (c) => {
        const done = c.req.query("done") ?? "";
        const said = Object.hasOwn(DONE, done) ? DONE[done]! : null;
        const page = renderSettings(c, sessions.preferences(c), said);
        return answer(c, page, {
          type: "text/html; charset=utf-8",
          headers: { Vary: "Cookie, Accept-Encoding" },
        });
      },
    },
    form("/settings", "Keeps how pages look and where they begin.", (c, fields) => {
      const filters = Object.fromEntries(
        ["worker_type", "task_type", "model_family", "q"].flatMap((name) => {
          const value = fields.get(name)?.trim();
          return value ? [[name, value]] : [];
        }),
      );
      const text = (name: string) => fields.get(name)?.trim() ?? "";
      return keep(c, {
        theme: text("theme"),
        density: text("density"),
        tz: text("tz"),
        range: text("range"),
        name: text("name"),
        filters,
      });
    }),
    form("/settings/panels", "Keeps which panels the overview shows, and their order.", (c, fields) => {
      if (fields.get("reset")) return keep(c, { panels: null });
      const known = new Set(panels.map(({ id }) => id));
      const order = (fields.get("order") ?? "").split(",").filter((id) => known.has(id));
      move(order, fields.get("up"), -1);
      move(order, fields.get("down"), 1);
      const shown = new Set(fields.getAll("shown"));
      const chosen = order.filter((id) => shown.has(id));
      if (chosen.length === 0) {
        throw new EvenkeelError("unprocessable", "shown must be at least one panel; got none", {
          details: { path: "shown" },
        });
      }
      return keep(c, { panels: chosen }, "settings?done=saved#st-panels");
    }),
    form("/settings/views", "Saves an address under a name.", (c, fields) => {
      const view = checked(SAVED_VIEW, { name: fields.get("name") ?? "", url: fields.get("url") ?? "" });
      const others = sessions.preferences(c).views.filter(({ name }) => name !== view.name);
      return keep(c, { views: [...others, view] }, view.url);
    }),
    form("/settings/views/forget", "Forgets a saved view.", (c, fields) => {
      const views = sessions.preferences(c).views.filter(({ name }) => name !== fields.get("name"));
      return keep(c, { views }, "settings?done=saved#st-views");
    }),
    forms.route("/views", "operate", "Saves an address under a name for everybody.", (c, fields) => {
      const view = checked(SAVED_VIEW, { name: fields.get("name") ?? "", url: fields.get("url") ?? "" });
      const created_by = inWords(c.get("caller")!);
      if (!accounts().putSharedView({ ...view, created_by }))
        throw new EvenkeelError("too_many", "There is no room for another view; forget some first");
      c.set("audited", { detail: view.name });
      return forms.back(view.url);
    }),
    forms.route("/views/forget", "operate", "Forgets a view that is saved for everybody.", (c, fields) => {
      const name = fields.get("name") ?? "";
      accounts().removeSharedView(name);
      c.set("audited", { detail: name });
      return forms.back("settings?done=saved#st-views");
    }),
    form("/settings/forget", "Forgets all that this browser's viewer chose.", (c) =>
      back("settings?done=forgotten", sessions.end(c)),
    ),
  ];
}

/** What is kept falls back where it does not read; what comes must be right. */
const PREFERENCES_STRICT = z.object(
  Object.fromEntries(Object.entries(PREFERENCES.shape).map(([name, kind]) => [name, kind.unwrap()])) as {
    [Name in keyof typeof PREFERENCES.shape]: ReturnType<(typeof PREFERENCES.shape)[Name]["unwrap"]>;
  },
);

function move(order: string[], id: string | null, by: 1 | -1): void {
  const place = id === null ? -1 : order.indexOf(id);
  const other = place + by;
  if (place === -1 || other < 0 || other >= order.length) return;
  [order[place], order[other]] = [order[other]!, order[place]!];
}
