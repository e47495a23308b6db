import type { Http2Bindings, HttpBindings } from "@hono/node-server";
import type { Context, Hono } from "hono";
import type { WebSocket } from "ws";
import type { z } from "zod";
import type { Caller } from "./auth/caller.ts";

/** Makes the connection of a request a WebSocket once it is answered; it is handed over when it is open. */
export type Upgrade = (whenOpen: (socket: WebSocket) => void) => void;

/** In `app.request()` there is no socket, so they may be missing. */
export type Bindings = Partial<HttpBindings | Http2Bindings> & {
  /** Where the client asks for a WebSocket. */
  readonly upgrade?: Upgrade;
};
type Env = {
  Bindings: Bindings;
  Variables: {
    /** Which proxies are believed. */
    proxies: Proxies;
    /** Who asks. */
    caller?: Caller;
    /** What the audit log says beside the route; who, where that is not the caller. */
    audited?: { readonly who?: string; readonly detail: string } | null;
  };
};
export type Ctx = Context<Env>;
export type App = Hono<Env>;

/** Who asks, and for what, as far as it can be believed. */
export interface Client {
  /** IP address, an IPv4 one never in the form of IPv6; empty where there is no connection. */
  readonly address: string;
  /** What the client itself speaks; null where only a proxy that is not trusted could know. */
  readonly scheme: "http" | "https" | null;
  /** The host that it asked for, with its port where there is one. */
  readonly host: string;
}

/** Knows which proxies are believed. */
interface Proxies {
  clientOf(c: Ctx): Client;
  isOwnOrigin(c: Ctx, origin: string): boolean;
}

export const NEEDS = ["nothing", "read", "ingest", "operate", "administer"] as const;
/** What a caller must be allowed to do. */
export type Needs = (typeof NEEDS)[number];

/** What a route answers with: a schema by media type, or null where the body has none. */
export interface RouteResponse {
  readonly status?: number;
  readonly description: string;
  readonly content: Readonly<Record<string, z.ZodType | null>>;
}

export interface RouteExample {
  /** Of the path and the query; what is left out has an example of its own or may be left out. */
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
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
  /** What a JSON body has to be; made when somebody first asks for it. */
  readonly body?: () => z.ZodType;
  /** A request that works where there is what it names. */
  readonly example?: RouteExample;
  /** The panel whose data it answers. */
  readonly panel?: string;
  readonly response?: RouteResponse;
  /** The panel that it shows in some form. */
  readonly shows?: string;
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
