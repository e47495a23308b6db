import { existsSync, readFileSync } from "node:fs";
import Module from "node:module";
import { dirname } from "node:path";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { constants, Script } from "node:vm";

/** Both halves of the young generation as a small fleet needs them. */
const YOUNG_BYTES = 8 * 2 ** 20;
/** Survivors of one collection are enough to make it grow; without an end where another heap would not. */
const MAX_SURVIVORS = 400;

/**
 * Grows the young generation to what a small fleet needs, and keeps it there: loading the program would grow it to
 * its most, which is 36 MiB that nothing gives back. For a large fleet the program lets it grow again.
 */
function holdYoung() {
  const young_bytes = () =>
    getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0;
  setFlagsFromString("--semi-space-growth-factor=4");
  const survivors = [];
  while (young_bytes() < YOUNG_BYTES && survivors.length < MAX_SURVIVORS)
    survivors.push(new Array(4096).fill(0));
  setFlagsFromString("--semi-space-growth-factor=1");
}

/**
 * Runs the program with the code that V8 made of it when it was built, which takes a third off the time to load
 * it. Another version of node, or one with other flags, finds that it is not its own and makes its own.
 *
 * @param {string} main path of the built program
 * @returns {Script}
 */
export function load(main) {
  holdYoung();
  const kept = `${main}.code`;
  const script = new Script(Module.wrap(readFileSync(main, "utf8")), {
    filename: main,
    ...(existsSync(kept) && { cachedData: readFileSync(kept) }),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, Module.createRequire(main), module, main, dirname(main));
  return script;
}
