import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { mustBe } from "../metrics/must-be.ts";
import { idFromSegment, isReserved } from "../views/identity.ts";
import type { Panel } from "../views/panel.ts";
import { DENSITIES, THEMES } from "../views/preferences.ts";
import { isZone, ZONE_RULE } from "../views/window.ts";
import type { Ctx } from "./route.ts";

/** Parameters by name, as they came. */
export type Given = ReadonlyMap<string, string | readonly string[]>;

/** How any page looks. */
export const LOOK = z.object({
  theme: z.enum(THEMES).optional().describe("Colours; auto follows the viewer's system"),
  density: z.enum(DENSITIES).optional().describe("How close things stand"),
  refresh: z
    .enum(["off"], mustBe("off"))
    .optional()
    .describe("off: without JavaScript the page is not loaded again by itself"),
  tz: z.string().max(64).refine(isZone, ZONE_RULE).optional().describe("Zone that times are shown in"),
});

/** Longest part of a wrong value that an error repeats. */
const SHOWN_CHARS = 80;
/** No name has them, and markup has a meaning for some; a text area's line breaks are none of them. */
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;

/**
 * What the path and the query give, the path first. Empty values are left out: a form sends its empty
 * fields too. A parameter that is given more than once is a list.
 */
export function given(c: Ctx): Given {
  const values = new Map<string, string | readonly string[]>();
  for (const [name, all] of Object.entries(c.req.queries())) {
    const filled = all.filter((value) => value !== "");
    if (filled.length > 0) values.set(name, filled.length === 1 ? filled[0]! : filled);
  }
  for (const [name, value] of Object.entries(c.req.param() as Record<string, string>)) {
    if (isReserved(value)) {
      throw new EvenkeelError(
        "not_found",
        `There is nothing at ${value}; what is itself named so is at ~${value}`,
      );
    }
    values.set(name, idFromSegment(value));
  }
  return values;
}

/** Checks what was given against a schema; what the schema does not know is ignored. */
export function parseParams<S extends z.ZodObject>(schema: S, values: Given): z.output<S> {
  const known = Object.fromEntries(
    Object.keys(schema.shape)
      .filter((name) => values.has(name))
      .map((name) => [name, values.get(name)]),
  );
  for (const [name, value] of Object.entries(known))
    if (CONTROL.test(String(value))) throw wrong(name, "must be without control characters", value);
  const parsed = schema.safeParse(known);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const name = String(issue.path[0] ?? "query");
  throw wrong(name, lowerFirst(issue.message), values.get(name));
}

function wrong(name: string, rule: string, value: string | readonly string[] | undefined): EvenkeelError {
  const got = value === undefined ? "it is missing" : `got ${shown(value)}`;
  return new EvenkeelError("invalid", `Parameter ${name}: ${rule}; ${got}`, { details: { parameter: name } });
}

/**
 * A page that somebody reads keeps the order that its lists had when it was loaded: its stream names that tick,
 * as the page itself does, and so both show the same.
 */
export function keepingOrder(panels: readonly Panel[], values: Given, now_ms: number): Given {
  if (values.has("as_of") || values.has("at")) return values;
  if (!panels.some(({ params }) => "as_of" in params.shape)) return values;
  return new Map([...values, ["as_of", String(now_ms)]]);
}

/** A panel with its parameters: one topic of the render cache. */
export interface PanelRequest {
  readonly panel: Panel;
  readonly params: Record<string, unknown>;
  /** The same for every request that asks for the same thing. */
  readonly key: string;
}

export function panelRequest(panel: Panel, values: Given): PanelRequest {
  const params = parseParams(panel.params, values);
  return { panel, params, key: `${panel.id} ${canonical(params)}` };
}

/** JSON with its keys in order and without what is undefined. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part) =>
    part !== null && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

function shown(value: string | readonly string[]): string {
  const text = JSON.stringify(value);
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
}

function lowerFirst(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}
