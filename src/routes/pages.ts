import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { clean } from "../metrics/format.ts";
import type { Page } from "../views/panel.ts";
import { chosenPanels, type Preferences } from "../views/preferences.ts";
import { MOMENT, PAGE_LOOK } from "../views/window.ts";
import { answer } from "./answers.ts";
import { inTurns, type MomentDeps, momentOf, type Shown, shownOf } from "./moment.ts";
import { negotiate } from "./negotiate.ts";
import { type Given, given, keepingOrder, type PanelRequest, panelRequest, parseParams } from "./params.ts";
import { type Ctx, pathNames, type Route } from "./route.ts";
import type { Topic } from "./topics.ts";

interface PageDeps extends MomentDeps {
  /** What the viewer chose. */
  readonly preferences: (c: Ctx) => Preferences;
  /** Ends without a slash. */
  readonly base_path: string;
  readonly renderPage: (c: Ctx, page: Page, panels: readonly string[], values: Given, shown: Shown) => string;
}

/** A page at its path and, where the path is fixed, its panels' data at the path with `.json`. */
export function pageRoutes(page: Page, deps: PageDeps): Route[] {
  const more = [
    ...(page.panels.every((panel) => panel.past) ? [MOMENT] : []),
    ...(page.layout === "dashboard" ? [arrangementOf(page)] : []),
  ];
  const params = z.object(
    Object.assign({}, ...[...page.panels.map((panel) => panel.params), ...more].map(({ shape }) => shape)),
  );
  const panels = z.object(Object.fromEntries(page.panels.map((panel) => [panel.id, panel.data])));
  const data = z.object({
    success: z.literal(true),
    at_ms: z.number().describe("Unix milliseconds of the tick"),
    tick: z.int().describe("Counts up by one a tick"),
    demo: z.boolean().describe("True while the fleet is the demo's"),
    // The address may name some of a dashboard's.
    panels: page.layout === "dashboard" ? panels.partial() : panels,
  });
  const fixed = pathNames(page.path).length === 0;
  const example = page.panels[0]?.example;
  const html: Route = {
    method: "GET",
    path: page.path,
    needs: "read",
    summary: `The page ${page.title}.`,
    ...(example !== undefined && { example: { params: example } }),
    params: params.extend({ format: z.enum(["html", "json"]).optional().describe("Instead of Accept") }),
    response: {
      description: "The page, or its panels' data",
      content: { "text/html": null, "application/json": data },
    },
    handler: async (c) => {
      const asked = given(c);
      const form = pageForm(c, asked);
      const { search, pathname } = new URL(c.req.url);
      const begins = form === "html" && search === "" ? beginningOf(page, deps.preferences(c)) : "";
      if (begins !== "") return c.redirect(`${pathname}?${begins}`, 302);
      const values = form === "json" ? asked : keepingOrder(page.panels, asked, deps.read().now_ms);
      const arranged = arrangedPage(page, values);
      const requests = arranged.panels.map((panel) => panelRequest(panel, values));
      const led = form === "html" ? page.leadsTo?.(deps.read(), requests[0]!.params) : undefined;
      if (led !== undefined) return c.redirect(inSameLook(`${deps.base_path}/${led}`, asked), 302);
      const moment = momentOf(arranged.panels, values, deps.read().now_ms);
      if (form === "html" && moment?.relative) return c.redirect(atMoment(c, moment.at_ms), 302);
      const work = (topic: Topic) => (form === "json" ? topic.json() : topic.rendered());
      const shown = await inTurns(requests, await shownOf(arranged.panels, values, deps), work, deps);
      if (form === "json") return pageData(c, requests, shown);
      const markup = requests.map((request) => shown.topic(request).rendered().html);
      return answer(c, deps.renderPage(c, arranged, markup, values, shown), {
        type: "text/html; charset=utf-8",
        headers: {
          Vary: "Accept, Accept-Encoding, Cookie",
          Link: `<${alternate(c, page, deps)}>; rel="alternate"; type="application/json"`,
        },
      });
    },
  };
  if (!fixed) return [html];
  return [
    html,
    {
      ...html,
      path: jsonPath(page),
      summary: `The data of the page ${page.title}.`,
      params,
      response: { description: "The data of its panels", content: { "application/json": data } },
      handler: async (c) => {
        const values = given(c);
        const { panels } = arrangedPage(page, values);
        const requests = panels.map((panel) => panelRequest(panel, values));
        const work = (topic: Topic) => topic.json();
        return pageData(
          c,
          requests,
          await inTurns(requests, await shownOf(panels, values, deps), work, deps),
        );
      },
    },
  ];
}

const ARRANGEMENT = z.object({
  panels: z
    .string()
    .max(1000)
    .optional()
    .describe("Ids of the panels to show, in their order, separated by commas; left out, all of them"),
});

/** With an example of the page's own. */
function arrangementOf({ panels }: Page): z.ZodObject {
  const example = panels
    .slice(0, 2)
    .map(({ id }) => id)
    .join(",");
  return z.object({ panels: ARRANGEMENT.shape.panels.meta({ example }) });
}

/** The page with the panels that the address names. */
function arrangedPage(page: Page, values: Given): Page {
  if (page.layout !== "dashboard") return page;
  const { panels: list } = parseParams(ARRANGEMENT, values);
  if (list === undefined) return page;
  const ids = list.split(",").filter((id) => id !== "");
  const strange = ids.find((id) => !page.panels.some((panel) => panel.id === id));
  if (strange !== undefined || ids.length === 0) {
    const known = page.panels.map(({ id }) => id).join(", ");
    throw new EvenkeelError(
      "invalid",
      `Parameter panels: must be some of ${known}; got ${JSON.stringify((strange ?? list).slice(0, 80))}`,
      { details: { parameter: "panels" } },
    );
  }
  return { ...page, panels: chosenPanels(page.panels, ids) };
}

/** The query that a viewer's choices begin a page with; empty for the page as it is. */
function beginningOf(page: Page, { filters, panels, range }: Preferences): string {
  const query = new URLSearchParams();
  if (page.path === "/") {
    for (const [name, value] of Object.entries(filters)) if (value !== undefined) query.set(name, value);
    const chosen = chosenPanels(page.panels, panels);
    if (chosen.some((panel, place) => panel !== page.panels[place]) || chosen.length < page.panels.length)
      query.set("panels", chosen.map(({ id }) => id).join(","));
  }
  if (page.path === "/history" && range !== "") query.set("duration", range);
  return query.toString().replaceAll("%2C", ",");
}

function jsonPath(page: Page): string {
  return page.path === "/" ? "/index.json" : `${page.path}.json`;
}

/** @throws EvenkeelError "not_acceptable" */
export function pageForm(c: Ctx, values: Given): "html" | "json" {
  const word = values.get("format");
  if (word === "html" || word === "json") return word;
  if (word !== undefined) throw notAcceptable(`format=${clean(String(word))}`);
  const accept = c.req.header("accept");
  const type = negotiate(accept, ["text/html", "application/json"]);
  if (type === null) throw notAcceptable(`Accept: ${accept}`);
  return type === "text/html" ? "html" : "json";
}

function notAcceptable(got: string): EvenkeelError {
  return new EvenkeelError(
    "not_acceptable",
    `A page comes as html (text/html) or json (application/json); got ${got.slice(0, 120)}`,
    { details: { formats: ["html", "json"] } },
  );
}

function pageData(c: Ctx, requests: readonly PanelRequest[], { read, topic }: Shown): Promise<Response> {
  const { tick, now_ms, demo } = read;
  const panels = requests.map((request) => `${JSON.stringify(request.panel.id)}:${topic(request).json()}`);
  const text = `{"success":true,"at_ms":${now_ms},"tick":${tick},"demo":${demo},"panels":{${panels.join(",")}}}\n`;
  return answer(c, text, { type: "application/json" });
}

/** The same address with the moment told for good, so that it shows the same to everyone it is sent to. */
function atMoment(c: Ctx, at_ms: number): string {
  const { pathname, searchParams } = new URL(c.req.url);
  searchParams.set("at", String(at_ms));
  return `${pathname}?${searchParams}`;
}

/** An address with the parameters of the look that was asked for. */
function inSameLook(address: string, values: Given): string {
  const look = new URLSearchParams();
  for (const name of Object.keys(PAGE_LOOK.shape)) {
    const value = values.get(name);
    if (typeof value === "string") look.set(name, value);
  }
  if (look.size === 0) return address;
  return `${address}${address.includes("?") ? "&" : "?"}${look}`;
}

/** Where the data of what is shown is: the same address with `.json`, or with `format=json` where that may be an id's end. */
function alternate(c: Ctx, page: Page, { base_path }: PageDeps): string {
  const { pathname, searchParams } = new URL(c.req.url);
  const fixed = pathNames(page.path).length === 0;
  if (!fixed) searchParams.set("format", "json");
  const query = searchParams.size > 0 ? `?${searchParams}` : "";
  return `${fixed ? base_path + jsonPath(page) : pathname}${query}`;
}
