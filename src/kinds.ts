import { isIP, isIPv4 } from "node:net";
import { type LinkTemplate, PLACEHOLDER } from "./metrics/links-out.ts";

/** How a text that a person wrote (a flag, a variable, a line of a file) becomes a value. */
export interface Kind<T> {
  /** What the text must be, as the end of a sentence: "must be …". */
  readonly rule: string;
  /** What stands for the value in the help, such as FILE; empty for a switch. */
  readonly placeholder: string;
  /** The value, or undefined where the text breaks the rule. */
  read(text: string): T | undefined;
}

export interface Setting<T> extends Kind<T> {
  /** As a person would write it; empty where there is none. */
  readonly default: string;
  readonly help: string;
  /** A secret is never shown, neither in an error nor by check-config. */
  readonly secret: boolean;
}

/** A setting as it holds, for who may read it. */
export interface SettingInForce {
  readonly name: string;
  /** The environment's name of it. */
  readonly variable: string;
  /** As a person would write it; null for a secret that is set. */
  readonly value: string | null;
  /** What it would be if nobody had set it. */
  readonly default: string;
  /** As it was named where it was set, such as `--tick-ms` or `config.yaml: tick_ms`; or "default". */
  readonly from: string;
  /** What it must be, as the end of a sentence. */
  readonly rule: string;
  readonly help: string;
}

export type ValueOf<S> = S extends Kind<infer T> ? T : never;

export function setting<K extends Kind<unknown>>(kind: K, standard: string, help: string) {
  return { ...kind, default: standard, help, secret: false };
}

export function secret<K extends Kind<unknown>>(kind: K, help: string) {
  return { ...kind, default: "", help, secret: true };
}

/** The error's sentence: the name as the person gave it, the rule, and what came. */
export function complaint(given_as: string, rule: Setting<unknown>, text: string): string {
  const got = rule.secret ? `${text.length} characters` : JSON.stringify(text);
  return `${given_as} must be ${rule.rule}; got ${got}`;
}

export function matching(rule: string, placeholder: string, pattern: RegExp): Kind<string> {
  return { rule, placeholder, read: (text) => (pattern.test(text) ? text : undefined) };
}

/** A path of a file; relative ones start at the working directory. */
export const path = matching("the path of a file", "FILE", /^[^\x00-\x1f]+$/);

export function optional(kind: Kind<string>): Kind<string> {
  return {
    ...kind,
    rule: `${kind.rule}, or empty`,
    read: (text) => (text === "" ? "" : kind.read(text)),
  };
}

export const host = matching("a host name or an IP address", "HOST", /^[A-Za-z0-9._:%-]+$/);

/** Whether whoever listens there is reached from its own machine alone. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}

export const url: Kind<string> = {
  rule: "an address that starts with http:// or https://",
  placeholder: "URL",
  read: (text) => (/^https?:\/\//.test(text) && URL.canParse(text) ? text : undefined),
};

/** Where people reach the dashboard: ends with a slash once read; empty where it is not said. */
export const externalUrl: Kind<string> = {
  rule: "an address that starts with http:// or https://, without ? and #, or empty",
  placeholder: "URL",
  read(text) {
    if (text === "") return "";
    if (url.read(text) === undefined || /[?#]/.test(text)) return undefined;
    return text.endsWith("/") ? text : `${text}/`;
  },
};

/** Visible ASCII, as a bearer token travels in a header. */
export const token = matching(
  "at least 16 characters, visible ASCII without spaces",
  "TOKEN",
  /^[\x21-\x7e]{16,512}$/,
);

export function integer(min: number, max: number, placeholder = "N"): Kind<number> {
  return {
    rule: `a whole number from ${min} to ${max}`,
    placeholder,
    read: (text) => (/^\d{1,15}$/.test(text) ? within(Number(text), min, max) : undefined),
  };
}

export function decimal(min: number, max: number, placeholder = "N"): Kind<number> {
  return {
    rule: `a number from ${min} to ${max}`,
    placeholder,
    read: (text) => (/^\d{1,15}(\.\d{1,15})?$/.test(text) ? within(Number(text), min, max) : undefined),
  };
}

const DURATION_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A factor, or "max" for as fast as it goes. */
export function speed(min: number, max: number): Kind<number> {
  const factor = decimal(min, max);
  return {
    rule: `${factor.rule}, or max`,
    placeholder: "N|max",
    read: (text) => (text === "max" ? Number.POSITIVE_INFINITY : factor.read(text)),
  };
}

/** A duration with its unit, read as milliseconds; its bounds are written as a person would. */
export function duration(min: string, max: string): Kind<number> & { readonly unit: "ms" } {
  return {
    unit: "ms",
    rule: `a duration from ${min} to ${max}, such as 90s, 15m, 24h or 7d`,
    placeholder: "TIME",
    read: (text) => within(scaled(text, DURATION_MS), scaled(min, DURATION_MS)!, scaled(max, DURATION_MS)!),
  };
}

/** As a duration, or empty for none, which is read as 0. */
export function optionalDuration(min: string, max: string): Kind<number> {
  const given = duration(min, max);
  return {
    rule: `${given.rule}, or empty`,
    placeholder: given.placeholder,
    read: (text) => (text === "" ? 0 : given.read(text)),
  };
}

/** A name as the ingest protocol takes it. */
export function label(placeholder: string): Kind<string> {
  return matching("1 to 256 printable characters", placeholder, LABEL);
}

const LABEL = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,256}$/u;

/** Names separated by commas; none where the text is empty. */
export const labels: Kind<readonly string[]> = {
  rule: "names of 1 to 256 printable characters, separated by commas",
  placeholder: "LIST",
  read(text) {
    const names = text.split(",").map((name) => name.trim());
    if (text.trim() === "") return [];
    return names.every((name) => LABEL.test(name)) ? names : undefined;
  },
};

const SIZE_BYTES: Record<string, number> = { "": 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** A size in bytes, plain or with KiB, MiB or GiB. */
export function bytes(min: string, max: string): Kind<number> {
  return {
    rule: `a size in bytes from ${min} to ${max}, such as 16MiB or 16777216`,
    placeholder: "SIZE",
    read: (text) => within(scaled(text, SIZE_BYTES), scaled(min, SIZE_BYTES)!, scaled(max, SIZE_BYTES)!),
  };
}

export function oneOf<const T extends readonly string[]>(...choices: T): Kind<T[number]> {
  return {
    rule: `one of ${choices.join(", ")}`,
    placeholder: choices.join("|"),
    read: (text) => choices.find((choice) => choice === text),
  };
}

const SWITCH: Record<string, boolean> = { on: true, off: false, true: true, false: false };

export const onOff: Kind<boolean> = {
  rule: "on or off",
  placeholder: "",
  read: (text) => (Object.hasOwn(SWITCH, text) ? SWITCH[text] : undefined),
};

/** Where the dashboard lives below its host; begins and ends with a slash once read. */
export const basePath: Kind<string> = {
  rule: 'a path of A-Z, a-z, 0-9 and ._~/- without "." or ".." as a part, such as /fleet/',
  placeholder: "PATH",
  read(text) {
    if (!/^[A-Za-z0-9._~/-]{1,256}$/.test(text) || text.includes("//")) return undefined;
    const parts = text.split("/").filter(Boolean);
    if (parts.includes(".") || parts.includes("..")) return undefined;
    return parts.length === 0 ? "/" : `/${parts.join("/")}/`;
  },
};

const ORIGIN = /^https?:\/\/(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:(\d{1,5}|\*))?$/;

/** Who may show our pages in a frame, as the values of the header's `frame-ancestors`. */
export const frameAncestors: Kind<readonly string[]> = {
  rule: "self, none, or a list of origins such as https://wiki.example, separated by commas or spaces",
  placeholder: "LIST",
  read(text) {
    const sources = text
      .split(/[\s,]+/)
      .filter(Boolean)
      .map(frameSource);
    if (sources.length === 0 || sources.includes(undefined)) return undefined;
    if (sources.includes("'none'") && sources.length > 1) return undefined;
    return sources as string[];
  },
};

const MAX_LINKS = 10;
/** A name, and an address whose host is written out and which tells no password. */
const LINK = /^([^=\p{Cc}]{1,40})=(https?:\/\/[^\s\p{Cc}\\/?#{}@]+(?:[/?#][^\s\p{Cc}]{0,2000})?)$/u;

/** Links to other pages, `NAME=URL` each. @param words what may stand in braces for a value */
export function links(words: readonly string[]): Kind<readonly LinkTemplate[]> {
  return {
    rule:
      `NAME=URL with http or https, up to ${MAX_LINKS} separated by commas, in each URL after its host any of ` +
      `${words.map((word) => `{${word}}`).join(" ")}, or empty`,
    placeholder: "LINKS",
    read(text) {
      // A URL may have commas of its own.
      const parts = text.trim() === "" ? [] : text.split(/,\s*(?=[^=,]+=https?:\/\/)/);
      const read = parts.flatMap((part) => linkOf(part.trim(), words) ?? []);
      const names = new Set(read.map(({ name }) => name));
      return names.size === parts.length && names.size <= MAX_LINKS ? read : undefined;
    },
  };
}

function linkOf(text: string, words: readonly string[]): LinkTemplate | undefined {
  const [, name = "", url = ""] = LINK.exec(text) ?? [];
  const known = [...url.matchAll(PLACEHOLDER)].every(([, word]) => words.includes(word!));
  return known && URL.canParse(url.replace(PLACEHOLDER, "x")) ? { name: name.trim(), url } : undefined;
}

function frameSource(text: string): string | undefined {
  const bare = text.replaceAll("'", "");
  if (bare === "self" || bare === "none") return `'${bare}'`;
  return text === "*" || ORIGIN.test(text) ? text : undefined;
}

/** Proxies that are believed. */
export const networks: Kind<readonly string[]> = {
  rule: "a list of IP addresses or networks such as 10.0.0.0/8, separated by commas or spaces, or empty",
  placeholder: "LIST",
  read(text) {
    const list = text.split(/[\s,]+/).filter(Boolean);
    return list.every(isNetwork) ? list : undefined;
  },
};

function isNetwork(text: string): boolean {
  const [address = "", prefix = "0", ...more] = text.split("/");
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return more.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits;
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

/** "15m" × its unit, or undefined. The product must be whole: a duration has no half milliseconds. */
function scaled(text: string, units: Record<string, number>): number | undefined {
  const [, amount, unit = ""] = /^(\d{1,15}(?:\.\d{1,3})?) ?([A-Za-z]*)$/.exec(text) ?? [];
  if (amount === undefined || !Object.hasOwn(units, unit)) return undefined;
  const value = Number(amount) * units[unit]!;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The known name that a person most likely meant, or undefined where none is near. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known.map((candidate) => ({ candidate, distance: editDistance(name, candidate) }));
  const best = ranked.sort((a, b) => a.distance - b.distance)[0];
  return best && best.distance <= Math.max(2, name.length / 3) ? best.candidate : undefined;
}

/** Ends an error's sentence; `written` gives the suggestion the form in which a person would write it. */
export function didYouMean(name: string, known: readonly string[], written = (near: string) => near): string {
  const near = nearest(name, known);
  return near === undefined ? "" : `; did you mean ${written(near)}?`;
}

/** Levenshtein's distance: the fewest insertions, deletions and replacements of one character. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
