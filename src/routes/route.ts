import type { HttpBindings } from "@hono/node-server";
import type { Context, Hono } from "hono";
import type { z } from "zod";
import type { Caller } from "./auth/caller.ts";

/** In `app.request()` there is no socket, so the bindings may be missing. */
type Env = {
  Bindings: Partial<HttpBindings>;
  Variables: {
    /** Who asks. */
    caller?: Caller;
    /** What the audit log says beside the route; who, where that is not the caller. */
    audited?: { readonly who?: string; readonly detail: string };
  };
};
export type Ctx = Context<Env>;
export type App = Hono<Env>;

export const NEEDS = ["nothing", "read", "ingest", "operate", "administer"] as const;
/** What a caller must be allowed to do. */
export type Needs = (typeof NEEDS)[number];

/** What a route answers with: a schema by media type, or null where the body has none. */
export interface RouteResponse {
  readonly status?: number;
  readonly description: string;
  readonly content: Readonly<Record<string, z.ZodType | null>>;
}

/** One route, described once: mounting, access, OpenAPI and the readable API come from it. */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below the base path; `:name` is a part that varies. */
  readonly path: string;
  readonly needs: Needs;
  /** One sentence. */
  readonly summary: string;
  /** Of the query and, by name, of the path. */
  readonly params?: z.ZodObject;
  /** Media types of the body that it takes. */
  readonly takes?: readonly string[];
  readonly response?: RouteResponse;
  /** The panel that it shows. */
  readonly panel?: string;
  /** True where the audit log has it too, beside all that takes the right to operate or to administer. */
  readonly audit?: true;
  handler(c: Ctx): Response | Promise<Response>;
}

/** Ends what lasts once whoever asked for it may not have it any more. @returns takes that back */
export type Watch = (c: Ctx, end: () => void) => () => void;

/** Names of the parts of a path that vary. */
export function pathNames(path: string): string[] {
  return [...path.matchAll(/:(\w+)/g)].map((match) => match[1]!);
}
