import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { duration } from "../kinds.ts";
import { clean } from "../metrics/format.ts";
import { fromRfc3339 } from "../metrics/instant.ts";
import type { Alert, AlertLabel, Matcher } from "../metrics/model.ts";
import { checkEnd, matchersText, parseMatchers } from "../metrics/process/rules/silences.ts";
import { MAX_NAME, MAX_NOTE } from "./viewer.tsx";

/** What people choose from; any other time within the bounds may be written. */
export const DURATIONS = ["15m", "1h", "8h", "1d", "7d"] as const;
const span = duration("1m", "30d");
/** A pattern is no longer. */
const MAX_PATTERN = 256;

/** A silence as somebody asks for it, still to be checked. */
export interface Asked {
  readonly matchers?: string | undefined;
  readonly duration?: string | undefined;
  readonly ends?: string | undefined;
  readonly by?: string | undefined;
  readonly note?: string | undefined;
}

/** A silence that may be set. */
export interface Checked {
  readonly matchers: readonly Matcher[];
  readonly ends_ms: number;
  readonly by: string;
  readonly note: string;
}

const by = z.string().trim().min(1).max(MAX_NAME);
const note = z.string().trim().max(MAX_NOTE);

/** @throws EvenkeelError "invalid" that names the field, the rule and the value */
export function checkSilence(asked: Asked, now_ms: number): Checked {
  return {
    matchers: parseMatchers(asked.matchers ?? ""),
    ends_ms: endOf(asked, now_ms),
    by: checkBy(asked.by),
    note: checkNote(asked.note),
  };
}

/** @throws EvenkeelError "invalid" */
function endOf({ duration, ends }: Asked, now_ms: number): number {
  const at_ms = ends ? instantOf(ends) : now_ms + spanOf(duration);
  checkEnd(at_ms, now_ms);
  return at_ms;
}

function spanOf(text: string | undefined): number {
  const length_ms = text === undefined ? undefined : span.read(text);
  if (length_ms !== undefined) return length_ms;
  throw invalid("duration", `must be ${span.rule}, or ends an instant`, text);
}

function instantOf(text: string): number {
  const at_ms = /^\d{1,14}$/.test(text) ? Number(text) : fromRfc3339(text);
  if (Number.isFinite(at_ms)) return at_ms;
  throw invalid(
    "ends",
    "must be RFC 3339 with an offset such as 2026-11-23T18:24:16Z, or Unix milliseconds",
    text,
  );
}

/** @throws EvenkeelError "invalid" */
export function checkBy(text: string | undefined): string {
  const checked = by.safeParse(text ?? "");
  if (checked.success) return checked.data;
  throw invalid("by", `must be your name, 1 to ${MAX_NAME} characters`, text);
}

/** @throws EvenkeelError "invalid" */
export function checkNote(text: string | undefined): string {
  const checked = note.safeParse(text ?? "");
  if (checked.success) return checked.data;
  throw invalid("note", `must have at most ${MAX_NOTE} characters`, `${text?.length} characters`);
}

function invalid(parameter: string, rule: string, got: string | undefined): EvenkeelError {
  const shown = got === undefined || got === "" ? "nothing" : JSON.stringify(got.slice(0, 80));
  return new EvenkeelError("invalid", `${parameter} ${rule}; got ${shown}`, { details: { parameter } });
}

/** Matchers of an alert of this rule about this one thing. */
export function matchersOf({ rule, subject, labels }: Pick<Alert, "rule" | "subject" | "labels">): string {
  const about = labels[subject.kind as AlertLabel];
  return matchersText([
    { label: "rule", pattern: rule, not: false },
    ...(about === undefined
      ? []
      : [{ label: subject.kind as AlertLabel, pattern: patternOf(about), not: false }]),
  ]);
}

/** What parts matchers, or what no form may carry, can't stand in one: a wildcard does, as for what is too long. */
function patternOf(text: string): string {
  const fits = (character: string) => !/[\r\n,]/.test(character) && clean(character) === character;
  const pattern = [...text]
    .map((character) => (fits(character) ? character : "*"))
    .join("")
    .replace(/^\s+|\s+$|\*+/g, "*");
  return pattern.length <= MAX_PATTERN ? pattern : `${pattern.slice(0, MAX_PATTERN - 1)}*`;
}
