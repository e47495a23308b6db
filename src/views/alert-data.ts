import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { shorten } from "../metrics/format.ts";
import {
  ALERT_LABELS,
  ALERT_STATES,
  ALERT_SUBJECTS,
  type Alert,
  type AlertLabel,
  SEVERITIES,
} from "../metrics/model.ts";
import type { Read } from "../metrics/read.ts";

/** Longest id that a path may name: a rule's name and that of what it is about. */
const MAX_ID = 1024;
const NAME_LENGTH = 64;
/** Firings of one alert that are looked through. */
export const FIRINGS_LIMIT = 200;

/** How an alert stands, the one that wants most of a person first. */
export const ALERT_STANDINGS = [
  "firing",
  "acknowledged",
  "pending",
  "silenced",
  "inhibited",
  "resolved",
] as const;
export type AlertStanding = (typeof ALERT_STANDINGS)[number];

export function standingOf(
  alert: Pick<Alert, "state" | "acknowledged" | "silenced_by" | "inhibited_by">,
): AlertStanding {
  if (alert.state !== "firing") return alert.state;
  if (alert.silenced_by !== null) return "silenced";
  if (alert.inhibited_by !== null) return "inhibited";
  return alert.acknowledged === null ? "firing" : "acknowledged";
}

/** How an alert stands, in words. */
export const STANDING_WORDS: Readonly<Record<AlertStanding, string>> = {
  firing: "firing",
  acknowledged: "acknowledged",
  pending: "pending",
  silenced: "silenced",
  inhibited: "held back",
  resolved: "resolved",
};

const label = (name: AlertLabel) => z.string().optional().describe(`Its ${name}, where it has one`);

/** What only a silence keeps from being shown as firing, worst first. */
export function silencedOf(read: Read): Alert[] {
  return read.allAlerts().filter((alert) => standingOf(alert) === "silenced");
}

/** An alert as every panel that shows some tells it. */
export const ALERT = z.object({
  id: z.string().describe("Stays the same while the condition lasts"),
  rule: z.string().describe("The rule that fires"),
  severity: z.enum(SEVERITIES).describe("How bad it is"),
  title: z.string().describe("What is wrong"),
  detail: z.string().describe("How much, and what to look at"),
  since_ms: z.number().describe("Since when the condition holds, Unix milliseconds"),
  subject: z
    .object({
      kind: z.enum(ALERT_SUBJECTS).describe("What kind of thing it is about"),
      id: z.string().describe("Its id"),
    })
    .describe("What it is about"),
  state: z
    .enum(ALERT_STATES)
    .describe("pending while the condition has to hold a little longer, then firing, then resolved"),
  standing: z
    .enum(ALERT_STANDINGS)
    .describe("Its state and what holds it: acknowledged, silenced, or inhibited by what it follows from"),
  fired_ms: z
    .number()
    .nullable()
    .describe("When it began to fire, Unix milliseconds; null while it is pending"),
  ended_ms: z.number().nullable().describe("When it was resolved, Unix milliseconds; null until then"),
  flaps: z
    .number()
    .describe("How often it has fired in the last 15 minutes where it comes and goes, count; else 0"),
  acknowledged: z
    .object({
      at_ms: z.number().describe("When, Unix milliseconds"),
      by: z.string().describe("Who"),
      note: z.string().describe("What they said; may be empty"),
    })
    .nullable()
    .describe("Who has seen it and takes care; null where nobody has"),
  silenced_by: z.string().nullable().describe("Id of the silence that it is under; null without one"),
  inhibited_by: z.string().nullable().describe("Id of the alert that it follows from; null without one"),
  labels: z
    .object(
      Object.fromEntries(ALERT_LABELS.map((name) => [name, label(name)])) as Record<
        AlertLabel,
        ReturnType<typeof label>
      >,
    )
    .describe("What it can be matched by"),
  group: z.string().describe("The same for alerts that are told in one line where there are many"),
  many: z.string().describe("That line; {{count}} stands for how many"),
});
export type AlertData = z.output<typeof ALERT>;

export function alertData(alert: Alert): AlertData {
  const { id, rule, severity, title, detail, since_ms, subject, state, fired_ms, ended_ms } = alert;
  const { flaps, acknowledged, silenced_by, inhibited_by, labels, many } = alert;
  return {
    id,
    rule,
    severity,
    title,
    detail,
    since_ms,
    subject: { ...subject },
    state,
    standing: standingOf(alert),
    fired_ms,
    ended_ms,
    flaps,
    acknowledged: acknowledged && { ...acknowledged },
    silenced_by,
    inhibited_by,
    labels: { ...labels },
    group: `${severity} ${acknowledged === null ? "" : "acknowledged "}${rule} ${many}`,
    many,
  };
}

/** What every panel about one alert takes. */
export const ALERT_PARAMS = z.object({
  alert_id: z.string().min(1).max(MAX_ID).describe("The alert"),
  fired: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe(
      "Which of its firings: when that began, Unix milliseconds; left out, the one that lasts, or else the last",
    ),
});

/**
 * The alert that a panel is about.
 *
 * @throws EvenkeelError "not_found" where nothing of it is kept
 */
export function alertOf(read: Read, { alert_id, fired }: z.output<typeof ALERT_PARAMS>): Alert {
  const live = read.allAlerts().find(({ id }) => id === alert_id);
  if (live && (fired === undefined || live.fired_ms === fired)) return live;
  const kept = read.alertsOf(alert_id, fired === undefined ? 1 : FIRINGS_LIMIT);
  const found = fired === undefined ? kept[0] : kept.find(({ fired_ms }) => fired_ms === fired);
  if (found) return found;
  const which = fired === undefined ? "" : ` that began to fire at ${fired}`;
  throw new EvenkeelError(
    "not_found",
    `No alert ${JSON.stringify(shorten(alert_id, NAME_LENGTH))}${which} is pending or fires, and nothing is kept of one that did; the page of alerts lists those that there are`,
  );
}

/** What the page of an alert is headed with; its path says the id. */
export function alertTitle(read: Read, given: Readonly<Record<string, unknown>>): string {
  return alertOf(read, ALERT_PARAMS.parse(given)).title;
}

/** A name for an alert that another one follows from: its title while it is known, else its id. */
export function titleOfAlert(read: Read, id: string): string {
  return read.allAlerts().find((alert) => alert.id === id)?.title ?? id;
}
