import { z } from "zod";
import type { Worker } from "../metrics/model.ts";
import type { Read } from "../metrics/read.ts";
import { isFiltered } from "./filters.ts";

/** Versions that a worker may tell of: of its own program, and of the agent on its machine. */
const VERSIONS = ["version", "agent_version"] as const;
type VersionName = (typeof VERSIONS)[number];

export const DRIFT = z.object({
  what: z.enum(VERSIONS).describe("Which version it is: of the worker, or of the agent on its machine"),
  version: z.string().describe("The one that it has"),
  usual: z.string().describe("The one that most workers of its type have"),
  workers: z.number().describe("How many of them have it, count"),
  of: z.number().describe("Workers of its type that tell their version, count"),
});
export type Drift = z.output<typeof DRIFT>;

/** Of one worker type: how many workers have which version. */
type Spread = Record<VersionName, Map<string, number>>;

const spreads = new WeakMap<readonly Worker[], ReadonlyMap<string | null, Spread>>();

/** Finds how a worker's version differs from the one that most workers of its type have, whatever the filter. */
export function driftIn(read: Read): (worker: Worker) => Drift | null {
  const spread = spreadOf((isFiltered(read) ? read.filtered({}) : read).workers());
  return (worker) => {
    const capabilities = worker.capabilities;
    for (const what of VERSIONS) {
      const version = capabilities[what];
      const found = spread.get(worker.type)?.[what];
      if (typeof version !== "string" || found === undefined) continue;
      const [usual, workers] = [...found].reduce((most, one) => (one[1] > most[1] ? one : most));
      // Where as many have the one as the other, neither is the usual one.
      if ((found.get(version) ?? 0) >= workers) continue;
      const of = [...found.values()].reduce((sum, count) => sum + count, 0);
      return { what, version, usual, workers, of };
    }
    return null;
  };
}

export function versionOf({ capabilities }: Worker, what: VersionName): string | null {
  const version = capabilities[what];
  return typeof version === "string" ? version : null;
}

/** Counted once for all who look at the same moment. */
function spreadOf(workers: readonly Worker[]): ReadonlyMap<string | null, Spread> {
  const known = spreads.get(workers);
  if (known) return known;
  const by_type = new Map<string | null, Spread>();
  for (const { type, capabilities } of workers) {
    let spread = by_type.get(type);
    if (spread === undefined) {
      spread = { version: new Map(), agent_version: new Map() };
      by_type.set(type, spread);
    }
    for (const what of VERSIONS) {
      const version = capabilities[what];
      if (typeof version === "string") spread[what].set(version, (spread[what].get(version) ?? 0) + 1);
    }
  }
  spreads.set(workers, by_type);
  return by_type;
}
