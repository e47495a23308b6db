import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

/** Paths from the top of the checkout to their source text. */
type Sources = Readonly<Record<string, string>>;

/** A lower layer never imports a higher one. A folder's name ends in a slash. */
const LAYERS = ["src/errors.ts", "src/metrics/", "src/views/", "src/routes/", "src/server.ts", "src/main.ts"];
const TIERS = ["src/metrics/collect/", "src/metrics/store/", "src/metrics/process/"];
/** The parts of pipeline.ts, for itself alone. */
const PIPELINE_PARTS = "src/metrics/pipeline/";
const JOINS_TIERS = [
  "src/metrics/pipeline.ts",
  "src/metrics/pipeline/history.ts",
  "src/metrics/pipeline/parts.ts",
  "src/metrics/pipeline/restore.ts",
  "src/metrics/pipeline/snapshots.ts",
  "src/metrics/pipeline/unwritten.ts",
  "src/metrics/pipeline/writer.ts",
  "src/metrics/past.ts",
  "src/rehearse.ts",
  "src/server.ts",
  "src/main.ts",
];
/** Not of the program: what several tests begin with. */
const FIXTURE = /-fixture\.ts$/;
const READS_CONFIG = ["src/main.ts", "src/server.ts", "src/cli.ts", "src/config.ts"];
const HOLDS_CLOCK = ["src/metrics/clock.ts", "src/server.ts", "src/main.ts"];
/** A duration's measure is no time of day: the tick and the hub time their own work, and turns how long they take. */
const MEASURES = [...HOLDS_CLOCK, "src/metrics/pipeline.ts", "src/metrics/turn.ts", "src/routes/hub.ts"];

const CLOCK = /\bDate\.now\b|\bnew Date\b(?!\s*\(\s*[^\s)])/;
const MEASURE = /\bperformance\.now\b|\bhrtime\b/;
const MACHINE_PATH = /["'`](\/(home|root|work|Users|mnt|tmp)\/|[A-Za-z]:\\)/;

function problemsOf(sources: Sources): string[] {
  const imports = new Map(Object.entries(sources).map(([path, text]) => [path, importsOf(path, text)]));
  const found = Object.entries(sources).flatMap(([path, text]) => {
    const code = withoutComments(text);
    const anywhere = MACHINE_PATH.test(code) ? [`${path} names a path of one machine`] : [];
    // A test may join what it tests, and measure.
    if (/\.test\.tsx?$/.test(path) || FIXTURE.test(path)) return anywhere;
    return [
      ...anywhere,
      ...imports.get(path)!.flatMap((target) => importProblem(path, target)),
      ...(joinsTiers(path, imports.get(path)!) ? [`${path} joins tiers: that is pipeline.ts's work`] : []),
      ...(CLOCK.test(code) && !HOLDS_CLOCK.includes(path) ? [`${path} reads the real clock`] : []),
      ...(MEASURE.test(code) && !MEASURES.includes(path) ? [`${path} measures time`] : []),
    ];
  });
  return [...found, ...cyclesOf(imports)];
}

function importProblem(path: string, target: string): string[] {
  const [own, other] = [layerOf(path), layerOf(target)];
  const rules: [broken: boolean, rule: string][] = [
    [own !== -1 && other > own, "a lower layer never imports a higher one"],
    [target === "src/config.ts" && !READS_CONFIG.includes(path), "only main, server and cli read config"],
    [target === "src/cli.ts" && path !== "src/main.ts", "only main reads the command line"],
    [crossesTiers(path, target), "inside metrics only pipeline.ts, its parts and past.ts join the tiers"],
    [
      target.startsWith(PIPELINE_PARTS) &&
        path !== "src/metrics/pipeline.ts" &&
        !path.startsWith(PIPELINE_PARTS),
      "only pipeline.ts takes its parts",
    ],
    [
      path.startsWith("src/views/") && target.startsWith("src/metrics/store/"),
      "views see a read interface, never the store",
    ],
    [
      target === "better-sqlite3" && !path.startsWith("src/metrics/store/"),
      "only the store knows its engine",
    ],
  ];
  return rules.filter(([broken]) => broken).map(([, rule]) => `${path} imports ${target}: ${rule}`);
}

function layerOf(path: string): number {
  return LAYERS.findIndex((layer) => path.startsWith(layer));
}

function tierOf(path: string): string | undefined {
  return TIERS.find((tier) => path.startsWith(tier));
}

/** Of a file below metrics/: whether its target is a tier that is not its own. */
function crossesTiers(path: string, target: string): boolean {
  const tier = tierOf(target);
  return (
    path.startsWith("src/metrics/") &&
    tier !== undefined &&
    tier !== tierOf(path) &&
    !JOINS_TIERS.includes(path)
  );
}

/** Of a file above metrics/: whether it imports more than one tier. */
function joinsTiers(path: string, targets: readonly string[]): boolean {
  const tiers = new Set(targets.map(tierOf).filter((tier) => tier !== undefined));
  return tiers.size > 1 && !path.startsWith("src/metrics/") && !JOINS_TIERS.includes(path);
}

/** What a file imports, re-exports or loads in a worker: paths like its own, and names of packages. */
function importsOf(path: string, text: string): string[] {
  const specifiers = /\b(?:from|import)\s*\(?\s*["']([^"']+)["']|\bnew URL\(\s*["'](\.[^"']+\.tsx?)["']/g;
  return [...withoutComments(text).matchAll(specifiers)].map(([, imported, loaded]) => {
    const name = (imported ?? loaded)!;
    return name.startsWith(".") ? posix.join(posix.dirname(path), name) : name;
  });
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(?<![:"'`\\])\/\/.*$/gm, "");
}

/** Each circle of imports once, as the way round. */
function cyclesOf(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const cycles: string[] = [];
  function visit(path: string, way: readonly string[]): void {
    if (way.includes(path)) {
      cycles.push(`circular: ${[...way.slice(way.indexOf(path)), path].join(" → ")}`);
      return;
    }
    if (done.has(path)) return;
    for (const target of imports.get(path) ?? []) visit(target, [...way, path]);
    done.add(path);
  }
  for (const path of imports.keys()) visit(path, []);
  return cycles;
}

const SELF = "src/architecture.test.ts";

function readSources(): Sources {
  const top = new URL("../", import.meta.url);
  const paths = readdirSync(fileURLToPath(new URL("src", top)), { recursive: true, encoding: "utf8" })
    .map((path) => posix.join("src", path.replaceAll("\\", "/")))
    .filter((path) => /\.tsx?$/.test(path) && path !== SELF);
  return Object.fromEntries(paths.map((path) => [path, readFileSync(new URL(path, top), "utf8")]));
}

test("src keeps the directions of the design", () => {
  const sources = readSources();
  expect(Object.keys(sources)).toContain("src/metrics/model.ts");
  expect(problemsOf(sources)).toEqual([]);
});

describe("the check itself", () => {
  test.each([
    ["src/metrics/model.ts", 'import { a } from "../views/a.ts";', "a lower layer"],
    ["src/metrics/model.ts", 'import type { A } from "../server.ts";', "a lower layer"],
    ["src/errors.ts", 'import "./metrics/model.ts";', "a lower layer"],
    ["src/views/a.tsx", 'export { a } from "../routes/a.ts";', "a lower layer"],
    ["src/views/a.tsx", 'const a = await import("../server.ts");', "a lower layer"],
    ["src/server.ts", 'import {\n  a,\n} from "./main.ts";', "a lower layer"],
    ["src/routes/a.ts", 'import type { Settings } from "../config.ts";', "read config"],
    ["src/server.ts", 'import "./cli.ts";', "command line"],
    ["src/metrics/collect/a.ts", 'import "../store/a.ts";', "join the tiers"],
    ["src/metrics/store/a.ts", 'new Worker(new URL("../process/a.ts", import.meta.url));', "join the tiers"],
    ["src/metrics/read.ts", 'import type { A } from "./store/contract.ts";', "join the tiers"],
    ["src/metrics/pipeline/a.ts", 'import "../store/a.ts";', "join the tiers"],
    ["src/metrics/past.ts", 'import type { Parts } from "./pipeline/parts.ts";', "takes its parts"],
    ["src/server.ts", 'import { Writer } from "./metrics/pipeline/writer.ts";', "takes its parts"],
    ["src/routes/a.ts", 'import "../metrics/store/a.ts";\nimport "../metrics/collect/a.ts";', "joins tiers"],
    ["src/views/a.tsx", 'import type { A } from "../metrics/store/contract.ts";', "never the store"],
    ["src/views/a.tsx", 'import Database from "better-sqlite3";', "its engine"],
    ["src/metrics/process/a.ts", "const now_ms = Date.now();", "reads the real clock"],
    ["src/metrics/process/a.ts", "const clock = { now: Date.now };", "reads the real clock"],
    ["src/routes/a.ts", "const now = new Date( );", "reads the real clock"],
    ["src/routes/a.ts", "const now = new Date;", "reads the real clock"],
    ["src/routes/a.ts", "const start = performance.now();", "measures time"],
    ["src/routes/a.ts", `const db = "/${"home"}/me/evenkeel.db";`, "one machine"],
    ["src/routes/a.test.ts", `const db = "/${"tmp"}/evenkeel.db";`, "one machine"],
  ])("finds that %s must not hold %j", (path, text, problem) => {
    expect(problemsOf({ [path]: text }).join("\n")).toContain(problem);
  });

  test.each([
    ["src/main.ts", 'import "./cli.ts";\nimport "./config.ts";\nimport "./server.ts";\nDate.now();'],
    [
      "src/server.ts",
      'import "./config.ts";\nimport "./metrics/store/a.ts";\nimport "./metrics/collect/a.ts";',
    ],
    [
      "src/routes/a.ts",
      'import "../metrics/collect/a.ts";\nimport "../views/a.tsx";\nimport "../errors.ts";',
    ],
    ["src/routes/hub.ts", "const start = performance.now();"],
    ["src/metrics/pipeline.ts", 'import "./store/a.ts";\nimport "./collect/a.ts";\nperformance.now();'],
    ["src/metrics/pipeline.ts", 'import "./pipeline/writer.ts";'],
    ["src/metrics/pipeline/writer.ts", 'import "./unwritten.ts";\nimport "../store/a.ts";'],
    [
      "src/metrics/store/a.ts",
      'import Database from "better-sqlite3";\nimport "./b.ts";\nimport "../model.ts";',
    ],
    [
      "src/views/a.tsx",
      'const at = new Date(at_ms); // not new Date()\n/* nor Date.now() */ const a = "http://a";',
    ],
    ["src/metrics/a.test.ts", 'import "./store/a.ts";\nimport "./process/a.ts";\nDate.now();'],
  ])("lets %s hold %j", (path, text) => expect(problemsOf({ [path]: text })).toEqual([]));

  test("finds a circle of imports, once", () => {
    const sources = {
      "src/views/a.ts": 'import "./b.ts";',
      "src/views/b.ts": 'import type { C } from "./panels/c.ts";',
      "src/views/panels/c.ts": 'import "../a.ts";',
      "src/views/d.ts": 'import "./a.ts";',
    };
    expect(problemsOf(sources)).toEqual([
      "circular: src/views/a.ts → src/views/b.ts → src/views/panels/c.ts → src/views/a.ts",
    ]);
  });
});
