import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import type { AccountStore } from "../metrics/store/accounts.ts";
import type { EmbedBuilderView } from "../views/embed-builder.tsx";
import type { FormProblem } from "../views/form.tsx";
import type { Panel } from "../views/panel.ts";
import { answer } from "./answers.ts";
import { type Access, mayOperate } from "./auth/access.ts";
import { inWords } from "./auth/caller.ts";
import { makeLink } from "./auth/links.ts";
import { type Forms, problemOf } from "./forms.ts";
import { type Given, given, LOOK, panelRequest, parseParams } from "./params.ts";
import type { Ctx, Route } from "./route.ts";

const HTML = { type: "text/html; charset=utf-8", headers: { Vary: "Cookie, Accept-Encoding" } };
const MADE = { "Content-Type": HTML.type, "Cache-Control": "no-store" };
const BUILD = "embeds/new";

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
  readonly url: (c: Ctx) => string;
  readonly renderEmbedBuilder: (c: Ctx, view: EmbedBuilderView) => string;
}

/** The page that builds what others put into theirs, and the links that open a panel without a log-in. */
export function embedRoutes(deps: EmbedDeps): Route[] {
  const { access, accounts, forms, now_ms, panels } = deps;
  const page = (c: Ctx, values: Given, { made = null, problem = null }: Outcome) => {
    const panel = panelOf(panels, values);
    const chosen = chosenOf(panel, values);
    const may = mayOperate(c.get("caller"));
    return deps.renderEmbedBuilder(c, {
      panels,
      panel,
      given: Object.fromEntries(chosen),
      address: problem?.form === BUILD ? null : addressOf(panel, chosen),
      url: deps.url(c),
      ...framedBy(deps.frame_ancestors),
      links: !access.protected ? "not needed" : may ? "may make" : "ask an operator",
      made,
      problem,
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
      handler: (c) => {
        const values = given(c);
        const problem = problemIn(panelOf(panels, values), values);
        if (problem === null) return answer(c, page(c, values, {}), HTML);
        return new Response(page(c, values, { problem }), { status: 400, headers: MADE });
      },
    },
    forms.route(
      "/embeds",
      "operate",
      "Makes a link that opens one panel without a log-in.",
      async (c, fields) => {
        const values = filled(fields);
        const panel = panelOf(panels, values);
        const chosen = chosenOf(panel, values);
        checkFrame(panel, chosen);
        const by = inWords(c.get("caller")!);
        const days = Number(fields.get("days"));
        const link = await makeLink(accounts(), { panel: panel.id, given: chosen, days, by }, now_ms());
        c.set("audited", { detail: `${panel.id} for ${days} d` });
        const made = addressOf(panel, [...chosen, ["link", link]]);
        return new Response(page(c, values, { made }), { headers: MADE });
      },
      (c, problem) => page(c, filled(Object.entries(problem.filled)), { problem }),
    ),
  ];
}

interface Outcome {
  readonly made?: string | null;
  readonly problem?: FormProblem | null;
}

function filled(fields: Iterable<[string, string]>): Given {
  return new Map([...fields].filter(([, value]) => value !== ""));
}

/** What is wrong with what was filled in; nothing while what the panel needs is yet to come. */
function problemIn(panel: Panel, values: Given): FormProblem | null {
  const chosen = chosenOf(panel, values);
  if (addressOf(panel, chosen) === null) return null;
  try {
    checkFrame(panel, chosen);
    return null;
  } catch (error) {
    if (error instanceof EvenkeelError) return problemOf(error, BUILD, chosen);
    throw error;
  }
}

/** @throws EvenkeelError that names the parameter */
function checkFrame(panel: Panel, chosen: Given): void {
  panelRequest(panel, chosen);
  parseParams(LOOK, chosen);
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
  const names = [...Object.keys(panel.params.shape), ...Object.keys(LOOK.shape)];
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

/** Which pages can show it in a frame, in words, and whether one of ours can. */
function framedBy(frame_ancestors: readonly string[]): Pick<EmbedBuilderView, "framed" | "preview"> {
  const sources = frame_ancestors.map((source) => source.replaceAll("'", ""));
  const preview = sources.includes("self") || sources.includes("*");
  const words = sources.map((source) => (source === "self" ? "this server itself" : source)).join(", ");
  if (words === "none")
    return { framed: "No page may show it in a frame: EVENKEEL_FRAME_ANCESTORS is none.", preview };
  if (words !== "this server itself")
    return { framed: `Pages of ${words} may show it in a frame (EVENKEEL_FRAME_ANCESTORS).`, preview };
  return {
    framed:
      "Only pages of this very origin may show it in a frame: EVENKEEL_FRAME_ANCESTORS is self. For another site " +
      'set it to "self https://wiki.example".',
    preview,
  };
}
