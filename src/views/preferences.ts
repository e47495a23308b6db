import { z } from "zod";
import { duration } from "../kinds.ts";
import { FILTERS } from "./filters.ts";
import type { Panel } from "./panel.ts";
import { MAX_NAME } from "./viewer.tsx";
import { isZone, ZONE_RULE } from "./window.ts";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];
export const DENSITIES = ["comfortable", "compact"] as const;
export type Density = (typeof DENSITIES)[number];

/** Stretches of time that history offers to begin with, in words; empty: its own. */
export const RANGES = [
  ["", "1 hour"],
  ["15m", "15 minutes"],
  ["6h", "6 hours"],
  ["24h", "24 hours"],
  ["7d", "7 days"],
] as const;

const range = duration("10s", "366d");
const MAX_VIEWS = 50;
const MAX_PANELS = 100;

/** An address below the base path, as a link has it: never one of another host. */
const address = z
  .string()
  .max(2048)
  .regex(
    /^[\w~%.-][^\s\\]*$|^$|^\?[^\s\\]*$/,
    "must be an address of this dashboard, such as history?duration=6h",
  )
  .refine(
    (text) => !/^[a-z][a-z0-9+.-]*:/i.test(text) && !text.includes("//"),
    "must be an address of this dashboard",
  );

const VIEW_NAME = z.string().trim().min(1).max(80);
export const SAVED_VIEW = z.object({ name: VIEW_NAME, url: address });
export type SavedView = z.output<typeof SAVED_VIEW>;

/** What a viewer chose. Each has a default, so that a session of an older version still reads. */
export const PREFERENCES = z.object({
  theme: z.enum(THEMES).default("auto").catch("auto"),
  density: z.enum(DENSITIES).default("comfortable").catch("comfortable"),
  /** Empty: the browser's own. */
  tz: z
    .string()
    .max(64)
    .refine((name) => name === "" || isZone(name), ZONE_RULE)
    .default("")
    .catch(""),
  /** By which others know who dealt with an alert; empty: they are asked for it. */
  name: z.string().trim().max(MAX_NAME).default("").catch(""),
  /** Of history; empty: the page's own. */
  range: z
    .string()
    .refine((text) => text === "" || range.read(text) !== undefined, `must be ${range.rule}`)
    .default("")
    .catch(""),
  /** That `/` leads to. */
  filters: FILTERS.default({}).catch({}),
  /** Of the main dashboard, in their order; null: all, in the page's own. */
  panels: z.array(z.string().max(64)).max(MAX_PANELS).nullable().default(null).catch(null),
  views: z.array(SAVED_VIEW).max(MAX_VIEWS).default([]).catch([]),
});
export type Preferences = z.output<typeof PREFERENCES>;

export const NO_PREFERENCES: Preferences = PREFERENCES.parse({});

/** The panels that ids name, in that order, each once; unknown ones are left out. All of them where none is named. */
export function chosenPanels(all: readonly Panel[], ids: readonly string[] | null): readonly Panel[] {
  if (ids === null) return all;
  const chosen = [...new Set(ids)].flatMap((id) => all.find((panel) => panel.id === id) ?? []);
  return chosen.length === 0 ? all : chosen;
}
