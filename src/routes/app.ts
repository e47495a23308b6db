import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import type { Read } from "../metrics/read.ts";
import type { Around, ErrorFacts } from "../views/layout.tsx";
import { answer, failure, problem } from "./answers.ts";
import { type Assets, assetRoutes, readAssets } from "./assets.ts";
import { COMMON_HEADERS, embedHeaders, OWN_HEADERS } from "./headers.ts";
import { healthRoutes } from "./health.ts";
import type { Hub } from "./hub.ts";
import { bearsToken, type Ingest, ingestRoutes } from "./ingest.ts";
import { openApi } from "./openapi.ts";
import { pageRoutes } from "./pages.ts";
import { panelRoutes } from "./panels.ts";
import { type Given, parseParams } from "./params.ts";
import { type Ctx, pathNames, type Route } from "./route.ts";
import { SITE, type Site } from "./site.ts";
import { streamRoutes, streamUrl } from "./stream.ts";

export interface AppDeps {
  /** The newest snapshot; it changes only at ticks. */
  read(): Read;
  /** @throws EvenkeelError */
  ingest: Ingest;
  hub: Hub;
  /** Null when ready, else the reason. */
  ready(): string | null;
  settings: {
    base_path: string;
    frame_ancestors: string[];
    ingest_token: string | null;
    max_body_bytes: number;
    version: string;
  };
  /** What is shown; left out, it is all there is. */
  site?: Site;
}

export type App = Hono<{ Bindings: Partial<HttpBindings> }>;

const THEMES = ["auto", "light", "dark"] as const;

const LOOK = z.object({
  theme: z.enum(THEMES).default("auto").describe("Colours; auto follows the viewer's system"),
});

/** The whole HTTP interface. `routes` is the registry that it was made from. */
export function createApp(deps: AppDeps): { app: App; routes: readonly Route[] } {
  const base_path = deps.settings.base_path.replace(/\/+$/, "");
  const site = deps.site ?? SITE;
  const assets = readAssets();
  const routes = allRoutes(deps, site, assets, base_path);
  const app: App = new Hono();
  app.use(async (c, next) => {
    await next();
    addHeaders(c.res.headers);
  });
  app.onError((error, c) => failure(c, error, (view) => errorPage(c, view, site, assets, base_path)));
  app.notFound((c) => {
    throw new EvenkeelError(
      "not_found",
      `There is nothing at ${c.req.path.slice(0, 200)}; /openapi.json lists all routes`,
    );
  });
  mount(app, routes, base_path, deps.settings.ingest_token);
  return { app, routes };
}

function allRoutes(deps: AppDeps, site: Site, assets: Assets, base_path: string): Route[] {
  const { hub, read, settings } = deps;
  const around = (c: Ctx, stream: string, values: Given): Around => ({
    ...look(c, values, assets, base_path),
    read: read(),
    stream,
  });
  const routes: Route[] = [
    ...healthRoutes(deps.ready),
    ...ingestRoutes(deps.ingest, settings.max_body_bytes),
    ...streamRoutes(site.panels, hub),
    ...assetRoutes(assets),
    ...site.panels.flatMap((panel) =>
      panelRoutes(panel, {
        site,
        topics: hub.topics,
        read,
        embed: (c, request, markup, values) =>
          site.renderEmbed(request.panel, markup, around(c, streamUrl([panel], values), values)),
        embed_headers: embedHeaders(settings.frame_ancestors),
      }),
    ),
    ...site.pages.flatMap((page) =>
      pageRoutes(page, {
        topics: hub.topics,
        facts: read,
        base_path,
        renderPage: (c, of, markup, values) =>
          site.renderPage(of, markup, around(c, streamUrl(of.panels, values), values)),
      }),
    ),
  ];
  return [...routes, openApiRoute(routes, settings.version, base_path)];
}

function openApiRoute(others: readonly Route[], version: string, base_path: string): Route {
  let text: string | undefined;
  const route: Route = {
    method: "GET",
    path: "/openapi.json",
    needs: "nothing",
    summary: "This interface, described in OpenAPI 3.1.",
    response: { description: "The description", content: { "application/json": null } },
    handler: (c) => {
      text ??= `${JSON.stringify(openApi([...others, route], version, base_path))}\n`;
      return answer(c, text, { type: "application/json", cache: "no-cache" });
    },
  };
  return route;
}

function look(c: Ctx, values: Given, assets: Assets, base_path: string): Omit<Around, "read" | "stream"> {
  const { pathname, search } = new URL(c.req.url);
  const base = `${base_path}/`;
  return {
    base,
    theme: parseParams(LOOK, values).theme,
    assets: {
      style: base + assets.href("app.css"),
      script: base + assets.href("live.js"),
      icon: base + assets.href("icon.svg"),
    },
    url: pathname.slice(base.length) + search,
  };
}

function errorPage(c: Ctx, view: ErrorFacts, site: Site, assets: Assets, base_path: string): string {
  const theme = c.req.query("theme");
  const values: Given = new Map(THEMES.some((one) => one === theme) ? [["theme", theme!]] : []);
  return site.renderError(view, look(c, values, assets, base_path));
}

/** Every route at its path, behind its check; other methods of a path answer 405. */
function mount(app: App, routes: readonly Route[], base_path: string, ingest_token: string | null): void {
  if (base_path !== "") {
    app.get(base_path, (c) => c.redirect(`${base_path}/${new URL(c.req.url).search}`, 308));
  }
  // What is fixed comes first, so that /workers/performance is never taken for a worker.
  const ordered = [...routes].sort((a, b) => pathNames(a.path).length - pathNames(b.path).length);
  for (const path of new Set(ordered.map((route) => route.path))) {
    const here = ordered.filter((route) => route.path === path);
    for (const route of here) app.on(route.method, base_path + path, (c) => guarded(c, route, ingest_token));
    const allow = here.map((route) => (route.method === "GET" ? "GET, HEAD" : route.method)).join(", ");
    app.all(base_path + path, (c) =>
      problem(c, {
        status: 405,
        detail: `${c.req.path} takes ${allow}; got ${c.req.method}`,
        headers: { Allow: allow },
      }),
    );
  }
}

function guarded(c: Ctx, route: Route, ingest_token: string | null): Response | Promise<Response> {
  if (route.method !== "GET") checkOrigin(c);
  if (
    route.needs === "ingest" &&
    ingest_token !== null &&
    !bearsToken(c.req.header("authorization"), ingest_token)
  ) {
    throw new EvenkeelError(
      "unauthorized",
      "Authorization must be Bearer and the ingest token; it is missing or wrong",
    );
  }
  if (route.needs === "operate" || route.needs === "administer") {
    throw new EvenkeelError("forbidden", `${route.method} ${route.path} needs the right to ${route.needs}`);
  }
  return route.handler(c);
}

/** A page of another host cannot make a browser change anything here. */
function checkOrigin(c: Ctx): void {
  const origin = c.req.header("origin");
  if (origin === undefined || c.req.header("sec-fetch-site") === "same-origin") return;
  // A proxy may rewrite Host and then says what it was; a foreign page can set neither.
  const hosts = [c.req.header("host") ?? new URL(c.req.url).host, c.req.header("x-forwarded-host")];
  if (URL.canParse(origin) && hosts.includes(new URL(origin).host)) return;
  throw new EvenkeelError(
    "forbidden",
    `Origin must be this host; got ${JSON.stringify(origin.slice(0, 120))}`,
  );
}

function addHeaders(headers: Headers): void {
  // A stream has written its head itself.
  if (headers.has("x-hono-already-sent")) return;
  for (const [name, value] of Object.entries(COMMON_HEADERS)) headers.set(name, value);
  if (headers.has("Content-Security-Policy")) return;
  for (const [name, value] of Object.entries(OWN_HEADERS)) headers.set(name, value);
}
