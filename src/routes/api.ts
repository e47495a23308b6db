import { z } from "zod";
import { fieldsOf, type JsonSchema, jsonSchema, typeWords } from "../metrics/json-schema.ts";
import { turn } from "../metrics/turn.ts";
import { LOOK } from "../views/address.ts";
import type { ApiOperation, ApiSection, ApiView } from "../views/api.tsx";
import { pathSegment } from "../views/identity.ts";
import { MAX_NAME_LENGTH } from "../views/schema.ts";
import { PAGE_LOOK } from "../views/window.ts";
import { answer, REVALIDATE } from "./answers.ts";
import { openApi, operationId, parameters, SECTIONS, type SectionName, sectionOf } from "./openapi.ts";
import { pageForm } from "./pages.ts";
import { given, parseParams } from "./params.ts";
import type { Ctx, Route } from "./route.ts";

export interface ApiDeps {
  /** All routes but those of the description itself. */
  readonly others: readonly Route[];
  readonly version: string;
  /** Ends without a slash. */
  readonly base_path: string;
  /** Where the server is, for lines to be pasted; ends with a slash. */
  readonly url: () => string;
  readonly renderApi: (c: Ctx, view: ApiView) => string;
}

const PARAMS = z.object({
  q: z
    .string()
    .trim()
    .min(1)
    .max(MAX_NAME_LENGTH)
    .optional()
    .describe("Only requests with this text, in any case, in their path, their parameters or what they do")
    .meta({ example: "history" }),
  ...PAGE_LOOK.shape,
  format: z.enum(["html", "json"]).optional().describe("Instead of Accept"),
});

const DESCRIPTION = z.looseObject({
  openapi: z.string().describe("Which version of OpenAPI it follows"),
  paths: z.looseObject({}).describe("Every path with its methods"),
});

/** The description of all routes: for programs, and as a page. */
export function apiRoutes({ others, version, base_path, url, renderApi }: ApiDeps): Route[] {
  // Both are made when somebody first asks: a server that starts has no time for them.
  let text: Promise<string> | undefined;
  let sections: Promise<readonly ApiSection[]> | undefined;
  const described = async (c: Ctx) => {
    text ??= openApi([...others, ...routes], version, base_path).then((all) => `${JSON.stringify(all)}\n`);
    return answer(c, await text, { type: "application/json", cache: REVALIDATE });
  };
  const routes: Route[] = [
    {
      method: "GET",
      path: "/openapi.json",
      needs: "nothing",
      summary: "This interface, described in OpenAPI 3.1.",
      response: { description: "The description", content: { "application/json": DESCRIPTION } },
      handler: described,
    },
    {
      method: "GET",
      path: "/api",
      needs: "read",
      summary: "The page API: this interface, to be read.",
      params: PARAMS,
      response: {
        description: "The page, or the description in OpenAPI",
        content: { "text/html": null, "application/json": DESCRIPTION },
      },
      handler: async (c) => {
        const values = given(c);
        if (pageForm(c, values) === "json") return described(c);
        const { q = "" } = parseParams(PARAMS, values);
        sections ??= sectionsOf([...others, ...routes], url());
        const look = Object.fromEntries(LOOK.flatMap((name) => lookOf(name, values.get(name))));
        return answer(c, renderApi(c, { sections: matching(await sections, q), q, look }), {
          type: "text/html; charset=utf-8",
          headers: {
            Vary: "Accept, Accept-Encoding, Cookie",
            Link: `<${base_path}/openapi.json>; rel="service-desc"; type="application/json"`,
          },
        });
      },
    },
  ];
  return routes;
}

function lookOf(name: string, value: string | readonly string[] | undefined): [string, string][] {
  return typeof value === "string" ? [[name, value]] : [];
}

function matching(sections: readonly ApiSection[], q: string): readonly ApiSection[] {
  if (q === "") return sections;
  const wanted = q.toLowerCase();
  const has = (text: string) => text.toLowerCase().includes(wanted);
  return sections.map((section) => ({
    ...section,
    operations: section.operations.filter(
      ({ method, path, summary, description, parameters }) =>
        has(`${method} ${path}`) ||
        has(summary) ||
        has(description) ||
        parameters.some((one) => has(one.path)),
    ),
  }));
}

/** Fragments and embeds of a panel are told beside its data. */
async function sectionsOf(routes: readonly Route[], url: string): Promise<ApiSection[]> {
  const told = new Map<SectionName, ApiOperation[]>(SECTIONS.map(({ name }) => [name, []]));
  told.delete("Panels");
  for (const route of routes) {
    const operations = told.get(sectionOf(route));
    if (operations === undefined) continue;
    await turn();
    operations.push(operationOf(route, url));
  }
  return SECTIONS.flatMap(({ name, about }) => {
    const operations = told.get(name);
    return operations === undefined ? [] : [{ name, about, operations }];
  });
}

function operationOf(route: Route, url: string): ApiOperation {
  const { method, path, summary, needs, takes = [], body, response, panel } = route;
  const known = parameters(route);
  const content = response?.content ?? {};
  const json = content["application/json"];
  const address = addressOf(route);
  const query = new URLSearchParams(route.example?.params).toString();
  const form = (kind: string) => ({
    name: kind === "embed" ? "to embed" : "as a fragment",
    href: `${kind}/${panel}${query === "" ? "" : `?${query}`}`,
  });
  return {
    id: operationId(route),
    method,
    path: path.replaceAll(/:(\w+)/g, "{$1}"),
    summary,
    needs,
    parameters: known.map(({ name, required, schema, example }) => ({
      path: name,
      type: ruleWords(schema),
      required,
      description: schema.description ?? "",
      example: example === undefined ? null : String(example),
    })),
    takes,
    body: body ? fieldsOf(jsonSchema(body(), "input")) : [],
    status: response?.status ?? 200,
    description: (response?.description ?? "Done").replace(/\.$/, ""),
    types: Object.keys(content),
    answer: json ? fieldsOf(jsonSchema(json, "output")).filter(({ path }) => !path.includes(".")) : [],
    line: lineOf(route, `${url}${address}`),
    href: method === "GET" && !isStream(route) ? address || "./" : null,
    others: panel === undefined ? [] : [form("panels"), form("embed")],
  };
}

/** Its type with its bounds and what holds where it is left out. */
function ruleWords(schema: JsonSchema): string {
  const { minimum, maximum, default: usual } = schema;
  const range = minimum === undefined || maximum === undefined ? "" : `, ${minimum} to ${maximum}`;
  return `${typeWords(schema)}${maximum === Number.MAX_SAFE_INTEGER ? "" : range}${usual === undefined ? "" : `; left out, ${usual}`}`;
}

/** Of a request as in its example, relative to the base. */
function addressOf({ path, params, example }: Route): string {
  const given = new Map(Object.entries(example?.params ?? {}));
  const filled = path.slice(1).replaceAll(/:(\w+)/g, (_, name: string) => {
    const value = given.get(name) ?? name;
    given.delete(name);
    return pathSegment(value);
  });
  const known = [...given].filter(([name]) => params && name in params.shape);
  if (known.length === 0) return filled;
  return `${filled}?${known.map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",")}`).join("&")}`;
}

function isStream({ path }: Route): boolean {
  return path === "/stream" || path.startsWith("/ws");
}

/** What a shell can run; null for what a form on a page sends. */
function lineOf(route: Route, address: string): string | null {
  const { method, path, takes, example, needs } = route;
  if (takes?.includes("application/x-www-form-urlencoded")) return null;
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  if (path.startsWith("/ws")) return `npx wscat -c ${quoted(address.replace(/^http/, "ws"))}`;
  const words = ["curl", isStream(route) ? "-N" : "-s"];
  if (method !== "GET") words.push("-X", method);
  words.push(quoted(address));
  if (needs === "ingest") words.push("-H", '"Authorization: Bearer $EVENKEEL_INGEST_TOKEN"');
  if (example?.body) {
    words.push("-H", quoted("Content-Type: application/json"), "-d", quoted(JSON.stringify(example.body)));
  }
  return words.join(" ");
}
