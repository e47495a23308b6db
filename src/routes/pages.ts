import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import type { Page } from "../views/panel.ts";
import { MOMENT } from "../views/window.ts";
import { answer } from "./answers.ts";
import { type MomentDeps, momentOf, type Shown, shownOf } from "./moment.ts";
import { negotiate } from "./negotiate.ts";
import { type Given, given, keepingOrder, type PanelRequest, panelRequest } from "./params.ts";
import { type Ctx, pathNames, type Route } from "./route.ts";

interface PageDeps extends MomentDeps {
  /** Ends without a slash. */
  readonly base_path: string;
  readonly renderPage: (c: Ctx, page: Page, panels: readonly string[], values: Given, shown: Shown) => string;
}

/** A page at its path and, where the path is fixed, its panels' data at the path with `.json`. */
export function pageRoutes(page: Page, deps: PageDeps): Route[] {
  const moment = page.panels.every((panel) => panel.past) ? [MOMENT] : [];
  const params = z.object(
    Object.assign({}, ...[...page.panels.map((panel) => panel.params), ...moment].map(({ shape }) => shape)),
  );
  const data = z.object({
    success: z.literal(true),
    at_ms: z.number().describe("Unix milliseconds of the tick"),
    tick: z.int().describe("Counts up by one a tick"),
    demo: z.boolean().describe("True while the fleet is the demo's"),
    panels: z.object(Object.fromEntries(page.panels.map((panel) => [panel.id, panel.data]))),
  });
  const fixed = pathNames(page.path).length === 0;
  const html: Route = {
    method: "GET",
    path: page.path,
    needs: "read",
    summary: `The page ${page.title}.`,
    params: params.extend({ format: z.enum(["html", "json"]).optional().describe("Instead of Accept") }),
    response: {
      description: "The page, or its panels' data",
      content: { "text/html": null, "application/json": data },
    },
    handler: async (c) => {
      const asked = given(c);
      const form = pageForm(c, asked);
      const values = form === "json" ? asked : keepingOrder(page.panels, asked, deps.read().now_ms);
      const requests = page.panels.map((panel) => panelRequest(panel, values));
      const moment = momentOf(page.panels, values, deps.read().now_ms);
      const led = form === "html" ? page.leadsTo?.(deps.read(), requests[0]!.params) : undefined;
      if (led !== undefined) return c.redirect(inSameLook(`${deps.base_path}/${led}`, asked), 302);
      if (form === "html" && moment?.relative) return c.redirect(atMoment(c, moment.at_ms), 302);
      const shown = await shownOf(page.panels, values, deps);
      if (form === "json") return pageData(c, requests, shown);
      const markup = requests.map((request) => shown.topic(request).rendered().html);
      return answer(c, deps.renderPage(c, page, markup, values, shown), {
        type: "text/html; charset=utf-8",
        headers: { Link: `<${alternate(c, page, deps)}>; rel="alternate"; type="application/json"` },
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
        const requests = page.panels.map((panel) => panelRequest(panel, values));
        return pageData(c, requests, await shownOf(page.panels, values, deps));
      },
    },
  ];
}

function jsonPath(page: Page): string {
  return page.path === "/" ? "/index.json" : `${page.path}.json`;
}

function pageForm(c: Ctx, values: Given): "html" | "json" {
  const word = values.get("format");
  if (word === "html" || word === "json") return word;
  if (word !== undefined) throw notAcceptable(`format=${word}`);
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
  for (const name of ["theme", "tz"]) {
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
