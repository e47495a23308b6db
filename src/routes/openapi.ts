import { z } from "zod";
import { PROBLEM_TYPE } from "./answers.ts";
import { pathNames, type Route } from "./route.ts";

const PROBLEM = z
  .object({
    type: z.string().describe("What kind of problem it is; about:blank says that the status tells"),
    title: z.string().describe("The status in words"),
    status: z.int().describe("The HTTP status"),
    detail: z.string().describe("The thing, the rule, the value that came and the next step"),
  })
  .loose();

/** All routes as OpenAPI 3.1. Paths are below `base_path`. */
export function openApi(
  routes: readonly Route[],
  version: string,
  base_path: string,
): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Evenkeel", version, description: "A live dashboard for fleets of task workers." },
    servers: [{ url: base_path === "" ? "/" : base_path }],
    paths,
    components: {
      schemas: { Problem: jsonSchema(PROBLEM, "output") },
      securitySchemes: { ingest: { type: "http", scheme: "bearer" } },
    },
  };
}

function operation(route: Route): Record<string, unknown> {
  const { response } = route;
  return {
    summary: route.summary,
    "x-needs": route.needs,
    ...(route.needs === "ingest" ? { security: [{ ingest: [] }, {}] } : {}),
    parameters: parameters(route),
    ...(route.takes ? { requestBody: { required: true, content: contentOf(route.takes) } } : {}),
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

function parameters(route: Route): unknown[] {
  const in_path = pathNames(route.path);
  const schema = route.params ? jsonSchema(route.params, "input") : {};
  const properties = (schema.properties ?? {}) as Record<string, { description?: string }>;
  const required = new Set((schema.required ?? []) as string[]);
  const names = new Set([...in_path, ...Object.keys(properties)]);
  return [...names].map((name) => {
    const { description, ...rest } = properties[name] ?? { type: "string" };
    const place = in_path.includes(name) ? "path" : "query";
    return {
      name,
      in: place,
      required: place === "path" || required.has(name),
      ...(description === undefined ? {} : { description }),
      schema: rest,
    };
  });
}

function contentOf(mediaTypes: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(mediaTypes.map((mediaType) => [mediaType, {}]));
}

function responseContent(content: Readonly<Record<string, z.ZodType | null>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(content).map(([mediaType, schema]) => [
      mediaType,
      schema ? { schema: jsonSchema(schema, "output") } : { schema: { type: "string" } },
    ]),
  );
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}
