import { z } from "zod";

/** The part of JSON Schema that zod writes. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly format?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  /** Of a parameter, as OpenAPI has it. */
  readonly example?: unknown;
}

/** What goes in ("input") or comes out of a schema, as JSON Schema 2020-12, the dialect of OpenAPI 3.1. */
export function jsonSchema(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest as JsonSchema;
}

/** "number or null", "list of text", "one of gpu, cpu". */
export function typeWords(schema: JsonSchema): string {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return [...new Set(choices.map(typeWords))].join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return `one of ${schema.enum.join(", ")}`;
  if (Array.isArray(schema.type)) return schema.type.map((type) => wordOf(type, schema)).join(" or ");
  return wordOf(schema.type as string | undefined, schema);
}

const WORDS: Readonly<Record<string, string>> = {
  string: "text",
  integer: "whole number",
  boolean: "true or false",
};

function wordOf(type: string | undefined, { items, format }: JsonSchema): string {
  if (type === undefined) return "anything";
  if (type === "array") return `list of ${items ? typeWords(items) : "anything"}`;
  if (format === "date-time") return "RFC 3339 time";
  return WORDS[type] ?? type;
}

export interface Field {
  /** Such as `workers[].gpus[].index`. */
  readonly path: string;
  readonly type: string;
  readonly required: boolean;
  readonly description: string;
}

/** Every field of an object's schema, at any depth, those of an object after it. */
export function fieldsOf(schema: JsonSchema, before = ""): Field[] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = before + name;
    const { suffix, inner } = within(field);
    return [
      { path, type: typeWords(field), required: required.has(name), description: field.description ?? "" },
      ...(inner ? fieldsOf(inner, `${path}${suffix}.`) : []),
    ];
  });
}

/** The object that a field is, may be, or is a list of. */
function within(field: JsonSchema): { suffix: string; inner?: JsonSchema } {
  const one = (field.anyOf ?? [field]).find(({ properties, items }) => properties ?? items);
  if (one?.items) {
    const { suffix, inner } = within(one.items);
    return { suffix: `[]${suffix}`, ...(inner && { inner }) };
  }
  return { suffix: "", ...(one && { inner: one }) };
}
