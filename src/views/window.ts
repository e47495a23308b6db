import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { duration } from "../kinds.ts";
import { fromRfc3339 } from "../metrics/instant.ts";

/** Steps that people count time in, seconds; an answer's step is one of them unless it is asked for. */
const STEPS_S = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400,
];
const DEFAULT_DURATION_MS = 3_600_000;
const DEFAULT_POINTS = 300;
/** Steps of one answer; CSV and NDJSON are streamed and may have MAX_STREAMED_POINTS. */
const MAX_POINTS = 10_000;
const MAX_STREAMED_POINTS = 1_000_000;

const span = duration("1s", "366d");
const LAST_MS = 4_102_444_800_000;

export const instantField = (meaning: string) =>
  z
    .string()
    .transform((text, context) => readInstant(text) ?? refused(context, INSTANT_RULE))
    .optional()
    .describe(`${meaning}: RFC 3339 with an offset, or Unix milliseconds`)
    .meta({ example: "2026-11-23T18:24:16Z" });

export const durationField = (meaning: string) =>
  z
    .string()
    .transform((text, context) => span.read(text) ?? refused(context, `must be ${span.rule}`))
    .optional()
    .describe(`${meaning}: a duration such as 90s, 15m, 24h or 7d`)
    .meta({ example: "15m" });

/** A duration that stays as it was written, for links and forms. */
export const durationWord = (meaning: string) =>
  z
    .string()
    .refine((text) => span.read(text) !== undefined, `must be ${span.rule}`)
    .optional()
    .describe(`${meaning}: a duration such as 90s, 15m, 24h or 7d`)
    .meta({ example: "24h" });

/** @param text as `durationWord` takes it */
export function lengthOf(text: string): number {
  return span.read(text)!;
}

const INSTANT_RULE =
  "must be an instant from 1970 to 2099, RFC 3339 with an offset such as 2026-11-23T18:24:16Z, or Unix milliseconds";

/** A moment of the past: an instant, or how long ago. */
export type Moment = { readonly at_ms: number } | { readonly ago_ms: number };

/** The query parameter of everything that can be shown as it was. */
export const MOMENT = z.object({
  at: z
    .string()
    .transform(
      (text, context) => readMoment(text) ?? refused(context, `${INSTANT_RULE}, or how long ago, as -15m`),
    )
    .optional()
    .describe(
      "Shows it as it was at that moment: RFC 3339 with an offset, Unix milliseconds, or how long ago, such as -15m",
    )
    .meta({ example: "-1m" }),
});

function readMoment(text: string): Moment | undefined {
  if (text.startsWith("-")) {
    const ago_ms = span.read(text.slice(1));
    return ago_ms === undefined ? undefined : { ago_ms };
  }
  const at_ms = readInstant(text);
  return at_ms === undefined ? undefined : { at_ms };
}

/** The query parameters of everything that shows a stretch of time. */
export const WINDOW = z.object({
  from: instantField("Start of the window, inclusive"),
  to: instantField("End of the window, exclusive; left out, now"),
  duration: durationField("Length of the window where from is not given; left out, 1h"),
  step: durationField("Width of one step, whole seconds; left out, it follows from points"),
  points: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_POINTS)
    .optional()
    .describe(
      `At most so many steps where step is not given, 1 to ${MAX_POINTS}; left out, ${DEFAULT_POINTS}`,
    )
    .meta({ example: 60 }),
});

export const ZONE_RULE = "must be the name of a time zone such as Europe/Berlin or UTC";

/** How a page with charts of its own looks: kept in its links and forms. */
export const CHART_LOOK = z.object({
  theme: z.enum(["auto", "light", "dark"]).optional().describe("Colours of the page"),
  tz: z
    .string()
    .max(64)
    .refine(isZone, ZONE_RULE)
    .optional()
    .describe("Time zone that the page shows times in, such as Europe/Berlin; left out, the viewer's")
    .meta({ example: "Europe/Berlin" }),
  compare: durationField("Beside each mean that of the same window so long before, such as 24h or 7d"),
});

/** How the page looks, of what has links and forms of its own that keep it so. */
export const PAGE_LOOK = z.object({
  theme: CHART_LOOK.shape.theme,
  tz: CHART_LOOK.shape.tz,
  density: z.enum(["comfortable", "compact"]).optional().describe("How close things stand on the page"),
  kiosk: z.string().max(16).optional().describe("The page without its menus").meta({ example: "1" }),
});

export function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

export interface Window {
  /** Aligned to the step, Unix milliseconds. */
  readonly from_ms: number;
  /** Exclusive. */
  readonly to_ms: number;
  readonly step_ms: number;
}

/**
 * The window that the parameters name. It is widened to whole steps.
 *
 * @throws EvenkeelError "invalid" where it is empty, or has more steps than an answer may have
 */
export function windowOf(params: z.output<typeof WINDOW>, now_ms: number, max_points = MAX_POINTS): Window {
  const to_ms = params.to ?? now_ms;
  const from_ms = params.from ?? to_ms - (params.duration ?? DEFAULT_DURATION_MS);
  if (from_ms >= to_ms) throw invalid("from", `from must lie before to; got ${from_ms} and ${to_ms}`);
  const length_ms = to_ms - from_ms;
  const step_ms = params.step ?? stepFor(length_ms, params.points ?? DEFAULT_POINTS);
  if (step_ms % 1000 !== 0) throw invalid("step", `step must be whole seconds; got ${step_ms} ms`);
  const points = Math.ceil(length_ms / step_ms);
  if (points > max_points) {
    const longer = max_points === MAX_POINTS ? ", or take csv or ndjson, which are streamed" : "";
    throw invalid(
      "step",
      `an answer has at most ${max_points} steps; ${points} of ${step_ms / 1000} s are more: take a longer step or a shorter window${longer}`,
    );
  }
  return {
    from_ms: Math.floor(from_ms / step_ms) * step_ms,
    to_ms: Math.ceil(to_ms / step_ms) * step_ms,
    step_ms,
  };
}

/** The same window for what is streamed, in slices of whole steps. */
export function* slicesOf(params: z.output<typeof WINDOW>, now_ms: number, steps: number): Iterable<Window> {
  const { from_ms, to_ms, step_ms } = windowOf(params, now_ms, MAX_STREAMED_POINTS);
  for (let start_ms = from_ms; start_ms < to_ms; start_ms += steps * step_ms) {
    yield { from_ms: start_ms, to_ms: Math.min(to_ms, start_ms + steps * step_ms), step_ms };
  }
}

/** The shortest of the usual steps that needs no more than so many of them. */
function stepFor(length_ms: number, points: number): number {
  const needed_s = length_ms / 1000 / points;
  const step_s = STEPS_S.find((candidate) => candidate >= needed_s);
  return 1000 * (step_s ?? Math.ceil(needed_s / 86_400) * 86_400);
}

function readInstant(text: string): number | undefined {
  const at_ms = /^\d{1,14}$/.test(text) ? Number(text) : fromQuery(text);
  return at_ms >= 0 && at_ms <= LAST_MS ? at_ms : undefined;
}

/** A person may leave out the seconds, and forget that a plus in a query is a space. */
function fromQuery(text: string): number {
  const [, minute, seconds = ":00", zone = ""] =
    /^(.{10}[Tt ]\d\d:\d\d)(:\d\d(?:\.\d+)?)?(.*)$/.exec(text) ?? [];
  return minute === undefined ? Number.NaN : fromRfc3339(minute + seconds + zone.replace(" ", "+"));
}

/** "90s", "15m", "24h", "7d": as it is written in a query. */
export function durationText(length_ms: number): string {
  for (const [unit, size_ms] of [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1000],
  ] as const) {
    // A day is written as 24h.
    if (length_ms % size_ms === 0 && length_ms > (unit === "d" ? size_ms : 0))
      return `${length_ms / size_ms}${unit}`;
  }
  return `${length_ms}ms`;
}

function refused(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}

function invalid(parameter: string, message: string): EvenkeelError {
  return new EvenkeelError("invalid", message, { details: { parameter } });
}
