import { EvenkeelError } from "../errors.ts";
import { shown } from "../metrics/must-be.ts";
import { problem } from "./answers.ts";
import type { Guard } from "./auth/guard.ts";
import { FORM } from "./forms.ts";
import { namesHtml } from "./negotiate.ts";
import { isOwnOrigin } from "./proxies.ts";
import { type App, type Ctx, pathNames, type Route } from "./route.ts";

/** Until the tick that is worked off is done; null while none is. */
type Ticking = () => Promise<void> | null;

/** Every route at its path, behind its check; other methods of a path answer 405. */
export function mount(
  app: App,
  routes: readonly Route[],
  base_path: string,
  guard: Guard,
  ticking: Ticking = () => null,
): void {
  if (base_path !== "") {
    app.get(base_path, (c) => c.redirect(`${base_path}/${new URL(c.req.url).search}`, 308));
  }
  // What is fixed comes first, so that /workers/performance is never taken for a worker.
  const ordered = [...routes].sort((a, b) => pathNames(a.path).length - pathNames(b.path).length);
  for (const path of new Set(ordered.map((route) => route.path))) {
    const here = ordered.filter((route) => route.path === path);
    for (const route of here)
      app.on(route.method, base_path + path, (c) => settled(c, route, guard, ticking()));
    const allow = here.map((route) => (route.method === "GET" ? "GET, HEAD" : route.method)).join(", ");
    const page = here.some(({ takes }) => takes?.includes(FORM)) ? pageOf(ordered, path) : null;
    app.all(base_path + path, (c) => {
      // Where a form said what was wrong with it its address stands in the browser, and may be asked for again.
      if (page !== null && c.req.method === "GET" && namesHtml(c.req.header("accept")))
        return c.redirect(base_path + page(c.req.path.slice(base_path.length)), 303);
      return problem(c, {
        status: 405,
        detail: `${c.req.path} takes ${allow}; got ${c.req.method}`,
        headers: { Allow: allow },
      });
    });
  }
}

/** Nobody sees half a tick; what sees none of it is not held up by it. */
function settled(c: Ctx, route: Route, guard: Guard, ticking: Promise<void> | null) {
  if (ticking === null || route.needs === "ingest" || route.needs === "nothing")
    return guarded(c, route, guard);
  return ticking.then(() => guarded(c, route, guard));
}

/** Leads from a form's address to the page that it is on; null where there is none. */
function pageOf(routes: readonly Route[], path: string): ((at: string) => string) | null {
  const isPage = (at: string) =>
    routes.some(
      ({ method, path, response }) =>
        method === "GET" && path === at && "text/html" in (response?.content ?? {}),
    );
  if (isPage(`${path}/new`)) return (at) => `${at}/new`;
  const parts = path.split("/").length - 1;
  for (let up = 1; up <= parts; up += 1) if (isPage(above(path, up))) return (at) => above(at, up);
  return null;
}

/** The path without its last parts. */
function above(path: string, parts: number): string {
  return path.split("/").slice(0, -parts).join("/") || "/";
}

function guarded(c: Ctx, route: Route, guard: Guard): Response | Promise<Response> {
  // A browser lets any page open a WebSocket to any host, and read what comes.
  if (route.method !== "GET" || c.env?.upgrade) checkOrigin(c);
  return guard.pass(c, route);
}

/** A page of another host cannot make a browser change anything here. */
function checkOrigin(c: Ctx): void {
  const origin = c.req.header("origin");
  const site = c.req.header("sec-fetch-site");
  if (site === "same-origin") return;
  // A browser that keeps its page's origin to itself still says how near that is.
  if (origin === undefined && (site === undefined || site === "none")) return;
  if (origin !== undefined && isOwnOrigin(c, origin)) return;
  const got = origin === undefined ? `none, from ${shown(site)}` : shown(origin);
  throw new EvenkeelError(
    "forbidden",
    "Origin must be this host (behind a proxy that changes Host, name it in external_url or trusted_proxies); " +
      `got ${got}`,
  );
}
