import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import type { AccountStore } from "../metrics/store/accounts.ts";
import type { EmbedBuilderView } from "../views/embed-builder.tsx";
import type { Panel } from "../views/panel.ts";
import { answer } from "./answers.ts";
import type { Access } from "./auth/access.ts";
import { inWords } from "./auth/caller.ts";
import { makeLink } from "./auth/links.ts";
import type { Forms } from "./forms.ts";
import { type Given, given, panelRequest, parseParams } from "./params.ts";
import type { Ctx, Route } from "./route.ts";

const HTML = "text/html; charset=utf-8";
const LOOK = ["theme", "density", "tz"];

const PANEL = z.object({
  panel: z
    .string()
    .max(100)
    .optional()
    .describe("The panel; left out, the first one")
    .meta({ example: "performance" }),
});

interface EmbedDeps {
  readonly panels: readonly Panel[];
  readonly access: Access;
  readonly accounts: () => AccountStore;
  readonly forms: Forms;
  readonly now_ms: () => number;
  /** Who may frame what, as the setting has it. */
  readonly frame_ancestors: readonly string[];
  /** Where people reach the server; ends with a slash. */
  readonly url: () => string;
  readonly renderEmbedBuilder: (c: Ctx, view: EmbedBuilderView) => string;
}

/** The page that builds what others put into theirs, and the links that open a panel without a log-in. */
export function embedRoutes(deps: EmbedDeps): Route[] {
  const { access, accounts, forms, now_ms, panels } = deps;
  const page = (c: Ctx, values: Given, made: string | null) => {
    const panel = panelOf(panels, values);
    const chosen = chosenOf(panel, values);
    const caller = c.get("caller");
    const may = caller?.kind === "user" && caller.role !== "viewer";
    return deps.renderEmbedBuilder(c, {
      panels,
      panel,
      given: Object.fromEntries(chosen),
      address: addressOf(panel, chosen),
      url: deps.url(),
      blocked: blockedBy(deps.frame_ancestors),
      links: !access.protected ? "not needed" : may ? "may make" : "ask an operator",
      made,
    });
  };
  return [
    {
      method: "GET",
      path: "/embeds/new",
      needs: "read",
      summary: "The page that builds the address and the frame of an embedded panel.",
      params: PANEL,
      response: { description: "The page", content: { "text/html": null } },
      handler: (c) =>
        answer(c, page(c, given(c), null), { type: HTML, headers: { Vary: "Cookie, Accept-Encoding" } }),
    },
    forms.route(
      "/embeds",
      "operate",
      "Makes a link that opens one panel without a log-in.",
      async (c, fields) => {
        const values: Given = new Map([...fields].filter(([, value]) => value !== ""));
        const panel = panelOf(panels, values);
        const chosen = chosenOf(panel, values);
        panelRequest(panel, chosen);
        const by = inWords(c.get("caller")!);
        const days = Number(fields.get("days"));
        const link = await makeLink(accounts(), { panel: panel.id, given: chosen, days, by }, now_ms());
        c.set("audited", { detail: `${panel.id} for ${days} d` });
        const made = addressOf(panel, [...chosen, ["link", link]]);
        return new Response(page(c, values, made), {
          headers: { "Content-Type": HTML, "Cache-Control": "no-store" },
        });
      },
    ),
  ];
}

function panelOf(panels: readonly Panel[], values: Given): Panel {
  const { panel: id } = parseParams(PANEL, values);
  const panel = id === undefined ? panels[0] : panels.find((one) => one.id === id);
  if (panel) return panel;
  throw new EvenkeelError("not_found", `There is no panel ${JSON.stringify(id)}`, {
    details: { parameter: "panel" },
  });
}

/** What is chosen of the panel's parameters and of its look. */
function chosenOf(panel: Panel, values: Given): ReadonlyMap<string, string> {
  const names = [...Object.keys(panel.params.shape), ...LOOK];
  return new Map(
    names.flatMap((name) => {
      const value = [values.get(name) ?? []].flat().join(",");
      return value === "" || value === "auto" || value === "comfortable" ? [] : [[name, value]];
    }),
  );
}

function addressOf(panel: Panel, chosen: Iterable<[string, string]>): string | null {
  const values = new Map(chosen);
  const missing = Object.entries(panel.params.shape).some(
    ([name, field]) => !values.has(name) && !(field as z.ZodType).safeParse(undefined).success,
  );
  if (missing) return null;
  const query = new URLSearchParams([...values]).toString();
  return `embed/${panel.id}${query === "" ? "" : `?${query}`}`;
}

/** What keeps another site from showing it. */
function blockedBy(frame_ancestors: readonly string[]): string[] {
  const words = frame_ancestors.join(" ").replaceAll("'", "");
  if (words === "none") return ["No page may show it in a frame: EVENKEEL_FRAME_ANCESTORS is none."];
  if (words !== "self") {
    const own = words.split(" ").includes("self") || words.includes("*");
    const preview = own ? "" : " This page is none of them: without self the preview below stays empty.";
    return [`Pages of ${words} may show it in a frame (EVENKEEL_FRAME_ANCESTORS).${preview}`];
  }
  return [
    'Only pages of this very origin may show it in a frame: EVENKEEL_FRAME_ANCESTORS is self. For another site set it to "self https://wiki.example".',
  ];
}
