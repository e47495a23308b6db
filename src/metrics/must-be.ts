import { z } from "zod";
import { didYouMean, type Kind } from "../kinds.ts";

/** A field's text in an error is cut here, so that a hostile value does not come back at full length. */
const MAX_SHOWN = 80;

/** A value as an error shows it: JSON, cut short. */
export function shown(value: unknown): string {
  const text = value === undefined ? "nothing" : (JSON.stringify(value, beginning()) ?? String(value));
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

/** Leaves out of a large value what could not be shown anyway: each part of it takes two characters and more. */
function beginning(): (key: string, part: unknown) => unknown {
  let parts = 0;
  return (_, part) => {
    parts += 1;
    if (parts > MAX_SHOWN) return undefined;
    if (typeof part === "string") return part.slice(0, MAX_SHOWN + 1);
    return Array.isArray(part) ? part.slice(0, MAX_SHOWN) : part;
  };
}

/** The same sentence for whichever check of a field fails: what it must be, and what came. */
export function mustBe(rule: string) {
  return { error: (issue: { input?: unknown }) => `must be ${rule}; got ${shown(issue.input)}` };
}

/** What a kind of setting reads, from a YAML scalar. */
export function scalar<T>(kind: Kind<T>) {
  return z.union([z.string(), z.number()], mustBe(kind.rule)).transform((text, context) => {
    const value = kind.read(String(text));
    if (value !== undefined) return value;
    const { error } = mustBe(kind.rule);
    context.issues.push({ code: "custom", message: error({ input: text }), input: text });
    return z.NEVER;
  });
}

/** An object with these fields and no others; of each other one the error has a line, in their order. */
export function strict<Shape extends z.ZodRawShape>(shape: Shape, what: string) {
  const known = Object.keys(shape);
  const unknown = (key: string) =>
    `has no field ${JSON.stringify(key.slice(0, MAX_SHOWN))}${didYouMean(key.slice(0, MAX_SHOWN), known)}`;
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? (issue.keys as string[]).map(unknown).join("\n")
        : mustBe(what).error(issue),
  });
}
