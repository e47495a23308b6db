import type { Http2Bindings, HttpBindings } from "@hono/node-server";
import type { Context, Hono } from "hono";
import type { z } from "zod";

/** In `app.request()` there is no socket, so the bindings may be missing. */
type Env = { Bindings: Partial<HttpBindings | Http2Bindings>; Variables: { proxies: Proxies } };
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
  handler(c: Ctx): Response | Promise<Response>;
}

/** Names of the parts of a path that vary. */
export function pathNames(path: string): string[] {
  return [...path.matchAll(/:(\w+)/g)].map((match) => match[1]!);
}
