import { z } from "zod";
import { type JsonSchema, jsonSchema } from "../metrics/json-schema.ts";
import { turn } from "../metrics/turn.ts";
import { PROBLEM_TYPE } from "./answers.ts";
import { pathNames, type Route } from "./route.ts";

const PROBLEM = z
  .object({
    type: z.string().describe("What kind of problem it is; about:blank says that the status tells"),
    title: z.string().describe("The status in words"),
    status: z.int().describe("The HTTP status"),
    detail: z.string().describe("The thing, the rule, the value that came and the next step"),
    parameter: z.string().optional().describe("The parameter that is wrong, where one is"),
  })
  .loose();

/** The subjects that routes are told by, in their order; the first that fits a path has it. */
export const SECTIONS = [
  { name: "Reports", about: "What senders tell.", paths: /^\/api\/(ingest|marks)$/ },
  {
    name: "Alerts",
    about: "What is wrong, who was told, and what people do about it.",
    paths: /^\/api\/(alert|silences|receivers|anomalies)|^\/alerts\/(:alert_id\/acknowledgement|reload)$/,
  },
  {
    name: "Workers",
    about: "All of them, or one of them.",
    paths: /^\/api\/(metrics\/)?workers/,
  },
  {
    name: "Tasks",
    about: "All of them, one of them, and what waits.",
    paths: /^\/api\/(metrics\/)?(tasks|assignments)/,
  },
  {
    name: "Task types and model families",
    about: "The same for each, by its name.",
    paths: /^\/api\/metrics\/(task-types|model-families)/,
  },
  {
    name: "Fleet",
    about: "The fleet as a whole, now and before.",
    paths: /^\/api\/metrics\//,
  },
  { name: "Live", about: "What changes, as it changes.", paths: /^\/(stream|ws)/ },
  {
    name: "Evenkeel itself",
    about: "How Evenkeel is doing, what it knows of, and this description.",
    paths: /^\/(api(\/|$)|healthz|readyz|metrics|openapi|assets)/,
  },
  {
    name: "Panels",
    about:
      "Each panel as a bare fragment of HTML, and as a page to embed; both take the parameters of its data.",
    paths: /^\/(panels|embed)\//,
  },
  { name: "Pages", about: "Pages, their data, and the forms on them.", paths: /^\// },
] as const satisfies readonly { name: string; about: string; paths: RegExp }[];

export type SectionName = (typeof SECTIONS)[number]["name"];

/** What a form on a page sends is told with the pages. */
export function sectionOf({ path, takes }: Pick<Route, "path" | "takes">): SectionName {
  if (takes?.includes("application/x-www-form-urlencoded")) return "Pages";
  return SECTIONS.find(({ paths }) => paths.test(path))!.name;
}

/** An operation's name: the same in the description, in clients made from it, and in links to it. */
export function operationId({ method, path }: Pick<Route, "method" | "path">): string {
  const words = path
    .replaceAll(":", "")
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean);
  return [method.toLowerCase(), ...(words.length === 0 ? ["overview-page"] : words)].join("-");
}

/** All routes as OpenAPI 3.1, a route at a time: between two of them others have their turn. */
export async function openApi(
  routes: readonly Route[],
  version: string,
  base_path: string,
): Promise<Record<string, unknown>> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    await turn();
    const path = route.path.replaceAll(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Evenkeel",
      version,
      description: "A live dashboard for fleets of task workers.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: base_path === "" ? "/" : base_path }],
    tags: SECTIONS.map(({ name, about }) => ({ name, description: about })),
    paths,
    components: {
      schemas: { Problem: jsonSchema(PROBLEM, "output") },
      securitySchemes: { ingest: { type: "http", scheme: "bearer" } },
    },
  };
}

function operation(route: Route): Record<string, unknown> {
  const { response, takes } = route;
  return {
    operationId: operationId(route),
    tags: [sectionOf(route)],
    summary: route.summary,
    "x-needs": route.needs,
    ...(route.needs === "ingest" ? { security: [{ ingest: [] }, {}] } : {}),
    parameters: parameters(route).map(({ name, place, required, schema, example }) => {
      const { description, example: _, ...rest } = schema;
      return {
        name,
        in: place,
        required,
        ...(description === undefined ? {} : { description }),
        schema: rest,
        ...(example === undefined ? {} : { example }),
      };
    }),
    ...(takes ? { requestBody: { required: true, content: requestContent(route, takes) } } : {}),
    responses: {
      [String(response?.status ?? 200)]: {
        description: response?.description ?? "Done",
        ...(response ? { content: responseContent(response.content) } : {}),
      },
      default: {
        description: "An error",
        content: { [PROBLEM_TYPE]: { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
  };
}

export interface Parameter {
  readonly name: string;
  readonly place: "path" | "query";
  readonly required: boolean;
  readonly schema: JsonSchema;
  readonly example?: unknown;
}

/** Those of the path first. */
export function parameters(route: Route): Parameter[] {
  const in_path = pathNames(route.path);
  const schema: JsonSchema = route.params ? jsonSchema(route.params, "input") : {};
  const { properties = {} } = schema;
  const required = new Set(schema.required);
  return [...new Set([...in_path, ...Object.keys(properties)])].map((name) => {
    const own = properties[name] ?? { type: "string" };
    const place = in_path.includes(name) ? "path" : "query";
    const example = route.example?.params?.[name] ?? own.example;
    return {
      name,
      place,
      required: place === "path" || required.has(name),
      schema: own,
      ...(example === undefined ? {} : { example }),
    };
  });
}

function requestContent({ body, example }: Route, takes: readonly string[]): Record<string, unknown> {
  const schema = body && jsonSchema(body(), "input");
  return Object.fromEntries(
    takes.map((mediaType) => {
      if (schema === undefined) return [mediaType, { schema: { type: "object" } }];
      // Of many, one a line, the description of one holds for each.
      if (mediaType !== "application/json") return [mediaType, { schema: { type: "string" } }];
      return [mediaType, { schema, ...(example?.body && { example: example.body }) }];
    }),
  );
}

function responseContent(content: Readonly<Record<string, z.ZodType | null>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(content).map(([mediaType, schema]) => [
      mediaType,
      { schema: schema ? jsonSchema(schema, "output") : { type: "string" } },
    ]),
  );
}
