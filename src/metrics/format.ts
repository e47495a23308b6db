import type { Unit } from "./catalogue.ts";

/** A value and its unit apart, so that the figure can be large and the unit small. */
export interface Quantity {
  readonly value: string;
  /** Empty where the value carries its units itself, as in "1 m 12 s". */
  readonly unit: string;
}

/** What stands for a value that is not known; never a zero. */
export const NONE = "–";

const NARROW_NO_BREAK_SPACE = "\u202f";
const NO_BREAK_SPACE = "\u00a0";

/**
 * What no name may bring into a view: the characters that mark parts of live markup, and those that
 * override the direction of the text around them.
 */
const CONTROLS = /[\u0000-\u0008\u202a-\u202e\u2066-\u2069]/g;

/** A name or message from outside, fit for a view. JSX escapes it; this only drops what is no text. */
export function clean(text: string): string {
  return text.replace(CONTROLS, "");
}

/** Control characters, what breaks lines, and what is not seen itself but changes how its neighbours are. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A text where nothing is hidden, for a terminal and for who reads what others did: `a\u202eb` in six letters more. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

/** `text` in at most `limit` characters, its end replaced by an ellipsis; a character is never cut in half. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const characters = [...text];
  return characters.length <= limit ? text : `${characters.slice(0, limit - 1).join("")}…`;
}

/** As `shorten`, keeping the end: numbered names differ there. */
export function shortenStart(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const characters = [...text];
  return characters.length <= limit ? text : `…${characters.slice(1 - limit).join("")}`;
}

const FIGURE_SPACE = "\u2007";
const PUNCTUATION_SPACE = "\u2008";

/** Spaces as wide as the digits and points that `text` lacks to be as wide as `like`. */
export function widthLacking(text: string, like: string): string {
  const lacking = (pattern: RegExp) =>
    Math.max(0, (like.match(pattern)?.length ?? 0) - (text.match(pattern)?.length ?? 0));
  return FIGURE_SPACE.repeat(lacking(/\d/g)) + PUNCTUATION_SPACE.repeat(lacking(/\./g));
}

/** Spaces, then `text`, together as wide as `like`: a figure at a right edge grows without moving. */
export function asWideAs(like: string, text: string): string {
  return widthLacking(text, like) + text;
}

/** A number with `digits` decimal places and without a negative zero. */
function fixed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : text;
}

/** In full up to 999 999, its thousands apart from five digits on, then 1.23 M; below zero with a minus sign. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  if (value < 0) return `−${count(-value)}`;
  if (!Number.isInteger(value) && value < 100) return fixed(value, 1);
  const rounded = Math.round(value);
  if (rounded < 10_000) return String(rounded);
  if (rounded < 1e6) return String(rounded).replace(/(?=\d{3}$)/, NARROW_NO_BREAK_SPACE);
  for (const [size, letter] of [
    [1e6, "M"],
    [1e9, "G"],
    [1e12, "T"],
  ] as const) {
    const figure = (value / size).toPrecision(3);
    if (Number(figure) < 1000) return `${figure}${NO_BREAK_SPACE}${letter}`;
  }
  return value.toExponential(2);
}

/** `3 workers`, `1 worker`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)}${NO_BREAK_SPACE}${value === 1 ? one : many}`;
}

/** Durations: 40 ms, 4.1 s, 12.4 s, 1 m 12 s, 2 h 5 m, 3 d 4 h. */
export function seconds(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  if (value < 0) return `−${seconds(-value)}`;
  if (value === 0) return `0${NO_BREAK_SPACE}s`;
  if (value < 0.0005) return `<1${NO_BREAK_SPACE}ms`;
  if (value < 0.0995) return `${Math.round(value * 1000)}${NO_BREAK_SPACE}ms`;
  if (value < 59.95) return `${value.toFixed(1)}${NO_BREAK_SPACE}s`;
  const whole = Math.round(value);
  const [day, hour, minute] = [86_400, 3600, 60];
  if (whole >= day) return pair(Math.floor(whole / day), "d", Math.floor((whole % day) / hour), "h");
  if (whole >= hour) return pair(Math.floor(whole / hour), "h", Math.floor((whole % hour) / minute), "m");
  return pair(Math.floor(whole / minute), "m", whole % minute, "s");
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return [String(large), largeUnit, String(small), smallUnit].join(NO_BREAK_SPACE);
}

function bytes(value: number): Quantity {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let scaled = Math.abs(value);
  let step = 0;
  while (Math.round(scaled) >= 1024 && step < units.length - 1) {
    scaled /= 1024;
    step += 1;
  }
  const digits = step === 0 || scaled >= 100 ? 0 : 1;
  return { value: `${value < 0 ? "−" : ""}${fixed(scaled, digits)}`, unit: units[step] ?? "B" };
}

/** A share as a percentage with one decimal; only what is all of it is 100 %. */
function ratio(value: number): string {
  if (value >= 1) return fixed(value * 100, 0);
  const percent = Math.floor(value * 1000 + 1e-9) / 10;
  return fixed(percent, 1);
}

/**
 * Parts of one whole as percentages that add up to 100 beside each other: what rounding down leaves over goes to
 * the largest remainders, a tenth each. Only what is all of it is 100 %.
 */
export function shares(parts: readonly number[]): string[] {
  const whole = parts.reduce((sum, part) => sum + part, 0);
  if (!(whole > 0)) return parts.map(() => NONE);
  const exact = parts.map((part) => (part / whole) * 1000);
  const tenths = exact.map((value) => Math.floor(value + 1e-9));
  let left = 1000 - tenths.reduce((sum, value) => sum + value, 0);
  const byRemainder = [...parts.keys()].sort((a, b) => exact[b]! - tenths[b]! - (exact[a]! - tenths[a]!));
  for (const place of byRemainder) {
    if (left === 0) break;
    if (tenths[place] === 999) continue;
    tenths[place]! += 1;
    left -= 1;
  }
  return tenths.map((value) => `${value === 1000 ? "100" : fixed(value / 10, 1)}${NO_BREAK_SPACE}%`);
}

/** Rates and temperatures: one decimal below ten, none above. */
function rough(value: number): string {
  return Math.abs(value) < 9.95 ? fixed(value, 1) : count(Math.round(value));
}

const AS_QUANTITY: Record<Unit, (value: number) => Quantity> = {
  percent: (value) => ({ value: fixed(value, 0), unit: "%" }),
  ratio: (value) => ({ value: ratio(value), unit: "%" }),
  bytes,
  bytes_per_second: (value) => {
    const size = bytes(value);
    return { value: size.value, unit: `${size.unit}/s` };
  },
  seconds: (value) => unitApart(seconds(value)),
  count: (value) => ({ value: count(value), unit: "" }),
  per_minute: (value) => ({ value: rough(value), unit: "/min" }),
  per_hour: (value) => ({ value: rough(value), unit: "/h" }),
  celsius: (value) => ({ value: rough(value), unit: "°C" }),
  watts: (value) => ({ value: rough(value), unit: "W" }),
  score: (value) => ({ value: fixed(value, 0), unit: "" }),
};

/** "12.4 s" as figure and unit; "1 m 12 s" stays whole. */
function unitApart(text: string): Quantity {
  const words = text.split(NO_BREAK_SPACE);
  const [value = text, unit = ""] = words;
  return words.length === 2 ? { value, unit } : { value: text, unit: "" };
}

/** A value of the catalogue's unit; what is not known is a dash without a unit. */
export function quantity(value: number | null | undefined, unit: Unit): Quantity {
  if (value === null || value === undefined || !Number.isFinite(value)) return { value: NONE, unit: "" };
  return AS_QUANTITY[unit](value);
}

/** A value with its unit as one text that does not break. */
export function measure(value: number | null | undefined, unit: Unit): string {
  const parts = quantity(value, unit);
  return parts.unit === "" ? parts.value : `${parts.value}${NO_BREAK_SPACE}${parts.unit}`;
}

/** The largest distance from 1970 that a Date can hold, milliseconds. */
const LAST_INSTANT_MS = 8.64e15;

/** An instant as RFC 3339 in UTC, or null for a number that is none. */
export function iso(at_ms: number): string | null {
  if (!Number.isFinite(at_ms) || Math.abs(at_ms) > LAST_INSTANT_MS) return null;
  return new Date(at_ms).toISOString();
}

/** "19:42:06 UTC". */
export function clock(at_ms: number): string {
  const text = iso(at_ms);
  return text === null ? NONE : `${text.slice(-13, -5)}${NO_BREAK_SPACE}UTC`;
}

/** "19:42 UTC", for the ends of an axis. */
export function clockMinute(at_ms: number): string {
  const text = iso(at_ms);
  return text === null ? NONE : `${text.slice(-13, -8)}${NO_BREAK_SPACE}UTC`;
}

/** "11-23 19:42 UTC", for the ends of an axis of days. */
export function clockDay(at_ms: number): string {
  const text = iso(at_ms);
  return text === null ? NONE : `${text.slice(-19, -14)} ${clockMinute(at_ms)}`;
}

/** "2026-11-23 19:42:06 UTC". */
export function instant(at_ms: number): string {
  const text = iso(at_ms);
  return text === null ? NONE : `${text.slice(0, -14)} ${clock(at_ms)}`;
}

/** An instant as a field takes it: "2026-11-23T18:24:16Z". */
export function inUtc(at_ms: number): string {
  return new Date(at_ms).toISOString().replace(".000Z", "Z");
}
