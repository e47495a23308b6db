import { EvenkeelError } from "../../errors.ts";
import type { AuditEntry } from "../../metrics/accounts.ts";
import { namesHtml } from "../negotiate.ts";
import type { Ctx, Route } from "../route.ts";
import type { Access } from "./access.ts";
import { addressOf } from "./address.ts";
import { inWords } from "./caller.ts";

export interface GuardDeps {
  /** Null where whoever calls is trusted. */
  readonly access: Access | null;
  readonly note: (entry: AuditEntry) => void;
  readonly now_ms: () => number;
  /** Ends without a slash. */
  readonly base_path: string;
}

/** Lets through who may, and notes who changed what. */
export class Guard {
  readonly #deps: GuardDeps;

  constructor(deps: GuardDeps) {
    this.#deps = deps;
  }

  /** @throws EvenkeelError for whoever may not */
  pass(c: Ctx, route: Route): Response | Promise<Response> {
    const { access } = this.#deps;
    if (access === null) return route.handler(c);
    const link = c.req.query("link");
    if (link !== undefined && route.needs === "read" && access.protected)
      return this.#byLink(access, c, route, link);
    try {
      c.set("caller", access.check(c, route));
    } catch (error) {
      const login = this.#loginFor(c, route, error);
      if (login === null) throw error;
      return login;
    }
    return isAudited(route) ? this.#audited(c, route) : route.handler(c);
  }

  async #byLink(access: Access, c: Ctx, route: Route, link: string): Promise<Response> {
    c.set("caller", await access.checkLink(c, route, link));
    return route.handler(c);
  }

  /** A person is led to where they log in, and from there back. */
  #loginFor(c: Ctx, { method, response }: Route, error: unknown): Response | null {
    const missing = error instanceof EvenkeelError && error.kind === "unauthorized";
    if (!missing || method !== "GET" || !namesHtml(c.req.header("accept"))) return null;
    // A page's stream is told by 401, and the page then loads again; a form would not work in another site's frame.
    const loaded = ["document", undefined].includes(c.req.header("sec-fetch-dest"));
    if (!loaded || "text/event-stream" in (response?.content ?? {})) return null;
    const { base_path } = this.#deps;
    const { pathname, search } = new URL(c.req.url);
    const next = pathname.slice(base_path.length + 1) + search;
    const query = next === "" ? "" : `?${new URLSearchParams({ next })}`;
    return new Response(null, {
      status: 303,
      headers: {
        Location: `${base_path}/login${query}`,
        "Cache-Control": "no-store",
        Vary: "Accept, Cookie",
      },
    });
  }

  async #audited(c: Ctx, route: Route): Promise<Response> {
    const response = await route.handler(c);
    const audited = c.get("audited");
    // Nothing was done, or it failed; a log-in that was refused says so itself.
    if (audited === null || (response.status >= 400 && audited === undefined)) return response;
    const { who, detail } = audited ?? { who: undefined, detail: pathOf(c, this.#deps.base_path) };
    const caller = c.get("caller")!;
    try {
      this.#deps.note({
        at_ms: this.#deps.now_ms(),
        who: who ?? inWords(caller),
        address: addressOf(c),
        what: route.summary,
        detail: detail.slice(0, MAX_DETAIL),
      });
    } catch (error) {
      // What was done is done: a disk that is full must not hide that.
      console.error(error);
    }
    return response;
  }
}

const MAX_DETAIL = 300;

function isAudited({ method, needs, audit }: Route): boolean {
  return audit === true || (method !== "GET" && (needs === "operate" || needs === "administer"));
}

function pathOf(c: Ctx, base_path: string): string {
  const { pathname } = new URL(c.req.url);
  try {
    return decodeURIComponent(pathname.slice(base_path.length));
  } catch {
    return pathname.slice(base_path.length);
  }
}
